#include "metering/ingest_store.h"

#include "common/buf.h"
#include "common/calendar.h"
#include "common/check.h"
#include "common/err.h"
#include "metering/rollup.h"
#include "metering/rows.h"
#include "metering/spool_reader.h"
#include "schema/pg.h"

#include <string.h>

#define HOURLY_KEYS 7
#define HOURLY_FIELDS (HOURLY_KEYS + ROLLUP_SUMS + 1)

static const struct pg_stmt CURSOR_ADD = {
    .name = "ingest.cursor_add",
    /* Which days are over is read with a lock: who declares one over waits, or has done it before (daily.h). */
    .sql =
        "WITH s AS (SELECT through FROM usage_daily_state FOR SHARE) "
        "INSERT INTO producer_cursor AS c (producer_id, epoch, last_sequence, node_id, complete_through, "
        "daily_through) SELECT $1::int8, 0, -1, $2::int8, $3::timestamptz, s.through FROM s ON CONFLICT (producer_id) "
        "DO UPDATE SET complete_through = coalesce(c.complete_through, c.updated_at)",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt CURSOR_GET = {
    .name = "ingest.cursor_get",
    .sql = "SELECT epoch, last_sequence FROM producer_cursor WHERE producer_id = $1::int8 FOR UPDATE",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt CURSOR_MOVE = {
    .name = "ingest.cursor_move",
    .sql =
        "UPDATE producer_cursor SET epoch = $4::int8, last_sequence = $5::int8, node_id = $6::int8, "
        "complete_through = coalesce($7::timestamptz, complete_through), late_pending = $8::int8, updated_at = now() "
        "WHERE producer_id = $1::int8 AND epoch = $2::int8 AND last_sequence = $3::int8 RETURNING daily_through",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt CURSOR_RETIRE = {
    .name = "ingest.cursor_retire",
    .sql = "UPDATE producer_cursor SET complete_through = NULL, late_pending = 0, updated_at = now() "
           "WHERE producer_id = $1::int8 AND epoch = $2::int8 AND last_sequence = $3::int8",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt USAGE_COPY = {
    .name = "ingest.copy",
    .sql = "COPY usage_record (account_id, started_at, function_id, request_id, duration_us, init_us, cpu_us, "
           "response_bytes, producer_id, sequence, billed_ms, memory_mib, peak_kib, version, ephemeral_mib, "
           "billed_requests, epoch, node_id, attempt, status, flags) FROM STDIN (FORMAT binary)",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt HOURLY_TYPE = {
    .name = "ingest.hourly_type",
    .sql = "SELECT 'usage_hourly_delta'::regtype::oid::int8 AS type",
    .expect = PG_ONE_ROW,
};
/* What one account may report is bounded a call, not a month: a sum stays at the largest bigint, and the account's bill
 * says so, instead of a batch that can never be stored (schema/migrations/0221_counted.sql). */
#define ADDED(column)                                                                                                  \
    column " = CASE WHEN h." column " > 9223372036854775807 - excluded." column                                        \
           " THEN 9223372036854775807 ELSE h." column " + excluded." column " END, "
static const struct pg_stmt HOURLY_ADD = {
    .name = "ingest.hourly_add",
    .sql = "INSERT INTO usage_hourly AS h ("
           "account_id, hour, function_id, version, memory_mib, arch, provisioned, invocations, "
           "billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts, "
           "billed_ms, mb_ms, storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes, "
           "peak_kib_sum, peak_kib_max, latency"
           ") "
           "SELECT * FROM unnest($1::usage_hourly_delta[]) "
           "ON CONFLICT (account_id, hour, function_id, version, memory_mib, arch, provisioned) DO UPDATE SET "
           "invocations = h.invocations + excluded.invocations, "
           "billed_requests = h.billed_requests + excluded.billed_requests, "
           "errors = h.errors + excluded.errors, timeouts = h.timeouts + excluded.timeouts, "
           "ooms = h.ooms + excluded.ooms, init_errors = h.init_errors + excluded.init_errors, "
           "killed = h.killed + excluded.killed, throttles = h.throttles + excluded.throttles, "
           "cold_starts = h.cold_starts + excluded.cold_starts, "
           "billed_ms = h.billed_ms + excluded.billed_ms, " ADDED("mb_ms") ADDED("storage_mb_ms")
               ADDED("streamed_bytes") ADDED("duration_us") ADDED("init_us") ADDED("cpu_us")
                   ADDED("response_bytes") "peak_kib_sum = h.peak_kib_sum + excluded.peak_kib_sum, "
                                           "peak_kib_max = greatest(h.peak_kib_max, excluded.peak_kib_max), "
                                           "latency = h.latency + excluded.latency",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt DAYS_CHANGED = {
    .name = "ingest.days_changed",
    .sql = "INSERT INTO usage_day AS d (account_id, day, generation) SELECT u.account_id, u.day, 1 "
           "FROM unnest($1::int8[], $2::timestamptz[]) AS u (account_id, day) ON CONFLICT (account_id, day) "
           "DO UPDATE SET generation = d.generation + 1, changed_at = now()",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt REFUSALS_ADD = {
    .name = "ingest.refusals_add",
    .sql =
        "INSERT INTO usage_refusal AS r (account_id, hour, function_id, reason, refusals) "
        "SELECT * FROM unnest($1::int8[], $2::timestamptz[], $3::int8[], $4::int8[], $5::int8[]) "
        "ON CONFLICT (account_id, hour, function_id, reason) DO UPDATE SET refusals = r.refusals + excluded.refusals",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt HOLES_ADD = {
    .name = "ingest.holes_add",
    .sql = "INSERT INTO spool_hole (producer_id, epoch, sequence, slots, reason) "
           "SELECT $1::int8, $2::int8, h.sequence, h.slots, h.reason "
           "FROM unnest($3::int8[], $4::int8[], $5::text[]) AS h (sequence, slots, reason)",
    .expect = PG_NO_ROWS,
};

int ingest_store_cursor_add(struct pg *pg, uint64_t producer_id, int64_t node_id, int64_t created_us, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(producer_id), PG_P_I64(node_id), PG_P_TIME(created_us), PG_P_END};
    return pg_run(pg, &CURSOR_ADD, params, NULL, NULL, NULL, err);
}

static int on_cursor(const struct pg_row *row, void *ctx, struct err *err)
{
    struct ingest_cursor *cursor = ctx;
    (void)err;
    cursor->epoch = (uint64_t)pg_get_i64(row, "epoch");
    cursor->last_sequence = pg_get_i64(row, "last_sequence");
    return 0;
}

int ingest_store_cursor_get(struct pg *pg, struct ingest_cursor *cursor, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(cursor->producer_id), PG_P_END};
    return pg_run(pg, &CURSOR_GET, params, on_cursor, cursor, NULL, err);
}

static int on_moved(const struct pg_row *row, void *ctx, struct err *err)
{
    struct ingest_moved *moved = ctx;
    (void)err;
    moved->moved = true;
    moved->over_through_us = pg_get_time_or(row, "daily_through", INT64_MIN);
    return 0;
}

int ingest_store_cursor_move(struct pg *pg, const struct ingest_cursor *from, const struct ingest_cursor *to,
                             const struct ingest_state *state, struct ingest_moved *moved, struct err *err)
{
    const struct pg_param through = PG_P_TIME(state->complete_through_us);
    const struct pg_param unknown = PG_P_NULL(PG_T_TIME);
    const struct pg_param params[] = {
        PG_P_I64(from->producer_id),
        PG_P_I64(from->epoch),
        PG_P_I64(from->last_sequence),
        PG_P_I64(to->epoch),
        PG_P_I64(to->last_sequence),
        PG_P_I64(state->node_id),
        state->complete_through_us != 0 ? through : unknown,
        PG_P_I64(state->pending),
        PG_P_END,
    };
    *moved = (struct ingest_moved){.over_through_us = INT64_MIN};
    return pg_run(pg, &CURSOR_MOVE, params, on_moved, moved, NULL, err);
}

int ingest_store_retire(struct pg *pg, const struct ingest_cursor *cursor, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(cursor->producer_id), PG_P_I64(cursor->epoch),
                                      PG_P_I64(cursor->last_sequence), PG_P_END};
    return pg_run(pg, &CURSOR_RETIRE, params, NULL, NULL, NULL, err);
}

int ingest_store_copy_begin(struct pg *pg, struct err *err)
{
    return pg_copy_in_begin(pg, &USAGE_COPY, err);
}

static int on_type(const struct pg_row *row, void *ctx, struct err *err)
{
    uint32_t *type = ctx;
    (void)err;
    *type = (uint32_t)pg_get_i64(row, "type");
    return 0;
}

int ingest_store_hourly_type(struct pg *pg, uint32_t *type, struct err *err)
{
    return pg_run(pg, &HOURLY_TYPE, NULL, on_type, type, NULL, err);
}

/* Fields in the order of usage_hourly_delta. */
static void put_hourly(struct buf *out, const struct rollup_row *row, struct buf *number)
{
    size_t begun = rows_composite_begin(out, HOURLY_FIELDS);
    rows_composite_i64(out, row->key.account_id);
    rows_composite_time(out, row->key.hour_us);
    rows_composite_i64(out, row->key.function_id);
    rows_composite_i64(out, row->key.version);
    rows_composite_i64(out, row->key.memory_mib);
    rows_composite_i64(out, row->key.arch);
    rows_composite_i64(out, row->key.provisioned);
    for (unsigned sum = 0; sum < ROLLUP_SUMS; sum++) {
        rows_composite_i64(out, row->sums[sum]);
    }
    buf_clear(number);
    latency_encode(row->latency, row->latency_low, row->latency_high, number);
    rows_composite_bytes(out, ROWS_NUMERIC, number->data, number->length);
    rows_composite_end(out, begun);
}

int ingest_store_hourly(struct pg *pg, uint32_t type, const struct rollup_row *const *rows, size_t count,
                        struct buf *scratch, struct err *err)
{
    struct buf number = {0};
    buf_clear(scratch);
    rows_array_begin_of(scratch, type, count);
    for (size_t i = 0; i < count; i++) {
        put_hourly(scratch, rows[i], &number);
    }
    bool whole = buf_ok(scratch) && buf_ok(&number);
    buf_free(&number);
    if (!whole) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    const struct pg_param params[] = {PG_P_BYTES(scratch->data, scratch->length), PG_P_END};
    return pg_run(pg, &HOURLY_ADD, params, NULL, NULL, NULL, err);
}

static bool is_next_day(const struct rollup_row *row, const struct rollup_row *before)
{
    return before == NULL || row->key.account_id != before->key.account_id ||
           calendar_day_start(row->key.hour_us) != calendar_day_start(before->key.hour_us);
}

int ingest_store_days_changed(struct pg *pg, const struct rollup_row *const *rows, size_t count, int64_t through_us,
                              struct buf *scratch, struct err *err)
{
    size_t changed = 0;
    const struct rollup_row *before = NULL;
    struct buf days = {0};
    struct buf accounts = {0};
    for (size_t i = 0; i < count; i++) {
        if (calendar_day_start(rows[i]->key.hour_us) <= through_us && is_next_day(rows[i], before)) {
            before = rows[i];
            rows_array_i64(&accounts, rows[i]->key.account_id);
            rows_array_time(&days, calendar_day_start(rows[i]->key.hour_us));
            changed++;
        }
    }
    if (changed == 0) {
        return 0;
    }
    buf_clear(scratch);
    rows_array_begin(scratch, ROWS_INT8, changed);
    buf_append(scratch, accounts.data, accounts.length);
    size_t accounts_end = scratch->length;
    rows_array_begin(scratch, ROWS_TIMESTAMPTZ, changed);
    buf_append(scratch, days.data, days.length);
    bool whole = buf_ok(scratch) && buf_ok(&accounts) && buf_ok(&days);
    buf_free(&accounts);
    buf_free(&days);
    if (!whole) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    const struct pg_param params[] = {PG_P_BYTES(scratch->data, accounts_end),
                                      PG_P_BYTES(scratch->data + accounts_end, scratch->length - accounts_end),
                                      PG_P_END};
    return pg_run(pg, &DAYS_CHANGED, params, NULL, NULL, NULL, err);
}

int ingest_store_refusals(struct pg *pg, const struct rollup_refusal *rows, size_t count, struct buf *scratch,
                          struct err *err)
{
    size_t ends[5];
    buf_clear(scratch);
    for (unsigned column = 0; column < 5; column++) {
        rows_array_begin(scratch, column == 1 ? ROWS_TIMESTAMPTZ : ROWS_INT8, count);
        for (size_t i = 0; i < count; i++) {
            const struct rollup_refusal *row = &rows[i];
            const int64_t values[5] = {row->key.account_id, 0, row->key.function_id, row->key.provisioned,
                                       row->refusals};
            if (column == 1) {
                rows_array_time(scratch, row->key.hour_us);
            } else {
                rows_array_i64(scratch, values[column]);
            }
        }
        ends[column] = scratch->length;
    }
    if (!buf_ok(scratch)) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    const char *data = scratch->data;
    const struct pg_param params[] = {
        PG_P_BYTES(data, ends[0]),
        PG_P_BYTES(data + ends[0], ends[1] - ends[0]),
        PG_P_BYTES(data + ends[1], ends[2] - ends[1]),
        PG_P_BYTES(data + ends[2], ends[3] - ends[2]),
        PG_P_BYTES(data + ends[3], ends[4] - ends[3]),
        PG_P_END,
    };
    return pg_run(pg, &REFUSALS_ADD, params, NULL, NULL, NULL, err);
}

int ingest_store_holes(struct pg *pg, uint64_t producer_id, uint64_t epoch, const struct spool_hole *holes,
                       size_t count, struct buf *scratch, struct err *err)
{
    buf_clear(scratch);
    rows_array_begin(scratch, ROWS_INT8, count);
    for (size_t i = 0; i < count; i++) {
        rows_array_i64(scratch, (int64_t)holes[i].sequence);
    }
    size_t slots_at = scratch->length;
    rows_array_begin(scratch, ROWS_INT8, count);
    for (size_t i = 0; i < count; i++) {
        rows_array_i64(scratch, (int64_t)holes[i].slots);
    }
    size_t reasons_at = scratch->length;
    rows_array_begin(scratch, ROWS_TEXT, count);
    for (size_t i = 0; i < count; i++) {
        const char *reason = spool_hole_name(holes[i].reason);
        rows_array_bytes(scratch, reason, strlen(reason));
    }
    if (!buf_ok(scratch)) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    const char *data = scratch->data;
    const struct pg_param params[] = {
        PG_P_I64(producer_id),
        PG_P_I64(epoch),
        PG_P_BYTES(data, slots_at),
        PG_P_BYTES(data + slots_at, reasons_at - slots_at),
        PG_P_BYTES(data + reasons_at, scratch->length - reasons_at),
        PG_P_END,
    };
    return pg_run(pg, &HOLES_ADD, params, NULL, NULL, NULL, err);
}
