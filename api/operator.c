/* /v1/spenders: who spends most in a month. /v1/quota-levels: whose monthly limits are near their end. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/operator_store.h"
#include "billing/bill.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "engine/quota.h"
#include "metering/usage.h"

#define SPENDERS_DEFAULT 10
#define SPENDERS_MAX 100
#define LEVELS_DEFAULT 100
#define LEVELS_MAX 1000
#define LEVEL_PERCENT 80

struct spender {
    int64_t account_id;
    char name[64], display_name[256], state[16], price_book[64];
    int64_t invocations, errors, throttles, mb_ms;
    struct currency currency;
    enum bill_state bill_state;
    int64_t total_minor;
};

struct spenders {
    struct spender *rows; /* room for twice the limit */
    int64_t count, room;
};

static int on_user(const struct operator_user *user, void *ctx, struct err *err)
{
    struct spenders *list = ctx;
    if (list->count == list->room) {
        return err_set(err, ERR_SYSTEM, "more rows than were asked for");
    }
    struct spender *row = &list->rows[list->count++];
    *row = (struct spender){.account_id = user->account_id,
                            .invocations = user->invocations,
                            .errors = user->errors,
                            .throttles = user->throttles,
                            .mb_ms = user->mb_ms};
    if (text_copy(row->name, sizeof row->name, user->name) != 0 ||
        text_copy(row->display_name, sizeof row->display_name, user->display_name) != 0 ||
        text_copy(row->state, sizeof row->state, user->state) != 0 ||
        text_copy(row->price_book, sizeof row->price_book, user->price_book) != 0) {
        return err_set(err, ERR_SYSTEM, "a name of account %lld is too long", (long long)user->account_id);
    }
    return 0;
}

/* By the code of the bill, so that the number is the bill's. */
static int rate(struct request *request, struct month month, struct spenders *list, struct err *err)
{
    for (int64_t i = 0; i < list->count; i++) {
        struct bill *bill = NULL;
        struct spender *row = &list->rows[i];
        if (bill_load(request->pg, row->account_id, month, 0, &bill, err) != 0) {
            return err_wrap(err, "account %s", row->name);
        }
        row->currency = bill->currency;
        row->bill_state = bill->state;
        row->total_minor = bill->total_minor;
        bill_free(&bill);
    }
    return 0;
}

/* Amounts of different currencies do not compare: by currency, then most first. */
static int by_total(const void *a, const void *b)
{
    const struct spender *x = a;
    const struct spender *y = b;
    int order = strcmp(x->currency.code, y->currency.code);
    if (order == 0) {
        order = (x->total_minor < y->total_minor) - (x->total_minor > y->total_minor);
    }
    if (order == 0) {
        order = (x->mb_ms < y->mb_ms) - (x->mb_ms > y->mb_ms);
    }
    return order != 0 ? order : (x->account_id > y->account_id) - (x->account_id < y->account_id);
}

static void spender_put(struct json_writer *writer, const struct spender *row)
{
    char text[MONEY_TEXT_BYTES];
    char gb_seconds[GB_SECONDS_TEXT_BYTES];
    char id[ID_TEXT_BYTES];
    id_format("acct", row->account_id, id);
    minor_format(row->total_minor, &row->currency, text);
    gb_seconds_text(row->mb_ms, gb_seconds);
    json_open_object(writer, NULL);
    json_put_text(writer, "account", id);
    json_put_text(writer, "name", row->name);
    json_put_text(writer, "display_name", row->display_name);
    json_put_text(writer, "account_state", row->state);
    json_put_text(writer, "price_book", row->price_book);
    json_put_text(writer, "currency", row->currency.code);
    json_put_text(writer, "total", text);
    json_put_text(writer, "state", bill_state_name(row->bill_state));
    json_put_i64(writer, "invocations", row->invocations);
    json_put_i64(writer, "errors", row->errors);
    json_put_i64(writer, "throttles", row->throttles);
    json_put_quantity(writer, "mb_ms", row->mb_ms);
    json_put_text(writer, "gb_seconds", gb_seconds);
    json_close_object(writer);
}

