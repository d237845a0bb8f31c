#include "tests/support/pgtest.h"

#include "common/digest.h"
#include "common/err.h"
#include "common/fs.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/migrate_internal.h"
#include "schema/pg.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASES_MAX 64
#define CONNINFO_BYTES 512

struct database {
    pid_t owner; /* Check forks: only who made a database drops it */
    char name[40];
    char conninfo[CONNINFO_BYTES];
};

static struct embedded *server;
static pid_t server_owner;
static char server_dir[64];
static char base[CONNINFO_BYTES - 64];
static struct database databases[DATABASES_MAX];
static int database_count;

_Noreturn static void give_up(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "pgtest: %s: %s\n", what, err->text);
    abort();
}

static void run(struct pg *pg, const char *sql)
{
    struct err err = {0};
    if (pg_script(pg, sql, &err) != 0) {
        give_up(sql, &err);
    }
}

static struct pg *connect_base(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    if (pg_open_owner(base, &pg, &err) != 0) {
        give_up(base, &err);
    }
    return pg;
}

static void drop_all(void)
{
    struct pg *pg = NULL;
    for (int i = 0; i < database_count; i++) {
        char sql[128];
        if (databases[i].owner != getpid() || (pg == NULL && pg_open_owner(base, &pg, NULL) != 0)) {
            continue;
        }
        (void)snprintf(sql, sizeof sql, "DROP DATABASE IF EXISTS %s WITH (FORCE)", databases[i].name);
        (void)pg_script(pg, sql, NULL);
    }
    pg_close(&pg);
    if (server != NULL && server_owner == getpid()) {
        embedded_close(&server);
        (void)fs_remove_tree(server_dir, NULL);
    }
}

static void start_server(void)
{
    struct err err = {0};
    char dir[80];
    (void)snprintf(server_dir, sizeof server_dir, "/tmp/farthing-test-XXXXXX");
    if (mkdtemp(server_dir) == NULL || chmod(server_dir, 0711) != 0) {
        (void)err_set(&err, ERR_SYSTEM, "cannot make it");
        give_up(server_dir, &err);
    }
    (void)snprintf(dir, sizeof dir, "%s/postgresql", server_dir);
    const struct embedded_options options = {.dir = dir, .throw_away = true};
    if (embedded_open(&options, &server, &err) != 0) {
        give_up("start a throw-away server", &err);
    }
    server_owner = getpid();
    (void)snprintf(base, sizeof base, "%s", embedded_conninfo(server));
}

static void find_server(void)
{
    static bool registered;
    if (!registered && atexit(drop_all) == 0) {
        registered = true;
    }
    if (base[0] != '\0') {
        return;
    }
    const char *given = getenv("FARTHING_TEST_DATABASE");
    if (given != NULL && given[0] != '\0') {
        (void)snprintf(base, sizeof base, "%s", given);
    } else {
        start_server();
    }
}

/* Later words of a connection string win. */
static void conninfo_of(const char *name, char conninfo[CONNINFO_BYTES])
{
    (void)snprintf(conninfo, CONNINFO_BYTES, "%s dbname=%s", base, name);
}

static void random_name(const char *prefix, char name[40])
{
    uint8_t random[8];
    char hex[2 * sizeof random + 1];
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, hex);
    (void)snprintf(name, 40, "%s_%s", prefix, hex);
}

/* Named by what is in it, so that a server that outlives an edit of the migrations makes a new one. */
static void template_name(char name[40])
{
    struct sha256 *state = sha256_new();
    uint8_t hash[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    for (size_t i = 0; i < MIGRATE_FILES_COUNT; i++) {
        sha256_update(state, MIGRATE_FILES[i].sql, MIGRATE_FILES[i].length);
    }
    sha256_end(&state, hash);
    hex_encode(hash, sizeof hash, hex);
    (void)snprintf(name, 40, "farthing_t_%.16s", hex);
}

static bool exists(struct pg *pg, const char *name)
{
    static const struct pg_stmt FOUND = {
        .name = "pgtest.found",
        .sql = "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1::text",
        .expect = PG_MAYBE_ROW,
    };
    const struct pg_param params[] = {PG_P_TEXT(name), PG_P_END};
    struct err err = {0};
    int64_t rows = 0;
    if (pg_run(pg, &FOUND, params, NULL, NULL, &rows, &err) != 0) {
        give_up("look for the template", &err);
    }
    return rows == 1;
}

/* Test programs run side by side: one migrates the template, the others wait. */
static void make_template(struct pg *pg, const char *name)
{
    char fresh[40];
    char conninfo[CONNINFO_BYTES];
    char sql[160];
    struct err err = {0};
    run(pg, "SELECT pg_advisory_lock(4601)");
    if (!exists(pg, name)) {
        random_name("farthing_n", fresh);
        (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s", fresh);
        run(pg, sql);
        conninfo_of(fresh, conninfo);
        if (migrate_run(conninfo, NULL, &err) != 0) {
            give_up("migrate", &err);
        }
        (void)snprintf(sql, sizeof sql, "ALTER DATABASE %s RENAME TO %s", fresh, name);
        run(pg, sql);
    }
    run(pg, "SELECT pg_advisory_unlock(4601)");
}

static const char *make(bool migrated)
{
    char sql[160];
    char name[40];
    char from[40] = "template1";
    if (database_count == DATABASES_MAX) {
        struct err err = {0};
        (void)err_set(&err, ERR_LIMIT, "at most %d a program", DATABASES_MAX);
        give_up("databases", &err);
    }
    find_server();
    struct pg *pg = connect_base();
    if (migrated) {
        template_name(from);
        make_template(pg, from);
    }
    struct database *database = &databases[database_count];
    random_name("test", name);
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s", name, from);
    run(pg, sql);
    pg_close(&pg);
    database->owner = getpid();
    memcpy(database->name, name, sizeof name);
    conninfo_of(name, database->conninfo);
    database_count++;
    return database->conninfo;
}

const char *pgtest_database(void)
{
    return make(true);
}

const char *pgtest_database_empty(void)
{
    return make(false);
}
