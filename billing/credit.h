/*
 * credit.h - credits and prepaid money of an account.
 *
 * Rules:   a credit reduces what is charged before tax; prepaid money pays what is due after tax. A credit pays for
 *          months that began before it expires. What expires first is used first, then what was granted first. What a
 *          void or credited invoice used is there again. Amounts are minor units of the credit's currency.
 * Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_CREDIT_H
#define FARTHING_BILLING_CREDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/money.h"

struct err;
struct pg;

#define CREDIT_REASON_BYTES 121
#define CREDIT_MINOR_MAX INT64_C(1000000000000000)

struct credit {
    int64_t credit_id;
    bool prepaid;
    struct currency currency;
    int64_t amount_minor, left_minor;
    int64_t expires_us; /* 0: never */
    int64_t granted_us;
    char reason[CREDIT_REASON_BYTES];
};

/* Sets credit_id, granted_us and left_minor. ERR_INVALID names the field. */
int credit_grant(struct pg *pg, int64_t account_id, struct credit *credit, struct err *err);

typedef int credit_fn(const struct credit *credit, void *ctx, struct err *err);
/* In the order in which they are used. */
int credit_list(struct pg *pg, int64_t account_id, credit_fn *on_credit, void *ctx, struct err *err);

#endif
