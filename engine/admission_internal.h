/*
 * admission_internal.h - what the files of admission share; nobody else includes it.
 *
 * A pool is what one node may spend of one limit. Its atomics are touched by every call; its lease (lease.h) is how the
 * pool is filled from and emptied into PostgreSQL, and only the worker that owns the account touches that.
 *
 *     granted by the database = free + reserved by running calls + spent by finished ones          (since the lease
 * began)
 *
 * so reserve and settle move units between the terms, and only the worker moves them across the equals sign. Where no
 * limit blocks, calls still move units and free goes below zero: when a limit is set, what runs already is accounted
 * for.
 */
#ifndef FARTHING_ENGINE_ADMISSION_INTERNAL_H
#define FARTHING_ENGINE_ADMISSION_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/admission.h"
#include "engine/lease.h"

struct pg;

#define ADMISSION_ACCOUNT_BUCKETS 131072 /* a power of two; chains beyond */
#define ADMISSION_WORKERS 2
#define ADMISSION_MONTHS 2772                   /* 1970 to 2200 */
#define ADMISSION_ROLLOVER_US INT64_C(60000000) /* this close to the month's end a call reserves in both months */
#define ADMISSION_MONTHLY_KINDS 3
#define ADMISSION_DEFAULT_CONCURRENCY 1000
#define ADMISSION_WORST_CACHE 4

struct function_pool {
    struct function_pool *next;
    int64_t function_id;
    struct pool pool;
};

/* A worst price asked lately; sequence is odd while it is being written. */
struct worst_entry {
    _Atomic uint64_t sequence;
    _Atomic uint64_t mb_ms;
    _Atomic int64_t month;
    _Atomic int64_t flags;
    _Atomic int64_t picos;
    _Atomic int64_t expires_ns;
};

struct waiter {
    struct waiter *next;
    void (*wake)(void *ctx);
    void *ctx;
};

struct account {
    struct account *_Atomic next; /* in its bucket; accounts are never removed */
    int64_t account_id;
    _Atomic bool loaded;            /* limits are known */
    _Atomic int64_t unavailable_ns; /* until then: the database did not answer */
    _Atomic int64_t call_ms;        /* longest a call of this account can last */
    _Atomic int64_t rate_limit;     /* -1: none */
    _Atomic int64_t rate_interval_ns, rate_tolerance_ns;
    _Atomic int64_t rate_next_ns;      /* when the bucket would be full again (GCRA's theoretical arrival time) */
    _Atomic int64_t admitted, settled; /* calls since start; kept here so that accounts do not share a cache line */
    struct pool concurrency;
    struct pool monthly[ADMISSION_MONTHLY_KINDS][2]; /* requests, MB*ms, picos; by parity of the month */
    struct function_pool *_Atomic reserved;
    struct worst_entry worst[ADMISSION_WORST_CACHE];

    pthread_mutex_t lock; /* waiters, adding function pools */
    struct waiter *waiters;
    _Atomic bool queued, reload;
    _Atomic bool watched;                   /* has a monthly quota: thresholds are looked at */
    _Atomic int64_t watched_ns;             /* when usage last arrived by other ways than calls here */
    int64_t swept_invocations, swept_mb_ms; /* of recent hours, as last seen; upkeep thread only */
    int64_t looked_ns;                      /* when they were last; worker only */
    struct account *queue_next;             /* worker's queue, under the worker's lock */
    struct account *active_next;            /* worker only */
    bool active;
    int nodes; /* sharing it, as the database last said */
};

struct bucket {
    struct account *_Atomic first;
};

struct refusals;

struct worker {
    struct admission *admission;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop; /* under lock */
    struct account *queue_head, *queue_tail;
    struct account *active; /* accounts with leases to look after; worker thread only */
    struct pg *pg;          /* worker thread only */
};

