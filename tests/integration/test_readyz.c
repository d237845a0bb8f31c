/*
 * Goal:   /readyz tells whether the work gets done, not whether the process lives: false while records do not move
 * though there are some, while the spool is nearly full, while the database is gone; true again after, with nothing
 * lost. Method: a node with a small spool, whose database is held by a lock, or closed, from outside.
 */
#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/api_client.h"
#include "tests/support/pgtest.h"

#define LOOKS_MAX 6000 /* of 10 ms */
#define BATCH 500
#define BATCHES_MAX 400
#define AUTHORIZATION "Bearer " API_TEST_ADMIN

static long sent; /* different events */
static int batches;

static void up(void)
{
    api_node_up_with(UINT64_C(1024) * 1024, 1);
    api_make("POST", "/v1/accounts", "{\"name\":\"acme\"}", NULL, NULL, 0);
}

static void script(struct pg *pg, const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
}

static struct pg *owner_of(const char *database)
{
    struct err err = {0};
    struct pg *pg = NULL;
    ck_assert_msg(pg_open_owner(database, &pg, &err) == 0, "%s", err.text);
    return pg;
}

/* Is this part of the answer there? {"name":"records","ok":false,... */
static bool says(const struct api_answer *answer, const char *check, bool ok)
{
    char text[80];
    (void)snprintf(text, sizeof text, "\"name\":\"%s\",\"ok\":%s", check, ok ? "true" : "false");
    return strstr(buf_text(&answer->body), text) != NULL;
}

/* Until it says so of this check; then the status fits, and /healthz is 200 all the while. */
static void becomes(const char *check, bool ok)
{
    bool said = false;
    for (int i = 0; i < LOOKS_MAX && !said; i++) {
        struct api_answer ready = api_ask(NULL, "GET", "/readyz", NULL);
        struct api_answer alive = api_ask(NULL, "GET", "/healthz", NULL);
        ck_assert_int_eq((int)alive.status, 200);
        said = says(&ready, check, ok);
        bool none_bad = strstr(buf_text(&ready.body), "\"ok\":false") == NULL;
        ck_assert_msg((ready.status == 200) == none_bad, "%ld %s", ready.status, buf_text(&ready.body));
        api_answer_free(&ready);
        api_answer_free(&alive);
        (void)poll(NULL, 0, said ? 0 : 10);
    }
    ck_assert_msg(said, "%s never became %s", check, ok ? "true" : "false");
}

/* All of it in one answer: on a slow disk a check may turn once more. */
static void ready_again(void)
{
    long status = 0;
    for (int i = 0; i < LOOKS_MAX && status != 200; i++) {
        struct api_answer answer = api_ask(NULL, "GET", "/readyz", NULL);
        status = answer.status;
        api_answer_free(&answer);
        (void)poll(NULL, 0, status == 200 ? 0 : 10);
    }
    ck_assert_int_eq((int)status, 200);
}

/* The events of a batch; says the status. */
static long send_batch(int batch, int count)
{
    struct buf body = {0};
    for (int i = 0; i < count; i++) {
        buf_printf(
            &body,
            "%s{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"%d-%d\",\"subject\":\"acme/ext\","
            "\"data\":{\"duration_ms\":1,\"memory_mb\":128}}",
            i == 0 ? "[" : ",", batch, i);
    }
    buf_puts(&body, "]");
    struct api_answer answer =
        api_ask_as(AUTHORIZATION, "POST", "/v1/events", "Content-Type: application/cloudevents-batch+json",
                   buf_text(&body), body.length);
    long status = answer.status;
    ck_assert_msg(status == 202 || status == 207 || status == 503 || status == 429, "%ld %s", status,
                  buf_text(&answer.body));
    ck_assert_msg(strstr(buf_text(&answer.body), "another request") == NULL, "%s", buf_text(&answer.body));
    api_answer_free(&answer);
    buf_free(&body);
    return status;
}

static long send_events(int count)
{
    sent += count;
    return send_batch(++batches, count);
}

