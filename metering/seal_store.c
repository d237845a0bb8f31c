#include "metering/seal_store.h"

#include "common/buf.h"
#include "common/err.h"
#include "metering/rows.h"

/* Accounts whose count of the day is not that of their latest seal. $1 start of the day. */
#define DUE                                                                                                            \
    "WITH counted AS (SELECT account_id, sum(invocations)::int8 AS counted FROM usage_hourly "                         \
    "WHERE hour >= $1::timestamptz AND hour < $1::timestamptz + interval '1 day' GROUP BY account_id), "               \
    "sealed AS (SELECT DISTINCT ON (account_id) account_id, counted FROM usage_seal "                                  \
    "WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date ORDER BY account_id, run_id DESC), "                       \
    "due AS (SELECT c.account_id, c.counted FROM counted c LEFT JOIN sealed s USING (account_id) "                     \
    "WHERE c.counted > 0 AND s.counted IS DISTINCT FROM c.counted) "

static const struct pg_stmt IS_DUE = {
    .name = "seal.is_due",
    .sql = DUE "SELECT EXISTS (SELECT 1 FROM due) OR NOT EXISTS (SELECT 1 FROM seal_run "
               "WHERE day = ($1::timestamptz AT TIME ZONE 'UTC')::date) AS due",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt RECORDS = {
    .name = "seal.records",
    .sql = DUE "SELECT d.account_id AS due_account_id, d.counted, r.account_id, r.started_at, r.function_id, "
               "r.request_id, r.duration_us, r.init_us, r.cpu_us, r.response_bytes, r.sequence, r.billed_ms, "
               "r.memory_mib, r.peak_kib, r.version, r.ephemeral_mib, r.billed_requests, r.node_id, r.attempt, "
               "r.status, r.flags FROM due d LEFT JOIN usage_record r ON r.account_id = d.account_id "
               "AND r.started_at >= $1::timestamptz AND r.started_at < $1::timestamptz + interval '1 day' "
               "ORDER BY d.account_id, r.started_at, r.request_id, r.attempt",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt RUN_ADD = {
    .name = "seal.run_add",
    .sql = "WITH run AS (INSERT INTO seal_run (day, sealed_at) "
           "VALUES (($1::timestamptz AT TIME ZONE 'UTC')::date, clock_timestamp()) RETURNING run_id), "
           "cursors AS (INSERT INTO seal_cursor (run_id, producer_id, epoch, last_sequence) "
           "SELECT r.run_id, c.producer_id, c.epoch, c.last_sequence FROM run r CROSS JOIN producer_cursor c) "
           "SELECT run_id FROM run",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt SEALS_ADD = {
    .name = "seal.add",
    .sql = "INSERT INTO usage_seal (account_id, day, run_id, sealed_at, counted, records, root) "
           "SELECT u.account_id, r.day, r.run_id, r.sealed_at, u.counted, u.records, u.root FROM seal_run r "
           "CROSS JOIN unnest($2::int8[], $3::int8[], $4::int8[], $5::bytea[]) "
           "AS u (account_id, counted, records, root) WHERE r.run_id = $1::int8",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt MONTH = {
    .name = "seal.month",
    .sql = "SELECT DISTINCT ON (day) day::timestamp AT TIME ZONE 'UTC' AS at, records, root FROM usage_seal "
           "WHERE account_id = $1::int8 AND day >= ($2::timestamptz AT TIME ZONE 'UTC')::date "
           "AND day < ($3::timestamptz AT TIME ZONE 'UTC')::date AND sealed_at <= $4::timestamptz "
           "ORDER BY day, run_id DESC",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt FIND = {
    .name = "seal.find",
    .sql = "SELECT r.account_id, r.started_at, r.function_id, r.request_id, r.duration_us, r.init_us, r.cpu_us, "
           "r.response_bytes, r.sequence, r.billed_ms, r.memory_mib, r.peak_kib, r.version, r.ephemeral_mib, "
           "r.billed_requests, r.node_id, r.attempt, r.status, r.flags FROM usage_record r "
           "WHERE r.account_id = $1::int8 AND r.request_id = $2::uuid AND r.started_at >= $3::timestamptz "
           "AND r.started_at < $4::timestamptz ORDER BY r.attempt DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt ACTIVITY = {
    .name = "seal.activity",
    .sql =
        "SELECT d.n, coalesce(max(s.n_tup_ins), 0)::int8 AS inserted "
        "FROM generate_series(0, (extract(epoch FROM $2::timestamptz - $1::timestamptz) / 86400)::int8 - 1) AS d (n) "
        "LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.schemaname = current_schema() AND s.relname = "
        "usage_partition_name(($1::timestamptz AT TIME ZONE 'UTC')::date + d.n::int) GROUP BY d.n",
    .expect = PG_ANY_ROWS,
};

static int on_due(const struct pg_row *row, void *ctx, struct err *err)
{
    bool *due = ctx;
    (void)err;
    *due = pg_get_bool(row, "due");
    return 0;
}

int seal_store_due(struct pg *pg, int64_t day_us, bool *due, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(day_us), PG_P_END};
    return pg_run(pg, &IS_DUE, params, on_due, due, NULL, err);
}

int seal_store_records(struct pg *pg, int64_t day_us, pg_row_fn *on_row, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(day_us), PG_P_END};
    return pg_stream(pg, &RECORDS, params, on_row, ctx, err);
}

static int on_run(const struct pg_row *row, void *ctx, struct err *err)
{
    int64_t *run_id = ctx;
    (void)err;
    *run_id = pg_get_i64(row, "run_id");
    return 0;
}

enum seal_column { SEAL_ACCOUNT, SEAL_COUNTED, SEAL_RECORDS, SEAL_ROOT, SEAL_COLUMNS };

static void put_column(struct buf *out, enum seal_column column, const struct seal_row *rows, int64_t count)
{
    rows_array_begin(out, column == SEAL_ROOT ? ROWS_BYTEA : ROWS_INT8, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        const int64_t values[] = {rows[i].account_id, rows[i].counted, rows[i].records};
        if (column == SEAL_ROOT) {
            rows_array_bytes(out, rows[i].root.bytes, sizeof rows[i].root.bytes);
        } else {
            rows_array_i64(out, values[column]);
        }
    }
}

int seal_store_add(struct pg *pg, int64_t day_us, const struct seal_row *rows, int64_t count, struct err *err)
{
    const struct pg_param day[] = {PG_P_TIME(day_us), PG_P_END};
    struct buf columns[SEAL_COLUMNS] = {0};
    int64_t run_id = 0;
    int rc = pg_run(pg, &RUN_ADD, day, on_run, &run_id, NULL, err);
    bool whole = true;
    for (int i = 0; i < SEAL_COLUMNS && rc == 0; i++) {
        put_column(&columns[i], (enum seal_column)i, rows, count);
        whole = whole && buf_ok(&columns[i]);
    }
    if (rc == 0 && !whole) {
        rc = err_set(err, ERR_SYSTEM, "seal: out of memory");
    }
    if (rc == 0 && count > 0) {
        const struct pg_param params[] = {PG_P_I64(run_id),
                                          PG_P_BYTES(columns[0].data, columns[0].length),
                                          PG_P_BYTES(columns[1].data, columns[1].length),
                                          PG_P_BYTES(columns[2].data, columns[2].length),
                                          PG_P_BYTES(columns[3].data, columns[3].length),
                                          PG_P_END};
        rc = pg_run(pg, &SEALS_ADD, params, NULL, NULL, NULL, err);
    }
    for (int i = 0; i < SEAL_COLUMNS; i++) {
        buf_free(&columns[i]);
    }
    return rc;
}

int seal_store_find(struct pg *pg, int64_t account_id, const uint8_t request_id[16], int64_t from_us, int64_t to_us,
                    pg_row_fn *on_row, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_UUID(request_id), PG_P_TIME(from_us), PG_P_TIME(to_us),
                                      PG_P_END};
    return pg_run(pg, &FIND, params, on_row, ctx, NULL, err);
}

int seal_store_activity(struct pg *pg, int64_t from_us, int64_t to_us, pg_row_fn *on_row, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_END};
    return pg_run(pg, &ACTIVITY, params, on_row, ctx, NULL, err);
}

int seal_store_month(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, int64_t as_of_us,
                     pg_row_fn *on_row, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_TIME(as_of_us),
                                      PG_P_END};
    return pg_run(pg, &MONTH, params, on_row, ctx, NULL, err);
}
