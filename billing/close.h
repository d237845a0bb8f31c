/*
 * close.h - issue the invoices of a month that is over, for all accounts.
 *
 * Why:     it can be killed at any instant and started again, and several may run side by side: each batch of accounts
 * is one transaction that takes as many numbers from the series as it issues invoices, so numbers have no gap, and the
 * unique key (account, month, revision) lets no twin in. What is done is found in the tables, nothing is remembered.
 * Errors:  ERR_RETRY while usage of the month may still arrive; ERR_UNCERTAIN when the link died in a COMMIT: run it
 * again. Threads: one struct pg a thread; give each worker its own.
 */
#ifndef FARTHING_BILLING_CLOSE_H
#define FARTHING_BILLING_CLOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/money.h"
#include "common/calendar.h"

struct err;
struct pg;

#define CLOSE_BATCH_MAX 5000
#define CLOSE_BATCH_DEFAULT 2500
#define CLOSE_BATCH_FIRST 250 /* so that several workers find work in a small month, too */
#define CLOSE_DUE_DAYS 30

/* accounts of the total were looked at in this pass. */
typedef void close_progress_fn(int64_t accounts, int64_t total, int64_t issued, void *ctx);

struct close_options {
    struct month month;
    int64_t grace_us;            /* wait this long after the month's end before closing it */
    int batch;                   /* accounts a transaction; 0: CLOSE_BATCH_FIRST, doubled up to CLOSE_BATCH_DEFAULT */
    bool skip_crosscheck;        /* do not compare raw records with rollups (their days may be gone or many) */
    bool skip_checks;            /* another worker did all of it: only issue */
    bool dry_run;                /* rate everything, issue and park nothing */
    const char *accounts;        /* only these, "{1,2}"; NULL: all */
    bool reissue;                /* bill months of credited invoices anew; accounts must say whose */
    bool skip_seal;              /* the days of the month are sealed already, or there are no raw records at all */
    close_progress_fn *progress; /* may be NULL */
    void *ctx;
};

#define CLOSE_CURRENCIES_MAX 16

struct close_total {
    struct currency currency;
    int64_t total_minor;
};

struct close_result {
    int currencies;
    struct close_total totals[CLOSE_CURRENCIES_MAX]; /* of what this call issued, or would have */
    int64_t issued;                                  /* by this call */
    int64_t existing;                                /* invoices of the month that were there before */
    int64_t parked; /* accounts now parked for the month (table invoice_park says why) */
};

int close_month(struct pg *pg, const struct close_options *options, struct close_result *result, struct err *err);

/*
 * The same with several connections side by side: one checks and seals, then all of them issue. progress is called by
 * any of their threads, one at a time, with sums over all.
 */
#define CLOSE_WORKERS_MAX 16
int close_month_with(const char *conninfo, int workers, const struct close_options *options,
                     struct close_result *result, struct err *err);

#endif
