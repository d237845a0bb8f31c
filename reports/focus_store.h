/*
 * focus_store.h - the usage behind FOCUS rows: per function as totals, and row by row (function, version, memory, day).
 *
 * Both must be asked for in one REPEATABLE READ transaction: they are parts of one picture.
 */
#ifndef FARTHING_REPORTS_FOCUS_STORE_H
#define FARTHING_REPORTS_FOCUS_STORE_H

#include <stdint.h>

#include "billing/rating.h"
#include "common/calendar.h"

struct err;
struct map;
struct pg;

struct focus_usage {
    int64_t function_id;
    const char *function_name; /* lives until the callback returns */
    int version, memory_mib;
    int64_t day_us;
    int64_t quantity[METER_COUNT];
};

typedef int focus_usage_fn(const struct focus_usage *usage, void *ctx, struct err *err);

/* By function id (8 bytes): int64_t[METER_COUNT], owned by the map's owner. */
int focus_store_totals(struct pg *pg, int64_t account_id, struct month month, int64_t as_of_us, struct map **totals,
                       struct err *err);
/* NULL-safe, sets NULL. */
void focus_store_totals_free(struct map **totals);
/* In order of function name, id, version, memory, day. */
int focus_store_usage(struct pg *pg, int64_t account_id, struct month month, int64_t as_of_us, focus_usage_fn *on_usage,
                      void *ctx, struct err *err);

#endif
