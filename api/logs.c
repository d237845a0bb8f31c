/* .../functions/{f}/logs: what a function wrote, once or followed (server-sent events or ndjson). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/server.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/engine.h"
#include "engine/function.h"

#define LOG_LIMIT_DEFAULT 1000
#define LOG_LIMIT_MAX 10000
#define FOLLOW_BATCH 500
#define HEARTBEAT_US INT64_C(15000000)

enum log_format { LOG_JSON, LOG_NDJSON, LOG_TEXT, LOG_EVENTS };

struct log_ctx {
    enum log_format format;
    struct buf *out;
    struct json_writer writer;
    int64_t last_us;
};

static void line_members(struct json_writer *writer, int64_t at_us, const char *line, size_t length)
{
    char at[CALENDAR_TEXT_BYTES];
    struct buf text = {0};
    calendar_format_us(at_us, at);
    json_open_object(writer, NULL);
    json_put_text(writer, "at", at);
    json_quote(&text, line, length);
    json_put_raw(writer, "line", buf_text(&text));
    json_close_object(writer);
    buf_free(&text);
}

static int on_line(int64_t at_us, const char *line, size_t length, void *ctx)
{
    struct log_ctx *log = ctx;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) {
        length--;
    }
    log->last_us = at_us;
    switch (log->format) {
    case LOG_JSON:
        line_members(&log->writer, at_us, line, length);
        break;
    case LOG_TEXT:
        buf_append(log->out, line, length);
        buf_putc(log->out, '\n');
        break;
    case LOG_NDJSON:
    case LOG_EVENTS:
        buf_puts(log->out, log->format == LOG_EVENTS ? "event: line\ndata: " : "");
        json_writer_init(&log->writer, log->out);
        line_members(&log->writer, at_us, line, length);
        buf_puts(log->out, log->format == LOG_EVENTS ? "\n\n" : "\n");
        break;
    }
    return 0;
}

/* ---- following ---- */

struct follow {
    struct engine *engine;
    int64_t account_id;
    char function[65];
    struct log_ctx log;
    struct buf pending;
    size_t sent;
    int64_t quiet_since_us;
};

static ssize_t follow_next(void *ctx, char *bytes, size_t size)
{
    struct follow *follow = ctx;
    if (follow->sent == follow->pending.length) {
        buf_clear(&follow->pending);
        follow->sent = 0;
        if (engine_logs(follow->engine, follow->account_id, follow->function, follow->log.last_us + 1, FOLLOW_BATCH,
                        on_line, &follow->log, NULL) != 0) {
            return -1;
        }
    }
    int64_t now_us = clock_mono_us();
    if (follow->pending.length == 0 && now_us - follow->quiet_since_us > HEARTBEAT_US) {
        buf_puts(&follow->pending, follow->log.format == LOG_EVENTS ? ": still here\n\n" : "\n");
    }
    size_t left = follow->pending.length - follow->sent;
    if (left == 0) {
        return 0;
    }
    size_t piece = left < size ? left : size;
    memcpy(bytes, follow->pending.data + follow->sent, piece);
    follow->sent += piece;
    follow->quiet_since_us = now_us;
    return (ssize_t)piece;
}

static void follow_done(void *ctx)
{
    struct follow *follow = ctx;
    buf_free(&follow->pending);
    free(follow);
}

static int follow_start(struct request *request, const char *function, enum log_format format, int64_t since_us,
                        struct err *err)
{
    static const char *const types[] = {"application/x-ndjson", "application/x-ndjson", "text/plain; charset=utf-8",
                                        "text/event-stream"};
    struct follow *follow = calloc(1, sizeof *follow);
    if (follow == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    follow->engine = api_get_options(request->api)->engine;
    follow->account_id = request->account_id;
    (void)text_copy(follow->function, sizeof follow->function, function);
    follow->log.format = format == LOG_JSON ? LOG_NDJSON : format;
    follow->log.out = &follow->pending;
    follow->log.last_us = since_us - 1;
    follow->quiet_since_us = clock_mono_us();
    (void)reply_stream_set(request, types[format], false, follow_next, follow_done, follow);
    return 0;
}

int log_handler(struct request *request, struct err *err)
{
    static const char *const types[] = {"application/json", "application/x-ndjson", "text/plain", "text/event-stream",
                                        NULL};
    struct engine *engine = api_get_options(request->api)->engine;
    const char *name = request_param(request, "f");
    struct function function;
    bool follow = false;
    int64_t limit = LOG_LIMIT_DEFAULT;
    int64_t since_us = clock_wall_us() - CALENDAR_HOUR_US;
    int type = 0;
    if (request_negotiate(request, types, &type, err) != 0 ||
        request_query_i64(request, "limit", 1, LOG_LIMIT_MAX, &limit, err) != 0 ||
        request_query_bool(request, "follow", &follow, err) != 0 ||
        request_query_time(request, "since", &since_us, err) != 0 ||
        function_get(request->pg, request->account_id, name, NULL, &function, err) != 0) {
        return -1;
    }
    if (engine == NULL) {
        return err_set(err, ERR_RETRY, "this node runs no functions and has no logs; ask one with the role engine");
    }
    if (follow) {
        return follow_start(request, function.name, (enum log_format)type, since_us, err);
    }
    struct log_ctx log = {.format = (enum log_format)type, .out = &request->reply.body};
    if (type == LOG_JSON) {
        reply_json_begin(request, &log.writer);
        json_open_array(&log.writer, "items");
    }
    if (engine_logs(engine, request->account_id, function.name, since_us, (int)limit, on_line, &log, err) != 0) {
        return -1;
    }
    if (type == LOG_JSON) {
        json_close_array(&log.writer);
        json_put_null(&log.writer, "next");
        return reply_json_end(request, 200, &log.writer, err);
    }
    request->reply.status = 200;
    request->reply.content_type = types[type];
    return 0;
}
