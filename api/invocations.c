/* .../functions/{f}/invocations: run one, list those that ran. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/account_store.h"
#include "api/api.h"
#include "api/functions.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/server.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/ids.h"
#include "engine/admission.h"
#include "engine/engine.h"
#include "metering/usage.h"

static void record_headers(struct reply *reply, const struct usage_record *record)
{
    if (record->kind != USAGE_KIND_INVOCATION) {
        return;
    }
    reply_header_i64(reply, "Farthing-Billed-Ms", record->billed_ms);
    reply_header_i64(reply, "Farthing-Duration-Us", (int64_t)record->duration_us);
    reply_header_i64(reply, "Farthing-Init-Us", (int64_t)record->init_us);
    reply_header_i64(reply, "Farthing-Memory-Mib", record->memory_mib);
    reply_header_i64(reply, "Farthing-Peak-Kib", record->peak_kib);
    reply_header_i64(reply, "Farthing-Cpu-Us", (int64_t)record->cpu_us);
    reply_header(reply, "Farthing-Cold", (record->flags & USAGE_FLAG_COLD) != 0 ? "true" : "false");
    reply_header(reply, "Farthing-Status", usage_status_name((enum usage_status)record->status));
}

/* RateLimit and RateLimit-Policy: how many more calls there may be, so that a client need not run into a refusal. */
static void room_headers(struct request *request)
{
    struct admission_room rooms[ADMISSION_ROOMS_MAX];
    struct admission *admission = api_get_options(request->api)->admission;
    char left[200] = "";
    char policy[200] = "";
    int count = admission != NULL ? admission_rooms(admission, request->account_id, clock_wall_us(), rooms) : 0;
    for (int i = 0; i < count; i++) {
        const char *name = quota_name(rooms[i].quota);
        size_t used = strlen(left);
        (void)snprintf(left + used, sizeof left - used, "%s\"%s\";r=%lld;t=%lld", i > 0 ? ", " : "", name,
                       (long long)rooms[i].remaining, (long long)rooms[i].resets_after_s);
        used = strlen(policy);
        (void)snprintf(policy + used, sizeof policy - used, "%s\"%s\";q=%lld%s", i > 0 ? ", " : "", name,
                       (long long)rooms[i].limit, rooms[i].window_s == 1 ? ";w=1" : "");
    }
    if (count > 0) {
        reply_header(&request->reply, "RateLimit", left);
        reply_header(&request->reply, "RateLimit-Policy", policy);
    }
}

static void answer(struct request *request, const struct invoke_result *result)
{
    struct reply *reply = &request->reply;
    char version[16];
    reply->status = result->outcome == INVOKE_DONE ? 200 : 202;
    if (result->outcome == INVOKE_DONE) {
        reply->content_type =
            strcmp(result->content_type != NULL ? result->content_type : "", "application/octet-stream") == 0
                ? "application/octet-stream"
                : "application/json";
        buf_append(&reply->body, result->payload, result->payload_length);
        reply->encoded = true; /* a payload goes out as it came */
        function_version_text(result->version, version);
        reply_header(reply, "Farthing-Version", version);
        record_headers(reply, &result->record);
    }
    if (result->function_error != NULL) {
        reply_header(reply, "Farthing-Function-Error", result->function_error);
    }
    if (result->replayed) {
        reply_header(reply, "Idempotency-Replayed", "true");
    }
    room_headers(request);
    if (result->log_tail_length > 0) {
        struct buf text = {0};
        base64_encode(result->log_tail, result->log_tail_length, &text);
        reply_header(reply, "Farthing-Log-Result", buf_text(&text));
        buf_free(&text);
    }
}

/* Called by the engine, on a thread of its own. */
static void on_invoked(const struct invoke_result *result, void *ctx)
{
    struct request *request = ctx;
    char id[UUID_TEXT_BYTES];
    request->pg = NULL;
    switch (result->outcome) {
    case INVOKE_DONE:
    case INVOKE_ACCEPTED:
        answer(request, result);
        break;
    case INVOKE_REFUSED:
        problem_refusal(request, &result->refusal);
        break;
    case INVOKE_FAILED:
        problem_reply(request, result->error);
        break;
    }
    uuid_format(&result->request_id, id);
    reply_header(&request->reply, "Farthing-Request-Id", id);
    request_finish(request);
}

static int type_read(const struct request *request, enum invoke_type *type, struct err *err)
{
    const char *text = request_query(request, "type");
    if (text == NULL) {
        text = request_header(request, "Farthing-Invocation-Type");
    }
    if (text == NULL || strcmp(text, "sync") == 0) {
        *type = INVOKE_SYNC;
    } else if (strcmp(text, "async") == 0 || strcmp(text, "event") == 0) {
        *type = INVOKE_EVENT;
    } else if (strcmp(text, "dry-run") == 0 || strcmp(text, "dry_run") == 0) {
        *type = INVOKE_DRY_RUN;
    } else {
        return err_field(err, "type", "type is \"%.40s\"; it is sync, async or dry-run", text);
    }
    return 0;
}

static int log_read(const struct request *request, bool *tail, struct err *err)
{
    const char *text = request_query(request, "log");
    if (text != NULL && strcmp(text, "tail") != 0 && strcmp(text, "none") != 0) {
        return err_field(err, "log", "log is \"%.40s\"; it is tail or none", text);
    }
    *tail = text != NULL && strcmp(text, "tail") == 0;
    return 0;
}

