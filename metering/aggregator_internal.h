/*
 * aggregator_internal.h - between aggregator*.c only.
 */
#ifndef FARTHING_METERING_AGGREGATOR_INTERNAL_H
#define FARTHING_METERING_AGGREGATOR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "metering/ingest.h"

struct pg;
struct spool_batch;
struct spool_look;
struct spool_reader;

#define SAMPLES_MAX 64
#define PRODUCERS_MAX 4096
#define TURNS_BATCHES 4 /* in one step of a producer; then the next one has its turn */

/* At this instant the writer had claimed so much: once that is stored, everything emitted before the instant is. */
struct sample {
    int64_t wall_us;
    int64_t mono_us;
    uint64_t epoch;
    uint64_t claimed;
};

struct producer {
    uint64_t id;
    struct spool_reader *reader; /* NULL: not open */
    struct ingest_cursor cursor;
    bool cursor_known;
    bool seen;                          /* in the current listing */
    bool alive;                         /* a writer holds it */
    bool broken;                        /* said so in the log already */
    bool behind;                        /* more waits than a moment's records: go on at once */
    struct sample samples[SAMPLES_MAX]; /* oldest first */
    size_t sample_count;
    int64_t through_wall_us; /* everything emitted before is stored; 0: not known yet */
    int64_t through_mono_us;
    int64_t touched_mono_us; /* when complete_through was last written */
    uint64_t pending;
    int64_t node_id;
    size_t batch_max; /* halved while a duplicate is looked for */
};

struct producer_totals {
    uint64_t records, batches, holes, damaged;
};

/* One look at the spool folder: new producers are added, vanished ones removed. */
struct producer_list {
    struct producer *items[PRODUCERS_MAX];
    size_t count;
};

/* aggregator_producer.c */
int producer_list_scan(struct producer_list *list, const char *spool_dir, struct err *err);
void producer_list_free(struct producer_list *list);

/* Open it and read its cursor. 0 with producer->reader NULL: not to be had now (being made, read by another, broken).
 */
int producer_ready(struct producer *producer, struct pg *pg, const char *spool_dir, struct err *err);
/* Note how far the writer is at (wall_us, mono_us), which must be read before the folder was listed. */
int producer_sample(struct producer *producer, int64_t wall_us, int64_t mono_us, struct err *err);
/* Where batches go: one at a time, or, while whole batches are waiting, on two connections in turn. */
struct store {
    struct pg *pg;
    struct ingest *ingest;
    struct ingest_turns *turns;
    size_t batch_max;
    struct producer_totals totals;
};

/* Store the next batch, or some when it is behind; *stored tells how many slots they took the cursor on. */
int producer_step(struct producer *producer, struct store *store, uint64_t *stored, struct err *err);
/* Write complete_through when the last time is TOUCH_INTERVAL_US ago. */
int producer_touch(struct producer *producer, struct pg *pg, int64_t mono_us, struct err *err);
/* The connection was lost or a commit is in doubt: ask the database before the next batch. */
void producer_doubt(struct producer *producer);

#endif
