#include "metering/aggregator.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"
#include "metering/aggregator_internal.h"
#include "metering/ingest_turns.h"
#include "schema/pg.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH_RECORDS_DEFAULT 50000u
#define BATCH_RECORDS_MAX 65536u
#define IDLE_WAIT_MS_DEFAULT 20u
#define BACKOFF_MS_FIRST 50
#define STALL_US INT64_C(2000000)
#define BACKOFF_MS_MAX 2000

struct aggregator {
    char *spool_dir;
    char *conninfo;
    uint32_t idle_wait_ms;
    int64_t node_id;
    pthread_t thread;
    bool started;

    /* Only the thread. */
    struct store store;
    struct producer_list producers;
    int backoff_ms;

    /* Under lock. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_cond_t moved;
    bool stop, drain, rounds_done;
    int64_t through_mono_us; /* everything emitted before is stored, over all producers */
    struct aggregator_stats stats;
};

static void wait_until(struct aggregator *self, pthread_cond_t *condition, int64_t at_mono_us)
{
    struct timespec until = {.tv_sec = (time_t)(at_mono_us / 1000000), .tv_nsec = (long)(at_mono_us % 1000000) * 1000};
    (void)pthread_cond_timedwait(condition, &self->lock, &until);
}

/* ---- a round: list the folder, store a batch of each producer ---- */

struct round {
    int64_t wall_us, mono_us; /* read before the folder was listed */
    uint64_t stored;
    bool behind;
};

