#include "schema/migrate.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/digest.h"
#include "common/err.h"
#include "schema/migrate_internal.h"
#include "schema/pg.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_TRIES_MAX 5

static const char TABLE_SQL[] = "CREATE TABLE IF NOT EXISTS schema_migration ("
                                " version integer NOT NULL PRIMARY KEY, name text NOT NULL, sha256 bytea NOT NULL,"
                                " applied_at timestamptz NOT NULL DEFAULT now())";

/* The program's own roles: farthing_app may read and write rows, not change tables; farthing_tenant may that with rows
 * of one account (0145_tenant_wall.sql). Roles belong to the server, so another database, or another node at this
 * moment, may make them too; without the right to make roles the program works as the owner. */
#define ROLE_SQL(name)                                                                                                 \
    "DO $role$ BEGIN"                                                                                                  \
    " IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '" name "') THEN"                                 \
    "   CREATE ROLE " name " NOLOGIN;"                                                                                 \
    " END IF;"                                                                                                         \
    " IF NOT pg_has_role('" name "', 'MEMBER') THEN EXECUTE 'GRANT " name " TO CURRENT_USER'; END IF;"                 \
    " EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation OR internal_error THEN NULL;"      \
    " END $role$"
static const char APP_ROLE_SQL[] = ROLE_SQL("farthing_app");
static const char TENANT_ROLE_SQL[] = ROLE_SQL("farthing_tenant");

/* What tables and sequences made from now on grant by themselves; single migrations take some of it back. */
static const char GRANT_SQL[] =
    "DO $grant$ BEGIN"
    " IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'farthing_app') THEN"
    "   EXECUTE format('GRANT USAGE ON SCHEMA %I TO farthing_app', current_schema());"
    "   EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I"
    "     GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO farthing_app', current_schema());"
    "   EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO farthing_app',"
    "     current_schema());"
    "   GRANT SELECT ON schema_migration TO farthing_app;"
    " END IF;"
    " END $grant$";

static const char LOCK_SQL[] = "LOCK TABLE schema_migration IN EXCLUSIVE MODE";

