/*
 * pg_pool.c - a few connections for many threads.
 */
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "schema/pg_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct pg_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed;
    char *conninfo;
    int limit;
    int taken; /* given out, or being opened */
    int idle_count;
    struct pg *idle[]; /* last in, first out: the warmest first */
};

int pg_pool_open(const char *conninfo, int limit, struct pg_pool **pool, struct err *err)
{
    pthread_condattr_t monotonic;
    CHECK(limit > 0 && limit <= 1000);
    struct pg_pool *self = calloc(1, sizeof *self + (size_t)limit * sizeof(struct pg *));
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "connection pool: out of memory");
    }
    self->conninfo = strdup(conninfo);
    if (self->conninfo == NULL) {
        free(self);
        return err_set(err, ERR_SYSTEM, "connection pool: out of memory");
    }
    self->limit = limit;
    CHECK(pthread_mutex_init(&self->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&monotonic) == 0);
    CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&self->freed, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    *pool = self;
    return 0;
}

void pg_pool_close(struct pg_pool **pool)
{
    if (pool == NULL || *pool == NULL) {
        return;
    }
    struct pg_pool *self = *pool;
    CHECK(self->taken == 0);
    for (int i = 0; i < self->idle_count; i++) {
        pg_close(&self->idle[i]);
    }
    (void)pthread_cond_destroy(&self->freed);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->conninfo);
    free(self);
    *pool = NULL;
}

/* Waits until fewer than limit are taken, takes one place, and the connection of it when there is an idle one. */
static int take_place(struct pg_pool *pool, int wait_ms_max, struct pg **pg, struct err *err)
{
    int64_t until_ns = clock_mono_ns() + wait_ms_max * INT64_C(1000000);
    struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000), .tv_nsec = (long)(until_ns % 1000000000)};
    int rc = 0;

    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    while (pool->taken == pool->limit && rc == 0) {
        rc = pthread_cond_timedwait(&pool->freed, &pool->lock, &until);
        CHECK(rc == 0 || rc == ETIMEDOUT);
    }
    bool got = pool->taken < pool->limit;
    if (got) {
        pool->taken++;
        *pg = pool->idle_count > 0 ? pool->idle[--pool->idle_count] : NULL;
    }
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
    return got ? 0
               : err_set(err, ERR_RETRY, "all %d database connections were busy for %d ms", pool->limit, wait_ms_max);
}

static void give_place(struct pg_pool *pool, struct pg *pg)
{
    CHECK(pthread_mutex_lock(&pool->lock) == 0);
    CHECK(pool->taken > 0);
    pool->taken--;
    if (pg != NULL) {
        pool->idle[pool->idle_count++] = pg;
    }
    CHECK(pthread_cond_signal(&pool->freed) == 0);
    CHECK(pthread_mutex_unlock(&pool->lock) == 0);
}

int pg_pool_take(struct pg_pool *pool, int wait_ms_max, struct pg **pg, struct err *err)
{
    struct pg *got = NULL;
    if (take_place(pool, wait_ms_max, &got, err) != 0) {
        return -1;
    }
    int rc = got != NULL ? pg_ensure(got, err) : pg_open(pool->conninfo, &got, err);
    if (rc != 0) {
        give_place(pool, got);
        return -1;
    }
    *pg = got;
    return 0;
}

void pg_pool_give(struct pg_pool *pool, struct pg **pg)
{
    if (*pg == NULL) {
        return;
    }
    pg_rollback(*pg); /* does nothing where nothing is open */
    give_place(pool, *pg);
    *pg = NULL;
}