int invocation_create_handler(struct request *request, struct err *err)
{
    const struct api_options *options = api_get_options(request->api);
    struct invoke_request invoke = {.account_id = request->account_id,
                                    .function = request_param(request, "f"),
                                    .qualifier = request_query(request, "qualifier"),
                                    .payload = buf_text(&request->body),
                                    .payload_length = request->body.length,
                                    .client_context = request_header(request, "Farthing-Client-Context"),
                                    .trace_id = request_header(request, "X-Amzn-Trace-Id"),
                                    .idempotency_key = request_header(request, "Idempotency-Key")};
    if (options->engine == NULL) {
        return err_set(err, ERR_RETRY, "this node runs no functions; ask one with the role engine");
    }
    if (request->account_suspended) {
        if (options->admission != NULL) {
            admission_count_refusal(options->admission, request->account_id, 0, USAGE_REFUSED_SUSPENDED);
        }
        (void)err_set(err, ERR_INVALID, "account %s is suspended: nothing runs", request->account_name);
        return err_slug(err, "account_suspended");
    }
    if (type_read(request, &invoke.type, err) != 0 || log_read(request, &invoke.log_tail, err) != 0) {
        return -1;
    }
    request_suspend(request);
    int rc = engine_invoke(options->engine, &invoke, on_invoked, NULL, request, err);
    return rc == 0 ? HANDLER_LATER : -1;
}

/* ---- list ---- */

struct list_ctx {
    struct json_writer writer;
    struct buf *out;
    bool lines; /* ndjson: one object a line */
    int64_t left, last_us;
    bool more;
};

static void record_members(struct json_writer *writer, const struct usage_record *record, const char *function_name)
{
    char id[UUID_TEXT_BYTES];
    char text[CALENDAR_TEXT_BYTES];
    char version[16];
    struct uuid uuid;
    memcpy(uuid.bytes, record->request_id, sizeof uuid.bytes);
    uuid_format(&uuid, id);
    json_put_text(writer, "request_id", id);
    json_put_i64(writer, "attempt", record->attempt);
    json_put_text(writer, "function", function_name);
    function_version_text((int)record->version, version);
    json_put_text(writer, "version", version);
    calendar_format_us(record->started_us, text);
    json_put_text(writer, "started_at", text);
    json_put_text(writer, "status", usage_status_name((enum usage_status)record->status));
    json_put_bool(writer, "cold", (record->flags & USAGE_FLAG_COLD) != 0);
    json_put_bool(writer, "provisioned", (record->flags & USAGE_FLAG_PROVISIONED) != 0);
    json_put_i64(writer, "duration_us", (int64_t)record->duration_us);
    json_put_i64(writer, "init_us", (int64_t)record->init_us);
    json_put_i64(writer, "billed_ms", record->billed_ms);
    json_put_i64(writer, "memory_mb", record->memory_mib);
    json_put_i64(writer, "peak_kib", record->peak_kib);
    json_put_i64(writer, "cpu_us", (int64_t)record->cpu_us);
    json_put_i64(writer, "response_bytes", (int64_t)record->response_bytes);
    json_put_quantity(writer, "mb_ms", (int64_t)usage_mb_ms(record));
}

static int on_record(const struct usage_record *record, const char *function_name, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    if (list->lines) {
        json_writer_init(&list->writer, list->out);
    }
    json_open_object(&list->writer, NULL);
    record_members(&list->writer, record, function_name);
    json_close_object(&list->writer);
    if (list->lines) {
        buf_putc(list->out, '\n');
    }
    list->last_us = record->started_us;
    return 0;
}

static int list_query(struct request *request, struct usage_record_query *query, struct page *page, struct err *err)
{
    int64_t now_us = clock_wall_us();
    const char *function = request_param(request, "f");
    *query = (struct usage_record_query){.account_id = request->account_id,
                                         .from_us = now_us - CALENDAR_DAY_US,
                                         .to_us = now_us + CALENDAR_DAY_US,
                                         .newest_first = true};
    if (page_get(request, page, err) != 0 || request_query_time(request, "from", &query->from_us, err) != 0 ||
        request_query_time(request, "to", &query->to_us, err) != 0) {
        return -1;
    }
    query->before_us = page->after[0] != '\0' ? strtoll(page->after, NULL, 10) : 0;
    query->limit = page->limit + 1;
    if (function[0] == '\0') {
        return 0;
    }
    return account_store_function_id(request->pg, request->account_id, function, &query->function_id, err);
}

int invocation_list_handler(struct request *request, struct err *err)
{
    static const char *const types[] = {"application/json", "application/x-ndjson", NULL};
    struct usage_record_query query;
    struct list_ctx list = {.out = &request->reply.body};
    struct page page;
    int type = 0;
    if (request_negotiate(request, types, &type, err) != 0 || list_query(request, &query, &page, err) != 0) {
        return -1;
    }
    list.lines = type == 1;
    list.left = page.limit;
    if (!list.lines) {
        reply_json_begin(request, &list.writer);
        json_open_array(&list.writer, "items");
    }
    if (usage_records_run(request->pg, &query, on_record, &list, err) != 0) {
        return -1;
    }
    if (list.lines) {
        request->reply.status = 200;
        request->reply.content_type = "application/x-ndjson";
        return 0;
    }
    char last[24];
    (void)snprintf(last, sizeof last, "%lld", (long long)list.last_us);
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}