struct admission {
    char *conninfo; /* NULL: memory only, limits are set with admission_limit_set */
    int64_t node_id;
    int64_t holder; /* random: this run of this node */
    int64_t started_us;
    struct farthing_hook *hook;
    uint64_t producer_id, epoch;
    struct admission_prices prices;
    bool priced;
    int64_t default_concurrency;
    int64_t months[ADMISSION_MONTHS + 1]; /* starts of months, us */
    struct bucket *buckets;
    pthread_mutex_t add_lock; /* adding accounts */
    struct refusals *refusals;
    struct worker workers[ADMISSION_WORKERS];
    pthread_t listener;
    bool listener_started;
    pthread_t upkeep;
    bool upkeep_started;
    pthread_mutex_t upkeep_lock;
    pthread_cond_t upkeep_wake;
    _Atomic bool stop;
    _Atomic int64_t escrows, escrows_ahead, escrows_forfeit;
    _Atomic int64_t accounts, refused, lease_requests, lease_failures, overdrafts, waiting;
    _Atomic int64_t refused_by_reason[USAGE_REFUSAL_REASON_COUNT];
};

enum verdict { VERDICT_TAKEN, VERDICT_REFUSED, VERDICT_ASK };

/* What stopped a call. */
struct obstacle {
    enum usage_refusal_reason reason;
    enum quota_kind kind;
    struct pool *pool; /* NULL: rate, or a reserved concurrency of 0 */
    int64_t need;
    int64_t month;   /* number of the month the pool must be for */
    int64_t wait_ns; /* rate: until a token is there */
};

/* ---- admission_core.c: memory only ---- */
int admission_core_init(struct admission *admission, struct err *err);
void admission_core_free(struct admission *admission);
struct account *account_find(const struct admission *admission, int64_t account_id);
/* Finds or makes; NULL when out of memory. */
struct account *account_add(struct admission *admission, int64_t account_id);
int64_t admission_month(const struct admission *admission, int64_t at_us);
enum verdict account_try(struct admission *admission, struct account *account, const struct admission_request *request,
                         int64_t now_ns, struct admission_ticket *ticket, struct obstacle *obstacle);
void account_settle(struct admission *admission, const struct admission_ticket *ticket,
                    const struct usage_record *record);
struct pool *account_function_pool(struct account *account, int64_t function_id);
/* limit < 0: none; nodes: how many share it. */
void account_rate_set(struct account *account, int64_t limit, int nodes);
/* Memory only: a limit this node alone may spend. For tests, benchmarks and nodes without a database. */
void admission_limit_set(struct admission *admission, int64_t account_id, enum quota_kind kind, int64_t limit);

/* ---- admission_refusal.c ---- */
int refusals_new(struct refusals **refusals, struct err *err);
void refusals_free(struct refusals **refusals);
void refusals_count(struct admission *admission, int64_t account_id, int64_t function_id,
                    enum usage_refusal_reason reason, int64_t now_us);
/* Hand what was counted to the hook; what it does not take stays for the next time. */
void refusals_flush(struct admission *admission);
void refusal_fill(struct admission *admission, const struct account *account, const struct admission_request *request,
                  const struct obstacle *obstacle, int64_t now_ns, struct admission_refusal *refusal);

/* ---- admission_worker.c ---- */
int admission_workers_start(struct admission *admission, struct err *err);
void admission_workers_stop(struct admission *admission);
void worker_queue(struct admission *admission, struct account *account);
/* Another node wants what lies idle of a limit here. */
void worker_want(struct admission *admission, int64_t account_id, const char *name, int64_t month);
int64_t month_start_us(const struct admission *admission, int64_t month);

/* ---- admission_upkeep.c ---- */
int upkeep_thread_start(struct admission *admission, struct err *err);
/* After stop was set. */
void upkeep_thread_stop(struct admission *admission);

/* ---- admission_listener.c ---- */
int listener_start(struct admission *admission, struct err *err);
void listener_stop(struct admission *admission);

#endif