static void total_put(struct json_writer *writer, const struct operator_total *total)
{
    char gb_seconds[GB_SECONDS_TEXT_BYTES];
    gb_seconds_text(total->mb_ms, gb_seconds);
    json_open_object(writer, "total");
    json_put_i64(writer, "invocations", total->invocations);
    json_put_i64(writer, "errors", total->errors);
    json_put_i64(writer, "throttles", total->throttles);
    json_put_quantity(writer, "billed_ms", total->billed_ms);
    json_put_quantity(writer, "mb_ms", total->mb_ms);
    json_put_text(writer, "gb_seconds", gb_seconds);
    json_close_object(writer);
}

static int month_of_query(const struct request *request, struct month *month, struct err *err)
{
    const char *text = request_query(request, "month");
    *month = month_of(clock_wall_us());
    return text != NULL ? month_parse(text, "month", month, err) : 0;
}

static int spenders_reply(struct request *request, struct month month, int64_t limit, struct spenders *list,
                          struct err *err)
{
    struct json_writer writer;
    char text[CALENDAR_TEXT_BYTES];
    int64_t from_us, to_us;
    struct operator_total total;
    struct usage_freshness freshness;
    month_range(month, &from_us, &to_us);
    if (operator_store_users(request->pg, from_us, to_us, limit, on_user, list, &total, err) != 0 ||
        usage_freshness_get(request->pg, &freshness, err) != 0 || rate(request, month, list, err) != 0) {
        return -1;
    }
    qsort(list->rows, (size_t)list->count, sizeof *list->rows, by_total);
    month_format(month, text);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "month", text);
    json_put_i64(&writer, "accounts_with_use", total.accounts);
    json_put_bool(&writer, "complete", list->count == total.accounts);
    total_put(&writer, &total);
    calendar_format_us(freshness.complete_through_us, text);
    json_put_text(&writer, "complete_through", text);
    json_put_i64(&writer, "late_pending", freshness.late_pending);
    json_open_array(&writer, "items");
    for (int64_t i = 0; i < list->count; i++) {
        spender_put(&writer, &list->rows[i]);
    }
    json_close_array(&writer);
    json_put_null(&writer, "next");
    return reply_json_end(request, 200, &writer, err);
}

int spender_list_handler(struct request *request, struct err *err)
{
    struct month month;
    int64_t limit = SPENDERS_DEFAULT;
    if (month_of_query(request, &month, err) != 0 ||
        request_query_i64(request, "limit", 1, SPENDERS_MAX, &limit, err) != 0) {
        return -1;
    }
    struct spenders list = {.room = 2 * limit};
    list.rows = calloc((size_t)list.room, sizeof *list.rows);
    if (list.rows == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    int rc = spenders_reply(request, month, limit, &list, err);
    free(list.rows);
    return rc;
}

/* ---- limits near their end ---- */

static int on_level(const struct operator_level *level, void *ctx, struct err *err)
{
    struct json_writer *writer = ctx;
    enum quota_kind kind;
    char id[ID_TEXT_BYTES];
    char used[48];
    if (quota_parse(level->quota, "quota", &kind, err) != 0) {
        return -1;
    }
    id_format("acct", level->account_id, id);
    quota_units_format(kind, level->used_units, used);
    json_open_object(writer, NULL);
    json_put_text(writer, "account", id);
    json_put_text(writer, "name", level->account);
    json_put_text(writer, "quota", level->quota);
    json_put_text(writer, "action", level->action);
    json_put_text(writer, "limit", level->limit_text);
    json_put_text(writer, "used", used);
    json_put_i64(writer, "percent", level->percent);
    json_close_object(writer);
    return 0;
}

int quota_level_list_handler(struct request *request, struct err *err)
{
    struct json_writer writer;
    int64_t limit = LEVELS_DEFAULT;
    int64_t min_percent = LEVEL_PERCENT;
    int64_t from_us, to_us;
    char text[CALENDAR_TEXT_BYTES];
    struct month month = month_of(clock_wall_us());
    if (request_query_i64(request, "limit", 1, LEVELS_MAX, &limit, err) != 0 ||
        request_query_i64(request, "min_percent", 0, 100000, &min_percent, err) != 0) {
        return -1;
    }
    month_range(month, &from_us, &to_us);
    month_format(month, text);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "month", text);
    json_open_array(&writer, "items");
    if (operator_store_levels(request->pg, from_us, to_us, min_percent, limit, on_level, &writer, err) != 0) {
        return -1;
    }
    json_close_array(&writer);
    json_put_null(&writer, "next");
    return reply_json_end(request, 200, &writer, err);
}
