/* .../cost: the month so far by the rating code of the bill, per function, and where it is heading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/cost_split.h"
#include "api/cost_what_if.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "billing/bill.h"
#include "billing/cost.h"
#include "billing/price_book.h"
#include "billing/price_explain.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "metering/usage.h"

#define SHOWN_DECIMALS_UNIT (EXACT_PER_UNIT / 1000000) /* forecasts and rates are shown with 6 decimals */
#define DAYS_NEEDED 3

static void put_exact(struct json_writer *writer, const char *name, struct exact exact, bool shorten)
{
    char text[MONEY_TEXT_BYTES];
    if (shorten) {
        exact.value -= exact.value % SHOWN_DECIMALS_UNIT;
    }
    exact_format(exact, text);
    json_put_text(writer, name, text);
}

static void put_minor(struct json_writer *writer, const char *name, int64_t minor, const struct currency *currency)
{
    char text[MONEY_TEXT_BYTES];
    minor_format(minor, currency, text);
    json_put_text(writer, name, text);
}

static int lines_put(struct json_writer *writer, const struct bill *bill)
{
    char text[MONEY_TEXT_BYTES];
    json_open_array(writer, "lines");
    for (int i = 0; i < bill->line_count; i++) {
        const struct rated_line *line = &bill->lines[i];
        json_open_object(writer, NULL);
        json_put_text(writer, "meter", line->kind == LINE_USAGE ? meter_name(line->meter) : NULL);
        json_put_i64(writer, "band", line->band);
        json_put_text(writer, "description", line->description);
        json_put_quantity(writer, "quantity", line->quantity);
        decimal_format(line->contracted_price, text);
        json_put_text(writer, "unit_price", text);
        put_exact(writer, "exact_amount", line->exact_amount, false);
        put_minor(writer, "amount", line->amount_minor, &bill->currency);
        json_close_object(writer);
    }
    json_close_array(writer);
    return 0;
}

/* ---- forecast: the month's use, stretched to its end, rated by the same code ---- */

struct days {
    int64_t now_us;
    int count;
    int64_t sum, low, high; /* MB*ms of whole days */
};

static int on_day(const struct usage_row *row, void *ctx, struct err *err)
{
    struct days *days = ctx;
    (void)err;
    if (row->at_us + CALENDAR_DAY_US > days->now_us) {
        return 0; /* today is not over */
    }
    days->low = days->count == 0 || row->sums.mb_ms < days->low ? row->sums.mb_ms : days->low;
    days->high = row->sums.mb_ms > days->high ? row->sums.mb_ms : days->high;
    days->sum += row->sums.mb_ms;
    days->count++;
    return 0;
}

