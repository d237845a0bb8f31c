/* lease_store.c - see lease_store.h. */
#include "engine/lease_store.h"

#include "common/buf.h"
#include "common/calendar.h"
#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt LEASE_RENEW = {
    .name = "lease.renew",
    .sql =
        "SELECT known, granted, mark_units, limit_units, used, used_age_ms, escrow, others_idle, nodes, stale, wanted"
        " FROM quota_lease_renew($1::int8, $2::text, $3::text::date, $4::int8, $5::int8, $6::int8, $7::int8, $8::int8,"
        " $9::int8, $10::int8, $11::int8, $12::int8, $13::int8, $14::int8, $15::int8, $16::int8, $17::int8, $18::int8,"
        " $19::int8, $20::timestamptz)",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt LEASE_POSITIONS = {
    .name = "lease.positions",
    .sql = "SELECT quota_positions($1::int8, $2::text, $3::text::date, coalesce($4::timestamptz, clock_timestamp())) "
           "AS positions",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt LEASE_RELIEVE = {
    .name = "lease.relieve",
    .sql = "SELECT quota_relieve($1::int8, $2::text, $3::text::date, $4::text, $5::int8,"
           " coalesce($6::timestamptz, clock_timestamp()), $7::int8) IS NULL AS done",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt LEASE_FORGET_RUNS = {
    .name = "lease.forget_runs",
    .sql = "WITH gone AS (DELETE FROM quota_lease WHERE node_id = $1::int8 AND holder <> $2::int8 AND period = date "
           "'1970-01-01')"
           " UPDATE quota_lease SET over_at = $3::timestamptz WHERE node_id = $1::int8 AND holder <> $2::int8 AND "
           "over_at IS NULL"
           " AND period <> date '1970-01-01'",
    .expect = PG_NO_ROWS,
};

static struct pg_param at(int64_t now_us)
{
    return now_us == LEASE_STORE_NOW ? PG_P_NULL(PG_T_TIME) : PG_P_TIME(now_us);
}

static int read_answer(const struct pg_row *row, void *ctx, struct err *err)
{
    struct lease_answer *answer = ctx;
    (void)err;
    *answer = (struct lease_answer){
        .known = pg_get_bool(row, "known"),
        .unlimited = pg_is_null(row, "limit_units"),
        .stale = pg_get_bool(row, "stale"),
        .wanted = pg_get_bool(row, "wanted"),
        .granted = pg_get_i64(row, "granted"),
        .mark_units = pg_get_i64(row, "mark_units"),
        .limit = pg_get_i64_or(row, "limit_units", 0),
        .used = pg_get_i64(row, "used"),
        .escrow = pg_get_i64(row, "escrow"),
        .others_idle = pg_get_i64(row, "others_idle"),
        .used_age_ms = pg_get_i64(row, "used_age_ms"),
        .nodes = pg_get_i64(row, "nodes"),
    };
    return 0;
}

int lease_store_renew(struct pg *pg, const struct lease_key *key, const struct lease_request *request, int64_t now_us,
                      struct lease_answer *answer, struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    calendar_format_day(key->period_us, period);
    const struct pg_param params[] = {
        PG_P_I64(key->account_id),
        PG_P_TEXT(key->name),
        PG_P_TEXT(period),
        PG_P_I64(key->holder),
        PG_P_I64(request->sequence),
        PG_P_I64(key->node_id),
        PG_P_I64(key->producer_id),
        PG_P_I64(key->epoch),
        PG_P_I64(request->giveback),
        PG_P_I64(request->deficit),
        PG_P_I64(request->need),
        PG_P_I64(request->want),
        PG_P_I64(request->spent),
        PG_P_I64(request->idle),
        PG_P_I64(request->mark_units),
        PG_P_I64(request->mark_sequence),
        PG_P_I64(LEASE_TTL_MS + LEASE_GRACE_MS),
        PG_P_I64(request->call_ms),
        key->default_limit < 0 ? PG_P_NULL(PG_T_I64) : PG_P_I64(key->default_limit),
        at(now_us),
        PG_P_END,
    };
    if (pg_run(pg, &LEASE_RENEW, params, read_answer, answer, NULL, err) != 0) {
        return err_wrap(err, "lease of %s of account %lld", key->name, (long long)key->account_id);
    }
    return 0;
}

static int read_positions(const struct pg_row *row, void *ctx, struct err *err)
{
    struct buf *positions = ctx;
    buf_puts(positions, pg_get_text(row, "positions"));
    return buf_ok(positions) ? 0 : err_set(err, ERR_SYSTEM, "leases: out of memory");
}

int lease_store_positions(struct pg *pg, const struct lease_key *key, int64_t now_us, struct buf *positions,
                          struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    calendar_format_day(key->period_us, period);
    const struct pg_param params[] = {
        PG_P_I64(key->account_id), PG_P_TEXT(key->name), PG_P_TEXT(period), at(now_us), PG_P_END,
    };
    return pg_run(pg, &LEASE_POSITIONS, params, read_positions, positions, NULL, err);
}

int lease_store_relieve(struct pg *pg, const struct lease_key *key, const char *positions, int64_t used, int64_t now_us,
                        int64_t cost_us, struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    calendar_format_day(key->period_us, period);
    const struct pg_param params[] = {
        PG_P_I64(key->account_id),
        PG_P_TEXT(key->name),
        PG_P_TEXT(period),
        PG_P_TEXT(positions),
        PG_P_I64(used),
        at(now_us),
        PG_P_I64(cost_us),
        PG_P_END,
    };
    return pg_run(pg, &LEASE_RELIEVE, params, NULL, NULL, NULL, err);
}

int lease_store_forget_runs(struct pg *pg, int64_t node_id, int64_t holder, int64_t started_us, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(node_id), PG_P_I64(holder), PG_P_TIME(started_us), PG_P_END};
    return pg_run(pg, &LEASE_FORGET_RUNS, params, NULL, NULL, NULL, err);
}
