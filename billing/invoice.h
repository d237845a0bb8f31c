/*
 * invoice.h - the life of an issued invoice.
 *
 *     draft ---- month close ----> issued ----> void       never sent: the next close of its month issues another
 *                                         \---> credited   sent: a credit note takes it back, line by line
 *
 * Why:     an invoice is never changed. What becomes of it is another row, and another document.
 * Numbers: credit notes have a series of their own without gaps (CN-2026-000001), taken in the issuing transaction.
 * Errors:  ERR_NOT_FOUND; ERR_CONFLICT when its state does not allow it. Threads: one struct pg a thread.
 */
#ifndef FARTHING_BILLING_INVOICE_H
#define FARTHING_BILLING_INVOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/bill.h"

struct err;
struct pg;

#define INVOICE_REASON_BYTES_MAX 400

/* The transitions there are. */
bool invoice_may(enum bill_state from, enum bill_state to);

int invoice_void(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *reason, struct err *err);

struct credit_note {
    int64_t invoice_id; /* of the credit note itself */
    char number[32];
    int64_t month_us, issued_us;
};

/* Takes the whole invoice back: every line with the opposite sign; credits it had used are there again. */
int invoice_credit(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *reason,
                   struct credit_note *credit_note, struct err *err);

/* What rating the month again gives, against what is frozen. */
struct invoice_check {
    bool matches;
    int64_t lines;
    char difference[400]; /* the first one, as a sentence; "" when it matches */
};

/*
 * Compare the invoice of a month with what its usage and price book give now, line by line: usage lines, corrections
 * and sums. Late usage that no correction has billed yet is a difference. ERR_NOT_FOUND: the month has no invoice.
 */
int invoice_verify(struct pg *pg, int64_t account_id, struct month month, struct invoice_check *check, struct err *err);

#endif
