#include "billing/correction.h"

#include "billing/bill.h"
#include "billing/correction_store.h"
#include "common/err.h"
#include "common/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct billed {
    int count;
    struct rated_line lines[CORRECTION_LINES_MAX];
};

static int take_billed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct billed *billed = ctx;
    if (billed->count == CORRECTION_LINES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d lines were billed", CORRECTION_LINES_MAX);
    }
    struct rated_line *line = &billed->lines[billed->count++];
    *line = (struct rated_line){.band = (int)pg_get_i64(row, "band"),
                                .quantity = pg_get_i64(row, "quantity"),
                                .amount_minor = pg_get_i64(row, "amount_minor")};
    (void)text_copy(line->price_id, sizeof line->price_id, pg_get_text(row, "price_id"));
    (void)text_copy(line->description, sizeof line->description, pg_get_text_or(row, "description", ""));
    if (meter_parse(pg_get_text(row, "meter"), "meter", &line->meter, err) != 0 ||
        decimal_parse(pg_get_text(row, "price"), "unit_price", PRICE_SCALE_MAX, &line->contracted_price, err) != 0) {
        return -1;
    }
    line->list_price = line->contracted_price;
    return exact_parse(pg_get_text(row, "exact"), "exact_amount", &line->exact_amount, err);
}

static struct rated_line *find(struct billed *billed, const struct rated_line *like)
{
    for (int i = 0; i < billed->count; i++) {
        if (billed->lines[i].meter == like->meter && billed->lines[i].band == like->band) {
            return &billed->lines[i];
        }
    }
    return NULL;
}

/* now - then, as a line; then may be NULL (nothing was billed of it) and so may now (nothing is left of it). */
static int add_difference(const struct rated_line *now, const struct rated_line *then, int64_t period_us,
                          struct correction_list *list, struct err *err)
{
    const struct rated_line *one = now != NULL ? now : then;
    char month[CALENDAR_TEXT_BYTES];
    struct rated_line line = *one;
    calendar_format_day(period_us, month);
    line.kind = LINE_CORRECTION;
    line.period_us = period_us;
    line.packages = 0;
    line.quantity = (now != NULL ? now->quantity : 0) - (then != NULL ? then->quantity : 0);
    line.amount_minor = (now != NULL ? now->amount_minor : 0) - (then != NULL ? then->amount_minor : 0);
    const struct exact before = {.value = then != NULL ? -then->exact_amount.value : 0};
    if (exact_add(now != NULL ? now->exact_amount : (struct exact){.value = 0}, before, &line.exact_amount, err) != 0) {
        return -1;
    }
    if (line.quantity == 0 && line.amount_minor == 0 && line.exact_amount.value == 0) {
        return 0;
    }
    if (list->count == CORRECTION_LINES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d correction lines", CORRECTION_LINES_MAX);
    }
    (void)snprintf(line.description, sizeof line.description, "Correction of %.7s: %.120s", month, one->description);
    if (exact_product(line.quantity, line.list_price, meter_per_pricing_unit(line.meter), &line.list_amount, err) !=
        0) {
        return -1;
    }
    line.residue = (struct exact){.value = 0};
    list->lines[list->count++] = line;
    return 0;
}

int correction_add(struct pg *pg, int64_t account_id, struct month month, struct correction_list *list, struct err *err)
{
    struct billed *billed = calloc(1, sizeof *billed);
    struct bill *now = NULL;
    int64_t from_us = 0;
    int64_t to_us = 0;
    int rc = billed != NULL ? 0 : err_set(err, ERR_SYSTEM, "correction: out of memory");
    month_range(month, &from_us, &to_us);
    if (rc == 0) {
        rc = correction_store_billed(pg, account_id, from_us, take_billed, billed, err);
    }
    if (rc == 0) {
        rc = bill_estimate(pg, account_id, month, 0, &now, err);
    }
    for (int i = 0; rc == 0 && i < now->line_count; i++) {
        if (now->lines[i].kind == LINE_USAGE) {
            struct rated_line *then = find(billed, &now->lines[i]);
            rc = add_difference(&now->lines[i], then, from_us, list, err);
            if (then != NULL) {
                then->kind = LINE_TAX; /* a mark: it was compared */
            }
        }
    }
    for (int i = 0; rc == 0 && i < billed->count; i++) {
        if (billed->lines[i].kind != LINE_TAX) {
            rc = add_difference(NULL, &billed->lines[i], from_us, list, err);
        }
    }
    bill_free(&now);
    free(billed);
    return rc == 0 ? 0 : err_wrap(err, "correct an earlier month");
}

struct due {
    correction_due_fn *on_due;
    void *ctx;
};

static int take_due(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct due *due = ctx;
    return due->on_due(pg_get_i64(row, "account_id"), month_of(pg_get_time(row, "month")), due->ctx, err);
}

int correction_due(struct pg *pg, const char *accounts, int64_t from_us, correction_due_fn *on_due, void *ctx,
                   struct err *err)
{
    struct due due = {.on_due = on_due, .ctx = ctx};
    struct month since = month_of(from_us);
    int64_t since_us = 0;
    int64_t to_us = 0;
    for (int i = 0; i < CORRECTION_MONTHS; i++) {
        since = since.month == 1 ? (struct month){since.year - 1, 12} : (struct month){since.year, since.month - 1};
    }
    month_range(since, &since_us, &to_us);
    return correction_store_due(pg, accounts, since_us, from_us, take_due, &due, err);
}
