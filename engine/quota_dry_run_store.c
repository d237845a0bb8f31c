/*
 * quota_dry_run_store.c - what a limit would have refused last month; see quota_dry_run in quota.h.
 *
 * Monthly kinds: hours are added up in order; once the sum is above the limit, what is above it would not have run.
 * concurrency and rate: a sweep over the records of the month; calls above the limit at their own start. Refused calls
 * would have made room for later ones, so the count for concurrency is an upper bound there and exact where the limit
 * is not reached.
 */
#include <string.h>

#include "common/calendar.h"
#include "common/err.h"
#include "engine/quota_internal.h"
#include "schema/pg.h"

static const struct pg_stmt DRY_MONTHLY = {
    .name = "quota.dry_monthly",
    .sql =
        "WITH hours AS (SELECT u.hour, sum(u.invocations) AS calls,"
        " sum(CASE $2::text WHEN 'requests_per_month' THEN u.invocations ELSE u.mb_ms END) AS units FROM usage_hourly u"
        " WHERE u.account_id = $1::int8 AND u.hour >= $4::timestamptz AND u.hour < $5::timestamptz GROUP BY u.hour),"
        " running AS (SELECT hour, calls, units, sum(units) OVER (ORDER BY hour) AS so_far FROM hours)"
        " SELECT coalesce(sum(calls), 0)::int8 AS calls, coalesce(max(so_far), 0)::int8 AS peak,"
        " coalesce(sum(CASE WHEN so_far <= $3::int8 THEN 0 WHEN so_far - units >= $3::int8 THEN calls"
        " ELSE ceil(calls * (so_far - $3::int8) / nullif(units, 0)) END), 0)::int8 AS refused,"
        " min(hour) FILTER (WHERE so_far > $3::int8) AS first_refused FROM running",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt DRY_CONCURRENCY = {
    .name = "quota.dry_concurrency",
    .sql = "WITH edge AS (SELECT r.started_at AS at, 1 AS step FROM usage_record r WHERE r.account_id = $1::int8"
           " AND $2::text <> '' AND r.started_at >= $4::timestamptz AND r.started_at < $5::timestamptz"
           " UNION ALL SELECT r.started_at + r.duration_us * interval '1 microsecond', -1 FROM usage_record r"
           " WHERE r.account_id = $1::int8 AND r.started_at >= $4::timestamptz AND r.started_at < $5::timestamptz),"
           " running AS (SELECT at, step, sum(step) OVER (ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS at_once FROM "
           "edge)"
           " SELECT count(*) FILTER (WHERE step = 1) AS calls, coalesce(max(at_once), 0)::int8 AS peak,"
           " count(*) FILTER (WHERE step = 1 AND at_once > $3::int8) AS refused,"
           " min(at) FILTER (WHERE step = 1 AND at_once > $3::int8) AS first_refused FROM running",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt DRY_RATE = {
    .name = "quota.dry_rate",
    .sql = "WITH second AS (SELECT date_trunc('second', r.started_at) AS at, count(*) AS calls FROM usage_record r"
           " WHERE r.account_id = $1::int8 AND $2::text <> '' AND r.started_at >= $4::timestamptz AND r.started_at < "
           "$5::timestamptz"
           " GROUP BY 1) SELECT coalesce(sum(calls), 0)::int8 AS calls, coalesce(max(calls), 0)::int8 AS peak,"
           " coalesce(sum(greatest(0, calls - $3::int8)), 0)::int8 AS refused, min(at) FILTER (WHERE calls > $3::int8) "
           "AS first_refused"
           " FROM second",
    .expect = PG_ONE_ROW,
};

static int read_result(const struct pg_row *row, void *ctx, struct err *err)
{
    struct quota_dry_run *result = ctx;
    (void)err;
    result->calls = pg_get_i64(row, "calls");
    result->peak_units = pg_get_i64(row, "peak");
    result->refused = pg_get_i64(row, "refused");
    result->first_refused_us = pg_get_time_or(row, "first_refused", 0);
    return 0;
}

static const struct pg_stmt *statement_of(enum quota_kind kind)
{
    switch (kind) {
    case QUOTA_CONCURRENCY:
        return &DRY_CONCURRENCY;
    case QUOTA_REQUESTS_PER_SECOND:
        return &DRY_RATE;
    case QUOTA_REQUESTS_PER_MONTH:
    case QUOTA_GB_SECONDS_PER_MONTH:
        return &DRY_MONTHLY;
    case QUOTA_SPEND_PER_MONTH:
    case QUOTA_MEMORY_MB:
    case QUOTA_FUNCTIONS:
    case QUOTA_CODE_BYTES:
    case QUOTA_ASYNC_QUEUE:
        return NULL;
    }
    return NULL;
}

int quota_dry_run(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t limit_units, int64_t at_us,
                  struct quota_dry_run *result, struct err *err)
{
    const struct pg_stmt *statement = statement_of(kind);
    struct quota_dry_run found = {0};
    int64_t month_us = 0;
    if (statement == NULL) {
        return err_field(err, "/name",
                         "a dry run is possible for concurrency, requests_per_second, requests_per_month and "
                         "gb_seconds_per_month, not for %s",
                         quota_name(kind));
    }
    month_range(month_of(at_us), &month_us, &found.to_us);
    month_range(month_of(month_us - 1), &found.from_us, &found.to_us);
    const struct pg_param params[] = {
        PG_P_I64(account_id),     PG_P_TEXT(quota_name(kind)), PG_P_I64(limit_units),
        PG_P_TIME(found.from_us), PG_P_TIME(found.to_us),      PG_P_END,
    };
    if (pg_run(pg, statement, params, read_result, &found, NULL, err) != 0) {
        return err_wrap(err, "dry run of %s", quota_name(kind));
    }
    quota_units_format(kind, found.peak_units, found.peak_text);
    *result = found;
    return 0;
}
