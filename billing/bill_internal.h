/*
 * bill_internal.h - between bill.c (arithmetic) and bill_store.c (SQL).
 */
#ifndef FARTHING_BILLING_BILL_INTERNAL_H
#define FARTHING_BILLING_BILL_INTERNAL_H

#include "billing/bill.h"

/* What one function (version, memory, day where split) used of every meter in the month. */
struct bill_usage {
    int64_t function_id;
    char function_name[65];
    int version;
    int memory_mib;
    int64_t day_us;
    int64_t quantity[METER_COUNT];
};

struct bill_usage_list {
    int count, capacity;
    struct bill_usage *items;
};

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

struct price_book;

/*
 * The pure part: rate the usage, then lines of minimum fee and tax, then the shares. bill has its head filled in
 * already.
 */
int bill_compute(const struct price_book *book, const struct bill_usage_list *usage, struct bill *bill,
                 struct err *err);

#endif
