#include "billing/rating.h"

#include "billing/price_book_internal.h"
#include "common/check.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const METER_LABELS[METER_COUNT] = {
    [METER_REQUESTS] = "Requests",
    [METER_COMPUTE_X86] = "Compute, x86_64",
    [METER_COMPUTE_ARM] = "Compute, arm64",
    [METER_PROVISIONED_COMPUTE_X86] = "Compute on provisioned concurrency, x86_64",
    [METER_PROVISIONED_COMPUTE_ARM] = "Compute on provisioned concurrency, arm64",
    [METER_PROVISIONED_X86] = "Provisioned concurrency, x86_64",
    [METER_PROVISIONED_ARM] = "Provisioned concurrency, arm64",
    [METER_EPHEMERAL_STORAGE] = "Ephemeral storage above 512 MB",
    [METER_STREAMED_BYTES] = "Streamed response bytes",
};

/* ---- one line ---- */

static int amounts(struct rated_line *line, const struct price_book *book, struct err *err)
{
    int64_t quantity = line->packages > 0 ? line->packages : line->quantity;
    int64_t per = line->packages > 0 ? 1 : meter_per_pricing_unit(line->meter);
    if (exact_product(quantity, line->list_price, per, &line->list_amount, err) != 0 ||
        exact_product(quantity, line->contracted_price, per, &line->exact_amount, err) != 0 ||
        money_round(line->exact_amount, &book->currency, book->rounding, &line->amount_minor, &line->residue, err) !=
            0) {
        return err_wrap(err, "rate %s", meter_name(line->meter));
    }
    return 0;
}

static int add_line(struct rated_bill *bill, const struct price_book *book, const struct rated_line *line,
                    struct err *err)
{
    CHECK(bill->count < RATED_LINES_MAX);
    struct rated_line *added = &bill->lines[bill->count];
    *added = *line;
    if (amounts(added, book, err) != 0) {
        return -1;
    }
    if (__builtin_add_overflow(bill->net_minor, added->amount_minor, &bill->net_minor)) {
        return err_set(err, ERR_LIMIT, "the bill is beyond what an invoice can hold");
    }
    bill->count++;
    return 0;
}

/* Bands are numbered from 0; a free allowance is band 0 and moves the others up by one. */
static int add_band(struct rated_bill *bill, const struct price_book *book, enum meter meter, int index, int shift,
                    int64_t quantity, int64_t packages, struct err *err)
{
    const struct price_meter *priced = &book->meters[meter];
    const struct price_band *band = &priced->bands[index];
    struct rated_line line = {
        .kind = LINE_USAGE,
        .meter = meter,
        .band = index + shift,
        .quantity = quantity,
        .packages = packages,
        .list_price = band->list_price,
        .contracted_price = band->contracted_price,
    };
    (void)snprintf(line.price_id, sizeof line.price_id, "%s", band->price_id);
    if (priced->band_count > 1) {
        (void)snprintf(line.description, sizeof line.description, "%s, tier %d", METER_LABELS[meter], index + 1);
    } else {
        (void)snprintf(line.description, sizeof line.description, "%s", METER_LABELS[meter]);
    }
    return add_line(bill, book, &line, err);
}

static int add_free(struct rated_bill *bill, const struct price_book *book, enum meter meter,
                    const struct price_free *free, int64_t quantity, struct err *err)
{
    struct rated_line line = {.kind = LINE_USAGE, .meter = meter, .band = 0, .quantity = quantity};
    (void)snprintf(line.price_id, sizeof line.price_id, "%.30s.%.31s", meter_name(meter), free->id);
    (void)snprintf(line.description, sizeof line.description, "%s, free allowance", METER_LABELS[meter]);
    return add_line(bill, book, &line, err);
}

/* ---- the three models, on what is left after the free allowance ---- */

static int rate_graduated(struct rated_bill *bill, const struct price_book *book, enum meter meter, int shift,
                          int64_t quantity, struct err *err)
{
    const struct price_meter *priced = &book->meters[meter];
    int64_t from = 0;
    for (int i = 0; i < priced->band_count && from < quantity; i++) {
        int64_t to = quantity < priced->bands[i].up_to ? quantity : priced->bands[i].up_to;
        if (add_band(bill, book, meter, i, shift, to - from, 0, err) != 0) {
            return -1;
        }
        from = to;
    }
    return 0;
}

static int volume_band(const struct price_meter *priced, int64_t quantity)
{
    int band = 0;
    while (quantity > priced->bands[band].up_to) {
        band++;
    }
    return band;
}

