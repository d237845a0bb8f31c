/* Bodies that arrive compressed. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "api/http.h"
#include "common/err.h"

#define PIECE_BYTES 65536

static int not_gzip(struct err *err)
{
    return err_set(err, ERR_INVALID, "Content-Encoding says gzip, but the body is not whole and valid gzip");
}

/* A body of 1000 times its size is refused on the way, not after. */
static int inflate_all(z_stream *z, size_t bytes_max, struct buf *out, struct err *err)
{
    unsigned char piece[PIECE_BYTES];
    int code = Z_OK;
    while (code != Z_STREAM_END) {
        z->next_out = piece;
        z->avail_out = sizeof piece;
        code = inflate(z, Z_NO_FLUSH);
        if ((code != Z_OK && code != Z_STREAM_END) || (z->avail_out == sizeof piece && code != Z_STREAM_END)) {
            return not_gzip(err);
        }
        if (out->length + (sizeof piece - z->avail_out) > bytes_max) {
            (void)err_set(err, ERR_INVALID, "the body, unpacked, is larger than the %zu bytes allowed here", bytes_max);
            return err_slug(err, "body_too_large");
        }
        buf_append(out, piece, sizeof piece - z->avail_out);
    }
    if (z->avail_in > 0) {
        return not_gzip(err);
    }
    return buf_ok(out) ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static bool is_coding(const char *text, const char *coding)
{
    return text == NULL || strcasecmp(text, coding) == 0;
}

bool request_is_encoded(const struct request *request)
{
    return request->body.length > 0 && (request->route->flags & (ROUTE_LAMBDA | ROUTE_URL)) == 0 &&
           !is_coding(request_header(request, "Content-Encoding"), "identity");
}

int request_inflate(struct request *request, struct err *err)
{
    const char *coding = request_header(request, "Content-Encoding");
    struct buf plain = {0};
    z_stream z = {.next_in = (Bytef *)(void *)request->body.data, .avail_in = (uInt)request->body.length};
    if (!is_coding(coding, "gzip") && !is_coding(coding, "x-gzip")) {
        (void)err_set(err, ERR_INVALID, "Content-Encoding is \"%.40s\"; known here: gzip, identity", coding);
        return err_slug(err, "unsupported_media_type");
    }
    if (inflateInit2(&z, 15 + 16) != Z_OK) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    int rc = inflate_all(&z, request->route->body_bytes_max, &plain, err);
    (void)inflateEnd(&z);
    if (rc == 0) {
        buf_free(&request->body);
        request->body = plain;
        plain = (struct buf){0};
    }
    buf_free(&plain);
    return rc;
}
