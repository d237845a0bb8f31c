/*
 * upkeep.h - what a node does by itself now and then: seals the days that are complete (metering/seal.h).
 *
 * Threads: one of its own, with one connection; several nodes may do this at once.
 */
#ifndef FARTHING_API_UPKEEP_H
#define FARTHING_API_UPKEEP_H

struct err;
struct upkeep;

#define UPKEEP_PERIOD_MS 600000 /* days of the last UPKEEP_RECENT_DAYS */
#define UPKEEP_RECENT_DAYS 3
#define UPKEEP_LATE_PERIOD_MS 21600000 /* older days, for records that came late */
#define UPKEEP_LATE_DAYS 40

int upkeep_start(const char *conninfo, struct upkeep **upkeep, struct err *err);
/* Waits for the day in hand. NULL-safe. */
void upkeep_stop(struct upkeep **upkeep);

#endif
