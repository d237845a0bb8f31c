/*
 * rest.h - one call of the node's REST API at a time, over libcurl.
 *
 * Where:     the address is --url, FARTHING_URL, <data-dir>/url (a node on this machine), or http://127.0.0.1:8080; the
 * key is
 *            --key, FARTHING_KEY, or <data-dir>/admin.key when this user may read it.
 * Errors:    a problem document becomes a sentence with its field; 4xx are the caller's, 503 and no connection are
 * ERR_RETRY, 401 names where the key came from. The raw body stays in the answer. Ownership: rest_open/rest_close; an
 * answer is freed with rest_answer_free. Threads: one at a time.
 */
#ifndef FARTHING_CLI_REST_H
#define FARTHING_CLI_REST_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct err;
struct rest;

#define REST_BODY_BYTES_MAX (512 * 1024 * 1024)

struct rest_options {
    const char *url, *key, *data_dir; /* NULL: as above */
};

struct rest_answer {
    long status;
    struct buf body;
    struct buf headers; /* "name: value" lines, names in lower case */
};

struct rest_call {
    const char *method; /* "GET", ... */
    const char *path;   /* "/v1/accounts?limit=10" */
    const void *body;   /* NULL: none */
    size_t body_length;
    const char *content_type;                                     /* NULL: application/json */
    const char *accept;                                           /* NULL: application/json */
    const char *headers[8];                                       /* more, "Name: value", ended by NULL */
    bool problem_is_answer;                                       /* 4xx and 5xx are answers, not errors */
    int (*on_piece)(const char *bytes, size_t length, void *ctx); /* body of a success in pieces instead of in memory */
    void *ctx;
};

int rest_open(const struct rest_options *options, struct rest **rest, struct err *err);
const char *rest_url(const struct rest *rest);
const char *rest_key(const struct rest *rest); /* "" when there is none */
int rest_run(struct rest *rest, const struct rest_call *call, struct rest_answer *answer, struct err *err);
int rest_get(struct rest *rest, const char *path, struct rest_answer *answer, struct err *err);
void rest_answer_free(struct rest_answer *answer);
/* Value of a header ("farthing-billed-ms"), "" when absent; cut to size. */
void rest_header(const struct rest_answer *answer, const char *name, char *value, size_t size);
void rest_close(struct rest **rest);

/* Append format with each "{}" replaced by the next text, percent-encoded. */
void rest_path(struct buf *path, const char *format, ...);
/* Append "?name=value" or "&name=value"; nothing when value is NULL. */
void rest_query(struct buf *path, const char *name, const char *value);

#endif
