/* lease.c - see lease.h. */
#include "engine/lease.h"

#include "common/check.h"

void pool_demand(struct pool *pool, int64_t units)
{
    int64_t seen = atomic_load(&pool->demand_need);
    while (seen < units && !atomic_compare_exchange_weak(&pool->demand_need, &seen, units)) {
    }
    if (atomic_load(&pool->demand_sum) < LEASE_UNITS_MAX / 2 && units < LEASE_UNITS_MAX / 2) {
        atomic_fetch_add(&pool->demand_sum, units);
    }
}

void pool_reset(struct pool *pool, int64_t month)
{
    pool->lease = (struct lease){0};
    atomic_store(&pool->free, 0);
    atomic_store(&pool->spent, 0);
    atomic_store(&pool->deadline_ns, 0);
    atomic_store(&pool->demand_need, 0);
    atomic_store(&pool->demand_sum, 0);
    atomic_store(&pool->refuse_until_ns, 0);
    atomic_store(&pool->used, 0);
    atomic_store(&pool->held, 0);
    atomic_store(&pool->month, month);
}

void lease_return(struct pool *pool)
{
    pool->lease.wanted = true;
}

bool lease_quiet(const struct pool *pool)
{
    const struct lease *lease = &pool->lease;
    int64_t spent = atomic_load(&pool->spent) - lease->spent_base;
    return !lease->in_doubt && lease->need == 0 && atomic_load(&pool->demand_need) == 0 && spent == lease->mark_units &&
           lease->granted == spent;
}

/* Take everything that lies idle out of the pool. */
static int64_t drain(struct pool *pool)
{
    int64_t free = atomic_load(&pool->free);
    while (free > 0 && !atomic_compare_exchange_weak(&pool->free, &free, 0)) {
    }
    return free > 0 ? free : 0;
}

/* How much to ask for ahead: twice as much each time it was used up within a second. */
static void grow(struct lease *lease, int64_t need, int64_t now_ns)
{
    if (lease->chunk < need) {
        lease->chunk = need;
    }
    if (now_ns - lease->grown_ns < LEASE_IDLE_NS && lease->chunk < LEASE_UNITS_MAX / 4) {
        lease->chunk *= 2;
    }
    lease->grown_ns = now_ns;
}

static bool due(const struct pool *pool, int64_t free, int64_t spent, int64_t now_ns)
{
    const struct lease *lease = &pool->lease;
    bool bounded = atomic_load(&pool->bounded);
    int64_t age_ns = now_ns - lease->sent_ns;
    if (!bounded) {
        return false;
    }
    if (free < 0) {
        return true; /* used without a grant: the database must know */
    }
    if (lease->granted == 0 && spent == 0) {
        return false;
    }
    if (now_ns - atomic_load(&pool->touched_ns) < LEASE_IDLE_NS) {
        return age_ns >= LEASE_RENEW_NS ||
               (lease->chunk > 0 && free < lease->chunk / 2 && !lease->hungry && age_ns >= LEASE_RETRY_NS);
    }
    if (lease->granted > spent) {
        return age_ns >= LEASE_RENEW_NS || free > 0; /* calls still run, or something lies idle */
    }
    return spent != lease->mark_units && age_ns >= LEASE_MARK_NS;
}

