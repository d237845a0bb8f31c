/* worker.c - threads for what may block: the database, fork, taking cgroups down. They live as long as the engine: the
 * kernel kills a sandbox when the thread that started it ends. */
#include <stdlib.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "engine/engine_internal.h"
#include "schema/pg.h"

#define PG_WAIT_MS 5000

static struct job *take(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->job_lock);
    while (engine->job_head == NULL && !engine->job_stop) {
        (void)pthread_cond_wait(&engine->job_wake, &engine->job_lock);
    }
    struct job *job = engine->job_head;
    if (job != NULL) {
        engine->job_head = job->next;
        if (engine->job_head == NULL) {
            engine->job_tail = NULL;
        }
    }
    (void)pthread_mutex_unlock(&engine->job_lock);
    return job;
}

static void *work(void *arg)
{
    struct engine *engine = arg;
    struct job *job = NULL;
    while ((job = take(engine)) != NULL) {
        struct pg *pg = NULL;
        struct err err = {0};
        if (job->needs_pg && pg_pool_take(engine->pool, PG_WAIT_MS, &pg, &err) != 0) {
            LOG(LOG_LEVEL_WARN, "engine.no_database", LF_STR("error", err.text));
        }
        job->run(engine, pg, job->ctx);
        if (pg != NULL) {
            pg_pool_give(engine->pool, &pg);
        }
        free(job);
    }
    return NULL;
}

int workers_start(struct engine *engine, struct err *err)
{
    for (; engine->worker_count < ENGINE_WORKERS; engine->worker_count++) {
        if (pthread_create(&engine->workers[engine->worker_count], NULL, work, engine) != 0) {
            return err_set(err, ERR_SYSTEM, "engine: cannot start a thread");
        }
    }
    return 0;
}

void workers_stop(struct engine *engine)
{
    (void)pthread_mutex_lock(&engine->job_lock);
    engine->job_stop = true;
    (void)pthread_cond_broadcast(&engine->job_wake);
    (void)pthread_mutex_unlock(&engine->job_lock);
    for (int i = 0; i < engine->worker_count; i++) {
        (void)pthread_join(engine->workers[i], NULL);
    }
    engine->worker_count = 0;
}

void worker_do(struct engine *engine, job_fn *run, bool needs_pg, void *ctx)
{
    struct job *job = calloc(1, sizeof *job);
    CHECK(job != NULL);
    *job = (struct job){.run = run, .needs_pg = needs_pg, .ctx = ctx};
    (void)pthread_mutex_lock(&engine->job_lock);
    if (engine->job_tail == NULL) {
        engine->job_head = job;
    } else {
        engine->job_tail->next = job;
    }
    engine->job_tail = job;
    (void)pthread_cond_signal(&engine->job_wake);
    (void)pthread_mutex_unlock(&engine->job_lock);
}
