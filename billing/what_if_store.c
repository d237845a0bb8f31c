#include "billing/what_if_store.h"

#include "billing/bill_rows.h"

/* $1 account, $2 and $3 the month. */
#define ROW_SUMS                                                                                                       \
    "sum(m.billed_requests)::int8 AS requests, sum(m.mb_ms)::int8 AS mb_ms, "                                          \
    "sum(m.storage_mb_ms)::int8 AS storage, sum(m.streamed_bytes)::int8 AS streamed, "                                 \
    "sum(m.rounded)::int8 AS rounded, sum(m.as_billed)::int8 AS as_billed "
#define CAPACITY_ROWS                                                                                                  \
    "SELECT function_id, memory_mib, arch, provisioned, billed_requests, mb_ms, storage_mb_ms, streamed_bytes, "       \
    "0 AS rounded, 0 AS as_billed FROM " CAPACITY

static const struct pg_stmt BILLED = {
    .name = "what_if.billed",
    .sql = "SELECT m.function_id, m.memory_mib, m.arch, m.provisioned, " ROW_SUMS
           "FROM (SELECT function_id, memory_mib, arch, provisioned, billed_requests, mb_ms, storage_mb_ms, "
           "streamed_bytes, 0 AS rounded, invocations AS as_billed FROM usage_hourly WHERE account_id = $1::int8 "
           "AND hour >= $2::timestamptz AND hour < $3::timestamptz UNION ALL " CAPACITY_ROWS ") m "
           "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    .expect = PG_ANY_ROWS,
};

/*
 * Each record: p, the policy it fell under; g, the step asked for; ms, its duration (and initialisation, where that
 * counts) rounded up to it. Days whose records are as many as the rollups say take the place of the rollups'
 * milliseconds; requests and bytes are not rounded and come from the rollups. One statement: one snapshot.
 *
 * Initialisation counts as billed when the billed milliseconds are more than the duration alone explains, and not when
 * they are too few for both; between the two the policy decides. $4 step or 0, $5 init (0 as billed, 1 yes, 2 no),
 * $6 to $9 policies (struct what_if_policies).
 */
static const struct pg_stmt ROUNDED = {
    .name = "what_if.rounded",
    .sql =
        "WITH record AS (SELECT r.account_id, r.function_id, r.memory_mib, (r.flags >> 3 & 1)::int2 AS arch, "
        "(r.flags >> 2 & 1)::int2 AS provisioned, date_trunc('day', r.started_at) AS day, r.ephemeral_mib, "
        "r.version, r.duration_us, r.init_us, r.billed_ms::int8 AS billed_ms, "
        "width_bucket(r.started_at, $6::timestamptz[]) + 1 AS p FROM usage_record r WHERE r.account_id = $1::int8 "
        "AND r.started_at >= $2::timestamptz AND r.started_at < $3::timestamptz), "
        "step AS (SELECT r.*, ($7::int8[])[r.p] * 1000 AS was_us, "
        "CASE WHEN $4::int8 > 0 THEN $4::int8 ELSE ($7::int8[])[r.p] END * 1000 AS g_us FROM record r), "
        "counted AS (SELECT r.*, r.duration_us + CASE WHEN r.init_us = 0 THEN 0 "
        "WHEN $5::int8 = 1 THEN CASE WHEN r.provisioned = 0 THEN r.init_us ELSE 0 END WHEN $5::int8 = 2 THEN 0 "
        "WHEN r.billed_ms * 1000 < r.duration_us + r.init_us THEN 0 "
        "WHEN r.billed_ms * 1000 > (r.duration_us + r.was_us - 1) / r.was_us * r.was_us THEN r.init_us "
        "WHEN ($8::text[])[r.p] = 'all' THEN r.init_us "
        "WHEN ($8::text[])[r.p] = 'some' AND EXISTS (SELECT FROM function_version v "
        "CROSS JOIN jsonb_array_elements_text($9::jsonb -> (r.p - 1)) prefix WHERE v.account_id = r.account_id AND "
        "v.function_id = r.function_id AND v.version = r.version AND starts_with(v.runtime, prefix)) THEN r.init_us "
        "ELSE 0 END AS us "
        "FROM step r), "
        "whole AS (SELECT r.day, r.function_id, r.memory_mib, r.arch, r.provisioned, r.ephemeral_mib, "
        "(r.us + r.g_us - 1) / r.g_us * (r.g_us / 1000) AS ms FROM counted r), "
        "again AS (SELECT day, function_id, memory_mib, arch, provisioned, count(*) AS calls, "
        "sum(memory_mib * ms) AS mb_ms, sum(greatest(ephemeral_mib - 512, 0) * ms) AS storage_mb_ms FROM whole "
        "GROUP BY 1, 2, 3, 4, 5), "
        "kept AS (SELECT u.day FROM (SELECT date_trunc('day', hour) AS day, sum(invocations) AS calls FROM "
        "usage_hourly "
        "WHERE account_id = $1::int8 AND hour >= $2::timestamptz AND hour < $3::timestamptz GROUP BY 1) u "
        "JOIN (SELECT day, sum(calls) AS calls FROM again GROUP BY 1) a USING (day) WHERE a.calls = u.calls) "
        "SELECT m.function_id, m.memory_mib, m.arch, m.provisioned, " ROW_SUMS "FROM ("
        "SELECT function_id, memory_mib, arch, provisioned, billed_requests, "
        "CASE WHEN k.day IS NULL THEN mb_ms ELSE 0 END AS mb_ms, "
        "CASE WHEN k.day IS NULL THEN storage_mb_ms ELSE 0 END AS storage_mb_ms, streamed_bytes, 0 AS rounded, "
        "CASE WHEN k.day IS NULL THEN invocations ELSE 0 END AS as_billed FROM usage_hourly "
        "LEFT JOIN kept k ON k.day = date_trunc('day', hour) WHERE account_id = $1::int8 AND hour >= $2::timestamptz "
        "AND hour < $3::timestamptz UNION ALL SELECT function_id, memory_mib, arch, provisioned, 0, mb_ms, "
        "storage_mb_ms, 0, calls, 0 FROM again JOIN kept USING (day) UNION ALL " CAPACITY_ROWS ") m "
        "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
    .expect = PG_ANY_ROWS,
};

int what_if_store_billed(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, pg_row_fn *on_row,
                         void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_END};
    return pg_run(pg, &BILLED, params, on_row, ctx, NULL, err);
}

int what_if_store_rounded(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us,
                          const struct what_if *what_if, const struct what_if_policies *policies, pg_row_fn *on_row,
                          void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TIME(from_us),
                                      PG_P_TIME(to_us),
                                      PG_P_I64(what_if->grain_ms),
                                      PG_P_I64(what_if->init),
                                      PG_P_TEXT(policies->from),
                                      PG_P_TEXT(policies->grain_ms),
                                      PG_P_TEXT(policies->init),
                                      PG_P_TEXT(policies->runtimes),
                                      PG_P_END};
    return pg_run(pg, &ROUNDED, params, on_row, ctx, NULL, err);
}
