/* /v1/months/{month}/close: start it, and how far it is. */
#include <stdio.h>
#include <string.h>

#include "api/account_store.h"
#include "api/api.h"
#include "api/closer.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/month_store.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"

#define PARKED_SHOWN 100
#define ACCOUNTS_MAX 1000

struct parked_ctx {
    struct json_writer *writer;
};

static int on_parked(const struct month_parked *row, void *ctx, struct err *err)
{
    const struct parked_ctx *parked = ctx;
    char id[ID_TEXT_BYTES];
    (void)err;
    id_format("acct", row->account_id, id);
    json_open_object(parked->writer, NULL);
    json_put_text(parked->writer, "account", id);
    json_put_text(parked->writer, "name", row->name);
    json_put_text(parked->writer, "reason", row->reason);
    json_put_time(parked->writer, "parked_at", row->parked_us);
    json_close_object(parked->writer);
    return 0;
}

static void put_totals(struct json_writer *writer, const struct close_result *result)
{
    json_open_array(writer, "totals");
    for (int i = 0; i < result->currencies; i++) {
        char text[MONEY_TEXT_BYTES];
        minor_format(result->totals[i].total_minor, &result->totals[i].currency, text);
        json_open_object(writer, NULL);
        json_put_text(writer, "currency", result->totals[i].currency.code);
        json_put_text(writer, "total", text);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* Of the last request of this node for this month; what is in the tables is told whoever did it. */
static int put_status(struct request *request, struct month month, int http_status, struct err *err)
{
    static const char *const STATES[] = {"idle", "running", "done", "failed"};
    struct closer *closer = api_get_options(request->api)->closer;
    struct closer_status status = {.state = CLOSER_IDLE};
    struct month_counts counts;
    struct json_writer writer;
    char text[CALENDAR_TEXT_BYTES];
    if (closer != NULL) {
        closer_status(closer, &status);
    }
    if (status.month.year != month.year || status.month.month != month.month) {
        status = (struct closer_status){.state = CLOSER_IDLE};
    }
    if (month_store_counts(request->pg, month, &counts, err) != 0) {
        return -1;
    }
    month_format(month, text);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "month", text);
    json_put_text(&writer, "state", STATES[status.state]);
    json_put_bool(&writer, "dry_run", status.dry_run);
    json_put_i64(&writer, "accounts", counts.accounts);
    json_put_i64(&writer, "invoices", counts.invoices);
    json_put_i64(&writer, "issued", status.state == CLOSER_DONE ? status.result.issued : status.issued);
    json_put_i64(&writer, "looked_at", status.accounts);
    json_put_i64(&writer, "parked", counts.parked);
    put_totals(&writer, &status.result);
    json_put_time_or_null(&writer, "started_at", status.started_us);
    json_put_time_or_null(&writer, "ended_at", status.ended_us);
    json_put_text(&writer, "error", status.state == CLOSER_FAILED ? status.err.text : NULL);
    json_open_array(&writer, "parked_accounts");
    struct parked_ctx parked = {.writer = &writer};
    if (month_store_parked(request->pg, month, PARKED_SHOWN, on_parked, &parked, err) != 0) {
        return -1;
    }
    json_close_array(&writer);
    return reply_json_end(request, http_status, &writer, err);
}

static int month_of_path(const struct request *request, struct month *month, struct err *err)
{
    return month_parse(request_param(request, "month"), "month", month, err);
}

int month_close_get_handler(struct request *request, struct err *err)
{
    struct month month;
    return month_of_path(request, &month, err) == 0 ? put_status(request, month, 200, err) : -1;
}

/* Names or ids to "{1,2}". */
static int read_accounts(struct request *request, const cJSON *list, struct buf *out, struct err *err)
{
    const cJSON *item;
    int count = 0;
    buf_putc(out, '{');
    cJSON_ArrayForEach(item, list)
    {
        char pointer[ERR_FIELD_BYTES_MAX];
        struct account account;
        const char *text = cJSON_GetStringValue(item);
        (void)snprintf(pointer, sizeof pointer, "/accounts/%d", count);
        if (count == ACCOUNTS_MAX) {
            return err_field(err, "/accounts", "accounts has more than %d", ACCOUNTS_MAX);
        }
        if (text == NULL || account_store_find(request->pg, text, &account, err) != 0) {
            return err_field(err, pointer, "there is no account \"%.60s\"", text != NULL ? text : "");
        }
        buf_puts(out, count++ > 0 ? "," : "");
        buf_i64(out, account.account_id);
    }
    buf_putc(out, '}');
    return 0;
}

static int read_request(struct request *request, const cJSON *tree, struct closer_request *close, struct buf *accounts,
                        struct err *err)
{
    const cJSON *list = NULL;
    int64_t workers = 0;
    int64_t hours = 0;
    if (json_get_bool(tree, "", "dry_run", false, &close->dry_run, err) != 0 ||
        json_get_bool(tree, "", "reissue", false, &close->reissue, err) != 0 ||
        json_get_i64(tree, "", "workers", false, 1, CLOSE_WORKERS_MAX, &workers, err) != 0 ||
        json_get_i64(tree, "", "grace_hours", false, 0, CLOSER_GRACE_HOURS_MAX, &hours, err) != 0 ||
        json_get_array(tree, "", "accounts", false, &list, err) != 0 ||
        (list != NULL && read_accounts(request, list, accounts, err) != 0)) {
        return -1;
    }
    if (close->reissue && list == NULL) {
        return err_field(err, "/accounts", "reissue bills credited months anew: accounts must say whose");
    }
    close->workers = (int)workers;
    close->grace_us = hours * CALENDAR_HOUR_US;
    close->accounts = list != NULL ? buf_text(accounts) : NULL;
    return 0;
}

int month_close_post_handler(struct request *request, struct err *err)
{
    static const char *const NAMES[] = {"dry_run", "workers", "grace_hours", "accounts", "reissue", NULL};
    struct closer *closer = api_get_options(request->api)->closer;
    struct closer_request close = {.workers = 0};
    struct buf accounts = {0};
    cJSON *tree = NULL;
    int64_t from_us = 0;
    int64_t to_us = 0;
    if (closer == NULL) {
        return err_set(err, ERR_RETRY, "this node has not the role biller: ask one that has");
    }
    if (month_of_path(request, &close.month, err) != 0) {
        return -1;
    }
    int rc = 0;
    month_range(close.month, &from_us, &to_us);
    if (clock_wall_us() < to_us) {
        char text[CALENDAR_TEXT_BYTES];
        calendar_format(to_us, text);
        rc = err_field(err, "month", "the month is not over; it can be closed from %s on", text);
    }
    if (rc == 0) {
        rc = request_json(request, NAMES, &tree, err);
    }
    if (rc == 0) {
        rc = read_request(request, tree, &close, &accounts, err);
    }
    if (rc == 0) {
        (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%s", request_param(request, "month"));
        rc = closer_ask(closer, &close, err);
    }
    buf_free(&accounts);
    cJSON_Delete(tree);
    return rc == 0 ? put_status(request, close.month, 202, err) : -1;
}
