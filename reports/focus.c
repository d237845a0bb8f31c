/*
 * focus.c - FOCUS Cost and Usage, versions 1.2, 1.3 and 1.4, from one table of columns.
 *
 * A row is one function, version, memory size and UTC day of one invoice line (each band of a meter is a line of its
 * own), or a tax, fee, credit or correction as a whole. ListCost and ContractedCost are exact products of price and
 * quantity; the rounding of the invoice line (at most half a minor unit) is in BilledCost of one row of the line's
 * largest function and shown as x_RoundingAdjustment, so that SUM(BilledCost) is what the invoice asks for, to the last
 * digit, and BilledCost = ContractedCost + x_RoundingAdjustment in every row.
 */
#include "reports/focus.h"

#include "common/map.h"
#include "reports/focus_row.h"
#include "reports/report_store.h"
#include "schema/pg.h"

#include <stdlib.h>

struct stream {
    struct focus_rows *rows;
    struct focus_split *split;
    struct map *totals;
    struct map *tags;
    struct focus_piece *pieces;
    int64_t function_id; /* at hand; 0: none yet */
    bool billed;         /* the bill has something of it */
};

static int put_rest(struct stream *stream, struct err *err)
{
    int count = focus_split_rest(stream->split, stream->pieces);
    for (int i = 0; i < count; i++) {
        if (focus_rows_piece(stream->rows, &stream->pieces[i], NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static void begin_function(struct stream *stream, const struct focus_usage *usage)
{
    static const int64_t NONE[METER_COUNT];
    const int64_t *totals = map_get(stream->totals, &usage->function_id, sizeof usage->function_id);
    stream->function_id = usage->function_id;
    stream->billed = focus_split_begin(stream->split, usage->function_id, totals != NULL ? totals : NONE);
    focus_rows_function(stream->rows, usage->function_id, usage->function_name,
                        map_get(stream->tags, &usage->function_id, sizeof usage->function_id));
}

static int on_usage(const struct focus_usage *usage, void *ctx, struct err *err)
{
    struct stream *stream = ctx;
    if (usage->function_id != stream->function_id) {
        if (stream->billed && put_rest(stream, err) != 0) {
            return -1;
        }
        begin_function(stream, usage);
    }
    if (!stream->billed) {
        return 0;
    }
    int count = focus_split_row(stream->split, usage->quantity, stream->pieces);
    for (int i = 0; i < count; i++) {
        if (focus_rows_piece(stream->rows, &stream->pieces[i], usage, err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Functions of an invoice that have no usage any more. */
static int put_missed(struct stream *stream, struct err *err)
{
    int64_t function_id = 0;
    const char *name = "";
    if (stream->billed && put_rest(stream, err) != 0) {
        return -1;
    }
    while (focus_split_begin_missed(stream->split, &function_id, &name)) {
        focus_rows_function(stream->rows, function_id, name, map_get(stream->tags, &function_id, sizeof function_id));
        if (put_rest(stream, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static void put_lines(struct stream *stream, const struct bill *bill)
{
    for (int i = 0, share = 0; i < bill->line_count; i++) {
        bool split = share < bill->share_count && bill->shares[share].line == i;
        if (!split) {
            focus_rows_line(stream->rows, i);
        }
        while (share < bill->share_count && bill->shares[share].line == i) {
            share++;
        }
    }
}

static int write_bill(struct csv *csv, struct pg *pg, const struct focus *focus, const struct bill *bill,
                      struct err *err)
{
    struct stream stream = {0};
    int rc = -1;
    if (focus_rows_open(csv, focus, bill, &stream.rows, err) != 0 || focus_split_new(bill, &stream.split, err) != 0 ||
        focus_store_totals(pg, bill->account_id, bill->month, bill->usage_as_of_us, &stream.totals, err) != 0 ||
        report_store_tags(pg, bill->account_id, &stream.tags, err) != 0) {
        goto out;
    }
    stream.pieces = calloc((size_t)focus_split_pieces_max(stream.split) + 1, sizeof *stream.pieces);
    if (stream.pieces == NULL) {
        (void)err_set(err, ERR_SYSTEM, "focus: out of memory");
        goto out;
    }
    if (focus_store_usage(pg, bill->account_id, bill->month, bill->usage_as_of_us, on_usage, &stream, err) != 0 ||
        put_missed(&stream, err) != 0) {
        goto out;
    }
    put_lines(&stream, bill);
    rc = 0;
out:
    free(stream.pieces);
    focus_split_free(&stream.split);
    focus_rows_close(&stream.rows);
    focus_store_totals_free(&stream.totals);
    report_store_tags_free(&stream.tags);
    return rc;
}

int focus_month(struct csv *csv, struct pg *pg, int64_t account_id, struct month month, int64_t invoice_id,
                const struct focus *focus, struct err *err)
{
    struct bill *bill = NULL;
    /* One picture: usage that arrives meanwhile would be in some of the statements and not in others. */
    if (pg_begin(pg, PG_REPEATABLE_READ, err) != 0) {
        return -1;
    }
    int rc = report_load(pg, account_id, month, invoice_id, BILL_SPLIT_FUNCTION, &bill, err);
    if (rc == 0) {
        if (bill->credit_note) {
            bill_turn(bill); /* cut into rows as its invoice was; focus_row.c turns what it writes */
        }
        rc = write_bill(csv, pg, focus, bill, err);
    }
    pg_rollback(pg);
    bill_free(&bill);
    return rc;
}
