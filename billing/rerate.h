/*
 * rerate.h - a month rated twice: under one version of a price book and under another.
 *
 * Why:       who changes prices sees, account by account, what the change would have meant for a month that was.
 * Method:    the month's rollups as they are now, rated by the one rating core (rating.h) under both books. What was
 *            agreed with an account (price_override) counts where the book is the account's own. Net is usage, discount
 * and minimum fee; corrections, credits and tax are left out. The same usage and books give the same numbers. Units:
 * minor units of the books' currency, which is one. Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_RERATE_H
#define FARTHING_BILLING_RERATE_H

#include <stdint.h>

#include "billing/rating.h"
#include "common/calendar.h"

struct err;
struct pg;

struct rerate_book {
    const char *name;
    int64_t version; /* 0: in force at the month; rerate_month puts in which that was */
};

struct rerate_meter {
    int64_t quantity, before_minor, after_minor;
};

struct rerate_account {
    int64_t account_id;
    const char *name;
    struct rerate_meter meters[METER_COUNT];
    int64_t net_before_minor, net_after_minor;
};

struct rerate {
    struct month month;
    struct rerate_book before, after; /* accounts that are on before's book are rated */
    int64_t account_id;               /* 0: all of them */
    struct currency currency;         /* out */
};

/* Accounts without use are left out. Returns what visit does not like, at once. */
typedef int rerate_fn(const struct rerate_account *account, void *ctx, struct err *err);
/* In order of their ids. ERR_NOT_FOUND: no such version; ERR_INVALID: two currencies. */
int rerate_month(struct pg *pg, struct rerate *rerate, rerate_fn *visit, void *ctx, struct err *err);

#endif
