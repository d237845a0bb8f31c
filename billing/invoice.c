#include "billing/invoice.h"

#include "billing/correction.h"
#include "billing/invoice_notice.h"
#include "billing/invoice_store.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool invoice_may(enum bill_state from, enum bill_state to)
{
    static const struct {
        enum bill_state from, to;
    } TRANSITIONS[] = {
        {BILL_ESTIMATE, BILL_DRAFT}, {BILL_ESTIMATE, BILL_PARKED}, {BILL_PARKED, BILL_DRAFT},
        {BILL_DRAFT, BILL_ISSUED},   {BILL_ISSUED, BILL_VOID},     {BILL_ISSUED, BILL_CREDITED},
    };
    for (size_t i = 0; i < sizeof TRANSITIONS / sizeof TRANSITIONS[0]; i++) {
        if (TRANSITIONS[i].from == from && TRANSITIONS[i].to == to) {
            return true;
        }
    }
    return false;
}

struct change {
    int64_t account_id, invoice_id;
    enum bill_state to;
    const char *reason;
    struct credit_note *credit_note;
};

static int change_in_tx(struct pg *pg, void *ctx, struct err *err)
{
    const struct change *change = ctx;
    struct invoice_head head;
    if (invoice_store_head(pg, change->account_id, change->invoice_id, &head, err) != 0) {
        return -1;
    }
    if (head.credit_note) {
        return err_set(err, ERR_CONFLICT, "%s is a credit note; only invoices can be void or credited", head.number);
    }
    if (!invoice_may(head.state, change->to)) {
        return err_set(err, ERR_CONFLICT, "%s is %s; only an issued invoice can become %s", head.number,
                       bill_state_name(head.state), bill_state_name(change->to));
    }
    /* Two at once: the key of invoice_event lets one through. */
    if (invoice_store_event(pg, change->account_id, change->invoice_id, bill_state_name(change->to), change->reason,
                            err) != 0) {
        return -1;
    }
    if (change->to != BILL_CREDITED) {
        return 0;
    }
    struct credit_note *note = change->credit_note;
    if (invoice_store_credit(pg, change->account_id, change->invoice_id, change->reason, note, err) != 0) {
        return -1;
    }
    return invoice_notice_queue(pg, change->account_id, change->account_id, note->month_us, note->issued_us, err);
}

static int run(struct pg *pg, struct change *change, struct err *err)
{
    size_t length = strlen(change->reason);
    if (length == 0 || length > INVOICE_REASON_BYTES_MAX) {
        return err_field(err, "/reason", "reason has %zu bytes; it is required, and at most %d", length,
                         INVOICE_REASON_BYTES_MAX);
    }
    return pg_tx(pg, change_in_tx, change, err);
}

int invoice_void(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *reason, struct err *err)
{
    struct change change = {.account_id = account_id, .invoice_id = invoice_id, .to = BILL_VOID, .reason = reason};
    return run(pg, &change, err);
}

int invoice_credit(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *reason,
                   struct credit_note *credit_note, struct err *err)
{
    struct change change = {.account_id = account_id,
                            .invoice_id = invoice_id,
                            .to = BILL_CREDITED,
                            .reason = reason,
                            .credit_note = credit_note};
    return run(pg, &change, err);
}

/* ---- verification ---- */

static void differs(struct invoice_check *check, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void differs(struct invoice_check *check, const char *format, ...)
{
    va_list args;
    if (check->difference[0] != '\0') {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(check->difference, sizeof check->difference, format, args);
    va_end(args);
}

/* Lines against each other, and against the sums of the document. */
static int check_sums(const struct bill *bill, struct invoice_check *check, struct err *err)
{
    int64_t sum = 0;
    for (int i = 0; i < bill->line_count; i++) {
        const struct rated_line *line = &bill->lines[i];
        struct exact product;
        char text[2][MONEY_TEXT_BYTES];
        if (__builtin_add_overflow(sum, line->amount_minor, &sum)) {
            return err_set(err, ERR_LIMIT, "the lines are beyond what an invoice can hold");
        }
        if (line->kind != LINE_USAGE || line->packages > 0) {
            continue;
        }
        if (exact_product(line->quantity, line->contracted_price, meter_per_pricing_unit(line->meter), &product, err) !=
            0) {
            return -1;
        }
        if (product.value != line->exact_amount.value) {
            exact_format(product, text[0]);
            exact_format(line->exact_amount, text[1]);
            differs(check, "line %d (%s): quantity x price is %s, its exact amount says %s", i + 1, line->description,
                    text[0], text[1]);
        }
    }
    if (sum != bill->total_minor) {
        char text[2][MONEY_TEXT_BYTES];
        minor_format(sum, &bill->currency, text[0]);
        minor_format(bill->total_minor, &bill->currency, text[1]);
        differs(check, "the lines add up to %s, the total says %s", text[0], text[1]);
    }
    return 0;
}

int invoice_verify(struct pg *pg, int64_t account_id, struct month month, struct invoice_check *check, struct err *err)
{
    struct bill *bill = NULL;
    struct correction_list *list = calloc(1, sizeof *list);
    int rc = list != NULL ? 0 : err_set(err, ERR_SYSTEM, "invoice: out of memory");
    *check = (struct invoice_check){.matches = false};
    if (rc == 0) {
        rc = bill_load(pg, account_id, month, 0, &bill, err);
    }
    if (rc == 0 && bill->issued_us == 0) {
        rc = err_set(err, ERR_NOT_FOUND, "this month has no invoice; its bill is an estimate");
    }
    if (rc == 0) {
        check->lines = bill->line_count;
        rc = check_sums(bill, check, err);
    }
    if (rc == 0) {
        rc = correction_add(pg, account_id, month, list, err);
    }
    for (int i = 0; rc == 0 && i < list->count; i++) {
        char amount[MONEY_TEXT_BYTES];
        minor_format(list->lines[i].amount_minor, &bill->currency, amount);
        if (list->lines[i].kind != LINE_CORRECTION) {
            differs(check, "%s: %s %s", list->lines[i].description, amount, bill->currency.code);
            continue;
        }
        differs(check, "%s band %d: usage now has %" PRId64 " %s more than was billed, %s %s",
                meter_name(list->lines[i].meter), list->lines[i].band, list->lines[i].quantity,
                meter_unit(list->lines[i].meter), amount, bill->currency.code);
    }
    check->matches = rc == 0 && check->difference[0] == '\0';
    bill_free(&bill);
    free(list);
    return rc;
}
