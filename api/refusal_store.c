#include "api/refusal_store.h"

#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt REFUSAL_LIST = {
    .name = "refusal.list",
    .sql =
        "SELECT r.function_id, coalesce(f.name, '') AS function, r.reason::int8 AS reason, r.refusals, r.last_hour FROM"
        " (SELECT function_id, reason, sum(refusals)::int8 AS refusals, max(hour) AS last_hour FROM usage_refusal"
        " WHERE account_id = $1::int8 AND hour >= $2::timestamptz AND hour < $3::timestamptz GROUP BY 1, 2) r"
        " LEFT JOIN function f ON f.account_id = $1::int8 AND f.function_id = r.function_id"
        " ORDER BY r.refusals DESC, function, r.function_id, r.reason LIMIT 1000",
    .expect = PG_ANY_ROWS,
};

struct list {
    refusal_row_fn *on_row;
    void *ctx;
};

static int read_row(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct list *list = ctx;
    const struct refusal_row refusal = {.function_id = pg_get_i64(row, "function_id"),
                                        .function = pg_get_text(row, "function"),
                                        .reason = (enum usage_refusal_reason)pg_get_i64(row, "reason"),
                                        .refusals = pg_get_i64(row, "refusals"),
                                        .last_hour_us = pg_get_time(row, "last_hour")};
    return list->on_row(&refusal, list->ctx, err);
}

int refusal_store_list(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, refusal_row_fn *on_row,
                       void *ctx, struct err *err)
{
    struct list list = {on_row, ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_END};
    return pg_run(pg, &REFUSAL_LIST, params, read_row, &list, NULL, err);
}
