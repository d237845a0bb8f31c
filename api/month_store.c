#include "api/month_store.h"

#include "schema/pg.h"

static const struct pg_stmt COUNTS = {
    .name = "month.counts",
    .sql = "SELECT (SELECT count(*) FROM account) AS accounts, (SELECT count(*) FROM invoice WHERE kind = 'invoice' "
           "AND state <> 'void' AND period = ($1::timestamptz AT TIME ZONE 'UTC')::date) AS invoices, "
           "(SELECT count(*) FROM invoice_park WHERE period = ($1::timestamptz AT TIME ZONE 'UTC')::date) AS parked",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt PARKED = {
    .name = "month.parked",
    .sql = "SELECT p.account_id, a.name, p.reason, p.parked_at FROM invoice_park p JOIN account a USING (account_id) "
           "WHERE p.period = ($1::timestamptz AT TIME ZONE 'UTC')::date ORDER BY p.account_id LIMIT $2::int8",
    .expect = PG_ANY_ROWS,
};

static int take_counts(const struct pg_row *row, void *ctx, struct err *err)
{
    struct month_counts *counts = ctx;
    (void)err;
    *counts = (struct month_counts){.accounts = pg_get_i64(row, "accounts"),
                                    .invoices = pg_get_i64(row, "invoices"),
                                    .parked = pg_get_i64(row, "parked")};
    return 0;
}

int month_store_counts(struct pg *pg, struct month month, struct month_counts *counts, struct err *err)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &COUNTS, params, take_counts, counts, NULL, err);
}

struct listing {
    month_parked_fn *on_row;
    void *ctx;
};

static int take_parked(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;
    const struct month_parked parked = {.account_id = pg_get_i64(row, "account_id"),
                                        .name = pg_get_text(row, "name"),
                                        .reason = pg_get_text(row, "reason"),
                                        .parked_us = pg_get_time(row, "parked_at")};
    return listing->on_row(&parked, listing->ctx, err);
}

int month_store_parked(struct pg *pg, struct month month, int64_t limit, month_parked_fn *on_row, void *ctx,
                       struct err *err)
{
    struct listing listing = {.on_row = on_row, .ctx = ctx};
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_I64(limit), PG_P_END};
    return pg_run(pg, &PARKED, params, take_parked, &listing, NULL, err);
}
