/* InvokeWithResponseStream: a function's pieces as messages of application/vnd.amazon.eventstream, as they come. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "api/functions.h"
#include "api/http.h"
#include "api/lambda.h"
#include "api/pieces.h"
#include "api/server.h"
#include "common/buf.h"
#include "common/digest.h"
#include "engine/engine.h"

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

void lambda_stream_piece(struct pieces *pieces, struct request *request, const struct invoke_piece *piece)
{
    char version[16];
    struct buf frame = {0};
    lambda_stream_frame(&frame, "PayloadChunk", "application/octet-stream", piece->bytes, piece->length);
    pieces_put(pieces, frame.data, frame.length);
    buf_free(&frame);
    if (pieces_begun(pieces)) {
        return;
    }
    /* The answer begins; from here on the request is the server's. */
    request->pg = NULL;
    uuid_format(&piece->request_id, request->id_text);
    function_version_text(piece->version, version);
    reply_header(&request->reply, "X-Amz-Executed-Version", version);
    pieces_begin(pieces, request, "application/vnd.amazon.eventstream");
    request_finish(request);
}

void lambda_stream_finish(struct pieces *pieces, const struct invoke_result *result)
{
    struct buf end = {0};
    lambda_stream_end(&end, result, false);
    pieces_put(pieces, end.data, end.length);
    buf_free(&end);
    pieces_end(pieces, false);
}
