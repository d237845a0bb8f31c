/*
 * pg_run.c - statements and rows.
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/map.h"
#include "common/text.h"
#include "common/uuid.h"
#include "schema/pg_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OID_BYTEA 17
#define OID_UUID 2950
#define NUMBER_BYTES 48

/* Bytes decoded for the current row; they live until its callback returns. */
struct block {
    struct block *next;
    unsigned char bytes[];
};

struct pg_row {
    const PGresult *result;
    int row;
    struct pg_reading *reading;
};

/* What reading a row leaves behind, apart from the row because getters take it const. */
struct pg_reading {
    int next_column; /* where the next name is looked for first: rows are mostly read from left to right */
    struct block *blocks;
    bool failed;
    char fault[160];
};

/* ---- parameters ---- */

struct bound {
    int count;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    char numbers[PG_PARAMS_MAX][NUMBER_BYTES];
};

/* Numbers and times go as text, so that the cast in the SQL alone says what they are. */
static void bind_one(struct bound *bound, int i, const struct pg_param *param)
{
    char *number = bound->numbers[i];
    bound->formats[i] = 0;
    bound->lengths[i] = 0;
    bound->values[i] = NULL;
    if (param->null) {
        return;
    }
    switch (param->type) {
    case PG_T_I64:
        (void)snprintf(number, NUMBER_BYTES, "%" PRId64, param->i64);
        bound->values[i] = number;
        break;
    case PG_T_BOOL:
        bound->values[i] = param->i64 != 0 ? "t" : "f";
        break;
    case PG_T_TIME:
        calendar_format_us(param->i64, number);
        bound->values[i] = number;
        break;
    case PG_T_TEXT:
        bound->values[i] = param->bytes;
        break;
    case PG_T_BYTES:
    case PG_T_UUID:
        bound->formats[i] = 1;
        CHECK(param->length <= INT32_MAX);
        bound->lengths[i] = param->type == PG_T_UUID ? 16 : (int)param->length;
        bound->values[i] = param->bytes != NULL ? param->bytes : "";
        break;
    case PG_T_END:
        CHECK(param->type != PG_T_END);
    }
}

static void bind(struct bound *bound, const struct pg_param *params)
{
    bound->count = 0;
    for (; params != NULL && params->type != PG_T_END; params++) {
        CHECK(bound->count < PG_PARAMS_MAX);
        bind_one(bound, bound->count, params);
        bound->count++;
    }
}

int pg_prepare(struct pg *pg, const struct pg_stmt *stmt, struct err *err)
{
    size_t length = strlen(stmt->name);
    const char *known = map_get(pg->prepared, stmt->name, length);
    if (known != NULL) {
        CHECK(known == stmt->sql || strcmp(known, stmt->sql) == 0);
        return 0;
    }
    PGresult *result = NULL;
    if (PQsendPrepare(pg->conn, stmt->name, stmt->sql, 0, NULL) == 1) {
        result = pg_finish(pg);
    }
    int rc = 0;
    if (PQresultStatus(result) != PGRES_COMMAND_OK || PQstatus(pg->conn) != CONNECTION_OK) {
        rc = pg_fail(pg, result, stmt->name, PG_STAKE_NONE, err);
    }
    PQclear(result);
    /* The map borrows the text: it is a constant of the program. */
    union {
        const char *in;
        void *out;
    } sql = {.in = stmt->sql};
    if (rc == 0 && map_put(pg->prepared, stmt->name, length, sql.out) != 0) {
        rc = err_set(err, ERR_SYSTEM, "%s: out of memory", stmt->name);
    }
    return rc;
}

int pg_send_prepared(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, struct err *err)
{
    struct bound bound;
    bind(&bound, params);
    if (PQsendQueryPrepared(pg->conn, stmt->name, bound.count, bound.values, bound.lengths, bound.formats, 0) != 1) {
        return pg_fail(pg, NULL, stmt->name, pg_stake_of(pg, stmt->sql), err);
    }
    return 0;
}

static int send_statement(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, struct err *err)
{
    if (pg_ready(pg, stmt->name, err) != 0 || pg_prepare(pg, stmt, err) != 0) {
        return -1;
    }
    return pg_send_prepared(pg, stmt, params, err);
}

/* ---- rows ---- */

static void reading_reset(struct pg_reading *reading)
{
    while (reading->blocks != NULL) {
        struct block *next = reading->blocks->next;
        free(reading->blocks);
        reading->blocks = next;
    }
}

static void fault(const struct pg_row *row, const char *column, const char *what)
{
    if (!row->reading->failed) {
        row->reading->failed = true;
        (void)snprintf(row->reading->fault, sizeof row->reading->fault, "column %.60s %s", column, what);
    }
}

