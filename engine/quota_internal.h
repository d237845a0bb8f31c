/*
 * quota_internal.h - between quota*.c, notice*.c and admission only.
 */
#ifndef FARTHING_ENGINE_QUOTA_INTERNAL_H
#define FARTHING_ENGINE_QUOTA_INTERNAL_H

#include "engine/quota.h"

#define QUOTA_UNSET INT64_C(-1)    /* neither the account nor the operator has one */
#define QUOTA_NOTIFIES INT64_C(-2) /* there is one, but it does not block */

/* Limits that block an account now; watched: it has a monthly quota, blocking or not. */
int quota_store_limits(struct pg *pg, int64_t account_id, int64_t limits[QUOTA_KIND_COUNT], bool *watched,
                       struct err *err);

/* Accounts changed since since_us (less overlap_us; -1: only learn the time); *until_us is where to go on. */
int quota_store_changes(struct pg *pg, int64_t since_us, int64_t overlap_us, int64_t *until_us,
                        void (*on_change)(int64_t account_id, void *ctx), void *ctx, struct err *err);

/* Accounts with a monthly quota that used something in the hours since from_us, and how much of it there is so far. */
typedef void quota_active_fn(int64_t account_id, int64_t invocations, int64_t mb_ms, void *ctx);
int quota_store_active(struct pg *pg, int64_t from_us, quota_active_fn *on_account, void *ctx, struct err *err);

/* Remove what is older than the QUOTA_KEEP_* of quota.h. */
int quota_store_purge(struct pg *pg, int64_t *removed, struct err *err);

/* Requests or GB-seconds claimed beyond the records: put right; by says by how much (0: it was right already). */
int quota_store_heal(struct pg *pg, const struct quota_escrow *escrow, int64_t *by, struct err *err);

#endif
