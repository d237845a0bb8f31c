/*
 * admission_worker.c - the threads that fetch limits and leases, so that callers never do.
 *
 * Each account belongs to one worker (by its number), each worker has a connection of its own. A worker looks at what
 * is queued at once and at every account with a lease each tick.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "engine/admission_internal.h"
#include "engine/lease_store.h"
#include "engine/notice.h"
#include "engine/quota_internal.h"
#include "metering/hook.h"
#include "schema/pg.h"

#define TICK_NS INT64_C(100000000)
#define UNAVAILABLE_NS INT64_C(500000000) /* after a failure: how long callers are refused before the next try */
#define ROUNDS_MAX 4
#define MONTH_KEEP_US INT64_C(7200000000) /* a month's pool is kept this long for calls still running */
#define LOOK_NS INT64_C(1000000000)
#define WATCH_NS INT64_C(60000000000)

static struct worker *worker_of(struct admission *admission, const struct account *account)
{
    return &admission->workers[(uint64_t)account->account_id % ADMISSION_WORKERS];
}

void worker_queue(struct admission *admission, struct account *account)
{
    struct worker *worker = worker_of(admission, account);
    if (atomic_exchange(&account->queued, true)) {
        return;
    }
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    account->queue_next = NULL;
    if (worker->queue_tail != NULL) {
        worker->queue_tail->queue_next = account;
    } else {
        worker->queue_head = account;
    }
    worker->queue_tail = account;
    CHECK(pthread_cond_signal(&worker->wake) == 0);
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
}

static uint64_t emitted(void *ctx)
{
    const struct admission *admission = ctx;
    return admission->hook != NULL ? farthing_hook_emitted(admission->hook) : 0;
}

static int ensure_pg(struct worker *worker, struct err *err)
{
    if (worker->pg == NULL) {
        return pg_open(worker->admission->conninfo, &worker->pg, err);
    }
    return pg_ensure(worker->pg, err);
}

/* Spend cannot be read in SQL: note how far records are in, ask the rating code, then let go of what it contains. */
static int read_spend(struct worker *worker, const struct lease_key *key, int64_t *spent_picos, struct err *err)
{
    struct admission *admission = worker->admission;
    struct buf positions = {0};
    int64_t picos = 0;
    int64_t begun_us = clock_mono_us();
    int rc = -1;
    if (!admission->priced) {
        (void)err_set(err, ERR_SYSTEM, "this node cannot tell prices");
        goto out;
    }
    if (lease_store_positions(worker->pg, key, LEASE_STORE_NOW, &positions, err) != 0 ||
        admission->prices.month(admission->prices.ctx, key->account_id, key->period_us, &picos, err) != 0 ||
        lease_store_relieve(worker->pg, key, buf_text(&positions), picos, LEASE_STORE_NOW, clock_mono_us() - begun_us,
                            err) != 0) {
        goto out;
    }
    *spent_picos = picos;
    rc = 0;
out:
    buf_free(&positions);
    return rc;
}

enum pump { PUMP_REST, PUMP_WAIT, PUMP_FAILED };

static enum pump pump(struct worker *worker, struct account *account, struct pool *pool, const struct lease_key *key)
{
    struct admission *admission = worker->admission;
    struct lease_request request;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int64_t sent_ns = clock_mono_ns();
        if (!lease_plan(pool, sent_ns, atomic_load(&account->call_ms), emitted, admission, &request)) {
            return PUMP_REST;
        }
        struct lease_answer answer;
        struct err err = {0};
        int64_t picos = 0;
        atomic_fetch_add(&admission->lease_requests, 1);
        if (ensure_pg(worker, &err) != 0 ||
            lease_store_renew(worker->pg, key, &request, LEASE_STORE_NOW, &answer, &err) != 0) {
            atomic_fetch_add(&admission->lease_failures, 1);
            LOG(LOG_LEVEL_WARN, "lease.failed", LF_I64("account_id", account->account_id), LF_STR("quota", key->name),
                LF_STR("error", err.text));
            return PUMP_FAILED;
        }
        if (pool == &account->concurrency && answer.nodes != account->nodes && answer.nodes > 0) {
            account->nodes = (int)answer.nodes;
            account_rate_set(account, atomic_load(&account->rate_limit), account->nodes);
        }
        switch (lease_apply(pool, &answer, sent_ns, clock_mono_ns())) {
        case LEASE_DONE:
            if (atomic_load(&pool->demand_need) == 0) {
                return PUMP_REST;
            }
            break;
        case LEASE_REFUSED:
            return PUMP_REST;
        case LEASE_WAIT:
            return PUMP_WAIT;
        case LEASE_STALE:
            /* The database reads usage by itself, but for spend: a limit set while the request waited for its turn
             * makes that look old, and asking again is all. */
            if (strcmp(key->name, quota_name(QUOTA_SPEND_PER_MONTH)) != 0) {
                break;
            }
            if (read_spend(worker, key, &picos, &err) != 0) {
                LOG(LOG_LEVEL_WARN, "spend.unreadable", LF_I64("account_id", account->account_id),
                    LF_STR("error", err.text));
                return PUMP_FAILED;
            }
            break;
        }
    }
    return pool->lease.in_doubt || pool->lease.need > 0 ? PUMP_WAIT : PUMP_REST;
}

