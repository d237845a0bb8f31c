#include "api/http.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "api/server.h"
#include "api/stream.h"
#include "common/check.h"
#include "common/digest.h"
#include "common/err.h"

/* Bodies below this are not worth compressing. */
#define GZIP_BYTES_MIN 1024

void reply_init(struct reply *reply)
{
    memset(reply, 0, sizeof *reply);
    reply->fd = -1;
}

void reply_free(struct reply *reply)
{
    for (int i = 0; i < reply->header_count; i++) {
        free(reply->headers[i].value);
    }
    reply->header_count = 0;
    buf_free(&reply->body);
    if (reply->stream != NULL) {
        reply_stream_drop(reply->stream);
        reply->stream = NULL;
    }
    if (reply->fd >= 0) {
        (void)close(reply->fd);
        reply->fd = -1;
    }
}

void reply_reset(struct reply *reply)
{
    reply_free(reply);
    reply_init(reply);
}

static void without_controls(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = ' ';
        }
    }
}

void reply_header(struct reply *reply, const char *name, const char *value)
{
    char *copy = strdup(value);
    if (copy == NULL) {
        return;
    }
    without_controls(copy);
    for (int i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name, name) == 0) {
            free(reply->headers[i].value);
            reply->headers[i] = (struct reply_header){.name = name, .value = copy};
            return;
        }
    }
    CHECK(reply->header_count < REPLY_HEADERS_MAX);
    reply->headers[reply->header_count++] = (struct reply_header){.name = name, .value = copy};
}

int reply_header_add(struct reply *reply, const char *name, const char *value)
{
    size_t length = strlen(value) + 1;
    char *copy = reply->header_count < REPLY_HEADERS_FOREIGN_MAX ? malloc(length + strlen(name) + 1) : NULL;
    if (copy == NULL) {
        return -1;
    }
    memcpy(copy, value, length);
    memcpy(copy + length, name, strlen(name) + 1);
    without_controls(copy);
    reply->headers[reply->header_count++] = (struct reply_header){.name = copy + length, .value = copy};
    return 0;
}

void reply_header_i64(struct reply *reply, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    reply_header(reply, name, text);
}

const char *reply_header_get(const struct reply *reply, const char *name)
{
    for (int i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name, name) == 0) {
            return reply->headers[i].value;
        }
    }
    return NULL;
}

void reply_json_begin(struct request *request, struct json_writer *writer)
{
    buf_clear(&request->reply.body);
    json_writer_init(writer, &request->reply.body);
    json_open_object(writer, NULL);
}

int reply_json_end(struct request *request, int status, struct json_writer *writer, struct err *err)
{
    json_close_object(writer);
    buf_putc(&request->reply.body, '\n');
    if (!buf_ok(&request->reply.body)) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    request->reply.status = status;
    request->reply.content_type = "application/json";
    return 0;
}

int reply_empty(struct request *request, int status)
{
    buf_clear(&request->reply.body);
    request->reply.status = status;
    request->reply.content_type = NULL;
    return 0;
}

void etag_revision(int64_t revision, char text[32])
{
    (void)snprintf(text, 32, "\"r%lld\"", (long long)revision);
}

void reply_etag_revision(struct request *request, int64_t revision)
{
    char text[32];
    etag_revision(revision, text);
    reply_header(&request->reply, "ETag", text);
}

static int write_all(int fd, const void *bytes, size_t length, struct err *err)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t wrote = write(fd, at, length);
        if (wrote < 0) {
            return err_set(err, ERR_SYSTEM, "cannot write the answer's temporary file: %s", strerror(errno));
        }
        at += wrote;
        length -= (size_t)wrote;
    }
    return 0;
}

static int open_unlinked(struct err *err)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir != NULL ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(err, ERR_SYSTEM, "cannot make a temporary file for the answer: %s", strerror(errno));
    }
    return fd;
}

