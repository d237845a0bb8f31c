/*
 * ingest_store.h - the statements of an ingest transaction (tables of schema/migrations/0002_metering.sql).
 *
 * Ownership: borrows everything.       Threads: one struct pg a thread.
 */
#ifndef FARTHING_METERING_INGEST_STORE_H
#define FARTHING_METERING_INGEST_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metering/ingest.h"

struct buf;
struct err;
struct pg;
struct pg_stmt;
struct rollup_refusal;
struct rollup_row;
struct spool_hole;

/* A producer seen for the first time has emitted nothing before created_us; a retired one nothing since it retired. */
int ingest_store_cursor_add(struct pg *pg, uint64_t producer_id, int64_t node_id, int64_t created_us, struct err *err);
/* Locks the row: waits until a commit in flight is decided. */
int ingest_store_cursor_get(struct pg *pg, struct ingest_cursor *cursor, struct err *err);
struct ingest_moved {
    bool moved;              /* false: the stored cursor is not `from` */
    int64_t over_through_us; /* start of the last day that is declared over (daily.h); INT64_MIN: none is */
};
int ingest_store_cursor_move(struct pg *pg, const struct ingest_cursor *from, const struct ingest_cursor *to,
                             const struct ingest_state *state, struct ingest_moved *moved, struct err *err);
int ingest_store_retire(struct pg *pg, const struct ingest_cursor *cursor, struct err *err);

int ingest_store_copy_begin(struct pg *pg, struct err *err);
/* What this database calls the type of the rows below; constant while it exists. */
int ingest_store_hourly_type(struct pg *pg, uint32_t *type, struct err *err);
/* rows must be sorted by key; scratch is cleared and used. */
int ingest_store_hourly(struct pg *pg, uint32_t type, const struct rollup_row *const *rows, size_t count,
                        struct buf *scratch, struct err *err);
/* Accounts and days up to through_us of these rows: their sums by day are another now (daily.h). */
int ingest_store_days_changed(struct pg *pg, const struct rollup_row *const *rows, size_t count, int64_t through_us,
                              struct buf *scratch, struct err *err);
int ingest_store_refusals(struct pg *pg, const struct rollup_refusal *rows, size_t count, struct buf *scratch,
                          struct err *err);
int ingest_store_holes(struct pg *pg, uint64_t producer_id, uint64_t epoch, const struct spool_hole *holes,
                       size_t count, struct buf *scratch, struct err *err);

#endif
