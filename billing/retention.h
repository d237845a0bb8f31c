/*
 * retention.h - raw records go once the bill that contains them is final and old enough.
 *
 * Rule:    a day's records are dropped when its month ended `days` days ago or more, every account with usage in that
 *          month has an issued invoice for it, and the day is sealed (metering/seal.h). Rollups, seals and invoices
 * stay. Why:     raw records are what fills a disk first; what is billed can still be proven by its seal and by whoever
 * kept the records file. Threads: one struct pg a thread; several nodes may do this at once.
 */
#ifndef FARTHING_BILLING_RETENTION_H
#define FARTHING_BILLING_RETENTION_H

#include <stdint.h>

struct err;
struct pg;

#define RETENTION_DAYS_MAX 36500

/* *dropped: days whose records went. *kept: days that are old enough and stay, because a bill is open or no seal is
 * there.
 */
int retention_run(struct pg *pg, int64_t now_us, int days, int64_t *dropped, int64_t *kept, struct err *err);

#endif
