#include "billing/correction_store.h"

/* Lines about a month on any invoice that stands: its own, and corrections on later ones. */
static const struct pg_stmt BILLED = {
    .name = "correction.billed",
    .sql = "SELECT l.meter, l.band, max(l.price_id) AS price_id, max(l.unit_price)::text AS price, "
           "max(l.description) FILTER (WHERE l.kind = 'usage') AS description, sum(l.quantity)::int8 AS quantity, "
           "trim_scale(sum(l.exact_amount))::text AS exact, sum(l.amount_minor)::int8 AS amount_minor "
           "FROM invoice_line l JOIN invoice i USING (account_id, invoice_id) "
           "WHERE l.account_id = $1::int8 AND l.period = ($2::timestamptz AT TIME ZONE 'UTC')::date "
           "AND l.kind IN ('usage', 'correction') AND i.kind = 'invoice' AND i.state = 'issued' "
           "GROUP BY l.meter, l.band ORDER BY l.meter, l.band",
    .expect = PG_ANY_ROWS,
};
/* What was charged by agreement rather than by meter, of the same invoices. */
static const struct pg_stmt AGREED = {
    .name = "correction.agreed",
    .sql = "SELECT coalesce(sum(l.amount_minor) FILTER (WHERE l.kind = 'discount'), 0)::int8 AS discount, "
           "coalesce(sum(l.amount_minor) FILTER (WHERE l.kind = 'minimum_fee'), 0)::int8 AS fee "
           "FROM invoice_line l JOIN invoice i USING (account_id, invoice_id) "
           "WHERE l.account_id = $1::int8 AND l.period = ($2::timestamptz AT TIME ZONE 'UTC')::date "
           "AND l.kind IN ('discount', 'minimum_fee') AND i.kind = 'invoice' AND i.state = 'issued'",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt DUE = {
    .name = "correction.due",
    .sql = "SELECT DISTINCT s.account_id, date_trunc('month', s.day)::timestamp AT TIME ZONE 'UTC' AS month "
           "FROM usage_seal s JOIN invoice i ON i.account_id = s.account_id "
           "AND i.period = date_trunc('month', s.day)::date AND i.kind = 'invoice' AND i.state = 'issued' "
           "WHERE s.account_id = ANY ($1::int8[]) AND s.day >= ($2::timestamptz AT TIME ZONE 'UTC')::date "
           "AND s.day < ($3::timestamptz AT TIME ZONE 'UTC')::date AND s.sealed_at > i.issued_at ORDER BY 1, 2",
    .expect = PG_ANY_ROWS,
};

int correction_store_billed(struct pg *pg, int64_t account_id, int64_t from_us, pg_row_fn *on_row, void *ctx,
                            struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &BILLED, params, on_row, ctx, NULL, err);
}

int correction_store_agreed(struct pg *pg, int64_t account_id, int64_t from_us, pg_row_fn *on_row, void *ctx,
                            struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &AGREED, params, on_row, ctx, NULL, err);
}

int correction_store_due(struct pg *pg, const char *accounts, int64_t since_us, int64_t from_us, pg_row_fn *on_row,
                         void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(accounts), PG_P_TIME(since_us), PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &DUE, params, on_row, ctx, NULL, err);
}
