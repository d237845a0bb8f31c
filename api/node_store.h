/*
 * node_store.h - nodes in PostgreSQL (table node), and the admin key of a new installation.
 */
#ifndef FARTHING_API_NODE_STORE_H
#define FARTHING_API_NODE_STORE_H

#include <stdint.h>

#include "common/digest.h"

struct err;
struct pg;

struct node_row {
    int64_t node_id;
    const char *name, *address, *version, *status;
    int64_t started_us, seen_us;
};

/* The row of this name, made when there is none; started_at is now. */
int node_store_put(struct pg *pg, const char *name, const char *address, const char *version, int64_t *node_id,
                   struct err *err);
int node_store_beat(struct pg *pg, int64_t node_id, const char *address, const char *status, struct err *err);
typedef int node_row_fn(const struct node_row *row, void *ctx, struct err *err);
int node_store_list(struct pg *pg, node_row_fn *on_row, void *ctx, struct err *err);
/* An admin key with this digest is there afterwards. */
int node_store_admin_key(struct pg *pg, const uint8_t sha256[SHA256_BYTES], const char *prefix, struct err *err);

#endif
