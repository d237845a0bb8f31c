/*
 * verify.h - does this bill follow from these records? Offline: two files and a price book, no server, no database.
 *
 * Why:       a tenant who holds the records need not trust the biller.
 * What:      the summary layout of one account and month against the records layout of the same. Recomputed are
 * quantity, price and amount of every line, every function's share of it, the total, and the records root an invoice
 * prints. Ownership: borrows the files.
 * Threads: one at a time.
 */
#ifndef FARTHING_REPORTS_VERIFY_H
#define FARTHING_REPORTS_VERIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/digest.h"
#include "reports/proof.h"

struct err;
struct price_book;

struct verify_input {
    FILE *bill, *records;
    const char *bill_name, *records_name; /* for messages */
    const struct price_book *book;
    const char *invocation; /* a request id whose proof is wanted; NULL for none */
};

struct verify_result {
    bool matches;
    int64_t records, lines, shares;
    int64_t stated;       /* rows that do not follow from these records: corrections of other months, credits */
    int64_t capacity;     /* shares of provisioned concurrency, whose quantity no record shows: taken as stated */
    int64_t stated_minor; /* their sum, and that of fee and tax after them: taken as stated, but they must add up */
    char total[72];       /* recomputed, "2.73 USD" */
    char records_root[SHA256_HEX_BYTES]; /* of the records given (metering/proof.h) */
    bool root_stated;                    /* the bill prints one (an invoice does), and it was compared */
    struct proof proof;                  /* of input->invocation */
    char difference[400];                /* the first one, as a sentence; "" when it matches */
};

/* 0: compared, see result. -1: a file could not be read or understood. */
int verify_bill(const struct verify_input *input, struct verify_result *result, struct err *err);

/* The records root that a bill (layout summary) states; "" when it states none. */
int verify_stated_root(FILE *bill, const char *name, char hex[SHA256_HEX_BYTES], struct err *err);

#endif
