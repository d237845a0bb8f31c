/*
 * lease.h - one node's slice of one limit: when to ask PostgreSQL for what, and what its answer means.
 *
 * Why:       the decisions are a pure function of numbers, so that a model can drive them with crashes, lost replies
 * and skewed clocks; sending (lease_store.h) and threads (admission_worker.c) are elsewhere. Units:     *_ns
 * CLOCK_MONOTONIC; amounts in the quota's units. Threads:   a pool's atomics: any. lease_plan and lease_apply: the one
 * thread that looks after the pool.
 */
#ifndef FARTHING_ENGINE_LEASE_H
#define FARTHING_ENGINE_LEASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LEASE_TTL_MS 10000  /* a node may spend its slice this long after it *began* to ask */
#define LEASE_GRACE_MS 5000 /* the database waits this much longer */
#define LEASE_RENEW_NS INT64_C(2500000000)
#define LEASE_IDLE_NS INT64_C(1000000000) /* unused this long: what is free goes back */
#define LEASE_MARK_NS INT64_C(250000000)  /* how often an idle lease tells what it has spent since */
#define LEASE_WAIT_NS INT64_C(1000000000) /* how long callers wait for other nodes to give back */
#define LEASE_RETRY_NS INT64_C(30000000)
#define LEASE_REFUSE_NS INT64_C(500000000) /* after a no: how long it is repeated without asking */
#define LEASE_UNITS_MAX (INT64_C(1) << 62)
#define LEASE_NAME_BYTES 40

/* What one node may spend of one limit. */
struct pool;

/* Sent to quota_lease_renew(); see schema/migrations/0040_quota_leases.sql. */
struct lease_request {
    int64_t sequence;
    int64_t giveback, deficit, need, want;
    int64_t spent, idle;
    int64_t mark_units, mark_sequence;
    int64_t call_ms;
};

struct lease_answer {
    bool known;      /* false: the lease was swept, this is a new one */
    bool unlimited;  /* nothing blocks any more */
    bool stale;      /* usage must be read before anything can be given: spend by the node, the rest by asking again */
    bool wanted;     /* another node asks for what lies idle */
    int64_t granted; /* in all, since the lease began */
    int64_t mark_units; /* the mark the database keeps */
    int64_t limit, used, escrow, others_idle;
    int64_t used_age_ms;
    int64_t nodes;
};

enum lease_outcome {
    LEASE_DONE,    /* who waits should ask again */
    LEASE_WAIT,    /* others may give back: ask again in LEASE_RETRY_NS */
    LEASE_REFUSED, /* there is not enough: callers are refused from memory for LEASE_REFUSE_NS */
    LEASE_STALE    /* spend: read usage; then ask again */
};

/* The worker's part of a pool. */
struct lease {
    int64_t granted;    /* as the database last said */
    int64_t spent_base; /* pool.spent when the lease began */
    int64_t sequence;   /* of the last request made; 0: none */
    bool in_doubt;      /* the last request has no answer: it is sent again, unchanged */
    struct lease_request request;
    int64_t mark_units; /* the mark the database keeps */
    int64_t need;       /* smallest useful grant of those who wait */
    int64_t chunk;      /* what is asked for ahead */
    int64_t sent_ns, grown_ns, short_since_ns;
    bool wanted, over, hungry;
};

struct pool {
    _Atomic int64_t free;        /* may be taken; negative: used without a grant */
    _Atomic int64_t spent;       /* by finished calls, since the node started */
    _Atomic int64_t deadline_ns; /* nothing may be taken from then on */
    _Atomic bool bounded;        /* a limit blocks */
    _Atomic int64_t month;       /* monthly pools: number of the month (year * 12 + month - 1 - 1970 * 12); -1: none */
    _Atomic int64_t touched_ns;  /* last take */
    _Atomic int64_t demand_need, demand_sum; /* of callers that found too little since the last plan: largest, sum */
    _Atomic int64_t refuse_until_ns, refuse_need;
    _Atomic bool asked;                /* another node wants what lies idle here */
    _Atomic int64_t limit, used, held; /* as last heard, for answers to people */
    struct lease lease;
};

/*
 * Take units for a call. False: too little, or past the deadline. Wait-free but for contention on the same pool; a
 * caller that is told false left nothing behind.
 */
static inline bool pool_take(struct pool *pool, int64_t units, int64_t now_ns)
{
    if (!atomic_load_explicit(&pool->bounded, memory_order_acquire)) {
        atomic_fetch_sub_explicit(&pool->free, units, memory_order_relaxed);
        return true;
    }
    if (now_ns >= atomic_load_explicit(&pool->deadline_ns, memory_order_relaxed)) {
        return false;
    }
    int64_t free = atomic_load_explicit(&pool->free, memory_order_relaxed);
    do {
        if (free < units) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&pool->free, &free, free - units, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

/* Give units back; spent of them were really used. spent may be more than units: an overdraft. */
static inline void pool_give(struct pool *pool, int64_t units, int64_t spent)
{
    if (spent != 0) {
        atomic_fetch_add_explicit(&pool->spent, spent, memory_order_release);
    }
    atomic_fetch_add_explicit(&pool->free, units - spent, memory_order_release);
}

/* Remember that a caller needs units that were not there. */
void pool_demand(struct pool *pool, int64_t units);

/* Forget everything; the pool is for month from now on. */
void pool_reset(struct pool *pool, int64_t month);

/*
 * What to send now, if anything: false when there is nothing to say. emitted: records emitted by this node's hook, read
 * *by this call* after it read what was spent (read_emitted(ctx)); call_ms: longest a call can last.
 */
bool lease_plan(struct pool *pool, int64_t now_ns, int64_t call_ms, uint64_t (*read_emitted)(void *ctx), void *ctx,
                struct lease_request *request);

/* The answer to the planned request, which was begun to be sent at sent_ns. */
enum lease_outcome lease_apply(struct pool *pool, const struct lease_answer *answer, int64_t sent_ns, int64_t now_ns);

/* Everything that lies idle goes back with the next plan. */
void lease_return(struct pool *pool);
/* Nothing is held, nothing is left to tell. */
bool lease_quiet(const struct pool *pool);

#endif
