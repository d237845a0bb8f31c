/* .../quotas: limits and where they stand; /v1/quotas: the operator's defaults. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/node_prices.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "engine/admission.h"
#include "engine/notice.h"
#include "engine/quota.h"

static const char *unit_of(enum quota_kind kind)
{
    static const char *const units[QUOTA_KIND_COUNT] = {"running invocations", "invocations/s", "invocations",
                                                        "GB-seconds",          "currency",      "MiB",
                                                        "functions",           "bytes",         "events"};
    return units[kind];
}

static void status_members(struct json_writer *writer, const struct quota_status *status, bool defaults)
{
    const struct quota *quota = &status->quota;
    json_put_text(writer, "name", quota_name(quota->kind));
    json_put_text(writer, "unit", unit_of(quota->kind));
    json_put_text(writer, "limit", quota->set ? quota->limit_text : NULL);
    json_put_text(writer, "action", quota->action == QUOTA_NOTIFY ? "notify" : "block");
    json_open_array(writer, "thresholds");
    for (int i = 0; i < quota->threshold_count; i++) {
        json_put_i64(writer, NULL, quota->thresholds[i]);
    }
    json_close_array(writer);
    json_put_bool(writer, "inherited", quota->inherited);
    if (!defaults) {
        json_put_text(writer, "used", status->used_text);
        json_put_text(writer, "held", status->held_text);
        json_put_text(writer, "available", quota->set ? status->available_text : NULL);
        json_put_time_or_null(writer, "resets_at", status->resets_at_us);
    }
    json_put_i64(writer, "revision", quota->revision);
    json_put_time_or_null(writer, "updated_at", quota->updated_us);
}

/* The escrow learns what a month has cost when a call asks; events of other runtimes for earlier days come without one.
 * The records say it at any time. */
static int spend_from_records(const struct request *request, struct quota_status *status, struct err *err)
{
    void *prices = api_get_options(request->api)->price_ctx;
    int64_t month_us = 0;
    int64_t next_us = 0;
    int64_t picos = 0;
    if (status->quota.kind != QUOTA_SPEND_PER_MONTH || request->account_id == 0 || prices == NULL) {
        return 0;
    }
    month_range(month_of(clock_wall_us()), &month_us, &next_us);
    if (prices_month(prices, request->account_id, month_us, &picos, err) != 0) {
        return -1;
    }
    if (picos > status->used_units) {
        int64_t left = status->quota.limit_units - picos - status->held_units;
        status->used_units = picos;
        status->available_units = left > 0 ? left : 0;
        quota_units_format(QUOTA_SPEND_PER_MONTH, status->used_units, status->used_text);
        quota_units_format(QUOTA_SPEND_PER_MONTH, status->available_units, status->available_text);
    }
    return 0;
}

