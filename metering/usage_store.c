#include "metering/usage_store.h"

#include "metering/usage.h"
#include "metering/usage_rows.h"
#include "schema/pg.h"

/*
 * One question in six statements: of one account by hour, of one by day and longer, or of all, plain or by status. The
 * parts are put together by the compiler; what varies at run time is bound. $1 account, $2 and $3 range, $4
 * granularity, $5 account, $6 function, $7 version, $8 memory, $9 architecture: group by it?, $10 function or 0, $11
 * limit, $12 offset.
 */
#define USAGE_KEYS                                                                                                     \
    "SELECT CASE $4::text WHEN 'hour' THEN u.hour WHEN 'day' THEN date_trunc('day', u.hour) "                          \
    "WHEN 'month' THEN date_trunc('month', u.hour) ELSE $2::timestamptz END AS at, "                                   \
    "CASE WHEN $5::bool THEN u.account_id ELSE $1::int8 END AS account_id, "                                           \
    "CASE WHEN $6::bool THEN u.function_id ELSE 0 END AS function_id, "                                                \
    "CASE WHEN $6::bool THEN u.account_id ELSE 0 END AS function_account_id, "                                         \
    "CASE WHEN $7::bool THEN u.version ELSE 0 END AS version, "                                                        \
    "CASE WHEN $8::bool THEN u.memory_mib ELSE 0 END AS memory_mib, "                                                  \
    "CASE WHEN $9::bool THEN u.arch ELSE 0 END AS arch, "
#define USAGE_SUMS                                                                                                     \
    "counted(sum(u.invocations)) AS invocations, counted(sum(u.billed_requests)) AS billed_requests, "                 \
    "sum(u.errors)::int8 AS errors, sum(u.timeouts)::int8 AS timeouts, sum(u.ooms)::int8 AS ooms, "                    \
    "sum(u.init_errors)::int8 AS init_errors, sum(u.killed)::int8 AS killed, "                                         \
    "sum(u.throttles)::int8 AS throttles, sum(u.cold_starts)::int8 AS cold_starts, "                                   \
    "counted(sum(u.billed_ms)) AS billed_ms, counted(sum(u.mb_ms)) AS mb_ms, "                                         \
    "counted(sum(u.storage_mb_ms)) AS storage_mb_ms, counted(sum(u.streamed_bytes)) AS streamed_bytes, "               \
    "counted(sum(u.duration_us)) AS duration_us, counted(sum(u.init_us)) AS init_us, "                                 \
    "counted(sum(u.cpu_us)) AS cpu_us, counted(sum(u.response_bytes)) AS response_bytes, "                             \
    "counted(sum(u.peak_kib_sum)) AS peak_kib_sum, "                                                                   \
    "max(u.peak_kib_max) AS peak_kib_max, sum(u.latency)::text AS latency "
#define USAGE_STATUS_SUMS "s.status, counted(sum(s.invocations)) AS invocations FROM "
#define USAGE_STATUS                                                                                                   \
    "CROSS JOIN LATERAL (VALUES "                                                                                      \
    "(0, u.invocations - u.errors), "                                                                                  \
    "(1, u.errors - u.timeouts - u.ooms - u.init_errors - u.killed), "                                                 \
    "(2, u.timeouts), (3, u.ooms), (4, u.init_errors), (5, u.killed)) AS s (status, invocations) "
#define USAGE_RANGE                                                                                                    \
    "u.hour >= $2::timestamptz AND u.hour < $3::timestamptz AND ($10::int8 = 0 OR u.function_id = $10::int8) "
#define USAGE_NAMES                                                                                                    \
    "SELECT g.*, coalesce(f.name, '') AS function_name FROM g LEFT JOIN function f "                                   \
    "ON f.account_id = g.function_account_id AND f.function_id = g.function_id "
#define USAGE_COLUMNS                                                                                                  \
    "function_id, version, memory_mib, arch, invocations, billed_requests, errors, timeouts, ooms, init_errors, "      \
    "killed, throttles, cold_starts, billed_ms, mb_ms, storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, "  \
    "response_bytes, peak_kib_sum, peak_kib_max, latency"
#define USAGE_PAGE " LIMIT $11::int8 OFFSET $12::int8"

