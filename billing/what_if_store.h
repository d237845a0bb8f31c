/*
 * what_if_store.h - the statements of what_if.h. Ownership: borrows all. Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_WHAT_IF_STORE_H
#define FARTHING_BILLING_WHAT_IF_STORE_H

#include "billing/what_if.h"
#include "schema/pg.h"

/* Policies as the statement wants them: arrays of PostgreSQL, the first element before any `from`. */
struct what_if_policies {
    const char *from;     /* '{2025-08-01T00:00:00Z,...}', one fewer than the others */
    const char *grain_ms; /* '{1,100}' */
    const char *init;     /* '{all,none,some}' */
    const char *runtimes; /* '[[],["provided"]]': prefixes, for some */
};

/* Rows of struct what_if_row as columns. */
int what_if_store_billed(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, pg_row_fn *on_row,
                         void *ctx, struct err *err);
int what_if_store_rounded(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us,
                          const struct what_if *what_if, const struct what_if_policies *policies, pg_row_fn *on_row,
                          void *ctx, struct err *err);

#endif
