/*
 * rating.h - usage times price book = exact lines. A pure function: no database, no clock, no HTTP.
 *
 * Why:       month close, live cost, spend caps and verification must agree to the last digit, so they all call this.
 * A line is one meter and one band of the account, as AWS bills: all functions of the account together.
 * Ownership: plain values and arrays of the caller; a price book is owned by whoever parsed it.  Threads: any.
 */
#ifndef FARTHING_BILLING_RATING_H
#define FARTHING_BILLING_RATING_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/money.h"

struct err;
struct price_book;

enum meter {
    METER_REQUESTS,                /* requests */
    METER_COMPUTE_X86,             /* MB*ms */
    METER_COMPUTE_ARM,             /* MB*ms */
    METER_PROVISIONED_COMPUTE_X86, /* MB*ms of invocations on provisioned concurrency */
    METER_PROVISIONED_COMPUTE_ARM, /* MB*ms */
    METER_PROVISIONED_X86,         /* MB*ms of configured provisioned concurrency, in 5-minute steps */
    METER_PROVISIONED_ARM,         /* MB*ms */
    METER_EPHEMERAL_STORAGE,       /* MB*ms above 512 MiB */
    METER_STREAMED_BYTES           /* bytes beyond 6 MiB a response */
};
#define METER_COUNT 9

/* "requests", "compute_x86_64", ...: the words of the price book. */
const char *meter_name(enum meter meter);
int meter_parse(const char *name, const char *field, enum meter *meter, struct err *err);
/* Own unit ("requests", "MB-ms", "bytes"), pricing unit ("Requests", "GB-Seconds", "GB") and own units a pricing unit.
 */
const char *meter_unit(enum meter meter);
const char *meter_pricing_unit(enum meter meter);
int64_t meter_per_pricing_unit(enum meter meter); /* 1; 1,024,000; 2^30 */

/* A month's use of one account, all functions together. */
struct usage_totals {
    int64_t quantity[METER_COUNT];
};

enum line_kind { LINE_USAGE, LINE_CORRECTION, LINE_DISCOUNT, LINE_CREDIT, LINE_MINIMUM_FEE, LINE_TAX };

struct rated_line {
    enum line_kind kind;
    enum meter meter;
    int band;          /* from 0; the free allowance is band 0 where there is one */
    char price_id[64]; /* stable key of the price: "<meter>.<band key>" or AWS's rate code */
    char description[160];
    int64_t quantity;                /* own units of the meter; 0 for lines that are not usage */
    int64_t packages;                /* package model: packages charged; 0 otherwise */
    struct decimal list_price;       /* per pricing unit */
    struct decimal contracted_price; /* after the account's discounts */
    struct exact list_amount;
    struct exact exact_amount;
    int64_t amount_minor; /* rounded once */
    struct exact residue; /* exact_amount - amount_minor */
    int64_t period_us;    /* corrections: start of the month they are about; 0: the bill's month */
};

#define RATED_LINES_MAX 160 /* METER_COUNT * (bands + free), rounded up */

struct rated_bill {
    struct currency currency;
    int count;
    struct rated_line lines[RATED_LINES_MAX]; /* in order of meter, band */
    int64_t net_minor;                        /* sum of amount_minor, before tax */
};

/* Lines with quantity 0 are left out. */
int rate_usage(const struct price_book *book, const struct usage_totals *totals, struct rated_bill *bill,
               struct err *err);

/* How far into its bands each meter is: what is left of the use after the free allowances. It only grows in a month. */
void rate_reached(const struct price_book *book, const struct usage_totals *totals, int64_t reached[METER_COUNT]);

/*
 * The highest price one more unit of a meter can have from here on (used: as rate_reached tells), in 10^-12 currency
 * units for `quantity` own units, rounded up: what a spend cap must reserve before a call runs.
 */
int rate_worst_case(const struct price_book *book, enum meter meter, int64_t used, int64_t quantity, int64_t *picos,
                    struct err *err);

#endif
