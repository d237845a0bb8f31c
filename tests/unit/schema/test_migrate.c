/*
 * Goal:   a database gets to the schema of the program once, in order, whoever starts at the same time; anything else
 * is refused by name. Method: the real migrations, and small lists of our own, on empty databases.
 */
#include "common/err.h"
#include "common/text.h"
#include "schema/migrate.h"
#include "schema/migrate_internal.h"
#include "schema/partition.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FILE_OF(number, title, text)                                                                                   \
    {                                                                                                                  \
        .version = (number), .name = (title), .sql = (const unsigned char *)(text), .length = sizeof(text) - 1         \
    }
#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))
#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, err.text)

static const struct migrate_file TWO[] = {
    FILE_OF(1, "0001_a", "CREATE TABLE a (x int); INSERT INTO a VALUES (1); -- ;\n;"),
    FILE_OF(2, "0002_b", "UPDATE a SET x = x + 1;"),
};
static const struct migrate_file EDITED[] = {
    FILE_OF(1, "0001_a", "CREATE TABLE a (x int); INSERT INTO a VALUES (2);"),
    FILE_OF(2, "0002_b", "UPDATE a SET x = x + 1;"),
};
static const struct migrate_file BROKEN[] = {
    FILE_OF(1, "0001_a", "CREATE TABLE a (x int); INSERT INTO a VALUES (1); -- ;\n;"),
    FILE_OF(2, "0002_bad", "INSERT INTO a VALUES (5); SELECT no_such_function();"),
};

static struct err err;

static int on_number(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)e;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t number(const char *conninfo, const char *sql)
{
    const struct pg_stmt stmt = {.name = "test.number", .sql = sql, .expect = PG_ONE_ROW};
    struct pg *pg = NULL;
    int64_t n = -1;
    OK(pg_open_owner(conninfo, &pg, &err));
    OK(pg_run(pg, &stmt, NULL, on_number, &n, NULL, &err));
    pg_close(&pg);
    return n;
}

