/*
 * Goal:   many threads share few connections: never more than the limit, never one connection for two threads, and none
 * is lost when links die or transactions are left open. Method: threads that take, use and give; backends killed
 * meanwhile. Meant for the thread sanitizer too.
 */
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 8
#define ROUNDS 60
#define LIMIT 3

static struct pg_pool *pool;
static struct err err;
static const char *database;
static _Atomic int in_use;
static _Atomic int most_in_use;
static _Atomic int failures;
static _Atomic int waiting;

#define OK(call) ck_assert_msg((call) == 0, "%s: %s", #call, err.text)

static const struct pg_stmt ADD = {
    .name = "pool.add",
    .sql = "INSERT INTO t (n) VALUES ($1::int8)",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt SUM = {
    .name = "pool.sum",
    .sql = "SELECT count(*)::int8 AS n FROM t",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt KILL_OTHERS = {
    .name = "pool.kill",
    .sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
           " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    .expect = PG_ANY_ROWS,
};

static void setup(void)
{
    struct pg *pg = NULL;
    err = (struct err){0};
    database = pgtest_database_empty();
    OK(pg_open_owner(database, &pg, &err));
    OK(pg_script(pg, "CREATE TABLE t (n bigint)", &err));
    OK(pg_script(pg, "GRANT ALL ON t TO PUBLIC", &err));
    pg_close(&pg);
    OK(pg_pool_open(database, LIMIT, &pool, &err));
}

static void teardown(void)
{
    pg_pool_close(&pool);
    ck_assert_ptr_null(pool);
}

static int on_count(const struct pg_row *row, void *ctx, struct err *e)
{
    (void)e;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t count(void)
{
    struct pg *pg = NULL;
    int64_t n = -1;
    OK(pg_pool_take(pool, 10000, &pg, &err));
    OK(pg_run(pg, &SUM, NULL, on_count, &n, NULL, &err));
    pg_pool_give(pool, &pg);
    ck_assert_ptr_null(pg);
    return n;
}

static void note_use(void)
{
    int now = ++in_use;
    int most = most_in_use;
    while (now > most && !atomic_compare_exchange_weak(&most_in_use, &most, now)) {
    }
}

static int add(struct pg *pg, void *ctx, struct err *e)
{
    const struct pg_param params[] = {PG_P_I64(*(const int *)ctx), PG_P_END};
    return pg_run(pg, &ADD, params, NULL, NULL, NULL, e);
}

static void *use(void *ctx)
{
    (void)ctx;
    for (int round = 0; round < ROUNDS; round++) {
        struct pg *pg = NULL;
        struct err mine = {0};
        if (pg_pool_take(pool, 60000, &pg, &mine) != 0) {
            failures++;
            continue;
        }
        note_use();
        if (pg_tx_at(pg, PG_READ_COMMITTED, add, &round, &mine) != 0) {
            failures++;
        }
        in_use--;
        pg_pool_give(pool, &pg);
    }
    return NULL;
}

static void run_threads(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
}

START_TEST(threads_share_connections)
{
    run_threads();
    ck_assert_int_eq(failures, 0);
    ck_assert_int_le(most_in_use, LIMIT);
    ck_assert_int_eq(count(), (int64_t)THREADS * ROUNDS);
}
END_TEST

static void *kill_often(void *ctx)
{
    struct pg *pg = NULL;
    struct err mine = {0};
    (void)ctx;
    ck_assert_int_eq(pg_open_owner(database, &pg, &mine), 0);
    for (int i = 0; i < 20; i++) {
        (void)pg_run(pg, &KILL_OTHERS, NULL, NULL, NULL, NULL, &mine);
    }
    pg_close(&pg);
    return NULL;
}

/* Each transaction is in, out, or one of those that said it failed; the pool comes out whole. */
START_TEST(killed_backends_do_not_lose_places)
{
    pthread_t killer;
    ck_assert_int_eq(pthread_create(&killer, NULL, kill_often, NULL), 0);
    run_threads();
    ck_assert_int_eq(pthread_join(killer, NULL), 0);
    int64_t n = count();
    ck_assert_int_le(n, (int64_t)THREADS * ROUNDS);
    ck_assert_int_ge(n, (int64_t)THREADS * ROUNDS - failures);
    struct pg *all[LIMIT] = {NULL};
    for (int i = 0; i < LIMIT; i++) {
        OK(pg_pool_take(pool, 0, &all[i], &err));
    }
    for (int i = 0; i < LIMIT; i++) {
        pg_pool_give(pool, &all[i]);
    }
}
END_TEST

static void *take_and_wait(void *ctx)
{
    struct pg *pg = NULL;
    waiting = 1;
    *(int *)ctx = pg_pool_take(pool, 60000, &pg, NULL);
    pg_pool_give(pool, &pg);
    return NULL;
}

START_TEST(an_empty_pool_waits_or_says_so)
{
    struct pg *all[LIMIT] = {NULL};
    struct pg *more = NULL;
    pthread_t waiter;
    int rc = -7;
    for (int i = 0; i < LIMIT; i++) {
        OK(pg_pool_take(pool, 0, &all[i], &err));
    }
    ck_assert_int_eq(pg_pool_take(pool, 1, &more, &err), -1);
    ck_assert_int_eq(err.code, ERR_RETRY);
    ck_assert_ptr_null(more);
    ck_assert_int_eq(pthread_create(&waiter, NULL, take_and_wait, &rc), 0);
    while (waiting == 0) {
    }
    pg_pool_give(pool, &all[0]);
    ck_assert_int_eq(pthread_join(waiter, NULL), 0);
    ck_assert_int_eq(rc, 0);
    for (int i = 1; i < LIMIT; i++) {
        pg_pool_give(pool, &all[i]);
    }
    pg_pool_give(pool, &more);
}
END_TEST

START_TEST(a_transaction_left_open_is_undone)
{
    struct pg *pg = NULL;
    int n = 1;
    OK(pg_pool_take(pool, 0, &pg, &err));
    OK(pg_begin(pg, PG_READ_COMMITTED, &err));
    OK(add(pg, &n, &err));
    pg_pool_give(pool, &pg);
    ck_assert_int_eq(count(), 0);
}
END_TEST

START_TEST(nobody_there_gives_the_place_back)
{
    struct pg_pool *none = NULL;
    struct pg *pg = NULL;
    OK(pg_pool_open("host=/nonexistent", 1, &none, &err));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pg_pool_take(none, 0, &pg, &err), -1);
        ck_assert_int_eq(err.code, ERR_RETRY);
    }
    pg_pool_close(&none);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("pg_pool");
    TCase *tc = tcase_create("pool");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, threads_share_connections);
    tcase_add_test(tc, killed_backends_do_not_lose_places);
    tcase_add_test(tc, an_empty_pool_waits_or_says_so);
    tcase_add_test(tc, a_transaction_left_open_is_undone);
    tcase_add_test(tc, nobody_there_gives_the_place_back);
    suite_add_tcase(s, tc);
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
