/*
 * counters.h - what happened to each function on this node since it started: the numbers of GET .../metrics.
 *
 * Why:       Lambda's metrics per function, without any setup and without a look into the database.
 * Ownership: the engine's; a function's counters live as long as the engine, so that they only ever rise.
 * Threads:   counting is lock-free; making and visiting are under engine->lock.
 */
#ifndef FARTHING_ENGINE_COUNTERS_H
#define FARTHING_ENGINE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/event_tally.h"

struct call;
struct engine;
struct function;

struct function_counters {
    int64_t account_id, function_id;
    char name[65];
    _Atomic int64_t invocations, errors, timeouts, throttles, cold_starts;
    _Atomic int64_t duration_us, billed_ms; /* sums */
    int busy, idle;                         /* instances; counted when they are asked for */
    /* under the lock */
    struct event_tally events, unwritten;
    bool dirty; /* unwritten is not empty: in engine->dirty_counters */
    struct function_counters *dirty_next;
    int64_t events_waiting, oldest_us; /* in the queue, of all nodes; when the oldest came, 0: none */
};

/* Of a function, made when it is new. Lock held. */
struct function_counters *counters_of(struct engine *engine, const struct function *function);
struct function_counters *counters_named(struct engine *engine, int64_t account_id, int64_t function_id,
                                         const char *name);
void counters_free(struct engine *engine);
/* An invocation has its record. */
void counters_add(const struct call *call);
/* A call was refused, by a quota or for lack of room. */
void counters_throttle(const struct call *call);

#endif