static int column_of(const struct pg_row *row, const char *column)
{
    int count = PQnfields(row->result);
    int at = row->reading->next_column;
    for (int i = 0; i < count; i++, at++) {
        at = at >= count ? 0 : at;
        if (strcmp(PQfname(row->result, at), column) == 0) {
            row->reading->next_column = at + 1;
            return at;
        }
    }
    return -1;
}

/* The text of the column; NULL when it is null. */
static const char *cell(const struct pg_row *row, const char *column, int *at)
{
    *at = column_of(row, column);
    if (*at < 0) {
        (void)fprintf(stderr, "{\"level\":\"fatal\",\"event\":\"column.missing\",\"column\":\"%s\"}\n", column);
    }
    CHECK(*at >= 0);
    return PQgetisnull(row->result, row->row, *at) ? NULL : PQgetvalue(row->result, row->row, *at);
}

static const char *must_cell(const struct pg_row *row, const char *column, int *at)
{
    const char *text = cell(row, column, at);
    if (text == NULL) {
        fault(row, column, "is null");
    }
    return text;
}

static int64_t to_i64(const struct pg_row *row, const char *column, const char *text)
{
    int64_t value = 0;
    if (text_i64(text, column, INT64_MIN, INT64_MAX, &value, NULL) != 0) {
        fault(row, column, "is not a whole number");
    }
    return value;
}

/* "2026-11-23 10:44:50.123456+00" (the session is in UTC), or a date. */
static int64_t to_time(const struct pg_row *row, const char *column, const char *text)
{
    char iso[CALENDAR_TEXT_BYTES];
    int64_t value = 0;
    bool ok = text_copy(iso, sizeof iso - 1, text) == 0;
    size_t length = ok ? strlen(iso) : 0;
    if (length > 13 && iso[10] == ' ' && strcmp(iso + length - 3, "+00") == 0) {
        iso[10] = 'T';
        iso[length - 3] = 'Z';
        iso[length - 2] = '\0';
    }
    if (!ok || calendar_parse(iso, column, &value, NULL) != 0) {
        fault(row, column, "is not a time since 1970");
    }
    return value;
}

int64_t pg_get_i64(const struct pg_row *row, const char *column)
{
    int at;
    const char *text = must_cell(row, column, &at);
    return text != NULL ? to_i64(row, column, text) : 0;
}

int64_t pg_get_i64_or(const struct pg_row *row, const char *column, int64_t if_null)
{
    int at;
    const char *text = cell(row, column, &at);
    return text != NULL ? to_i64(row, column, text) : if_null;
}

bool pg_get_bool(const struct pg_row *row, const char *column)
{
    int at;
    const char *text = must_cell(row, column, &at);
    return text != NULL && text[0] == 't';
}

int64_t pg_get_time(const struct pg_row *row, const char *column)
{
    int at;
    const char *text = must_cell(row, column, &at);
    return text != NULL ? to_time(row, column, text) : 0;
}

int64_t pg_get_time_or(const struct pg_row *row, const char *column, int64_t if_null)
{
    int at;
    const char *text = cell(row, column, &at);
    return text != NULL ? to_time(row, column, text) : if_null;
}

const char *pg_get_text(const struct pg_row *row, const char *column)
{
    int at;
    const char *text = must_cell(row, column, &at);
    return text != NULL ? text : "";
}

const char *pg_get_text_or(const struct pg_row *row, const char *column, const char *if_null)
{
    int at;
    const char *text = cell(row, column, &at);
    return text != NULL ? text : if_null;
}

static unsigned char *keep(const struct pg_row *row, const char *column, size_t length)
{
    struct block *block = malloc(sizeof *block + length + 1);
    if (block == NULL) {
        fault(row, column, "does not fit into memory");
        return NULL;
    }
    block->next = row->reading->blocks;
    row->reading->blocks = block;
    return block->bytes;
}

const void *pg_get_bytes(const struct pg_row *row, const char *column, size_t *length)
{
    int at;
    struct uuid uuid;
    const char *text = must_cell(row, column, &at);
    *length = 0;
    if (text == NULL) {
        return "";
    }
    size_t bytes = (size_t)PQgetlength(row->result, row->row, at);
    if (PQftype(row->result, at) == OID_UUID && uuid_parse(text, &uuid) == 0) {
        unsigned char *kept = keep(row, column, sizeof uuid.bytes);
        if (kept == NULL) {
            return "";
        }
        *length = sizeof uuid.bytes;
        return memcpy(kept, uuid.bytes, sizeof uuid.bytes);
    }
    if (PQftype(row->result, at) == OID_BYTEA && text_starts(text, "\\x")) {
        unsigned char *kept = keep(row, column, bytes / 2);
        if (kept == NULL || hex_decode(text + 2, kept, bytes / 2 - 1) != 0) {
            fault(row, column, "is not hexadecimal");
            return "";
        }
        *length = bytes / 2 - 1;
        return kept;
    }
    *length = bytes;
    return text;
}

