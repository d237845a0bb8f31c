/*
 * usage_store.h - the questions of usage.h as statements (tables of schema/migrations/0002_metering.sql).
 */
#ifndef FARTHING_METERING_USAGE_STORE_H
#define FARTHING_METERING_USAGE_STORE_H

#include "metering/usage.h"
#include "schema/pg.h"

int usage_store_rows(struct pg *pg, const struct usage_query *query, pg_row_fn *on_row, void *ctx, struct err *err);
int usage_store_freshness(struct pg *pg, pg_row_fn *on_row, void *ctx, struct err *err);
int usage_store_records(struct pg *pg, const struct usage_record_query *query, pg_row_fn *on_row, void *ctx,
                        struct err *err);

/* The record of a row with the columns of usage_record (but producer and epoch), sealed. */
struct usage_record;
int usage_store_record_of(const struct pg_row *row, struct usage_record *record, struct err *err);

#endif
