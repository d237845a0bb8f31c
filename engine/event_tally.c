#include "engine/event_tally.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "engine/counters.h"
#include "engine/engine_internal.h"
#include "engine/event_tally_store.h"

void event_tally_add(struct event_tally *sum, const struct event_tally *more)
{
    sum->received += more->received;
    sum->dropped += more->dropped;
    sum->runs += more->runs;
    sum->age_us += more->age_us;
    sum->age_max_us = more->age_max_us > sum->age_max_us ? more->age_max_us : sum->age_max_us;
}

struct event_tally event_tally_run(int64_t accepted_us, int64_t handed_us)
{
    int64_t age_us = handed_us > accepted_us ? handed_us - accepted_us : 0;
    return (struct event_tally){.runs = 1, .age_us = age_us, .age_max_us = age_us};
}

/* Lock held. */
static void add_unwritten(struct engine *engine, struct function_counters *counters, const struct event_tally *more)
{
    event_tally_add(&counters->unwritten, more);
    if (!counters->dirty) {
        counters->dirty = true;
        counters->dirty_next = engine->dirty_counters;
        engine->dirty_counters = counters;
    }
}

void event_tally_count(struct engine *engine, const struct event_function *function, const struct event_tally *more)
{
    (void)pthread_mutex_lock(&engine->lock);
    struct function_counters *counters =
        counters_named(engine, function->account_id, function->function_id, function->name);
    event_tally_add(&counters->events, more);
    add_unwritten(engine, counters, more);
    (void)pthread_mutex_unlock(&engine->lock);
}

/* ---- to the database ---- */

/* One that has something to be written, with it. */
static struct function_counters *take_dirty(struct engine *engine, struct event_tally *tally)
{
    (void)pthread_mutex_lock(&engine->lock);
    struct function_counters *counters = engine->dirty_counters;
    if (counters != NULL) {
        engine->dirty_counters = counters->dirty_next;
        counters->dirty_next = NULL;
        counters->dirty = false;
        *tally = counters->unwritten;
        counters->unwritten = (struct event_tally){0};
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return counters;
}

void event_tally_flush(struct engine *engine, struct pg *pg)
{
    struct event_tally tally;
    struct function_counters *counters = NULL;
    while ((counters = take_dirty(engine, &tally)) != NULL) {
        struct err err = {0};
        if (event_tally_store_put(pg, counters->account_id, counters->function_id, clock_wall_us(), &tally, &err) ==
            0) {
            continue;
        }
        LOG(LOG_LEVEL_WARN, "event.not_tallied", LF_STR("error", err.text));
        if (err.code != ERR_UNCERTAIN) { /* rather too few than twice */
            (void)pthread_mutex_lock(&engine->lock);
            add_unwritten(engine, counters, &tally);
            (void)pthread_mutex_unlock(&engine->lock);
        }
        return;
    }
}

/* ---- what waits ---- */

struct seen {
    struct event_waiting *items;
    char (*names)[65];
    size_t count, capacity;
};

static int take_waiting(const struct event_waiting *waiting, void *ctx, struct err *err)
{
    struct seen *seen = ctx;
    if (seen->count == seen->capacity) {
        size_t capacity = seen->capacity == 0 ? 64 : seen->capacity * 2;
        struct event_waiting *items = realloc(seen->items, capacity * sizeof *items);
        seen->items = items != NULL ? items : seen->items;
        char(*names)[65] = realloc(seen->names, capacity * sizeof *names);
        seen->names = names != NULL ? names : seen->names;
        if (items == NULL || names == NULL) {
            return err_set(err, ERR_SYSTEM, "events: out of memory");
        }
        seen->capacity = capacity;
    }
    seen->items[seen->count] = *waiting;
    (void)snprintf(seen->names[seen->count], sizeof *seen->names, "%s", waiting->function);
    seen->count++;
    return 0;
}

static void forget(const void *key, size_t key_length, void *value, void *ctx)
{
    struct function_counters *counters = value;
    (void)key;
    (void)key_length;
    (void)ctx;
    counters->events_waiting = 0;
    counters->oldest_us = 0;
}

void event_tally_look(struct engine *engine, struct pg *pg)
{
    static const struct event_tally_query ALL = {.by_account = true, .by_function = true};
    struct seen seen = {.count = 0};
    struct err err = {0};
    if (event_tally_store_waiting(pg, &ALL, take_waiting, &seen, &err) == 0) {
        (void)pthread_mutex_lock(&engine->lock);
        map_each(engine->counters, forget, NULL);
        engine->events_waiting = engine->oldest_event_us = 0;
        for (size_t i = 0; i < seen.count; i++) {
            const struct event_waiting *at = &seen.items[i];
            struct function_counters *counters = counters_named(engine, at->account_id, at->function_id, seen.names[i]);
            counters->events_waiting = at->events;
            counters->oldest_us = at->oldest_us;
            engine->events_waiting += at->events;
            if (engine->oldest_event_us == 0 || at->oldest_us < engine->oldest_event_us) {
                engine->oldest_event_us = at->oldest_us;
            }
        }
        (void)pthread_mutex_unlock(&engine->lock);
    }
    free(seen.items);
    free(seen.names);
}
