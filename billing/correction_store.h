/*
 * correction_store.h - what was billed of a month so far, and which months have late records. Reads only.
 */
#ifndef FARTHING_BILLING_CORRECTION_STORE_H
#define FARTHING_BILLING_CORRECTION_STORE_H

#include "common/calendar.h"
#include "schema/pg.h"

int correction_store_billed(struct pg *pg, int64_t account_id, int64_t from_us, pg_row_fn *on_row, void *ctx,
                            struct err *err);
/* Minor units as columns discount and fee. */
int correction_store_agreed(struct pg *pg, int64_t account_id, int64_t from_us, pg_row_fn *on_row, void *ctx,
                            struct err *err);
int correction_store_due(struct pg *pg, const char *accounts, int64_t since_us, int64_t from_us, pg_row_fn *on_row,
                         void *ctx, struct err *err);

#endif
