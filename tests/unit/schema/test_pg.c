/*
 * Length: one fixture and a dozen helpers serve all of it.
 * Goal:   pg.h keeps its word about rows, errors, transactions and COPY, on a real server.
 * Method: a scratch table in a fresh database; a second connection interferes (locks, kills backends).
 */
#include "common/buf.h"
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const char *database;
static struct pg *pg;
static struct pg *other;
static struct err err;

static void setup(void)
{
    err = (struct err){0};
    database = pgtest_database_empty();
    ck_assert_int_eq(pg_open_owner(database, &pg, &err), 0);
    ck_assert_int_eq(pg_open_owner(database, &other, &err), 0);
    ck_assert_int_eq(
        pg_script(pg, "CREATE TABLE t (k bigint PRIMARY KEY, v text, CONSTRAINT v_short CHECK (length(v) < 9))", &err),
        0);
}

static void teardown(void)
{
    pg_close(&pg);
    pg_close(&other);
}

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, err.text)
#define FAILS(call, wanted)                                                                                            \
    do {                                                                                                               \
        err = (struct err){0};                                                                                         \
        ck_assert_int_eq((call), -1);                                                                                  \
        ck_assert_msg(err.code == (wanted), "%s: code %s: %s", #call, err_code_name(err.code), err.text);              \
    } while (0)

static const struct pg_stmt INSERT = {
    .name = "t.insert",
    .sql = "INSERT INTO t (k, v) VALUES ($1::int8, $2::text)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt COUNT = {
    .name = "t.count",
    .sql = "SELECT count(*)::int8 AS n FROM t",
    .expect = PG_ONE_ROW,
};

static int on_count(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)e;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t count(struct pg *from)
{
    int64_t n = -1;
    OK(pg_run(from, &COUNT, NULL, on_count, &n, NULL, &err));
    return n;
}

static int insert(struct pg *into, int64_t k, const char *v)
{
    const struct pg_param params[] = {PG_P_I64(k), PG_P_TEXT(v), PG_P_END};
    return pg_run(into, &INSERT, params, NULL, NULL, NULL, &err);
}

/* ---- values ---- */

static const struct pg_stmt VALUES_OF = {
    .name = "t.values",
    .sql = "SELECT $1::int8 AS i, $2::text AS t, $3::bytea AS b, $4::timestamptz AS at, $5::uuid AS u, $6::int8[] AS a,"
           " $7::bool AS yes, $8::int4 AS small, NULL::int8 AS nothing, 12.340::numeric AS n, $9::date AS day",
    .expect = PG_ONE_ROW,
};

static int on_values(const struct pg_row *row, void *ctx, struct err *e)
{
    size_t length = 0;
    (void)ctx;
    (void)e;
    ck_assert_int_eq(pg_get_i64(row, "i"), INT64_MIN);
    ck_assert_str_eq(pg_get_text(row, "t"), "it's \xc3\xa9");
    const void *bytes = pg_get_bytes(row, "b", &length);
    ck_assert_uint_eq(length, 3);
    ck_assert_int_eq(memcmp(bytes, "\0\xff\n", 3), 0);
    ck_assert_int_eq(pg_get_time(row, "at"), INT64_C(1763894690123456));
    ck_assert_int_eq(pg_get_time_or(row, "nothing", -5), -5);
    bytes = pg_get_bytes(row, "u", &length);
    ck_assert_uint_eq(length, 16);
    ck_assert_int_eq(memcmp(bytes, "0123456789abcdef", 16), 0);
    ck_assert_str_eq(pg_get_text(row, "a"), "{1,2}");
    ck_assert(pg_get_bool(row, "yes"));
    ck_assert_int_eq(pg_get_i64(row, "small"), -7);
    ck_assert(pg_is_null(row, "nothing"));
    ck_assert_int_eq(pg_get_i64_or(row, "nothing", 4), 4);
    ck_assert_str_eq(pg_get_text_or(row, "nothing", "none"), "none");
    ck_assert_str_eq(pg_get_text(row, "n"), "12.340");
    ck_assert_int_eq(pg_get_time(row, "day"), INT64_C(1763856000000000));
    return 0;
}

START_TEST(values_come_back_as_they_went)
{
    const struct pg_param params[] = {PG_P_I64(INT64_MIN),
                                      PG_P_TEXT("it's \xc3\xa9"),
                                      PG_P_BYTES("\0\xff\n", 3),
                                      PG_P_TIME(INT64_C(1763894690123456)),
                                      PG_P_UUID("0123456789abcdef"),
                                      PG_P_TEXT("{1,2}"),
                                      PG_P_BOOL(true),
                                      PG_P_I64(-7),
                                      PG_P_TIME(INT64_C(1763894690123456)),
                                      PG_P_END};
    for (int i = 0; i < 2; i++) {
        OK(pg_run(pg, &VALUES_OF, params, on_values, NULL, NULL, &err));
    }
}
END_TEST

static int read_null(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)ctx;
    (void)e;
    (void)pg_get_i64(row, "n");
    return 0;
}

