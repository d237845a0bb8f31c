/*
 * runtime_http.h - HTTP/1.1 requests as runtimes send them: heads, chunked bodies, trailers. No sockets here.
 *
 * Why:       what an instance sends is hostile until it is read; this is the one place that reads it (fuzzed).
 * Units:     lengths in bytes.
 * Ownership: a head points into the bytes it was read from and is good as long as they are; a body owns its trailers.
 * Threads:   none shared; one reader, one thread at a time.
 */
#ifndef FARTHING_ENGINE_RUNTIME_HTTP_H
#define FARTHING_ENGINE_RUNTIME_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define HTTP_FIELDS_MAX 100
#define HTTP_HEAD_BYTES_MAX (1536 * 1024) /* error reports carry their trace in a header: up to 1 MiB */

struct http_field {
    const char *name, *value;
};

struct http_fields {
    struct http_field at[HTTP_FIELDS_MAX];
    size_t count;
};

struct http_head {
    const char *method, *target;
    struct http_fields fields;
    bool chunked, expects_continue, last; /* last: the connection ends with the answer */
    uint64_t body_bytes;                  /* declared; 0 when chunked */
    int status;                           /* what to answer when it is not acceptable */
};

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_BAD, HTTP_PIECE };

/* Read a head from bytes[0..length), writing NULs between its parts. *scanned says how far a former try looked and
 * starts as 0. HTTP_DONE: *used bytes are the head. HTTP_MORE: bytes are untouched. HTTP_BAD: head->status says why. */
enum http_result http_head_read(char *bytes, size_t length, size_t *scanned, struct http_head *head, size_t *used);
/* The value of the first field of that name, in any case; NULL when there is none. */
const char *http_field(const struct http_fields *fields, const char *name);

enum http_body_state {
    HTTP_BODY_COUNTED,
    HTTP_BODY_SIZE,
    HTTP_BODY_EXTENSION,
    HTTP_BODY_SIZE_LF,
    HTTP_BODY_DATA,
    HTTP_BODY_DATA_CR,
    HTTP_BODY_DATA_LF,
    HTTP_BODY_TRAILER,
    HTTP_BODY_END
};

struct http_body {
    enum http_body_state state;
    uint64_t left; /* of the body, or of the chunk */
    int digits;
    struct buf trailer; /* raw; trailers point into it */
    struct http_fields trailers;
};

/* For the body that follows head. */
void http_body_begin(struct http_body *body, const struct http_head *head);
/* Consume *used of bytes. HTTP_PIECE: piece_length bytes of the body stand at *piece; ask again. HTTP_DONE: it is
 * complete, with trailers. HTTP_MORE: all was consumed and there must be more. HTTP_BAD: it is no body. */
enum http_result http_body_read(struct http_body *body, const char *bytes, size_t length, size_t *used,
                                const char **piece, size_t *piece_length);
void http_body_free(struct http_body *body);

#endif
