/*
 * pg.h - the one door to PostgreSQL.
 *
 * Why:       statements are data (name, SQL, expected rows), parameters are bound, columns are read by name and type,
 * so a reader can see every statement of the program with grep and no SQL is ever printed together. Errors:    a lost
 * link before COMMIT is ERR_RETRY, during COMMIT ERR_UNCERTAIN. Outside a transaction a statement commits by itself: a
 * link lost in it is ERR_UNCERTAIN, but ERR_RETRY when the SQL starts with SELECT (a SELECT that calls a writing
 * function must be one that may be repeated). Serialization failures and deadlocks are ERR_RETRY; constraint violations
 * ERR_CONFLICT (constraint name in err->text); the rest ERR_SYSTEM. A link lost while idle is opened again by the next
 * call outside a transaction. Ownership: a struct pg owns its connection. Text and bytes handed to a row callback live
 * until it returns. Threads:   one thread at a time per struct pg; take one from a pool (struct pg_pool) in request
 * threads. Only this folder includes libpq-fe.h.
 */
#ifndef FARTHING_SCHEMA_PG_H
#define FARTHING_SCHEMA_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct pg;
struct pg_pool;
struct pg_row;

/* ---- connections ---- */

/* Connect and prepare the session (UTC, role farthing_app when it exists, statement_timeout off). ERR_RETRY when the
 * server cannot be reached. */
int pg_open(const char *conninfo, struct pg **pg, struct err *err);
void pg_close(struct pg **pg);
/* A connection for requests of tenants: role farthing_tenant, for which only the rows of one account exist, and none
 * before pg_tenant was called. Where the database has no such role (0145_tenant_wall.sql) it is a connection like all
 * others, and pg_is_walled says false. */
int pg_open_tenant(const char *conninfo, struct pg **pg, struct err *err);
/* From the next statement on the rows are those of this account. Costs no round trip: the server hears of it together
 * with the next statement that pg_run sends. Outside transactions, on a connection of pg_open_tenant. */
void pg_tenant(struct pg *pg, int64_t account_id);
bool pg_is_walled(const struct pg *pg);
/* Reconnect when the link is lost; cheap when it is not. */
int pg_ensure(struct pg *pg, struct err *err);

/* A pool opens connections when asked, at most limit; pg_pool_take waits for a free one (wait_ms_max, then ERR_RETRY).
 */
int pg_pool_open(const char *conninfo, int limit, struct pg_pool **pool, struct err *err);
void pg_pool_close(struct pg_pool **pool);
int pg_pool_take(struct pg_pool *pool, int wait_ms_max, struct pg **pg, struct err *err);
void pg_pool_give(struct pg_pool *pool, struct pg **pg);

/* ---- statements ---- */

enum pg_expect {
    PG_ANY_ROWS,  /* zero or more */
    PG_ONE_ROW,   /* anything else is ERR_SYSTEM */
    PG_MAYBE_ROW, /* zero or one */
    PG_NO_ROWS    /* INSERT, UPDATE, DELETE without RETURNING; see affected */
};

struct pg_stmt {
    const char *name; /* "usage.total": for errors, and the server-side prepared name */
    const char *sql;
    enum pg_expect expect;
};

enum pg_type { PG_T_END, PG_T_I64, PG_T_TEXT, PG_T_BYTES, PG_T_BOOL, PG_T_TIME, PG_T_UUID };

/* Bound parameters; cast in the SQL ($1::int8, $2::text, $3::bytea, $4::timestamptz, $5::uuid, $6::int8[]). */
struct pg_param {
    enum pg_type type;
    bool null;
    int64_t i64;       /* I64, BOOL (0/1), TIME (microseconds since 1970 UTC) */
    const void *bytes; /* TEXT (NUL-terminated; arrays as '{1,2}' text), BYTES, UUID (16 bytes) */
    size_t length;     /* BYTES only */
};

#define PG_P_I64(v) ((struct pg_param){.type = PG_T_I64, .i64 = (int64_t)(v)})
#define PG_P_BOOL(v) ((struct pg_param){.type = PG_T_BOOL, .i64 = (v) ? 1 : 0})
#define PG_P_TIME(us) ((struct pg_param){.type = PG_T_TIME, .i64 = (us)})
#define PG_P_TEXT(s) ((struct pg_param){.type = PG_T_TEXT, .null = (s) == NULL, .bytes = (s)})
#define PG_P_BYTES(p, n) ((struct pg_param){.type = PG_T_BYTES, .bytes = (p), .length = (n)})
#define PG_P_UUID(p) ((struct pg_param){.type = PG_T_UUID, .bytes = (p)})
#define PG_P_NULL(t) ((struct pg_param){.type = (t), .null = true})
#define PG_P_END ((struct pg_param){.type = PG_T_END})

