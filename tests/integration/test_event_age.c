/*
 * Goal:   whoever looks sees how long asynchronous events wait: while they do, and afterwards how old they were when
 * their function got them; over all nodes, in the metrics and in usage. Method: a whole node, asked over HTTP; the
 * account has no concurrency until the test gives it some; the wall clock goes on by as much as the test says.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/err.h"
#include "engine/event_tally_store.h"
#include "engine/function.h"
#include "schema/pg.h"
#include "tests/support/api_client.h"
#include "tests/support/fake_clock.h"

#define SECOND_US INT64_C(1000000)
#define TRIES 1000

static struct pg *pg;
static _Atomic int64_t passed_us;
static char account[64];

/* The base64 of a package with one file. */
static void package(char *text, size_t room)
{
    char dir[] = "/tmp/farthing-event-age-XXXXXX";
    char path[64];
    struct buf zip = {0};
    struct buf coded = {0};
    struct err err = {0};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/main.py", dir);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    (void)fputs("def handler(event, context):\n    if event.get('fails'):\n        raise Exception('no')\n", file);
    (void)fclose(file);
    ck_assert_msg(code_pack_dir(dir, &zip, &err) == 0, "%s", err.text);
    base64_encode(zip.data, zip.length, &coded);
    (void)snprintf(text, room, "%s", buf_text(&coded));
    (void)unlink(path);
    (void)rmdir(dir);
    buf_free(&zip);
    buf_free(&coded);
}

static void setup(void)
{
    struct err err = {0};
    char zip[2000];
    char body[2400];
    fake_clock_follow(&passed_us);
    api_node_up();
    ck_assert_msg(pg_open_owner(api_test_database(), &pg, &err) == 0, "%s", err.text);
    api_make("POST", "/v1/accounts", "{\"name\":\"acme\"}", "id", account, sizeof account);
    package(zip, sizeof zip);
    (void)snprintf(body, sizeof body,
                   "{\"name\":\"late\",\"runtime\":\"python3.11\",\"handler\":\"main.handler\",\"code\":\"%s\"}", zip);
    api_make("POST", "/v1/accounts/acme/functions", body, NULL, NULL, 0);
    api_make("PUT", "/v1/accounts/acme/quotas/concurrency", "{\"limit\":\"0\",\"action\":\"block\"}", NULL, NULL, 0);
}

static void teardown(void)
{
    pg_close(&pg);
    api_node_down();
    fake_clock_release();
}

static void queue(const char *event)
{
    struct api_answer answer =
        api_ask_as("Bearer " API_TEST_ADMIN, "POST", "/v1/accounts/acme/functions/late/invocations?type=event", NULL,
                   event, strlen(event));
    ck_assert_msg(answer.status == 202, "%ld %s", answer.status, buf_text(&answer.body));
    api_answer_free(&answer);
}

/* Of the one function with metrics. */
static double metric(const char *name)
{
    char line[200];
    struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", "/v1/accounts/acme/metrics", NULL);
    ck_assert_int_eq(answer.status, 200);
    (void)snprintf(line, sizeof line, "\n%s{account=\"%s\",function=\"late\"} ", name, account);
    const char *at = strstr(buf_text(&answer.body), line);
    double found = at != NULL ? strtod(at + strlen(line), NULL) : -1;
    api_answer_free(&answer);
    return found;
}

/* The node looks once a second. */
static void wait_for(const char *name, double least)
{
    double found = 0;
    for (int i = 0; i < TRIES && (found = metric(name)) < least; i++) {
        (void)usleep(20000); /* lint: nobody is told when the queue was looked at */
    }
    ck_assert_msg(found >= least, "%s is %f, not %f", name, found, least);
}

/* Usage as it is now: answers are kept for a moment, but not of a question that was never asked. */
static struct api_answer usage(const char *more)
{
    static int asked;
    char path[200];
    (void)snprintf(path, sizeof path, "/v1/accounts/acme/usage?limit=%d%s", ++asked + 100, more);
    struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", path, NULL);
    ck_assert_int_eq(answer.status, 200);
    return answer;
}

/* A number of the first row of events.items or events.waiting, or of the row that starts with these words. */
static int64_t said(const struct api_answer *answer, const char *row, const char *name)
{
    char member[40];
    const char *at = strstr(buf_text(&answer->body), row);
    (void)snprintf(member, sizeof member, "\"%s\":", name);
    at = at != NULL ? strstr(at, member) : NULL;
    ck_assert_msg(at != NULL, "%s of %s is not in %s", name, row, buf_text(&answer->body));
    return strtoll(at + strlen(member), NULL, 10);
}

static void due(void)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, "UPDATE async_event SET due_at = now()", &err) == 0, "%s", err.text);
}