START_TEST(applies_once_and_reports)
{
    const char *conninfo = pgtest_database_empty();
    struct migrate_report report = {0};
    ck_assert_int_eq(migrate_check_files(conninfo, TWO, 2, &report, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    OK(migrate_run_files(conninfo, TWO, 1, &report, &err));
    ck_assert_int_eq(report.applied, 1);
    ck_assert_int_eq(report.version, 1);
    ck_assert_int_eq(migrate_check_files(conninfo, TWO, 2, &report, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "0002_b"));
    OK(migrate_run_files(conninfo, TWO, 2, &report, &err));
    ck_assert_int_eq(report.applied, 1);
    OK(migrate_run_files(conninfo, TWO, 2, &report, &err));
    ck_assert_int_eq(report.applied, 0);
    ck_assert_int_eq(report.version, 2);
    OK(migrate_check_files(conninfo, TWO, 2, &report, &err));
    ck_assert_int_eq(number(conninfo, "SELECT x::int8 AS n FROM a"), 2);
}
END_TEST

START_TEST(an_edited_one_is_refused)
{
    const char *conninfo = pgtest_database_empty();
    OK(migrate_run_files(conninfo, TWO, 1, NULL, &err));
    ck_assert_int_eq(migrate_run_files(conninfo, EDITED, 2, NULL, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "0001_a was edited"));
    ck_assert_int_eq(migrate_check_files(conninfo, EDITED, 1, NULL, &err), -1);
    ck_assert_int_eq(number(conninfo, "SELECT x::int8 AS n FROM a"), 1);
}
END_TEST

START_TEST(an_unknown_newer_one_is_refused)
{
    const char *conninfo = pgtest_database_empty();
    OK(migrate_run_files(conninfo, TWO, 2, NULL, &err));
    ck_assert_int_eq(migrate_run_files(conninfo, TWO, 1, NULL, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "0002_b"));
    ck_assert_int_eq(migrate_check_files(conninfo, TWO, 1, NULL, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_int_eq(migrate_run_files(conninfo, TWO + 1, 1, NULL, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "0001_a where this program has 0002_b"));
}
END_TEST

START_TEST(a_broken_one_leaves_nothing)
{
    const char *conninfo = pgtest_database_empty();
    ck_assert_int_eq(migrate_run_files(conninfo, BROKEN, 2, NULL, &err), -1);
    ck_assert_int_eq(err.code, ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(err.text, "0002_bad"));
    ck_assert_int_eq(number(conninfo, "SELECT count(*)::int8 AS n FROM a"), 1);
    ck_assert_int_eq(number(conninfo, "SELECT count(*)::int8 AS n FROM schema_migration"), 1);
}
END_TEST

struct racer {
    const char *conninfo;
    pthread_barrier_t *gate;
    int rc;
    int applied;
    char text[200];
};

static void *race(void *ctx)
{
    struct racer *racer = ctx;
    struct migrate_report report = {0};
    struct err mine = {0};
    (void)pthread_barrier_wait(racer->gate);
    racer->rc = migrate_run(racer->conninfo, &report, &mine);
    racer->applied = report.applied;
    (void)text_copy(racer->text, sizeof racer->text, mine.code == ERR_NONE ? "" : "failed");
    return NULL;
}

START_TEST(four_at_once_apply_each_once)
{
    const char *conninfo = pgtest_database_empty();
    pthread_t threads[4];
    struct racer racers[4];
    pthread_barrier_t gate;
    int applied = 0;
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, 4), 0);
    for (int i = 0; i < 4; i++) {
        racers[i] = (struct racer){.conninfo = conninfo, .gate = &gate};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(racers[i].rc, 0);
        applied += racers[i].applied;
    }
    (void)pthread_barrier_destroy(&gate);
    ck_assert_int_eq(applied, (int)MIGRATE_FILES_COUNT);
    OK(migrate_check(conninfo, NULL, &err));
}
END_TEST

START_TEST(every_table_and_column_is_commented)
{
    const char *conninfo = pgtest_database();
    ck_assert_int_eq(number(conninfo,
                            "SELECT count(*)::int8 AS n FROM pg_class c"
                            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
                            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
                            " AND NOT c.relispartition AND c.relname <> 'schema_migration'"
                            " AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)"),
                     0);
}
END_TEST

static int allowed(struct pg *pg, const char *sql)
{
    err = (struct err){0};
    int rc = pg_script(pg, sql, &err);
    ck_assert(rc == 0 || strstr(err.text, "42501") != NULL);
    return rc == 0;
}

START_TEST(the_program_role_cannot_rewrite_history)
{
    struct pg *pg = NULL;
    OK(pg_open(pgtest_database(), &pg, &err));
    ck_assert(allowed(pg, "INSERT INTO audit_log (action, subject) VALUES ('a', 'b')"));
    ck_assert(!allowed(pg, "UPDATE audit_log SET action = 'x'"));
    ck_assert(!allowed(pg, "DELETE FROM audit_log"));
    ck_assert(!allowed(pg, "TRUNCATE audit_log"));
    ck_assert(!allowed(pg, "UPDATE price_book SET version = 2"));
    ck_assert(!allowed(pg, "DELETE FROM price_override"));
    ck_assert(!allowed(pg, "DELETE FROM usage_record"));
    ck_assert(allowed(pg, "UPDATE usage_hourly SET errors = 0"));
    ck_assert(allowed(pg, "SELECT nextval('account_id_seq')"));
    ck_assert(!allowed(pg, "CREATE TABLE mine (x int)"));
    ck_assert(!allowed(pg, "DROP TABLE audit_log"));
    ck_assert(!allowed(pg, "UPDATE schema_migration SET version = 7"));
    pg_close(&pg);
}
END_TEST

/* ---- partitions ---- */

#define DAY_US INT64_C(86400000000)
#define START_US (INT64_C(20400) * DAY_US) /* 2025-11-08 */

static void *ensure_month(void *ctx)
{
    struct racer *racer = ctx;
    struct pg *pg = NULL;
    struct err mine = {0};
    racer->rc = pg_open(racer->conninfo, &pg, &mine);
    (void)pthread_barrier_wait(racer->gate);
    if (racer->rc == 0) {
        racer->rc = partition_ensure(pg, START_US, START_US + 30 * DAY_US, &mine);
    }
    (void)text_copy(racer->text, sizeof racer->text, mine.code == ERR_NONE ? "" : mine.text);
    pg_close(&pg);
    return NULL;
}

START_TEST(nodes_racing_for_partitions_all_succeed)
{
    const char *conninfo = pgtest_database();
    pthread_t threads[4];
    struct racer racers[4];
    pthread_barrier_t gate;
    ck_assert_int_eq(pthread_barrier_init(&gate, NULL, 4), 0);
    for (int i = 0; i < 4; i++) {
        racers[i] = (struct racer){.conninfo = conninfo, .gate = &gate};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, ensure_month, &racers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_msg(racers[i].rc == 0, "%s", racers[i].text);
    }
    (void)pthread_barrier_destroy(&gate);
    ck_assert_int_eq(number(conninfo, "SELECT count(*)::int8 AS n FROM pg_inherits"
                                      " WHERE inhparent = 'usage_record'::regclass"),
                     30);
}
END_TEST

static const char INSERT_TWIN[] =
    "INSERT INTO usage_record SELECT 100000000001, '2025-11-08 12:00:00+00'::timestamptz + n * interval '1 second', 1,"
    " '00000000-0000-4000-8000-000000000001', 1, 0, 0, 0, 1, n, 1, 128, 1, 1, 512, 1, 1, 1, 1, 0, 0"
    " FROM generate_series(0, %s) AS n";

static void insert_records(struct pg *pg, const char *last)
{
    char sql[600];
    char *at;
    (void)text_copy(sql, sizeof sql, INSERT_TWIN);
    at = strstr(sql, "%s");
    at[0] = last[0];
    at[1] = ' ';
    OK(pg_script(pg, sql, &err));
}

START_TEST(a_closed_day_shows_twins)
{
    const char *conninfo = pgtest_database();
    struct pg *pg = NULL;
    bool did = false;
    OK(pg_open(conninfo, &pg, &err));
    OK(partition_ensure(pg, START_US + 5, START_US + 6, &err));
    OK(partition_ensure(pg, START_US, START_US, &err));
    insert_records(pg, "1"); /* two, one identity */
    ck_assert_int_eq(partition_close(pg, START_US, &did, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "usage_record_20251108"));
    OK(partition_drop(pg, START_US, &did, &err));
    ck_assert(did);
    OK(partition_drop(pg, START_US, &did, &err));
    ck_assert(!did);
    OK(partition_ensure(pg, START_US, START_US + 1, &err));
    insert_records(pg, "0");
    OK(partition_close(pg, START_US + 7, &did, &err));
    ck_assert(did);
    OK(partition_close(pg, START_US, &did, &err));
    ck_assert(!did);
    ck_assert_int_eq(partition_ensure(pg, START_US, START_US + 500 * DAY_US, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_int_eq(partition_ensure(pg, -1, START_US, &err), -1);
    pg_close(&pg);
}
END_TEST

/* ---- the splitter ---- */

static const struct {
    const char *sql;
    int count; /* -1: never closed */
    const char *first;
} SPLITS[] = {
    {"", 0, NULL},
    {" ;; -- only this\n /* and /* that */ */ ;", 0, NULL},
    {"SELECT 1", 1, "SELECT 1"},
    {"SELECT ';', \";\", E'\\';', 'it''s;' ; SELECT 2;", 2, "SELECT ';', \";\", E'\\';', 'it''s;' "},
    {"/* c; */ SELECT 1 -- ;\n + 1; ;", 1, "SELECT 1 -- ;\n + 1"},
    {"DO $$ BEGIN; END $$; SELECT $1, a$b$c;", 2, "DO $$ BEGIN; END $$"},
    {"DO $x$ $$ ; $y$ ; $x$", 1, "DO $x$ $$ ; $y$ ; $x$"},
    {"SELECT 'abc\\';'", -1, NULL},
    {"SELECT $q$ abc", -1, NULL},
    {"SELECT 1 /* abc", -1, NULL},
    {"/* abc", -1, NULL},
    {"SELECT \"a", -1, NULL},
    {"SELECT name'x;'", 1, "SELECT name'x;'"},
};

START_TEST(scripts_are_cut_into_statements)
{
    struct split split = {.sql = SPLITS[_i].sql, .length = strlen(SPLITS[_i].sql)};
    const char *start = NULL;
    size_t length = 0;
    int count = 0;
    int rc;
    while ((rc = split_next(&split, &start, &length, &err)) == 1) {
        if (count++ == 0 && SPLITS[_i].first != NULL) {
            ck_assert_uint_eq(length, strlen(SPLITS[_i].first));
            ck_assert_int_eq(memcmp(start, SPLITS[_i].first, length), 0);
        }
    }
    ck_assert_int_eq(rc == 0 ? count : -1, SPLITS[_i].count);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("migrate");
    TCase *runs = tcase_create("runs");
    TCase *parts = tcase_create("partitions");
    TCase *splits = tcase_create("split");
    tcase_set_timeout(runs, 120);
    tcase_set_timeout(parts, 120);
    tcase_add_test(runs, applies_once_and_reports);
    tcase_add_test(runs, an_edited_one_is_refused);
    tcase_add_test(runs, an_unknown_newer_one_is_refused);
    tcase_add_test(runs, a_broken_one_leaves_nothing);
    tcase_add_test(runs, four_at_once_apply_each_once);
    tcase_add_test(runs, every_table_and_column_is_commented);
    tcase_add_test(runs, the_program_role_cannot_rewrite_history);
    tcase_add_test(parts, nodes_racing_for_partitions_all_succeed);
    tcase_add_test(parts, a_closed_day_shows_twins);
    tcase_add_loop_test(splits, scripts_are_cut_into_statements, 0, (int)COUNT_OF(SPLITS));
    suite_add_tcase(s, runs);
    suite_add_tcase(s, parts);
    suite_add_tcase(s, splits);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
