/*
 * pg.c - connections and errors. Statements are in pg_run.c, transactions in pg_tx.c, COPY in pg_copy.c.
 */
#include "schema/pg.h"

#include "common/check.h"
#include "common/err.h"
#include "common/map.h"
#include "common/text.h"
#include "schema/pg_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of a session's settings in one round trip. The role is taken only where this database has granted it something:
 * roles belong to the whole server, and another database of it may have made this one. */
static const char SESSION_SQL[] =
    "SELECT set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false),"
    " set_config('bytea_output', 'hex', false), set_config('statement_timeout', '0', false),"
    " set_config('idle_in_transaction_session_timeout', '0', false), set_config('jit', 'off', false)";
static const char ROLE_SQL[] = ", (SELECT set_config('role', r.rolname, false) FROM pg_catalog.pg_roles r"
                               " WHERE r.rolname = 'farthing_app' AND pg_has_role(r.oid, 'MEMBER')"
                               " AND has_table_privilege(r.oid, to_regclass('schema_migration'), 'SELECT'))";
/* The schema of the tenants stands first: it has views in the place of tables that cannot have row-level security. */
static const char TENANT_SQL[] =
    ", coalesce((SELECT set_config('search_path', quote_ident(s.name) || ', ' || current_setting('search_path'), false)"
    " || ' ' || set_config('role', r.rolname, false)"
    " FROM pg_catalog.pg_roles r, (SELECT current_schema() || '_tenant' AS name OFFSET 0) s"
    " WHERE r.rolname = 'farthing_tenant' AND pg_has_role(r.oid, 'MEMBER')"
    " AND has_schema_privilege(r.oid, to_regnamespace(quote_ident(s.name)), 'USAGE'))";
#define TENANT_ROLE "farthing_tenant"

#define PG_IDLE_READS_MAX 64

static void on_notice(void *ctx, const PGresult *result)
{
    struct pg *pg = ctx;
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    /* "canceling wait for synchronous replication ...": comes as a warning, followed by success. The function's name is
     * the one part of the message that no translation touches. */
    if (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0) {
        pg->unreplicated = true;
    }
}

static bool starts_like(const char *sql, const char *word)
{
    while (*sql == ' ' || *sql == '\n') {
        sql++;
    }
    for (; *word != '\0'; sql++, word++) {
        if ((*sql | 0x20) != (*word | 0x20)) {
            return false;
        }
    }
    return true;
}

enum pg_stake pg_stake_of(const struct pg *pg, const char *sql)
{
    return pg->in_tx || starts_like(sql, "SELECT ") ? PG_STAKE_NONE : PG_STAKE_WRITE;
}

bool pg_lost(struct pg *pg)
{
    if (pg->conn == NULL || PQstatus(pg->conn) != CONNECTION_OK || pg->stale) {
        return true;
    }
    /* Notifications may wait here, or the server's last words and then the end: read until there is no more. */
    struct pollfd idle = {.fd = PQsocket(pg->conn), .events = POLLIN};
    for (int i = 0; i < PG_IDLE_READS_MAX && poll(&idle, 1, 0) > 0; i++) {
        (void)PQconsumeInput(pg->conn);
        (void)PQisBusy(pg->conn);
        if (PQstatus(pg->conn) != CONNECTION_OK) {
            return true;
        }
    }
    return false;
}

/* "name: what the server said", in one line. */
static void describe(char *text, size_t size, const PGresult *result, const PGconn *conn)
{
    const char *primary = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    if (primary == NULL && result != NULL && PQresultErrorMessage(result)[0] != '\0') {
        primary = PQresultErrorMessage(result);
    }
    if (primary == NULL) {
        primary = conn != NULL ? PQerrorMessage(conn) : "out of memory";
    }
    (void)snprintf(text, size, "%s", primary);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '\n' || *at == '\t') {
            *at = ' ';
        }
    }
}

static enum err_code code_of(const char *state)
{
    static const struct {
        const char *prefix;
        enum err_code code;
    } CODES[] = {
        {"40", ERR_RETRY},     /* serialization failure, deadlock */
        {"55P03", ERR_RETRY},  /* lock not available */
        {"57014", ERR_RETRY},  /* cancelled: a statement is undone as a whole */
        {"25006", ERR_RETRY},  /* read-only: the primary has moved */
        {"53300", ERR_RETRY},  /* too many connections */
        {"22003", ERR_LIMIT},  /* a sum that no bigint holds */
        {"57P", ERR_RETRY},    /* shutting down, starting up */
        {"23502", ERR_SYSTEM}, /* NOT NULL: nobody outside can cause it */
        {"23", ERR_CONFLICT},
    };
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++) {
        if (text_starts(state, CODES[i].prefix)) {
            return CODES[i].code;
        }
    }
    return ERR_SYSTEM;
}

