#include "api/quota_spend_store.h"

#include "billing/bill_rows.h"
#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt QUOTA_SPEND_HOURS = {
    .name = "quota.spend_hours",
    .sql = "SELECT hour, counted(sum(invocations)) AS invocations, counted(sum(billed_requests)) AS requests,"
           " counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 0), 0)) AS x86,"
           " counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 0), 0)) AS arm,"
           " counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 1), 0)) AS provisioned_x86,"
           " counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 1), 0)) AS provisioned_arm,"
           " counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 2), 0)) AS capacity_x86,"
           " counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 2), 0)) AS capacity_arm,"
           " counted(sum(storage_mb_ms)) AS storage, counted(sum(streamed_bytes)) AS streamed FROM (SELECT "
           "invocations, account_id, hour, " USAGE_COLUMNS
           " FROM usage_hourly WHERE account_id = $1::int8 AND hour >= $2::timestamptz AND hour < $3::timestamptz"
           " UNION ALL SELECT 0, * FROM provisioned_usage(ARRAY[$1::int8], $2::timestamptz, $3::timestamptz,"
           " interval '1 hour')) m GROUP BY hour ORDER BY "
           "hour",
    .expect = PG_ANY_ROWS,
};

struct hours {
    quota_spend_fn *on_hour;
    void *ctx;
};

static int read_hour(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct hours *self = ctx;
    const struct quota_spend_hour hour = {
        .hour_us = pg_get_time(row, "hour"),
        .invocations = pg_get_i64(row, "invocations"),
        .totals.quantity = {[METER_REQUESTS] = pg_get_i64(row, "requests"),
                            [METER_COMPUTE_X86] = pg_get_i64(row, "x86"),
                            [METER_COMPUTE_ARM] = pg_get_i64(row, "arm"),
                            [METER_PROVISIONED_COMPUTE_X86] = pg_get_i64(row, "provisioned_x86"),
                            [METER_PROVISIONED_COMPUTE_ARM] = pg_get_i64(row, "provisioned_arm"),
                            [METER_PROVISIONED_X86] = pg_get_i64(row, "capacity_x86"),
                            [METER_PROVISIONED_ARM] = pg_get_i64(row, "capacity_arm"),
                            [METER_EPHEMERAL_STORAGE] = pg_get_i64(row, "storage"),
                            [METER_STREAMED_BYTES] = pg_get_i64(row, "streamed")},
    };
    return self->on_hour(&hour, self->ctx, err);
}

int quota_spend_store_hours(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, quota_spend_fn *on_hour,
                            void *ctx, struct err *err)
{
    struct hours self = {on_hour, ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_END};
    return pg_run(pg, &QUOTA_SPEND_HOURS, params, read_hour, &self, NULL, err);
}