/* Typed reading of a column of the current row; a missing column is a CHECK, NULL is ERR_SYSTEM unless *_or. Numeric
 * columns are read as text ("12.340") with pg_get_text. */
int64_t pg_get_i64(const struct pg_row *row, const char *column);
int64_t pg_get_i64_or(const struct pg_row *row, const char *column, int64_t if_null);
bool pg_get_bool(const struct pg_row *row, const char *column);
int64_t pg_get_time(const struct pg_row *row, const char *column); /* timestamptz as microseconds since 1970 UTC */
int64_t pg_get_time_or(const struct pg_row *row, const char *column, int64_t if_null);
const char *pg_get_text(const struct pg_row *row, const char *column);
const char *pg_get_text_or(const struct pg_row *row, const char *column, const char *if_null);
/* bytea or uuid (16 bytes). */
const void *pg_get_bytes(const struct pg_row *row, const char *column, size_t *length);
bool pg_is_null(const struct pg_row *row, const char *column);

/* Called for each row; returning -1 (with err set) stops the statement and becomes its result. */
typedef int pg_row_fn(const struct pg_row *row, void *ctx, struct err *err);

/*
 * Run a statement. params end with PG_P_END (NULL: none). on_row may be NULL when no rows are wanted. affected (may be
 * NULL) gets the row count. PG_ONE_ROW and PG_MAYBE_ROW are checked before on_row is called. A row callback may not
 * use the same struct pg.
 */
int pg_run(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, pg_row_fn *on_row, void *ctx,
           int64_t *affected, struct err *err);

/* Like pg_run, but rows arrive one by one in constant memory (libpq single-row mode), for long results. */
int pg_stream(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, pg_row_fn *on_row, void *ctx,
              struct err *err);

/* ---- transactions ---- */

enum pg_isolation { PG_READ_COMMITTED, PG_REPEATABLE_READ, PG_SERIALIZABLE };

#define PG_TX_TRIES_MAX 5

/* body may run again: it touches only pg and ctx, and answers nobody. */
typedef int pg_tx_fn(struct pg *pg, void *ctx, struct err *err);

/* BEGIN, body, COMMIT; on ERR_RETRY from a serialization failure or deadlock again, PG_TX_TRIES_MAX times in all. */
int pg_tx(struct pg *pg, pg_tx_fn *body, void *ctx, struct err *err);
int pg_tx_at(struct pg *pg, enum pg_isolation isolation, pg_tx_fn *body, void *ctx, struct err *err);

/* For code that has to steer a transaction itself (the aggregator). Commit: ERR_UNCERTAIN when the link dies in it. */
int pg_begin(struct pg *pg, enum pg_isolation isolation, struct err *err);
int pg_commit(struct pg *pg, struct err *err);
void pg_rollback(struct pg *pg);

/* ---- COPY ---- */

/* stmt->sql is COPY ... FROM STDIN [(FORMAT binary)]; feed bytes, then end. On any error the COPY is over. */
int pg_copy_in_begin(struct pg *pg, const struct pg_stmt *stmt, struct err *err);
int pg_copy_in_put(struct pg *pg, const void *bytes, size_t length, struct err *err);
int pg_copy_in_end(struct pg *pg, int64_t *rows, struct err *err);

typedef int pg_copy_fn(const void *bytes, size_t length, void *ctx, struct err *err);
/* stmt->sql is COPY (...) TO STDOUT. COPY takes no parameters: only constants of this program may stand in its SQL. */
int pg_copy_out(struct pg *pg, const struct pg_stmt *stmt, pg_copy_fn *on_bytes, void *ctx, struct err *err);

/* ---- notifications ---- */

/* LISTEN on a channel (a constant of this program). */
int pg_listen(struct pg *pg, const char *channel, struct err *err);
/* Wait up to wait_ms for one; *arrived tells. payload has room for payload_bytes. ERR_RETRY when the link is lost. */
int pg_wait_notify(struct pg *pg, int wait_ms, bool *arrived, char *payload, size_t payload_bytes, struct err *err);

/* ---- for the migrator and tests only ---- */

/* Like pg_open, but stays the role that connects, which owns the tables. */
int pg_open_owner(const char *conninfo, struct pg **pg, struct err *err);
/* Several statements, no parameters, as one simple query. */
int pg_script(struct pg *pg, const char *sql, struct err *err);

#endif
