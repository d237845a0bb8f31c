/*
 * ingest.h - one batch of one producer into PostgreSQL, in one transaction.
 *
 * Why:       COPY, rollup, holes and the cursor's step commit together or not at all; the cursor then says which.
 * Errors:    ERR_RETRY: nothing was stored, the link or the server had a hiccup. ERR_UNCERTAIN: read the cursor before
 *            anything else. ERR_CONFLICT with slug "cursor_moved": somebody else stores this producer; read the cursor.
 *            ERR_CONFLICT with slug "duplicate": a record is in a closed day already.
 * Ownership: borrows pg and batch; keeps its buffers.       Threads: one at a time.
 */
#ifndef FARTHING_METERING_INGEST_H
#define FARTHING_METERING_INGEST_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct ingest;
struct pg;
struct spool_batch;

struct ingest_cursor {
    uint64_t producer_id;
    uint64_t epoch;
    int64_t last_sequence; /* -1: nothing of this epoch yet */
};

/* What a batch says about its producer besides its records. */
struct ingest_state {
    int64_t node_id;
    int64_t complete_through_us; /* everything emitted before is stored with this batch; 0: no new statement */
    uint64_t pending;            /* slots after this batch */
};

int ingest_new(struct ingest **ingest, struct err *err);
void ingest_free(struct ingest **ingest);

/* The cursor as stored; a producer seen for the first time gets one at (0, -1). Waits for a commit in flight. */
int ingest_cursor_read(struct pg *pg, uint64_t producer_id, int64_t node_id, int64_t created_us,
                       struct ingest_cursor *cursor, struct err *err);

/* Store batch and move *cursor to its end. */
int ingest_batch(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch,
                 const struct ingest_state *state, struct ingest_cursor *cursor, struct err *err);

/*
 * The same in two steps, for who stores batches on two connections in turn (ingest_turns.h): the first opens the
 * transaction and copies the records, which nothing holds up; the second adds up, moves the cursor from that of the
 * batch before and commits. Each ends its transaction when it fails. Of the batch the second reads only epoch, first,
 * end, record_count and holes. Between them the transaction is given up with pg_rollback.
 */
int ingest_begin(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch, uint64_t producer_id,
                 struct err *err);
int ingest_end(struct ingest *ingest, struct pg *pg, const struct spool_batch *batch, const struct ingest_state *state,
               struct ingest_cursor *cursor, struct err *err);

/* Only say how complete an idle producer is; nothing when the cursor has moved meanwhile. */
int ingest_touch(struct pg *pg, const struct ingest_cursor *cursor, const struct ingest_state *state, struct err *err);
/* A producer that is closed and stored holds nothing back any more. */
int ingest_retire(struct pg *pg, const struct ingest_cursor *cursor, struct err *err);

#endif