int pg_fail(struct pg *pg, const PGresult *result, const char *name, enum pg_stake stake, struct err *err)
{
    char text[ERR_TEXT_BYTES_MAX - 100];
    const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *constraint = result != NULL ? PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) : NULL;

    describe(text, sizeof text, result, pg->conn);
    pg->redo = false;
    if (pg->conn == NULL || PQstatus(pg->conn) != CONNECTION_OK) {
        return err_set(err, stake == PG_STAKE_WRITE ? ERR_UNCERTAIN : ERR_RETRY, "%s: link to the database lost: %s",
                       name, text);
    }
    if (state == NULL) {
        return err_set(err, ERR_SYSTEM, "%s: %s", name, text);
    }
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    enum err_code code = code_of(state);
    /* "cached plan must not change result type": a migration came by while we were connected. Nothing was done. */
    if (text_equal(state, "0A000") && function != NULL && text_equal(function, "RevalidateCachedQuery")) {
        pg->stale = true;
        code = ERR_RETRY;
    }
    pg->redo = text_equal(state, "40001") || text_equal(state, "40P01");
    if (constraint != NULL && constraint[0] != '\0') {
        return err_set(err, code, "%s: %s (%s, constraint %s)", name, text, state, constraint);
    }
    return err_set(err, code, "%s: %s (%s)", name, text, state);
}

static bool is_error(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE || status == PGRES_NONFATAL_ERROR;
}

PGresult *pg_finish(struct pg *pg)
{
    PGresult *kept = NULL;
    for (;;) {
        PGresult *next = PQgetResult(pg->conn);
        if (next == NULL) {
            return kept;
        }
        if (kept == NULL || (is_error(next) && !is_error(kept))) {
            PQclear(kept);
            kept = next;
        } else {
            PQclear(next);
        }
        ExecStatusType status = PQresultStatus(kept);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
            return kept;
        }
    }
}

int pg_simple(struct pg *pg, const char *name, const char *sql, enum pg_stake stake, PGresult **result, struct err *err)
{
    if (PQsendQuery(pg->conn, sql) != 1) {
        /* Sent or not is not known: libpq may have flushed a part. */
        return pg_fail(pg, NULL, name, stake, err);
    }
    PGresult *got = pg_finish(pg);
    int rc = 0;
    if (got == NULL || is_error(got) || PQstatus(pg->conn) != CONNECTION_OK) {
        rc = pg_fail(pg, got, name, stake, err);
    }
    if (rc == 0 && result != NULL) {
        *result = got;
        got = NULL;
    }
    PQclear(got);
    return rc;
}

static int listen_again(struct pg *pg, struct err *err)
{
    for (int i = 0; i < pg->channel_count; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "LISTEN %s", pg->channels[i]);
        if (pg_simple(pg, "listen", sql, PG_STAKE_NONE, NULL, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static int start_session(struct pg *pg, struct err *err)
{
    static const char *const ROLES[][3] = {
        [PG_ROLE_OWNER] = {"", "", ""},
        [PG_ROLE_PROGRAM] = {"", ROLE_SQL, ""},
        [PG_ROLE_TENANT] = {TENANT_SQL, ROLE_SQL, ")"},
    };
    char sql[sizeof SESSION_SQL + sizeof TENANT_SQL + sizeof ROLE_SQL + 1];
    const char *const *role = ROLES[pg->role];
    PGresult *result = NULL;
    (void)snprintf(sql, sizeof sql, "%s%s%s%s", SESSION_SQL, role[0], role[1], role[2]);
    if (pg_simple(pg, "session", sql, PG_STAKE_NONE, &result, err) != 0) {
        return -1;
    }
    const char *last = PQgetvalue(result, 0, PQnfields(result) - 1);
    size_t length = strlen(last);
    size_t name_length = sizeof TENANT_ROLE - 1;
    pg->walled =
        pg->role == PG_ROLE_TENANT && length >= name_length && strcmp(last + length - name_length, TENANT_ROLE) == 0;
    pg->tenant_told = 0;
    PQclear(result);
    return listen_again(pg, err);
}

static int connect_now(struct pg *pg, struct err *err)
{
    /* Before dbname: defaults that the connection string may override. */
    static const char *const keys[] = {"connect_timeout", "tcp_user_timeout", "fallback_application_name",
                                       "dbname",          "client_encoding",  NULL};
    const char *const values[] = {"10", "30000", "farthing", pg->conninfo, "UTF8", NULL};

    PQfinish(pg->conn);
    map_free(&pg->prepared);
    pg->conn = PQconnectdbParams(keys, values, 1);
    pg->stale = false;
    pg->prepared = map_new();
    if (pg->conn == NULL || pg->prepared == NULL) {
        return err_set(err, ERR_SYSTEM, "connect to the database: out of memory");
    }
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        char text[ERR_TEXT_BYTES_MAX - 100];
        describe(text, sizeof text, NULL, pg->conn);
        return err_set(err, ERR_RETRY, "connect to the database: %s", text);
    }
    (void)PQsetNoticeReceiver(pg->conn, on_notice, pg);
    int rc = start_session(pg, err);
    if (rc != 0) {
        PQfinish(pg->conn);
        pg->conn = NULL;
    }
    return rc;
}

static int open_as(const char *conninfo, enum pg_role role, struct pg **pg, struct err *err)
{
    struct pg *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "connect to the database: out of memory");
    }
    self->role = role;
    self->conninfo = strdup(conninfo);
    if (self->conninfo == NULL) {
        (void)err_set(err, ERR_SYSTEM, "connect to the database: out of memory");
        pg_close(&self);
        return -1;
    }
    if (connect_now(self, err) != 0) {
        pg_close(&self);
        return -1;
    }
    *pg = self;
    return 0;
}

