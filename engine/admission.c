/* admission.c - the doors of admission.h: the fast path, and what happens when memory has no answer. */
#include "engine/admission_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "metering/hook.h"

int admission_open(const struct admission_options *options, struct admission **admission, struct err *err)
{
    struct admission *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "admission: out of memory");
    }
    self->node_id = options->node_id;
    self->hook = options->hook;
    self->default_concurrency =
        options->default_concurrency > 0 ? options->default_concurrency : ADMISSION_DEFAULT_CONCURRENCY;
    self->started_us = clock_wall_us();
    random_bytes(&self->holder, sizeof self->holder);
    self->holder &= INT64_MAX;
    if (options->prices != NULL) {
        self->prices = *options->prices;
        self->priced = self->prices.worst != NULL && self->prices.actual != NULL && self->prices.month != NULL;
    }
    if (self->hook != NULL) {
        farthing_hook_identity(self->hook, &self->producer_id, &self->epoch);
    }
    if (options->conninfo != NULL) {
        self->conninfo = strdup(options->conninfo);
        if (self->conninfo == NULL) {
            (void)err_set(err, ERR_SYSTEM, "admission: out of memory");
            goto fail;
        }
    }
    if (admission_core_init(self, err) != 0 || refusals_new(&self->refusals, err) != 0 ||
        admission_workers_start(self, err) != 0 || listener_start(self, err) != 0 ||
        upkeep_thread_start(self, err) != 0) {
        goto fail;
    }
    *admission = self;
    return 0;
fail:
    admission_close(&self);
    return -1;
}

void admission_close(struct admission **admission)
{
    struct admission *self = *admission;
    if (self == NULL) {
        return;
    }
    atomic_store(&self->stop, true);
    upkeep_thread_stop(self);
    listener_stop(self);
    admission_workers_stop(self);
    if (self->refusals != NULL) {
        refusals_flush(self);
        refusals_free(&self->refusals);
    }
    admission_core_free(self);
    free(self->conninfo);
    free(self);
    *admission = NULL;
}

static int refused(struct admission *admission, const struct account *account, const struct admission_request *request,
                   const struct obstacle *obstacle, int64_t now_ns, struct admission_refusal *refusal)
{
    refusal_fill(admission, account, request, obstacle, now_ns, refusal);
    refusals_count(admission, request->account_id, request->function_id, refusal->reason, request->now_us);
    return 1;
}

/* Memory only: a month that nobody has asked for yet begins with the whole limit. */
static void month_open(struct account *account, const struct obstacle *obstacle)
{
    struct pool *pool = obstacle->pool;
    if (pool != NULL && pool != &account->concurrency && atomic_load(&pool->month) < obstacle->month) {
        int64_t limit = atomic_load(&pool->limit);
        pool_reset(pool, obstacle->month);
        atomic_store(&pool->deadline_ns, INT64_MAX);
        atomic_store(&pool->free, atomic_load(&pool->bounded) ? limit : 0);
    }
}

/* Note who waits for what. The account's lock is held, so the worker cannot have answered in between. */
static bool wait_for(struct admission *admission, struct account *account, const struct admission_request *request,
                     const struct obstacle *obstacle, void (*wake)(void *ctx), void *ctx)
{
    int64_t call_ms = (int64_t)request->timeout_s * 1000 + request->init_limit_ms;
    if (call_ms > atomic_load(&account->call_ms)) {
        atomic_store(&account->call_ms, call_ms);
    }
    struct pool *pool = obstacle->pool;
    if (pool == NULL && obstacle->reason == USAGE_REFUSED_RESERVED_CONCURRENCY) {
        struct function_pool *added = calloc(1, sizeof *added);
        if (added == NULL) {
            return false;
        }
        added->function_id = request->function_id;
        atomic_store(&added->pool.bounded, true);
        added->next = atomic_load(&account->reserved);
        atomic_store_explicit(&account->reserved, added, memory_order_release);
        pool = &added->pool;
    }
    if (pool != NULL) {
        pool_demand(pool, obstacle->need);
    }
    if (wake != NULL) {
        struct waiter *waiter = malloc(sizeof *waiter);
        if (waiter == NULL) {
            return false;
        }
        *waiter = (struct waiter){account->waiters, wake, ctx};
        account->waiters = waiter;
        atomic_fetch_add(&admission->waiting, 1);
    }
    return true;
}

