/* /v1/price-books/{book}/rerate: a month under one version of a book and under another, account by account. */
#include <inttypes.h>
#include <stdio.h>

#include "api/account_store.h"
#include "api/handlers.h"
#include "api/http.h"
#include "billing/rerate.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"

struct rerate_ctx {
    struct request *request;
    struct rerate rerate;
    bool csv;
    struct json_writer writer;
    struct buf line;
    int64_t accounts, before_minor, after_minor;
};

/* ---- JSON ---- */

static void put_difference(const struct rerate_ctx *ctx, struct json_writer *writer, int64_t before, int64_t after)
{
    char text[MONEY_TEXT_BYTES];
    minor_format(before, &ctx->rerate.currency, text);
    json_put_text(writer, "before", text);
    minor_format(after, &ctx->rerate.currency, text);
    json_put_text(writer, "after", text);
    minor_format(after - before, &ctx->rerate.currency, text);
    json_put_text(writer, "difference", text);
}

static void put_account(struct rerate_ctx *ctx, const struct rerate_account *account)
{
    struct json_writer *writer = &ctx->writer;
    char text[MONEY_TEXT_BYTES];
    json_open_object(writer, NULL);
    id_format("acct", account->account_id, text);
    json_put_text(writer, "account", text);
    json_put_text(writer, "name", account->name);
    put_difference(ctx, writer, account->net_before_minor, account->net_after_minor);
    json_open_array(writer, "meters");
    for (int m = 0; m < METER_COUNT; m++) {
        const struct rerate_meter *meter = &account->meters[m];
        if (meter->quantity > 0) {
            json_open_object(writer, NULL);
            json_put_text(writer, "meter", meter_name((enum meter)m));
            (void)snprintf(text, sizeof text, "%" PRId64, meter->quantity);
            json_put_text(writer, "quantity", text);
            json_put_text(writer, "unit", meter_unit((enum meter)m));
            put_difference(ctx, writer, meter->before_minor, meter->after_minor);
            json_close_object(writer);
        }
    }
    json_close_array(writer);
    json_close_object(writer);
}

static void put_book(struct json_writer *writer, const char *member, const struct rerate_book *book)
{
    json_open_object(writer, member);
    json_put_text(writer, "name", book->name);
    json_put_i64(writer, "version", book->version);
    json_close_object(writer);
}

static int json_end(struct rerate_ctx *ctx, struct err *err)
{
    struct json_writer *writer = &ctx->writer;
    char month[CALENDAR_TEXT_BYTES];
    json_close_array(writer);
    json_put_null(writer, "next");
    month_format(ctx->rerate.month, month);
    json_put_text(writer, "month", month);
    json_put_text(writer, "currency", ctx->rerate.currency.code);
    put_book(writer, "before", &ctx->rerate.before);
    put_book(writer, "after", &ctx->rerate.after);
    json_open_object(writer, "total");
    json_put_i64(writer, "accounts", ctx->accounts);
    put_difference(ctx, writer, ctx->before_minor, ctx->after_minor);
    json_close_object(writer);
    return reply_json_end(ctx->request, 200, writer, err);
}

/* ---- CSV: rows of meters, a row for the account, one for all ---- */

static const char CSV_HEAD[] = "record_type,account,meter,quantity,unit,before,after,difference,currency\r\n";

static int csv_row(struct rerate_ctx *ctx, const char *type, const char *account, const char *meter,
                   const char *quantity, const char *unit, int64_t before, int64_t after, struct err *err)
{
    char text[MONEY_TEXT_BYTES];
    buf_clear(&ctx->line);
    buf_printf(&ctx->line, "%s,%s,%s,%s,%s", type, account, meter, quantity, unit);
    const int64_t amounts[] = {before, after, after - before};
    for (int i = 0; i < 3; i++) {
        minor_format(amounts[i], &ctx->rerate.currency, text);
        buf_printf(&ctx->line, ",%s", text);
    }
    buf_printf(&ctx->line, ",%s\r\n", ctx->rerate.currency.code);
    return reply_sink(buf_text(&ctx->line), ctx->line.length, ctx->request, err);
}

