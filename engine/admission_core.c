/* admission_core.c - the decision in memory: accounts, pools, the token bucket, prices asked lately. See
 * admission_internal.h. */
#include "engine/admission_internal.h"

#include <stdlib.h>

#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"

#define WORST_CACHE_NS INT64_C(1000000000)
#define MONTH_MEAN_US INT64_C(2629746000000)

int admission_core_init(struct admission *admission, struct err *err)
{
    for (int i = 0; i <= ADMISSION_MONTHS; i++) {
        int64_t to_us = 0;
        struct month month = {1970 + i / 12, i % 12 + 1};
        month_range(month, &admission->months[i], &to_us);
    }
    admission->buckets = calloc(ADMISSION_ACCOUNT_BUCKETS, sizeof *admission->buckets);
    if (admission->buckets == NULL) {
        return err_set(err, ERR_SYSTEM, "admission: out of memory");
    }
    CHECK(pthread_mutex_init(&admission->add_lock, NULL) == 0);
    return 0;
}

static void account_free(struct account *account)
{
    struct function_pool *pool = atomic_load(&account->reserved);
    while (pool != NULL) {
        struct function_pool *next = pool->next;
        free(pool);
        pool = next;
    }
    while (account->waiters != NULL) {
        struct waiter *next = account->waiters->next;
        free(account->waiters);
        account->waiters = next;
    }
    pthread_mutex_destroy(&account->lock);
    free(account);
}

void admission_core_free(struct admission *admission)
{
    if (admission->buckets == NULL) {
        return;
    }
    for (size_t i = 0; i < ADMISSION_ACCOUNT_BUCKETS; i++) {
        struct account *account = atomic_load(&admission->buckets[i].first);
        while (account != NULL) {
            struct account *next = atomic_load(&account->next);
            account_free(account);
            account = next;
        }
    }
    free(admission->buckets);
    admission->buckets = NULL;
    pthread_mutex_destroy(&admission->add_lock);
}

static size_t bucket_of(int64_t account_id)
{
    uint64_t mixed = (uint64_t)account_id * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(mixed >> 40) & (ADMISSION_ACCOUNT_BUCKETS - 1);
}

struct account *account_find(const struct admission *admission, int64_t account_id)
{
    struct account *account =
        atomic_load_explicit(&admission->buckets[bucket_of(account_id)].first, memory_order_acquire);
    while (account != NULL && account->account_id != account_id) {
        account = atomic_load_explicit(&account->next, memory_order_acquire);
    }
    return account;
}

/* Without a database all of a limit is this node's. */
static void account_memory_only(const struct admission *admission, struct account *account)
{
    int64_t month = admission_month(admission, clock_wall_us());
    for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
        pool_reset(&account->monthly[kind][month & 1], month);
        pool_reset(&account->monthly[kind][(month + 1) & 1], month + 1);
    }
    atomic_store(&account->concurrency.limit, admission->default_concurrency);
    atomic_store(&account->concurrency.free, admission->default_concurrency);
    atomic_store(&account->concurrency.deadline_ns, INT64_MAX);
    atomic_store(&account->loaded, true);
}

struct account *account_add(struct admission *admission, int64_t account_id)
{
    CHECK(pthread_mutex_lock(&admission->add_lock) == 0);
    struct account *account = account_find(admission, account_id);
    if (account == NULL) {
        account = calloc(1, sizeof *account);
        if (account != NULL) {
            account->account_id = account_id;
            account->nodes = 1;
            atomic_store(&account->rate_limit, -1);
            atomic_store(&account->concurrency.bounded, true);
            for (int kind = 0; kind < ADMISSION_MONTHLY_KINDS; kind++) {
                atomic_store(&account->monthly[kind][0].month, -1);
                atomic_store(&account->monthly[kind][1].month, -1);
            }
            if (admission->conninfo == NULL) {
                account_memory_only(admission, account);
            }
            CHECK(pthread_mutex_init(&account->lock, NULL) == 0);
            size_t bucket = bucket_of(account_id);
            atomic_store(&account->next, atomic_load(&admission->buckets[bucket].first));
            atomic_store_explicit(&admission->buckets[bucket].first, account, memory_order_release);
            atomic_fetch_add(&admission->accounts, 1);
        }
    }
    CHECK(pthread_mutex_unlock(&admission->add_lock) == 0);
    return account;
}

int64_t admission_month(const struct admission *admission, int64_t at_us)
{
    if (at_us < 0 || at_us >= admission->months[ADMISSION_MONTHS]) {
        return 0;
    }
    int64_t month = at_us / MONTH_MEAN_US;
    while (month > 0 && admission->months[month] > at_us) {
        month--;
    }
    while (admission->months[month + 1] <= at_us) {
        month++;
    }
    return month;
}

