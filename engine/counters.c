#include "engine/counters.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/map.h"
#include "engine/engine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key {
    int64_t account_id, function_id;
};

struct function_counters *counters_named(struct engine *engine, int64_t account_id, int64_t function_id,
                                         const char *name)
{
    const struct key key = {account_id, function_id};
    struct function_counters *counters = map_get(engine->counters, &key, sizeof key);
    if (counters == NULL) {
        counters = calloc(1, sizeof *counters);
        CHECK(counters != NULL && map_put(engine->counters, &key, sizeof key, counters) == 0);
        counters->account_id = account_id;
        counters->function_id = function_id;
        (void)snprintf(counters->name, sizeof counters->name, "%s", name);
    }
    return counters;
}

struct function_counters *counters_of(struct engine *engine, const struct function *function)
{
    return counters_named(engine, function->account_id, function->function_id, function->name);
}

static void free_one(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    free(value);
}

void counters_free(struct engine *engine)
{
    if (engine->counters != NULL) {
        map_each(engine->counters, free_one, NULL);
        map_free(&engine->counters);
    }
}

static void add(_Atomic int64_t *sum, int64_t value)
{
    atomic_fetch_add_explicit(sum, value, memory_order_relaxed);
}

void counters_add(const struct call *call)
{
    struct function_counters *counters = call->fleet != NULL ? call->fleet->counters : NULL;
    if (counters == NULL) {
        return;
    }
    add(&counters->invocations, 1);
    add(&counters->errors, call->status != USAGE_OK ? 1 : 0);
    add(&counters->timeouts, call->status == USAGE_TIMEOUT ? 1 : 0);
    add(&counters->cold_starts, call->cold ? 1 : 0);
    add(&counters->duration_us, (int64_t)call->duration_us);
    add(&counters->billed_ms, (int64_t)call->record.billed_ms);
}

void counters_throttle(const struct call *call)
{
    if (call->fleet != NULL && call->fleet->counters != NULL) {
        add(&call->fleet->counters->throttles, 1);
    }
}

struct visit {
    int64_t account_id, now_us;
    engine_function_stats_fn *visit;
    void *ctx;
};

static void sum_busy(const void *key, size_t key_length, void *value, void *ctx)
{
    const struct fleet *fleet = value;
    (void)key;
    (void)key_length;
    (void)ctx;
    fleet->counters->busy += fleet->busy;
    fleet->counters->idle += fleet->idle_count;
}

static void clear_busy(const void *key, size_t key_length, void *value, void *ctx)
{
    struct function_counters *counters = value;
    (void)key;
    (void)key_length;
    (void)ctx;
    counters->busy = counters->idle = 0;
}

static int64_t event_age_us(int64_t queued_us, int64_t now_us)
{
    return queued_us != 0 && now_us > queued_us ? now_us - queued_us : 0;
}

static void visit_one(const void *key, size_t key_length, void *value, void *ctx)
{
    const struct visit *visit = ctx;
    struct function_counters *counters = value;
    (void)key;
    (void)key_length;
    if (visit->account_id != 0 && visit->account_id != counters->account_id) {
        return;
    }
    const struct engine_function_stats stats = {
        .account_id = counters->account_id,
        .name = counters->name,
        .busy = counters->busy,
        .idle = counters->idle,
        .invocations = atomic_load(&counters->invocations),
        .errors = atomic_load(&counters->errors),
        .timeouts = atomic_load(&counters->timeouts),
        .throttles = atomic_load(&counters->throttles),
        .cold_starts = atomic_load(&counters->cold_starts),
        .duration_us = atomic_load(&counters->duration_us),
        .billed_ms = atomic_load(&counters->billed_ms),
        .events_received = counters->events.received,
        .events_dropped = counters->events.dropped,
        .event_runs = counters->events.runs,
        .event_age_us = counters->events.age_us,
        .events_waiting = counters->events_waiting,
        .oldest_event_age_us = event_age_us(counters->oldest_us, visit->now_us),
    };
    visit->visit(&stats, visit->ctx);
}

void engine_each_function(struct engine *engine, int64_t account_id, engine_function_stats_fn *on_function, void *ctx)
{
    struct visit visit = {.account_id = account_id, .now_us = clock_wall_us(), .visit = on_function, .ctx = ctx};
    (void)pthread_mutex_lock(&engine->lock);
    map_each(engine->counters, clear_busy, NULL);
    map_each(engine->fleets, sum_busy, NULL);
    map_each(engine->counters, visit_one, &visit);
    (void)pthread_mutex_unlock(&engine->lock);
}
