/*
 * quota_spend_store.h - the use of a month hour by hour, as the meters of a bill count it.
 *
 * Why:       a dry run of a spending limit rates the month as it grew. Ownership: borrows pg. Threads: one struct pg
 * each.
 */
#ifndef FARTHING_API_QUOTA_SPEND_STORE_H
#define FARTHING_API_QUOTA_SPEND_STORE_H

#include <stdint.h>

#include "billing/rating.h"

struct err;
struct pg;

struct quota_spend_hour {
    int64_t hour_us, invocations;
    struct usage_totals totals; /* of this hour alone */
};
typedef int quota_spend_fn(const struct quota_spend_hour *hour, void *ctx, struct err *err);

/* Hours with use, in order. */
int quota_spend_store_hours(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, quota_spend_fn *on_hour,
                            void *ctx, struct err *err);

#endif
