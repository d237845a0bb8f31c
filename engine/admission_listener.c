/*
 * admission_listener.c - one thread that hears of changed limits and wanted leases, polls in case it did not hear, and
 * hands refusals to the hook once a second.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "engine/admission_internal.h"
#include "engine/lease_store.h"
#include "engine/quota_internal.h"
#include "schema/pg.h"

#define POLL_MS 500
#define FLUSH_NS INT64_C(1000000000)
#define STEP_MS 100                      /* how soon it notices that it has to stop */
#define POLL_OVERLAP_US INT64_C(2000000) /* transactions commit later than they begin */

static void refresh_all(struct admission *admission)
{
    for (size_t i = 0; i < ADMISSION_ACCOUNT_BUCKETS; i++) {
        struct account *account = atomic_load(&admission->buckets[i].first);
        for (; account != NULL; account = atomic_load(&account->next)) {
            atomic_store(&account->reload, true);
            worker_queue(admission, account);
        }
    }
}

static void changed(struct admission *admission, int64_t account_id)
{
    if (account_id == 0) {
        refresh_all(admission);
    } else {
        admission_refresh(admission, account_id);
    }
}

static void hear(struct admission *admission, const char *payload)
{
    long long account_id = 0;
    char name[LEASE_NAME_BYTES];
    char day[16];
    int64_t at_us = 0;
    struct err err = {0};
    if (sscanf(payload, "change %lld", &account_id) == 1) {
        changed(admission, account_id);
    } else if (sscanf(payload, "want %lld %39s %15s", &account_id, name, day) == 3 &&
               calendar_parse(day, "period", &at_us, &err) == 0) {
        worker_want(admission, account_id, name, admission_month(admission, at_us));
    }
}

static void on_change(int64_t account_id, void *ctx)
{
    changed(ctx, account_id);
}

/* Connect, listen, and look at what changed while nobody listened. */
static int attend(struct admission *admission, struct pg **pg, struct err *err)
{
    if (*pg == NULL) {
        if (pg_open(admission->conninfo, pg, err) != 0) {
            return -1;
        }
        if (pg_listen(*pg, "farthing_quota", err) != 0 ||
            (admission->node_id != 0 &&
             lease_store_forget_runs(*pg, admission->node_id, admission->holder, admission->started_us, err) != 0)) {
            pg_close(pg);
            return -1;
        }
    }
    return 0;
}

static void pause_ms(int ms)
{
    struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&span, NULL); /* lint: nothing to wait on, the server is gone */
}

static void *listener_main(void *ctx)
{
    struct admission *admission = ctx;
    struct pg *pg = NULL;
    int64_t polled_ns = 0;
    int64_t flushed_ns = clock_mono_ns();
    int64_t since_us = -1;
    char payload[256];
    while (!atomic_load(&admission->stop)) {
        struct err err = {0};
        bool arrived = false;
        if (clock_mono_ns() - flushed_ns >= FLUSH_NS) {
            refusals_flush(admission);
            flushed_ns = clock_mono_ns();
        }
        if (admission->conninfo == NULL) {
            pause_ms(STEP_MS);
            continue;
        }
        bool fine = attend(admission, &pg, &err) == 0 &&
                    pg_wait_notify(pg, STEP_MS, &arrived, payload, sizeof payload, &err) == 0;
        if (fine && arrived) {
            hear(admission, payload);
        }
        if (fine && clock_mono_ns() - polled_ns >= POLL_MS * INT64_C(1000000)) {
            bool first = since_us < 0;
            fine = quota_store_changes(pg, since_us, POLL_OVERLAP_US, &since_us, on_change, admission, &err) == 0;
            polled_ns = clock_mono_ns();
            if (fine && first) {
                refresh_all(admission); /* limits read before this thread listened may have changed since */
            }
        }
        if (!fine) {
            LOG(LOG_LEVEL_WARN, "quota.deaf", LF_STR("error", err.text));
            pg_close(&pg);
            pause_ms(STEP_MS);
        }
    }
    pg_close(&pg);
    return NULL;
}

int listener_start(struct admission *admission, struct err *err)
{
    if (admission->conninfo == NULL && admission->hook == NULL) {
        return 0;
    }
    if (pthread_create(&admission->listener, NULL, listener_main, admission) != 0) {
        return err_set(err, ERR_SYSTEM, "admission: cannot start a thread");
    }
    admission->listener_started = true;
    return 0;
}

void listener_stop(struct admission *admission)
{
    if (admission->listener_started) {
        CHECK(pthread_join(admission->listener, NULL) == 0);
        admission->listener_started = false;
    }
}
