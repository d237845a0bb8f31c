/*
 * seal_store.h - the statements of seal.h (tables of schema/migrations/0076_usage_seal.sql).
 */
#ifndef FARTHING_METERING_SEAL_STORE_H
#define FARTHING_METERING_SEAL_STORE_H

#include "metering/seal.h"
#include "schema/pg.h"

struct buf;

/* An account and day whose seal is missing or no longer true. */
struct seal_row {
    int64_t account_id;
    int64_t counted, records;
    struct merkle_hash root;
};

/* *due: this day was never sealed, or its rollups changed since. */
int seal_store_due(struct pg *pg, int64_t day_us, bool *due, struct err *err);
/* Records of the accounts that are due, in order of account and leaf; one row without a record where there are none. */
int seal_store_records(struct pg *pg, int64_t day_us, pg_row_fn *on_row, void *ctx, struct err *err);
int seal_store_add(struct pg *pg, int64_t day_us, const struct seal_row *rows, int64_t count, struct err *err);
/* The last attempt of an invocation that started in the range. */
int seal_store_find(struct pg *pg, int64_t account_id, const uint8_t request_id[16], int64_t from_us, int64_t to_us,
                    pg_row_fn *on_row, void *ctx, struct err *err);
int seal_store_activity(struct pg *pg, int64_t from_us, int64_t to_us, pg_row_fn *on_row, void *ctx, struct err *err);
int seal_store_month(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, int64_t as_of_us,
                     pg_row_fn *on_row, void *ctx, struct err *err);

#endif