bool lease_plan(struct pool *pool, int64_t now_ns, int64_t call_ms, uint64_t (*read_emitted)(void *ctx), void *ctx,
                struct lease_request *request)
{
    struct lease *lease = &pool->lease;
    if (lease->in_doubt) {
        *request = lease->request;
        lease->sent_ns = now_ns;
        return true;
    }
    if (atomic_exchange(&pool->asked, false)) {
        lease->wanted = true;
    }
    int64_t need = atomic_exchange(&pool->demand_need, 0);
    int64_t sum = atomic_exchange(&pool->demand_sum, 0);
    if (need > lease->need) {
        lease->need = need;
    }
    int64_t free = atomic_load(&pool->free);
    int64_t spent = atomic_load_explicit(&pool->spent, memory_order_acquire) - lease->spent_base;
    bool idle = now_ns - atomic_load(&pool->touched_ns) >= LEASE_IDLE_NS;
    bool back = free > 0 && (lease->wanted || lease->over || (idle && lease->need == 0) ||
                             (lease->short_since_ns != 0 && lease->need > free));
    if (lease->need == 0 && !back && !due(pool, free, spent, now_ns)) {
        return false;
    }
    *request = (struct lease_request){.sequence = lease->sequence + 1, .need = lease->need, .call_ms = call_ms};
    if (lease->need > 0) {
        grow(lease, lease->need, now_ns);
    }
    if (back) {
        request->giveback = drain(pool);
    }
    free = atomic_load(&pool->free);
    if (free < 0 && atomic_load(&pool->bounded)) {
        request->deficit = -free;
    }
    request->idle = free > 0 ? free : 0;
    if (lease->need > 0 || (!idle && !back)) {
        request->want = lease->wanted ? lease->need : lease->chunk - request->idle;
    }
    if (request->want < sum && !lease->wanted) {
        request->want = sum;
    }
    if (request->want < lease->need) {
        request->want = lease->need;
    }
    request->spent = spent;
    request->mark_units = spent;
    request->mark_sequence = (int64_t)read_emitted(ctx);
    lease->request = *request;
    lease->sequence++;
    lease->in_doubt = true;
    lease->sent_ns = now_ns;
    return true;
}

/* Put the grant into the pool; returns how much it was. */
static int64_t absorb(struct pool *pool, const struct lease_answer *answer)
{
    struct lease *lease = &pool->lease;
    int64_t added = answer->granted - (lease->granted - lease->request.giveback);
    if (!answer->known) {
        /* A new lease: it knows nothing of what was spent before, and that is in the records by now. */
        int64_t spent = atomic_load(&pool->spent);
        added += spent - lease->spent_base;
        lease->spent_base = spent;
    }
    lease->granted = answer->granted;
    lease->mark_units = answer->known ? answer->mark_units : 0;
    atomic_fetch_add(&pool->free, added);
    return added - (answer->known ? lease->request.deficit : 0);
}

enum lease_outcome lease_apply(struct pool *pool, const struct lease_answer *answer, int64_t sent_ns, int64_t now_ns)
{
    struct lease *lease = &pool->lease;
    CHECK(lease->in_doubt);
    int64_t need = lease->need;
    lease->in_doubt = false;
    int64_t grant = absorb(pool, answer);
    atomic_store(&pool->deadline_ns, sent_ns + LEASE_TTL_MS * INT64_C(1000000));
    atomic_store(&pool->limit, answer->unlimited ? -1 : answer->limit);
    atomic_store(&pool->used, answer->used);
    atomic_store(&pool->held, answer->escrow);
    lease->wanted = answer->wanted;
    lease->over = !answer->unlimited && answer->used > answer->limit - answer->escrow;
    lease->hungry = grant < lease->request.want; /* there is no more to be had ahead; ask only when needed */
    if (need == 0) {
        return LEASE_DONE;
    }
    if (answer->stale) {
        return LEASE_STALE;
    }
    if (atomic_load(&pool->free) >= need || answer->unlimited) {
        lease->need = 0;
        lease->short_since_ns = 0;
        atomic_store(&pool->refuse_until_ns, 0);
        return LEASE_DONE;
    }
    if (lease->short_since_ns == 0) {
        lease->short_since_ns = now_ns;
    }
    lease->chunk = 0;
    int64_t left = answer->limit - answer->used - answer->escrow;
    int64_t mine = atomic_load(&pool->free);
    if (now_ns - lease->short_since_ns < LEASE_WAIT_NS &&
        (left > 0 ? left : 0) + answer->others_idle + (mine > 0 ? mine : 0) >= need) {
        return LEASE_WAIT;
    }
    lease->need = 0;
    lease->short_since_ns = 0;
    atomic_store(&pool->refuse_need, need);
    atomic_store(&pool->refuse_until_ns, now_ns + LEASE_REFUSE_NS);
    return LEASE_REFUSED;
}
