#include "engine/async.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "engine/async_store.h"
#include "engine/engine_internal.h"
#include "engine/event_tally.h"
#include "schema/pg.h"

#define POLL_NS INT64_C(1000000000) /* for events of other nodes and those that became due */
#define BATCH 32
#define RUNNING_MAX 64
#define OWNED_MARGIN_S 60
#define DEAD_S 60 /* without a heartbeat, which comes every 5 s; a node that is told to stop has 25 s */
#define DEAD_LOOK_NS INT64_C(10000000000)

struct async {
    struct engine *engine;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
    bool look; /* something was put in */
    int running;
    int64_t tallied_ns; /* the thread's own */
    int64_t dead_looked_ns;
};

/* What is known of an event while it runs. */
struct run {
    struct async *async;
    struct async_event event;
    enum invoke_outcome outcome;
    bool failed;
    int version;
    int64_t handed_us; /* to its function; 0: it was not */
    struct buf response;
    struct err error;
};

static void on_done(const struct invoke_result *result, void *ctx);

/* ---- accepting ---- */

static void accept_job(struct engine *engine, struct pg *pg, void *ctx)
{
    struct call *call = ctx;
    struct err err = {0};
    int64_t function_id = 0;
    if (pg == NULL) {
        (void)err_set(&err, ERR_RETRY, "the database cannot be reached now");
        call_fail(call, &err);
        return;
    }
    if (async_store_put(pg, call->account_id, call->function, call->qualifier, &call->id, call->payload.data,
                        call->payload.length, call->client_context, &function_id, &err) != 0) {
        call_fail(call, &err);
        return;
    }
    const struct event_function function = {call->account_id, function_id, call->function};
    event_tally_count(engine, &function, &(struct event_tally){.received = 1});
    call->outcome = INVOKE_ACCEPTED;
    call_answer(call);
    struct async *async = engine->async;
    (void)pthread_mutex_lock(&async->lock);
    async->look = true;
    (void)pthread_cond_signal(&async->wake);
    (void)pthread_mutex_unlock(&async->lock);
}

void async_accept(struct async *async, struct call *call)
{
    worker_do(async->engine, accept_job, true, call);
}

/* ---- running ---- */

static void start_run(struct async *async, struct async_event *event)
{
    struct engine *engine = async->engine;
    struct run *run = calloc(1, sizeof *run);
    const struct invoke_request request = {
        .account_id = event->account_id,
        .function = event->function,
        .qualifier = event->qualifier,
        .type = INVOKE_EVENT,
        .payload = event->payload.data,
        .payload_length = event->payload.length,
        .client_context = event->client_context.length > 0 ? buf_text(&event->client_context) : NULL,
    };
    struct call *call = run != NULL ? call_new(engine, &request) : NULL;
    if (call == NULL) {
        free(run);
        async_event_free(event);
        (void)pthread_mutex_lock(&async->lock);
        async->running--;
        (void)pthread_mutex_unlock(&async->lock);
        return; /* its ownership ends, it is taken again */
    }
    run->async = async;
    run->event = *event;
    call->async = true;
    call->id = event->request_id;
    uuid_format(&call->id, call->id_text);
    call->attempt = (uint16_t)event->runs;
    call->done = on_done;
    call->ctx = run;
    engine_start(call);
}

static enum async_outcome outcome_of(const struct run *run)
{
    if (run->outcome == INVOKE_DONE) {
        return run->failed ? ASYNC_FAILED : ASYNC_SUCCEEDED;
    }
    return run->outcome == INVOKE_FAILED && run->error.code == ERR_NOT_FOUND ? ASYNC_GONE : ASYNC_THROTTLED;
}

/* What this run adds to the numbers of its function, and of the one that is told. */
static void tally(const struct run *run, const struct async_settled *settled)
{
    struct engine *engine = run->async->engine;
    const struct event_function function = {run->event.account_id, run->event.function_id, run->event.function};
    struct event_tally sum = {.dropped = settled->dropped ? 1 : 0};
    if (run->handed_us != 0) {
        const struct event_tally handed = event_tally_run(run->event.accepted_us, run->handed_us);
        event_tally_add(&sum, &handed);
    }
    if (sum.runs + sum.dropped > 0) {
        event_tally_count(engine, &function, &sum);
    }
    if (settled->told.function_id != 0) {
        const struct event_function told = {run->event.account_id, settled->told.function_id, settled->told.function};
        event_tally_count(engine, &told, &(struct event_tally){.received = 1});
    }
}

static void settle_job(struct engine *engine, struct pg *pg, void *ctx)
{
    struct run *run = ctx;
    struct async *async = run->async;
    struct err err = {0};
    char arn[400];
    engine_arn(engine, run->event.account_id, run->event.function,
               run->event.qualifier[0] != '\0' ? run->event.qualifier : "$LATEST", arn, sizeof arn);
    const struct async_end end = {.outcome = outcome_of(run),
                                  .function_arn = arn,
                                  .version = run->version,
                                  .response = run->response.data,
                                  .response_length = run->response.length};
    struct async_settled settled = {0};
    int rc = pg != NULL ? async_store_settle(pg, &run->event, &end, &settled, &err) : -1;
    if (rc != 0) {
        /* It stays owned until then; afterwards it runs again: at least once. */
        LOG(LOG_LEVEL_WARN, "event.not_settled", LF_I64("event", run->event.event_id), LF_STR("error", err.text));
        settled = (struct async_settled){0};
    }
    tally(run, &settled);
    async_event_free(&run->event);
    buf_free(&run->response);
    free(run);
    (void)pthread_mutex_lock(&async->lock);
    async->running--;
    async->look = true;
    (void)pthread_cond_broadcast(&async->wake);
    (void)pthread_mutex_unlock(&async->lock);
}

