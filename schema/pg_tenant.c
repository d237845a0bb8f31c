/*
 * pg_tenant.c - whose rows a connection of tenants gives, told to the server without a round trip of its own.
 */
#include "common/check.h"
#include "common/err.h"
#include "schema/pg_internal.h"

#include <inttypes.h>
#include <stdio.h>

#define ACCOUNT_ID_BYTES 24
#define PIPELINE_READS_MAX 16

static const struct pg_stmt TENANT = {
    .name = "tenant.account",
    .sql = "SELECT set_config('farthing.account_id', $1::text, false)",
    .expect = PG_ONE_ROW,
};

static int send_tenant(struct pg *pg, struct err *err)
{
    char account_id[ACCOUNT_ID_BYTES];
    (void)snprintf(account_id, sizeof account_id, "%" PRId64, pg->tenant);
    const struct pg_param params[] = {PG_P_TEXT(account_id), PG_P_END};
    return pg_send_prepared(pg, &TENANT, params, err);
}

int pg_tell_tenant(struct pg *pg, struct err *err)
{
    if (pg->tenant == pg->tenant_told) {
        return 0;
    }
    CHECK(!pg->in_tx);
    if (pg_prepare(pg, &TENANT, err) != 0 || send_tenant(pg, err) != 0) {
        return -1;
    }
    PGresult *result = pg_finish(pg);
    int rc = 0;
    if (PQresultStatus(result) != PGRES_TUPLES_OK || PQstatus(pg->conn) != CONNECTION_OK) {
        rc = pg_fail(pg, result, TENANT.name, PG_STAKE_NONE, err);
    }
    PQclear(result);
    pg->tenant_told = rc == 0 ? pg->tenant : PG_TENANT_UNKNOWN;
    return rc;
}

/* What two statements in one pipeline answered: of the first its error, else what the second said. */
static PGresult *finish_both(struct pg *pg)
{
    PGresult *kept = NULL;
    int answers = 0;
    bool synced = false;
    for (int reads = 0; !synced && reads < PIPELINE_READS_MAX && PQstatus(pg->conn) == CONNECTION_OK; reads++) {
        PGresult *next = PQgetResult(pg->conn);
        if (next == NULL) {
            continue; /* between two answers */
        }
        if (PQresultStatus(next) == PGRES_SINGLE_TUPLE) { /* of telling: libpq reads as it did before */
            PQclear(next);
            continue;
        }
        synced = PQresultStatus(next) == PGRES_PIPELINE_SYNC;
        answers += synced ? 0 : 1;
        if (synced || (kept != NULL && PQresultStatus(kept) != PGRES_TUPLES_OK)) {
            PQclear(next);
        } else if (answers <= 2) {
            PQclear(kept);
            kept = next;
        } else {
            PQclear(next);
        }
    }
    if (!synced || answers < 2 || PQexitPipelineMode(pg->conn) != 1) {
        pg->stale = true; /* connect anew: nobody knows what comes next on this link */
    }
    return kept;
}

int pg_run_told(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, PGresult **result,
                struct err *err)
{
    CHECK(!pg->in_tx);
    if (pg_prepare(pg, &TENANT, err) != 0 || pg_prepare(pg, stmt, err) != 0) {
        return -1;
    }
    CHECK(PQenterPipelineMode(pg->conn) == 1);
    if (send_tenant(pg, err) != 0 || pg_send_prepared(pg, stmt, params, err) != 0) {
        pg->stale = true;
        return -1;
    }
    if (PQpipelineSync(pg->conn) != 1) {
        pg->stale = true;
        return pg_fail(pg, NULL, stmt->name, pg_stake_of(pg, stmt->sql), err);
    }
    *result = finish_both(pg);
    bool done = PQresultStatus(*result) == PGRES_TUPLES_OK || PQresultStatus(*result) == PGRES_COMMAND_OK;
    pg->tenant_told = done ? pg->tenant : PG_TENANT_UNKNOWN;
    return 0;
}
