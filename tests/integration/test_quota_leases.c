/*
 * Goal:   limits hold across nodes, through the real SQL and the real threads: concurrency, monthly leases, changes,
 * refusals. Method: several admissions ("nodes") on one database; ingest is played by writing usage_hourly and
 * producer_cursor.
 */
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/admission_internal.h"
#include "engine/quota.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define NODES 3
#define ASKS_MAX 200

static const char *database;
static struct pg *pg;
static struct admission *nodes[NODES];

static void setup(void)
{
    struct err err = {0};
    database = pgtest_database();
    ck_assert_msg(pg_open(database, &pg, &err) == 0, "%s", err.text);
    for (int i = 0; i < NODES; i++) {
        struct admission_options options = {.conninfo = database, .node_id = i + 1};
        ck_assert_int_eq(admission_open(&options, &nodes[i], &err), 0);
    }
}

static void teardown(void)
{
    for (int i = 0; i < NODES; i++) {
        admission_close(&nodes[i]);
    }
    pg_close(&pg);
}

static void put(enum quota_kind kind, const char *limit, enum quota_action action)
{
    struct quota quota = {.kind = kind, .action = action, .thresholds = {50, 80, 100}, .threshold_count = 3};
    struct quota stored;
    struct err err = {0};
    (void)snprintf(quota.limit_text, sizeof quota.limit_text, "%s", limit);
    ck_assert_msg(quota_put(pg, ACCOUNT, &quota, -1, &stored, &err) == 0, "%s", err.text);
}

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

static struct admission_request call(void)
{
    return (struct admission_request){.account_id = ACCOUNT,
                                      .function_id = 7,
                                      .memory_mib = 128,
                                      .timeout_s = 1,
                                      .reserved_concurrency = -1,
                                      .now_us = clock_wall_us()};
}

/* Ask until the answer is yes or no. */
static int ask(int node, const struct admission_request *request, struct admission_ticket *ticket,
               struct admission_refusal *refusal)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        sem_t answered;
        ck_assert_int_eq(sem_init(&answered, 0, 0), 0);
        int rc = admission_reserve(nodes[node], request, ticket, refusal, post, &answered);
        if (rc != 2) {
            return rc;
        }
        while (sem_wait(&answered) != 0) {
        }
        sem_destroy(&answered);
    }
    ck_abort_msg("no answer");
    return -1;
}

/* A no stands for half a second: places that another node holds idle come over by then. */
static int ask_patiently(int node, const struct admission_request *request, struct admission_ticket *ticket,
                         struct admission_refusal *refusal)
{
    int rc = 1;
    for (int tries = 0; rc == 1 && tries < 100; tries++) {
        rc = ask(node, request, ticket, refusal);
        if (rc == 1) {
            struct timespec span = {.tv_nsec = 50000000};
            (void)nanosleep(&span, NULL); /* lint: a refused caller comes back a little later */
        }
    }
    return rc;
}

START_TEST(concurrency_across_nodes)
{
    struct admission_ticket tickets[10];
    struct admission_refusal refusal;
    struct admission_ticket extra;
    struct admission_request request = call();
    put(QUOTA_CONCURRENCY, "10", QUOTA_BLOCK);
    for (int i = 0; i < 10; i++) {
        ck_assert_msg(ask_patiently(i % NODES, &request, &tickets[i], &refusal) == 0, "place %d: %s", i,
                      refusal.detail);
    }
    for (int i = 0; i < NODES; i++) {
        ck_assert_int_eq(ask(i, &request, &extra, &refusal), 1);
        ck_assert_int_eq(refusal.reason, USAGE_REFUSED_CONCURRENCY);
        ck_assert_int_eq(refusal.limit, 10);
    }
    /* All of it can move to one node. */
    for (int i = 0; i < 10; i++) {
        admission_settle(nodes[i % NODES], &tickets[i], NULL);
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_msg(ask_patiently(2, &request, &tickets[i], &refusal) == 0, "place %d: %s", i, refusal.detail);
    }
    for (int i = 0; i < 10; i++) {
        admission_settle(nodes[2], &tickets[i], NULL);
    }
}
END_TEST

START_TEST(month_is_used_to_the_last)
{
    struct admission_ticket ticket;
    struct admission_refusal refusal = {0};
    struct admission_request request = call();
    int admitted = 0;
    put(QUOTA_REQUESTS_PER_MONTH, "1000", QUOTA_BLOCK);
    int refused = 0;
    for (int i = 0; refused < 3 * NODES; i++) {
        int rc = ask(i % NODES, &request, &ticket, &refusal);
        if (rc == 0) {
            struct usage_record record = {.started_us = request.now_us, .billed_ms = 1, .memory_mib = 128};
            admission_settle(nodes[i % NODES], &ticket, &record);
            admitted++;
            ck_assert_int_le(admitted, 1000);
        } else {
            refused++;
        }
    }
    ck_assert_int_ge(admitted, 990);
    ck_assert_int_eq(refusal.reason, USAGE_REFUSED_REQUESTS);
    ck_assert_str_eq(refusal.limit_text, "1000");
    ck_assert_int_gt(refusal.resets_at_us, request.now_us);
}
END_TEST

START_TEST(changes_take_effect)
{
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    struct admission_request request = call();
    ck_assert_int_eq(ask(0, &request, &ticket, &refusal), 0);
    admission_settle(nodes[0], &ticket, NULL);
    put(QUOTA_CONCURRENCY, "0", QUOTA_BLOCK);
    int64_t until_ns = clock_mono_ns() + INT64_C(5000000000);
    int rc = 0;
    int64_t begun_ns = clock_mono_ns();
    while ((rc = ask(0, &request, &ticket, &refusal)) == 0 && clock_mono_ns() < until_ns) {
        admission_settle(nodes[0], &ticket, NULL);
    }
    ck_assert_int_eq(rc, 1);
    printf("lowered limit enforced after %lld ms\n", (long long)(clock_mono_ns() - begun_ns) / 1000000);
    put(QUOTA_CONCURRENCY, "5", QUOTA_BLOCK);
    until_ns = clock_mono_ns() + INT64_C(5000000000);
    while ((rc = ask(0, &request, &ticket, &refusal)) == 1 && clock_mono_ns() < until_ns) {
    }
    ck_assert_int_eq(rc, 0);
    admission_settle(nodes[0], &ticket, NULL);
    struct err err = {0};
    ck_assert_int_eq(quota_delete(pg, ACCOUNT, QUOTA_CONCURRENCY, -1, &err), 0);
    ck_assert_int_eq(quota_delete(pg, ACCOUNT, QUOTA_CONCURRENCY, -1, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

START_TEST(notify_never_refuses)
{
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    struct admission_request request = call();
    put(QUOTA_REQUESTS_PER_MONTH, "3", QUOTA_NOTIFY);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(ask(0, &request, &ticket, &refusal), 0);
        struct usage_record record = {.started_us = request.now_us, .billed_ms = 1, .memory_mib = 128};
        admission_settle(nodes[0], &ticket, &record);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota_leases");
    TCase *tcase = tcase_create("leases");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, concurrency_across_nodes);
    tcase_add_test(tcase, month_is_used_to_the_last);
    tcase_add_test(tcase, changes_take_effect);
    tcase_add_test(tcase, notify_never_refuses);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
