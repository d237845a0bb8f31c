/*
 * bill_internal.h - between bill.c (arithmetic) and bill_store.c (SQL).
 */
#ifndef FARTHING_BILLING_BILL_INTERNAL_H
#define FARTHING_BILLING_BILL_INTERNAL_H

#include "billing/bill.h"
#include "billing/bill_rate.h"

struct bill_account {
    char name[64];
    char display_name[256];
    char price_book[64];
};

/* The issued invoice of a month that is not void: fills head and lines of bill; *found tells. */
int bill_store_invoice(struct pg *pg, int64_t from_us, struct bill *bill, bool *found, struct err *err);
/* The same of one document. */
int bill_store_document(struct pg *pg, int64_t invoice_id, struct bill *bill, bool *found, struct err *err);
/* The month of a document; ERR_NOT_FOUND. */
int bill_store_document_month(struct pg *pg, int64_t account_id, int64_t invoice_id, struct month *month,
                              struct err *err);
/* Rows as of bill_store_usage, from the raw records that the seals of an instant had seen (metering/seal.h). */
int bill_store_usage_sealed(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, unsigned split,
                            int64_t as_of_us, struct bill_usage_list *list, struct err *err);
/* The shares of bill's usage lines over usage, whose quantities add up to the lines. */
int bill_make_shares(const struct bill_usage_list *usage, struct bill *bill, struct err *err);
/* bill_invoice.c: bill's lines are loaded; read the usage behind them and share them out. */
int bill_share_invoice(struct pg *pg, unsigned split, struct bill *bill, struct err *err);

/* ERR_NOT_FOUND for an unknown account. */
int bill_store_account(struct pg *pg, int64_t account_id, struct bill_account *account, struct err *err);
/* Rows in order of function name, id, version, memory, day. The caller frees items. */
int bill_store_usage(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, unsigned split,
                     struct bill_usage_list *list, struct err *err);

#endif
