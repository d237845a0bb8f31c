/* InvokeWithResponseStream: a function's pieces as messages of application/vnd.amazon.eventstream, as they come. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "api/functions.h"
#include "api/http.h"
#include "api/lambda.h"
#include "api/server.h"
#include "common/buf.h"
#include "common/digest.h"
#include "engine/engine.h"

/* Shared by the engine, which adds, and the connection, which takes; freed by whoever lets go last. */
struct lambda_stream {
    pthread_mutex_t lock;
    struct buf pending;
    size_t sent;
    struct reply_stream *reader; /* NULL: the client is gone */
    bool started, ended;
    int refs;
};

static void put_u32(struct buf *out, uint32_t value)
{
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    buf_append(out, bytes, sizeof bytes);
}

static void put_header(struct buf *out, const char *name, const char *value)
{
    size_t length = strlen(value);
    buf_putc(out, (char)strlen(name));
    buf_puts(out, name);
    buf_putc(out, 7); /* a string */
    buf_putc(out, (char)(length >> 8));
    buf_putc(out, (char)length);
    buf_puts(out, value);
}

void lambda_stream_frame(struct buf *out, const char *type, const char *content_type, const void *payload,
                         size_t length)
{
    struct buf headers = {0};
    size_t start = out->length;
    put_header(&headers, ":message-type", "event");
    put_header(&headers, ":event-type", type);
    put_header(&headers, ":content-type", content_type);
    put_u32(out, (uint32_t)(12 + headers.length + length + 4));
    put_u32(out, (uint32_t)headers.length);
    if (buf_ok(out)) {
        put_u32(out, (uint32_t)crc32(0, (const Bytef *)out->data + start, 8));
    }
    buf_append(out, headers.data, headers.length);
    buf_append(out, payload, length);
    if (buf_ok(out)) {
        put_u32(out, (uint32_t)crc32(0, (const Bytef *)out->data + start, (uInt)(out->length - start)));
    }
    buf_free(&headers);
}

void lambda_stream_end(struct buf *out, const struct invoke_result *result, bool whole)
{
    struct buf end = {0};
    struct buf text = {0};
    struct json_writer writer;
    json_writer_init(&writer, &end);
    json_open_object(&writer, NULL);
    if (result->function_error != NULL) {
        json_put_text(&writer, "ErrorCode", result->function_error);
        buf_append(&text, result->payload, result->payload_length);
        json_put_text(&writer, "ErrorDetails", buf_text(&text));
        buf_clear(&text);
    } else if (whole && result->payload_length > 0) {
        lambda_stream_frame(out, "PayloadChunk", "application/octet-stream", result->payload, result->payload_length);
    }
    if (result->log_tail_length > 0) {
        base64_encode(result->log_tail, result->log_tail_length, &text);
        json_put_text(&writer, "LogResult", buf_text(&text));
    }
    json_close_object(&writer);
    lambda_stream_frame(out, "InvokeComplete", "application/json", buf_text(&end), end.length);
    buf_free(&end);
    buf_free(&text);
}

/* ---- the shared part ---- */

struct lambda_stream *lambda_stream_new(void)
{
    struct lambda_stream *stream = calloc(1, sizeof *stream);
    if (stream != NULL) {
        (void)pthread_mutex_init(&stream->lock, NULL);
        stream->refs = 1;
    }
    return stream;
}

void lambda_stream_unref(struct lambda_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&stream->lock);
    bool last = --stream->refs == 0;
    (void)pthread_mutex_unlock(&stream->lock);
    if (last) {
        (void)pthread_mutex_destroy(&stream->lock);
        buf_free(&stream->pending);
        free(stream);
    }
}

static ssize_t take(void *ctx, char *bytes, size_t size)
{
    struct lambda_stream *stream = ctx;
    (void)pthread_mutex_lock(&stream->lock);
    size_t left = stream->pending.length - stream->sent;
    ssize_t got = left == 0 && stream->ended ? -1 : (ssize_t)(left < size ? left : size);
    if (got > 0) {
        memcpy(bytes, stream->pending.data + stream->sent, (size_t)got);
        stream->sent += (size_t)got;
        if (stream->sent == stream->pending.length) {
            buf_clear(&stream->pending);
            stream->sent = 0;
        }
    }
    (void)pthread_mutex_unlock(&stream->lock);
    return got;
}

static void client_gone(void *ctx)
{
    struct lambda_stream *stream = ctx;
    (void)pthread_mutex_lock(&stream->lock);
    stream->reader = NULL;
    buf_free(&stream->pending);
    stream->sent = 0;
    (void)pthread_mutex_unlock(&stream->lock);
    lambda_stream_unref(stream);
}

bool lambda_stream_started(const struct lambda_stream *stream)
{
    return stream != NULL && stream->started;
}

void lambda_stream_piece(struct lambda_stream *stream, struct request *request, const struct invoke_piece *piece)
{
    char version[16];
    bool first = !stream->started;
    (void)pthread_mutex_lock(&stream->lock);
    if (first || stream->reader != NULL) {
        lambda_stream_frame(&stream->pending, "PayloadChunk", "application/octet-stream", piece->bytes, piece->length);
    }
    if (!first && stream->reader != NULL) {
        reply_stream_wake(stream->reader);
    }
    (void)pthread_mutex_unlock(&stream->lock);
    if (!first) {
        return;
    }
    /* The answer begins; from here on the request is the server's. */
    stream->started = true;
    stream->refs++;
    request->pg = NULL;
    uuid_format(&piece->request_id, request->id_text);
    function_version_text(piece->version, version);
    reply_header(&request->reply, "X-Amz-Executed-Version", version);
    stream->reader = reply_stream_set(request, "application/vnd.amazon.eventstream", true, take, client_gone, stream);
    request_finish(request);
}

void lambda_stream_finish(struct lambda_stream *stream, const struct invoke_result *result)
{
    (void)pthread_mutex_lock(&stream->lock);
    stream->ended = true;
    if (stream->reader != NULL) {
        lambda_stream_end(&stream->pending, result, false);
        reply_stream_wake(stream->reader);
    }
    (void)pthread_mutex_unlock(&stream->lock);
}
