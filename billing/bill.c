#include "billing/bill_internal.h"

#include "billing/price_book_internal.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "metering/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BILL_EXTRA_LINES_MAX (2 + PRICE_TAXES_MAX) /* discount, minimum fee, taxes */

/* ---- lines ---- */

static int sum_usage(const struct bill_usage_list *usage, struct usage_totals *totals, struct err *err)
{
    *totals = (struct usage_totals){{0}};
    for (int i = 0; i < usage->count; i++) {
        for (int m = 0; m < METER_COUNT; m++) {
            if (__builtin_add_overflow(totals->quantity[m], usage->items[i].quantity[m], &totals->quantity[m]) ||
                totals->quantity[m] == INT64_MAX) { /* counted() of the statements */
                return err_set(err, ERR_LIMIT, "the month's %s are more than can be counted",
                               meter_name((enum meter)m));
            }
        }
    }
    return 0;
}

/* A line of an amount that was agreed, not measured: exact as it is. */
static int add_agreed(enum line_kind kind, const char *price_id, const char *description, int64_t minor,
                      struct bill *bill, struct err *err)
{
    const struct decimal unit = {.value = 1, .scale = bill->currency.minor_digits};
    struct rated_line *line = &bill->lines[bill->line_count++];
    *line = (struct rated_line){.kind = kind, .amount_minor = minor};
    (void)snprintf(line->price_id, sizeof line->price_id, "%s", price_id);
    (void)snprintf(line->description, sizeof line->description, "%s", description);
    if (exact_product(minor, unit, 1, &line->exact_amount, err) != 0) {
        return -1;
    }
    line->list_amount = line->exact_amount;
    if (__builtin_add_overflow(bill->net_minor, minor, &bill->net_minor)) {
        return err_set(err, ERR_LIMIT, "the bill is beyond what an invoice can hold");
    }
    return 0;
}

/* As much of the account's discount as the month's own use lets it take off, and then what is missing to the minimum
 * fee. Corrections of other months (with theirs, correction.h) stand beside: they neither use up one nor fill up the
 * other. */
static int add_discount_and_fee(const struct price_book *book, int64_t own_minor, struct bill *bill, struct err *err)
{
    int64_t off = book->discount_minor < own_minor ? book->discount_minor : own_minor;
    if (off > 0 && add_agreed(LINE_DISCOUNT, "discount", "Discount", -off, bill, err) != 0) {
        return -1;
    }
    int64_t left = own_minor - (off > 0 ? off : 0);
    return left < book->minimum_fee_minor
               ? add_agreed(LINE_MINIMUM_FEE, "", "Minimum monthly fee", book->minimum_fee_minor - left, bill, err)
               : 0;
}

/* Tax on the summed net, rounded once a category. */
static int add_taxes(const struct price_book *book, struct bill *bill, struct err *err)
{
    for (int i = 0; i < book->tax_count && bill->line_count > 0; i++) {
        const struct price_tax *tax = &book->taxes[i];
        struct decimal rate = tax->percent;
        rate.scale += 2 + book->currency.minor_digits;
        char percent[MONEY_TEXT_BYTES];
        decimal_format(tax->percent, percent);
        struct rated_line *line = &bill->lines[bill->line_count];
        *line = (struct rated_line){.kind = LINE_TAX};
        (void)snprintf(line->price_id, sizeof line->price_id, "tax.%s", tax->id);
        (void)snprintf(line->description, sizeof line->description, "%s %s%%", tax->name, percent);
        if (exact_product(bill->net_minor, rate, 1, &line->exact_amount, err) != 0 ||
            money_round(line->exact_amount, &book->currency, book->rounding, &line->amount_minor, &line->residue,
                        err) != 0) {
            return err_wrap(err, "tax %s", tax->id);
        }
        line->list_amount = line->exact_amount;
        bill->tax_minor += line->amount_minor;
        bill->line_count++;
    }
    return 0;
}

