/* still_engine.c - see still_engine.h. */
#include "tests/support/still_engine.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "tests/support/fake_clock.h"

struct engine *engine;
struct fleet fleets[STILL_FLEETS];
static struct target targets[STILL_FLEETS];
static struct call *calls;
static int call_count;

void still_setup(void)
{
    fake_clock_freeze(INT64_C(1790000000) * SECOND_US);
    fake_clock_advance_us(1000 * SECOND_US);
    engine = calloc(1, sizeof *engine);
    calls = calloc(STILL_CALLS_MAX, sizeof *calls);
    ck_assert(engine != NULL && calls != NULL);
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_mutex_init(&engine->mail_lock, NULL);
    (void)pthread_mutex_init(&engine->job_lock, NULL);
    (void)pthread_cond_init(&engine->job_wake, NULL);
    (void)pthread_cond_init(&engine->idle_changed, NULL);
    engine->mail_fd = engine->timer_fd = engine->epoll_fd = -1;
    engine->options.idle_s = 300;
    engine->instances_max = 100000;
    engine->memory_max_mib = INT64_C(1) << 40;
    engine->fleets = map_new();
    call_count = 0;
    memset(fleets, 0, sizeof fleets);
    memset(targets, 0, sizeof targets);
    for (int i = 0; i < STILL_FLEETS; i++) {
        fleets[i].function.function_id = i + 1;
        fleets[i].function.memory_mib = 128;
        fleets[i].function.timeout_s = 3;
        fleets[i].scale_tokens_milli = (int64_t)ENGINE_SCALE_BURST * 1000;
        fleets[i].scale_ns = clock_mono_ns();
        targets[i].fleet = &fleets[i];
        targets[i].reserved = -1;
        ck_assert_int_eq(map_put(engine->fleets, &i, sizeof i, &fleets[i]), 0);
    }
}

static void drop_jobs(void)
{
    while (engine->job_head != NULL) {
        struct job *job = engine->job_head;
        engine->job_head = job->next;
        free(job);
    }
    engine->job_tail = NULL;
}

static void run_jobs(void)
{
    while (engine->job_head != NULL) {
        struct job *job = engine->job_head;
        engine->job_head = job->next;
        if (engine->job_head == NULL) {
            engine->job_tail = NULL;
        }
        job->run(engine, NULL, job->ctx);
        free(job);
    }
}

int state_count(const struct fleet *fleet, enum instance_state state)
{
    int count = 0;
    for (const struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        count += (fleet == NULL || at->fleet == fleet) && at->state == state ? 1 : 0;
    }
    return count;
}

struct instance *first(const struct fleet *fleet, enum instance_state state)
{
    struct instance *at = engine->instances;
    while (at != NULL && (at->fleet != fleet || at->state != state)) {
        at = at->all_next;
    }
    ck_assert_ptr_nonnull(at);
    return at;
}

struct call *invoke(int fleet)
{
    ck_assert_int_lt(call_count, STILL_CALLS_MAX);
    struct call *call = &calls[call_count++];
    call->engine = engine;
    call->target = &targets[fleet];
    atomic_init(&call->refs, 1);
    dispatch_resolved(call);
    drop_jobs();
    return call;
}

int64_t tend(void)
{
    int64_t wake_ns = INT64_MAX;
    fleet_tend(engine, clock_mono_ns(), &wake_ns);
    drop_jobs();
    return wake_ns;
}

struct call *asks(struct instance *instance)
{
    enum instance_state was = instance->state;
    ck_assert_int_eq(instance_step(instance, INSTANCE_NEXT), ACT_OFFER);
    if (was == INSTANCE_STARTING) {
        instance->deadline_ns = 0;
        instance->fleet->starting--;
        instance->fleet->crashes = 0;
    }
    struct call *call = fleet_next(engine, instance, clock_mono_ns());
    drop_jobs();
    return call;
}

void answers(struct instance *instance)
{
    ck_assert_int_eq(instance_step(instance, INSTANCE_ANSWER), ACT_FINISH);
    ck_assert_ptr_nonnull(instance_detach(instance));
}

void gone(struct instance *instance)
{
    instance_bury(engine, instance);
    run_jobs();
    drop_jobs();
}

static void all_gone(enum instance_state state)
{
    struct instance *next = NULL;
    for (struct instance *at = engine->instances; at != NULL; at = next) {
        next = at->all_next;
        if (at->state == state) {
            instance_bury(engine, at);
        }
    }
    /* Only what buries is there: a start that follows is queued behind and dropped by the next call. */
    run_jobs();
}

void still_teardown(void)
{
    for (int i = 0; i < STILL_FLEETS; i++) {
        while (fleet_pop(&fleets[i]) != NULL) {
        }
        fleets[i].queued = 0;
    }
    for (struct instance *at = engine->instances; at != NULL; at = at->all_next) {
        if (at->current != NULL) {
            (void)instance_detach(at);
        }
        instance_stop(engine, at, USAGE_KILLED);
    }
    while (state_count(NULL, INSTANCE_STOPPING) > 0) {
        all_gone(INSTANCE_STOPPING);
    }
    ck_assert_int_eq(engine->instance_count, 0);
    ck_assert_int_eq(engine->memory_used_mib, 0);
    map_free(&engine->fleets);
    free(engine);
    free(calls);
    fake_clock_release();
}

struct instance *idle_one(int fleet, int64_t pause_us)
{
    (void)invoke(fleet);
    struct instance *instance = first(&fleets[fleet], INSTANCE_STARTING);
    ck_assert_ptr_nonnull(asks(instance));
    answers(instance);
    ck_assert_ptr_null(asks(instance));
    fake_clock_advance_us(pause_us);
    return instance;
}
