/*
 * upkeep.h - what a node does by itself now and then: sums days that are over (metering/daily.h), seals the days that
 * are complete (metering/seal.h) and drops raw records that are old, billed and sealed (billing/retention.h).
 *
 * Threads: one of its own, with one connection; several nodes may do this at once.
 */
#ifndef FARTHING_API_UPKEEP_H
#define FARTHING_API_UPKEEP_H

struct err;
struct upkeep;

#define UPKEEP_PERIOD_MS 30000 /* a day is sealed when nothing came into it between two looks */
#define UPKEEP_RETENTION_PERIOD_MS 3600000
#define UPKEEP_DAYS 62 /* older records that come late are sealed when their month is closed */

/* retention_days 0: raw records are kept for ever. */
int upkeep_start(const char *conninfo, int retention_days, struct upkeep **upkeep, struct err *err);
/* Waits for the day in hand. NULL-safe. */
void upkeep_stop(struct upkeep **upkeep);

#endif
