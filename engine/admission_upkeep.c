/*
 * admission_upkeep.c - a thread for what need not be fast: thresholds of use that came without a call here, escrow set
 * against the records, rows of months long over. It never delays the thread that hears of changed limits.
 */
#include <time.h>

#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "engine/admission_internal.h"
#include "engine/quota_internal.h"
#include "schema/pg.h"

#define SWEEP_BACK_US INT64_C(3600000000)
#define RECONCILE_MS 60000
#define PURGE_MS INT64_C(21600000)
#define PURGE_FIRST_MS 60000

/* Usage that came without a call here: other nodes, other runtimes, late records. What moved is looked at. */
static void on_active(int64_t account_id, int64_t invocations, int64_t mb_ms, void *ctx)
{
    struct admission *admission = ctx;
    struct account *account = account_add(admission, account_id);
    if (account != NULL && (account->swept_invocations != invocations || account->swept_mb_ms != mb_ms)) {
        account->swept_invocations = invocations;
        account->swept_mb_ms = mb_ms;
        admission_watch(admission, account_id);
    }
}

static int sweep(struct admission *admission, struct pg *pg, struct err *err)
{
    int64_t from_us = calendar_hour_start(clock_wall_us()) - SWEEP_BACK_US;
    return quota_store_active(pg, from_us, on_active, admission, err);
}

#define AHEAD_MAX 64 /* put right in one go; the rest a minute later */

struct reconciled {
    struct admission *admission;
    int64_t escrows, ahead, forfeit;
    struct quota_escrow wrong[AHEAD_MAX];
    int wrong_count;
};

/* Spend: the rating code says what the records cost. */
static int on_escrow(const struct quota_escrow *row, void *ctx, struct err *err)
{
    struct reconciled *sum = ctx;
    const struct admission_prices *prices = &sum->admission->prices;
    struct quota_escrow escrow = *row;
    if (escrow.spend && sum->admission->priced &&
        prices->month(prices->ctx, escrow.account_id, escrow.period_us, &escrow.recorded, err) != 0) {
        return -1;
    }
    sum->escrows++;
    sum->forfeit += escrow.forfeit > 0;
    if (escrow.stored > escrow.recorded) {
        sum->ahead++;
        LOG(LOG_LEVEL_ERROR, "quota.ahead_of_records", LF_I64("account_id", escrow.account_id),
            LF_STR("quota", escrow.name), LF_I64("claims", escrow.stored), LF_I64("recorded", escrow.recorded));
        if (!escrow.spend && sum->wrong_count < AHEAD_MAX) {
            sum->wrong[sum->wrong_count++] = escrow;
        }
    }
    return 0;
}

static int reconcile(struct admission *admission, struct pg *pg, struct err *err)
{
    struct reconciled sum = {.admission = admission};
    if (quota_reconcile_report(pg, on_escrow, &sum, err) != 0) {
        return -1;
    }
    for (int i = 0; i < sum.wrong_count; i++) {
        int64_t by = 0;
        if (quota_store_heal(pg, &sum.wrong[i], &by, err) != 0) {
            return -1;
        }
        LOG(LOG_LEVEL_INFO, "quota.healed", LF_I64("account_id", sum.wrong[i].account_id),
            LF_STR("quota", sum.wrong[i].name), LF_I64("by", by));
    }
    atomic_store(&admission->escrows, sum.escrows);
    atomic_store(&admission->escrows_ahead, sum.ahead);
    atomic_store(&admission->escrows_forfeit, sum.forfeit);
    return 0;
}

static int purge(struct pg *pg, struct err *err)
{
    int64_t removed = 0;
    if (quota_store_purge(pg, &removed, err) != 0) {
        return -1;
    }
    if (removed > 0) {
        LOG(LOG_LEVEL_INFO, "quota.purged", LF_I64("rows", removed));
    }
    return 0;
}

/* False when it is time to stop. */
static bool rest(struct admission *admission, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = (long)(until_ms % 1000) * 1000000};
    CHECK(pthread_mutex_lock(&admission->upkeep_lock) == 0);
    while (!atomic_load(&admission->stop) && clock_mono_us() / 1000 < until_ms) {
        (void)pthread_cond_timedwait(&admission->upkeep_wake, &admission->upkeep_lock, &until);
    }
    CHECK(pthread_mutex_unlock(&admission->upkeep_lock) == 0);
    return !atomic_load(&admission->stop);
}

static void *upkeep_main(void *ctx)
{
    struct admission *admission = ctx;
    struct pg *pg = NULL;
    int64_t now_ms = clock_mono_us() / 1000;
    int64_t reconcile_ms = now_ms;
    int64_t purge_ms = now_ms + PURGE_FIRST_MS;
    do {
        struct err err = {0};
        now_ms = clock_mono_us() / 1000;
        bool fine = (pg == NULL ? pg_open(admission->conninfo, &pg, &err) : pg_ensure(pg, &err)) == 0 &&
                    sweep(admission, pg, &err) == 0;
        if (fine && now_ms >= reconcile_ms) {
            reconcile_ms = now_ms + RECONCILE_MS;
            fine = reconcile(admission, pg, &err) == 0;
        }
        if (fine && now_ms >= purge_ms) {
            purge_ms = now_ms + PURGE_MS;
            fine = purge(pg, &err) == 0;
        }
        if (!fine) {
            LOG(LOG_LEVEL_WARN, "quota.upkeep_failed", LF_STR("error", err.text));
        }
    } while (rest(admission, now_ms + ADMISSION_SWEEP_MS));
    pg_close(&pg);
    return NULL;
}

int upkeep_thread_start(struct admission *admission, struct err *err)
{
    pthread_condattr_t attributes;
    if (admission->conninfo == NULL) {
        return 0;
    }
    CHECK(pthread_mutex_init(&admission->upkeep_lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&admission->upkeep_wake, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&admission->upkeep, NULL, upkeep_main, admission) != 0) {
        return err_set(err, ERR_SYSTEM, "admission: cannot start a thread");
    }
    admission->upkeep_started = true;
    return 0;
}

void upkeep_thread_stop(struct admission *admission)
{
    if (!admission->upkeep_started) {
        return;
    }
    CHECK(pthread_mutex_lock(&admission->upkeep_lock) == 0);
    CHECK(pthread_cond_signal(&admission->upkeep_wake) == 0);
    CHECK(pthread_mutex_unlock(&admission->upkeep_lock) == 0);
    CHECK(pthread_join(admission->upkeep, NULL) == 0);
    pthread_cond_destroy(&admission->upkeep_wake);
    pthread_mutex_destroy(&admission->upkeep_lock);
    admission->upkeep_started = false;
}
