/*
 * retention_store.h - which days of usage_record are old enough, billed and sealed. Reads only.
 */
#ifndef FARTHING_BILLING_RETENTION_STORE_H
#define FARTHING_BILLING_RETENTION_STORE_H

#include "schema/pg.h"

int retention_store_days(struct pg *pg, int64_t ended_us, pg_row_fn *on_row, void *ctx, struct err *err);

#endif
