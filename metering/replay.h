/*
 * replay.h - one day of a trace through the real hook, spool and aggregator, exactly once however often it is started.
 *
 * Exact:     the producer id is made from trace, day and seed, so every run of the same replay is the same producer. A
 *            run first waits until the spool of the former run is stored, then asks the database which invocations are
 *            there, and emits the others. Killing replay, node or database at any moment loses and doubles nothing.
 * Ownership: replay_open borrows nothing after it returns.       Threads: one.
 */
#ifndef FARTHING_METERING_REPLAY_H
#define FARTHING_METERING_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct replay_options {
    const char *trace_prefix;
    const char *spool_dir; /* of the node that stores it */
    const char *conninfo;
    int64_t day_us; /* midnight UTC of the day the trace is laid on */
    uint64_t seed;
    uint32_t speed;  /* trace seconds a second; 0: as fast as it goes */
    int wait_ms_max; /* for the node: give up when nothing moves for so long */
    void (*on_progress)(const char *phase, uint64_t done, uint64_t total, void *ctx); /* may be NULL */
    void *ctx;
};

/* Sums are of the whole day, whichever run emitted what. */
struct replay_report {
    uint64_t records;
    uint64_t mb_ms;
    uint64_t billed_ms;
    uint64_t accounts;  /* with at least one invocation */
    uint64_t functions; /* likewise */
    uint64_t emitted;   /* by this run */
    int64_t elapsed_us; /* of this run, until the last record was stored */
};

/* ERR_RETRY: the node does not store (is it running?); start again later. */
int replay_run(const struct replay_options *options, struct replay_report *report, struct err *err);

#endif
