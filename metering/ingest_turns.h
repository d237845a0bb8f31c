/*
 * ingest_turns.h - batches of one producer on two connections in turn: the COPY of one beside the sums of the one
 * before.
 *
 * Why:       the server copies records on one core and updates rollups on another. Batches still commit in order: a
 *            batch's sums and its cursor come after the commit of the batch before, so exactly-once is what it was.
 * Threads:   one caller; a thread of its own ends batches. Ownership: has its own connections.
 * Errors:    as in ingest.h, of the batch put or of the one before. After an error nothing is under way, and what was
 *            not said to be stored was not stored, or is in doubt (ERR_UNCERTAIN): read the cursor.
 */
#ifndef FARTHING_METERING_INGEST_TURNS_H
#define FARTHING_METERING_INGEST_TURNS_H

#include <stdbool.h>

#include "metering/ingest.h"
#include "metering/spool_reader.h"

struct ingest_turns;

int ingest_turns_new(const char *conninfo, struct ingest_turns **turns, struct err *err);
void ingest_turns_free(struct ingest_turns **turns);

/*
 * Store batch after the one put before, or after *cursor when nothing is under way. On return its records are copied
 * and its end is under way; *stored tells whether the batch before is stored now, and *cursor is where that one ended.
 * The batch's records are not read after the return. Batches with holes: use ingest_batch, after ingest_turns_wait.
 */
int ingest_turns_put(struct ingest_turns *turns, const struct spool_batch *batch, const struct ingest_state *state,
                     struct ingest_cursor *cursor, bool *stored, struct err *err);

/* Until nothing is under way; *stored: there was a batch, and it is stored; *cursor is where it ended. */
int ingest_turns_wait(struct ingest_turns *turns, struct ingest_cursor *cursor, bool *stored, struct err *err);

#endif
