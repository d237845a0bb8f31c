#include "api/operator_store.h"

#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt OPERATOR_USERS = {
    .name = "operator.users",
    .sql = "WITH used AS MATERIALIZED (SELECT account_id, counted(sum(invocations)) AS invocations,"
           " counted(sum(billed_requests)) AS requests, sum(errors)::int8 AS errors, sum(throttles)::int8 AS throttles,"
           " counted(sum(billed_ms)) AS billed_ms, counted(sum(mb_ms)) AS mb_ms FROM usage_hourly WHERE hour >= "
           "$1::timestamptz AND hour < $2::timestamptz"
           " GROUP BY account_id), total AS (SELECT count(*) AS accounts, counted(sum(invocations)) AS all_invocations,"
           " sum(errors)::int8 AS all_errors, sum(throttles)::int8 AS all_throttles, counted(sum(billed_ms)) AS "
           "all_billed_ms,"
           " counted(sum(mb_ms)) AS all_mb_ms FROM used)"
           " SELECT u.account_id, a.name, a.display_name, a.state, a.price_book, u.invocations, u.errors, u.throttles,"
           " u.mb_ms, total.* FROM used u JOIN account a USING (account_id) CROSS JOIN total"
           " WHERE u.account_id IN (SELECT account_id FROM used ORDER BY mb_ms DESC, account_id LIMIT $3::int8)"
           " OR u.account_id IN (SELECT account_id FROM used ORDER BY requests DESC, account_id LIMIT $3::int8)"
           " ORDER BY u.mb_ms DESC, u.account_id",
    .expect = PG_ANY_ROWS,
};

/* Use by itself, without what nodes hold: held parts come and go with every call. */
static const struct pg_stmt OPERATOR_LEVELS = {
    .name = "operator.levels",
    .sql = "WITH used AS (SELECT account_id, counted(sum(invocations)) AS calls, counted(sum(mb_ms)) AS mb_ms"
           " FROM usage_hourly WHERE hour >= $1::timestamptz AND hour < $2::timestamptz GROUP BY account_id),"
           " state (account_id, name, units) AS ("
           " SELECT account_id, 'requests_per_month', calls FROM used"
           " UNION ALL SELECT account_id, 'gb_seconds_per_month', mb_ms FROM used"
           " UNION ALL SELECT account_id, name, used FROM quota_period WHERE name = 'spend_per_month'"
           " AND period = ($1::timestamptz AT TIME ZONE 'UTC')::date),"
           " level AS (SELECT s.account_id, s.name, s.units, coalesce(o.limit_text, d.limit_text) AS limit_text,"
           " coalesce(o.action, d.action) AS action, coalesce(o.limit_units, d.limit_units) AS limit_units FROM state s"
           " LEFT JOIN quota o ON o.account_id = s.account_id AND o.name = s.name"
           " LEFT JOIN quota d ON d.account_id = 0 AND d.name = s.name)"
           " SELECT l.account_id, a.name AS account, l.name AS quota, l.limit_text, l.action, l.units AS used,"
           " CASE WHEN l.limit_units = 0 THEN 100 ELSE least(div(l.units::numeric * 100, l.limit_units), 1000000) END"
           "::int8 AS percent FROM level l JOIN account a USING (account_id)"
           " WHERE l.limit_units IS NOT NULL AND l.units::numeric * 100 >= l.limit_units * $3::int8"
           " ORDER BY percent DESC, l.account_id, l.name LIMIT $4::int8",
    .expect = PG_ANY_ROWS,
};

struct users {
    operator_user_fn *on_user;
    void *ctx;
    struct operator_total *total;
};

static int read_user(const struct pg_row *row, void *ctx, struct err *err)
{
    struct users *users = ctx;
    const struct operator_user user = {.account_id = pg_get_i64(row, "account_id"),
                                       .name = pg_get_text(row, "name"),
                                       .display_name = pg_get_text(row, "display_name"),
                                       .state = pg_get_text(row, "state"),
                                       .price_book = pg_get_text(row, "price_book"),
                                       .invocations = pg_get_i64(row, "invocations"),
                                       .errors = pg_get_i64(row, "errors"),
                                       .throttles = pg_get_i64(row, "throttles"),
                                       .mb_ms = pg_get_i64(row, "mb_ms")};
    *users->total = (struct operator_total){.accounts = pg_get_i64(row, "accounts"),
                                            .invocations = pg_get_i64(row, "all_invocations"),
                                            .errors = pg_get_i64(row, "all_errors"),
                                            .throttles = pg_get_i64(row, "all_throttles"),
                                            .billed_ms = pg_get_i64(row, "all_billed_ms"),
                                            .mb_ms = pg_get_i64(row, "all_mb_ms")};
    return users->on_user(&user, users->ctx, err);
}

int operator_store_users(struct pg *pg, int64_t from_us, int64_t to_us, int64_t limit, operator_user_fn *on_user,
                         void *ctx, struct operator_total *total, struct err *err)
{
    struct users users = {.on_user = on_user, .ctx = ctx, .total = total};
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_I64(limit), PG_P_END};
    *total = (struct operator_total){0};
    if (pg_run(pg, &OPERATOR_USERS, params, read_user, &users, NULL, err) != 0) {
        return err_wrap(err, "accounts by use");
    }
    return 0;
}

struct levels {
    operator_level_fn *on_level;
    void *ctx;
};

static int read_level(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct levels *levels = ctx;
    const struct operator_level level = {.account_id = pg_get_i64(row, "account_id"),
                                         .account = pg_get_text(row, "account"),
                                         .quota = pg_get_text(row, "quota"),
                                         .limit_text = pg_get_text(row, "limit_text"),
                                         .action = pg_get_text(row, "action"),
                                         .used_units = pg_get_i64(row, "used"),
                                         .percent = pg_get_i64(row, "percent")};
    return levels->on_level(&level, levels->ctx, err);
}

int operator_store_levels(struct pg *pg, int64_t month_us, int64_t month_end_us, int64_t min_percent, int64_t limit,
                          operator_level_fn *on_level, void *ctx, struct err *err)
{
    struct levels levels = {.on_level = on_level, .ctx = ctx};
    const struct pg_param params[] = {PG_P_TIME(month_us), PG_P_TIME(month_end_us), PG_P_I64(min_percent),
                                      PG_P_I64(limit), PG_P_END};
    if (pg_run(pg, &OPERATOR_LEVELS, params, read_level, &levels, NULL, err) != 0) {
        return err_wrap(err, "limits near their end");
    }
    return 0;
}