int64_t month_start_us(const struct admission *admission, int64_t month)
{
    return admission->months[month];
}

struct pool *account_function_pool(struct account *account, int64_t function_id)
{
    struct function_pool *pool = atomic_load_explicit(&account->reserved, memory_order_acquire);
    while (pool != NULL && pool->function_id != function_id) {
        pool = pool->next;
    }
    return pool != NULL ? &pool->pool : NULL;
}

void account_rate_set(struct account *account, int64_t limit, int nodes)
{
    if (limit > 0) {
        int64_t interval = (INT64_C(1000000000) * nodes + limit - 1) / limit;
        int64_t burst = limit / nodes > 1 ? limit / nodes : 1;
        atomic_store(&account->rate_interval_ns, interval);
        atomic_store(&account->rate_tolerance_ns, interval * (burst - 1));
    }
    atomic_store(&account->rate_limit, limit);
}

/* The token bucket as one number, the time at which it would be full again: a token is there when that lies no further
 * ahead than the burst. */
static bool rate_take(struct account *account, int64_t now_ns, int64_t *wait_ns)
{
    int64_t limit = atomic_load_explicit(&account->rate_limit, memory_order_relaxed);
    if (limit < 0) {
        return true;
    }
    if (limit == 0) {
        *wait_ns = INT64_C(1000000000);
        return false;
    }
    int64_t interval = atomic_load_explicit(&account->rate_interval_ns, memory_order_relaxed);
    int64_t tolerance = atomic_load_explicit(&account->rate_tolerance_ns, memory_order_relaxed);
    int64_t next = atomic_load_explicit(&account->rate_next_ns, memory_order_relaxed);
    int64_t later = 0;
    do {
        int64_t from = next > now_ns ? next : now_ns;
        if (from - now_ns > tolerance) {
            *wait_ns = from - now_ns - tolerance;
            return false;
        }
        later = from + interval;
    } while (!atomic_compare_exchange_weak_explicit(&account->rate_next_ns, &next, later, memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static void rate_give(struct account *account)
{
    if (atomic_load(&account->rate_limit) > 0) {
        atomic_fetch_sub(&account->rate_next_ns, atomic_load(&account->rate_interval_ns));
    }
}

/* The worst price, from what was asked within a second: it can only fall within a month. */
static int worst_price(const struct admission *admission, struct account *account,
                       const struct admission_request *request, uint64_t mb_ms, int64_t month, int64_t now_ns,
                       int64_t *picos)
{
    struct worst_entry *entry = &account->worst[(mb_ms / 1024 + request->flags) % ADMISSION_WORST_CACHE];
    uint64_t sequence = atomic_load_explicit(&entry->sequence, memory_order_acquire);
    if (sequence % 2 == 0) {
        bool hit = atomic_load_explicit(&entry->mb_ms, memory_order_relaxed) == mb_ms &&
                   atomic_load_explicit(&entry->month, memory_order_relaxed) == month &&
                   atomic_load_explicit(&entry->flags, memory_order_relaxed) == (int64_t)request->flags &&
                   atomic_load_explicit(&entry->expires_ns, memory_order_relaxed) > now_ns;
        int64_t known = atomic_load_explicit(&entry->picos, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (hit && atomic_load_explicit(&entry->sequence, memory_order_relaxed) == sequence) {
            *picos = known;
            return 0;
        }
    }
    struct err err = {0};
    if (admission->prices.worst(admission->prices.ctx, account->account_id, request->now_us, mb_ms, request->flags,
                                picos, &err) != 0) {
        return -1;
    }
    if (sequence % 2 == 0 && atomic_compare_exchange_strong(&entry->sequence, &sequence, sequence + 1)) {
        atomic_store_explicit(&entry->mb_ms, mb_ms, memory_order_relaxed);
        atomic_store_explicit(&entry->month, month, memory_order_relaxed);
        atomic_store_explicit(&entry->flags, (int64_t)request->flags, memory_order_relaxed);
        atomic_store_explicit(&entry->picos, *picos, memory_order_relaxed);
        atomic_store_explicit(&entry->expires_ns, now_ns + WORST_CACHE_NS, memory_order_relaxed);
        atomic_store_explicit(&entry->sequence, sequence + 2, memory_order_release);
    }
    return 0;
}

/* VERDICT_ASK turns into a refusal while the database's last no still stands. */
static enum verdict take(struct pool *pool, int64_t month, int64_t need, int64_t now_ns, struct obstacle *obstacle)
{
    if (atomic_load_explicit(&pool->month, memory_order_relaxed) == month && pool_take(pool, need, now_ns)) {
        if (now_ns - atomic_load_explicit(&pool->touched_ns, memory_order_relaxed) > INT64_C(10000000)) {
            atomic_store_explicit(&pool->touched_ns, now_ns, memory_order_relaxed);
        }
        return VERDICT_TAKEN;
    }
    obstacle->pool = pool;
    obstacle->need = need;
    obstacle->month = month;
    if (now_ns < atomic_load(&pool->refuse_until_ns) && need >= atomic_load(&pool->refuse_need) &&
        atomic_load(&pool->month) == month) {
        return VERDICT_REFUSED;
    }
    return VERDICT_ASK;
}

static enum verdict try_concurrency(struct account *account, const struct admission_request *request, int64_t now_ns,
                                    struct obstacle *obstacle)
{
    obstacle->kind = QUOTA_CONCURRENCY;
    if (request->reserved_concurrency < 0) {
        obstacle->reason = USAGE_REFUSED_CONCURRENCY;
        return take(&account->concurrency, 0, 1, now_ns, obstacle);
    }
    obstacle->reason = USAGE_REFUSED_RESERVED_CONCURRENCY;
    obstacle->pool = NULL;
    obstacle->need = 1;
    if (request->reserved_concurrency == 0) {
        return VERDICT_REFUSED;
    }
    struct pool *pool = account_function_pool(account, request->function_id);
    return pool != NULL ? take(pool, 0, 1, now_ns, obstacle) : VERDICT_ASK;
}

static void give_concurrency(struct account *account, const struct admission_request *request)
{
    struct pool *pool = request->reserved_concurrency < 0 ? &account->concurrency
                                                          : account_function_pool(account, request->function_id);
    CHECK(pool != NULL);
    pool_give(pool, 1, 0);
}

static const struct {
    enum quota_kind kind;
    enum usage_refusal_reason reason;
} MONTHLY[ADMISSION_MONTHLY_KINDS] = {
    {QUOTA_REQUESTS_PER_MONTH, USAGE_REFUSED_REQUESTS},
    {QUOTA_GB_SECONDS_PER_MONTH, USAGE_REFUSED_GB_SECONDS},
    {QUOTA_SPEND_PER_MONTH, USAGE_REFUSED_SPEND},
};

/* Take all three of a month or nothing. */
static enum verdict try_month(struct account *account, int64_t month, const int64_t need[ADMISSION_MONTHLY_KINDS],
                              int64_t now_ns, struct obstacle *obstacle)
{
    for (int i = 0; i < ADMISSION_MONTHLY_KINDS; i++) {
        enum verdict verdict = take(&account->monthly[i][month & 1], month, need[i], now_ns, obstacle);
        if (verdict != VERDICT_TAKEN) {
            obstacle->kind = MONTHLY[i].kind;
            obstacle->reason = MONTHLY[i].reason;
            while (--i >= 0) {
                pool_give(&account->monthly[i][month & 1], need[i], 0);
            }
            return verdict;
        }
    }
    return VERDICT_TAKEN;
}

/* What the call may cost at most, in units of the monthly quotas. */
static enum verdict needs(struct admission *admission, struct account *account, const struct admission_request *request,
                          int64_t month, int64_t now_ns, int64_t need[ADMISSION_MONTHLY_KINDS],
                          struct obstacle *obstacle)
{
    need[0] = 1;
    need[1] = (int64_t)request->memory_mib * ((int64_t)request->timeout_s * 1000 + request->init_limit_ms);
    need[2] = 0;
    if (atomic_load_explicit(&account->monthly[2][month & 1].bounded, memory_order_relaxed) &&
        (!admission->priced ||
         worst_price(admission, account, request, (uint64_t)need[1], month, now_ns, &need[2]) != 0 || need[2] < 0)) {
        *obstacle = (struct obstacle){.kind = QUOTA_SPEND_PER_MONTH, .reason = USAGE_REFUSED_SPEND};
        return VERDICT_REFUSED;
    }
    return VERDICT_TAKEN;
}

enum verdict account_try(struct admission *admission, struct account *account, const struct admission_request *request,
                         int64_t now_ns, struct admission_ticket *ticket, struct obstacle *obstacle)
{
    int64_t month = admission_month(admission, request->now_us);
    int64_t next = admission_month(admission, request->now_us + ADMISSION_ROLLOVER_US);
    int64_t need[ADMISSION_MONTHLY_KINDS];
    enum verdict verdict = try_concurrency(account, request, now_ns, obstacle);
    if (verdict != VERDICT_TAKEN) {
        return verdict;
    }
    if (!rate_take(account, now_ns, &obstacle->wait_ns)) {
        give_concurrency(account, request);
        obstacle->pool = NULL;
        obstacle->kind = QUOTA_REQUESTS_PER_SECOND;
        obstacle->reason = USAGE_REFUSED_RATE;
        return VERDICT_REFUSED;
    }
    verdict = needs(admission, account, request, month, now_ns, need, obstacle);
    if (verdict == VERDICT_TAKEN) {
        verdict = try_month(account, month, need, now_ns, obstacle);
    }
    if (verdict == VERDICT_TAKEN && next != month) {
        verdict = try_month(account, next, need, now_ns, obstacle);
        for (int i = 0; verdict != VERDICT_TAKEN && i < ADMISSION_MONTHLY_KINDS; i++) {
            pool_give(&account->monthly[i][month & 1], need[i], 0);
        }
    }
    if (verdict != VERDICT_TAKEN) {
        rate_give(account);
        give_concurrency(account, request);
        return verdict;
    }
    *ticket = (struct admission_ticket){
        .request = *request, .reserved_mb_ms = (uint64_t)need[1], .reserved_picos = need[2], .account = account};
    return VERDICT_TAKEN;
}

/* What a finished call counts as. Spend: at the worst price until the bill itself speaks for it. */
static void costs(struct admission *admission, const struct admission_ticket *ticket, const struct usage_record *record,
                  int64_t month, int64_t cost[ADMISSION_MONTHLY_KINDS])
{
    struct account *account = ticket->account;
    struct err err = {0};
    int64_t worst = 0;
    int64_t actual = 0;
    cost[0] = 1;
    cost[1] = (int64_t)usage_mb_ms(record);
    cost[2] = 0;
    if (!admission->priced || !atomic_load(&account->monthly[2][month & 1].bounded)) {
        return;
    }
    const struct admission_prices *prices = &admission->prices;
    if (prices->worst(prices->ctx, account->account_id, record->started_us, usage_mb_ms(record), record->flags, &worst,
                      &err) != 0 ||
        prices->actual(prices->ctx, account->account_id, record, &actual, &err) != 0) {
        cost[2] = ticket->reserved_picos; /* not knowing the price: all that was held */
        return;
    }
    cost[2] = worst > actual ? worst : actual;
}

void account_settle(struct admission *admission, const struct admission_ticket *ticket,
                    const struct usage_record *record)
{
    struct account *account = ticket->account;
    const int64_t held[ADMISSION_MONTHLY_KINDS] = {1, (int64_t)ticket->reserved_mb_ms, ticket->reserved_picos};
    int64_t cost[ADMISSION_MONTHLY_KINDS] = {0};
    int64_t month = admission_month(admission, ticket->request.now_us);
    int64_t next = admission_month(admission, ticket->request.now_us + ADMISSION_ROLLOVER_US);
    int64_t counts = record != NULL ? admission_month(admission, record->started_us) : month;
    if (record != NULL) {
        costs(admission, ticket, record, counts, cost);
        if (cost[1] > held[1] || (held[2] > 0 && cost[2] > held[2])) {
            atomic_fetch_add(&admission->overdrafts, 1);
        }
    }
    for (int64_t m = month; m <= (next > counts ? next : counts); m++) {
        for (int i = 0; i < ADMISSION_MONTHLY_KINDS; i++) {
            struct pool *pool = &account->monthly[i][m & 1];
            if (atomic_load_explicit(&pool->month, memory_order_relaxed) == m) {
                pool_give(pool, m <= next ? held[i] : 0, m == counts ? cost[i] : 0);
            }
        }
    }
    give_concurrency(account, &ticket->request);
}

void admission_limit_set(struct admission *admission, int64_t account_id, enum quota_kind kind, int64_t limit)
{
    struct account *account = account_add(admission, account_id);
    CHECK(admission->conninfo == NULL && account != NULL);
    int64_t month = admission_month(admission, clock_wall_us());
    if (kind == QUOTA_REQUESTS_PER_SECOND) {
        account_rate_set(account, limit, 1);
        return;
    }
    for (int64_t m = month; m <= month + 1; m++) {
        struct pool *pool = &account->concurrency;
        if (kind >= QUOTA_REQUESTS_PER_MONTH) {
            pool = &account->monthly[kind - QUOTA_REQUESTS_PER_MONTH][m & 1];
        } else if (m > month) {
            break;
        }
        int64_t before = atomic_exchange(&pool->limit, limit);
        bool was = atomic_load(&pool->bounded);
        atomic_store(&pool->deadline_ns, INT64_MAX);
        atomic_fetch_add(&pool->free, (limit > 0 ? limit : 0) - (was && before > 0 ? before : 0));
        atomic_store(&pool->bounded, limit >= 0);
    }
}
