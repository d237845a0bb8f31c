/*
 * bill_rate.h - the pure part of a bill: usage of functions times a price book, without a database.
 *
 * Why:       a bill and its offline verification must be the same arithmetic.
 * Ownership: plain values; the caller owns items.  Threads: any.
 */
#ifndef FARTHING_BILLING_BILL_RATE_H
#define FARTHING_BILLING_BILL_RATE_H

#include "billing/bill.h"
#include "billing/credit.h"
#include "billing/price_book.h"

/* What one function (version, memory, day where split) used of every meter in the month. */
struct bill_usage {
    int64_t function_id;
    char function_name[65];
    int version;
    int memory_mib;
    int64_t day_us;
    int64_t quantity[METER_COUNT];
};

struct bill_usage_list {
    int count, capacity;
    struct bill_usage *items;
};

/* What else stands on a bill: corrections of earlier months, and credits, which are used up in order. */
struct bill_extras {
    const struct rated_line *corrections;
    int correction_count;
    const struct credit *credits; /* in the order of use, all in the bill's currency or left out */
    int credit_count;
    int64_t *used_minor; /* out: what was used of each credit; credit_count of them */
};

/* As bill_compute; the order is usage, corrections, discount, minimum fee, credits, tax, prepaid money. */
int bill_compute_with(const struct price_book *book, const struct bill_usage_list *usage,
                      const struct bill_extras *extras, struct bill *bill, struct err *err);

/*
 * The pure part: rate the usage, then lines of minimum fee and tax, then the shares. bill has its head filled in
 * already.
 */
int bill_compute(const struct price_book *book, const struct bill_usage_list *usage, struct bill *bill,
                 struct err *err);

#endif
