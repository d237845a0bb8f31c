/*
 * rollup.h - sums of a batch by the keys of usage_hourly and usage_refusal, in the order of those keys.
 *
 * Why:       PostgreSQL then sees each key once a batch, and always in the same order: aggregators cannot deadlock.
 * Ownership: owns its memory, keeps it from batch to batch.     Threads: one at a time.
 */
#ifndef FARTHING_METERING_ROLLUP_H
#define FARTHING_METERING_ROLLUP_H

#include <stddef.h>
#include <stdint.h>

#include "metering/latency.h"

struct err;
struct rollup;
struct usage_record;

struct rollup_key {
    int64_t account_id;
    int64_t hour_us;
    int64_t function_id;
    int32_t version;
    int32_t memory_mib;
    int16_t arch;
    int16_t provisioned; /* refusals: reason */
    uint32_t spare;
};
_Static_assert(sizeof(struct rollup_key) == 40, "keys are compared as bytes when looked up: no padding");

/* In the order of the array columns of the upsert. */
enum rollup_sum {
    ROLLUP_INVOCATIONS,
    ROLLUP_BILLED_REQUESTS,
    ROLLUP_ERRORS,
    ROLLUP_TIMEOUTS,
    ROLLUP_OOMS,
    ROLLUP_INIT_ERRORS,
    ROLLUP_KILLED,
    ROLLUP_THROTTLES,
    ROLLUP_COLD_STARTS,
    ROLLUP_BILLED_MS,
    ROLLUP_MB_MS,
    ROLLUP_STORAGE_MB_MS,
    ROLLUP_STREAMED_BYTES,
    ROLLUP_DURATION_US,
    ROLLUP_INIT_US,
    ROLLUP_CPU_US,
    ROLLUP_RESPONSE_BYTES,
    ROLLUP_PEAK_KIB_SUM,
    ROLLUP_PEAK_KIB_MAX
};
#define ROLLUP_SUMS 19

struct rollup_row {
    struct rollup_key key;
    int64_t sums[ROLLUP_SUMS];
    uint32_t *latency; /* LATENCY_BUCKETS counts; NULL: none */
    unsigned latency_low, latency_high;
};

struct rollup_refusal {
    struct rollup_key key; /* version, memory and arch are 0; provisioned is the reason */
    int64_t refusals;
};

int rollup_new(struct rollup **rollup, struct err *err);
void rollup_free(struct rollup **rollup);
void rollup_clear(struct rollup *rollup);
int rollup_add(struct rollup *rollup, const struct usage_record *record, struct err *err);

/* Sorted by key; valid until the next change. */
const struct rollup_row *const *rollup_rows(struct rollup *rollup, size_t *count);
const struct rollup_refusal *rollup_refusals(struct rollup *rollup, size_t *count);

#endif
