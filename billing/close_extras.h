/*
 * close_extras.h - what stands on the invoices of a batch besides the month's usage: credits and corrections.
 *
 * Ownership: close_extras keeps its memory from batch to batch; what close_extras_of hands out lives until the next
 * one. Threads:   one at a time.
 */
#ifndef FARTHING_BILLING_CLOSE_EXTRAS_H
#define FARTHING_BILLING_CLOSE_EXTRAS_H

#include "billing/bill_rate.h"
#include "billing/close_internal.h"
#include "billing/correction.h"

struct close_due {
    int64_t account_id;
    struct month month;
};

struct close_extras {
    struct credit *credits; /* of all accounts of the batch, in order of account and use */
    int64_t *used_minor;    /* as many */
    int credit_count, credit_room;
    struct close_batch *batch;
    int at; /* the account whose credits are read */
    struct close_due *dues;
    int due_count, due_room;
    struct correction_list *corrections; /* of the account at hand */
};

int close_extras_load(struct close_extras *extras, struct pg *pg, struct close_batch *batch, int64_t from_us,
                      struct err *err);
int close_extras_of(struct close_extras *extras, struct pg *pg, const struct close_account *account,
                    struct bill_extras *of, struct err *err);
/* Rows of account_credit_use, after the bill was computed. */
void close_extras_put_uses(const struct bill_extras *of, const struct close_account *account, struct buf *out);
void close_extras_free(struct close_extras *extras);

#endif