int reply_sink(const void *bytes, size_t length, void *ctx, struct err *err)
{
    struct request *request = ctx;
    struct reply *reply = &request->reply;
    if (reply->fd < 0 && reply->body.length + length <= REPLY_MEMORY_BYTES_MAX) {
        buf_append(&reply->body, bytes, length);
        return buf_ok(&reply->body) ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (reply->fd < 0) {
        int fd = open_unlinked(err);
        if (fd < 0) {
            return -1;
        }
        reply->fd = fd;
        if (write_all(fd, buf_text(&reply->body), reply->body.length, err) != 0) {
            return -1;
        }
        reply->fd_bytes = (int64_t)reply->body.length;
        buf_free(&reply->body);
    }
    if (write_all(reply->fd, bytes, length, err) != 0) {
        return -1;
    }
    reply->fd_bytes += (int64_t)length;
    return 0;
}

/* The body as bytes, mapped when it is a file. NULL when empty or when mapping failed. */
static const void *body_map(const struct reply *reply, size_t *length)
{
    if (reply->static_body != NULL) {
        *length = reply->static_bytes;
        return reply->static_body;
    }
    if (reply->fd < 0) {
        *length = reply->body.length;
        return buf_text(&reply->body);
    }
    *length = (size_t)reply->fd_bytes;
    void *map = mmap(NULL, *length, PROT_READ, MAP_SHARED, reply->fd, 0);
    return map == MAP_FAILED ? NULL : map;
}

static void body_unmap(const struct reply *reply, const void *bytes, size_t length)
{
    if (reply->static_body == NULL && reply->fd >= 0 && bytes != NULL) {
        (void)munmap((void *)(uintptr_t)bytes, length);
    }
}

static void set_content_etag(struct reply *reply)
{
    size_t length = 0;
    const void *bytes = body_map(reply, &length);
    if (bytes == NULL) {
        return;
    }
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    char tag[SHA256_HEX_BYTES + 16];
    sha256(bytes, length, digest);
    body_unmap(reply, bytes, length);
    hex_encode(digest, 16, hex);
    (void)snprintf(tag, sizeof tag, "\"%s\"", hex);
    reply_header(reply, "ETag", tag);
}

bool request_takes_gzip(const struct request *request)
{
    const char *accepted = request_header(request, "Accept-Encoding");
    const char *gzip = accepted != NULL ? strcasestr(accepted, "gzip") : NULL;
    if (gzip == NULL) {
        return false;
    }
    const char *after = gzip + 4 + strspn(gzip + 4, " ");
    /* "gzip;q=0": anything but that */
    return *after != ';' || strtod(after + 1 + strspn(after + 1, " qQ="), NULL) != 0;
}

static bool gzip_wanted(const struct request *request)
{
    return !request->reply.encoded && request->reply.content_type != NULL && request_takes_gzip(request) &&
           strncmp(request->reply.content_type, "application/pdf", 15) != 0;
}

static void reply_header_drop(struct reply *reply, const char *name)
{
    for (int i = 0; i < reply->header_count; i++) {
        if (strcasecmp(reply->headers[i].name, name) == 0) {
            free(reply->headers[i].value);
            reply->headers[i] = reply->headers[--reply->header_count];
            return;
        }
    }
}

static int gzip_pieces(z_stream *z, struct request *target, struct err *err)
{
    unsigned char out[16384];
    int code;
    do {
        z->next_out = out;
        z->avail_out = sizeof out;
        code = deflate(z, Z_FINISH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
            return err_set(err, ERR_SYSTEM, "gzip failed");
        }
        if (reply_sink(out, sizeof out - z->avail_out, target, err) != 0) {
            return -1;
        }
    } while (code != Z_STREAM_END);
    return 0;
}

/* Replaces the body by its gzip form; on any failure the body stays as it is. */
static void gzip_body(struct request *request)
{
    struct reply *reply = &request->reply;
    size_t length = 0;
    const void *bytes = body_map(reply, &length);
    if (bytes == NULL || length < GZIP_BYTES_MIN || length > UINT32_MAX / 2) {
        body_unmap(reply, bytes, length);
        return;
    }
    struct request *target = calloc(1, sizeof *target);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)length};
    if (target != NULL && deflateInit2(&z, 5, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
        reply_init(&target->reply);
        int rc = gzip_pieces(&z, target, NULL);
        (void)deflateEnd(&z);
        body_unmap(reply, bytes, length);
        if (rc == 0) {
            buf_free(&reply->body);
            if (reply->fd >= 0) {
                (void)close(reply->fd);
            }
            reply->body = target->reply.body;
            reply->fd = target->reply.fd;
            reply->fd_bytes = target->reply.fd_bytes;
            reply->static_body = NULL;
            reply->encoded = true;
            reply_header(reply, "Content-Encoding", "gzip");
            /* These are of the bytes that travel (RFC 9530): they were computed of others. */
            reply_header_drop(reply, "Digest");
            reply_header_drop(reply, "Repr-Digest");
        } else {
            reply_free(&target->reply);
        }
    } else {
        body_unmap(reply, bytes, length);
    }
    free(target);
}

