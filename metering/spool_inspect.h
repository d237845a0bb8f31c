/*
 * spool_inspect.h - what a spool directory holds, for people. Changes nothing in it.
 *
 * Threads: any; a live spool may be looked at while it is written and read.
 */
#ifndef FARTHING_METERING_SPOOL_INSPECT_H
#define FARTHING_METERING_SPOOL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct spool_summary {
    uint64_t producer_id;
    uint32_t node_id;
    bool alive;
    uint64_t epoch;
    uint64_t segments, bytes;
    uint64_t records, empty, damaged; /* slots of the segments that are there */
    uint64_t missing;                 /* slots between files, behind the last one, or cut off its end */
    uint64_t damaged_headers; /* segments whose first page is unreadable; their records are looked at all the same */
    uint64_t quarantined;     /* files in quarantine/ */
    char first_fault[160];    /* "" or where the first damaged or missing slot or header is */
    char error[200];          /* "" or why it cannot be read */
};

typedef void spool_summary_fn(const struct spool_summary *summary, void *ctx);

/* Calls on_producer for each producer, in order of their ids. */
int spool_inspect(const char *spool_dir, spool_summary_fn *on_producer, void *ctx, struct err *err);

#endif
