/*
 * function_url.h - function URLs: an HTTP address that calls a function (table function_url).
 *
 * Why:       a function answers browsers and webhooks without an SDK: each URL is a host name of its own,
 *            <id>.<base>, so that what a function sends to a browser shares no origin with the API, the dashboard or
 *            another function. docs/decisions/function-urls.md has the reasons.
 * Rules:     the event is API Gateway's payload format 2.0, the answer is read as Lambda reads it
 *            (https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html).
 * Ownership: a struct function_url owns its cors text: function_url_free.
 * Threads:   stores: one struct pg a thread; struct function_urls: any thread.
 */
#ifndef FARTHING_API_FUNCTION_URL_H
#define FARTHING_API_FUNCTION_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

struct err;
struct function_urls;
struct pg;
struct reply;
struct request;
struct route;

#define FUNCTION_URL_ID_BYTES 33               /* 32 of [a-z2-7] and NUL */
#define FUNCTION_URL_KNOWN_US INT64_C(1000000) /* a change is known on every node after so long */
#define FUNCTION_URL_KNOWN_MAX 10000           /* URLs remembered on a node; then all are forgotten */

struct function_url {
    int64_t account_id, function_id;
    char id[FUNCTION_URL_ID_BYTES];
    char function[65];
    char qualifier[129]; /* alias; "" is $LATEST */
    char account_name[64];
    bool iam, stream, suspended;
    int64_t created_us, modified_us;
    struct buf cors; /* JSON object in AWS's shape; empty: none */
};
void function_url_free(struct function_url *url);

/* ---- function_url_store.c ---- */

/* Takes qualifier, iam, stream and cors of url and sets the rest. ERR_CONFLICT when there is one. */
int function_url_create(struct pg *pg, int64_t account_id, const char *function, struct function_url *url,
                        struct err *err);
/* found is filled; function_url_free it. ERR_NOT_FOUND, slug "url_not_found" when only the URL is missing. */
int function_url_get(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                     struct function_url *found, struct err *err);
/* Writes iam, stream and cors of what function_url_get gave. */
int function_url_change(struct pg *pg, struct function_url *url, struct err *err);
int function_url_delete(struct pg *pg, const struct function_url *url, struct err *err);
typedef int function_url_fn(const struct function_url *url, void *ctx, struct err *err);
int function_url_list(struct pg *pg, int64_t account_id, const char *function, function_url_fn *visit, void *ctx,
                      struct err *err);
/* By its id, with the names of account and function. ERR_NOT_FOUND. */
int function_url_find(struct pg *pg, const char *id, struct function_url *found, struct err *err);

/* ---- function_url.c ---- */

void function_url_id_make(int64_t account_id, char id[FUNCTION_URL_ID_BYTES]);
/* -1: that is no id. */
int function_url_id_account(const char *id, int64_t *account_id);

/* base: "https://host[:port]", below which every URL has a name; NULL: http(s)://lambda-url.localhost:<port>. */
int function_urls_new(const char *base, bool tls, int port, struct function_urls **urls, struct err *err);
void function_urls_free(struct function_urls **urls);
/* Says whether a base is one, for --check-config. */
int function_url_base_check(const char *base, struct err *err);
void function_url_text(const struct function_urls *urls, const char *id, struct buf *out);
/* The first label of a Host header below the base ("" when it is no id); false: this host is not below it. */
bool function_urls_host(const struct function_urls *urls, const char *host, char id[FUNCTION_URL_ID_BYTES]);
/* False: not known. */
bool function_urls_known(struct function_urls *urls, const char *id, struct function_url *found);
void function_urls_learn(struct function_urls *urls, const struct function_url *url);
void function_urls_forget(struct function_urls *urls, const char *id);

/* ---- url_call.c: a request to a function's URL ---- */

extern const struct route FUNCTION_URL_ROUTE;
/* The Host header names a function URL: route and url_id of the request are set. */
bool function_url_asked(struct request *request);
/* As auth: 0, or -1, or more than 0: ask again with a connection. Sets url, account and caller of the request. */
int function_url_caller(struct request *request, struct err *err);
/* What the node itself says on a function's URL. */
void function_url_error(struct request *request, int status, const char *text);

/* ---- url_event.c ---- */

/* The request as an event in payload format 2.0. */
void url_event_write(const struct request *request, struct buf *event);

/* ---- url_answer.c ---- */

#define URL_PRELUDE_BYTES_MAX 65536
#define URL_HEADER_BYTES_MAX 10240 /* names and values of what a function sets */
#define URL_PRELUDE_TYPE "application/vnd.awslambda.http-integration-response"

/* What a function returned as a whole: {"statusCode", "headers", "cookies", "body", "isBase64Encoded"} or any JSON. */
int url_answer_read(const char *payload, size_t length, struct reply *reply, struct err *err);
/* Bytes of prelude and separator (eight NULs) at the start of a streamed answer; 0: not all of it is there. */
size_t url_prelude_length(const char *bytes, size_t length);
/* Status, headers and cookies out of a prelude with its separator. */
int url_prelude_read(const char *bytes, size_t length, struct reply *reply, struct err *err);

/* ---- url_cors.c ---- */

/* A browser asks before it asks: this is answered here. */
bool url_cors_preflight(const struct request *request);
void url_cors_preflight_reply(struct request *request);
/* What lets the asking page read the answer. */
void url_cors_headers(struct request *request);
/* The cors member of a configuration, with AWS's limits; rest: members named as this API names things, otherwise as
 * AWS does. out gets the text to keep, in AWS's names. */
struct cJSON;
struct json_writer;
int url_cors_read(const struct cJSON *cors, bool rest, struct buf *out, struct err *err);
/* The members, named as this API names things. */
void url_cors_write(const struct function_url *url, struct json_writer *writer);

#endif
