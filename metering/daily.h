/*
 * daily.h - sums of days that are over, so that a month of an account is 31 rows a function and not 744.
 *
 * Why:       the more accounts, the further apart the hours of one lie on disk; a month read hour by hour costs
 * milliseconds, and a cold one hundreds of pages. Storing records pays nothing for it: days are summed afterwards.
 *
 * How it stays exact, whoever is late, on however many nodes, whatever their clocks say:
 *   1. A day is declared over in usage_daily_state and in the cursor of every producer, in one transaction. A batch
 *      moves its producer's cursor in its own transaction and reads the declaration with that row: either the batch
 *      was committed before the declaration, or it knows of it. A new producer takes the declaration with a lock on it.
 *   2. A batch that knows adds one to the generation of each account and day that it changes (usage_day), in the same
 *      transaction.
 *   3. Days are summed with the rows of usage_day locked, from a snapshot taken after the lock; then summed is set to
 *      the generation. A batch that was not in the snapshot can only raise the generation afterwards.
 *   4. Readers take a day from usage_daily where summed = generation, and from usage_hourly everywhere else: the two
 *      are in one snapshot (metering/usage_rows.h).
 * What is declared over too early costs work, never a wrong number.
 * Threads:   one struct pg a thread; several nodes may do this at once.
 */
#ifndef FARTHING_METERING_DAILY_H
#define FARTHING_METERING_DAILY_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct pg;

#define DAILY_SETTLE_US INT64_C(3600000000) /* a day is declared over when everything is in up to so long after it */
#define DAILY_QUIET_S 60                    /* a day that changes is summed when it did not change for so long */
#define DAILY_BATCH 500                     /* accounts and days summed in one transaction */
#define DAILY_MARKS_A_RUN 400               /* days looked through in one run */

struct daily_result {
    int64_t declared; /* days whose accounts were noted */
    int64_t summed;   /* accounts and days */
};

/* Declare what is over and sum what is due. quiet_s: DAILY_QUIET_S. stop may be NULL; it is asked between transactions.
 */
int daily_run(struct pg *pg, int quiet_s, bool (*stop)(void *ctx), void *ctx, struct daily_result *result,
              struct err *err);

#endif