/* All of them are known to the database before any of them says how complete it is. */
static int round_begin(struct aggregator *self, struct round *round, struct err *err)
{
    round->wall_us = clock_wall_us();
    round->mono_us = clock_mono_us();
    if (producer_list_scan(&self->producers, self->spool_dir, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < self->producers.count; i++) {
        struct producer *producer = self->producers.items[i];
        if (producer_ready(producer, self->store.pg, self->spool_dir, err) != 0) {
            return -1;
        }
        if (producer->reader != NULL && producer_sample(producer, round->wall_us, round->mono_us, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int round_store(struct aggregator *self, struct round *round, struct err *err)
{
    for (size_t i = 0; i < self->producers.count; i++) {
        struct producer *producer = self->producers.items[i];
        uint64_t stored = 0;
        if (producer->reader == NULL) {
            continue;
        }
        if (producer_step(producer, &self->store, &stored, err) != 0 ||
            producer_touch(producer, self->store.pg, round->mono_us, err) != 0) {
            return -1;
        }
        round->stored += stored;
        round->behind = round->behind || producer->behind;
    }
    return 0;
}

/* Make the result of a round visible to stats and flush. */
static void round_end(struct aggregator *self, const struct round *round)
{
    int64_t through_us = round->mono_us;
    uint64_t pending = 0;
    for (size_t i = 0; i < self->producers.count; i++) {
        const struct producer *producer = self->producers.items[i];
        if (producer->reader != NULL) {
            through_us = producer->through_mono_us < through_us ? producer->through_mono_us : through_us;
            pending += producer->pending;
        }
    }
    (void)pthread_mutex_lock(&self->lock);
    self->through_mono_us = through_us;
    self->rounds_done = true;
    self->stats.records = self->store.totals.records;
    self->stats.batches = self->store.totals.batches;
    self->stats.holes = self->store.totals.holes;
    self->stats.damaged = self->store.totals.damaged;
    self->stats.pending = pending;
    self->stats.lag_us = pending > 0 ? round->mono_us - through_us : 0;
    self->stats.database_ok = true;
    if (round->stored > 0) {
        self->stats.last_commit_us = clock_wall_us();
    }
    (void)pthread_cond_broadcast(&self->moved);
    (void)pthread_mutex_unlock(&self->lock);
}

/* Errors leave every cursor in doubt; the next round asks the database. */
static void round_failed(struct aggregator *self, const struct err *err)
{
    bool moved = err->slug != NULL && strcmp(err->slug, "cursor_moved") == 0;
    for (size_t i = 0; i < self->producers.count; i++) {
        producer_doubt(self->producers.items[i]);
    }
    LOG(moved ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "aggregator.failed", LF_STR("code", err_code_name(err->code)),
        LF_STR("error", err->text));
    (void)pthread_mutex_lock(&self->lock);
    self->stats.database_ok = self->stats.database_ok && moved;
    (void)snprintf(self->stats.last_error, sizeof self->stats.last_error, "%.*s",
                   (int)sizeof self->stats.last_error - 1, err->text);
    (void)pthread_mutex_unlock(&self->lock);
}

static int connect_database(struct aggregator *self, struct err *err)
{
    return self->store.pg != NULL ? pg_ensure(self->store.pg, err) : pg_open(self->conninfo, &self->store.pg, err);
}

static int run_round(struct aggregator *self, struct round *round, struct err *err)
{
    if (connect_database(self, err) != 0 || round_begin(self, round, err) != 0 || round_store(self, round, err) != 0) {
        return -1;
    }
    round_end(self, round);
    return 0;
}

/* True: go on. */
static bool wait_for_work(struct aggregator *self, int rc, const struct round *round)
{
    (void)pthread_mutex_lock(&self->lock);
    if (rc != 0) {
        self->backoff_ms = self->backoff_ms == 0 ? BACKOFF_MS_FIRST : self->backoff_ms * 2;
        self->backoff_ms = self->backoff_ms < BACKOFF_MS_MAX ? self->backoff_ms : BACKOFF_MS_MAX;
    } else {
        self->backoff_ms = 0;
    }
    int wait_ms = rc != 0 ? self->backoff_ms : round->behind ? 0 : (int)self->idle_wait_ms;
    bool drained = rc == 0 && !round->behind && round->stored == 0 && self->stats.pending == 0;
    if (!self->stop && wait_ms > 0) {
        wait_until(self, &self->wake, clock_mono_us() + (int64_t)wait_ms * 1000);
    }
    bool go_on = !self->stop || (self->drain && rc == 0 && !drained);
    (void)pthread_mutex_unlock(&self->lock);
    return go_on;
}

static void retire_all(struct aggregator *self)
{
    for (size_t i = 0; i < self->producers.count; i++) {
        struct producer *producer = self->producers.items[i];
        struct err err = {0};
        bool done = producer->reader != NULL && producer->cursor_known && !producer->alive && producer->pending == 0 &&
                    !producer->behind;
        if (done && ingest_retire(self->store.pg, &producer->cursor, &err) != 0) {
            LOG(LOG_LEVEL_WARN, "producer.not_retired", LF_STR("error", err.text));
        }
    }
}

static void *thread_main(void *arg)
{
    struct aggregator *self = arg;
    bool go_on = true;
    while (go_on) {
        struct round round = {0};
        struct err err = {0};
        int rc = run_round(self, &round, &err);
        if (rc != 0) {
            round_failed(self, &err);
        }
        go_on = wait_for_work(self, rc, &round);
        if (!go_on && rc == 0 && self->drain) {
            retire_all(self);
        }
    }
    return NULL;
}

/* ---- outside ---- */

static void init_sync(struct aggregator *self)
{
    pthread_condattr_t attr;
    CHECK(pthread_mutex_init(&self->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&self->wake, &attr) == 0);
    CHECK(pthread_cond_init(&self->moved, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

int aggregator_start(const struct aggregator_options *options, struct aggregator **aggregator, struct err *err)
{
    struct aggregator *self = calloc(1, sizeof *self);
    int rc = -1;
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "aggregator: out of memory");
    }
    init_sync(self);
    self->store.batch_max = options->batch_records_max != 0 ? options->batch_records_max : BATCH_RECORDS_DEFAULT;
    self->store.batch_max = self->store.batch_max < BATCH_RECORDS_MAX ? self->store.batch_max : BATCH_RECORDS_MAX;
    self->idle_wait_ms = options->idle_wait_ms != 0 ? options->idle_wait_ms : IDLE_WAIT_MS_DEFAULT;
    self->node_id = options->node_id;
    self->spool_dir = strdup(options->spool_dir);
    self->conninfo = strdup(options->conninfo);
    if (self->spool_dir == NULL || self->conninfo == NULL) {
        (void)err_set(err, ERR_SYSTEM, "aggregator: out of memory");
        goto out;
    }
    if (ingest_new(&self->store.ingest, err) != 0 || ingest_turns_new(self->conninfo, &self->store.turns, err) != 0) {
        goto out;
    }
    if (pthread_create(&self->thread, NULL, thread_main, self) != 0) {
        (void)err_set(err, ERR_SYSTEM, "aggregator: cannot start its thread");
        goto out;
    }
    self->started = true;
    *aggregator = self;
    self = NULL;
    rc = 0;
out:
    aggregator_stop(&self, false);
    return rc;
}

void aggregator_stats(const struct aggregator *aggregator, struct aggregator_stats *stats)
{
    union {
        const struct aggregator *in;
        struct aggregator *out;
    } self = {.in = aggregator};
    (void)pthread_mutex_lock(&self.out->lock);
    *stats = aggregator->stats;
    int64_t silent_us = aggregator->rounds_done ? clock_mono_us() - aggregator->through_mono_us : 0;
    /* A round that does not end counts nothing: whatever came since it began is as old as it is. */
    if (silent_us > STALL_US && silent_us > stats->lag_us) {
        stats->lag_us = silent_us;
    }
    (void)pthread_mutex_unlock(&self.out->lock);
}

int aggregator_flush(struct aggregator *aggregator, int wait_ms_max, struct err *err)
{
    int64_t asked_us = clock_mono_us();
    int64_t until_us = asked_us + (int64_t)wait_ms_max * 1000;
    int rc = 0;
    (void)pthread_mutex_lock(&aggregator->lock);
    while (rc == 0 && (!aggregator->rounds_done || aggregator->through_mono_us < asked_us)) {
        if (clock_mono_us() >= until_us) {
            rc = err_set(err, ERR_RETRY, "not everything is stored after %d ms%s%s", wait_ms_max,
                         aggregator->stats.last_error[0] != '\0' ? ": " : "", aggregator->stats.last_error);
        } else {
            (void)pthread_cond_signal(&aggregator->wake);
            wait_until(aggregator, &aggregator->moved, until_us);
        }
    }
    (void)pthread_mutex_unlock(&aggregator->lock);
    return rc;
}

void aggregator_stop(struct aggregator **aggregator, bool drain)
{
    struct aggregator *self = *aggregator;
    if (self == NULL) {
        return;
    }
    *aggregator = NULL;
    if (self->started) {
        (void)pthread_mutex_lock(&self->lock);
        self->stop = true;
        self->drain = drain;
        (void)pthread_cond_signal(&self->wake);
        (void)pthread_mutex_unlock(&self->lock);
        (void)pthread_join(self->thread, NULL);
    }
    producer_list_free(&self->producers);
    ingest_turns_free(&self->store.turns);
    ingest_free(&self->store.ingest);
    pg_close(&self->store.pg);
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_cond_destroy(&self->moved);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->spool_dir);
    free(self->conninfo);
    free(self);
}
