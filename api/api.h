/*
 * api.h - the HTTP API: opened on the parts of a node, serves until closed.
 *
 * Why:       one place that owns the listening socket, the HTTP threads and the workers.
 * Threads:   HTTP_THREADS speak HTTP and never wait; API_WORKERS run handlers, each with its own database connection;
 *            requests that wait (a running function, a followed log) are suspended and cost no thread.
 * Ownership: borrows everything in the options until api_close.
 */
#ifndef FARTHING_API_API_H
#define FARTHING_API_API_H

#include <stdbool.h>
#include <stdint.h>

struct admission;
struct aggregator;
struct api;
struct auth;
struct closer;
struct engine;
struct err;
struct events;
struct farthing_hook;
struct party;

#define API_HTTP_THREADS 4
#define API_WORKERS 8
#define API_CONNECTIONS_MAX 4096
#define API_QUEUE_MAX 2048

struct api_options {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0" */
    const char *conninfo;
    const char *tls_cert, *tls_key; /* file names; NULL: plain HTTP */
    const char *issuer;
    const struct party *issuer_party; /* address and tax number of the issuer; NULL: none */
    const char *function_url_base;    /* as function_urls_new (function_url.h) */
    const char *region;
    int ready_lag_s; /* records may be so old before the node says that it is not ready; 0: a minute */
    int head_wait_s; /* a client has so long for the head of a request; 0: GUESTS_HEAD_WAIT_S */
    const char *data_dir;
    const uint8_t *node_key;
    int64_t node_id;
    struct engine *engine;         /* NULL: this node runs no functions */
    struct admission *admission;   /* NULL likewise */
    struct aggregator *aggregator; /* NULL: this node stores no records */
    struct farthing_hook *hook;
    struct closer *closer;            /* NULL: this node closes no months */
    void (*price_changed)(void *ctx); /* a price book or an account's book changed */
    void *price_ctx;
};

struct api_stats {
    int64_t requests[6]; /* by status class: [2] is 2xx */
    int64_t in_flight;
    int64_t queued;
};

int api_open(const struct api_options *options, struct api **api, struct err *err);
int api_port(const struct api *api);
const struct api_options *api_get_options(const struct api *api);
struct auth *api_auth(struct api *api);
void api_stats(struct api *api, struct api_stats *stats);
/* Take no new connections; requests that come on open ones are answered 503. */
void api_quiesce(struct api *api);
/* Wait until no request is running, at most wait_ms. True when none is left. */
bool api_drained(struct api *api, int wait_ms);
bool api_stopping(const struct api *api);
void api_close(struct api **api);

#endif
