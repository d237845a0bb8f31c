/*
 * trace.h - one day of the Azure Functions 2019 trace: who was invoked when, how long it took, what it needed.
 *
 * Why:       real load with real skew, from the three CSV files as they are published.
 * Files:     PREFIX_inv.csv: HashOwner, HashApp, HashFunction, ..., then invocations in each minute of the day;
 *            PREFIX_run.csv: percentiles of the run time in ms, by function;
 *            PREFIX_mem.csv: percentiles of memory in MB, by function, or by application where it has no HashFunction.
 * Strict:    a wrong number of fields, a number that is none, a column that is missing: ERR_INVALID with file and line.
 *            A function without run or memory data takes that of TRACE_DEFAULT_*.
 * Drawing:   all integers; a record is a pure function of (seed, function, ordinal), so any part can be made again.
 * Threads:   a struct trace may be read by many threads.
 */
#ifndef FARTHING_METERING_TRACE_H
#define FARTHING_METERING_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct usage_record;

#define TRACE_MINUTES 1440
#define TRACE_HASH_BYTES_MAX 96
#define TRACE_POINTS 8
#define TRACE_FILE_BYTES_MAX (UINT64_C(4) << 30)
#define TRACE_DEFAULT_RUN_US UINT64_C(100000)
#define TRACE_DEFAULT_PEAK_KIB UINT64_C(131072)

/* A distribution by its percentiles, rising. Unit: us or KiB. */
struct trace_points {
    unsigned count;
    unsigned percent[TRACE_POINTS];
    uint64_t value[TRACE_POINTS];
};

struct trace_function {
    char owner[TRACE_HASH_BYTES_MAX + 1];
    char app[TRACE_HASH_BYTES_MAX + 1];
    char name[TRACE_HASH_BYTES_MAX + 1];
    uint32_t *minutes; /* TRACE_MINUTES counts */
    uint64_t first;    /* number of its first invocation in the whole trace */
    uint64_t invocations;
    struct trace_points run_us;
    struct trace_points peak_kib;
    uint32_t memory_mib; /* configured: the smallest usual size that holds the largest peak */
    int64_t account_id;  /* set by trace_store.c */
    int64_t function_id;
};

struct trace {
    struct trace_function *functions;
    size_t count;
    uint64_t invocations;
    uint8_t digest[32]; /* of the three files */
};

int trace_open(const char *prefix, struct trace **trace, struct err *err);
void trace_free(struct trace **trace);

/* The parts of trace_open, for texts in memory (tests, fuzzing). Run and memory are joined onto what inv gave. */
int trace_parse_inv(struct trace *trace, const char *text, size_t length, struct err *err);
int trace_parse_run(struct trace *trace, const char *text, size_t length, struct err *err);
int trace_parse_mem(struct trace *trace, const char *text, size_t length, struct err *err);

/* Value at `position` of 2^32 parts of the distribution, linear between the points. */
uint64_t trace_draw(const struct trace_points *points, uint32_t position);

/* Invocation number `ordinal` of a function on a day that starts at day_us; started_us lies in the given minute. */
void trace_record(const struct trace_function *function, uint64_t ordinal, unsigned minute, int64_t day_us,
                  uint64_t seed, const uint8_t digest[32], struct usage_record *record);
/* Number in the whole trace of a record made by trace_record with this seed and digest; UINT64_MAX: not one of them. */
uint64_t trace_number(const uint8_t request_id[16], uint64_t seed, const uint8_t digest[32]);

#endif
