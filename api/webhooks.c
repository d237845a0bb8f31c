/* .../webhooks: where an account hears of crossed thresholds and issued invoices. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/webhook_sender.h"
#include "api/webhook_store.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "engine/node_key.h"
#include "engine/notice.h"

#define URL_BYTES_MAX 2048
#define SECRET_BYTES 24
#define EVENTS_MAX 20

static void webhook_members(struct json_writer *writer, const struct webhook_row *row)
{
    char id[ID_TEXT_BYTES];
    id_format("wh", row->webhook_id, id);
    json_put_text(writer, "id", id);
    json_put_text(writer, "url", row->url);
    json_open_array(writer, "events");
    for (const char *at = row->events; *at != '\0';) {
        char word[128];
        size_t length = strcspn(at, ",");
        (void)snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), at);
        json_put_text(writer, NULL, word);
        at += length;
        at += *at == ',';
    }
    json_close_array(writer);
    json_put_bool(writer, "enabled", row->enabled);
    json_put_time(writer, "created_at", row->created_us);
}

/* http(s) with a host and nothing that could end a header. */
static int url_check(const char *url, struct err *err)
{
    const char *host = text_starts(url, "https://") ? url + 8 : text_starts(url, "http://") ? url + 7 : NULL;
    if (host == NULL || host[0] == '\0' || host[0] == '/' || strlen(url) > URL_BYTES_MAX) {
        return err_field(err, "/url", "url is to be http:// or https:// with a host, at most %d bytes", URL_BYTES_MAX);
    }
    for (const char *at = url; *at != '\0'; at++) {
        if ((unsigned char)*at <= 0x20 || (unsigned char)*at >= 0x7f) {
            return err_field(err, "/url", "url has a character that has to be percent-encoded");
        }
    }
    return 0;
}

/* The JSON array as PostgreSQL array text; event types have no character that needs quoting there. */
static int events_read(const cJSON *tree, struct buf *out, struct err *err)
{
    const cJSON *list = NULL;
    const cJSON *item;
    int count = 0;
    if (json_get_array(tree, "", "events", false, &list, err) != 0) {
        return -1;
    }
    buf_putc(out, '{');
    cJSON_ArrayForEach(item, list)
    {
        char field[ERR_FIELD_BYTES_MAX];
        (void)snprintf(field, sizeof field, "/events/%d", count);
        const char *text = cJSON_GetStringValue(item);
        if (text == NULL || text[0] == '\0' || strlen(text) > 100 || count == EVENTS_MAX ||
            strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(text)) {
            return err_field(err, field, "an event type is like " NOTICE_EVENT_THRESHOLD "; at most %d", EVENTS_MAX);
        }
        buf_puts(out, count++ > 0 ? "," : "");
        buf_puts(out, text);
    }
    buf_putc(out, '}');
    return 0;
}

static int webhook_make(struct request *request, const char *url, const char *events, struct err *err)
{
    uint8_t random[SECRET_BYTES];
    char secret[6 + 2 * SECRET_BYTES + 1] = "whsec_";
    char aad[WEBHOOK_AAD_BYTES];
    struct buf sealed = {0};
    struct json_writer writer;
    int64_t webhook_id = 0;
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, secret + 6);
    webhook_aad(request->account_id, aad);
    int rc = node_key_seal(api_get_options(request->api)->node_key, aad, secret, strlen(secret), &sealed, err);
    if (rc == 0) {
        rc = webhook_store_put(request->pg, request->account_id, url, sealed.data, sealed.length, events, &webhook_id,
                               err);
    }
    buf_free(&sealed);
    if (rc != 0) {
        return -1;
    }
    id_format("wh", webhook_id, request->audit_subject);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "id", request->audit_subject);
    json_put_text(&writer, "url", url);
    json_put_text(&writer, "secret", secret);
    json_put_bool(&writer, "enabled", true);
    return reply_json_end(request, 201, &writer, err);
}

