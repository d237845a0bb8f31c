#include "billing/what_if.h"

#include "billing/price_book_internal.h"
#include "billing/what_if_store.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdlib.h>

enum meter what_if_meter(const struct what_if_row *row)
{
    static const enum meter METERS[3][2] = {{METER_COMPUTE_X86, METER_COMPUTE_ARM},
                                            {METER_PROVISIONED_COMPUTE_X86, METER_PROVISIONED_COMPUTE_ARM},
                                            {METER_PROVISIONED_X86, METER_PROVISIONED_ARM}};
    CHECK(row->provisioned >= 0 && row->provisioned <= 2 && row->arch >= 0 && row->arch <= 1);
    return METERS[row->provisioned][row->arch];
}

int what_if_resized(const struct what_if_row *row, int64_t memory_mib, int64_t *mb_ms, struct err *err)
{
    if (row->memory_mib <= 0) { /* refusals only */
        *mb_ms = row->mb_ms;
        return 0;
    }
    money_int resized = (money_int)(row->mb_ms / row->memory_mib) * memory_mib;
    if (resized > INT64_MAX) {
        return err_set(err, ERR_LIMIT, "the compute of a month with %" PRId64 " MiB is more than can be counted",
                       memory_mib);
    }
    *mb_ms = (int64_t)resized;
    return 0;
}

/* ---- rows ---- */

static int take_row(const struct pg_row *row, void *ctx, struct err *err)
{
    struct what_if_rows *rows = ctx;
    if (rows->count == rows->capacity) {
        int capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
        struct what_if_row *more = realloc(rows->items, (size_t)capacity * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "what-if: out of memory");
        }
        rows->items = more;
        rows->capacity = capacity;
    }
    rows->items[rows->count++] = (struct what_if_row){
        .function_id = pg_get_i64(row, "function_id"),
        .memory_mib = pg_get_i64(row, "memory_mib"),
        .arch = pg_get_i64(row, "arch"),
        .provisioned = pg_get_i64(row, "provisioned"),
        .requests = pg_get_i64(row, "requests"),
        .mb_ms = pg_get_i64(row, "mb_ms"),
        .storage_mb_ms = pg_get_i64(row, "storage"),
        .streamed_bytes = pg_get_i64(row, "streamed"),
        .rounded = pg_get_i64(row, "rounded"),
        .as_billed = pg_get_i64(row, "as_billed"),
    };
    return 0;
}

int what_if_rows_billed(struct pg *pg, int64_t account_id, struct month month, struct what_if_rows *rows,
                        struct err *err)
{
    int64_t from_us, to_us;
    month_range(month, &from_us, &to_us);
    return what_if_store_billed(pg, account_id, from_us, to_us, take_row, rows, err);
}

/* ---- policies ---- */

static void put_runtimes(const struct price_policy *policy, struct buf *out)
{
    buf_putc(out, '[');
    for (int i = 0; i < policy->runtime_count; i++) { /* letters, digits and dots: nothing to escape */
        buf_printf(out, "%s\"%s\"", i > 0 ? "," : "", policy->runtimes[i]);
    }
    buf_putc(out, ']');
}

static int rounded_rows(struct pg *pg, int64_t account_id, struct month month, const struct price_book *book,
                        const struct what_if *what_if, struct what_if_rows *rows, struct err *err)
{
    struct buf from = {0}, grain = {0}, init = {0}, runtimes = {0};
    int64_t from_us, to_us;
    buf_puts(&from, "{");
    buf_puts(&grain, "{1"); /* before the first policy: price_book_policy() */
    buf_puts(&init, "{all");
    buf_puts(&runtimes, "[[]");
    for (int i = 0; i < book->policy_count; i++) {
        const struct price_policy *policy = &book->policies[i];
        char at[CALENDAR_TEXT_BYTES];
        calendar_format_us(policy->from_us, at);
        buf_printf(&from, "%s%s", i > 0 ? "," : "", at);
        buf_printf(&grain, ",%" PRIu32, policy->grain_ms);
        buf_puts(&init, !policy->bill_init ? ",none" : policy->runtime_count > 0 ? ",some" : ",all");
        buf_putc(&runtimes, ',');
        put_runtimes(policy, &runtimes);
    }
    buf_puts(&from, "}");
    buf_puts(&grain, "}");
    buf_puts(&init, "}");
    buf_puts(&runtimes, "]");
    month_range(month, &from_us, &to_us);
    const struct what_if_policies policies = {.from = buf_text(&from),
                                              .grain_ms = buf_text(&grain),
                                              .init = buf_text(&init),
                                              .runtimes = buf_text(&runtimes)};
    int rc = buf_ok(&from) && buf_ok(&grain) && buf_ok(&init) && buf_ok(&runtimes)
                 ? what_if_store_rounded(pg, account_id, from_us, to_us, what_if, &policies, take_row, rows, err)
                 : err_set(err, ERR_SYSTEM, "what-if: out of memory");
    buf_free(&from);
    buf_free(&grain);
    buf_free(&init);
    buf_free(&runtimes);
    return rc;
}