static const struct pg_stmt ROWS_OF_ACCOUNT = {
    .name = "usage.rows_of_account",
    .sql = "WITH g AS (" USAGE_KEYS USAGE_SUMS "FROM usage_hourly u WHERE u.account_id = $1::int8 AND " USAGE_RANGE
           "GROUP BY 1, 2, 3, 4, 5, 6, 7) " USAGE_NAMES
           "ORDER BY g.at, g.account_id, function_name, g.function_id, g.version, g.memory_mib, g.arch" USAGE_PAGE,
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt DAYS_OF_ACCOUNT = {
    .name = "usage.days_of_account",
    .sql = "WITH g AS (" USAGE_KEYS USAGE_SUMS "FROM " USAGE_OF_ACCOUNT(
        USAGE_COLUMNS) "u WHERE " USAGE_RANGE "GROUP BY 1, 2, 3, 4, 5, 6, 7) " USAGE_NAMES
                       "ORDER BY g.at, g.account_id, function_name, g.function_id, g.version, g.memory_mib, "
                       "g.arch" USAGE_PAGE,
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt ROWS_OF_ALL = {
    .name = "usage.rows_of_all",
    .sql = "WITH g AS (" USAGE_KEYS USAGE_SUMS "FROM usage_hourly u WHERE " USAGE_RANGE
           "GROUP BY 1, 2, 3, 4, 5, 6, 7) " USAGE_NAMES
           "ORDER BY g.at, g.account_id, function_name, g.function_id, g.version, g.memory_mib, g.arch" USAGE_PAGE,
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt STATUS_OF_ACCOUNT = {
    .name = "usage.status_of_account",
    .sql = "WITH g AS (" USAGE_KEYS USAGE_STATUS_SUMS "usage_hourly u " USAGE_STATUS
           "WHERE s.invocations > 0 AND u.account_id = $1::int8 AND " USAGE_RANGE
           "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) " USAGE_NAMES "ORDER BY g.at, g.account_id, function_name, g.function_id, "
           "g.version, g.memory_mib, g.arch, g.status" USAGE_PAGE,
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt STATUS_DAYS_OF_ACCOUNT = {
    .name = "usage.status_days_of_account",
    .sql = "WITH g AS (" USAGE_KEYS USAGE_STATUS_SUMS USAGE_OF_ACCOUNT(
        USAGE_COLUMNS) "u " USAGE_STATUS "WHERE s.invocations > 0 AND " USAGE_RANGE
                       "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) " USAGE_NAMES
                       "ORDER BY g.at, g.account_id, function_name, g.function_id, "
                       "g.version, g.memory_mib, g.arch, g.status" USAGE_PAGE,
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt STATUS_OF_ALL = {
    .name = "usage.status_of_all",
    .sql = "WITH g AS (" USAGE_KEYS USAGE_STATUS_SUMS "usage_hourly u " USAGE_STATUS
           "WHERE s.invocations > 0 AND " USAGE_RANGE "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) " USAGE_NAMES
           "ORDER BY g.at, g.account_id, function_name, g.function_id, "
           "g.version, g.memory_mib, g.arch, g.status" USAGE_PAGE,
    .expect = PG_ANY_ROWS,
};

/* now() of the statement, for a system without producers. */
static const struct pg_stmt FRESHNESS = {
    .name = "usage.freshness",
    .sql =
        "SELECT coalesce(min(complete_through), now()) AS complete_through, "
        "coalesce(sum(late_pending), 0)::int8 AS late_pending FROM producer_cursor WHERE complete_through IS NOT NULL",
    .expect = PG_ONE_ROW,
};

/* $1 account, $2 and $3 range, $4 function or 0, $5 limit, $6 only before, or sealed by (or null). */
#define RECORDS_SELECT                                                                                                 \
    "SELECT r.account_id, r.started_at, r.function_id, r.request_id, r.duration_us, r.init_us, r.cpu_us, "             \
    "r.response_bytes, r.sequence, r.billed_ms, r.memory_mib, r.peak_kib, r.version, r.ephemeral_mib, "                \
    "r.billed_requests, r.node_id, r.attempt, r.status, r.flags, coalesce(f.name, '') AS function_name "               \
    "FROM usage_record r LEFT JOIN function f ON f.account_id = r.account_id AND f.function_id = r.function_id "
#define RECORDS_WHERE                                                                                                  \
    "WHERE r.account_id = $1::int8 AND r.started_at >= $2::timestamptz AND r.started_at < $3::timestamptz "            \
    "AND ($4::int8 = 0 OR r.function_id = $4::int8) "
#define RECORDS_HEAD RECORDS_SELECT RECORDS_WHERE "AND ($6::timestamptz IS NULL OR r.started_at < $6::timestamptz) "

static const struct pg_stmt RECORDS_OLDEST_FIRST = {
    .name = "usage.records_oldest_first",
    .sql = RECORDS_HEAD "ORDER BY r.started_at, r.request_id, r.attempt LIMIT $5::int8",
    .expect = PG_ANY_ROWS,
};
/* A day that was never sealed by then is taken whole; of one that was, what its seal has seen. */
static const struct pg_stmt RECORDS_SEALED = {
    .name = "usage.records_sealed",
    .sql = "WITH sealed AS (SELECT d.day, s.run_id FROM (SELECT DISTINCT day FROM seal_run "
           "WHERE sealed_at <= $6::timestamptz AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date "
           "AND day <= ($3::timestamptz AT TIME ZONE 'UTC')::date) d "
           "LEFT JOIN (SELECT day, max(run_id) AS run_id FROM usage_seal WHERE account_id = $1::int8 "
           "AND sealed_at <= $6::timestamptz GROUP BY day) s USING (day)) " RECORDS_SELECT
           "LEFT JOIN sealed d ON d.day = (r.started_at AT TIME ZONE 'UTC')::date "
           "LEFT JOIN seal_cursor c ON c.run_id = d.run_id AND c.producer_id = r.producer_id " RECORDS_WHERE
           "AND (d.day IS NULL OR (r.epoch, r.sequence) <= (c.epoch, c.last_sequence)) "
           "ORDER BY r.started_at, r.request_id, r.attempt LIMIT $5::int8",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt RECORDS_NEWEST_FIRST = {
    .name = "usage.records_newest_first",
    .sql = RECORDS_HEAD "ORDER BY r.started_at DESC, r.request_id, r.attempt LIMIT $5::int8",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt *rows_stmt(const struct usage_query *query)
{
    bool status = (query->group_by & USAGE_GROUP_STATUS) != 0;
    if (query->account_id == 0) {
        return status ? &STATUS_OF_ALL : &ROWS_OF_ALL;
    }
    if (query->granularity == USAGE_HOUR) {
        return status ? &STATUS_OF_ACCOUNT : &ROWS_OF_ACCOUNT;
    }
    return status ? &STATUS_DAYS_OF_ACCOUNT : &DAYS_OF_ACCOUNT;
}

int usage_store_rows(struct pg *pg, const struct usage_query *query, pg_row_fn *on_row, void *ctx, struct err *err)
{
    static const char *const GRANULARITY[] = {
        [USAGE_TOTAL] = "total", [USAGE_HOUR] = "hour", [USAGE_DAY] = "day", [USAGE_MONTH] = "month"};
    unsigned by = query->group_by;
    const struct pg_param params[] = {
        PG_P_I64(query->account_id),
        PG_P_TIME(query->from_us),
        PG_P_TIME(query->to_us),
        PG_P_TEXT(GRANULARITY[query->granularity]),
        PG_P_BOOL(by & USAGE_GROUP_ACCOUNT),
        PG_P_BOOL(by & USAGE_GROUP_FUNCTION),
        PG_P_BOOL(by & USAGE_GROUP_VERSION),
        PG_P_BOOL(by & USAGE_GROUP_MEMORY),
        PG_P_BOOL(by & USAGE_GROUP_ARCH),
        PG_P_I64(query->function_id),
        PG_P_I64(query->limit),
        PG_P_I64(query->offset),
        PG_P_END,
    };
    return pg_stream(pg, rows_stmt(query), params, on_row, ctx, err);
}

int usage_store_freshness(struct pg *pg, pg_row_fn *on_row, void *ctx, struct err *err)
{
    return pg_run(pg, &FRESHNESS, NULL, on_row, ctx, NULL, err);
}

int usage_store_records(struct pg *pg, const struct usage_record_query *query, pg_row_fn *on_row, void *ctx,
                        struct err *err)
{
    const struct pg_param none = PG_P_NULL(PG_T_TIME);
    bool sealed = query->sealed_us != 0 && !query->newest_first;
    const struct pg_param instant = PG_P_TIME(sealed ? query->sealed_us : query->before_us);
    const struct pg_param params[] = {
        PG_P_I64(query->account_id),
        PG_P_TIME(query->from_us),
        PG_P_TIME(query->to_us),
        PG_P_I64(query->function_id),
        PG_P_I64(query->limit),
        instant.i64 != 0 ? instant : none,
        PG_P_END,
    };
    const struct pg_stmt *stmt = query->newest_first ? &RECORDS_NEWEST_FIRST
                                 : sealed            ? &RECORDS_SEALED
                                                     : &RECORDS_OLDEST_FIRST;
    return pg_stream(pg, stmt, params, on_row, ctx, err);
}
