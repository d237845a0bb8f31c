/*
 * aggregator.h - moves records from spools into PostgreSQL, each exactly once.
 *
 * Why:       one transaction a batch: COPY into usage_record, upsert of the pre-summed batch into usage_hourly, advance
 * of the producer's cursor. Either all of it happened or none; the cursor says which. Threads:   aggregator_start makes
 * its own threads; the other calls are safe from any thread.
 */
#ifndef FARTHING_METERING_AGGREGATOR_H
#define FARTHING_METERING_AGGREGATOR_H

#include <stdbool.h>
#include <stdint.h>

struct aggregator;
struct err;

struct aggregator_options {
    const char *spool_dir;
    const char *conninfo;
    uint32_t batch_records_max; /* 0: 50,000 */
    uint32_t idle_wait_ms;      /* 0: 20; how long an idle aggregator waits before it looks again */
    int64_t node_id;            /* for logs and producer_cursor.node_id */
};

struct aggregator_stats {
    uint64_t records; /* stored since start */
    uint64_t batches;
    uint64_t holes;         /* slots without a valid record */
    uint64_t damaged;       /* of these: damaged on disk */
    uint64_t pending;       /* in the spools, not stored yet */
    int64_t lag_us;         /* age of the oldest record not stored; 0 when none */
    int64_t last_commit_us; /* wall clock */
    bool database_ok;
    char last_error[160];
};

int aggregator_start(const struct aggregator_options *options, struct aggregator **aggregator, struct err *err);
void aggregator_stats(const struct aggregator *aggregator, struct aggregator_stats *stats);
/* Wait until everything emitted before this call is stored; ERR_RETRY after wait_ms_max. */
int aggregator_flush(struct aggregator *aggregator, int wait_ms_max, struct err *err);
/* Finishes the batch in hand, stores what is there when drain is true, then stops. */
void aggregator_stop(struct aggregator **aggregator, bool drain);

#endif