START_TEST(null_where_none_may_be_is_an_error)
{
    static const struct pg_stmt stmt = {.name = "t.null", .sql = "SELECT NULL::int8 AS n", .expect = PG_ONE_ROW};
    FAILS(pg_run(pg, &stmt, NULL, read_null, NULL, NULL, &err), ERR_SYSTEM);
    ck_assert_ptr_nonnull(strstr(err.text, "column n is null"));
}
END_TEST

START_TEST(row_counts_are_checked)
{
    static const struct pg_stmt one = {.name = "r.one", .sql = "SELECT 1 WHERE false", .expect = PG_ONE_ROW};
    static const struct pg_stmt maybe = {
        .name = "r.maybe", .sql = "SELECT generate_series(1, 2)", .expect = PG_MAYBE_ROW};
    static const struct pg_stmt none = {.name = "r.none", .sql = "SELECT 1", .expect = PG_NO_ROWS};
    FAILS(pg_run(pg, &one, NULL, NULL, NULL, NULL, &err), ERR_SYSTEM);
    FAILS(pg_run(pg, &maybe, NULL, NULL, NULL, NULL, &err), ERR_SYSTEM);
    FAILS(pg_run(pg, &none, NULL, NULL, NULL, NULL, &err), ERR_SYSTEM);
}
END_TEST

START_TEST(constraints_are_conflicts_and_named)
{
    OK(insert(pg, 1, "a"));
    FAILS(insert(pg, 1, "b"), ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "t_pkey"));
    FAILS(insert(pg, 2, "much too long"), ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "v_short"));
}
END_TEST

START_TEST(two_statements_of_one_name_are_a_defect)
{
    static const struct pg_stmt twin = {.name = "t.count", .sql = "SELECT 2::int8 AS n", .expect = PG_ONE_ROW};
    (void)count(pg);
    (void)pg_run(pg, &twin, NULL, NULL, NULL, NULL, &err);
}
END_TEST

static int read_missing(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)ctx;
    (void)e;
    (void)pg_get_i64(row, "no_such_column");
    return 0;
}

START_TEST(a_missing_column_is_a_defect)
{
    (void)pg_run(pg, &COUNT, NULL, read_missing, NULL, NULL, &err);
}
END_TEST

static int stop_at_three(const struct pg_row *row, void *ctx, struct err *e)
{
    int64_t *seen = ctx;
    *seen = pg_get_i64(row, "n");
    return *seen == 3 ? err_set(e, ERR_LIMIT, "enough") : 0;
}

static int sum_up(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)e;
    *(int64_t *)ctx += pg_get_i64(row, "n");
    return 0;
}

START_TEST(streams_run_to_the_end_or_stop)
{
    static const struct pg_stmt many = {
        .name = "s.many", .sql = "SELECT n FROM generate_series(1::int8, $1::int8) AS n", .expect = PG_ANY_ROWS};
    static const struct pg_stmt breaks = {
        .name = "s.breaks", .sql = "SELECT 10 / (3 - n) AS n FROM generate_series(1, 5) AS n", .expect = PG_ANY_ROWS};
    const struct pg_param params[] = {PG_P_I64(100000), PG_P_END};
    int64_t seen = 0;
    OK(pg_stream(pg, &many, params, sum_up, &seen, &err));
    ck_assert_int_eq(seen, INT64_C(5000050000));
    FAILS(pg_stream(pg, &many, params, stop_at_three, &seen, &err), ERR_LIMIT);
    ck_assert_int_eq(seen, 3);
    FAILS(pg_stream(pg, &breaks, NULL, sum_up, &seen, &err), ERR_SYSTEM);
    ck_assert_int_eq(count(pg), 0); /* and the connection goes on */
}
END_TEST

/* ---- transactions ---- */

static int add_two(struct pg *in, void *ctx, struct err *e)
{
    const struct pg_param first[] = {PG_P_I64(1), PG_P_TEXT("a"), PG_P_END};
    const struct pg_param second[] = {PG_P_I64(2), PG_P_TEXT(ctx), PG_P_END};
    return pg_run(in, &INSERT, first, NULL, NULL, NULL, e) != 0 ? -1 : pg_run(in, &INSERT, second, NULL, NULL, NULL, e);
}