static bool etag_listed(const char *list, const char *etag)
{
    return strcmp(list, "*") == 0 || strstr(list, etag) != NULL;
}

static void common_headers(struct request *request)
{
    struct reply *reply = &request->reply;
    bool lambda = request->route != NULL && (request->route->flags & ROUTE_LAMBDA) != 0;
    reply_header(reply, lambda ? "x-amzn-RequestId" : "X-Request-Id", request->id_text);
    reply_header(reply, "X-Content-Type-Options", "nosniff");
    if (reply_header_get(reply, "Cache-Control") == NULL) {
        bool reads = request->method == HTTP_GET || request->method == HTTP_HEAD;
        reply_header(reply, "Cache-Control", reads && reply->status == 200 ? "private, no-cache" : "no-store");
    }
}

void reply_settle(struct request *request)
{
    struct reply *reply = &request->reply;
    if (reply->status == 200 && reply_header_get(reply, "ETag") == NULL) {
        set_content_etag(reply);
    }
    if (gzip_wanted(request)) {
        gzip_body(request);
    }
}

void reply_finish(struct request *request)
{
    struct reply *reply = &request->reply;
    bool reads = request->method == HTTP_GET || request->method == HTTP_HEAD;
    bool lambda = request->route != NULL && (request->route->flags & ROUTE_LAMBDA) != 0;
    if (request->url != NULL) { /* everything else is the function's to say */
        reply_header(reply, "x-amzn-RequestId", request->id_text);
        return;
    }
    common_headers(request);
    if (lambda || reply->stream != NULL) {
        return;
    }
    if (reads && reply->status == 200 && reply_header_get(reply, "ETag") == NULL) {
        set_content_etag(reply);
    }
    if (reads && reply->status == 200) {
        const char *known = request_header(request, "If-None-Match");
        const char *etag = reply_header_get(reply, "ETag");
        reply_header(reply, "Vary", "Accept, Accept-Encoding, Authorization");
        if (known != NULL && etag != NULL && etag_listed(known, etag)) {
            buf_clear(&reply->body);
            if (reply->fd >= 0) {
                (void)close(reply->fd);
                reply->fd = -1;
            }
            reply->static_body = NULL;
            reply->status = 304;
            reply_header_drop(reply, "Content-Encoding");
            return;
        }
    }
    if (gzip_wanted(request)) {
        gzip_body(request);
    }
}

struct MHD_Response *reply_response(struct request *request, struct streams *streams)
{
    struct reply *reply = &request->reply;
    struct MHD_Response *response;
    if (reply->stream != NULL) {
        response = stream_response(streams, request);
    } else if (reply->static_body != NULL) {
        response = MHD_create_response_from_buffer(reply->static_bytes, (void *)(uintptr_t)reply->static_body,
                                                   MHD_RESPMEM_PERSISTENT);
    } else if (reply->fd >= 0) {
        response = MHD_create_response_from_fd64((uint64_t)reply->fd_bytes, reply->fd);
        reply->fd = -1; /* the response closes it */
    } else {
        char *bytes = reply->body.data != NULL ? reply->body.data : calloc(1, 1);
        response =
            bytes == NULL ? NULL : MHD_create_response_from_buffer(reply->body.length, bytes, MHD_RESPMEM_MUST_FREE);
        reply->body = (struct buf){0};
    }
    if (response == NULL) {
        return NULL;
    }
    if (reply->content_type != NULL) {
        (void)MHD_add_response_header(response, "Content-Type", reply->content_type);
    }
    for (int i = 0; i < reply->header_count; i++) {
        (void)MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    }
    return response;
}