/* The cost of so far + rest, where rest is so far * rest_us / elapsed_us * weight / 100. */
static int stretched(const struct price_book *book, const struct usage_totals *so_far, int64_t elapsed_us,
                     int64_t rest_us, int64_t weight, struct exact *cost, struct err *err)
{
    struct usage_totals totals;
    struct rated_bill *rated = malloc(sizeof *rated);
    if (rated == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    for (int i = 0; i < METER_COUNT; i++) {
        money_int rest = (money_int)so_far->quantity[i] * rest_us / elapsed_us * weight / 100;
        money_int sum = so_far->quantity[i] + rest;
        totals.quantity[i] = sum > INT64_MAX ? INT64_MAX : (int64_t)sum;
    }
    *cost = (struct exact){0};
    int rc = rate_usage(book, &totals, rated, err);
    for (int i = 0; rc == 0 && i < rated->count; i++) {
        rc = exact_add(*cost, rated->lines[i].exact_amount, cost, err);
    }
    free(rated);
    return rc;
}

static int forecast_put(struct request *request, struct json_writer *writer, const struct bill *bill, int64_t from_us,
                        int64_t to_us, struct err *err)
{
    struct days days = {.now_us = clock_wall_us()};
    struct usage_totals so_far = {{0}};
    struct price_book *book = NULL;
    struct exact expected, low, high;
    int64_t version = 0;
    int64_t elapsed_us = days.now_us - from_us;
    const struct usage_query query = {
        .account_id = request->account_id, .from_us = from_us, .to_us = to_us, .granularity = USAGE_DAY};
    struct usage_freshness freshness;
    for (int i = 0; i < bill->line_count; i++) {
        if (bill->lines[i].kind == LINE_USAGE) {
            so_far.quantity[bill->lines[i].meter] += bill->lines[i].quantity;
        }
    }
    if (usage_query_run(request->pg, &query, on_day, &days, &freshness, err) != 0 ||
        price_book_load(request->pg, request->account_id, days.now_us, &book, &version, err) != 0) {
        return -1;
    }
    int64_t mean = days.count > 0 ? days.sum / days.count : 0;
    bool known = days.count >= DAYS_NEEDED && mean > 0 && days.high < INT64_MAX / 100;
    int64_t weight_low = known ? days.low * 100 / mean : 50;
    int64_t weight_high = known ? days.high * 100 / mean : 150;
    int rc = stretched(book, &so_far, elapsed_us, to_us - days.now_us, 100, &expected, err);
    if (rc == 0) {
        rc = stretched(book, &so_far, elapsed_us, to_us - days.now_us, weight_low, &low, err);
    }
    if (rc == 0) {
        rc = stretched(book, &so_far, elapsed_us, to_us - days.now_us, weight_high, &high, err);
    }
    price_book_free(&book);
    if (rc == 0) {
        json_open_object(writer, "forecast");
        put_exact(writer, "expected", expected, true);
        put_exact(writer, "low", low, true);
        put_exact(writer, "high", high, true);
        json_close_object(writer);
    }
    return rc;
}

/* Every line as a sum that can be checked by hand, and the total. */
static void explanation_put(struct json_writer *writer, const struct bill *bill)
{
    struct buf out = {0};
    char text[MONEY_TEXT_BYTES];
    for (int i = 0; i < bill->line_count; i++) {
        price_explain_line(&bill->lines[i], &bill->currency, &out);
    }
    minor_format(bill->total_minor, &bill->currency, text);
    buf_printf(&out, "sum of the rounded lines: %s %s\n", text, bill->currency.code);
    json_put_text(writer, "explanation", buf_text(&out));
    buf_free(&out);
}

/* ---- memory ---- */

static int on_memory(const struct cost_memory *memory, void *ctx, struct err *err)
{
    struct json_writer *writer = ctx;
    char text[GB_SECONDS_TEXT_BYTES];
    (void)err;
    json_open_object(writer, NULL);
    json_put_text(writer, "function", memory->function_name);
    json_put_i64(writer, "memory_mb", memory->memory_mib);
    json_put_text(writer, "architecture", memory->arch == 1 ? "arm64" : "x86_64");
    json_put_i64(writer, "invocations", memory->invocations);
    gb_seconds_text(memory->mb_ms, text);
    json_put_text(writer, "gb_seconds", text);
    json_put_i64(writer, "peak_max_kib", memory->peak_max_kib);
    json_put_i64(writer, "peak_mean_kib", memory->peak_mean_kib);
    json_put_i64(writer, "needed_mb", memory->needed_mib);
    put_exact(writer, "saving", memory->saving, true);
    json_close_object(writer);
    return 0;
}

static int memory_put(struct request *request, struct json_writer *writer, const struct bill *bill, struct err *err)
{
    struct price_book *book = NULL;
    int64_t from_us, to_us;
    int64_t version = 0;
    month_range(bill->month, &from_us, &to_us);
    if (price_book_load(request->pg, bill->account_id, from_us, &book, &version, err) != 0) {
        return -1;
    }
    json_open_array(writer, "memory");
    int rc = cost_memory_list(request->pg, bill->account_id, bill->month, book, on_memory, writer, err);
    json_close_array(writer);
    price_book_free(&book);
    return rc;
}

struct wanted {
    bool explain, memory;
    struct cost_what_if what_if;
    bool split;
    struct cost_split by;
};

static int cost_reply(struct request *request, const struct bill *bill, const struct wanted *wanted, struct err *err)
{
    struct json_writer writer;
    char text[CALENDAR_TEXT_BYTES];
    struct exact exact = {0};
    int64_t from_us, to_us;
    int64_t now_us = clock_wall_us();
    for (int i = 0; i < bill->line_count; i++) {
        if (exact_add(exact, bill->lines[i].exact_amount, &exact, err) != 0) {
            return -1;
        }
    }
    reply_json_begin(request, &writer);
    id_format("acct", bill->account_id, text);
    json_put_text(&writer, "account", text);
    month_format(bill->month, text);
    json_put_text(&writer, "month", text);
    json_put_text(&writer, "currency", bill->currency.code);
    json_put_text(&writer, "state", bill_state_name(bill->state));
    put_minor(&writer, "total", bill->total_minor, &bill->currency);
    put_exact(&writer, "exact", exact, false);
    json_put_text(&writer, "price_book", bill->price_book);
    json_put_i64(&writer, "price_version", bill->price_version);
    month_range(bill->month, &from_us, &to_us);
    if (now_us > from_us && now_us < to_us) {
        if (forecast_put(request, &writer, bill, from_us, to_us, err) != 0) {
            return -1;
        }
    } else {
        json_put_null(&writer, "forecast");
    }
    const struct cost_split functions = {.by = COST_BY_FUNCTION};
    if (cost_split_put(request, &writer, "functions", bill, &functions, err) != 0 || lines_put(&writer, bill) != 0 ||
        (wanted->split && cost_split_put(request, &writer, "by", bill, &wanted->by, err) != 0)) {
        return -1;
    }
    if ((wanted->what_if.asked && cost_what_if_put(request, &writer, bill, &wanted->what_if, err) != 0) ||
        (wanted->memory && memory_put(request, &writer, bill, err) != 0)) {
        return -1;
    }
    if (wanted->explain) {
        explanation_put(&writer, bill);
    }
    json_put_time(&writer, "complete_through", bill->complete_through_us);
    json_put_i64(&writer, "late_pending", bill->late_pending);
    return reply_json_end(request, 200, &writer, err);
}

int cost_handler(struct request *request, struct err *err)
{
    const char *text = request_query(request, "month");
    const char *by = request_query(request, "by");
    struct month month = month_of(clock_wall_us());
    struct bill *bill = NULL;
    struct wanted wanted = {.explain = false};
    if (cost_what_if_parse(request, &wanted.what_if, err) != 0 ||
        request_query_bool(request, "explain", &wanted.explain, err) != 0 ||
        request_query_bool(request, "memory", &wanted.memory, err) != 0 ||
        (text != NULL && month_parse(text, "month", &month, err) != 0) ||
        (by != NULL && cost_split_parse(by, &wanted.by, err) != 0)) {
        return -1;
    }
    wanted.split = by != NULL;
    unsigned split = BILL_SPLIT_FUNCTION | cost_split_flags(&wanted.by);
    if (bill_load(request->pg, request->account_id, month, split, &bill, err) != 0) {
        return -1;
    }
    int rc = cost_reply(request, bill, &wanted, err);
    bill_free(&bill);
    return rc;
}