/* The pools of the running month and the next are open; an older month's stays while its calls may still run. */
static void months_open(struct admission *admission, struct account *account)
{
    int64_t now_us = clock_wall_us();
    int64_t month = admission_month(admission, now_us);
    bool late = now_us - month_start_us(admission, month) > MONTH_KEEP_US;
    for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
        for (int64_t m = month; m <= month + 1; m++) {
            struct pool *pool = &account->monthly[kind][m & 1];
            int64_t has = atomic_load(&pool->month);
            if (has < m && (has == -1 || m == month || late)) {
                pool_reset(pool, m);
            }
        }
    }
}

static int load(struct worker *worker, struct account *account, struct err *err)
{
    struct admission *admission = worker->admission;
    int64_t limits[QUOTA_KIND_COUNT];
    bool watched = false;
    if (ensure_pg(worker, err) != 0 ||
        quota_store_limits(worker->pg, account->account_id, limits, &watched, err) != 0) {
        return -1;
    }
    if (limits[QUOTA_CONCURRENCY] == QUOTA_UNSET) {
        limits[QUOTA_CONCURRENCY] = admission->default_concurrency;
    }
    atomic_store(&account->concurrency.bounded, limits[QUOTA_CONCURRENCY] >= 0);
    account_rate_set(account, limits[QUOTA_REQUESTS_PER_SECOND] < 0 ? -1 : limits[QUOTA_REQUESTS_PER_SECOND],
                     account->nodes);
    for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
        for (int parity = 0; parity < 2; parity++) {
            struct pool *pool = &account->monthly[kind][parity];
            atomic_store(&pool->bounded, limits[QUOTA_REQUESTS_PER_MONTH + kind] >= 0);
            atomic_store(&pool->refuse_until_ns, 0);
            lease_return(pool);
        }
    }
    atomic_store(&account->concurrency.refuse_until_ns, 0);
    lease_return(&account->concurrency);
    for (struct function_pool *pool = atomic_load(&account->reserved); pool != NULL; pool = pool->next) {
        atomic_store(&pool->pool.refuse_until_ns, 0);
        lease_return(&pool->pool);
    }
    atomic_store(&account->watched, watched);
    atomic_store_explicit(&account->loaded, true, memory_order_release);
    return 0;
}

static void wake_all(struct admission *admission, struct account *account)
{
    CHECK(pthread_mutex_lock(&account->lock) == 0);
    struct waiter *list = account->waiters;
    account->waiters = NULL;
    CHECK(pthread_mutex_unlock(&account->lock) == 0);
    while (list != NULL) {
        struct waiter *next = list->next;
        list->wake(list->ctx);
        atomic_fetch_sub(&admission->waiting, 1);
        free(list);
        list = next;
    }
}

struct sweep {
    struct worker *worker;
    struct account *account;
    enum pump worst;
    bool quiet;
};

static void visit(struct sweep *sweep, struct pool *pool, struct lease_key *key)
{
    enum pump result = pump(sweep->worker, sweep->account, pool, key);
    if (result > sweep->worst) {
        sweep->worst = result;
    }
    sweep->quiet = sweep->quiet && (lease_quiet(pool) || !atomic_load(&pool->bounded));
}

