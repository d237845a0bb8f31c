/*
 * lease_store.h - leases in PostgreSQL (tables quota_period, quota_lease; functions of 0040_quota_leases.sql).
 *
 * Units:     of the quota. now_us: the database's clock as a test wants it; LEASE_STORE_NOW: its own.
 * Ownership: borrows pg, keeps nothing. Threads: one struct pg a thread.
 */
#ifndef FARTHING_ENGINE_LEASE_STORE_H
#define FARTHING_ENGINE_LEASE_STORE_H

#include <stdint.h>

#include "engine/lease.h"

struct buf;
struct err;
struct pg;

#define LEASE_STORE_NOW INT64_MIN
#define LEASE_NO_DEFAULT INT64_C(-1)

/* Whose lease on what. */
struct lease_key {
    int64_t account_id;
    char name[LEASE_NAME_BYTES]; /* quota name, or "function:N" */
    int64_t period_us;           /* start of the month; 0 for limits that do not reset */
    int64_t holder, node_id;
    int64_t producer_id, epoch; /* spool of the holder */
    int64_t default_limit;      /* LEASE_NO_DEFAULT: none */
};

/* Settle, give back and take in one round trip. Sent again with the same sequence it changes nothing. */
int lease_store_renew(struct pg *pg, const struct lease_key *key, const struct lease_request *request, int64_t now_us,
                      struct lease_answer *answer, struct err *err);

/* Spend: how far records are in (opaque text), then the bill read after it. */
int lease_store_positions(struct pg *pg, const struct lease_key *key, int64_t now_us, struct buf *positions,
                          struct err *err);
int lease_store_relieve(struct pg *pg, const struct lease_key *key, const char *positions, int64_t used, int64_t now_us,
                        int64_t cost_us, struct err *err);

/* A node that started at started_us, by its own clock, knows that its earlier runs are over: their concurrency comes
 * back at once, the rest when their records are in. */
int lease_store_forget_runs(struct pg *pg, int64_t node_id, int64_t holder, int64_t started_us, struct err *err);

#endif
