/*
 * upkeep.h - what a node does by itself now and then: seals the days that are complete (metering/seal.h).
 *
 * Threads: one of its own, with one connection; several nodes may do this at once.
 */
#ifndef FARTHING_API_UPKEEP_H
#define FARTHING_API_UPKEEP_H

struct err;
struct upkeep;

#define UPKEEP_PERIOD_MS 30000 /* a day is sealed when nothing came into it between two looks */
#define UPKEEP_DAYS 62         /* older records that come late are sealed when their month is closed */

int upkeep_start(const char *conninfo, struct upkeep **upkeep, struct err *err);
/* Waits for the day in hand. NULL-safe. */
void upkeep_stop(struct upkeep **upkeep);

#endif
