#include "reports/focus_store.h"

#include "billing/bill_rows.h"
#include "common/err.h"
#include "common/map.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* The meters as billing/bill_store.c counts them. */
#define METERS                                                                                                         \
    "counted(sum(billed_requests)) AS requests, "                                                                      \
    "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 0), 0)) AS x86, "                            \
    "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 0), 0)) AS arm, "                            \
    "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 1), 0)) AS provisioned_x86, "                \
    "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 1), 0)) AS provisioned_arm, "                \
    "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 2), 0)) AS capacity_x86, "                   \
    "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 2), 0)) AS capacity_arm, "                   \
    "counted(sum(storage_mb_ms)) AS storage, counted(sum(streamed_bytes)) AS streamed "
#define NOW "FROM (SELECT * FROM " USAGE_OF_ACCOUNT(USAGE_COLUMNS) "n UNION ALL SELECT * FROM " CAPACITY ") m "
#define THEN                                                                                                           \
    "FROM (SELECT * FROM usage_as_of($1::int8, $2::timestamptz, $3::timestamptz, $4::timestamptz) "                    \
    "UNION ALL SELECT * FROM " CAPACITY ") m "
#define TOTALS "SELECT function_id, " METERS
#define USAGE                                                                                                          \
    "SELECT u.*, coalesce(f.name, '') AS name FROM (SELECT function_id, version, memory_mib, "                         \
    "(extract(epoch FROM date_trunc('day', hour)) * 1000000)::int8 AS day, " METERS
#define NAMED                                                                                                          \
    "GROUP BY 1, 2, 3, 4) u LEFT JOIN function f ON f.account_id = $1::int8 AND f.function_id = u.function_id "        \
    "ORDER BY name, u.function_id, u.version, u.memory_mib, u.day"

static const struct pg_stmt FOCUS_TOTALS[] = {
    {.name = "focus.totals", .sql = TOTALS NOW "GROUP BY function_id", .expect = PG_ANY_ROWS},
    {.name = "focus.totals_then", .sql = TOTALS THEN "GROUP BY function_id", .expect = PG_ANY_ROWS},
};
static const struct pg_stmt FOCUS_USAGE[] = {
    {.name = "focus.usage", .sql = USAGE NOW NAMED, .expect = PG_ANY_ROWS},
    {.name = "focus.usage_then", .sql = USAGE THEN NAMED, .expect = PG_ANY_ROWS},
};

static void take_meters(const struct pg_row *row, int64_t quantity[METER_COUNT])
{
    for (int i = 0; i < METER_COUNT; i++) {
        quantity[i] = 0;
    }
    quantity[METER_REQUESTS] = pg_get_i64(row, "requests");
    quantity[METER_COMPUTE_X86] = pg_get_i64(row, "x86");
    quantity[METER_COMPUTE_ARM] = pg_get_i64(row, "arm");
    quantity[METER_PROVISIONED_COMPUTE_X86] = pg_get_i64(row, "provisioned_x86");
    quantity[METER_PROVISIONED_COMPUTE_ARM] = pg_get_i64(row, "provisioned_arm");
    quantity[METER_PROVISIONED_X86] = pg_get_i64(row, "capacity_x86");
    quantity[METER_PROVISIONED_ARM] = pg_get_i64(row, "capacity_arm");
    quantity[METER_EPHEMERAL_STORAGE] = pg_get_i64(row, "storage");
    quantity[METER_STREAMED_BYTES] = pg_get_i64(row, "streamed");
}

static int take_total(const struct pg_row *row, void *ctx, struct err *err)
{
    int64_t function_id = pg_get_i64(row, "function_id");
    int64_t *quantity = calloc(METER_COUNT, sizeof *quantity);
    if (quantity == NULL || map_put(ctx, &function_id, sizeof function_id, quantity) != 0) {
        free(quantity);
        return err_set(err, ERR_SYSTEM, "focus: out of memory");
    }
    take_meters(row, quantity);
    return 0;
}

static void free_total(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    free(value);
}

void focus_store_totals_free(struct map **totals)
{
    if (*totals != NULL) {
        map_each(*totals, free_total, NULL);
        map_free(totals);
    }
}

int focus_store_totals(struct pg *pg, int64_t account_id, struct month month, int64_t as_of_us, struct map **totals,
                       struct err *err)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    struct map *self = map_new();
    month_range(month, &from_us, &to_us);
    const struct pg_param end = PG_P_END;
    const struct pg_param as_of = PG_P_TIME(as_of_us);
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TIME(to_us),
                                      as_of_us != 0 ? as_of : end, PG_P_END};
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "focus: out of memory");
    }
    if (pg_stream(pg, &FOCUS_TOTALS[as_of_us != 0], params, take_total, self, err) != 0) {
        focus_store_totals_free(&self);
        return err_wrap(err, "usage behind the bill");
    }
    *totals = self;
    return 0;
}

struct usage_ctx {
    focus_usage_fn *on_usage;
    void *ctx;
};

static int take_usage(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct usage_ctx *to = ctx;
    char unnamed[32];
    struct focus_usage usage = {.function_id = pg_get_i64(row, "function_id"),
                                .function_name = pg_get_text(row, "name"),
                                .version = (int)pg_get_i64(row, "version"),
                                .memory_mib = (int)pg_get_i64(row, "memory_mib"),
                                .day_us = pg_get_i64(row, "day")};
    take_meters(row, usage.quantity);
    if (usage.function_name[0] == '\0') {
        (void)snprintf(unnamed, sizeof unnamed, "fn_%" PRId64, usage.function_id);
        usage.function_name = unnamed;
    }
    return to->on_usage(&usage, to->ctx, err);
}

int focus_store_usage(struct pg *pg, int64_t account_id, struct month month, int64_t as_of_us, focus_usage_fn *on_usage,
                      void *ctx, struct err *err)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    struct usage_ctx to = {.on_usage = on_usage, .ctx = ctx};
    month_range(month, &from_us, &to_us);
    const struct pg_param end = PG_P_END;
    const struct pg_param as_of = PG_P_TIME(as_of_us);
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TIME(to_us),
                                      as_of_us != 0 ? as_of : end, PG_P_END};
    if (pg_stream(pg, &FOCUS_USAGE[as_of_us != 0], params, take_usage, &to, err) != 0) {
        return err_wrap(err, "usage behind the bill");
    }
    return 0;
}
