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
    bool same_price =
        line.list_price.value == line.contracted_price.value && line.list_price.scale == line.contracted_price.scale;
    if (same_price || one->packages > 0) {
        line.list_amount = line.exact_amount;
    } else if (exact_product(line.quantity, line.list_price, meter_per_pricing_unit(line.meter), &line.list_amount,
                             err) != 0) {
        return -1;
    }
    line.residue = (struct exact){.value = 0};
    list->lines[list->count++] = line;
    return 0;
}

/* ---- what was agreed: a discount or a minimum fee follows the use it was taken off or filled up ---- */

struct agreed {
    int64_t minor[LINE_TAX]; /* by enum line_kind */
};

static int take_agreed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct agreed *then = ctx;
    (void)err;
    then->minor[LINE_DISCOUNT] = pg_get_i64(row, "discount");
    then->minor[LINE_MINIMUM_FEE] = pg_get_i64(row, "fee");
    return 0;
}

static int add_agreed(const struct bill *now, const struct agreed *then, enum line_kind kind, const char *what,
                      int64_t period_us, struct correction_list *list, struct err *err)
{
    const struct decimal unit = {.value = 1, .scale = now->currency.minor_digits};
    struct rated_line line = {.kind = kind, .period_us = period_us, .amount_minor = -then->minor[kind]};
    char month[CALENDAR_TEXT_BYTES];
    for (int i = 0; i < now->line_count; i++) {
        line.amount_minor += now->lines[i].kind == kind ? now->lines[i].amount_minor : 0;
    }
    if (line.amount_minor == 0) {
        return 0;
    }
    if (list->count == CORRECTION_LINES_MAX) {
        return err_set(err, ERR_LIMIT, "more than %d correction lines", CORRECTION_LINES_MAX);
    }
    calendar_format_day(period_us, month);
    (void)snprintf(line.description, sizeof line.description, "Correction of %.7s: %s", month, what);
    if (exact_product(line.amount_minor, unit, 1, &line.exact_amount, err) != 0) {
        return -1;
    }
    line.list_amount = line.exact_amount;
    list->lines[list->count++] = line;
    return 0;
}

static int add_all_agreed(struct pg *pg, const struct bill *now, int64_t account_id, int64_t period_us,
                          struct correction_list *list, struct err *err)
{
    struct agreed then = {{0}};
    if (correction_store_agreed(pg, account_id, period_us, take_agreed, &then, err) != 0 ||
        add_agreed(now, &then, LINE_DISCOUNT, "Discount", period_us, list, err) != 0) {
        return -1;
    }
    return add_agreed(now, &then, LINE_MINIMUM_FEE, "Minimum monthly fee", period_us, list, err);
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
    rc = rc == 0 ? add_all_agreed(pg, now, account_id, from_us, list, err) : rc;
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
