/*
 * node.h - a node: database, spool, aggregator, admission, engine and API, started in order and stopped in reverse.
 *
 * Why:       `farthing serve` is one process with everything in it; this is the one place that knows all parts.
 * Threads:   node_run belongs to the main thread; it returns after SIGTERM or SIGINT, or node_stop from any thread.
 */
#ifndef FARTHING_API_NODE_H
#define FARTHING_API_NODE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct node;
struct party;

struct node_options {
    const char *data_dir;             /* everything that is not in PostgreSQL; made when missing, 0700 */
    const char *database;             /* NULL: the node's own PostgreSQL in data_dir */
    const char *listen;               /* "127.0.0.1:8080"; port 0 takes a free one */
    const char *roles;                /* "api,engine,aggregator,biller"; NULL: all */
    const char *sandbox;              /* "auto", "bwrap", "none" */
    const char *issuer;               /* operator's name on bills */
    const struct party *issuer_party; /* operator's address and tax number on printed bills; NULL: none */
    const char *function_url_base;    /* below it every function URL has a name; NULL: lambda-url.localhost */
    const char *tls_cert, *tls_key;
    const char *admin_key; /* tests: use this admin key; NULL: made on first start, printed once and kept in
                              data_dir/admin.key (0600) */
    uint64_t spool_bytes_max;
    int ready_lag_s;       /* as in api/api.h */
    int head_wait_s;       /* a client has so long for the head of a request; 0: as api/guests.h says */
    bool close_months;     /* close a month by itself when it is over */
    int close_grace_hours; /* so long after its end */
    int retention_days;    /* raw records older than this that are billed and sealed are dropped; 0: none ever are */
    bool allow_network_host;
    bool allow_private_webhooks; /* webhooks may call loopback and private addresses */
};

int node_open(const struct node_options *options, struct node **node, struct err *err);
/* "http://127.0.0.1:8080": where it really listens. Also written to <data-dir>/url; the database's connection string to
 * <data-dir>/database-url (0600), the admin key to <data-dir>/admin.key (0600). */
const char *node_url(const struct node *node);
const char *node_admin_key(const struct node *node);
int node_run(struct node *node, struct err *err);
void node_stop(struct node *node);
void node_close(struct node **node);

#endif
