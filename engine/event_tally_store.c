#include "engine/event_tally_store.h"

#include "common/calendar.h"
#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt PUT = {
    .name = "event_tally.put",
    .sql = "INSERT INTO async_hourly AS h (account_id, hour, function_id, received, dropped, runs, age_ms, age_ms_max) "
           "VALUES ($1::int8, $2::timestamptz, $3::int8, $4::int8, $5::int8, $6::int8, $7::int8, $8::int8) "
           "ON CONFLICT (account_id, hour, function_id) DO UPDATE SET received = h.received + excluded.received, "
           "dropped = h.dropped + excluded.dropped, runs = h.runs + excluded.runs, age_ms = h.age_ms + "
           "excluded.age_ms, age_ms_max = greatest(h.age_ms_max, excluded.age_ms_max)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt ROWS = {
    .name = "event_tally.rows",
    .sql = "SELECT CASE $4::text WHEN 'hour' THEN h.hour WHEN 'day' THEN date_trunc('day', h.hour) "
           "WHEN 'month' THEN date_trunc('month', h.hour) ELSE $2::timestamptz END AS at, "
           "CASE WHEN $5::bool THEN h.account_id ELSE $1::int8 END AS account_id, "
           "CASE WHEN $6::bool THEN coalesce(f.name, '') ELSE '' END AS function_name, "
           "sum(h.received)::int8 AS received, sum(h.dropped)::int8 AS dropped, sum(h.runs)::int8 AS runs, "
           "sum(h.age_ms)::int8 AS age_ms, max(h.age_ms_max) AS age_ms_max "
           "FROM async_hourly h LEFT JOIN function f USING (account_id, function_id) "
           "WHERE ($1::int8 = 0 OR h.account_id = $1::int8) AND h.hour >= $2::timestamptz AND h.hour < $3::timestamptz "
           "AND ($7::int8 = 0 OR h.function_id = $7::int8) GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt WAITING = {
    .name = "event_tally.waiting",
    .sql =
        "WITH w AS (SELECT account_id, function_id, count(*)::int8 AS events, min(accepted_at) AS oldest_at "
        "FROM async_event WHERE ($1::int8 = 0 OR account_id = $1::int8) AND ($2::int8 = 0 OR function_id = $2::int8) "
        "GROUP BY 1, 2) "
        "SELECT CASE WHEN $3::bool THEN w.account_id ELSE 0 END AS account_id, "
        "CASE WHEN $4::bool THEN w.function_id ELSE 0 END AS function_id, "
        "CASE WHEN $4::bool THEN coalesce(f.name, '') ELSE '' END AS function_name, "
        "sum(w.events)::int8 AS events, min(w.oldest_at) AS oldest_at "
        "FROM w LEFT JOIN function f USING (account_id, function_id) GROUP BY 1, 2, 3 ORDER BY 1, 3, 2",
    .expect = PG_ANY_ROWS,
};

int event_tally_store_put(struct pg *pg, int64_t account_id, int64_t function_id, int64_t at_us,
                          const struct event_tally *tally, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TIME(at_us - at_us % CALENDAR_HOUR_US),
                                      PG_P_I64(function_id),
                                      PG_P_I64(tally->received),
                                      PG_P_I64(tally->dropped),
                                      PG_P_I64(tally->runs),
                                      PG_P_I64(tally->age_us / 1000),
                                      PG_P_I64(tally->age_max_us / 1000),
                                      PG_P_END};
    return pg_run(pg, &PUT, params, NULL, NULL, NULL, err);
}

struct reading {
    event_tally_row_fn *on_row;
    event_waiting_fn *on_waiting;
    void *ctx;
};

static int read_row(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct reading *reading = ctx;
    const struct event_tally_row read = {
        .at_us = pg_get_time(row, "at"),
        .account_id = pg_get_i64(row, "account_id"),
        .function = pg_get_text(row, "function_name"),
        .tally = {.received = pg_get_i64(row, "received"),
                  .dropped = pg_get_i64(row, "dropped"),
                  .runs = pg_get_i64(row, "runs"),
                  .age_us = pg_get_i64(row, "age_ms") * 1000,
                  .age_max_us = pg_get_i64(row, "age_ms_max") * 1000},
    };
    return reading->on_row(&read, reading->ctx, err);
}

int event_tally_store_rows(struct pg *pg, const struct event_tally_query *query, event_tally_row_fn *on_row, void *ctx,
                           struct err *err)
{
    struct reading reading = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(query->account_id),  PG_P_TIME(query->from_us),
                                      PG_P_TIME(query->to_us),      PG_P_TEXT(query->granularity),
                                      PG_P_BOOL(query->by_account), PG_P_BOOL(query->by_function),
                                      PG_P_I64(query->function_id), PG_P_END};
    return pg_stream(pg, &ROWS, params, read_row, &reading, err);
}

static int read_waiting(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct reading *reading = ctx;
    const struct event_waiting read = {
        .account_id = pg_get_i64(row, "account_id"),
        .function_id = pg_get_i64(row, "function_id"),
        .function = pg_get_text(row, "function_name"),
        .events = pg_get_i64(row, "events"),
        .oldest_us = pg_get_time(row, "oldest_at"),
    };
    return reading->on_waiting(&read, reading->ctx, err);
}

int event_tally_store_waiting(struct pg *pg, const struct event_tally_query *query, event_waiting_fn *on_row, void *ctx,
                              struct err *err)
{
    struct reading reading = {.on_waiting = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(query->account_id), PG_P_I64(query->function_id),
                                      PG_P_BOOL(query->by_account), PG_P_BOOL(query->by_function), PG_P_END};
    return pg_stream(pg, &WAITING, params, read_waiting, &reading, err);
}
