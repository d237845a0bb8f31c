/*
 * credit_store.h - the statements of credit.h (tables of schema/migrations/0100_credits.sql).
 */
#ifndef FARTHING_BILLING_CREDIT_STORE_H
#define FARTHING_BILLING_CREDIT_STORE_H

#include "billing/credit.h"
#include "schema/pg.h"

int credit_store_add(struct pg *pg, int64_t account_id, const struct credit *credit, pg_row_fn *on_row, void *ctx,
                     struct err *err);
int credit_store_list(struct pg *pg, int64_t account_id, pg_row_fn *on_row, void *ctx, struct err *err);
/* Those with something left that may pay for a month that began at from_us, of these accounts ('{1,2}'), in order of
 * account and use. */
int credit_store_usable(struct pg *pg, const char *accounts, int64_t from_us, pg_row_fn *on_row, void *ctx,
                        struct err *err);
/* A row of the above. */
int credit_of_row(const struct pg_row *row, struct credit *credit, struct err *err);

#endif