static int csv_account(struct rerate_ctx *ctx, const struct rerate_account *account, struct err *err)
{
    for (int m = 0; m < METER_COUNT; m++) {
        const struct rerate_meter *meter = &account->meters[m];
        char quantity[24];
        (void)snprintf(quantity, sizeof quantity, "%" PRId64, meter->quantity);
        if (meter->quantity > 0 &&
            csv_row(ctx, "meter", account->name, meter_name((enum meter)m), quantity, meter_unit((enum meter)m),
                    meter->before_minor, meter->after_minor, err) != 0) {
            return -1;
        }
    }
    return csv_row(ctx, "account", account->name, "", "", "", account->net_before_minor, account->net_after_minor, err);
}

static int csv_end(struct rerate_ctx *ctx, struct err *err)
{
    if (csv_row(ctx, "total", "", "", "", "", ctx->before_minor, ctx->after_minor, err) != 0) {
        return -1;
    }
    ctx->request->reply.status = 200;
    ctx->request->reply.content_type = "text/csv; charset=utf-8; header=present";
    return 0;
}

/* ---- the request ---- */

static int on_account(const struct rerate_account *account, void *ctx, struct err *err)
{
    struct rerate_ctx *self = ctx;
    self->accounts++;
    if (__builtin_add_overflow(self->before_minor, account->net_before_minor, &self->before_minor) ||
        __builtin_add_overflow(self->after_minor, account->net_after_minor, &self->after_minor)) {
        return err_set(err, ERR_LIMIT, "the sum over all accounts is more than can be counted");
    }
    if (self->csv) {
        return csv_account(self, account, err);
    }
    put_account(self, account);
    return 0;
}

static int month_read(const struct request *request, struct month *month, struct err *err)
{
    const char *text = request_query(request, "month");
    struct month now = month_of(clock_wall_us());
    if (text == NULL) {
        *month = now;
        return 0;
    }
    if (month_parse(text, "month", month, err) != 0) {
        return -1;
    }
    return month->year * 12 + month->month <= now.year * 12 + now.month
               ? 0
               : err_field(err, "month", "month is %s; nothing was used then yet", text);
}

static int account_read(const struct request *request, int64_t *account_id, struct err *err)
{
    const char *text = request_query(request, "account");
    struct account account;
    if (text == NULL) {
        return 0;
    }
    if (account_store_find(request->pg, text, &account, err) != 0) {
        return -1;
    }
    *account_id = account.account_id;
    return 0;
}

int rerate_handler(struct request *request, struct err *err)
{
    static const char *const TYPES[] = {"application/json", "text/csv", NULL};
    struct rerate_ctx ctx = {.request = request};
    struct rerate *rerate = &ctx.rerate;
    const char *other = request_query(request, "other");
    int type = 0;
    rerate->before.name = request_param(request, "book");
    rerate->after.name = other != NULL ? other : rerate->before.name;
    if (request_query_i64(request, "from", 1, INT64_MAX, &rerate->before.version, err) != 0 ||
        request_query_i64(request, "to", 1, INT64_MAX, &rerate->after.version, err) != 0 ||
        month_read(request, &rerate->month, err) != 0 || request_negotiate(request, TYPES, &type, err) != 0 ||
        account_read(request, &rerate->account_id, err) != 0) {
        return -1;
    }
    ctx.csv = type == 1;
    if (!ctx.csv) {
        reply_json_begin(request, &ctx.writer);
        json_open_array(&ctx.writer, "items");
    } else if (reply_sink(CSV_HEAD, sizeof CSV_HEAD - 1, request, err) != 0) {
        return -1;
    }
    int rc = rerate_month(request->pg, rerate, on_account, &ctx, err);
    if (rc == 0) {
        rc = ctx.csv ? csv_end(&ctx, err) : json_end(&ctx, err);
    }
    buf_free(&ctx.line);
    return rc;
}
