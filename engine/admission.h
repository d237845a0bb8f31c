/*
 * admission.h - may this call run? A decision in memory, on numbers; then the settlement of what it really used.
 *
 * Why:       a hard cap must hold under any load and through any crash: reserve the worst case before the call runs,
 * settle the real cost after, give back the rest. No database round trip while a lease lasts. Units:     monthly quotas
 * count whole units: invocations, MB*ms, 10^-12 of the account's currency (picos). Time:      a call counts in the UTC
 * month it started in. Threads:   admission_reserve, _settle and _refuse from any thread, without blocking on the
 * database.
 */
#ifndef FARTHING_ENGINE_ADMISSION_H
#define FARTHING_ENGINE_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metering/record.h"

struct admission;
struct err;
struct farthing_hook;

/* Quotas of the design; order is the order of checking. */
enum quota_kind {
    QUOTA_CONCURRENCY,
    QUOTA_REQUESTS_PER_SECOND,
    QUOTA_REQUESTS_PER_MONTH,
    QUOTA_GB_SECONDS_PER_MONTH,
    QUOTA_SPEND_PER_MONTH,
    QUOTA_MEMORY_MB,  /* when a function is created or changed */
    QUOTA_FUNCTIONS,  /* when a function is created */
    QUOTA_CODE_BYTES, /* when code is stored */
    QUOTA_ASYNC_QUEUE /* when an event is queued */
};
#define QUOTA_KIND_COUNT 9

const char *quota_name(enum quota_kind kind); /* "concurrency", ... */
int quota_parse(const char *name, const char *field, enum quota_kind *kind, struct err *err);

/*
 * What the engine knows of prices: numbers handed in by whoever starts it (billing is above it). All in picos, rounded
 * up. worst   the most that a call of mb_ms started then can add to the month's bill: one request and mb_ms at the
 * highest price that may still come in this month. Asked in admission_reserve: memory only, no database. actual  at
 * least what this record adds to the month's bill, all meters included (storage, streamed bytes). month   the month's
 * bill so far without tax, by the rating code of the bill from usage_hourly as it is now. Asked from a background
 * thread; may use the database. What blocks is this number plus what is not in usage_hourly yet. A call is held at
 * worst, then at max(worst of its real MB*ms, actual) until its record is in usage_hourly; from then on month speaks
 * for it, so that the cap and the bill agree to the last digit. A NULL function: accounts with a blocking spend quota
 * are refused on this node.
 */
struct admission_prices {
    int (*worst)(void *ctx, int64_t account_id, int64_t started_us, uint64_t mb_ms, uint16_t flags, int64_t *picos,
                 struct err *err);
    int (*actual)(void *ctx, int64_t account_id, const struct usage_record *record, int64_t *picos, struct err *err);
    void *ctx;
    int (*month)(void *ctx, int64_t account_id, int64_t month_start_us, int64_t *picos, struct err *err);
};

struct admission_options {
    const char *conninfo;
    int64_t node_id;
    struct farthing_hook *hook; /* refusals are counted through it */
    const struct admission_prices *prices;
    int default_concurrency; /* 0: 1000; for accounts without a quota of their own */
};

struct admission_stats {
    int64_t accounts;          /* known to this node */
    int64_t running;           /* tickets out */
    int64_t admitted, refused; /* since start */
    int64_t refused_by_reason[USAGE_REFUSAL_REASON_COUNT];
    int64_t lease_requests; /* round trips */
    int64_t lease_failures; /* of these: no answer, asked again */
    int64_t overdrafts;     /* calls that cost more than was reserved for them */
    int64_t waiting;        /* callers told 2 and not woken yet */
    /* Escrows of monthly limits, set against the records once a minute (quota_reconcile_report). */
    int64_t escrows;         /* somebody holds something of them */
    int64_t escrows_ahead;   /* they claim more stored use than there is: never, or something is wrong */
    int64_t escrows_forfeit; /* a silent node holds a part */
};

struct admission_request {
    int64_t account_id;
    int64_t function_id;
    int memory_mib;
    int timeout_s;
    int init_limit_ms;        /* billed initialisation at most; 0 where init is not billed */
    int reserved_concurrency; /* of the function; -1: none */
    uint16_t flags;           /* USAGE_FLAG_PROVISIONED, USAGE_FLAG_ARM64 */
    int64_t now_us;           /* wall clock: decides the month */
};

/* What a running call holds; part of the invocation, given back once. */
struct admission_ticket {
    struct admission_request request;
    uint64_t reserved_mb_ms;
    int64_t reserved_picos;
    void *account; /* admission's own */
};

struct admission_refusal {
    enum usage_refusal_reason reason;
    enum quota_kind quota;
    int64_t limit, used, held;                         /* in the quota's units, for the answer */
    char limit_text[48], used_text[48], held_text[48]; /* the same as people write them: "400000", "12.5" */
    int64_t resets_at_us;                              /* 0: at once, when something finishes */
    int retry_after_s;
    char detail[200]; /* a sentence */
};

int admission_open(const struct admission_options *options, struct admission **admission, struct err *err);
void admission_close(struct admission **admission);

/*
 * 0: admitted, *ticket holds the reservation. 1: refused, *refusal says why (and it was counted). 2: not known yet: the
 * account's limits or a lease are being fetched in the background; wake (may be NULL) is called once, from another
 * thread, when asking again makes sense. Never blocks.
 */
int admission_reserve(struct admission *admission, const struct admission_request *request,
                      struct admission_ticket *ticket, struct admission_refusal *refusal, void (*wake)(void *ctx),
                      void *ctx);

/* The call is over and emitted as record (NULL: it never ran, everything goes back). */
void admission_settle(struct admission *admission, struct admission_ticket *ticket, const struct usage_record *record);

/* What is left of a limit that is counted in calls, as this node sees it. */
struct admission_room {
    enum quota_kind quota;
    int64_t limit, remaining;
    int64_t window_s; /* 0: the month */
    int64_t resets_after_s;
};
#define ADMISSION_ROOMS_MAX 2

/* Those limits of an account that block; says how many. Memory only, a few atomic reads. */
int admission_rooms(const struct admission *admission, int64_t account_id, int64_t now_us,
                    struct admission_room rooms[ADMISSION_ROOMS_MAX]);

/* Count a refusal decided elsewhere (scaling rate, capacity, suspended). */
void admission_count_refusal(struct admission *admission, int64_t account_id, int64_t function_id,
                             enum usage_refusal_reason reason);

void admission_stats(const struct admission *admission, struct admission_stats *stats);

/* A quota of this account changed (also heard through the database); effective within a second in any case. */
void admission_refresh(struct admission *admission, int64_t account_id);

/*
 * Usage of this account arrives by other ways than calls on this node (events, other runtimes' hooks): look at its
 * thresholds now and for a while. What recent usage there is of accounts with monthly quotas is found without this,
 * within ADMISSION_SWEEP_MS.
 */
#define ADMISSION_SWEEP_MS 5000
void admission_watch(struct admission *admission, int64_t account_id);

#endif