int webhook_create_handler(struct request *request, struct err *err)
{
    static const char *const names[] = {"url", "events", NULL};
    const char *url = NULL;
    struct buf events = {0};
    cJSON *tree = NULL;
    int rc = request_json(request, names, &tree, err);
    if (rc == 0) {
        rc = json_get_text(tree, "", "url", true, &url, err);
    }
    if (rc == 0) {
        rc = url_check(url, err);
    }
    if (rc == 0) {
        rc = events_read(tree, &events, err);
    }
    if (rc == 0) {
        rc = webhook_make(request, url, buf_text(&events), err);
    }
    buf_free(&events);
    cJSON_Delete(tree);
    return rc;
}

struct list_ctx {
    struct json_writer writer;
    int rows;
    bool array;
};

static int on_webhook(const struct webhook_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    list->rows++;
    if (list->array) {
        json_open_object(&list->writer, NULL);
    }
    webhook_members(&list->writer, row);
    if (list->array) {
        json_close_object(&list->writer);
    }
    return 0;
}

int webhook_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = true};
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (webhook_store_list(request->pg, request->account_id, 0, on_webhook, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

static int id_read(const struct request *request, int64_t *webhook_id, struct err *err)
{
    if (id_parse("wh", request_param(request, "webhook"), "webhook", webhook_id, NULL) == 0) {
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND, "there is no such webhook");
}

int webhook_get_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = false};
    int64_t webhook_id = 0;
    if (id_read(request, &webhook_id, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    if (webhook_store_list(request->pg, request->account_id, webhook_id, on_webhook, &list, err) != 0) {
        return -1;
    }
    if (list.rows == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no such webhook");
    }
    return reply_json_end(request, 200, &list.writer, err);
}

int webhook_delete_handler(struct request *request, struct err *err)
{
    int64_t webhook_id = 0;
    if (id_read(request, &webhook_id, err) != 0 ||
        webhook_store_delete(request->pg, request->account_id, webhook_id, err) != 0) {
        return -1;
    }
    id_format("wh", webhook_id, request->audit_subject);
    return reply_empty(request, 204);
}

static int on_delivery(const struct notice_log *entry, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    char id[UUID_TEXT_BYTES];
    (void)err;
    uuid_format(&entry->delivery_id, id);
    json_open_object(&list->writer, NULL);
    json_put_text(&list->writer, "id", id);
    json_put_text(&list->writer, "event_type", entry->event_type);
    json_put_i64(&list->writer, "attempts", entry->attempts);
    json_put_i64(&list->writer, "last_status", entry->last_status);
    json_put_text(&list->writer, "last_error", entry->last_error);
    json_put_time(&list->writer, "created_at", entry->created_us);
    json_put_time(&list->writer, "due_at", entry->due_us);
    json_put_time_or_null(&list->writer, "delivered_at", entry->delivered_us);
    json_put_time_or_null(&list->writer, "gave_up_at", entry->gave_up_us);
    json_close_object(&list->writer);
    return 0;
}

static int count_row(const struct webhook_row *row, void *ctx, struct err *err)
{
    (void)row;
    (void)err;
    ++*(int *)ctx;
    return 0;
}

int webhook_deliveries_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = true};
    struct page page;
    int64_t webhook_id = 0;
    int found = 0;
    if (page_get(request, &page, err) != 0 || id_read(request, &webhook_id, err) != 0 ||
        webhook_store_list(request->pg, request->account_id, webhook_id, count_row, &found, err) != 0) {
        return -1;
    }
    if (found == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no such webhook");
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (notice_log_list(request->pg, request->account_id, webhook_id, (int)page.limit, on_delivery, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

/* Queue an event of the type "test" now; the delivery log tells what came of it. */
int webhook_test_handler(struct request *request, struct err *err)
{
    struct json_writer writer;
    struct uuid delivery_id;
    char id[UUID_TEXT_BYTES];
    int64_t webhook_id = 0;
    if (id_read(request, &webhook_id, err) != 0 ||
        notice_test(request->pg, request->account_id, webhook_id, &delivery_id, err) != 0) {
        return -1;
    }
    id_format("wh", webhook_id, request->audit_subject);
    uuid_format(&delivery_id, id);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "id", id);
    json_put_text(&writer, "event_type", NOTICE_EVENT_TEST);
    return reply_json_end(request, 202, &writer, err);
}
