/*
 * event_tally_store.h - what was counted of events, of all nodes (table async_hourly), and what waits (async_event).
 *
 * Units:     as in event_tally.h; kept in whole milliseconds. Ranges half-open and on whole hours.
 * Ownership: rows handed to a callback live until it returns.     Threads: one struct pg a thread.
 */
#ifndef FARTHING_ENGINE_EVENT_TALLY_STORE_H
#define FARTHING_ENGINE_EVENT_TALLY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/event_tally.h"

struct err;
struct pg;

/* Added to the hour of at_us. */
int event_tally_store_put(struct pg *pg, int64_t account_id, int64_t function_id, int64_t at_us,
                          const struct event_tally *tally, struct err *err);

struct event_tally_query {
    int64_t account_id;  /* 0: all */
    int64_t function_id; /* 0: all */
    bool by_account, by_function;
    /* of event_tally_store_rows only */
    int64_t from_us, to_us;
    const char *granularity; /* "total", "hour", "day", "month" */
};

struct event_tally_row {
    int64_t at_us, account_id;
    const char *function; /* "" when not by function */
    struct event_tally tally;
};
typedef int event_tally_row_fn(const struct event_tally_row *row, void *ctx, struct err *err);
/* In order of time, account and function. */
int event_tally_store_rows(struct pg *pg, const struct event_tally_query *query, event_tally_row_fn *on_row, void *ctx,
                           struct err *err);

struct event_waiting {
    int64_t account_id, function_id;
    const char *function;
    int64_t events;
    int64_t oldest_us; /* when the oldest of them was queued */
};
typedef int event_waiting_fn(const struct event_waiting *waiting, void *ctx, struct err *err);
/* Of each function, or in one row; no row where nothing waits. Those that run now are among them. */
int event_tally_store_waiting(struct pg *pg, const struct event_tally_query *query, event_waiting_fn *on_row, void *ctx,
                              struct err *err);

#endif