static void on_done(const struct invoke_result *result, void *ctx)
{
    struct run *run = ctx;
    run->outcome = result->outcome;
    run->failed = result->function_error != NULL;
    run->version = result->version;
    run->handed_us = result->outcome == INVOKE_DONE ? result->record.started_us : 0;
    buf_append(&run->response, result->payload, result->payload_length);
    if (result->outcome == INVOKE_FAILED && result->error != NULL) {
        run->error = *result->error;
    }
    worker_do(run->async->engine, settle_job, true, run);
}

/* ---- the thread ---- */

static int take_some(struct async *async, struct pg *pg, int room)
{
    struct async_event events[BATCH];
    int count = 0;
    struct err err = {0};
    int most = room < BATCH ? room : BATCH;
    if (async_store_take(pg, async->engine->options.node_id, FUNCTION_TIMEOUT_S_MAX + OWNED_MARGIN_S, most, events,
                         &count, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "event.not_taken", LF_STR("error", err.text));
        return 0;
    }
    for (int i = 0; i < count; i++) {
        (void)pthread_mutex_lock(&async->lock);
        async->running++;
        (void)pthread_mutex_unlock(&async->lock);
        start_run(async, &events[i]);
    }
    return count;
}

/* Once a second, also while no more events are taken. */
static void keep_tally(struct async *async, struct pg *pg)
{
    int64_t now_ns = clock_mono_ns();
    if (async->tallied_ns == 0 || now_ns - async->tallied_ns >= POLL_NS) {
        async->tallied_ns = now_ns;
        event_tally_flush(async->engine, pg);
        event_tally_look(async->engine, pg);
    }
}

/* What ran here when this node died is not lost until its ownership ends, it runs again now. */
static bool release(struct async *async, struct pg *pg)
{
    struct err err = {0};
    int64_t released = 0;
    if (async_store_release(pg, async->engine->options.node_id, &released, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "event.not_released", LF_STR("error", err.text));
        return false;
    }
    if (released > 0) {
        LOG(LOG_LEVEL_INFO, "event.released", LF_I64("events", released));
    }
    return true;
}

/* What ran on a node that is gone for good runs here. */
static void release_dead(struct async *async, struct pg *pg)
{
    struct err err = {0};
    int64_t released = 0;
    int64_t now_ns = clock_mono_ns();
    if (async->dead_looked_ns != 0 && now_ns - async->dead_looked_ns < DEAD_LOOK_NS) {
        return;
    }
    async->dead_looked_ns = now_ns;
    if (async_store_release_dead(pg, DEAD_S, &released, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "event.not_released", LF_STR("error", err.text));
    } else if (released > 0) {
        LOG(LOG_LEVEL_INFO, "event.released", LF_I64("events", released));
    }
}

static void wait_for_work(struct async *async)
{
    struct timespec until;
    clock_deadline(POLL_NS / 1000000, &until);
    while (!async->stop && (!async->look || async->running >= RUNNING_MAX)) {
        if (pthread_cond_timedwait(&async->wake, &async->lock, &until) != 0) {
            break;
        }
    }
    async->look = false;
}

static void *run_queue(void *arg)
{
    struct async *async = arg;
    bool released = false;
    (void)pthread_mutex_lock(&async->lock);
    async->look = true;
    while (!async->stop) {
        wait_for_work(async);
        int room = RUNNING_MAX - async->running;
        if (async->stop) {
            continue;
        }
        (void)pthread_mutex_unlock(&async->lock);
        struct pg *pg = NULL;
        struct err err = {0};
        int count = 0;
        if (pg_pool_take(async->engine->pool, 1000, &pg, &err) == 0) {
            released = released || release(async, pg);
            release_dead(async, pg);
            count = released && room > 0 ? take_some(async, pg, room) : 0;
            keep_tally(async, pg);
            pg_pool_give(async->engine->pool, &pg);
        }
        (void)pthread_mutex_lock(&async->lock);
        async->look = async->look || count == BATCH;
    }
    (void)pthread_mutex_unlock(&async->lock);
    return NULL;
}

int async_open(struct engine *engine, struct async **async, struct err *err)
{
    pthread_condattr_t attributes;
    struct async *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return err_set(err, ERR_SYSTEM, "queue: out of memory");
    }
    made->engine = engine;
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&made->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *async = made;
    if (pthread_create(&made->thread, NULL, run_queue, made) != 0) {
        return err_set(err, ERR_SYSTEM, "queue: cannot start a thread");
    }
    made->started = true;
    return 0;
}

void async_stop(struct async *async)
{
    if (async == NULL || !async->started) {
        return;
    }
    (void)pthread_mutex_lock(&async->lock);
    async->stop = true;
    (void)pthread_cond_broadcast(&async->wake);
    (void)pthread_mutex_unlock(&async->lock);
    (void)pthread_join(async->thread, NULL);
    async->started = false;
}

void async_close(struct async **async)
{
    struct async *self = *async;
    if (self == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&self->lock);
    while (self->running > 0) { /* their calls are over; what became of them is being written */
        (void)pthread_cond_wait(&self->wake, &self->lock);
    }
    (void)pthread_mutex_unlock(&self->lock);
    *async = NULL;
    struct pg *pg = NULL;
    struct err err = {0};
    if (pg_pool_take(self->engine->pool, 1000, &pg, &err) == 0) {
        event_tally_flush(self->engine, pg);
        pg_pool_give(self->engine->pool, &pg);
    }
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}