static int make_lines(const struct price_book *book, const struct bill_usage_list *usage, int extra, struct bill *bill,
                      struct err *err)
{
    struct usage_totals totals;
    int rc = -1;
    struct rated_bill *rated = malloc(sizeof *rated);
    if (rated == NULL) {
        return err_set(err, ERR_SYSTEM, "bill: out of memory");
    }
    if (sum_usage(usage, &totals, err) != 0 || rate_usage(book, &totals, rated, err) != 0) {
        goto out;
    }
    bill->lines = calloc((size_t)rated->count + BILL_EXTRA_LINES_MAX + (size_t)extra, sizeof *bill->lines);
    if (bill->lines == NULL) {
        (void)err_set(err, ERR_SYSTEM, "bill: out of memory");
        goto out;
    }
    memcpy(bill->lines, rated->lines, (size_t)rated->count * sizeof *bill->lines);
    bill->line_count = rated->count;
    bill->net_minor = rated->net_minor;
    bill->currency = rated->currency;
    rc = 0;
out:
    free(rated);
    return rc;
}

/* ---- shares ---- */

/*
 * One line over all users of its meter. left holds what each still has to be given: the bands of a meter are served in
 * turn, so that the shares of one function add up to what it used, and those of one line to the line.
 */
static int share_line(const struct bill *bill, int index, const struct bill_usage_list *usage, int64_t *left,
                      struct bill_share *shares, int *count, struct err *err)
{
    const struct rated_line *line = &bill->lines[index];
    int rc = -1;
    int64_t *quantities = calloc((size_t)usage->count * 3, sizeof *quantities);
    if (quantities == NULL) {
        return err_set(err, ERR_SYSTEM, "bill: out of memory");
    }
    int64_t *amounts = quantities + usage->count;
    int64_t *packages = amounts + usage->count;
    if (money_spread(line->quantity, left, usage->count, quantities, err) != 0 ||
        money_spread(line->amount_minor, quantities, usage->count, amounts, err) != 0 ||
        money_spread(line->packages, quantities, usage->count, packages, err) != 0) {
        goto out;
    }
    for (int i = 0; i < usage->count; i++) {
        const struct bill_usage *item = &usage->items[i];
        left[i] -= quantities[i];
        if (quantities[i] == 0) {
            continue;
        }
        struct bill_share *share = &shares[(*count)++];
        *share = (struct bill_share){.line = index,
                                     .function_id = item->function_id,
                                     .version = item->version,
                                     .memory_mib = item->memory_mib,
                                     .day_us = item->day_us,
                                     .quantity = quantities[i],
                                     .amount_minor = amounts[i]};
        memcpy(share->function_name, item->function_name, sizeof share->function_name);
        bool packed = line->packages > 0;
        if (exact_product(packed ? packages[i] : quantities[i], line->contracted_price,
                          packed ? 1 : meter_per_pricing_unit(line->meter), &share->exact_amount, err) != 0) {
            goto out;
        }
    }
    rc = 0;
out:
    free(quantities);
    return rc;
}

int bill_make_shares(const struct bill_usage_list *usage, struct bill *bill, struct err *err)
{
    int lines = 0;
    while (lines < bill->line_count && bill->lines[lines].kind == LINE_USAGE) {
        lines++;
    }
    if (lines == 0 || usage->count == 0) {
        return 0;
    }
    int rc = 0;
    int64_t *left = calloc((size_t)usage->count, sizeof *left);
    bill->shares = calloc((size_t)usage->count * (size_t)lines, sizeof *bill->shares);
    if (left == NULL || bill->shares == NULL) {
        rc = err_set(err, ERR_SYSTEM, "bill: out of memory");
    }
    for (int i = 0; rc == 0 && i < lines; i++) {
        if (i == 0 || bill->lines[i].meter != bill->lines[i - 1].meter) {
            for (int k = 0; k < usage->count; k++) {
                left[k] = usage->items[k].quantity[bill->lines[i].meter];
            }
        }
        rc = share_line(bill, i, usage, left, bill->shares, &bill->share_count, err);
    }
    free(left);
    return rc;
}

static int add_corrections(const struct bill_extras *extras, struct bill *bill, struct err *err)
{
    for (int i = 0; i < extras->correction_count; i++) {
        bill->lines[bill->line_count++] = extras->corrections[i];
        if (__builtin_add_overflow(bill->net_minor, extras->corrections[i].amount_minor, &bill->net_minor)) {
            return err_set(err, ERR_LIMIT, "the bill is beyond what an invoice can hold");
        }
    }
    return 0;
}

