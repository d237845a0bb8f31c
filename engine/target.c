/* target.c - what a name and a qualifier mean on this node: read from the database, kept while fresh. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/map.h"
#include "engine/counters.h"
#include "engine/engine_internal.h"
#include "engine/log_store.h"
#include "schema/pg.h"

struct fleet_key {
    int64_t account_id, function_id, version;
    struct uuid revision;
};

static void target_key(struct buf *key, int64_t account_id, const char *function, const char *qualifier)
{
    buf_append(key, &account_id, sizeof account_id);
    buf_puts(key, function);
    buf_putc(key, '\0');
    buf_puts(key, qualifier);
}

static struct target *target_make(struct engine *engine, const struct call *call)
{
    struct buf key = {0};
    target_key(&key, call->account_id, call->function, call->qualifier);
    struct target *target = map_get(engine->targets, key.data, key.length);
    if (target == NULL && (target = calloc(1, sizeof *target)) != NULL) {
        target->account_id = call->account_id;
        (void)snprintf(target->function, sizeof target->function, "%s", call->function);
        (void)snprintf(target->qualifier, sizeof target->qualifier, "%s", call->qualifier);
        if (map_put(engine->targets, key.data, key.length, target) != 0) {
            free(target);
            target = NULL;
        }
    }
    buf_free(&key);
    return target;
}

struct reading {
    struct target *target;
    struct function first, second;
    bool has_second;
    int second_weight_ppm;
    struct buf environment[2];
    char code_dir[2][ENGINE_PATH_BYTES];
    char opt_dir[2][ENGINE_PATH_BYTES];
};

static int read_version(struct engine *engine, struct pg *pg, const struct function *function, struct reading *reading,
                        int at, struct err *err)
{
    if (function_environment_get(pg, function->account_id, function->name, function->version, &reading->environment[at],
                                 err) != 0 ||
        code_cache_layers(engine, pg, function, reading->opt_dir[at], err) != 0) {
        return -1;
    }
    return code_cache_get(engine, pg, function, reading->code_dir[at], err);
}

static int read_target(struct engine *engine, struct pg *pg, struct reading *reading, struct err *err)
{
    const struct target *target = reading->target;
    struct function_alias alias;
    struct err ignored = {0};
    if (pg == NULL) {
        return err_set(err, ERR_RETRY, "the database cannot be reached now");
    }
    if (function_get(pg, target->account_id, target->function, target->qualifier, &reading->first, err) != 0 ||
        read_version(engine, pg, &reading->first, reading, 0, err) != 0) {
        return -1;
    }
    bool named = target->qualifier[0] != '\0' && target->qualifier[0] != '$' &&
                 strspn(target->qualifier, "0123456789") != strlen(target->qualifier);
    if (named && alias_get(pg, target->account_id, target->function, target->qualifier, &alias, &ignored) == 0 &&
        alias.second_version > 0 && alias.second_weight_ppm > 0) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", alias.second_version);
        if (function_get(pg, target->account_id, target->function, number, &reading->second, err) != 0 ||
            read_version(engine, pg, &reading->second, reading, 1, err) != 0) {
            return -1;
        }
        reading->has_second = true;
        reading->second_weight_ppm = alias.second_weight_ppm;
    }
    return 0;
}

/* The first version of what was read, or the second. Lock held. */
static struct fleet *fleet_make(struct engine *engine, struct reading *reading, int at)
{
    const struct function *function = at == 0 ? &reading->first : &reading->second;
    struct fleet_key key;
    memset(&key, 0, sizeof key);
    key.account_id = function->account_id;
    key.function_id = function->function_id;
    key.version = function->version;
    key.revision = function->revision;
    struct fleet *fleet = map_get(engine->fleets, &key, sizeof key);
    if (fleet != NULL) {
        fleet->function.provisioned = function->provisioned;
        fleet->function.reserved_concurrency = function->reserved_concurrency;
        return fleet;
    }
    struct err err = {0};
    fleet = calloc(1, sizeof *fleet);
    if (fleet == NULL) {
        return NULL;
    }
    fleet->function = *function;
    (void)snprintf(fleet->code_dir, sizeof fleet->code_dir, "%s", reading->code_dir[at]);
    (void)snprintf(fleet->opt_dir, sizeof fleet->opt_dir, "%s", reading->opt_dir[at]);
    fleet->scale_tokens_milli = (int64_t)ENGINE_SCALE_BURST * 1000;
    fleet->scale_ns = clock_mono_ns();
    fleet->counters = counters_of(engine, function);
    fleet->log = log_store_ring(engine->logs, function->account_id, function->name);
    if (environment_build(engine, function, buf_text(&reading->environment[at]), fleet->opt_dir, &fleet->environment,
                          &fleet->environment_count, &err) != 0 ||
        map_put(engine->fleets, &key, sizeof key, fleet) != 0) {
        buf_free(&fleet->environment);
        free(fleet);
        return NULL;
    }
    return fleet;
}

