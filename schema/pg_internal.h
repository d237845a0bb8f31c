/*
 * pg_internal.h - between pg*.c and migrate.c only.
 */
#ifndef FARTHING_SCHEMA_PG_INTERNAL_H
#define FARTHING_SCHEMA_PG_INTERNAL_H

#include "common/buf.h"
#include "schema/pg.h"

#include <libpq-fe.h>

struct map;

#define PG_PARAMS_MAX 96
#define PG_CHANNELS_MAX 8
#define PG_COPY_CHUNK_BYTES 262144

enum pg_role {
    PG_ROLE_OWNER,   /* whoever connects: the migrator */
    PG_ROLE_PROGRAM, /* farthing_app */
    PG_ROLE_TENANT,  /* farthing_tenant */
};

#define PG_TENANT_UNKNOWN (-1)

struct pg {
    PGconn *conn; /* NULL before the first connect */
    char *conninfo;
    enum pg_role role;
    bool walled;          /* the session has role farthing_tenant */
    int64_t tenant;       /* whose rows there shall be */
    int64_t tenant_told;  /* whose rows the server gives, 0: nobody's; PG_TENANT_UNKNOWN */
    bool in_tx;           /* between pg_begin and pg_commit or pg_rollback, link lost or not */
    bool in_copy;         /* between pg_copy_in_begin and _end */
    bool busy;            /* a row callback runs */
    bool redo;            /* the last failure was a serialization failure or a deadlock */
    bool stale;           /* a prepared statement no longer fits its tables: connect anew */
    bool unreplicated;    /* the server said: committed here, maybe not on the standby */
    struct map *prepared; /* statement name to its SQL text */
    struct buf copy;      /* rows on their way into PQputCopyData */
    char *channels[PG_CHANNELS_MAX];
    int channel_count;
};

/* What a statement can change when the link dies in it. */
enum pg_stake {
    PG_STAKE_NONE,  /* inside a transaction, or a SELECT: nothing happened */
    PG_STAKE_WRITE, /* a write of its own, or COMMIT: it may have happened */
};

/* Outside a transaction anything but a SELECT commits by itself. */
enum pg_stake pg_stake_of(const struct pg *pg, const char *sql);

/* True when the link is known to be lost; looks at the socket, so a server that said goodbye is noticed. */
bool pg_lost(struct pg *pg);

/* Set *err from the failed result (NULL: from the connection) and remember what pg_tx wants to know; returns -1. */
int pg_fail(struct pg *pg, const PGresult *result, const char *name, enum pg_stake stake, struct err *err);

/*
 * After a PQsend*: read results to the end and keep one: the first error, else the first result. NULL when there was
 * none (out of memory or a lost link). The caller clears it.
 */
PGresult *pg_finish(struct pg *pg);

/* PQsendQuery + pg_finish; *result (may be NULL) is the caller's to clear. */
int pg_simple(struct pg *pg, const char *name, const char *sql, enum pg_stake stake, PGresult **result,
              struct err *err);

/* Before anything is sent: CHECKs the state, reconnects where that is harmless, tells the server the tenant. */
int pg_ready(struct pg *pg, const char *name, struct err *err);
/* The same, but the tenant is left to the caller (pg_run.c, which sends it with the statement). */
int pg_ready_untold(struct pg *pg, const char *name, struct err *err);

/* ---- pg_run.c ---- */

/* Once a connection and name. Two statements of one name would be one statement: a defect. */
int pg_prepare(struct pg *pg, const struct pg_stmt *stmt, struct err *err);
int pg_send_prepared(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, struct err *err);

/* ---- pg_tenant.c ---- */

/* A round trip, when the server does not know yet whose rows there shall be. */
int pg_tell_tenant(struct pg *pg, struct err *err);
/* The account and the statement go out together, as one transaction: rows of the account before are never seen.
 * *result is the statement's, or the error of telling. */
int pg_run_told(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, PGresult **result,
                struct err *err);

#endif
