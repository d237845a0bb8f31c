#include "metering/trace_store.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/map.h"
#include "metering/rows.h"
#include "metering/trace.h"
#include "schema/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 32

static const struct pg_stmt ACCOUNTS_ADD = {
    .name = "trace.accounts_add",
    .sql = "WITH wanted AS (SELECT DISTINCT w.name FROM unnest($1::text[]) AS w (name) "
           "LEFT JOIN account_name n ON n.name = w.name WHERE n.name IS NULL), "
           "named AS (INSERT INTO account_name (name, account_id) "
           "SELECT name, nextval('account_id_seq') FROM wanted ORDER BY name ON CONFLICT (name) DO NOTHING "
           "RETURNING name, account_id) "
           "INSERT INTO account (account_id, name) SELECT account_id, name FROM named",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt ACCOUNTS_GET = {
    .name = "trace.accounts_get",
    .sql = "SELECT w.ordinal, n.account_id FROM unnest($1::text[]) WITH ORDINALITY AS w (name, ordinal) "
           "JOIN account_name n ON n.name = w.name",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt FUNCTIONS_ADD = {
    .name = "trace.functions_add",
    .sql = "INSERT INTO function (account_id, function_id, name, origin) "
           "SELECT w.account_id, nextval('function_id_seq'), w.name, 'external' "
           "FROM (SELECT DISTINCT * FROM unnest($1::int8[], $2::text[])) AS w (account_id, name) "
           "LEFT JOIN function f ON f.account_id = w.account_id AND f.name = w.name AND f.deleted_at IS NULL "
           "WHERE f.name IS NULL ORDER BY w.account_id, w.name ON CONFLICT DO NOTHING",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt FUNCTIONS_GET = {
    .name = "trace.functions_get",
    .sql = "SELECT w.ordinal, f.function_id "
           "FROM ROWS FROM (unnest($1::int8[], $2::text[])) WITH ORDINALITY AS w (account_id, name, ordinal) "
           "JOIN function f ON f.account_id = w.account_id AND f.name = w.name AND f.deleted_at IS NULL",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt IDS = {
    .name = "trace.ids",
    .sql = "SELECT request_id FROM usage_record WHERE producer_id = $1::int8 "
           "AND started_at >= $2::timestamptz AND started_at < $3::timestamptz",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt CURSOR = {
    .name = "trace.cursor",
    .sql = "SELECT epoch, last_sequence FROM producer_cursor WHERE producer_id = $1::int8",
    .expect = PG_MAYBE_ROW,
};

static void put_name(struct buf *out, const char *prefix, const char *hash)
{
    char name[NAME_BYTES];
    int length = snprintf(name, sizeof name, "%s%.12s", prefix, hash);
    rows_array_bytes(out, name, (size_t)length);
}

static int on_account(const struct pg_row *row, void *ctx, struct err *err)
{
    struct trace *trace = ctx;
    int64_t ordinal = pg_get_i64(row, "ordinal");
    (void)err;
    CHECK(ordinal >= 1 && (size_t)ordinal <= trace->count);
    trace->functions[ordinal - 1].account_id = pg_get_i64(row, "account_id");
    return 0;
}

static int on_function(const struct pg_row *row, void *ctx, struct err *err)
{
    struct trace *trace = ctx;
    int64_t ordinal = pg_get_i64(row, "ordinal");
    (void)err;
    CHECK(ordinal >= 1 && (size_t)ordinal <= trace->count);
    trace->functions[ordinal - 1].function_id = pg_get_i64(row, "function_id");
    return 0;
}

static int store_accounts(struct pg *pg, struct trace *trace, struct buf *names, struct err *err)
{
    rows_array_begin(names, ROWS_TEXT, trace->count);
    for (size_t i = 0; i < trace->count; i++) {
        put_name(names, "az-", trace->functions[i].owner);
    }
    const struct pg_param params[] = {PG_P_BYTES(names->data, names->length), PG_P_END};
    if (!buf_ok(names)) {
        return err_set(err, ERR_SYSTEM, "trace: out of memory");
    }
    if (pg_run(pg, &ACCOUNTS_ADD, params, NULL, NULL, NULL, err) != 0) {
        return -1;
    }
    return pg_run(pg, &ACCOUNTS_GET, params, on_account, trace, NULL, err);
}

static int store_functions(struct pg *pg, struct trace *trace, struct buf *names, struct err *err)
{
    buf_clear(names);
    rows_array_begin(names, ROWS_INT8, trace->count);
    for (size_t i = 0; i < trace->count; i++) {
        rows_array_i64(names, trace->functions[i].account_id);
    }
    size_t accounts = names->length;
    rows_array_begin(names, ROWS_TEXT, trace->count);
    for (size_t i = 0; i < trace->count; i++) {
        put_name(names, "fn-", trace->functions[i].name);
    }
    if (!buf_ok(names)) {
        return err_set(err, ERR_SYSTEM, "trace: out of memory");
    }
    const struct pg_param params[] = {PG_P_BYTES(names->data, accounts),
                                      PG_P_BYTES(names->data + accounts, names->length - accounts), PG_P_END};
    if (pg_run(pg, &FUNCTIONS_ADD, params, NULL, NULL, NULL, err) != 0) {
        return -1;
    }
    return pg_run(pg, &FUNCTIONS_GET, params, on_function, trace, NULL, err);
}

int trace_store_names(struct pg *pg, struct trace *trace, struct err *err)
{
    struct buf names = {0};
    int rc = 0;
    if (trace->count > 0) {
        rc = store_accounts(pg, trace, &names, err) != 0 || store_functions(pg, trace, &names, err) != 0 ? -1 : 0;
    }
    for (size_t i = 0; i < trace->count && rc == 0; i++) {
        if (trace->functions[i].account_id == 0 || trace->functions[i].function_id == 0) {
            rc = err_set(err, ERR_SYSTEM, "account or function of %s is missing after it was made",
                         trace->functions[i].name);
        }
    }
    buf_free(&names);
    return rc;
}

struct ids {
    trace_store_id_fn *on_id;
    void *ctx;
};

static int on_id_row(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct ids *ids = ctx;
    size_t length;
    const void *id = pg_get_bytes(row, "request_id", &length);
    if (id == NULL || length != 16) {
        return err_set(err, ERR_SYSTEM, "a request id is not 16 bytes");
    }
    ids->on_id(id, ids->ctx);
    return 0;
}

int trace_store_ids(struct pg *pg, uint64_t producer_id, int64_t from_us, int64_t to_us, trace_store_id_fn *on_id,
                    void *ctx, struct err *err)
{
    struct ids ids = {.on_id = on_id, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(producer_id), PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_END};
    return pg_stream(pg, &IDS, params, on_id_row, &ids, err);
}

struct cursor {
    uint64_t epoch;
    int64_t last_sequence;
};

static int on_cursor(const struct pg_row *row, void *ctx, struct err *err)
{
    struct cursor *cursor = ctx;
    (void)err;
    cursor->epoch = (uint64_t)pg_get_i64(row, "epoch");
    cursor->last_sequence = pg_get_i64(row, "last_sequence");
    return 0;
}

int trace_store_cursor(struct pg *pg, uint64_t producer_id, uint64_t *epoch, int64_t *last_sequence, struct err *err)
{
    struct cursor cursor = {.last_sequence = -1};
    const struct pg_param params[] = {PG_P_I64(producer_id), PG_P_END};
    if (pg_run(pg, &CURSOR, params, on_cursor, &cursor, NULL, err) != 0) {
        return -1;
    }
    *epoch = cursor.epoch;
    *last_sequence = cursor.last_sequence;
    return 0;
}
