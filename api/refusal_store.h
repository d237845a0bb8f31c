/*
 * refusal_store.h - refused calls by function and reason (table usage_refusal). Ownership: borrows pg. Threads: one
 * struct pg each.
 */
#ifndef FARTHING_API_REFUSAL_STORE_H
#define FARTHING_API_REFUSAL_STORE_H

#include <stdint.h>

#include "metering/record.h"

struct err;
struct pg;

struct refusal_row {
    int64_t function_id;  /* 0: not known */
    const char *function; /* "" when it is gone; valid until the callback returns */
    enum usage_refusal_reason reason;
    int64_t refusals, last_hour_us;
};
typedef int refusal_row_fn(const struct refusal_row *row, void *ctx, struct err *err);

/* Sums over the hours of [from, to), most first. */
int refusal_store_list(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, refusal_row_fn *on_row,
                       void *ctx, struct err *err);

#endif
