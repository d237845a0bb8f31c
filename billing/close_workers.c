/*
 * close_workers.c - a month closed on several connections side by side.
 */
#include "billing/close.h"

#include "common/check.h"
#include "common/err.h"
#include "schema/pg.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct crew;

struct worker {
    struct crew *crew;
    pthread_t thread;
    bool started;
    int64_t issued, seen;
    struct close_result result;
    struct err err;
    int rc;
};

struct crew {
    const char *conninfo;
    struct close_options options; /* of every worker */
    const struct close_options *asked;
    pthread_mutex_t lock;
    int count;
    struct worker workers[CLOSE_WORKERS_MAX];
};

static void on_progress(int64_t accounts, int64_t total, int64_t issued, void *ctx)
{
    struct worker *worker = ctx;
    struct crew *crew = worker->crew;
    int64_t sum = 0;
    CHECK(pthread_mutex_lock(&crew->lock) == 0);
    worker->issued = issued;
    worker->seen = accounts;
    /* Each walks past what the others hold: who has seen most says how far it is. */
    for (int i = 0; i < crew->count; i++) {
        sum += crew->workers[i].issued;
        accounts = crew->workers[i].seen > accounts ? crew->workers[i].seen : accounts;
    }
    if (crew->asked->progress != NULL) {
        crew->asked->progress(accounts, total, sum, crew->asked->ctx);
    }
    CHECK(pthread_mutex_unlock(&crew->lock) == 0);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct close_options options = worker->crew->options;
    struct pg *pg = NULL;
    options.progress = on_progress;
    options.ctx = worker;
    worker->rc = pg_open(worker->crew->conninfo, &pg, &worker->err);
    if (worker->rc == 0) {
        worker->rc = close_month(pg, &options, &worker->result, &worker->err);
    }
    pg_close(&pg);
    return NULL;
}

static void add_result(struct close_result *sum, const struct close_result *one)
{
    sum->issued += one->issued;
    sum->parked = one->parked > sum->parked ? one->parked : sum->parked;
    for (int i = 0; i < one->currencies; i++) {
        int at = 0;
        while (at < sum->currencies && strcmp(sum->totals[at].currency.code, one->totals[i].currency.code) != 0) {
            at++;
        }
        if (at < CLOSE_CURRENCIES_MAX) {
            sum->currencies = at == sum->currencies ? at + 1 : sum->currencies;
            sum->totals[at].currency = one->totals[i].currency;
            sum->totals[at].total_minor += one->totals[i].total_minor;
        }
    }
}

/* Checks and seals alone: the accounts list that matches nobody issues nothing. */
static int prepare(struct crew *crew, struct close_result *none, struct err *err)
{
    struct close_options options = crew->options;
    struct pg *pg = NULL;
    options.accounts = "{}";
    int rc = pg_open(crew->conninfo, &pg, err);
    if (rc == 0) {
        rc = close_month(pg, &options, none, err);
    }
    pg_close(&pg);
    crew->options.skip_checks = true;
    return rc;
}

int close_month_with(const char *conninfo, int workers, const struct close_options *options,
                     struct close_result *result, struct err *err)
{
    struct crew *crew = calloc(1, sizeof *crew);
    CHECK(workers >= 1 && workers <= CLOSE_WORKERS_MAX);
    if (crew == NULL) {
        return err_set(err, ERR_SYSTEM, "close: out of memory");
    }
    CHECK(pthread_mutex_init(&crew->lock, NULL) == 0);
    crew->conninfo = conninfo;
    crew->options = *options;
    crew->options.progress = NULL;
    crew->asked = options;
    crew->count = options->dry_run ? 1 : workers; /* a dry run leaves no trace by which workers would share the work */
    struct close_result first = {0};
    int rc = prepare(crew, &first, err);
    for (int i = 0; rc == 0 && i < crew->count; i++) {
        crew->workers[i].crew = crew;
        crew->workers[i].started = pthread_create(&crew->workers[i].thread, NULL, work, &crew->workers[i]) == 0;
        if (!crew->workers[i].started) {
            rc = err_set(err, ERR_SYSTEM, "close: cannot start a thread");
        }
    }
    *result = (struct close_result){.existing = first.existing, .parked = first.parked};
    for (int i = 0; i < crew->count; i++) {
        struct worker *worker = &crew->workers[i];
        if (!worker->started) {
            continue;
        }
        CHECK(pthread_join(worker->thread, NULL) == 0);
        add_result(result, &worker->result);
        if (worker->rc != 0 && rc == 0) {
            rc = -1;
            if (err != NULL) {
                *err = worker->err;
            }
        }
    }
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew);
    return rc;
}