static void visit_pools(struct sweep *sweep)
{
    struct admission *admission = sweep->worker->admission;
    struct account *account = sweep->account;
    struct lease_key key = {.account_id = account->account_id,
                            .holder = admission->holder,
                            .node_id = admission->node_id,
                            .producer_id = (int64_t)admission->producer_id,
                            .epoch = (int64_t)admission->epoch,
                            .default_limit = admission->default_concurrency};
    (void)snprintf(key.name, sizeof key.name, "%s", quota_name(QUOTA_CONCURRENCY));
    visit(sweep, &account->concurrency, &key);
    key.default_limit = LEASE_NO_DEFAULT;
    for (struct function_pool *pool = atomic_load(&account->reserved); pool != NULL; pool = pool->next) {
        (void)snprintf(key.name, sizeof key.name, "function:%lld", (long long)pool->function_id);
        visit(sweep, &pool->pool, &key);
    }
    for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
        (void)snprintf(key.name, sizeof key.name, "%s", quota_name((enum quota_kind)(QUOTA_REQUESTS_PER_MONTH + kind)));
        for (int parity = 0; parity < 2; parity++) {
            struct pool *pool = &account->monthly[kind][parity];
            if (atomic_load(&pool->month) > 0) {
                key.period_us = month_start_us(admission, atomic_load(&pool->month));
                visit(sweep, pool, &key);
            }
        }
    }
}

/* Thresholds of an account in use are looked at once a second. */
static void look(struct worker *worker, struct account *account, int64_t now_ns)
{
    struct admission *admission = worker->admission;
    struct err err = {0};
    if (!atomic_load(&account->watched) || now_ns - account->looked_ns < LOOK_NS) {
        return;
    }
    account->looked_ns = now_ns;
    int64_t month = admission_month(admission, clock_wall_us());
    struct notice_look question = {
        .account_id = account->account_id, .month_us = month_start_us(admission, month), .spent_picos = -1};
    struct lease_key key = {.account_id = account->account_id, .period_us = question.month_us};
    (void)snprintf(key.name, sizeof key.name, "%s", quota_name(QUOTA_SPEND_PER_MONTH));
    if (admission->priced &&
        (ensure_pg(worker, &err) != 0 || read_spend(worker, &key, &question.spent_picos, &err) != 0)) {
        question.spent_picos = -1;
    }
    for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
        const struct pool *pool = &account->monthly[kind][month & 1];
        if (now_ns < atomic_load(&pool->refuse_until_ns)) {
            question.refused_need[kind] = atomic_load(&pool->refuse_need);
        }
    }
    int fired = 0;
    if (ensure_pg(worker, &err) != 0 || notice_fire(worker->pg, &question, &fired, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "notice.failed", LF_I64("account_id", account->account_id), LF_STR("error", err.text));
    } else if (fired > 0) {
        LOG(LOG_LEVEL_INFO, "quota.threshold", LF_I64("account_id", account->account_id), LF_I64("notices", fired));
    }
}

/* Returns false when there is nothing left to look after. */
static bool serve(struct worker *worker, struct account *account, bool *waiting)
{
    struct admission *admission = worker->admission;
    struct err err = {0};
    struct sweep sweep = {.worker = worker, .account = account, .worst = PUMP_REST, .quiet = true};
    if (clock_mono_ns() < atomic_load(&account->unavailable_ns)) {
        return true; /* the database has just failed: callers are refused meanwhile */
    }
    bool reload = atomic_exchange(&account->reload, false);
    if ((reload || !atomic_load(&account->loaded)) && load(worker, account, &err) != 0) {
        LOG(LOG_LEVEL_WARN, "quota.unreadable", LF_I64("account_id", account->account_id), LF_STR("error", err.text));
        atomic_store(&account->reload, atomic_load(&account->loaded));
        sweep.worst = PUMP_FAILED;
    } else {
        months_open(admission, account);
        visit_pools(&sweep);
        look(worker, account, clock_mono_ns());
    }
    if (sweep.worst == PUMP_FAILED) {
        atomic_store(&account->unavailable_ns, clock_mono_ns() + UNAVAILABLE_NS);
    }
    if (sweep.worst == PUMP_WAIT) {
        *waiting = true;
    } else {
        wake_all(admission, account);
    }
    int64_t touched_ns = atomic_load(&account->concurrency.touched_ns);
    int64_t watched_ns = atomic_load(&account->watched_ns);
    bool fresh = clock_mono_ns() - (touched_ns > watched_ns ? touched_ns : watched_ns) < WATCH_NS;
    return !sweep.quiet || sweep.worst != PUMP_REST || (fresh && atomic_load(&account->watched));
}

static struct account *next_queued(struct worker *worker)
{
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    struct account *account = worker->queue_head;
    if (account != NULL) {
        worker->queue_head = account->queue_next;
        if (worker->queue_head == NULL) {
            worker->queue_tail = NULL;
        }
        atomic_store(&account->queued, false);
    }
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
    return account;
}

static bool tick(struct worker *worker)
{
    bool waiting = false;
    struct account **link = &worker->active;
    for (struct account *account = *link; account != NULL; account = *link) {
        if (serve(worker, account, &waiting)) {
            link = &account->active_next;
        } else {
            *link = account->active_next;
            account->active = false;
        }
    }
    return waiting;
}

