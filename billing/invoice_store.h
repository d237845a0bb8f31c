/*
 * invoice_store.h - the statements of invoice.h.
 */
#ifndef FARTHING_BILLING_INVOICE_STORE_H
#define FARTHING_BILLING_INVOICE_STORE_H

#include "billing/invoice.h"
#include "schema/pg.h"

struct invoice_head {
    enum bill_state state;
    bool credit_note;
    char number[32];
    int64_t now_us; /* the database's clock */
};

int invoice_store_head(struct pg *pg, int64_t account_id, int64_t invoice_id, struct invoice_head *head,
                       struct err *err);
int invoice_store_event(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *state, const char *reason,
                        struct err *err);
/* Document and lines of a credit note with the next number of its series; in the caller's transaction. */
int invoice_store_credit(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *reason,
                         struct credit_note *credit_note, struct err *err);

#endif