/* Use credits of a kind up against what is still owed; *owed_minor goes down to 0 at most. */
static int add_credits(const struct bill_extras *extras, bool prepaid, int64_t *owed_minor, struct bill *bill,
                       struct err *err)
{
    for (int i = 0; i < extras->credit_count; i++) {
        const struct credit *credit = &extras->credits[i];
        if (credit->prepaid == prepaid) {
            extras->used_minor[i] = 0;
        }
        if (credit->prepaid != prepaid || *owed_minor <= 0 || strcmp(credit->currency.code, bill->currency.code) != 0) {
            continue;
        }
        int64_t used = credit->left_minor < *owed_minor ? credit->left_minor : *owed_minor;
        struct rated_line *line = &bill->lines[bill->line_count++];
        *line = (struct rated_line){.kind = LINE_CREDIT, .amount_minor = -used};
        (void)snprintf(line->price_id, sizeof line->price_id, "%s.%" PRId64, prepaid ? "prepaid" : "credit",
                       credit->credit_id);
        (void)snprintf(line->description, sizeof line->description, "%s: %s", prepaid ? "Prepaid" : "Credit",
                       credit->reason);
        const struct decimal minor = {.value = 1, .scale = bill->currency.minor_digits};
        if (exact_product(-used, minor, 1, &line->exact_amount, err) != 0) {
            return -1;
        }
        line->list_amount = line->exact_amount;
        extras->used_minor[i] = used;
        *owed_minor -= used;
    }
    return 0;
}

int bill_compute_with(const struct price_book *book, const struct bill_usage_list *usage,
                      const struct bill_extras *extras, struct bill *bill, struct err *err)
{
    int64_t due_minor = 0;
    if (make_lines(book, usage, extras->correction_count + extras->credit_count, bill, err) != 0) {
        return -1;
    }
    bool used = bill->line_count > 0;
    int64_t own_minor = bill->net_minor;
    if (add_corrections(extras, bill, err) != 0 || (used && add_discount_and_fee(book, own_minor, bill, err) != 0) ||
        add_credits(extras, false, &bill->net_minor, bill, err) != 0 || add_taxes(book, bill, err) != 0) {
        return -1;
    }
    if (__builtin_add_overflow(bill->net_minor, bill->tax_minor, &due_minor)) {
        return err_set(err, ERR_LIMIT, "the bill is beyond what an invoice can hold");
    }
    if (add_credits(extras, true, &due_minor, bill, err) != 0 || bill_make_shares(usage, bill, err) != 0) {
        return -1;
    }
    bill->total_minor = due_minor;
    return 0;
}

int bill_compute(const struct price_book *book, const struct bill_usage_list *usage, struct bill *bill, struct err *err)
{
    const struct bill_extras none = {.correction_count = 0};
    return bill_compute_with(book, usage, &none, bill, err);
}

/* ---- loading ---- */

static int fill_head(struct pg *pg, struct bill *bill, struct err *err)
{
    struct bill_account account = {0};
    struct usage_freshness freshness = {0};
    if (bill_store_account(pg, bill->account_id, &account, err) != 0 || usage_freshness_get(pg, &freshness, err) != 0) {
        return -1;
    }
    memcpy(bill->account_name, account.name, sizeof bill->account_name);
    memcpy(bill->display_name, account.display_name[0] != '\0' ? account.display_name : account.name,
           account.display_name[0] != '\0' ? sizeof account.display_name : sizeof account.name);
    memcpy(bill->price_book, account.price_book, sizeof bill->price_book);
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    /* What comes after the month does not change its bill, nor its bytes. */
    bill->complete_through_us = freshness.complete_through_us < to_us ? freshness.complete_through_us : to_us;
    bill->late_pending = freshness.late_pending;
    return 0;
}

