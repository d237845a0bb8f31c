/*
 * cost.h - what a month would cost otherwise: under another price book, or with the memory its functions need.
 *
 * Method:    both rate the month's usage from the rollups again, whole, by the code that makes the bill; nothing is
 *            estimated from averages. Memory: what is needed is the highest peak of the month plus a fifth, in steps of
 *            64 MiB, at least 128; the saving takes durations as they were, which holds for functions that wait more
 *            than they compute (CPU comes with memory), and scales what is provisioned with it.
 * Ownership: plain values.  Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_COST_H
#define FARTHING_BILLING_COST_H

#include <stdint.h>

#include "billing/rating.h"
#include "common/calendar.h"

struct err;
struct pg;
struct price_book;

/* The month's use of an account, every meter that records give. */
int cost_usage(struct pg *pg, int64_t account_id, struct month month, struct usage_totals *totals, struct err *err);

/* Sum of the usage lines before fee, credits and tax, exactly and as rounded lines. */
struct cost_sum {
    struct currency currency;
    struct exact exact;
    int64_t net_minor;
};
int cost_rate(const struct price_book *book, const struct usage_totals *totals, struct cost_sum *sum, struct err *err);

/* What one function with one size of memory paid for and what it used. */
struct cost_memory {
    int64_t function_id;
    const char *function_name; /* while the callback runs */
    int memory_mib;
    int arch; /* 0 x86_64, 1 arm64 */
    int64_t invocations;
    int64_t mb_ms;        /* paid */
    int64_t peak_max_kib; /* 0: not measured, then needed_mib is memory_mib */
    int64_t peak_mean_kib;
    int needed_mib;
    struct exact saving; /* of the account's month if only this had needed_mib; negative: more memory is needed */
};

typedef int cost_memory_fn(const struct cost_memory *memory, void *ctx, struct err *err);

/* MiB for a highest peak: plus a fifth, in steps of 64, at least 128. */
int cost_needed_mib(int64_t peak_kib);

/* A call for each function and size of memory of the month, by function name; book is the one to rate with. */
int cost_memory_list(struct pg *pg, int64_t account_id, struct month month, const struct price_book *book,
                     cost_memory_fn *on_memory, void *ctx, struct err *err);

#endif
