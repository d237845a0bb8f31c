/*
 * month_store.h - how far a month is closed, from the tables. Reads only.
 */
#ifndef FARTHING_API_MONTH_STORE_H
#define FARTHING_API_MONTH_STORE_H

#include <stdint.h>

#include "common/calendar.h"

struct err;
struct pg;

struct month_counts {
    int64_t accounts; /* there are */
    int64_t invoices, parked;
};

struct month_parked {
    int64_t account_id;
    const char *name, *reason;
    int64_t parked_us;
};

int month_store_counts(struct pg *pg, struct month month, struct month_counts *counts, struct err *err);
typedef int month_parked_fn(const struct month_parked *row, void *ctx, struct err *err);
int month_store_parked(struct pg *pg, struct month month, int64_t limit, month_parked_fn *on_row, void *ctx,
                       struct err *err);

#endif
