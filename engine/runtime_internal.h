/*
 * runtime_internal.h - between runtime_api.c (what is said) and runtime_link.c (how it travels); nobody else includes
 * it.
 *
 * Threads:   a link belongs to one of the server's threads: it alone reads, parses and closes. Any thread may write an
 *            event to a parked link; what that touches is under link->lock.
 * Lock:      order engine->lock, then link->lock.
 */
#ifndef FARTHING_ENGINE_RUNTIME_INTERNAL_H
#define FARTHING_ENGINE_RUNTIME_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "common/ids.h"
#include "engine/runtime_http.h"

struct call;
struct engine;
struct instance;
struct link_thread;
struct runtime_api;

enum route {
    ROUTE_NONE,
    ROUTE_NEXT,
    ROUTE_RESPONSE,
    ROUTE_ERROR,
    ROUTE_INIT_ERROR,
    ROUTE_EXTENSION_REGISTER,
    ROUTE_EXTENSION_NEXT,
    ROUTE_EXTENSION_INIT_ERROR,
    ROUTE_EXTENSION_EXIT_ERROR,
    ROUTE_TELEMETRY,
    ROUTE_LOGS
};

/* One connection of an instance; the request on it now. */
struct link {
    struct link *next, *prev; /* of its thread; under the thread's lock */
    struct link_thread *thread;
    struct engine *engine;
    struct instance *instance; /* a reference */
    _Atomic int refs;
    /* the reader's */
    char *in; /* the head of the request, then what follows it */
    size_t in_length, in_room, scanned;
    bool in_body, ended; /* ended: nothing after this request is read */
    bool ahead;          /* bytes of the next request were there when this one was complete */
    struct http_head head;
    struct http_body framing;
    /* the request */
    enum route route;
    char id[UUID_TEXT_BYTES];
    struct buf body;
    size_t body_bytes;
    bool streaming, too_large, bad_mode;
    struct call *streamed; /* pieces go to it as they come; a reference */
    /* under lock */
    pthread_mutex_t lock;
    int fd;       /* -1: closed */
    bool parked;  /* in next: an event may be written from anywhere */
    bool stalled; /* bytes wait to be read until what is to be written is */
    bool last;    /* close when all is written */
    bool held;    /* out waits for what follows it, RUNTIME_API_HOLD_NS at most */
    int64_t held_ns;
    struct buf out;
    size_t out_sent, payload_sent;
    struct call *out_call; /* its payload follows out; a reference */
};

/* ---- runtime_link.c ---- */
void link_ref(struct link *link);
void link_unref(struct link *link);
/* Write text, an answer to a request that another one already follows on the connection: it may wait for the answer to
 * that one, so that both are one packet and wake the runtime once. */
void link_write_ahead(struct link *link, const char *text, size_t length);
/* Write head (it is copied) and, when call is not NULL, its payload, whose reference moves. What does not fit now
 * follows by itself. The link is parked no more. */
void link_write(struct link *link, const char *head, size_t length, struct call *call);
/* The connection ends with the answer to this request. */
void link_last(struct link *link);
/* next begins to wait. From here on an event may come from any thread. */
void link_park(struct link *link);
/* It does not wait any more; reading goes on. */
void link_unpark(struct link *link);

/* ---- runtime_api.c: called by the reader ---- */
/* A head was read. */
void runtime_api_begin(struct link *link);
void runtime_api_bytes(struct link *link, const char *bytes, size_t length);
/* The request is complete: answer it, or park it. */
void runtime_api_act(struct link *link);
/* What was read is no request. */
void runtime_api_refuse(struct link *link, int status);
/* headers: lines that end with CRLF, or "". text is JSON. */
void runtime_api_reply(struct link *link, int status, const char *headers, const char *text);
/* Lambda's error document; message may be anything. */
void runtime_api_error(struct link *link, int status, const char *type, const char *message);

/* ---- extension_api.c ---- */
enum route extension_route(const char *target, const char *method);
void extension_api_act(struct link *link);

#endif