static int rate_meter(struct rated_bill *bill, const struct price_book *book, enum meter meter, int shift,
                      int64_t quantity, struct err *err)
{
    const struct price_meter *priced = &book->meters[meter];
    if (!priced->priced || quantity == 0) {
        return 0;
    }
    switch (priced->model) {
    case PRICE_GRADUATED:
        return rate_graduated(bill, book, meter, shift, quantity, err);
    case PRICE_VOLUME:
        return add_band(bill, book, meter, volume_band(priced, quantity), shift, quantity, 0, err);
    case PRICE_PACKAGE:
        return add_band(bill, book, meter, 0, shift, quantity, (quantity - 1) / priced->package + 1, err);
    }
    return 0;
}

/* How much of each meter is free: an allowance is used up in the order in which it names its meters. */
static void spend_free(const struct price_book *book, const struct usage_totals *totals, int64_t free[METER_COUNT],
                       const struct price_free *of[METER_COUNT])
{
    for (int i = 0; i < book->free_count; i++) {
        int64_t left = book->free[i].quantity;
        for (int k = 0; k < book->free[i].meter_count; k++) {
            enum meter meter = book->free[i].meters[k];
            int64_t used = totals->quantity[meter] < left ? totals->quantity[meter] : left;
            free[meter] = used;
            of[meter] = &book->free[i];
            left -= used;
        }
    }
}

void rate_reached(const struct price_book *book, const struct usage_totals *totals, int64_t reached[METER_COUNT])
{
    int64_t free[METER_COUNT] = {0};
    const struct price_free *of[METER_COUNT] = {NULL};
    spend_free(book, totals, free, of);
    for (int m = 0; m < METER_COUNT; m++) {
        reached[m] = totals->quantity[m] - free[m];
    }
}

int rate_usage(const struct price_book *book, const struct usage_totals *totals, struct rated_bill *bill,
               struct err *err)
{
    int64_t free[METER_COUNT] = {0};
    const struct price_free *of[METER_COUNT] = {NULL};
    bill->count = 0;
    bill->net_minor = 0;
    bill->currency = book->currency;
    for (int m = 0; m < METER_COUNT; m++) {
        if (totals->quantity[m] < 0) {
            return err_set(err, ERR_INVALID, "usage of %s is %" PRId64 "; it cannot be negative",
                           meter_name((enum meter)m), totals->quantity[m]);
        }
    }
    spend_free(book, totals, free, of);
    for (int m = 0; m < METER_COUNT; m++) {
        enum meter meter = (enum meter)m;
        if (free[m] > 0 && book->meters[m].priced && add_free(bill, book, meter, of[m], free[m], err) != 0) {
            return -1;
        }
        if (rate_meter(bill, book, meter, of[m] != NULL ? 1 : 0, totals->quantity[m] - free[m], err) != 0) {
            return -1;
        }
    }
    return 0;
}

/* ---- spend caps ---- */

static bool higher(struct decimal a, struct decimal b)
{
    money_int left = a.value;
    money_int right = b.value;
    for (int i = a.scale; i < PRICE_SCALE_MAX; i++) {
        left *= 10;
    }
    for (int i = b.scale; i < PRICE_SCALE_MAX; i++) {
        right *= 10;
    }
    return left > right;
}

static void raise_to_ahead(const struct price_meter *priced, int64_t used, struct decimal *price)
{
    for (int i = 0; priced->priced && i < priced->band_count; i++) {
        /* Volume prices fall back on everything used before, so every band counts there. */
        bool ahead = priced->model != PRICE_GRADUATED || priced->bands[i].up_to > used;
        if (ahead && higher(priced->bands[i].contracted_price, *price)) {
            *price = priced->bands[i].contracted_price;
        }
    }
}

int rate_worst_case(const struct price_book *book, enum meter meter, int64_t used, int64_t quantity, int64_t *picos,
                    struct err *err)
{
    const struct price_meter *priced = &book->meters[meter];
    struct decimal price = {0};
    struct exact exact = {0};
    raise_to_ahead(priced, used, &price);
    /* A unit may take the place of another meter's in an allowance they share: then that one is paid for. */
    for (int i = 0; i < book->free_count; i++) {
        bool shares = false;
        for (int k = 0; k < book->free[i].meter_count; k++) {
            shares = shares || book->free[i].meters[k] == meter;
        }
        for (int k = 0; shares && k < book->free[i].meter_count; k++) {
            if (book->free[i].meters[k] != meter && book->meters[book->free[i].meters[k]].model != PRICE_PACKAGE) {
                raise_to_ahead(&book->meters[book->free[i].meters[k]], 0, &price);
            }
        }
    }
    int64_t per = meter_per_pricing_unit(meter);
    int64_t count = quantity;
    if (priced->model == PRICE_PACKAGE && priced->priced && quantity > 0) {
        per = 1;
        count = (quantity - 1) / priced->package + 1;
    }
    if (exact_product(count, price, per, &exact, err) != 0) {
        return err_wrap(err, "worst case of %s", meter_name(meter));
    }
    return exact_picos(exact, picos, err) == 0 ? 0 : err_wrap(err, "worst case of %s", meter_name(meter));
}
