/*
 * daily_store.h - the statements of daily.h.
 */
#ifndef FARTHING_METERING_DAILY_STORE_H
#define FARTHING_METERING_DAILY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "metering/daily.h"

struct err;
struct pg;

/* Times are starts of UTC days; INT64_MIN: none yet. */
struct daily_state {
    int64_t complete_through_us; /* of usage (usage.h) */
    int64_t through_us, marked_us;
    int64_t first_us; /* first day with usage; asked for while nothing is marked */
};

struct daily_due {
    int count;
    int64_t account_id[DAILY_BATCH];
    int64_t day[DAILY_BATCH]; /* number of the day since 1970 */
};

int daily_store_state(struct pg *pg, struct daily_state *state, struct err *err);
/* In a transaction: nobody's batch that is committed after it is ignorant of it. */
int daily_store_declare(struct pg *pg, int64_t through_us, struct err *err);
/* In a transaction: every account with usage on that day has its row; marked moves there. */
int daily_store_mark(struct pg *pg, int64_t day_us, struct err *err);
/* In a transaction: some that are due, locked. */
int daily_store_due(struct pg *pg, int quiet_s, struct daily_due *due, struct err *err);
/* In the same transaction: their days anew. */
int daily_store_sum(struct pg *pg, const struct daily_due *due, struct err *err);

#endif
