/*
 * admission_refusal.c - what a refused caller is told, and how refusals are counted.
 *
 * Refusals of the same account, function, reason and hour are added up here and handed to the hook as one record about
 * once a second, so a flood of refusals costs the spool nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/map.h"
#include "engine/admission_internal.h"
#include "engine/quota.h"
#include "metering/hook.h"

#define REFUSAL_KEYS_MAX 100000 /* beyond: counted in the statistics only until the next flush */

struct refusal_key {
    int64_t account_id, function_id, hour_us, reason;
};

struct refusal_count {
    struct refusal_key key;
    int64_t count;
    struct refusal_count *next;
};

struct refusals {
    pthread_mutex_t lock;
    struct map *map;
    struct refusal_count *list;
};

int refusals_new(struct refusals **refusals, struct err *err)
{
    struct refusals *self = calloc(1, sizeof *self);
    if (self == NULL || (self->map = map_new()) == NULL) {
        free(self);
        return err_set(err, ERR_SYSTEM, "refusals: out of memory");
    }
    CHECK(pthread_mutex_init(&self->lock, NULL) == 0);
    *refusals = self;
    return 0;
}

static void list_free(struct refusal_count *list)
{
    while (list != NULL) {
        struct refusal_count *next = list->next;
        free(list);
        list = next;
    }
}

void refusals_free(struct refusals **refusals)
{
    struct refusals *self = *refusals;
    if (self != NULL) {
        list_free(self->list);
        map_free(&self->map);
        pthread_mutex_destroy(&self->lock);
        free(self);
        *refusals = NULL;
    }
}

/* The lock is held. */
static void add(struct refusals *self, const struct refusal_key *key, int64_t count)
{
    struct refusal_count *entry = map_get(self->map, key, sizeof *key);
    if (entry == NULL) {
        entry = map_count(self->map) < REFUSAL_KEYS_MAX ? calloc(1, sizeof *entry) : NULL;
        if (entry == NULL) {
            return;
        }
        entry->key = *key;
        if (map_put(self->map, key, sizeof *key, entry) != 0) {
            free(entry);
            return;
        }
        entry->next = self->list;
        self->list = entry;
    }
    entry->count += count;
}

void refusals_count(struct admission *admission, int64_t account_id, int64_t function_id,
                    enum usage_refusal_reason reason, int64_t now_us)
{
    struct refusal_key key = {account_id, function_id, calendar_hour_start(now_us), (int64_t)reason};
    atomic_fetch_add_explicit(&admission->refused, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&admission->refused_by_reason[reason], 1, memory_order_relaxed);
    CHECK(pthread_mutex_lock(&admission->refusals->lock) == 0);
    add(admission->refusals, &key, 1);
    CHECK(pthread_mutex_unlock(&admission->refusals->lock) == 0);
}

void refusals_flush(struct admission *admission)
{
    struct refusals *self = admission->refusals;
    struct map *fresh = admission->hook != NULL ? map_new() : NULL;
    if (fresh == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&self->lock) == 0);
    struct refusal_count *list = self->list;
    struct map *old = self->map;
    self->list = NULL;
    self->map = fresh;
    CHECK(pthread_mutex_unlock(&self->lock) == 0);
    map_free(&old);
    for (const struct refusal_count *entry = list; entry != NULL; entry = entry->next) {
        struct usage_record record = {
            .kind = USAGE_KIND_REFUSALS,
            .status = (uint8_t)entry->key.reason,
            .account_id = entry->key.account_id,
            .function_id = entry->key.function_id,
            .started_us = entry->key.hour_us,
            .response_bytes = (uint64_t)entry->count,
            .node_id = (uint32_t)admission->node_id,
        };
        int rc = farthing_hook_emit(admission->hook, &record);
        if (rc == FARTHING_HOOK_FULL || rc == FARTHING_HOOK_FAILED) {
            CHECK(pthread_mutex_lock(&self->lock) == 0);
            add(self, &entry->key, entry->count);
            CHECK(pthread_mutex_unlock(&self->lock) == 0);
        }
    }
    list_free(list);
}