START_TEST(an_event_that_waits_has_an_age)
{
    char name[40];
    queue("{}");
    queue("{\"fails\":true}");
    wait_for("farthing_function_async_waiting", 2);
    ck_assert(metric("farthing_function_async_received_total") == 2); /* lint: whole numbers */
    passed_us = 90 * SECOND_US;
    wait_for("farthing_function_async_oldest_age_seconds", 90);
    ck_assert(metric("farthing_function_async_runs_total") == 0);
    struct api_answer waits = usage("&group_by=function");
    api_text(&waits, "events.waiting.0.function", name, sizeof name);
    ck_assert_str_eq(name, "late");
    ck_assert_int_eq(said(&waits, "\"waiting\":[{", "events"), 2);
    ck_assert_int_ge(said(&waits, "\"waiting\":[{", "oldest_age_ms"), 90000);
    api_answer_free(&waits);

    api_make("PUT", "/v1/accounts/acme/quotas/concurrency", "{\"limit\":\"5\",\"action\":\"block\"}", NULL, NULL, 0);
    for (int i = 0; i < TRIES && metric("farthing_function_async_runs_total") < 2; i++) {
        due();               /* its turn would come seconds later */
        (void)usleep(20000); /* lint: as above */
    }
    wait_for("farthing_function_async_age_seconds_total", 180);
    passed_us = 120 * SECOND_US;
    struct err err = {0};
    ck_assert_int_eq(pg_script(pg,
                               "INSERT INTO event_invoke_config (account_id, function_id, qualifier, retries_max) "
                               "SELECT account_id, function_id, '$LATEST', 0 FROM function WHERE name = 'late'",
                               &err),
                     0);
    for (int i = 0; i < TRIES && metric("farthing_function_async_dropped_total") < 1; i++) {
        due();
        (void)usleep(20000); /* lint: as above */
    }
    ck_assert(metric("farthing_function_async_runs_total") == 3); /* lint: whole numbers */
    ck_assert(metric("farthing_function_async_dropped_total") == 1);
    ck_assert(metric("farthing_function_async_age_seconds_total") >= 300);
}
END_TEST

START_TEST(usage_holds_what_all_nodes_counted)
{
    const struct event_tally one = {.received = 3, .dropped = 1, .runs = 2, .age_us = 6000000, .age_max_us = 5000000};
    const struct event_tally two = {.received = 1, .runs = 2, .age_us = 2000000, .age_max_us = 1500000};
    const int64_t hour_us = INT64_C(1777629600) * SECOND_US; /* 2026-05-01T10:00:00Z */
    int64_t account_id = strtoll(account + 5, NULL, 10);
    struct err err = {0};
    /* Another node's numbers come into the same row. */
    ck_assert_int_eq(event_tally_store_put(pg, account_id, 900, hour_us, &one, &err), 0);
    ck_assert_int_eq(event_tally_store_put(pg, account_id, 900, hour_us + 59 * SECOND_US, &two, &err), 0);
    ck_assert_int_eq(event_tally_store_put(pg, account_id, 900, hour_us + 3600 * SECOND_US, &two, &err), 0);
    ck_assert_int_eq(event_tally_store_put(pg, account_id + 1, 900, hour_us, &two, &err), 0);
    struct api_answer month = usage("&month=2026-05");
    ck_assert_int_eq(said(&month, "\"events\":{\"items\":[{", "received"), 5);
    ck_assert_int_eq(said(&month, "\"events\":{\"items\":[{", "dropped"), 1);
    ck_assert_int_eq(said(&month, "\"events\":{\"items\":[{", "runs"), 6);
    ck_assert_int_eq(said(&month, "\"events\":{\"items\":[{", "age_ms_avg"), 10000 / 6);
    ck_assert_int_eq(said(&month, "\"events\":{\"items\":[{", "age_ms_max"), 5000);
    ck_assert_ptr_nonnull(strstr(buf_text(&month.body), "\"waiting\":[]"));
    struct api_answer hours = usage("&month=2026-05&granularity=hour");
    ck_assert_int_eq(said(&hours, "\"at\":\"2026-05-01T11:00:00Z\"", "runs"), 2);
    ck_assert_int_eq(said(&hours, "\"at\":\"2026-05-01T11:00:00Z\"", "age_ms_max"), 1500);
    struct api_answer later = usage("&month=2026-06");
    ck_assert_ptr_nonnull(strstr(buf_text(&later.body), "\"events\":{\"items\":[]"));
    struct api_answer all = api_ask(API_TEST_ADMIN, "GET", "/v1/usage?month=2026-05", NULL);
    ck_assert_int_eq(said(&all, "\"events\":{\"items\":[{", "runs"), 8);
    api_answer_free(&month);
    api_answer_free(&hours);
    api_answer_free(&later);
    api_answer_free(&all);
}
END_TEST

START_TEST(an_age_is_never_negative)
{
    struct event_tally ahead = event_tally_run(2000, 1000);
    struct event_tally sum = event_tally_run(1000, 4000);
    ck_assert_int_eq(ahead.age_us, 0);
    ck_assert_int_eq(ahead.runs, 1);
    event_tally_add(&sum, &ahead);
    ck_assert_int_eq(sum.age_us, 3000);
    ck_assert_int_eq(sum.age_max_us, 3000);
    ck_assert_int_eq(sum.runs, 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("event_age");
    TCase *tcase = tcase_create("event_age");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, an_event_that_waits_has_an_age);
    tcase_add_test(tcase, usage_holds_what_all_nodes_counted);
    tcase_add_test(tcase, an_age_is_never_negative);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
