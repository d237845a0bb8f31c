#include "billing/retention_store.h"

/* Days that have a partition, with what the rule asks of them. $1: months that ended at or before this are old enough.
 */
static const struct pg_stmt DAYS = {
    .name = "retention.days",
    .sql = "WITH day AS (SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day FROM pg_catalog.pg_inherits i "
           "JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'usage_record'::regclass), "
           "old AS (SELECT day, date_trunc('month', day)::date AS month FROM day "
           "WHERE (date_trunc('month', day) + interval '1 month') AT TIME ZONE 'UTC' <= $1::timestamptz), "
           "open AS (SELECT m.month FROM (SELECT DISTINCT month FROM old) m WHERE EXISTS (SELECT 1 FROM usage_hourly u "
           "WHERE u.hour >= m.month::timestamp AT TIME ZONE 'UTC' "
           "AND u.hour < (m.month + interval '1 month') AT TIME ZONE 'UTC' "
           "AND NOT EXISTS (SELECT 1 FROM invoice d WHERE d.account_id = u.account_id AND d.period = m.month "
           "AND d.kind = 'invoice' AND d.state <> 'void'))) "
           "SELECT o.day::timestamp AT TIME ZONE 'UTC' AS at, o.month IN (SELECT month FROM open) AS open, "
           "EXISTS (SELECT 1 FROM seal_run r WHERE r.day = o.day) AS sealed FROM old o ORDER BY 1",
    .expect = PG_ANY_ROWS,
};

int retention_store_days(struct pg *pg, int64_t ended_us, pg_row_fn *on_row, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(ended_us), PG_P_END};
    return pg_run(pg, &DAYS, params, on_row, ctx, NULL, err);
}
