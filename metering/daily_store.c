#include "metering/daily_store.h"

#include "common/buf.h"
#include "common/err.h"
#include "schema/pg.h"

#include <inttypes.h>

static const struct pg_stmt STATE = {
    .name = "daily.state",
    .sql = "SELECT s.through, s.marked, coalesce((SELECT min(complete_through) FROM producer_cursor), now()) "
           "AS complete_through, CASE WHEN s.marked IS NULL THEN (SELECT min(hour) FROM usage_hourly) END AS first "
           "FROM usage_daily_state s",
    .expect = PG_ONE_ROW,
};
/* The row first: a new producer waits here, or is seen by the statement after it. */
static const struct pg_stmt DECLARE_ALL = {
    .name = "daily.declare",
    .sql = "UPDATE usage_daily_state SET through = $1::timestamptz WHERE through IS NULL OR through <= $1::timestamptz",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt DECLARE_CURSORS = {
    .name = "daily.declare_cursors",
    .sql = "UPDATE producer_cursor SET daily_through = $1::timestamptz "
           "WHERE daily_through IS NULL OR daily_through < $1::timestamptz",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt MARK_ACCOUNTS = {
    .name = "daily.mark",
    .sql = "INSERT INTO usage_day (account_id, day, changed_at) SELECT DISTINCT account_id, $1::timestamptz, "
           "'epoch'::timestamptz FROM usage_hourly WHERE hour >= $1::timestamptz "
           "AND hour < $1::timestamptz + interval '24 hours' ORDER BY account_id ON CONFLICT DO NOTHING",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt MARKED = {
    .name = "daily.marked",
    .sql = "UPDATE usage_daily_state SET marked = $1::timestamptz WHERE marked IS NULL OR marked < $1::timestamptz",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt DUE = {
    .name = "daily.due",
    .sql = "SELECT account_id, floor(extract(epoch FROM day) / 86400)::int8 AS day FROM usage_day "
           "WHERE summed IS DISTINCT FROM generation AND changed_at <= now() - make_interval(secs => $1::int8) "
           "ORDER BY account_id, usage_day.day LIMIT $2::int8 FOR UPDATE SKIP LOCKED",
    .expect = PG_ANY_ROWS,
};
/* $1 accounts, $2 days. */
#define CHOSEN                                                                                                         \
    "(SELECT a.account_id, 'epoch'::timestamptz + a.day * interval '24 hours' AS day "                                 \
    "FROM unnest($1::int8[], $2::int8[]) AS a (account_id, day)) c "
static const struct pg_stmt FORGET = {
    .name = "daily.forget",
    .sql = "DELETE FROM usage_daily d USING " CHOSEN "WHERE d.account_id = c.account_id AND d.day = c.day",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt SUM = {
    .name = "daily.sum",
    .sql = "INSERT INTO usage_daily (account_id, day, function_id, version, memory_mib, arch, provisioned, "
           "invocations, billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts, "
           "billed_ms, mb_ms, storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes, "
           "peak_kib_sum, peak_kib_max, latency) "
           "SELECT c.account_id, c.day, h.function_id, h.version, h.memory_mib, h.arch, h.provisioned, "
           "counted(sum(h.invocations)), counted(sum(h.billed_requests)), counted(sum(h.errors)), "
           "counted(sum(h.timeouts)), counted(sum(h.ooms)), "
           "counted(sum(h.init_errors)), counted(sum(h.killed)), counted(sum(h.throttles)), "
           "counted(sum(h.cold_starts)), counted(sum(h.billed_ms)), counted(sum(h.mb_ms)), "
           "counted(sum(h.storage_mb_ms)), counted(sum(h.streamed_bytes)), counted(sum(h.duration_us)), "
           "counted(sum(h.init_us)), counted(sum(h.cpu_us)), "
           "counted(sum(h.response_bytes)), counted(sum(h.peak_kib_sum)), max(h.peak_kib_max), sum(h.latency) "
           "FROM " CHOSEN "JOIN usage_hourly h ON h.account_id = c.account_id AND h.hour >= c.day "
           "AND h.hour < c.day + interval '24 hours' GROUP BY 1, 2, 3, 4, 5, 6, 7",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt SUMMED = {
    .name = "daily.summed",
    .sql = "UPDATE usage_day d SET summed = d.generation FROM " CHOSEN
           "WHERE d.account_id = c.account_id AND d.day = c.day",
    .expect = PG_NO_ROWS,
};

static int take_state(const struct pg_row *row, void *ctx, struct err *err)
{
    struct daily_state *state = ctx;
    (void)err;
    *state = (struct daily_state){.complete_through_us = pg_get_time(row, "complete_through"),
                                  .through_us = pg_get_time_or(row, "through", INT64_MIN),
                                  .marked_us = pg_get_time_or(row, "marked", INT64_MIN),
                                  .first_us = pg_get_time_or(row, "first", INT64_MIN)};
    return 0;
}

int daily_store_state(struct pg *pg, struct daily_state *state, struct err *err)
{
    return pg_run(pg, &STATE, NULL, take_state, state, NULL, err);
}

int daily_store_declare(struct pg *pg, int64_t through_us, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(through_us), PG_P_END};
    return pg_run(pg, &DECLARE_ALL, params, NULL, NULL, NULL, err) == 0
               ? pg_run(pg, &DECLARE_CURSORS, params, NULL, NULL, NULL, err)
               : -1;
}

int daily_store_mark(struct pg *pg, int64_t day_us, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(day_us), PG_P_END};
    return pg_run(pg, &MARK_ACCOUNTS, params, NULL, NULL, NULL, err) == 0
               ? pg_run(pg, &MARKED, params, NULL, NULL, NULL, err)
               : -1;
}

static int take_due(const struct pg_row *row, void *ctx, struct err *err)
{
    struct daily_due *due = ctx;
    (void)err;
    due->account_id[due->count] = pg_get_i64(row, "account_id");
    due->day[due->count++] = pg_get_i64(row, "day");
    return 0;
}

int daily_store_due(struct pg *pg, int quiet_s, struct daily_due *due, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(quiet_s), PG_P_I64(DAILY_BATCH), PG_P_END};
    due->count = 0;
    return pg_run(pg, &DUE, params, take_due, due, NULL, err);
}

static void array_of(struct buf *out, const int64_t *values, int count)
{
    for (int i = 0; i < count; i++) {
        buf_printf(out, "%c%" PRId64, i == 0 ? '{' : ',', values[i]);
    }
    buf_puts(out, count == 0 ? "{}" : "}");
}

int daily_store_sum(struct pg *pg, const struct daily_due *due, struct err *err)
{
    struct buf accounts = {0};
    struct buf days = {0};
    int rc = -1;
    array_of(&accounts, due->account_id, due->count);
    array_of(&days, due->day, due->count);
    if (!buf_ok(&accounts) || !buf_ok(&days)) {
        (void)err_set(err, ERR_SYSTEM, "daily: out of memory");
    } else {
        const struct pg_param params[] = {PG_P_TEXT(buf_text(&accounts)), PG_P_TEXT(buf_text(&days)), PG_P_END};
        rc = pg_run(pg, &FORGET, params, NULL, NULL, NULL, err) == 0 &&
                     pg_run(pg, &SUM, params, NULL, NULL, NULL, err) == 0
                 ? pg_run(pg, &SUMMED, params, NULL, NULL, NULL, err)
                 : -1;
    }
    buf_free(&accounts);
    buf_free(&days);
    return rc;
}