static const struct pg_stmt EXISTS = {
    .name = "migrate.exists",
    .sql = "SELECT to_regclass('schema_migration') IS NOT NULL AS found",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt APPLIED = {
    .name = "migrate.applied",
    .sql = "SELECT version::int8 AS version, name, sha256 FROM schema_migration ORDER BY version",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt RECORD = {
    .name = "migrate.record",
    .sql = "INSERT INTO schema_migration (version, name, sha256) VALUES ($1::int4, $2::text, $3::bytea)",
    .expect = PG_NO_ROWS,
};

struct run {
    const struct migrate_file *files;
    size_t count;
    size_t known;   /* files found applied, from the first on */
    int applied;    /* by this run */
    bool may_write; /* migrate_run, not migrate_check */
};

static void hash_of(const struct migrate_file *file, uint8_t hash[SHA256_BYTES])
{
    sha256(file->sql, file->length, hash);
}

/* Applied migrations must be the first ones of ours, unchanged and without gaps. */
static int on_applied(const struct pg_row *row, void *ctx, struct err *err)
{
    struct run *run = ctx;
    uint8_t hash[SHA256_BYTES];
    size_t length = 0;
    const char *name = pg_get_text(row, "name");
    int64_t version = pg_get_i64(row, "version");
    const void *kept = pg_get_bytes(row, "sha256", &length);

    if (run->known == run->count) {
        return err_set(err, ERR_CONFLICT,
                       "the database has migration %s, which this program does not know: it is newer", name);
    }
    const struct migrate_file *file = &run->files[run->known];
    if (file->version != version || strcmp(file->name, name) != 0) {
        return err_set(err, ERR_CONFLICT, "the database has migration %s where this program has %s", name, file->name);
    }
    hash_of(file, hash);
    if (length != sizeof hash || memcmp(kept, hash, sizeof hash) != 0) {
        return err_set(err, ERR_CONFLICT, "migration %s was edited after it was applied", name);
    }
    run->known++;
    return 0;
}

static int read_applied(struct pg *pg, struct run *run, struct err *err)
{
    run->known = 0;
    return pg_run(pg, &APPLIED, NULL, on_applied, run, NULL, err);
}

static int run_script(struct pg *pg, const struct migrate_file *file, struct err *err)
{
    struct split split = {.sql = (const char *)file->sql, .length = file->length};
    struct buf one = {0};
    const char *start = NULL;
    size_t length = 0;
    int rc;

    while ((rc = split_next(&split, &start, &length, err)) == 1) {
        buf_clear(&one);
        buf_append(&one, start, length);
        rc = buf_ok(&one) ? pg_script(pg, buf_text(&one), err) : err_set(err, ERR_SYSTEM, "out of memory");
        if (rc != 0) {
            break;
        }
    }
    buf_free(&one);
    return rc;
}

/* A transaction: take the lock, look again, and apply the first one that is missing. */
static int apply_next(struct pg *pg, void *ctx, struct err *err)
{
    struct run *run = ctx;
    uint8_t hash[SHA256_BYTES];

    if (pg_script(pg, LOCK_SQL, err) != 0 || read_applied(pg, run, err) != 0) {
        return -1;
    }
    if (run->known == run->count) {
        return 0;
    }
    const struct migrate_file *file = &run->files[run->known];
    if ((run->applied == 0 && pg_script(pg, GRANT_SQL, err) != 0) || run_script(pg, file, err) != 0) {
        return err_wrap(err, "migration %s", file->name);
    }
    hash_of(file, hash);
    const struct pg_param params[] = {PG_P_I64(file->version), PG_P_TEXT(file->name), PG_P_BYTES(hash, sizeof hash),
                                      PG_P_END};
    return pg_run(pg, &RECORD, params, NULL, NULL, NULL, err);
}

static int on_exists(const struct pg_row *row, void *ctx, struct err *err)
{
    bool *found = ctx;
    (void)err;
    *found = pg_get_bool(row, "found");
    return 0;
}

/* IF NOT EXISTS does not keep two nodes from colliding inside the catalog: the loser looks again. */
static int make_table(struct pg *pg, struct err *err)
{
    for (int tries = 1;; tries++) {
        bool found = false;
        if (pg_run(pg, &EXISTS, NULL, on_exists, &found, NULL, err) != 0) {
            return -1;
        }
        if (found || pg_script(pg, TABLE_SQL, err) == 0) {
            return 0;
        }
        if (tries == TABLE_TRIES_MAX) {
            return -1;
        }
    }
}

static int run_all(struct pg *pg, struct run *run, struct err *err)
{
    if (make_table(pg, err) != 0 || read_applied(pg, run, err) != 0) {
        return -1;
    }
    if (run->known == run->count) {
        return 0;
    }
    if (pg_script(pg, APP_ROLE_SQL, err) != 0 || pg_script(pg, TENANT_ROLE_SQL, err) != 0) {
        return -1;
    }
    for (;;) {
        size_t before = run->known;
        if (pg_tx_at(pg, PG_READ_COMMITTED, apply_next, run, err) != 0) {
            return -1;
        }
        if (run->known == run->count) {
            return 0;
        }
        CHECK(run->known >= before);
        run->applied++;
    }
}

static int check_all(struct pg *pg, struct run *run, struct err *err)
{
    bool found = false;
    if (pg_run(pg, &EXISTS, NULL, on_exists, &found, NULL, err) != 0) {
        return -1;
    }
    if (found && read_applied(pg, run, err) != 0) {
        return -1;
    }
    if (run->known < run->count) {
        return err_set(err, ERR_CONFLICT, "the database lacks migration %s: run farthing migrate",
                       run->files[run->known].name);
    }
    return 0;
}

static int with_files(const char *conninfo, struct run *run, struct migrate_report *report, struct err *err)
{
    struct pg *pg = NULL;
    for (size_t i = 1; i < run->count; i++) {
        CHECK(run->files[i - 1].version < run->files[i].version);
    }
    if (pg_open_owner(conninfo, &pg, err) != 0) {
        return -1;
    }
    int rc = run->may_write ? run_all(pg, run, err) : check_all(pg, run, err);
    pg_close(&pg);
    if (rc == 0 && report != NULL) {
        report->applied = run->applied;
        report->version = run->known > 0 ? run->files[run->known - 1].version : 0;
    }
    return rc;
}

int migrate_run_files(const char *conninfo, const struct migrate_file *files, size_t count,
                      struct migrate_report *report, struct err *err)
{
    struct run run = {.files = files, .count = count, .may_write = true};
    return with_files(conninfo, &run, report, err);
}

int migrate_check_files(const char *conninfo, const struct migrate_file *files, size_t count,
                        struct migrate_report *report, struct err *err)
{
    struct run run = {.files = files, .count = count};
    return with_files(conninfo, &run, report, err);
}

int migrate_run(const char *conninfo, struct migrate_report *report, struct err *err)
{
    return migrate_run_files(conninfo, MIGRATE_FILES, MIGRATE_FILES_COUNT, report, err);
}

int migrate_check(const char *conninfo, struct migrate_report *report, struct err *err)
{
    return migrate_check_files(conninfo, MIGRATE_FILES, MIGRATE_FILES_COUNT, report, err);
}
