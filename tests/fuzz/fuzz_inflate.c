/*
 * Goal:   no compressed body breaks the node or takes more memory than its route allows, and what was packed comes out.
 * Method: the bytes as a packed body: unpacked as zlib itself does it, or refused and left as they were. The bytes as a
 * plain body, packed by zlib: they come out, or are refused because they are too many.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "api/http.h"
#include "common/check.h"
#include "common/err.h"

#define BYTES_MAX 4096

static const struct route ROUTE = {.method = HTTP_POST, .pattern = "/", .body_bytes_max = BYTES_MAX};

static int unpack(const void *bytes, size_t length, struct request *request, struct err *err)
{
    memset(request, 0, sizeof *request);
    request->route = &ROUTE;
    buf_append(&request->body, bytes, length);
    CHECK(buf_ok(&request->body));
    int rc = request_inflate(request, err);
    CHECK((rc == 0) == (err->code == ERR_NONE));
    CHECK(rc != 0 || request->body.length <= BYTES_MAX);
    CHECK(rc == 0 || (request->body.length == length && memcmp(request->body.data, bytes, length) == 0));
    return rc;
}

/* What zlib says: the length of the one whole member these bytes are, or -1. */
static long reference(const uint8_t *data, size_t size, unsigned char *out, size_t room)
{
    z_stream z = {
        .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)room};
    CHECK(inflateInit2(&z, 15 + 16) == Z_OK);
    int code = inflate(&z, Z_FINISH);
    long length = code == Z_STREAM_END && z.avail_in == 0 ? (long)z.total_out : -1;
    (void)inflateEnd(&z);
    return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char plain[BYTES_MAX + 1];
    struct request *request = malloc(sizeof *request);
    struct err err = {0};
    CHECK(request != NULL);
    if (size > 0) {
        long length = reference(data, size, plain, sizeof plain);
        int rc = unpack(data, size, request, &err);
        CHECK((rc == 0) == (length >= 0 && length <= BYTES_MAX));
        CHECK(rc != 0 ||
              (request->body.length == (size_t)length && memcmp(request->body.data, plain, (size_t)length) == 0));
        buf_free(&request->body);
    }
    if (size > 0) {
        struct err packed_err = {0};
        size_t bound = size + size / 100 + 200;
        unsigned char *packed = malloc(bound);
        z_stream z = {
            .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size, .next_out = packed, .avail_out = (uInt)bound};
        CHECK(packed != NULL && deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
        CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
        int rc = unpack(packed, z.total_out, request, &packed_err);
        CHECK((rc == 0) == (size <= BYTES_MAX));
        CHECK(rc == 0 ? request->body.length == size && memcmp(request->body.data, data, size) == 0
                      : strcmp(packed_err.slug, "body_too_large") == 0);
        (void)deflateEnd(&z);
        buf_free(&request->body);
        free(packed);
    }
    free(request);
    return 0;
}
