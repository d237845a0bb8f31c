/*
 * correction.h - what changed about a month after it was invoiced, as lines of the next invoice.
 *
 * Rule:    the month is rated again under its price book; per meter and band, what its invoice and earlier corrections
 *          said is taken from it. The amount is the newly rounded one less what was billed, so that in the end exactly
 *          what a right invoice would have said is paid. A line names the month it corrects; it may be negative.
 *          The month's discount and minimum fee are rated again as well: lines of their kinds that name the month.
 * When:    a month whose days were sealed anew after it was invoiced (metering/seal.h) has late records. Months up to
 *          CORRECTION_MONTHS back are looked at. A month whose invoice was credited is not corrected.
 * Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_CORRECTION_H
#define FARTHING_BILLING_CORRECTION_H

#include <stdint.h>

#include "billing/rating.h"
#include "common/calendar.h"

struct err;
struct pg;

#define CORRECTION_MONTHS 2
#define CORRECTION_LINES_MAX 256

struct correction_list {
    int count;
    struct rated_line lines[CORRECTION_LINES_MAX];
};

/* Appends the corrections of one invoiced month. */
int correction_add(struct pg *pg, int64_t account_id, struct month month, struct correction_list *list,
                   struct err *err);

/* Called for each account and month with late records among the accounts ('{1,2}'), before the month at from_us. */
typedef int correction_due_fn(int64_t account_id, struct month month, void *ctx, struct err *err);
int correction_due(struct pg *pg, const char *accounts, int64_t from_us, correction_due_fn *on_due, void *ctx,
                   struct err *err);

#endif
