/*
 * pg_copy.c - COPY, both ways.
 */
#include "common/check.h"
#include "common/err.h"
#include "common/text.h"
#include "schema/pg_internal.h"

#include <string.h>

#define COPY_OUT_BYTES 65536

int pg_copy_in_begin(struct pg *pg, const struct pg_stmt *stmt, struct err *err)
{
    PGresult *result = NULL;
    if (pg_ready(pg, stmt->name, err) != 0 || pg_simple(pg, stmt->name, stmt->sql, PG_STAKE_NONE, &result, err) != 0) {
        return -1;
    }
    CHECK(PQresultStatus(result) == PGRES_COPY_IN);
    PQclear(result);
    if (!buf_ok(&pg->copy)) {
        buf_free(&pg->copy);
    }
    buf_clear(&pg->copy);
    pg->in_copy = true;
    return 0;
}

static int flush_copy(struct pg *pg, struct err *err)
{
    if (pg->copy.length == 0) {
        return 0;
    }
    int sent = PQputCopyData(pg->conn, pg->copy.data, (int)pg->copy.length);
    buf_clear(&pg->copy);
    if (sent != 1) {
        pg->in_copy = false;
        return pg_fail(pg, NULL, "copy", PG_STAKE_NONE, err);
    }
    return 0;
}

int pg_copy_in_put(struct pg *pg, const void *bytes, size_t length, struct err *err)
{
    CHECK(pg->in_copy);
    const char *at = bytes;
    while (length > 0) {
        size_t room = PG_COPY_CHUNK_BYTES - pg->copy.length;
        size_t part = length < room ? length : room;
        buf_append(&pg->copy, at, part);
        if (!buf_ok(&pg->copy)) {
            return err_set(err, ERR_SYSTEM, "copy: out of memory");
        }
        at += part;
        length -= part;
        if (pg->copy.length == PG_COPY_CHUNK_BYTES && flush_copy(pg, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int pg_copy_in_end(struct pg *pg, int64_t *rows, struct err *err)
{
    CHECK(pg->in_copy);
    /* Outside a transaction the end of the data is the commit. */
    enum pg_stake stake = pg->in_tx ? PG_STAKE_NONE : PG_STAKE_WRITE;
    if (flush_copy(pg, err) != 0) {
        return -1;
    }
    pg->in_copy = false;
    if (PQputCopyEnd(pg->conn, NULL) != 1) {
        return pg_fail(pg, NULL, "copy", stake, err);
    }
    PGresult *result = pg_finish(pg);
    int rc = 0;
    if (PQresultStatus(result) != PGRES_COMMAND_OK || PQstatus(pg->conn) != CONNECTION_OK) {
        rc = pg_fail(pg, result, "copy", stake, err);
    } else if (pg->unreplicated && !pg->in_tx) {
        rc = err_set(err, ERR_UNCERTAIN, "copy: committed here, but maybe not on the standby");
    } else if (rows != NULL) {
        (void)text_i64(PQcmdTuples(result), "rows", 0, INT64_MAX, rows, NULL);
    }
    PQclear(result);
    return rc;
}

/* The reader has had enough. */
static void stop_copy_out(struct pg *pg)
{
    char ignored[128];
    char *line = NULL;
    PGcancel *cancel = PQgetCancel(pg->conn);
    if (cancel != NULL) {
        (void)PQcancel(cancel, ignored, sizeof ignored);
        PQfreeCancel(cancel);
    }
    while (PQgetCopyData(pg->conn, &line, 0) > 0) {
        PQfreemem(line);
    }
    PQclear(pg_finish(pg));
}

/* Rows are gathered, so that the reader sees few large pieces. */
static int read_copy(struct pg *pg, struct buf *gather, pg_copy_fn *on_bytes, void *ctx, struct err *err)
{
    char *line = NULL;
    int length;
    while ((length = PQgetCopyData(pg->conn, &line, 0)) > 0) {
        buf_append(gather, line, (size_t)length);
        PQfreemem(line);
        if (!buf_ok(gather)) {
            return err_set(err, ERR_SYSTEM, "copy: out of memory");
        }
        if (gather->length >= COPY_OUT_BYTES) {
            if (on_bytes(gather->data, gather->length, ctx, err) != 0) {
                return -1;
            }
            buf_clear(gather);
        }
    }
    if (length == -1 && gather->length > 0) {
        return on_bytes(gather->data, gather->length, ctx, err);
    }
    return length == -1 ? 0 : pg_fail(pg, NULL, "copy", PG_STAKE_NONE, err);
}

int pg_copy_out(struct pg *pg, const struct pg_stmt *stmt, pg_copy_fn *on_bytes, void *ctx, struct err *err)
{
    PGresult *result = NULL;
    struct buf gather = {0};
    if (pg_ready(pg, stmt->name, err) != 0 || pg_simple(pg, stmt->name, stmt->sql, PG_STAKE_NONE, &result, err) != 0) {
        return -1;
    }
    CHECK(PQresultStatus(result) == PGRES_COPY_OUT);
    PQclear(result);
    pg->busy = true;
    int rc = read_copy(pg, &gather, on_bytes, ctx, err);
    pg->busy = false;
    buf_free(&gather);
    if (rc != 0) {
        stop_copy_out(pg);
        return -1;
    }
    result = pg_finish(pg);
    if (PQresultStatus(result) != PGRES_COMMAND_OK || PQstatus(pg->conn) != CONNECTION_OK) {
        rc = pg_fail(pg, result, stmt->name, PG_STAKE_NONE, err);
    }
    PQclear(result);
    return rc;
}
