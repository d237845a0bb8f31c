/*
 * close_internal.h - between close.c (rating, documents) and close_store.c (SQL).
 */
#ifndef FARTHING_BILLING_CLOSE_INTERNAL_H
#define FARTHING_BILLING_CLOSE_INTERNAL_H

#include "billing/close.h"
#include "billing/rating.h"
#include "common/buf.h"

struct close_account {
    int64_t account_id, invoice_id, revision;
    char name[64];
    char display_name[256];
    char price_book[64];
    char records_root[65]; /* of its sealed days, in hex; "" without any */
    char *billing;         /* JSON, owned by the batch; NULL: none */
    bool overridden;
    int first_credit, credit_count; /* of the batch's credits */
    struct usage_totals totals;
};

struct close_batch {
    int count;
    struct close_account accounts[CLOSE_BATCH_MAX];
    int64_t last_account; /* 0: there are no more */
    int locked;           /* accounts looked at */
    struct buf ids;       /* of those, "{1,2}" */
};

struct close_month_range {
    int64_t from_us, to_us;
    bool reissue; /* an account whose invoice of the month was credited gets another */
};

#define CLOSE_NUMBER_BYTES 32
/* The number of an invoice that stands and corrects the month though the month's own was credited: billing the month
 * anew would bill that twice. "": there is none. */
int close_store_corrected(struct pg *pg, int64_t from_us, const char *accounts, char number[CLOSE_NUMBER_BYTES],
                          struct err *err);

int close_store_counts(struct pg *pg, int64_t from_us, int64_t *accounts, int64_t *existing, struct err *err);
int close_store_parked(struct pg *pg, int64_t from_us, int64_t *parked, struct err *err);
/* Forget the month's parked accounts and park those whose records and rollups differ (crosscheck), in one transaction.
 */
int close_store_check(struct pg *pg, const struct close_month_range *range, bool crosscheck, struct err *err);
int close_store_park(struct pg *pg, int64_t account_id, int64_t from_us, const char *reason, struct err *err);
/* Lock accounts after `after` that have no invoice yet (wait: also those another worker holds) and sum their usage. */
int close_store_batch(struct pg *pg, const struct close_month_range *range, const char *accounts, int64_t after,
                      int limit, bool wait, struct close_batch *batch, struct err *err);
/* The last of count numbers taken from the series. */
int close_store_numbers(struct pg *pg, const char *series, int year, int64_t count, int64_t *last, struct err *err);
enum close_table { CLOSE_LINES, CLOSE_CREDIT_USES, CLOSE_DOCUMENTS };
int close_store_copy(struct pg *pg, const struct buf *rows, enum close_table table, struct err *err);

#endif
