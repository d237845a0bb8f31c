/*
 * event_store.h - claims of reported events (table event_claim): an event is counted once, through any crash.
 *
 * How:       claim, hand the record to the spool, mark stored. A claim that was left (its node died in between) is
 * looked up in usage_record once everything emitted before is in; only when it is not there it is handed over again.
 */
#ifndef FARTHING_API_EVENT_STORE_H
#define FARTHING_API_EVENT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/uuid.h"

struct err;
struct pg;

enum event_claim { EVENT_FRESH, EVENT_STORED, EVENT_BUSY, EVENT_LEFT };

/* LEFT: an old claim that nobody finished; it is ours now. BUSY: another request works on it. */
int event_store_claim(struct pg *pg, int64_t account_id, const struct uuid *request_id, int64_t started_us,
                      enum event_claim *claim, struct err *err);
int event_store_stored(struct pg *pg, int64_t account_id, const struct uuid *request_id, struct err *err);
int event_store_drop(struct pg *pg, int64_t account_id, const struct uuid *request_id, struct err *err);
/* Is the record in usage_record? */
int event_store_recorded(struct pg *pg, int64_t account_id, const struct uuid *request_id, int64_t started_us,
                         bool *recorded, struct err *err);

#endif