int quota_list_handler(struct request *request, struct err *err)
{
    struct quota_status statuses[QUOTA_KIND_COUNT];
    struct json_writer writer;
    if (quota_list(request->pg, request->account_id, statuses, err) != 0 ||
        spend_from_records(request, &statuses[QUOTA_SPEND_PER_MONTH], err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    json_open_array(&writer, "items");
    for (int i = 0; i < QUOTA_KIND_COUNT; i++) {
        json_open_object(&writer, NULL);
        status_members(&writer, &statuses[i], request->account_id == 0);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_put_null(&writer, "next");
    return reply_json_end(request, 200, &writer, err);
}

static int kind_read(const struct request *request, enum quota_kind *kind, struct err *err)
{
    struct err local = {0};
    if (quota_parse(request_param(request, "quota"), "quota", kind, &local) == 0) {
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "there is no quota \"%.40s\"; GET .../quotas lists them",
                   request_param(request, "quota"));
}

static int quota_reply(struct request *request, enum quota_kind kind, struct err *err)
{
    struct quota_status status;
    struct json_writer writer;
    if (quota_get(request->pg, request->account_id, kind, &status, err) != 0 ||
        spend_from_records(request, &status, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    status_members(&writer, &status, request->account_id == 0);
    reply_etag_revision(request, status.quota.revision);
    return reply_json_end(request, 200, &writer, err);
}

int quota_get_handler(struct request *request, struct err *err)
{
    enum quota_kind kind;
    if (kind_read(request, &kind, err) != 0 || quota_reply(request, kind, err) != 0) {
        return -1;
    }
    /* The state moves without a new revision: a cached copy may not be shown as current. */
    reply_header(&request->reply, "Cache-Control", "private, no-store");
    return 0;
}

/* -1: any. If-Match: "r7" is revision 7. */
static int expected_read(const struct request *request, int64_t *expected, struct err *err)
{
    const char *sent = request_header(request, "If-Match");
    char text[32];
    *expected = -1;
    if (sent == NULL || strcmp(sent, "*") == 0) {
        return 0;
    }
    size_t length = strlen(sent);
    if (length < 4 || length >= sizeof text || strncmp(sent, "\"r", 2) != 0 || sent[length - 1] != '"') {
        return err_field(err, "If-Match", "If-Match is %.40s; an ETag of this quota looks like \"r7\"", sent);
    }
    memcpy(text, sent + 2, length - 3);
    text[length - 3] = '\0';
    return text_i64(text, "If-Match", 0, INT64_MAX, expected, err);
}

static int thresholds_read(const cJSON *tree, struct quota *quota, struct err *err)
{
    const cJSON *list = NULL;
    const cJSON *item;
    if (json_get_array(tree, "", "thresholds", false, &list, err) != 0) {
        return -1;
    }
    if (list == NULL) {
        static const int usual[] = {50, 80, 100};
        memcpy(quota->thresholds, usual, sizeof usual);
        quota->threshold_count = 3;
        return 0;
    }
    int count = 0;
    cJSON_ArrayForEach(item, list)
    {
        char field[ERR_FIELD_BYTES_MAX];
        (void)snprintf(field, sizeof field, "/thresholds/%d", count);
        if (count == QUOTA_THRESHOLDS_MAX) {
            return err_field(err, "/thresholds", "there are more than %d thresholds", QUOTA_THRESHOLDS_MAX);
        }
        if (!cJSON_IsNumber(item) || item->valueint < 1 || item->valueint > 1000 ||
            (double)item->valueint != item->valuedouble) {
            return err_field(err, field, "a threshold is a whole number of per cent, 1 to 1000");
        }
        quota->thresholds[count++] = item->valueint;
    }
    quota->threshold_count = count;
    return 0;
}

static int body_read(const struct request *request, struct quota *quota, struct err *err)
{
    static const char *const names[] = {"limit", "action", "thresholds", NULL};
    const char *limit = NULL;
    const char *action = "block";
    char number[32];
    cJSON *tree = NULL;
    if (request_json(request, names, &tree, err) != 0) {
        return -1;
    }
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(tree, "limit");
    if (cJSON_IsNumber(member)) { /* whole numbers may come as numbers; decimals would lose digits */
        int64_t whole = 0;
        if (json_get_i64(tree, "", "limit", true, INT64_MIN, INT64_MAX, &whole, err) != 0) {
            cJSON_Delete(tree);
            return -1;
        }
        (void)snprintf(number, sizeof number, "%lld", (long long)whole);
        limit = number;
    } else if (json_get_text(tree, "", "limit", true, &limit, err) != 0) {
        cJSON_Delete(tree);
        return -1;
    }
    int rc = json_get_text(tree, "", "action", false, &action, err);
    if (rc == 0 && strcmp(action, "block") != 0 && strcmp(action, "notify") != 0) {
        rc = err_field(err, "/action", "action is \"%.20s\"; it is block or notify", action);
    }
    if (rc == 0) {
        quota->action = strcmp(action, "notify") == 0 ? QUOTA_NOTIFY : QUOTA_BLOCK;
        rc = thresholds_read(tree, quota, err);
    }
    if (rc == 0) {
        rc = quota_limit_parse(quota->kind, limit, &quota->limit_units, quota->limit_text, err);
    }
    cJSON_Delete(tree);
    return rc;
}

static void changed(struct request *request, enum quota_kind kind)
{
    struct admission *admission = api_get_options(request->api)->admission;
    if (admission != NULL) {
        admission_refresh(admission, request->account_id);
    }
    (void)text_copy(request->audit_subject, sizeof request->audit_subject, quota_name(kind));
}

int quota_put_handler(struct request *request, struct err *err)
{
    struct quota quota = {.set = true};
    struct quota stored;
    int64_t expected = -1;
    if (kind_read(request, &quota.kind, err) != 0 || expected_read(request, &expected, err) != 0 ||
        body_read(request, &quota, err) != 0 ||
        quota_put(request->pg, request->account_id, &quota, expected, &stored, err) != 0) {
        return -1;
    }
    changed(request, quota.kind);
    return quota_reply(request, quota.kind, err);
}

int quota_delete_handler(struct request *request, struct err *err)
{
    enum quota_kind kind;
    int64_t expected = -1;
    if (kind_read(request, &kind, err) != 0 || expected_read(request, &expected, err) != 0 ||
        quota_delete(request->pg, request->account_id, kind, expected, err) != 0) {
        return -1;
    }
    changed(request, kind);
    return reply_empty(request, 204);
}

/* ---- notices ---- */

static int on_notice(const struct notice *notice, void *ctx, struct err *err)
{
    struct json_writer *writer = ctx;
    char text[CALENDAR_TEXT_BYTES];
    (void)err;
    calendar_format(notice->period_us, text);
    text[7] = '\0'; /* 2026-11 */
    json_open_object(writer, NULL);
    json_put_text(writer, "quota", notice->quota);
    json_put_text(writer, "month", text);
    json_put_i64(writer, "threshold", notice->threshold);
    json_put_text(writer, "used", notice->used_text);
    json_put_text(writer, "limit", notice->limit_text);
    json_put_time(writer, "fired_at", notice->fired_us);
    json_close_object(writer);
    return 0;
}

int notice_list_handler(struct request *request, struct err *err)
{
    struct json_writer writer;
    struct page page;
    if (page_get(request, &page, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    json_open_array(&writer, "items");
    if (notice_list(request->pg, request->account_id, (int)page.limit, on_notice, &writer, err) != 0) {
        return -1;
    }
    json_close_array(&writer);
    json_put_null(&writer, "next");
    return reply_json_end(request, 200, &writer, err);
}

/* ---- escrow against the records ---- */

struct escrow_list {
    struct json_writer writer;
    struct request *request;
};

static int on_escrow(const struct quota_escrow *row, void *ctx, struct err *err)
{
    struct escrow_list *list = ctx;
    struct quota_escrow escrow = *row;
    struct json_writer *writer = &list->writer;
    char text[CALENDAR_TEXT_BYTES];
    char account[ID_TEXT_BYTES];
    void *prices = api_get_options(list->request->api)->price_ctx;
    if (escrow.spend && prices != NULL &&
        prices_month(prices, escrow.account_id, escrow.period_us, &escrow.recorded, err) != 0) {
        return -1;
    }
    calendar_format(escrow.period_us, text);
    text[7] = '\0'; /* 2026-11 */
    id_format("acct", escrow.account_id, account);
    json_open_object(writer, NULL);
    json_put_text(writer, "account", account);
    json_put_text(writer, "quota", escrow.name);
    json_put_text(writer, "month", text);
    json_put_bool(writer, "agrees", escrow.stored <= escrow.recorded);
    json_put_quantity(writer, "recorded_units", escrow.recorded);
    json_put_quantity(writer, "claimed_units", escrow.stored);
    json_put_quantity(writer, "unstored_units", escrow.unstored);
    json_put_quantity(writer, "held_units", escrow.held);
    json_put_quantity(writer, "forfeit_units", escrow.forfeit);
    json_put_i64(writer, "silent_s", escrow.silent_s);
    json_close_object(writer);
    return 0;
}

int quota_escrow_handler(struct request *request, struct err *err)
{
    struct escrow_list list = {.request = request};
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (quota_reconcile_report(request->pg, on_escrow, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}