/* All that was sent is counted once, in the end. */
static void nothing_is_lost(void)
{
    long counted = -1;
    for (int i = 0; i < LOOKS_MAX && counted != sent; i++) {
        struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", "/v1/accounts/acme/usage?granularity=month", NULL);
        const char *at = strstr(buf_text(&answer.body), "\"invocations\":");
        counted = at != NULL ? strtol(at + strlen("\"invocations\":"), NULL, 10) : 0;
        api_answer_free(&answer);
        (void)poll(NULL, 0, 10);
    }
    ck_assert_int_eq(counted, sent);
}

/* Somebody holds a lock that storing needs: the node waits inside a statement, and no error says so. */
START_TEST(records_that_do_not_move)
{
    struct err err = {0};
    struct pg *pg = owner_of(api_test_database());
    ready_again();
    ck_assert_int_eq((int)send_events(1), 202); /* its function is made now, not under the lock */
    nothing_is_lost();
    ck_assert_int_eq(pg_begin(pg, PG_READ_COMMITTED, &err), 0);
    script(pg, "LOCK TABLE usage_hourly IN EXCLUSIVE MODE");
    ck_assert_int_eq((int)send_events(1), 202);
    becomes("records", false);
    pg_rollback(pg);
    ready_again();
    nothing_is_lost();
    pg_close(&pg);
}
END_TEST

START_TEST(a_spool_that_fills_up)
{
    struct err err = {0};
    struct pg *pg = owner_of(api_test_database());
    long status = 202;
    ck_assert_int_eq(pg_begin(pg, PG_READ_COMMITTED, &err), 0);
    script(pg, "LOCK TABLE usage_hourly IN EXCLUSIVE MODE");
    for (int i = 0; i < BATCHES_MAX && status < 400; i++) {
        status = send_events(BATCH);
    }
    ck_assert_msg(status == 503, "%ld: the spool took everything", status);
    becomes("spool", false);
    pg_rollback(pg);
    ready_again();
    /* Some of the refused batch may have been taken: sent again, as a client does, none of it counts twice. What was
     * refused is nobody's: it need not wait until its claim is old. */
    for (int i = 0; i < LOOKS_MAX && status == 503; i++) {
        status = send_batch(batches, BATCH);
        (void)poll(NULL, 0, 10);
    }
    ck_assert_int_le((int)status, 207);
    nothing_is_lost();
    ck_assert_int_eq((int)send_events(1), 202);
    nothing_is_lost();
    pg_close(&pg);
}
END_TEST

START_TEST(a_database_that_is_gone)
{
    struct pg *pg = owner_of(pgtest_database_empty());
    const char *name = NULL; /* the last one is in force */
    char sql[400];
    for (const char *at = api_test_database(); (at = strstr(at, "dbname=")) != NULL;) {
        name = at += strlen("dbname=");
    }
    ck_assert_ptr_nonnull(name);
    int length = (int)strcspn(name, " ");
    (void)snprintf(sql, sizeof sql, "ALTER DATABASE \"%.*s\" ALLOW_CONNECTIONS false", length, name);
    script(pg, sql);
    (void)snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%.*s'",
                   length, name);
    script(pg, sql);
    becomes("database", false);
    struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", "/v1/accounts", NULL);
    ck_assert_msg(answer.status == 503 && strstr(buf_text(&answer.headers), "Retry-After") != NULL, "%ld %s",
                  answer.status, buf_text(&answer.body));
    ck_assert_msg(strstr(buf_text(&answer.body), "host=") == NULL, "%s", buf_text(&answer.body));
    api_answer_free(&answer);
    (void)snprintf(sql, sizeof sql, "ALTER DATABASE \"%.*s\" ALLOW_CONNECTIONS true", length, name);
    script(pg, sql);
    ready_again();
    nothing_is_lost();
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("readyz");
    TCase *tcase = tcase_create("readyz");
    tcase_set_timeout(tcase, 250);
    tcase_add_unchecked_fixture(tcase, up, api_node_down);
    tcase_add_test(tcase, records_that_do_not_move);
    tcase_add_test(tcase, a_spool_that_fills_up);
    tcase_add_test(tcase, a_database_that_is_gone);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the node's threads live in this process */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