static int reserve_slow(struct admission *admission, const struct admission_request *request,
                        struct admission_ticket *ticket, struct admission_refusal *refusal, void (*wake)(void *ctx),
                        void *ctx)
{
    struct obstacle obstacle = {.reason = USAGE_REFUSED_CAPACITY};
    int64_t now_ns = clock_mono_ns();
    struct account *account = account_add(admission, request->account_id);
    if (account == NULL) {
        return refused(admission, NULL, request, &obstacle, now_ns, refusal);
    }
    CHECK(pthread_mutex_lock(&account->lock) == 0);
    enum verdict verdict = VERDICT_ASK;
    bool loaded = atomic_load(&account->loaded);
    if (loaded) {
        verdict = account_try(admission, account, request, now_ns, ticket, &obstacle);
    }
    for (int i = 0; admission->conninfo == NULL && loaded && verdict == VERDICT_ASK && i < 2 * ADMISSION_MONTHLY_KINDS;
         i++) {
        month_open(account, &obstacle);
        verdict = account_try(admission, account, request, now_ns, ticket, &obstacle);
    }
    if (verdict == VERDICT_ASK) {
        struct obstacle none = {.reason = USAGE_REFUSED_CAPACITY, .kind = obstacle.kind};
        if (now_ns < atomic_load(&account->unavailable_ns) || admission->conninfo == NULL) {
            verdict = VERDICT_REFUSED;
            obstacle = admission->conninfo == NULL ? obstacle : none;
        } else if (!wait_for(admission, account, request, loaded ? &obstacle : &none, wake, ctx)) {
            verdict = VERDICT_REFUSED;
            obstacle = none;
        }
    }
    CHECK(pthread_mutex_unlock(&account->lock) == 0);
    if (verdict == VERDICT_TAKEN) {
        atomic_fetch_add_explicit(&account->admitted, 1, memory_order_relaxed);
        return 0;
    }
    if (verdict == VERDICT_REFUSED) {
        return refused(admission, account, request, &obstacle, now_ns, refusal);
    }
    worker_queue(admission, account);
    return 2;
}

int admission_reserve(struct admission *admission, const struct admission_request *request,
                      struct admission_ticket *ticket, struct admission_refusal *refusal, void (*wake)(void *ctx),
                      void *ctx)
{
    struct account *account = account_find(admission, request->account_id);
    if (account != NULL && atomic_load_explicit(&account->loaded, memory_order_acquire)) {
        struct obstacle obstacle = {.pool = NULL};
        int64_t now_ns = clock_mono_ns();
        enum verdict verdict = account_try(admission, account, request, now_ns, ticket, &obstacle);
        if (verdict == VERDICT_TAKEN) {
            atomic_fetch_add_explicit(&account->admitted, 1, memory_order_relaxed);
            return 0;
        }
        if (verdict == VERDICT_REFUSED) {
            return refused(admission, account, request, &obstacle, now_ns, refusal);
        }
    }
    return reserve_slow(admission, request, ticket, refusal, wake, ctx);
}

void admission_settle(struct admission *admission, struct admission_ticket *ticket, const struct usage_record *record)
{
    struct account *account = ticket->account;
    CHECK(account != NULL);
    account_settle(admission, ticket, record);
    ticket->account = NULL;
    atomic_fetch_add_explicit(&account->settled, 1, memory_order_relaxed);
}

void admission_count_refusal(struct admission *admission, int64_t account_id, int64_t function_id,
                             enum usage_refusal_reason reason)
{
    refusals_count(admission, account_id, function_id, reason, clock_wall_us());
}

void admission_watch(struct admission *admission, int64_t account_id)
{
    struct account *account = admission->conninfo != NULL ? account_add(admission, account_id) : NULL;
    if (account != NULL) {
        atomic_store(&account->watched_ns, clock_mono_ns());
        worker_queue(admission, account);
    }
}

void admission_refresh(struct admission *admission, int64_t account_id)
{
    struct account *account = account_find(admission, account_id);
    if (account != NULL && admission->conninfo != NULL) {
        atomic_store(&account->reload, true);
        worker_queue(admission, account);
    }
}

void admission_stats(const struct admission *admission, struct admission_stats *stats)
{
    *stats = (struct admission_stats){
        .accounts = atomic_load(&admission->accounts),
        .refused = atomic_load(&admission->refused),
        .lease_requests = atomic_load(&admission->lease_requests),
        .lease_failures = atomic_load(&admission->lease_failures),
        .overdrafts = atomic_load(&admission->overdrafts),
        .waiting = atomic_load(&admission->waiting),
        .escrows = atomic_load(&admission->escrows),
        .escrows_ahead = atomic_load(&admission->escrows_ahead),
        .escrows_forfeit = atomic_load(&admission->escrows_forfeit),
    };
    for (size_t i = 0; i < ADMISSION_ACCOUNT_BUCKETS; i++) {
        struct account *account = atomic_load(&admission->buckets[i].first);
        for (; account != NULL; account = atomic_load(&account->next)) {
            int64_t settled = atomic_load(&account->settled); /* before admitted: running is never below zero */
            int64_t admitted = atomic_load(&account->admitted);
            stats->admitted += admitted;
            stats->running += admitted - settled;
        }
    }
    for (int i = 0; i < USAGE_REFUSAL_REASON_COUNT; i++) {
        stats->refused_by_reason[i] = atomic_load(&admission->refused_by_reason[i]);
    }
}