/* What was read becomes what is used. Lock held. Returns the calls that waited. */
static struct call *install(struct engine *engine, struct reading *reading, bool ok, const struct err *error)
{
    struct target *target = reading->target;
    struct fleet *before = target->fleet;
    struct call *waiting = target->waiting;
    target->waiting = NULL;
    target->loading = false;
    if (ok) {
        target->fleet = fleet_make(engine, reading, 0);
        target->second = reading->has_second ? fleet_make(engine, reading, 1) : NULL;
        target->second_weight_ppm = reading->second_weight_ppm;
        target->reserved = reading->first.reserved_concurrency;
        target->loaded_ns = target->reload ? 0 : clock_mono_ns();
    } else if (error->code == ERR_NOT_FOUND) {
        if (before != NULL) {
            before->function.provisioned = 0; /* what still uses it reads the number anew */
        }
        target->fleet = NULL;
        target->second = NULL;
        target->loaded_ns = 0;
    }
    target->reload = false;
    if (before != NULL && before != target->fleet && before->function.version == FUNCTION_VERSION_LATEST) {
        fleet_retire(engine, before);
    }
    return waiting;
}

static void read_job(struct engine *engine, struct pg *pg, void *ctx)
{
    struct reading *reading = calloc(1, sizeof *reading);
    struct err err = {0};
    if (reading == NULL) {
        return;
    }
    reading->target = ctx;
    bool ok = read_target(engine, pg, reading, &err) == 0;
    (void)pthread_mutex_lock(&engine->lock);
    struct call *waiting = install(engine, reading, ok, &err);
    (void)pthread_mutex_unlock(&engine->lock);
    loop_poke(engine);
    while (waiting != NULL) {
        struct call *call = waiting;
        waiting = call->next;
        call->next = NULL;
        if (ok) {
            call->target = reading->target;
            dispatch_resolved(call);
        } else {
            call_fail(call, &err);
        }
    }
    buf_free(&reading->environment[0]);
    buf_free(&reading->environment[1]);
    free(reading);
}

struct target *target_find(struct engine *engine, struct call *call, int64_t now_ns)
{
    struct target *target = target_make(engine, call);
    if (target == NULL) {
        (void)err_set(&call->error, ERR_SYSTEM, "out of memory");
        call->outcome = INVOKE_FAILED;
        call_later(call);
        return NULL;
    }
    bool usable = target->fleet != NULL && target->loaded_ns != 0 && now_ns - target->loaded_ns < ENGINE_STALE_NS;
    bool old = !usable || now_ns - target->loaded_ns > ENGINE_FRESH_NS;
    if (old && !target->loading) {
        target->loading = true;
        worker_do(engine, read_job, true, target);
    }
    if (usable) {
        return target;
    }
    call->next = target->waiting;
    target->waiting = call;
    return NULL;
}

struct change {
    struct engine *engine;
    int64_t account_id;
    const char *name;
};

static void mark(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    struct target *target = value;
    const struct change *change = ctx;
    if (target->account_id == change->account_id && strcmp(target->function, change->name) == 0) {
        target->loaded_ns = 0;
        target->reload = target->loading; /* a reading that has begun may be of before the change */
        if (!target->loading) {
            /* At once, not with the next call: what runs old code or was deleted is to end, what is provisioned to
             * start. */
            target->loading = true;
            worker_do(change->engine, read_job, true, target);
        }
    }
}

void target_changed(struct engine *engine, int64_t account_id, const char *name)
{
    struct change change = {.engine = engine, .account_id = account_id, .name = name};
    (void)pthread_mutex_lock(&engine->lock);
    map_each(engine->targets, mark, &change);
    (void)pthread_mutex_unlock(&engine->lock);
}

static void free_target(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    free(value);
}

static void free_fleet(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    struct fleet *fleet = value;
    buf_free(&fleet->environment);
    free(fleet);
}

void targets_free(struct engine *engine)
{
    if (engine->targets != NULL) {
        map_each(engine->targets, free_target, NULL);
        map_free(&engine->targets);
    }
    if (engine->fleets != NULL) {
        map_each(engine->fleets, free_fleet, NULL);
        map_free(&engine->fleets);
    }
}
