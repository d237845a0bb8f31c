#include "billing/price_explain.h"

#include "billing/price_book_internal.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- a line as a sum ---- */

/* Counted units as pricing units, with all decimals. */
static void pricing_text(enum meter meter, int64_t quantity, char text[MONEY_TEXT_BYTES])
{
    const struct decimal one = {.value = 1, .scale = 0};
    struct exact exact = {0};
    if (exact_product(quantity, one, meter_per_pricing_unit(meter), &exact, NULL) == 0) {
        exact_format(exact, text);
    } else {
        (void)snprintf(text, MONEY_TEXT_BYTES, "%" PRId64 " / %" PRId64, quantity, meter_per_pricing_unit(meter));
    }
}

static void put_units(enum meter meter, int64_t quantity, struct buf *out)
{
    char text[MONEY_TEXT_BYTES];
    int64_t per = meter_per_pricing_unit(meter);
    if (per == 1) {
        buf_printf(out, "%" PRId64 " %s", quantity, meter_unit(meter));
        return;
    }
    pricing_text(meter, quantity, text);
    buf_printf(out, "%" PRId64 " %s / %" PRId64 " = %s %s", quantity, meter_unit(meter), per, text,
               meter_pricing_unit(meter));
}

void price_explain_line(const struct rated_line *line, const struct currency *currency, struct buf *out)
{
    char quantity[MONEY_TEXT_BYTES];
    char list[MONEY_TEXT_BYTES];
    char price[MONEY_TEXT_BYTES];
    char exact[MONEY_TEXT_BYTES];
    char amount[MONEY_TEXT_BYTES];
    minor_format(line->amount_minor, currency, amount);
    if (line->kind != LINE_USAGE) {
        buf_printf(out, "%s\n  %s %s\n", line->description, amount, currency->code);
        return;
    }
    pricing_text(line->meter, line->quantity, quantity);
    decimal_format(line->list_price, list);
    decimal_format(line->contracted_price, price);
    exact_format(line->exact_amount, exact);
    buf_printf(out, "  %s\n    ", line->description);
    put_units(line->meter, line->quantity, out);
    if (strcmp(list, price) != 0) {
        buf_printf(out, "\n    list price %s, this account pays %s", list, price);
    }
    if (line->packages > 0) {
        buf_printf(out, "\n    started packages: %" PRId64 " x %s = %s", line->packages, price, exact);
    } else {
        buf_printf(out, "\n    %s x %s = %s", quantity, price, exact);
    }
    buf_printf(out, ", rounded %s %s\n", amount, currency->code);
}

void price_explain(const struct price_book *book, const struct usage_totals *totals, const struct rated_bill *bill,
                   struct buf *out)
{
    char amount[MONEY_TEXT_BYTES];
    for (int m = 0; m < METER_COUNT; m++) {
        enum meter meter = (enum meter)m;
        if (totals->quantity[m] == 0) {
            continue;
        }
        buf_printf(out, "%s: ", meter_name(meter));
        put_units(meter, totals->quantity[m], out);
        buf_puts(out, book->meters[m].priced ? "\n" : "\n  has no price in this book\n");
        for (int i = 0; i < bill->count; i++) {
            if (bill->lines[i].kind == LINE_USAGE && bill->lines[i].meter == meter) {
                price_explain_line(&bill->lines[i], &bill->currency, out);
            }
        }
    }
    buf_puts(out, "sum of the rounded lines: ");
    for (int i = 0; i < bill->count; i++) {
        minor_format(bill->lines[i].amount_minor, &bill->currency, amount);
        buf_printf(out, "%s%s", i == 0 ? "" : " + ", amount);
    }
    minor_format(bill->net_minor, &bill->currency, amount);
    buf_printf(out, "%s%s %s\n", bill->count == 0 ? "" : " = ", amount, bill->currency.code);
}

/* ---- differences ---- */

struct differ {
    price_change_fn *on_change;
    void *ctx;
};

__attribute__((format(printf, 4, 5))) static void tell(const struct differ *differ, const char *before,
                                                       const char *after, const char *format, ...)
{
    struct price_change change;
    va_list args;
    if (strcmp(before, after) == 0) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(change.what, sizeof change.what, format, args);
    va_end(args);
    (void)snprintf(change.before, sizeof change.before, "%s", before);
    (void)snprintf(change.after, sizeof change.after, "%s", after);
    differ->on_change(&change, differ->ctx);
}

static const char *model_name(const struct price_meter *meter)
{
    static const char *const NAMES[] = {
        [PRICE_GRADUATED] = "graduated", [PRICE_VOLUME] = "volume", [PRICE_PACKAGE] = "package"};
    return meter->priced ? NAMES[meter->model] : "-";
}

static void up_to_text(enum meter meter, const struct price_band *band, char text[MONEY_TEXT_BYTES])
{
    if (band == NULL) {
        (void)snprintf(text, MONEY_TEXT_BYTES, "-");
    } else if (band->up_to == INT64_MAX) {
        (void)snprintf(text, MONEY_TEXT_BYTES, "open");
    } else {
        pricing_text(meter, band->up_to, text);
    }
}

