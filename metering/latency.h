/*
 * latency.h - a histogram of durations that PostgreSQL can add.
 *
 * Why:     p50, p95 and p99 over any hours, functions and nodes must come from sums of rows, exactly to the bucket.
 * Buckets: 0 holds [0, 64) us; then 8 of equal width in each octave from 64 us to 2^32 us (71 minutes); the last holds
 *          everything above. A percentile is given as the upper bound of its bucket: never below the true value, and at
 *          most 12.5 % above it (64 us below 64 us).
 * Storage: one numeric without fraction: bucket b counts in units of 10^(12 b), so SUM(latency) merges histograms as
 * long as no bucket passes 10^12. Twelve decimal digits are exactly three of numeric's base-10000 digits. Threads:
 * plain values.
 */
#ifndef FARTHING_METERING_LATENCY_H
#define FARTHING_METERING_LATENCY_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define LATENCY_BUCKETS 210
#define LATENCY_TOP_US (UINT64_C(1) << 32)
#define LATENCY_COUNT_MAX UINT64_C(999999999999)

/* Counts are sparse: most functions use a dozen buckets. */
struct latency {
    uint64_t counts[LATENCY_BUCKETS];
};

unsigned latency_bucket(uint64_t duration_us);
/* Upper bound of a bucket (exclusive); the last one's is LATENCY_TOP_US. */
uint64_t latency_bound_us(unsigned bucket);

/* Append the numeric in PostgreSQL's binary form (as inside an array: without its length). low, high: range of buckets
 * that may be filled; low > high is an empty histogram. Counts are 32 bits wide here: one batch. */
void latency_encode(const uint32_t *counts, unsigned low, unsigned high, struct buf *out);
/* From the text of a numeric ("2000000000001"); ERR_INVALID when it is not one of ours. */
int latency_decode(const char *text, struct latency *latency, struct err *err);

/* Duration below or at which `per_mille` of 1000 are; 0 when the histogram is empty. */
int64_t latency_percentile_us(const struct latency *latency, unsigned per_mille);

#endif
