/*
 * what_if.h - the use of a month as it would be with other steps of rounding, initialisation billed or not, other
 * memory.
 *
 * Why:       rounding is done once a record, so what another step means cannot be told from sums: every raw record of
 * the month is rounded again, by one statement over the account's records. Memory can be told from sums: MB*ms is
 *            memory times billed milliseconds, so the milliseconds come out whole.
 * Records:   a day whose records are all there is rounded again; a day that lost records to retention counts as it was
 *            billed. what_if_usage says how many calls are of which kind.
 * Cost:      about a second for a million records; more than WHAT_IF_RECORDS_MAX are refused before anything is read.
 * Ownership: plain values.  Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_WHAT_IF_H
#define FARTHING_BILLING_WHAT_IF_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/rating.h"
#include "common/calendar.h"

struct err;
struct pg;
struct price_book;

#define WHAT_IF_RECORDS_MAX 20000000
#define WHAT_IF_GRAIN_MS_MAX 60000 /* as in a price book */

/* What does not say otherwise is as the record was billed. Where rounding hides whether initialisation was billed, the
 * policy of the book says it. */
enum what_if_init { WHAT_IF_INIT_AS_BILLED, WHAT_IF_INIT_BILLED, WHAT_IF_INIT_FREE };

struct what_if {
    int64_t grain_ms; /* 0: the step the account's book had when the call ran */
    enum what_if_init init;
    int64_t function_id; /* 0: none; else this function has memory_mib */
    int64_t memory_mib;
};

struct what_if_usage {
    struct usage_totals totals;
    struct usage_totals now; /* as billed, of the same instant */
    int64_t rounded;         /* calls whose records were rounded again */
    int64_t as_billed;       /* calls whose records are gone, and all of them when neither step nor init is asked for */
};

/* book: of the account, for the policies that were in force. ERR_CONFLICT: no record of the month is left;
 * ERR_INVALID: there are too many. */
int what_if_usage(struct pg *pg, int64_t account_id, struct month month, const struct price_book *book,
                  const struct what_if *what_if, struct what_if_usage *usage, struct err *err);

/* The parts of a month that a size of memory changes: a function's compute, on provisioned concurrency, and configured.
 */
struct what_if_row {
    int64_t function_id, memory_mib, arch;
    int64_t provisioned; /* 0 no, 1 ran on it, 2 configured */
    int64_t requests, mb_ms, storage_mb_ms, streamed_bytes;
    int64_t rounded, as_billed;
};
struct what_if_rows {
    int count, capacity;
    struct what_if_row *items; /* the caller frees them */
};
/* As billed, from the rollups. */
int what_if_rows_billed(struct pg *pg, int64_t account_id, struct month month, struct what_if_rows *rows,
                        struct err *err);
/* Rows added up, with the memory asked for; now is left alone. */
int what_if_sum(const struct what_if_rows *rows, const struct what_if *what_if, struct what_if_usage *usage,
                struct err *err);
/* The compute meter of a row. */
enum meter what_if_meter(const struct what_if_row *row);
/* MB*ms of the same milliseconds with other memory; ERR_LIMIT when that is more than can be counted. */
int what_if_resized(const struct what_if_row *row, int64_t memory_mib, int64_t *mb_ms, struct err *err);

#endif