static void diff_band(const struct differ *differ, enum meter meter, const struct price_band *a,
                      const struct price_band *b)
{
    char before[MONEY_TEXT_BYTES] = "-";
    char after[MONEY_TEXT_BYTES] = "-";
    char id[sizeof b->id] = "";
    if (a != NULL) {
        memcpy(id, a->id, sizeof id);
        decimal_format(a->contracted_price, before);
    }
    if (b != NULL) {
        memcpy(id, b->id, sizeof id);
        decimal_format(b->contracted_price, after);
    }
    tell(differ, before, after, "%s %s price", meter_name(meter), id);
    up_to_text(meter, a, before);
    up_to_text(meter, b, after);
    tell(differ, before, after, "%s %s up_to", meter_name(meter), id);
    tell(differ, a != NULL ? a->price_id : "-", b != NULL ? b->price_id : "-", "%s %s price_id", meter_name(meter), id);
}

static void diff_meter(const struct differ *differ, enum meter meter, const struct price_meter *a,
                       const struct price_meter *b)
{
    char before[MONEY_TEXT_BYTES] = "-";
    char after[MONEY_TEXT_BYTES] = "-";
    tell(differ, model_name(a), model_name(b), "%s model", meter_name(meter));
    if (a->package > 0) {
        pricing_text(meter, a->package, before);
    }
    if (b->package > 0) {
        pricing_text(meter, b->package, after);
    }
    tell(differ, before, after, "%s package", meter_name(meter));
    for (int i = 0; i < a->band_count || i < b->band_count; i++) {
        diff_band(differ, meter, i < a->band_count ? &a->bands[i] : NULL, i < b->band_count ? &b->bands[i] : NULL);
    }
}

/* How much of a meter is free, alone or with others. */
static void free_text(const struct price_book *book, enum meter meter, char text[MONEY_TEXT_BYTES])
{
    (void)snprintf(text, MONEY_TEXT_BYTES, "-");
    for (int i = 0; i < book->free_count; i++) {
        for (int k = 0; k < book->free[i].meter_count; k++) {
            if (book->free[i].meters[k] == meter) {
                char quantity[MONEY_TEXT_BYTES];
                pricing_text(meter, book->free[i].quantity, quantity);
                (void)snprintf(text, MONEY_TEXT_BYTES, "%.40s%s", quantity,
                               book->free[i].meter_count > 1 ? ", shared" : "");
            }
        }
    }
}

static void policy_text(const struct price_book *book, int index, char text[MONEY_TEXT_BYTES])
{
    char from[CALENDAR_TEXT_BYTES];
    if (index >= book->policy_count) {
        (void)snprintf(text, MONEY_TEXT_BYTES, "-");
        return;
    }
    calendar_format_us(book->policies[index].from_us, from);
    const struct price_policy *policy = &book->policies[index];
    char of[PRICE_RUNTIMES_MAX * (PRICE_RUNTIME_BYTES + 1) + 8] = "";
    size_t used = 0;
    for (int i = 0; i < policy->runtime_count; i++) {
        used += (size_t)snprintf(of + used, sizeof of - used, "%s%s", i > 0 ? "," : " of ", policy->runtimes[i]);
    }
    (void)snprintf(text, MONEY_TEXT_BYTES, "%.10s: %" PRIu32 " ms, init %s%s, async %" PRIu32 " KiB", from,
                   policy->grain_ms, policy->bill_init ? "billed" : "free", of, policy->async_kib);
}

static void tax_text(const struct price_book *book, int index, char text[MONEY_TEXT_BYTES])
{
    char percent[MONEY_TEXT_BYTES];
    if (index >= book->tax_count) {
        (void)snprintf(text, MONEY_TEXT_BYTES, "-");
        return;
    }
    decimal_format(book->taxes[index].percent, percent);
    (void)snprintf(text, MONEY_TEXT_BYTES, "%.30s %.10s%% (%s)", book->taxes[index].name, percent,
                   book->taxes[index].category);
}

void price_book_diff(const struct price_book *before, const struct price_book *after, price_change_fn *on_change,
                     void *ctx)
{
    const struct differ differ = {.on_change = on_change, .ctx = ctx};
    char a[MONEY_TEXT_BYTES];
    char b[MONEY_TEXT_BYTES];
    tell(&differ, before->currency.code, after->currency.code, "currency");
    tell(&differ, before->rounding == ROUND_HALF_EVEN ? "half_even" : "half_up",
         after->rounding == ROUND_HALF_EVEN ? "half_even" : "half_up", "rounding");
    for (int i = 0; i < PRICE_POLICIES_MAX; i++) {
        policy_text(before, i, a);
        policy_text(after, i, b);
        tell(&differ, a, b, "policy %d", i + 1);
    }
    for (int m = 0; m < METER_COUNT; m++) {
        free_text(before, (enum meter)m, a);
        free_text(after, (enum meter)m, b);
        tell(&differ, a, b, "%s free", meter_name((enum meter)m));
        diff_meter(&differ, (enum meter)m, &before->meters[m], &after->meters[m]);
    }
    minor_format(before->minimum_fee_minor, &before->currency, a);
    minor_format(after->minimum_fee_minor, &after->currency, b);
    tell(&differ, a, b, "minimum_fee");
    for (int i = 0; i < PRICE_TAXES_MAX; i++) {
        tax_text(before, i, a);
        tax_text(after, i, b);
        tell(&differ, a, b, "tax %d", i + 1);
    }
}
