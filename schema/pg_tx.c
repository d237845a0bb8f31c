/*
 * pg_tx.c - transactions.
 */
#include "common/check.h"
#include "common/err.h"
#include "schema/pg_internal.h"

#include <string.h>

static const char *begin_sql(enum pg_isolation isolation)
{
    switch (isolation) {
    case PG_READ_COMMITTED:
        return "BEGIN ISOLATION LEVEL READ COMMITTED";
    case PG_REPEATABLE_READ:
        return "BEGIN ISOLATION LEVEL REPEATABLE READ";
    case PG_SERIALIZABLE:
        return "BEGIN ISOLATION LEVEL SERIALIZABLE";
    }
    return NULL;
}

int pg_begin(struct pg *pg, enum pg_isolation isolation, struct err *err)
{
    CHECK(!pg->in_tx);
    if (pg_ready(pg, "begin", err) != 0 ||
        pg_simple(pg, "begin", begin_sql(isolation), PG_STAKE_NONE, NULL, err) != 0) {
        return -1;
    }
    pg->in_tx = true;
    return 0;
}

int pg_commit(struct pg *pg, struct err *err)
{
    CHECK(pg->in_tx && !pg->busy && !pg->in_copy);
    bool redo = pg->redo;
    PGresult *result = NULL;

    pg->unreplicated = false;
    pg->in_tx = false;
    if (pg_lost(pg)) {
        pg->redo = false;
        return err_set(err, ERR_RETRY, "commit: link to the database lost before it was sent");
    }
    if (pg_simple(pg, "commit", "COMMIT", PG_STAKE_WRITE, &result, err) != 0) {
        return -1;
    }
    bool committed = strcmp(PQcmdStatus(result), "COMMIT") == 0;
    PQclear(result);
    if (!committed) {
        /* A statement had failed and its error was not handed on. */
        pg->redo = redo;
        return err_set(err, redo ? ERR_RETRY : ERR_SYSTEM, "commit: the transaction had failed before");
    }
    if (pg->unreplicated) {
        return err_set(err, ERR_UNCERTAIN, "commit: done here, but maybe not on the standby");
    }
    return 0;
}

void pg_rollback(struct pg *pg)
{
    CHECK(!pg->busy);
    bool redo = pg->redo;
    if (pg->in_copy) {
        pg->in_copy = false;
        buf_clear(&pg->copy);
        if (PQstatus(pg->conn) == CONNECTION_OK) {
            (void)PQputCopyEnd(pg->conn, "given up");
            PQclear(pg_finish(pg));
        }
    }
    if (pg->in_tx && !pg_lost(pg)) {
        (void)pg_simple(pg, "rollback", "ROLLBACK", PG_STAKE_NONE, NULL, NULL);
    }
    pg->in_tx = false;
    pg->redo = redo;
}

static int try_once(struct pg *pg, enum pg_isolation isolation, pg_tx_fn *body, void *ctx, struct err *err)
{
    if (pg_begin(pg, isolation, err) != 0) {
        return -1;
    }
    if (body(pg, ctx, err) != 0) {
        pg_rollback(pg);
        return -1;
    }
    return pg_commit(pg, err);
}

int pg_tx_at(struct pg *pg, enum pg_isolation isolation, pg_tx_fn *body, void *ctx, struct err *err)
{
    struct err local = {0};
    for (int tries = 1;; tries++) {
        if (try_once(pg, isolation, body, ctx, &local) == 0) {
            return 0;
        }
        if (local.code != ERR_RETRY || !pg->redo || tries == PG_TX_TRIES_MAX) {
            break;
        }
    }
    if (err != NULL) {
        *err = local;
    }
    return -1;
}

int pg_tx(struct pg *pg, pg_tx_fn *body, void *ctx, struct err *err)
{
    return pg_tx_at(pg, PG_SERIALIZABLE, body, ctx, err);
}