START_TEST(a_transaction_is_whole)
{
    char fine[] = "b";
    char bad[] = "much too long";
    FAILS(pg_tx(pg, add_two, bad, &err), ERR_CONFLICT);
    ck_assert_int_eq(count(other), 0);
    OK(pg_tx(pg, add_two, fine, &err));
    ck_assert_int_eq(count(other), 2);
}
END_TEST

static int swallow(struct pg *in, void *ctx, struct err *e)
{
    struct err ignored;
    const struct pg_param params[] = {PG_P_I64(1), PG_P_TEXT("much too long"), PG_P_END};
    (void)ctx;
    (void)e;
    (void)pg_run(in, &INSERT, params, NULL, NULL, NULL, &ignored);
    return 0;
}

START_TEST(a_swallowed_error_does_not_commit)
{
    FAILS(pg_tx(pg, swallow, NULL, &err), ERR_SYSTEM);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

/* Reads the count, lets the other one write, writes: not serializable, the first time. */
static int skewed(struct pg *in, void *ctx, struct err *e)
{
    int *tries = ctx;
    int64_t n = 0;
    if (pg_run(in, &COUNT, NULL, on_count, &n, NULL, e) != 0) {
        return -1;
    }
    if (++*tries == 1) {
        ck_assert_int_eq(pg_begin(other, PG_SERIALIZABLE, &err), 0);
        (void)count(other);
        ck_assert_int_eq(insert(other, 50, "o"), 0);
        ck_assert_int_eq(pg_commit(other, &err), 0);
    }
    const struct pg_param params[] = {PG_P_I64(n), PG_P_TEXT("s"), PG_P_END};
    return pg_run(in, &INSERT, params, NULL, NULL, NULL, e);
}

START_TEST(serialization_failures_are_tried_again)
{
    int tries = 0;
    OK(pg_tx(pg, skewed, &tries, &err));
    ck_assert_int_eq(tries, 2);
    ck_assert_int_eq(count(pg), 2);
}
END_TEST

/* ---- lost links ---- */

static int64_t backend_of(struct pg *from)
{
    static const struct pg_stmt stmt = {
        .name = "t.pid", .sql = "SELECT pg_backend_pid()::int8 AS n", .expect = PG_ONE_ROW};
    int64_t pid = 0;
    OK(pg_run(from, &stmt, NULL, on_count, &pid, NULL, &err));
    return pid;
}

/* Returns when the backend is gone. */
static void kill_backend(int64_t pid)
{
    static const struct pg_stmt stmt = {
        .name = "t.kill", .sql = "SELECT pg_terminate_backend($1::int4, 10000)::int4::int8 AS n", .expect = PG_ONE_ROW};
    const struct pg_param params[] = {PG_P_I64(pid), PG_P_END};
    int64_t done = 0;
    OK(pg_run(other, &stmt, params, on_count, &done, NULL, &err));
    ck_assert_int_eq(done, 1);
}

START_TEST(an_idle_link_is_opened_again)
{
    kill_backend(backend_of(pg));
    ck_assert_int_eq(count(pg), 0);
    kill_backend(backend_of(pg));
    OK(pg_ensure(pg, &err));
    OK(insert(pg, 1, "a"));
}
END_TEST

START_TEST(lost_before_commit_is_retry)
{
    int64_t pid = backend_of(pg);
    OK(pg_begin(pg, PG_SERIALIZABLE, &err));
    OK(insert(pg, 1, "a"));
    kill_backend(pid);
    FAILS(insert(pg, 2, "b"), ERR_RETRY);
    FAILS(pg_ensure(pg, &err), ERR_RETRY);
    pg_rollback(pg);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

START_TEST(lost_between_statement_and_commit_is_retry)
{
    int64_t pid = backend_of(pg);
    OK(pg_begin(pg, PG_SERIALIZABLE, &err));
    OK(insert(pg, 1, "a"));
    kill_backend(pid);
    FAILS(pg_commit(pg, &err), ERR_RETRY);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

/* The backend dies in the middle of a statement of its own: it terminates itself. */
START_TEST(lost_in_a_write_of_its_own_is_uncertain)
{
    static const struct pg_stmt suicide = {
        .name = "t.die",
        .sql = "INSERT INTO t (k) SELECT 1 FROM (SELECT pg_terminate_backend(pg_backend_pid())) AS x",
        .expect = PG_NO_ROWS};
    static const struct pg_stmt read = {
        .name = "t.die_reading", .sql = "SELECT pg_terminate_backend(pg_backend_pid())", .expect = PG_ANY_ROWS};
    FAILS(pg_run(pg, &suicide, NULL, NULL, NULL, NULL, &err), ERR_UNCERTAIN);
    FAILS(pg_run(pg, &read, NULL, NULL, NULL, NULL, &err), ERR_RETRY);
    FAILS(pg_stream(pg, &read, NULL, NULL, NULL, &err), ERR_RETRY);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

/* A deferred trigger runs inside COMMIT: there the backend kills itself. */
START_TEST(lost_in_commit_is_uncertain)
{
    OK(pg_script(pg,
                 "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS"
                 " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
                 &err));
    OK(pg_script(pg,
                 "CREATE CONSTRAINT TRIGGER last AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
                 " FOR EACH ROW EXECUTE FUNCTION die()",
                 &err));
    OK(pg_begin(pg, PG_READ_COMMITTED, &err));
    OK(insert(pg, 1, "a"));
    FAILS(pg_commit(pg, &err), ERR_UNCERTAIN);
    FAILS(insert(pg, 1, "a"), ERR_UNCERTAIN);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

/* Another node migrates while this one is connected. */
START_TEST(a_changed_table_is_retry_once)
{
    static const struct pg_stmt read = {.name = "t.read", .sql = "SELECT v FROM t", .expect = PG_ANY_ROWS};
    OK(insert(pg, 1, "a"));
    OK(pg_run(pg, &read, NULL, NULL, NULL, NULL, &err));
    OK(pg_script(other, "ALTER TABLE t ALTER v TYPE varchar(20)", &err));
    FAILS(pg_run(pg, &read, NULL, NULL, NULL, NULL, &err), ERR_RETRY);
    OK(pg_run(pg, &read, NULL, NULL, NULL, NULL, &err));
    OK(pg_script(other, "ALTER TABLE t ALTER v TYPE varchar(30)", &err));
    OK(pg_begin(pg, PG_READ_COMMITTED, &err));
    FAILS(pg_run(pg, &read, NULL, NULL, NULL, NULL, &err), ERR_RETRY);
    pg_rollback(pg);
    OK(pg_run(pg, &read, NULL, NULL, NULL, NULL, &err));
}
END_TEST

START_TEST(nobody_there_is_retry)
{
    struct pg *none = NULL;
    FAILS(pg_open("host=/nonexistent dbname=x", &none, &err), ERR_RETRY);
    ck_assert_ptr_null(none);
}
END_TEST

/* ---- COPY ---- */

static const struct pg_stmt COPY_IN = {.name = "t.copy_in", .sql = "COPY t (k, v) FROM STDIN", .expect = PG_NO_ROWS};
static const struct pg_stmt COPY_OUT = {
    .name = "t.copy_out", .sql = "COPY (SELECT k, v FROM t ORDER BY k) TO STDOUT", .expect = PG_NO_ROWS};

static int gather(const void *bytes, size_t length, void *ctx, struct err *e)
{
    (void)e;
    buf_append(ctx, bytes, length);
    return 0;
}

static int refuse(const void *bytes, size_t length, void *ctx, struct err *e)
{
    (void)bytes;
    (void)length;
    (void)ctx;
    return err_set(e, ERR_LIMIT, "full");
}

START_TEST(copy_goes_in_and_out)
{
    struct buf in = {0};
    struct buf out = {0};
    int64_t rows = 0;
    for (int i = 0; i < 100000; i++) {
        buf_printf(&in, "%d\tv%d\n", i, i % 1000);
    }
    OK(pg_copy_in_begin(pg, &COPY_IN, &err));
    for (size_t at = 0; at < in.length; at += 777) {
        OK(pg_copy_in_put(pg, in.data + at, in.length - at < 777 ? in.length - at : 777, &err));
    }
    OK(pg_copy_in_end(pg, &rows, &err));
    ck_assert_int_eq(rows, 100000);
    OK(pg_copy_out(pg, &COPY_OUT, gather, &out, &err));
    ck_assert_uint_eq(out.length, in.length);
    ck_assert_int_eq(memcmp(out.data, in.data, in.length), 0);
    FAILS(pg_copy_out(pg, &COPY_OUT, refuse, NULL, &err), ERR_LIMIT);
    ck_assert_int_eq(count(pg), 100000);
    buf_free(&in);
    buf_free(&out);
}
END_TEST

START_TEST(a_bad_copy_leaves_nothing)
{
    static const char twice[] = "1\ta\n1\tb\n";
    int64_t rows = 77;
    OK(pg_copy_in_begin(pg, &COPY_IN, &err));
    OK(pg_copy_in_put(pg, twice, sizeof twice - 1, &err));
    FAILS(pg_copy_in_end(pg, &rows, &err), ERR_CONFLICT);
    ck_assert_int_eq(rows, 77);
    OK(pg_begin(pg, PG_READ_COMMITTED, &err));
    OK(pg_copy_in_begin(pg, &COPY_IN, &err));
    OK(pg_copy_in_put(pg, "5\tx\n", 4, &err));
    pg_rollback(pg);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

START_TEST(copy_on_a_lost_link)
{
    int64_t pid = backend_of(pg);
    int64_t rows = 0;
    OK(pg_copy_in_begin(pg, &COPY_IN, &err));
    OK(pg_copy_in_put(pg, "5\tx\n", 4, &err));
    kill_backend(pid);
    FAILS(pg_copy_in_end(pg, &rows, &err), ERR_UNCERTAIN);
    pid = backend_of(pg);
    OK(pg_begin(pg, PG_READ_COMMITTED, &err));
    OK(pg_copy_in_begin(pg, &COPY_IN, &err));
    OK(pg_copy_in_put(pg, "5\tx\n", 4, &err));
    kill_backend(pid);
    FAILS(pg_copy_in_end(pg, &rows, &err), ERR_RETRY);
    pg_rollback(pg);
    ck_assert_int_eq(count(pg), 0);
}
END_TEST

/* ---- notifications ---- */

START_TEST(notifications_arrive)
{
    bool arrived = true;
    char payload[32] = "";
    OK(pg_listen(pg, "news", &err));
    OK(pg_wait_notify(pg, 0, &arrived, payload, sizeof payload, &err));
    ck_assert(!arrived);
    OK(pg_script(other, "NOTIFY news, 'hello'", &err));
    OK(pg_wait_notify(pg, 10000, &arrived, payload, sizeof payload, &err));
    ck_assert(arrived);
    ck_assert_str_eq(payload, "hello");
    kill_backend(backend_of(pg));
    FAILS(pg_wait_notify(pg, 10000, &arrived, payload, sizeof payload, &err), ERR_RETRY);
    OK(pg_ensure(pg, &err)); /* listens again */
    OK(pg_script(other, "NOTIFY news, 'again'", &err));
    OK(pg_wait_notify(pg, 10000, &arrived, payload, sizeof payload, &err));
    ck_assert(arrived);
    ck_assert_str_eq(payload, "again");
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pg");
    TCase *rows = tcase_create("rows");
    TCase *tx = tcase_create("transactions");
    TCase *links = tcase_create("links");
    TCase *copy = tcase_create("copy");
    TCase *cases[] = {rows, tx, links, copy};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tcase_add_checked_fixture(cases[i], setup, teardown);
        tcase_set_timeout(cases[i], 120);
        suite_add_tcase(s, cases[i]);
    }
    tcase_add_test(rows, values_come_back_as_they_went);
    tcase_add_test(rows, null_where_none_may_be_is_an_error);
    tcase_add_test(rows, row_counts_are_checked);
    tcase_add_test(rows, constraints_are_conflicts_and_named);
    tcase_add_test_raise_signal(rows, two_statements_of_one_name_are_a_defect, SIGABRT);
    tcase_add_test_raise_signal(rows, a_missing_column_is_a_defect, SIGABRT);
    tcase_add_test(rows, streams_run_to_the_end_or_stop);
    tcase_add_test(tx, a_transaction_is_whole);
    tcase_add_test(tx, a_swallowed_error_does_not_commit);
    tcase_add_test(tx, serialization_failures_are_tried_again);
    tcase_add_test(links, an_idle_link_is_opened_again);
    tcase_add_test(links, lost_before_commit_is_retry);
    tcase_add_test(links, lost_between_statement_and_commit_is_retry);
    tcase_add_test(links, lost_in_a_write_of_its_own_is_uncertain);
    tcase_add_test(links, lost_in_commit_is_uncertain);
    tcase_add_test(links, a_changed_table_is_retry_once);
    tcase_add_test(links, nobody_there_is_retry);
    tcase_add_test(links, notifications_arrive);
    tcase_add_test(copy, copy_goes_in_and_out);
    tcase_add_test(copy, a_bad_copy_leaves_nothing);
    tcase_add_test(copy, copy_on_a_lost_link);
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