int pg_open(const char *conninfo, struct pg **pg, struct err *err)
{
    return open_as(conninfo, PG_ROLE_PROGRAM, pg, err);
}

int pg_open_owner(const char *conninfo, struct pg **pg, struct err *err)
{
    return open_as(conninfo, PG_ROLE_OWNER, pg, err);
}

int pg_open_tenant(const char *conninfo, struct pg **pg, struct err *err)
{
    return open_as(conninfo, PG_ROLE_TENANT, pg, err);
}

void pg_tenant(struct pg *pg, int64_t account_id)
{
    CHECK(pg->role == PG_ROLE_TENANT && !pg->in_tx && !pg->busy && account_id >= 0);
    pg->tenant = account_id;
}

bool pg_is_walled(const struct pg *pg)
{
    return pg->walled;
}

void pg_close(struct pg **pg)
{
    if (pg == NULL || *pg == NULL) {
        return;
    }
    struct pg *self = *pg;
    PQfinish(self->conn);
    map_free(&self->prepared);
    buf_free(&self->copy);
    for (int i = 0; i < self->channel_count; i++) {
        PQfreemem(self->channels[i]);
    }
    free(self->conninfo);
    free(self);
    *pg = NULL;
}

int pg_ensure(struct pg *pg, struct err *err)
{
    CHECK(!pg->busy && !pg->in_copy);
    if (!pg_lost(pg)) {
        return 0;
    }
    if (pg->in_tx) {
        return err_set(err, ERR_RETRY, "link to the database lost inside a transaction");
    }
    return connect_now(pg, err);
}

int pg_ready(struct pg *pg, const char *name, struct err *err)
{
    if (pg_ready_untold(pg, name, err) != 0) {
        return -1;
    }
    return pg->walled ? pg_tell_tenant(pg, err) : 0;
}

int pg_ready_untold(struct pg *pg, const char *name, struct err *err)
{
    pg->redo = false;
    pg->unreplicated = false;
    if (pg_ensure(pg, err) != 0) {
        return err_wrap(err, "%s", name);
    }
    return 0;
}

int pg_script(struct pg *pg, const char *sql, struct err *err)
{
    if (pg_ready(pg, "script", err) != 0) {
        return -1;
    }
    return pg_simple(pg, "script", sql, pg->in_tx ? PG_STAKE_NONE : PG_STAKE_WRITE, NULL, err);
}

int pg_listen(struct pg *pg, const char *channel, struct err *err)
{
    char sql[128];
    CHECK(pg->channel_count < PG_CHANNELS_MAX && strlen(channel) < 64);
    if (pg_ready(pg, "listen", err) != 0) {
        return -1;
    }
    char *quoted = PQescapeIdentifier(pg->conn, channel, strlen(channel));
    if (quoted == NULL) {
        return err_set(err, ERR_SYSTEM, "listen: out of memory");
    }
    (void)snprintf(sql, sizeof sql, "LISTEN %s", quoted);
    if (pg_simple(pg, "listen", sql, PG_STAKE_NONE, NULL, err) != 0) {
        PQfreemem(quoted);
        return -1;
    }
    pg->channels[pg->channel_count++] = quoted;
    return 0;
}

/* One notification that has arrived already. */
static bool take_notify(struct pg *pg, char *payload, size_t payload_bytes)
{
    PGnotify *notify = PQnotifies(pg->conn);
    if (notify == NULL) {
        return false;
    }
    (void)snprintf(payload, payload_bytes, "%s", notify->extra != NULL ? notify->extra : "");
    PQfreemem(notify);
    return true;
}

int pg_wait_notify(struct pg *pg, int wait_ms, bool *arrived, char *payload, size_t payload_bytes, struct err *err)
{
    CHECK(!pg->busy && !pg->in_copy && !pg->in_tx);
    if (pg->conn == NULL || PQstatus(pg->conn) != CONNECTION_OK) {
        return err_set(err, ERR_RETRY, "wait for a notification: link to the database lost");
    }
    (void)PQconsumeInput(pg->conn);
    if (take_notify(pg, payload, payload_bytes)) {
        *arrived = true;
        return 0;
    }
    struct pollfd link = {.fd = PQsocket(pg->conn), .events = POLLIN};
    if (PQstatus(pg->conn) == CONNECTION_OK && poll(&link, 1, wait_ms) > 0) {
        (void)PQconsumeInput(pg->conn);
        (void)PQisBusy(pg->conn); /* parses what came, the goodbye of a server too */
    }
    if (PQstatus(pg->conn) != CONNECTION_OK) {
        return err_set(err, ERR_RETRY, "wait for a notification: link to the database lost");
    }
    *arrived = take_notify(pg, payload, payload_bytes);
    return 0;
}