/* ---- the month ---- */

static int add(int64_t *sum, int64_t more, struct err *err)
{
    return __builtin_add_overflow(*sum, more, sum) ? err_set(err, ERR_LIMIT, "the month is more than can be counted")
                                                   : 0;
}

static int add_row(const struct what_if_row *row, const struct what_if *what_if, struct what_if_usage *usage,
                   struct err *err)
{
    int64_t *quantity = usage->totals.quantity;
    int64_t mb_ms = row->mb_ms;
    if (what_if->function_id != 0 && row->function_id == what_if->function_id &&
        what_if_resized(row, what_if->memory_mib, &mb_ms, err) != 0) {
        return -1;
    }
    return add(&quantity[METER_REQUESTS], row->requests, err) != 0 ||
                   add(&quantity[what_if_meter(row)], mb_ms, err) != 0 ||
                   add(&quantity[METER_EPHEMERAL_STORAGE], row->storage_mb_ms, err) != 0 ||
                   add(&quantity[METER_STREAMED_BYTES], row->streamed_bytes, err) != 0 ||
                   add(&usage->rounded, row->rounded, err) != 0 || add(&usage->as_billed, row->as_billed, err) != 0
               ? -1
               : 0;
}

int what_if_sum(const struct what_if_rows *rows, const struct what_if *what_if, struct what_if_usage *usage,
                struct err *err)
{
    struct what_if_usage sum = {.rounded = 0};
    for (int i = 0; i < rows->count; i++) {
        if (add_row(&rows->items[i], what_if, &sum, err) != 0) {
            return -1;
        }
    }
    sum.now = usage->now;
    *usage = sum;
    return 0;
}

struct question {
    int64_t account_id;
    struct month month;
    const struct price_book *book;
    const struct what_if *what_if;
    struct what_if_rows rows;
    struct what_if_usage usage;
};

static int round_again(struct pg *pg, struct question *question, struct err *err)
{
    char text[CALENDAR_TEXT_BYTES];
    if (question->usage.as_billed > WHAT_IF_RECORDS_MAX) {
        return err_field(err, "grain",
                         "the month has %" PRId64 " records; at most %d are rounded again in one question",
                         question->usage.as_billed, WHAT_IF_RECORDS_MAX);
    }
    question->rows.count = 0;
    if (rounded_rows(pg, question->account_id, question->month, question->book, question->what_if, &question->rows,
                     err) != 0 ||
        what_if_sum(&question->rows, question->what_if, &question->usage, err) != 0) {
        return -1;
    }
    if (question->usage.rounded == 0) {
        month_format(question->month, text);
        return err_set(err, ERR_CONFLICT,
                       "the records of %s are no longer kept; what was rounded cannot be rounded again", text);
    }
    return 0;
}

static int answer(struct pg *pg, void *ctx, struct err *err)
{
    static const struct what_if NOTHING = {.grain_ms = 0};
    struct question *question = ctx;
    const struct what_if *what_if = question->what_if;
    question->rows.count = 0;
    if (what_if_rows_billed(pg, question->account_id, question->month, &question->rows, err) != 0 ||
        what_if_sum(&question->rows, &NOTHING, &question->usage, err) != 0) {
        return -1;
    }
    question->usage.now = question->usage.totals;
    if ((what_if->grain_ms > 0 || what_if->init != WHAT_IF_INIT_AS_BILLED) && question->usage.as_billed > 0) {
        return round_again(pg, question, err);
    }
    return what_if_sum(&question->rows, what_if, &question->usage, err);
}

int what_if_usage(struct pg *pg, int64_t account_id, struct month month, const struct price_book *book,
                  const struct what_if *what_if, struct what_if_usage *usage, struct err *err)
{
    struct question question = {.account_id = account_id, .month = month, .book = book, .what_if = what_if};
    int rc = pg_tx_at(pg, PG_REPEATABLE_READ, answer, &question, err);
    free(question.rows.items);
    if (rc == 0) {
        *usage = question.usage;
    }
    return rc;
}
