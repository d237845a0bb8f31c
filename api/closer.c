#include "api/closer.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct closer {
    struct closer_options options;
    char *conninfo;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, asked;
    struct closer_request request;
    char *accounts;
    struct month closed; /* by itself, or found closed */
    struct closer_status status;
};

static void on_progress(int64_t accounts, int64_t total, int64_t issued, void *ctx)
{
    struct closer *closer = ctx;
    CHECK(pthread_mutex_lock(&closer->lock) == 0);
    closer->status.accounts = accounts;
    closer->status.total = total;
    closer->status.issued = issued;
    CHECK(pthread_mutex_unlock(&closer->lock) == 0);
}

static void log_end(const struct closer_status *status)
{
    char month[CALENDAR_TEXT_BYTES];
    month_format(status->month, month);
    if (status->state == CLOSER_DONE) {
        LOG(LOG_LEVEL_INFO, "month.closed", LF_STR("month", month), LF_I64("issued", status->result.issued),
            LF_I64("parked", status->result.parked), LF_I64("dry_run", status->dry_run));
    } else {
        LOG(LOG_LEVEL_WARN, "month.not_closed", LF_STR("month", month), LF_STR("error", status->err.text));
    }
}

/* Under lock on entry and exit; not while it runs. */
static void run_request(struct closer *closer)
{
    struct closer_request request = closer->request;
    char *accounts = closer->accounts;
    struct close_result result = {0};
    struct err err = {0};
    bool all = accounts == NULL;
    closer->accounts = NULL;
    closer->asked = false;
    const struct close_options options = {.month = request.month,
                                          .grace_us = request.grace_us,
                                          .dry_run = request.dry_run,
                                          .accounts = accounts,
                                          .reissue = request.reissue,
                                          .progress = on_progress,
                                          .ctx = closer};
    CHECK(pthread_mutex_unlock(&closer->lock) == 0);
    int rc = close_month_with(closer->conninfo, request.workers > 0 ? request.workers : closer->options.workers,
                              &options, &result, &err);
    free(accounts);
    CHECK(pthread_mutex_lock(&closer->lock) == 0);
    closer->status.state = rc == 0 ? CLOSER_DONE : CLOSER_FAILED;
    closer->status.ended_us = clock_wall_us();
    closer->status.result = result;
    closer->status.err = err;
    if (rc == 0 && !request.dry_run && all) {
        closer->closed = request.month;
    }
    log_end(&closer->status);
}

static void begin(struct closer *closer, const struct closer_request *request)
{
    closer->request = *request;
    closer->request.accounts = NULL; /* the caller's; ours is closer->accounts */
    closer->asked = true;
    closer->status = (struct closer_status){
        .state = CLOSER_RUNNING, .month = request->month, .dry_run = request->dry_run, .started_us = clock_wall_us()};
}

/* The month before this one, when its grace is over and this node has not closed it yet. */
static void ask_automatically(struct closer *closer)
{
    struct month now = month_of(clock_wall_us());
    struct month last = now.month == 1 ? (struct month){now.year - 1, 12} : (struct month){now.year, now.month - 1};
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(last, &from_us, &to_us);
    bool done = closer->closed.year == last.year && closer->closed.month == last.month;
    if (!done && clock_wall_us() >= to_us + closer->options.grace_us) {
        const struct closer_request request = {.month = last, .grace_us = closer->options.grace_us};
        begin(closer, &request);
    }
}

static void *run(void *arg)
{
    struct closer *closer = arg;
    CHECK(pthread_mutex_lock(&closer->lock) == 0);
    while (!closer->stop) {
        if (!closer->asked && closer->options.automatic) {
            ask_automatically(closer);
        }
        if (closer->asked) {
            run_request(closer);
        }
        int64_t at_us = clock_mono_us() + CLOSER_AUTO_PERIOD_MS * INT64_C(1000);
        const struct timespec until = {.tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000) * 1000};
        int rc = 0;
        while (!closer->stop && !closer->asked && rc == 0) {
            rc = pthread_cond_timedwait(&closer->wake, &closer->lock, &until);
        }
    }
    CHECK(pthread_mutex_unlock(&closer->lock) == 0);
    return NULL;
}

int closer_start(const struct closer_options *options, struct closer **out, struct err *err)
{
    struct closer *closer = calloc(1, sizeof *closer);
    char *conninfo = strdup(options->conninfo);
    pthread_condattr_t attributes;
    if (closer == NULL || conninfo == NULL) {
        free(closer);
        free(conninfo);
        return err_set(err, ERR_SYSTEM, "biller: out of memory");
    }
    closer->options = *options;
    closer->options.workers = options->workers > 0 ? options->workers : 1;
    closer->conninfo = conninfo;
    CHECK(pthread_condattr_init(&attributes) == 0 && pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&closer->lock, NULL) == 0 && pthread_cond_init(&closer->wake, &attributes) == 0);
    CHECK(pthread_condattr_destroy(&attributes) == 0);
    if (pthread_create(&closer->thread, NULL, run, closer) != 0) {
        (void)pthread_mutex_destroy(&closer->lock);
        (void)pthread_cond_destroy(&closer->wake);
        free(conninfo);
        free(closer);
        return err_set(err, ERR_SYSTEM, "biller: no thread");
    }
    *out = closer;
    return 0;
}

void closer_stop(struct closer **out)
{
    struct closer *closer = *out;
    if (closer == NULL) {
        return;
    }
    CHECK(pthread_mutex_lock(&closer->lock) == 0);
    closer->stop = true;
    CHECK(pthread_cond_signal(&closer->wake) == 0);
    CHECK(pthread_mutex_unlock(&closer->lock) == 0);
    CHECK(pthread_join(closer->thread, NULL) == 0);
    (void)pthread_mutex_destroy(&closer->lock);
    (void)pthread_cond_destroy(&closer->wake);
    free(closer->accounts);
    free(closer->conninfo);
    free(closer);
    *out = NULL;
}

int closer_ask(struct closer *closer, const struct closer_request *request, struct err *err)
{
    char *accounts = request->accounts != NULL ? strdup(request->accounts) : NULL;
    int rc = 0;
    CHECK(pthread_mutex_lock(&closer->lock) == 0);
    if (closer->status.state == CLOSER_RUNNING) {
        char month[CALENDAR_TEXT_BYTES];
        month_format(closer->status.month, month);
        rc = err_set(err, ERR_CONFLICT, "%s is being closed right now; ask again when it is done", month);
    } else if (request->accounts != NULL && accounts == NULL) {
        rc = err_set(err, ERR_SYSTEM, "biller: out of memory");
    } else {
        begin(closer, request);
        closer->accounts = accounts;
        accounts = NULL;
        CHECK(pthread_cond_signal(&closer->wake) == 0);
    }
    CHECK(pthread_mutex_unlock(&closer->lock) == 0);
    free(accounts);
    return rc;
}

void closer_status(struct closer *closer, struct closer_status *status)
{
    CHECK(pthread_mutex_lock(&closer->lock) == 0);
    *status = closer->status;
    CHECK(pthread_mutex_unlock(&closer->lock) == 0);
}
