/*
 * server.h - between server.c, dispatch.c and stream.c: the life of a request inside the server.
 */
#ifndef FARTHING_API_SERVER_H
#define FARTHING_API_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct answers;
struct api;
struct err;
struct function_urls;
struct reply_stream;
struct request;
struct route;

/* ---- router.c ---- */

/* The route of method and raw path. NULL when there is none: *allowed then has a bit (1 << enum http_method) for each
 * method the path knows. Parameters are decoded into request. -1: a bad escape. */
int router_match(struct request *request, const struct route **route, unsigned *allowed);
/* For tests: every route, ended by a NULL pattern. */
const struct route *router_table(void);
void router_allow_text(unsigned allowed, char text[80]);

/* ---- static.c ---- */

/* A file of the dashboard has this path. */
bool static_known(const char *path);

/* ---- dispatch.c ---- */

enum dispatch_result { DISPATCH_DONE, DISPATCH_LATER, DISPATCH_WORKER };

/* Before the body is read: route, method, declared length, presence of credentials. False: the reply is set. */
bool dispatch_headers(struct request *request);
/* On the HTTP thread: run it here when nothing has to wait, else DISPATCH_WORKER. */
enum dispatch_result dispatch_inline(struct request *request);
/* On a worker, with request->pg. */
enum dispatch_result dispatch_worker(struct request *request);
/* The reply is complete: counters and log. */
void dispatch_log(struct request *request);

/* ---- server.c ---- */

struct answers *api_answers(struct api *api);
struct function_urls *api_urls(struct api *api);
/* From here on request->pg sees rows of the caller's account only (schema/pg.h). Nothing happens on the HTTP thread,
 * which has no connection. ERR_RETRY when the database cannot be reached. */
int request_wall_in(struct request *request, struct err *err);
/* Before a handler hands the request to another thread. Nothing happens when it is suspended already. */
void request_suspend(struct request *request);

/* ---- stream.c ---- */

/* Gives the next piece of a streamed body: bytes written, 0: nothing yet (asked again soon), or one of these. */
enum { REPLY_STREAM_END = -1, REPLY_STREAM_CUT = -2 }; /* CUT: the connection is closed in the middle of the body */
typedef ssize_t reply_stream_fn(void *ctx, char *bytes, size_t size);
/* told: who has more says so with reply_stream_wake, and nobody asks in between, also while the node stops. The stream
 * lives until done was called; NULL: it was called already (out of memory). */
struct reply_stream *reply_stream_set(struct request *request, const char *content_type, bool told,
                                      reply_stream_fn *next, void (*done)(void *ctx), void *ctx);
/* Any thread. */
void reply_stream_wake(struct reply_stream *stream);
void reply_stream_drop(struct reply_stream *stream);

#endif
