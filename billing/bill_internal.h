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

/* ERR_NOT_FOUND for an unknown account. */
int bill_store_account(struct pg *pg, int64_t account_id, struct bill_account *account, struct err *err);
/* Rows in order of function name, id, version, memory, day. The caller frees items. */
int bill_store_usage(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, unsigned split,
                     struct bill_usage_list *list, struct err *err);

#endif
