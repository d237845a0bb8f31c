/*
 * Goal:   a changed limit reaches every node by notification, by polling alone, and when the listening connection was
 * cut. Method: three admissions on one database; each test changes the limit so that only one of the ways can tell, and
 * asks every node until it goes by the new limit. How long that takes is measured elsewhere (faults/quota_limits.py).
 */
#include <check.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/admission_internal.h"
#include "engine/quota.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define NODES 3

static const char *database;
static struct pg *pg;
static struct admission *nodes[NODES];

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

/* One call, over at once: 0 admitted, 1 refused. */
static int call(int node)
{
    const struct admission_request request = {.account_id = ACCOUNT,
                                              .function_id = 7,
                                              .memory_mib = 128,
                                              .timeout_s = 1,
                                              .reserved_concurrency = -1,
                                              .now_us = clock_wall_us()};
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    for (;;) {
        sem_t answered;
        ck_assert_int_eq(sem_init(&answered, 0, 0), 0);
        int rc = admission_reserve(nodes[node], &request, &ticket, &refusal, post, &answered);
        if (rc == 0) {
            admission_settle(nodes[node], &ticket, NULL);
        }
        if (rc != 2) {
            return rc;
        }
        while (sem_wait(&answered) != 0) {
        }
        sem_destroy(&answered);
    }
}

/* The test's timeout ends what never comes. */
static void until_all_say(int wanted)
{
    for (int i = 0; i < NODES; i++) {
        while (call(i) != wanted) {
        }
    }
}

static void run_sql(const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
}

static void put(const char *limit)
{
    struct quota quota = {.kind = QUOTA_REQUESTS_PER_SECOND};
    struct quota stored;
    struct err err = {0};
    (void)snprintf(quota.limit_text, sizeof quota.limit_text, "%s", limit);
    ck_assert_msg(quota_put(pg, ACCOUNT, &quota, -1, &stored, &err) == 0, "%s", err.text);
}

static void setup(void)
{
    struct err err = {0};
    database = pgtest_database();
    ck_assert_msg(pg_open(database, &pg, &err) == 0, "%s", err.text);
    put("1000000");
    for (int i = 0; i < NODES; i++) {
        const struct admission_options options = {.conninfo = database, .node_id = i + 1};
        ck_assert_int_eq(admission_open(&options, &nodes[i], &err), 0);
    }
    until_all_say(0);
}

static void teardown(void)
{
    for (int i = 0; i < NODES; i++) {
        admission_close(&nodes[i]);
    }
    pg_close(&pg);
}

/* A notification must not be sent before everybody listens. What all know, all have heard of while listening. */
static void until_all_listen(void)
{
    put("999999");
    for (int64_t heard = 0; heard < NODES;) {
        heard = 0;
        for (int i = 0; i < NODES; i++) {
            struct account *account = account_find(nodes[i], ACCOUNT);
            heard += account != NULL && atomic_load(&account->rate_limit) == 999999;
        }
    }
}

#define SET(limit)                                                                                                     \
    "UPDATE quota SET limit_units = " limit ", limit_text = '" limit "', updated_at = clock_timestamp()"               \
    " WHERE account_id = 100000000001 AND name = 'requests_per_second';"

START_TEST(a_notification_is_enough)
{
    until_all_listen();
    run_sql("DELETE FROM quota_change"); /* nothing for those who poll */
    run_sql(SET("0") "SELECT pg_notify('farthing_quota', 'change 100000000001')");
    until_all_say(1);
    run_sql(SET("1000000") "SELECT pg_notify('farthing_quota', 'change 100000000001')");
    until_all_say(0);
}
END_TEST

START_TEST(polling_is_enough)
{
    run_sql(SET("0") "UPDATE quota_change SET changed_at = clock_timestamp(), revision = revision + 1");
    until_all_say(1);
    run_sql(SET("1000000") "UPDATE quota_change SET changed_at = clock_timestamp(), revision = revision + 1");
    until_all_say(0);
}
END_TEST

START_TEST(a_cut_listener_hears_what_it_missed)
{
    until_all_listen();
    struct pg *owner = NULL;
    struct err err = {0};
    ck_assert_msg(pg_open_owner(database, &owner, &err) == 0, "%s", err.text);
    /* The change and the cut in one transaction: no notification can arrive before the connections are gone. */
    ck_assert_msg(pg_script(owner,
                            "BEGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                            " current_database() AND pid <> pg_backend_pid();" SET(
                                "0") "SELECT quota_changed(100000000001); COMMIT",
                            &err) == 0,
                  "%s", err.text);
    pg_close(&owner);
    until_all_say(1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota_changes");
    TCase *tcase = tcase_create("changes");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_notification_is_enough);
    tcase_add_test(tcase, polling_is_enough);
    tcase_add_test(tcase, a_cut_listener_hears_what_it_missed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
