/*
 * usage.h - questions about usage, answered from the rollups with the age of the answer.
 *
 * Why:       a number without its age is not an answer: complete_through says up to when everything is in.
 * Units:     as in usage_hourly; times in microseconds UTC; ranges half-open and on whole hours.
 * Ownership: rows handed to the callback live until it returns. Threads: one struct pg a thread.
 */
#ifndef FARTHING_METERING_USAGE_H
#define FARTHING_METERING_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pg;

enum usage_granularity { USAGE_TOTAL, USAGE_HOUR, USAGE_DAY, USAGE_MONTH };

#define USAGE_GROUP_FUNCTION 0x01u
#define USAGE_GROUP_VERSION 0x02u
#define USAGE_GROUP_MEMORY 0x04u
#define USAGE_GROUP_ARCH 0x08u
#define USAGE_GROUP_STATUS 0x10u  /* one row a status; of the sums only invocations is filled then */
#define USAGE_GROUP_ACCOUNT 0x20u /* operator questions over all accounts (account_id 0) */

struct usage_query {
    int64_t account_id; /* 0: all accounts */
    int64_t from_us, to_us;
    enum usage_granularity granularity;
    unsigned group_by;   /* USAGE_GROUP_* */
    int64_t function_id; /* 0: all */
    int64_t limit;       /* rows; 0: USAGE_ROWS_MAX */
    int64_t offset;
};

#define USAGE_ROWS_MAX 100000

struct usage_sums {
    int64_t invocations, billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts;
    int64_t billed_ms, mb_ms, storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes;
    int64_t peak_kib_sum, peak_kib_max;
    int64_t p50_us, p95_us, p99_us; /* upper bound of the bucket (metering/latency.h gives the error bound); 0: none */
};

struct usage_row {
    int64_t at_us; /* start of the hour, day or month; from_us for totals */
    int64_t account_id;
    int64_t function_id;
    const char *function_name; /* "" when not grouped by function */
    int version, memory_mib, arch;
    int status; /* -1 when not grouped by status */
    struct usage_sums sums;
};

struct usage_freshness {
    int64_t
        complete_through_us; /* all producers' records up to here are in; INT64_MAX is never used: no producer = now */
    int64_t late_pending;    /* records known to be in spools and not stored */
};

typedef int usage_row_fn(const struct usage_row *row, void *ctx, struct err *err);

/* Rows in order of time, account, function name, version, memory, arch, status. */
int usage_query_run(struct pg *pg, const struct usage_query *query, usage_row_fn *on_row, void *ctx,
                    struct usage_freshness *freshness, struct err *err);

int usage_freshness_get(struct pg *pg, struct usage_freshness *freshness, struct err *err);

/* Raw records of one account (newest first when descending), for invocations lists and audit. */
struct usage_record;
typedef int usage_record_fn(const struct usage_record *record, const char *function_name, void *ctx, struct err *err);
struct usage_record_query {
    int64_t account_id, function_id; /* function 0: all */
    int64_t from_us, to_us;
    bool newest_first;
    int64_t limit;
    int64_t before_us; /* cursor for newest_first: rows that started before this; 0: none */
    int64_t sealed_us; /* oldest first only: leave out what came after the seals of that instant (seal.h); 0: all */
};
int usage_records_run(struct pg *pg, const struct usage_record_query *query, usage_record_fn *on_record, void *ctx,
                      struct err *err);

#endif