static int check_month(struct month month, struct err *err)
{
    struct month now = month_of(clock_wall_us());
    char text[CALENDAR_TEXT_BYTES];
    char now_text[CALENDAR_TEXT_BYTES];
    if (month.year * 12 + month.month <= now.year * 12 + now.month) {
        return 0;
    }
    month_format(month, text);
    month_format(now, now_text);
    return err_field(err, "month", "month is %s; a bill can be had for %s and the months before", text, now_text);
}

static int start(struct pg *pg, int64_t account_id, struct month month, struct bill **bill, struct err *err)
{
    if (check_month(month, err) != 0) {
        return -1;
    }
    struct bill *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "bill: out of memory");
    }
    self->account_id = account_id;
    self->month = month;
    self->state = BILL_ESTIMATE;
    if (fill_head(pg, self, err) != 0) {
        bill_free(&self);
        return -1;
    }
    *bill = self;
    return 0;
}

static int rate_now(struct pg *pg, unsigned split, struct bill *bill, struct err *err)
{
    struct bill_usage_list usage = {0};
    struct price_book *book = NULL;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    int rc = price_book_load(pg, bill->account_id, from_us, &book, &bill->price_version, err);
    if (rc == 0) {
        bill->currency = *price_book_currency(book);
        rc = bill_store_usage(pg, bill->account_id, from_us, to_us, split, &usage, err);
    }
    if (rc == 0) {
        rc = bill_compute(book, &usage, bill, err);
    }
    free(usage.items);
    price_book_free(&book);
    return rc;
}

int bill_estimate(struct pg *pg, int64_t account_id, struct month month, unsigned split, struct bill **bill,
                  struct err *err)
{
    struct bill *self = NULL;
    if (start(pg, account_id, month, &self, err) != 0) {
        return -1;
    }
    if (rate_now(pg, split, self, err) != 0) {
        bill_free(&self);
        return -1;
    }
    *bill = self;
    return 0;
}

int bill_load(struct pg *pg, int64_t account_id, struct month month, unsigned split, struct bill **bill,
              struct err *err)
{
    struct bill *self = NULL;
    int64_t from_us = 0;
    int64_t to_us = 0;
    bool issued = false;
    month_range(month, &from_us, &to_us);
    if (start(pg, account_id, month, &self, err) != 0) {
        return -1;
    }
    int rc = bill_store_invoice(pg, from_us, self, &issued, err);
    if (rc == 0) {
        rc = issued ? bill_share_invoice(pg, split, self, err) : rate_now(pg, split, self, err);
    }
    if (rc != 0) {
        bill_free(&self);
        return -1;
    }
    *bill = self;
    return 0;
}

int bill_load_document(struct pg *pg, int64_t account_id, int64_t invoice_id, unsigned split, struct bill **bill,
                       struct err *err)
{
    struct bill *self = NULL;
    struct month month;
    bool found = false;
    if (bill_store_document_month(pg, account_id, invoice_id, &month, err) != 0 ||
        start(pg, account_id, month, &self, err) != 0) {
        return -1;
    }
    int rc = bill_store_document(pg, invoice_id, self, &found, err);
    if (rc == 0 && !found) {
        rc = err_set(err, ERR_NOT_FOUND, "there is no such invoice");
    }
    if (rc == 0 && self->credit_note) {
        bill_turn(self); /* shares are of usage, which is never below nothing */
    }
    if (rc == 0) {
        rc = bill_share_invoice(pg, split, self, err);
    }
    if (rc != 0) {
        bill_free(&self);
        return -1;
    }
    if (self->credit_note) {
        bill_turn(self);
    }
    *bill = self;
    return 0;
}

void bill_free(struct bill **bill)
{
    if (*bill != NULL) {
        free((*bill)->lines);
        free((*bill)->shares);
        free((*bill)->buyer);
        free((*bill)->reason);
        free(*bill);
        *bill = NULL;
    }
}

const char *bill_state_name(enum bill_state state)
{
    switch (state) {
    case BILL_ESTIMATE:
        return "estimate";
    case BILL_DRAFT:
        return "draft";
    case BILL_ISSUED:
        return "issued";
    case BILL_VOID:
        return "void";
    case BILL_CREDITED:
        return "credited";
    case BILL_PARKED:
        return "parked";
    }
    return "unknown";
}