/* "12.5 GB-seconds", "200.00 in the account's currency". */
static const char *unit_words(enum quota_kind kind)
{
    switch (kind) {
    case QUOTA_CONCURRENCY:
        return " concurrent calls";
    case QUOTA_REQUESTS_PER_SECOND:
        return " calls a second";
    case QUOTA_REQUESTS_PER_MONTH:
        return " calls a month";
    case QUOTA_GB_SECONDS_PER_MONTH:
        return " GB-seconds a month";
    case QUOTA_SPEND_PER_MONTH:
        return " a month in the account's currency";
    case QUOTA_MEMORY_MB:
        return " MB of memory";
    case QUOTA_FUNCTIONS:
        return " functions";
    case QUOTA_CODE_BYTES:
        return " bytes of code";
    case QUOTA_ASYNC_QUEUE:
        return " queued events";
    }
    return "";
}

static void describe(const struct admission_request *request, const struct obstacle *obstacle,
                     struct admission_refusal *refusal)
{
    char *text = refusal->detail;
    size_t size = sizeof refusal->detail;
    if (obstacle->reason == USAGE_REFUSED_CAPACITY) {
        (void)snprintf(text, size, "The account's limits cannot be read at the moment. Nothing ran; try again.");
    } else if (obstacle->reason == USAGE_REFUSED_RESERVED_CONCURRENCY) {
        (void)snprintf(text, size, "The function's reserved concurrency of %d is in use%s.",
                       request->reserved_concurrency, request->reserved_concurrency == 0 ? ": it is switched off" : "");
    } else if (obstacle->reason == USAGE_REFUSED_SPEND && obstacle->pool == NULL) {
        (void)snprintf(text, size, "The account has a spending limit, and this node cannot tell the price of a call.");
    } else if (obstacle->kind <= QUOTA_REQUESTS_PER_SECOND) {
        (void)snprintf(text, size, "The limit of %s%s is reached.", refusal->limit_text, unit_words(obstacle->kind));
    } else {
        char need[48];
        quota_units_format(obstacle->kind, obstacle->need, need);
        (void)snprintf(text, size,
                       "The call could use up to %.20s. The limit is %.20s%s; %.20s is used, %.20s held for calls.",
                       need, refusal->limit_text, unit_words(obstacle->kind), refusal->used_text, refusal->held_text);
    }
}

void refusal_fill(struct admission *admission, const struct account *account, const struct admission_request *request,
                  const struct obstacle *obstacle, int64_t now_ns, struct admission_refusal *refusal)
{
    (void)now_ns;
    *refusal = (struct admission_refusal){.reason = obstacle->reason, .quota = obstacle->kind, .retry_after_s = 1};
    const struct pool *pool = obstacle->pool;
    if (pool != NULL) {
        refusal->limit = atomic_load(&pool->limit);
        refusal->used = atomic_load(&pool->used);
        refusal->held = atomic_load(&pool->held);
    } else if (obstacle->kind == QUOTA_REQUESTS_PER_SECOND && account != NULL) {
        refusal->limit = atomic_load(&account->rate_limit);
        refusal->used = refusal->limit;
        refusal->retry_after_s = (int)((obstacle->wait_ns + INT64_C(999999999)) / INT64_C(1000000000));
    } else if (request->reserved_concurrency >= 0) {
        refusal->limit = request->reserved_concurrency;
    }
    if (obstacle->kind >= QUOTA_REQUESTS_PER_MONTH && obstacle->kind <= QUOTA_SPEND_PER_MONTH) {
        int64_t month = admission_month(admission, request->now_us);
        refusal->resets_at_us = month_start_us(admission, month + 1);
        /* Units that were just stored are counted as held for a moment longer; what is really held always fits. */
        int64_t room = refusal->limit > refusal->used ? refusal->limit - refusal->used : 0;
        refusal->held = refusal->held < room ? refusal->held : room;
        /* When nothing is held by running calls, waiting for them is useless: come back when the month is over. */
        int64_t wait_s = (refusal->resets_at_us - request->now_us + 999999) / 1000000;
        refusal->retry_after_s = refusal->held > 0 ? 1 : (int)wait_s;
    } else if (refusal->quota == QUOTA_CONCURRENCY && refusal->reason != USAGE_REFUSED_CAPACITY) {
        refusal->used = refusal->limit;
    }
    quota_units_format(obstacle->kind, refusal->limit, refusal->limit_text);
    quota_units_format(obstacle->kind, refusal->used, refusal->used_text);
    quota_units_format(obstacle->kind, refusal->held, refusal->held_text);
    describe(request, obstacle, refusal);
}
