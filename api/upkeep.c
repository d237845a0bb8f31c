#include "api/upkeep.h"

#include "billing/retention.h"
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "metering/daily.h"
#include "metering/seal.h"
#include "schema/pg.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_AFTER_MS 5000

struct upkeep {
    char *conninfo;
    int retention_days;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop;
};

static bool stopped(struct upkeep *upkeep)
{
    CHECK(pthread_mutex_lock(&upkeep->lock) == 0);
    bool stop = upkeep->stop;
    CHECK(pthread_mutex_unlock(&upkeep->lock) == 0);
    return stop;
}

/* True when it is time to stop. */
static bool wait_ms(struct upkeep *upkeep, int64_t ms)
{
    int64_t at_us = clock_mono_us() + ms * 1000;
    const struct timespec until = {.tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000) * 1000};
    CHECK(pthread_mutex_lock(&upkeep->lock) == 0);
    int rc = 0;
    while (!upkeep->stop && rc == 0) {
        rc = pthread_cond_timedwait(&upkeep->wake, &upkeep->lock, &until);
    }
    bool stop = upkeep->stop;
    CHECK(pthread_mutex_unlock(&upkeep->lock) == 0);
    return stop;
}

/* What was seen in the partition of a day, and what was in it when it was sealed. */
struct look {
    int64_t day_us;
    int64_t seen, sealed;
};

/* The looks of UPKEEP_DAYS days before today, kept by day as days pass. */
static void looks_move(struct look looks[UPKEEP_DAYS], int64_t first_us)
{
    for (int i = 0; i < UPKEEP_DAYS; i++) {
        struct look *look = &looks[(first_us / CALENDAR_DAY_US + i) % UPKEEP_DAYS];
        if (look->day_us != first_us + i * CALENDAR_DAY_US) {
            *look = (struct look){.day_us = first_us + i * CALENDAR_DAY_US, .seen = -1, .sealed = -1};
        }
    }
}

static int seal_day(struct pg *pg, struct look *look, struct err *err)
{
    struct seal_result result;
    if (seal_days(pg, look->day_us, look->day_us + CALENDAR_DAY_US, &result, err) != 0) {
        return -1;
    }
    if (result.days > 0) {
        look->sealed = look->seen;
    }
    if (result.accounts > 0) {
        char day[CALENDAR_TEXT_BYTES];
        calendar_format_day(look->day_us, day);
        LOG(LOG_LEVEL_INFO, "day.sealed", LF_STR("day", day), LF_I64("accounts", result.accounts),
            LF_I64("records", result.records));
    }
    return 0;
}

/* A day at a time, so that stopping need not wait for a month. */
static int seal(struct upkeep *upkeep, struct pg *pg, struct look looks[UPKEEP_DAYS], struct err *err)
{
    int64_t counts[UPKEEP_DAYS] = {0};
    int64_t first_us = calendar_day_start(clock_wall_us()) - UPKEEP_DAYS * CALENDAR_DAY_US;
    if (seal_activity(pg, first_us, UPKEEP_DAYS, counts, err) != 0) {
        return -1;
    }
    looks_move(looks, first_us);
    for (int i = 0; i < UPKEEP_DAYS && !stopped(upkeep); i++) {
        struct look *look = &looks[(first_us / CALENDAR_DAY_US + i) % UPKEEP_DAYS];
        bool settled = look->seen == counts[i];
        look->seen = counts[i];
        if (settled && look->seen != look->sealed && seal_day(pg, look, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool is_stopped(void *ctx)
{
    return stopped(ctx);
}

/* First of all: what is read most gets quicker by it. */
static int sum_days(struct upkeep *upkeep, struct pg *pg, struct err *err)
{
    struct daily_result result;
    if (daily_run(pg, DAILY_QUIET_S, is_stopped, upkeep, &result, err) != 0) {
        return err_wrap(err, "sum days");
    }
    if (result.summed > 0) {
        LOG(LOG_LEVEL_INFO, "days.summed", LF_I64("days", result.declared), LF_I64("accounts_and_days", result.summed));
    }
    return 0;
}

static int drop_old(struct pg *pg, int days, struct err *err)
{
    int64_t dropped = 0;
    int64_t kept = 0;
    if (retention_run(pg, clock_wall_us(), days, &dropped, &kept, err) != 0) {
        return -1;
    }
    if (dropped > 0 || kept > 0) {
        LOG(LOG_LEVEL_INFO, "records.dropped", LF_I64("days", dropped), LF_I64("days_not_billed_or_sealed", kept));
    }
    return 0;
}

static void *run(void *arg)
{
    struct upkeep *upkeep = arg;
    struct pg *pg = NULL;
    struct look looks[UPKEEP_DAYS] = {0};
    int64_t dropped_us = INT64_MIN;
    bool stop = wait_ms(upkeep, FIRST_AFTER_MS);
    while (!stop) {
        struct err err = {0};
        int rc = pg == NULL ? pg_open(upkeep->conninfo, &pg, &err) : pg_ensure(pg, &err);
        if (rc != 0 || sum_days(upkeep, pg, &err) != 0 || seal(upkeep, pg, looks, &err) != 0) {
            LOG(LOG_LEVEL_WARN, "upkeep.failed", LF_STR("error", err.text));
        } else if (upkeep->retention_days > 0 &&
                   (dropped_us == INT64_MIN ||
                    clock_mono_us() - dropped_us >= UPKEEP_RETENTION_PERIOD_MS * INT64_C(1000))) {
            dropped_us = clock_mono_us();
            if (drop_old(pg, upkeep->retention_days, &err) != 0) {
                LOG(LOG_LEVEL_WARN, "upkeep.failed", LF_STR("error", err.text));
            }
        }
        stop = wait_ms(upkeep, UPKEEP_PERIOD_MS);
    }
    pg_close(&pg);
    return NULL;
}

int upkeep_start(const char *conninfo, int retention_days, struct upkeep **out, struct err *err)
{
    struct upkeep *upkeep = calloc(1, sizeof *upkeep);
    char *copy = strdup(conninfo);
    pthread_condattr_t attributes;
    if (upkeep == NULL || copy == NULL) {
        free(upkeep);
        free(copy);
        return err_set(err, ERR_SYSTEM, "upkeep: out of memory");
    }
    upkeep->conninfo = copy;
    upkeep->retention_days = retention_days;
    CHECK(pthread_condattr_init(&attributes) == 0 && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&upkeep->lock, NULL) == 0 && pthread_cond_init(&upkeep->wake, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
    if (pthread_create(&upkeep->thread, NULL, run, upkeep) != 0) {
        (void)pthread_mutex_destroy(&upkeep->lock);
        (void)pthread_cond_destroy(&upkeep->wake);
        free(upkeep->conninfo);
        free(upkeep);
        return err_set(err, ERR_SYSTEM, "upkeep: no thread");
    }
    *out = upkeep;
    return 0;
}

void upkeep_stop(struct upkeep **out)
{
    struct upkeep *upkeep = *out;
    if (upkeep == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&upkeep->lock) == 0);
    upkeep->stop = true;
    CHECK(pthread_cond_signal(&upkeep->wake) == 0);
    CHECK(pthread_mutex_unlock(&upkeep->lock) == 0);
    CHECK(pthread_join(upkeep->thread, NULL) == 0);
    (void)pthread_mutex_destroy(&upkeep->lock);
    (void)pthread_cond_destroy(&upkeep->wake);
    free(upkeep->conninfo);
    free(upkeep);
    *out = NULL;
}