bool pg_is_null(const struct pg_row *row, const char *column)
{
    int at;
    return cell(row, column, &at) == NULL;
}

/* The callback for one row, and then what its getters found wrong. */
static int visit(struct pg *pg, const struct pg_stmt *stmt, const PGresult *result, int row, pg_row_fn *on_row,
                 void *ctx, struct err *err)
{
    struct pg_reading reading = {0};
    struct pg_row view = {.result = result, .row = row, .reading = &reading};
    if (on_row == NULL) {
        return 0;
    }
    pg->busy = true;
    int rc = on_row(&view, ctx, err);
    pg->busy = false;
    if (rc == 0 && reading.failed) {
        rc = err_set(err, ERR_SYSTEM, "%s: %s", stmt->name, reading.fault);
    }
    reading_reset(&reading);
    return rc;
}

static int check_rows(const struct pg_stmt *stmt, int rows, struct err *err)
{
    bool ok = true;
    switch (stmt->expect) {
    case PG_ANY_ROWS:
        break;
    case PG_ONE_ROW:
        ok = rows == 1;
        break;
    case PG_MAYBE_ROW:
        ok = rows <= 1;
        break;
    case PG_NO_ROWS:
        ok = rows == 0;
        break;
    }
    return ok ? 0 : err_set(err, ERR_SYSTEM, "%s: %d rows, which this statement must not have", stmt->name, rows);
}

static int64_t affected_by(PGresult *result)
{
    int64_t count = 0;
    (void)text_i64(PQcmdTuples(result), "rows", 0, INT64_MAX, &count, NULL);
    return count;
}

static int take_result(struct pg *pg, const struct pg_stmt *stmt, PGresult *result, pg_row_fn *on_row, void *ctx,
                       int64_t *affected, struct err *err)
{
    ExecStatusType status = PQresultStatus(result);
    if ((status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) || PQstatus(pg->conn) != CONNECTION_OK) {
        return pg_fail(pg, result, stmt->name, pg_stake_of(pg, stmt->sql), err);
    }
    if (pg->unreplicated && !pg->in_tx) {
        return err_set(err, ERR_UNCERTAIN, "%s: committed here, but maybe not on the standby", stmt->name);
    }
    int rows = PQntuples(result);
    if (check_rows(stmt, rows, err) != 0) {
        return -1;
    }
    for (int i = 0; i < rows; i++) {
        if (visit(pg, stmt, result, i, on_row, ctx, err) != 0) {
            return -1;
        }
    }
    if (affected != NULL) {
        *affected = affected_by(result);
    }
    return 0;
}

int pg_run(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, pg_row_fn *on_row, void *ctx,
           int64_t *affected, struct err *err)
{
    PGresult *result = NULL;
    if (pg_ready_untold(pg, stmt->name, err) != 0) {
        return -1;
    }
    if (pg->walled && pg->tenant != pg->tenant_told) {
        if (pg_run_told(pg, stmt, params, &result, err) != 0) {
            return -1;
        }
    } else {
        if (pg_prepare(pg, stmt, err) != 0 || pg_send_prepared(pg, stmt, params, err) != 0) {
            return -1;
        }
        result = pg_finish(pg);
    }
    int rc = take_result(pg, stmt, result, on_row, ctx, affected, err);
    PQclear(result);
    return rc;
}

/* The reader has had enough: ask the server to stop, so that the rest of a long result need not be read. */
static void stop_stream(struct pg *pg)
{
    char ignored[128];
    PGcancel *cancel = PQgetCancel(pg->conn);
    if (cancel != NULL) {
        (void)PQcancel(cancel, ignored, sizeof ignored);
        PQfreeCancel(cancel);
    }
    PGresult *result;
    while ((result = PQgetResult(pg->conn)) != NULL) {
        PQclear(result);
    }
}

int pg_stream(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, pg_row_fn *on_row, void *ctx,
              struct err *err)
{
    CHECK(stmt->expect == PG_ANY_ROWS);
    if (send_statement(pg, stmt, params, err) != 0) {
        return -1;
    }
    CHECK(PQsetSingleRowMode(pg->conn) == 1);
    int rc = 0;
    PGresult *result;
    while (rc == 0 && (result = PQgetResult(pg->conn)) != NULL) {
        ExecStatusType status = PQresultStatus(result);
        if (status == PGRES_SINGLE_TUPLE) {
            rc = visit(pg, stmt, result, 0, on_row, ctx, err);
        } else if (status != PGRES_TUPLES_OK) {
            rc = pg_fail(pg, result, stmt->name, pg_stake_of(pg, stmt->sql), err);
        }
        PQclear(result);
    }
    if (rc != 0) {
        stop_stream(pg);
    } else if (PQstatus(pg->conn) != CONNECTION_OK) {
        rc = pg_fail(pg, NULL, stmt->name, pg_stake_of(pg, stmt->sql), err);
    }
    return rc;
}