/* Sleep until something is queued or the tick is over; false when it is time to stop. */
static bool rest(struct worker *worker, int64_t until_ns)
{
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    CHECK(pthread_mutex_lock(&worker->lock) == 0);
    while (!worker->stop && worker->queue_head == NULL && clock_mono_ns() < until_ns) {
        (void)pthread_cond_timedwait(&worker->wake, &worker->lock, &until);
    }
    bool go_on = !worker->stop;
    CHECK(pthread_mutex_unlock(&worker->lock) == 0);
    return go_on;
}

static void *worker_main(void *ctx)
{
    struct worker *worker = ctx;
    int64_t due_ns = clock_mono_ns() + TICK_NS;
    bool waiting = false;
    while (rest(worker, due_ns)) {
        for (struct account *account = next_queued(worker); account != NULL; account = next_queued(worker)) {
            bool keep = serve(worker, account, &waiting);
            if (keep && !account->active) {
                account->active = true;
                account->active_next = worker->active;
                worker->active = account;
            }
            if (clock_mono_ns() >= due_ns) {
                break;
            }
        }
        if (waiting && due_ns > clock_mono_ns() + LEASE_RETRY_NS) {
            due_ns = clock_mono_ns() + LEASE_RETRY_NS;
        }
        if (clock_mono_ns() >= due_ns) {
            waiting = tick(worker);
            due_ns = clock_mono_ns() + (waiting ? LEASE_RETRY_NS : TICK_NS);
        }
    }
    for (struct account *account = worker->active; account != NULL; account = account->active_next) {
        struct sweep sweep = {.worker = worker, .account = account};
        lease_return(&account->concurrency);
        for (struct function_pool *pool = atomic_load(&account->reserved); pool != NULL; pool = pool->next) {
            lease_return(&pool->pool);
        }
        for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
            lease_return(&account->monthly[kind][0]);
            lease_return(&account->monthly[kind][1]);
        }
        visit_pools(&sweep);
        wake_all(worker->admission, account);
    }
    return NULL;
}

void worker_want(struct admission *admission, int64_t account_id, const char *name, int64_t month)
{
    struct account *account = account_find(admission, account_id);
    if (account == NULL) {
        return;
    }
    struct pool *wanted = NULL;
    long long function_id = 0;
    if (strcmp(name, quota_name(QUOTA_CONCURRENCY)) == 0) {
        wanted = &account->concurrency;
    } else if (sscanf(name, "function:%lld", &function_id) == 1) {
        wanted = account_function_pool(account, function_id);
    }
    for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
        struct pool *pool = &account->monthly[kind][month & 1];
        if (strcmp(name, quota_name((enum quota_kind)(QUOTA_REQUESTS_PER_MONTH + kind))) == 0 &&
            atomic_load(&pool->month) == month) {
            wanted = pool;
        }
    }
    if (wanted != NULL && atomic_load(&wanted->free) > 0) {
        atomic_store(&wanted->asked, true);
        worker_queue(admission, account);
    }
}

int admission_workers_start(struct admission *admission, struct err *err)
{
    if (admission->conninfo == NULL) {
        return 0;
    }
    for (int i = 0; i < ADMISSION_WORKERS; i++) {
        struct worker *worker = &admission->workers[i];
        pthread_condattr_t attributes;
        worker->admission = admission;
        CHECK(pthread_mutex_init(&worker->lock, NULL) == 0);
        CHECK(pthread_condattr_init(&attributes) == 0);
        CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
        CHECK(pthread_cond_init(&worker->wake, &attributes) == 0);
        pthread_condattr_destroy(&attributes);
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            return err_set(err, ERR_SYSTEM, "admission: cannot start a thread");
        }
        worker->started = true;
    }
    return 0;
}

void admission_workers_stop(struct admission *admission)
{
    for (int i = 0; i < ADMISSION_WORKERS; i++) {
        struct worker *worker = &admission->workers[i];
        if (!worker->started) {
            continue;
        }
        CHECK(pthread_mutex_lock(&worker->lock) == 0);
        worker->stop = true;
        CHECK(pthread_cond_signal(&worker->wake) == 0);
        CHECK(pthread_mutex_unlock(&worker->lock) == 0);
        CHECK(pthread_join(worker->thread, NULL) == 0);
        pg_close(&worker->pg);
        pthread_mutex_destroy(&worker->lock);
        pthread_cond_destroy(&worker->wake);
        worker->started = false;
    }
}
