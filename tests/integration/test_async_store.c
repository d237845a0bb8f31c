/*
 * Goal:   an accepted event runs again as often and as long as its function's configuration says, then leaves the queue
 * once, and its destination hears of it. Method: the store on a real database, runs only claimed; time moves by moving
 * the event's own times.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "engine/async_store.h"
#include "engine/event_config.h"
#include "engine/function.h"
#include "engine/function_store.h"
#include "engine/node_key.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define ARN "arn:aws:lambda:local:100000000001:function:"

static struct pg *pg;
static struct err err;
static const uint8_t key[NODE_KEY_BYTES] = {7};

/* The smallest archive: one empty file "a". */
static const unsigned char ZIP[] = {'P', 'K', 3, 4, 20, 0,  0, 0, 0, 0, 0,   0,    33,   0, 0,  0,  0, 0,   0,   0,
                                    0,   0,   0, 0, 0,  0,  1, 0, 0, 0, 'a', 'P',  'K',  1, 2,  20, 3, 20,  0,   0,
                                    0,   0,   0, 0, 0,  33, 0, 0, 0, 0, 0,   0,    0,    0, 0,  0,  0, 0,   0,   1,
                                    0,   0,   0, 0, 0,  0,  0, 0, 0, 0, 0,   0xED, 0x81, 0, 0,  0,  0, 'a', 'P', 'K',
                                    5,   6,   0, 0, 0,  0,  1, 0, 1, 0, 47,  0,    0,    0, 31, 0,  0, 0,   0,   0};

static void run(const char *sql)
{
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s: %s", sql, err.text);
}

static int read_number(const struct pg_row *row, void *ctx, struct err *error)
{
    (void)error;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t number(const char *sql)
{
    static int count;
    char name[20];
    int64_t n = -1;
    (void)snprintf(name, sizeof name, "test.%d", ++count);
    const struct pg_stmt stmt = {.name = name, .sql = sql, .expect = PG_ONE_ROW};
    ck_assert_msg(pg_run(pg, &stmt, NULL, read_number, &n, NULL, &err) == 0, "%s: %s", sql, err.text);
    return n;
}

static void create(const char *name)
{
    struct function function;
    const struct function_change change = {.runtime = "provided",
                                           .handler = "x",
                                           .zip = ZIP,
                                           .zip_length = sizeof ZIP,
                                           .memory_mib = -1,
                                           .timeout_s = -1,
                                           .ephemeral_mib = -1,
                                           .arch = -1,
                                           .network = -1};
    ck_assert_msg(function_create(pg, ACCOUNT, name, &change, &function, &err) == 0, "%s", err.text);
}

static void setup(void)
{
    memset(&err, 0, sizeof err);
    function_store_key_set(key);
    ck_assert_msg(pg_open(pgtest_database(), &pg, &err) == 0, "%s", err.text);
    run("INSERT INTO account (account_id, name) VALUES (100000000001, 'acme')");
    create("work");
    create("heard");
}

static void teardown(void)
{
    pg_close(&pg);
}

static void put(void)
{
    struct uuid id;
    int64_t function_id = 0;
    uuid_random(&id);
    ck_assert_msg(async_store_put(pg, ACCOUNT, "work", "", &id, "{\"n\":1}", 7, NULL, &function_id, &err) == 0, "%s",
                  err.text);
}

static void configure(int retries, int age_s, const char *on_failure)
{
    struct event_config config = {.retries_max = retries, .age_max_s = age_s};
    struct event_config stored;
    (void)snprintf(config.on_failure, sizeof config.on_failure, "%s", on_failure);
    (void)snprintf(config.on_success, sizeof config.on_success, "%s", on_failure);
    ck_assert_msg(event_config_put(pg, ACCOUNT, "work", &config, &stored, &err) == 0, "%s", err.text);
    ck_assert_int_eq(stored.retries_max, retries);
    ck_assert_int_eq(stored.age_max_s, age_s);
}

/* Take the one event that is due and say how it went. */
static struct async_settled settled;

static void settle(enum async_outcome outcome)
{
    struct async_event event;
    int count = 0;
    run("UPDATE async_event SET due_at = now()");
    ck_assert_msg(async_store_take(pg, 1, 960, 1, &event, &count, &err) == 0, "%s", err.text);
    ck_assert_int_eq(count, 1);
    ck_assert_str_eq(event.function, "work");
    const struct async_end end = {
        .outcome = outcome, .function_arn = ARN "work:$LATEST", .version = 0, .response = "oops", .response_length = 4};
    ck_assert_msg(async_store_settle(pg, &event, &end, &settled, &err) == 0, "%s", err.text);
    async_event_free(&event);
}

static int64_t waits_s(void)
{
    return number("SELECT round(extract(epoch FROM due_at - now()))::int8 AS n FROM async_event");
}

static int64_t waiting(const char *function)
{
    char sql[300];
    (void)snprintf(
        sql, sizeof sql,
        "SELECT count(*)::int8 AS n FROM async_event e JOIN function f USING (account_id, function_id) WHERE "
        "f.name = '%s'",
        function);
    return number(sql);
}

START_TEST(runs_three_times_then_tells)
{
    put();
    settle(ASYNC_FAILED);
    ck_assert_int_eq(waits_s(), 60);
    settle(ASYNC_FAILED);
    ck_assert_int_eq(waits_s(), 120);
    ck_assert(!settled.dropped);
    configure(-1, -1, ARN "heard");
    settle(ASYNC_FAILED);
    ck_assert(settled.dropped);
    ck_assert_int_eq(waiting("work"), 0);
    ck_assert_int_eq(waiting("heard"), 1);
    ck_assert_int_eq(
        number("SELECT (r->'requestContext'->>'approximateInvokeCount')::int8 AS n FROM (SELECT "
               "convert_from(payload, 'UTF8')::jsonb AS r FROM async_event) x WHERE "
               "r->'requestContext'->>'condition' = 'RetriesExhausted' AND r->>'responsePayload' = 'oops'"),
        3);
}
END_TEST

START_TEST(retries_are_configured)
{
    configure(0, -1, "");
    put();
    settle(ASYNC_FAILED);
    ck_assert_int_eq(number("SELECT count(*)::int8 AS n FROM async_event"), 0);
}
END_TEST

START_TEST(success_is_told_once)
{
    struct async_event event;
    int count = 0;
    const struct async_end end = {.outcome = ASYNC_SUCCEEDED, .function_arn = ARN "work:$LATEST"};
    configure(-1, -1, ARN "heard");
    put();
    ck_assert_int_eq(async_store_take(pg, 1, 960, 1, &event, &count, &err), 0);
    ck_assert_int_eq(count, 1);
    /* A node that was thought dead reports the same run again. */
    ck_assert_int_eq(async_store_settle(pg, &event, &end, &settled, &err), 0);
    ck_assert(!settled.dropped && settled.told.sent);
    ck_assert_str_eq(settled.told.function, "heard");
    ck_assert_int_eq(settled.told.function_id, number("SELECT function_id AS n FROM async_event"));
    ck_assert_int_eq(async_store_settle(pg, &event, &end, &settled, &err), 0);
    ck_assert(!settled.dropped && !settled.told.sent);
    async_event_free(&event);
    ck_assert_int_eq(waiting("heard"), 1);
    ck_assert_int_eq(number("SELECT hops::int8 AS n FROM async_event"), 1);
}
END_TEST

START_TEST(a_drop_counts_once)
{
    struct async_event event;
    int count = 0;
    const struct async_end end = {.outcome = ASYNC_FAILED, .function_arn = ARN "work:$LATEST"};
    configure(0, -1, "");
    put();
    ck_assert_int_eq(async_store_take(pg, 1, 960, 1, &event, &count, &err), 0);
    ck_assert_int_eq(async_store_settle(pg, &event, &end, &settled, &err), 0);
    ck_assert(settled.dropped);
    ck_assert_int_eq(async_store_settle(pg, &event, &end, &settled, &err), 0);
    ck_assert(!settled.dropped);
    async_event_free(&event);
}
END_TEST

START_TEST(throttles_back_off_until_the_age)
{
    put();
    for (int i = 0; i < 10; i++) {
        settle(ASYNC_THROTTLED);
        ck_assert_int_eq(waits_s(), i < 8 ? 1 << i : 300);
    }
    run("UPDATE async_event SET accepted_at = now() - interval '5 hours 59 minutes'");
    settle(ASYNC_THROTTLED);
    ck_assert_int_le(waits_s(), 60);
    run("UPDATE async_event SET accepted_at = now() - interval '6 hours 1 second'");
    configure(-1, -1, ARN "heard");
    settle(ASYNC_THROTTLED);
    ck_assert(settled.dropped);
    ck_assert_int_eq(waiting("work"), 0);
    ck_assert_int_eq(number("SELECT count(*)::int8 AS n FROM (SELECT convert_from(payload, 'UTF8')::jsonb AS r FROM "
                            "async_event) x WHERE r->'requestContext'->>'condition' = 'EventAgeExceeded' AND NOT r ? "
                            "'responseContext' AND (r->'requestContext'->>'approximateInvokeCount')::int = 0"),
                     1);
}
END_TEST

START_TEST(a_function_that_is_reserved_nothing_runs_nothing)
{
    configure(-1, -1, ARN "heard");
    run("UPDATE function SET reserved_concurrency = 0 WHERE name = 'work'");
    put();
    settle(ASYNC_THROTTLED);
    ck_assert(settled.dropped);
    ck_assert_int_eq(waiting("work"), 0);
    ck_assert_int_eq(number("SELECT count(*)::int8 AS n FROM (SELECT convert_from(payload, 'UTF8')::jsonb AS r FROM "
                            "async_event) x WHERE r->'requestContext'->>'condition' = 'ZeroReservedConcurrency' AND "
                            "NOT r ? 'responseContext' AND NOT r ? 'responsePayload' AND "
                            "(r->'requestContext'->>'approximateInvokeCount')::int = 0"),
                     1);
}
END_TEST

START_TEST(a_retry_that_would_be_too_late_is_none)
{
    configure(2, 60, ARN "heard");
    put();
    settle(ASYNC_FAILED);
    ck_assert_int_eq(waiting("work"), 0);
    ck_assert_int_eq(waiting("heard"), 1);
}
END_TEST

START_TEST(loops_and_lost_destinations_end)
{
    configure(0, -1, ARN "heard");
    put();
    run("UPDATE async_event SET hops = 16");
    settle(ASYNC_FAILED);
    ck_assert_int_eq(waiting("heard"), 0);
    ck_assert_int_eq(function_delete(pg, ACCOUNT, "heard", NULL, &err), 0);
    put();
    settle(ASYNC_FAILED);
    ck_assert_int_eq(number("SELECT count(*)::int8 AS n FROM async_event"), 0);
}
END_TEST

START_TEST(a_node_that_is_back_runs_what_it_had)
{
    struct async_event event;
    int count = 0;
    int64_t released = 0;
    put();
    ck_assert_int_eq(async_store_take(pg, 7, 960, 1, &event, &count, &err), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(event.runs, 1);
    async_event_free(&event);
    ck_assert_int_eq(async_store_release(pg, 8, &released, &err), 0);
    ck_assert_int_eq(released, 0);
    ck_assert_int_eq(async_store_take(pg, 8, 960, 1, &event, &count, &err), 0);
    ck_assert_int_eq(count, 0);
    ck_assert_int_eq(async_store_release(pg, 7, &released, &err), 0);
    ck_assert_int_eq(released, 1);
    ck_assert_int_eq(async_store_take(pg, 7, 960, 1, &event, &count, &err), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(event.runs, 2);
    ck_assert_int_eq(event.attempt, 0);
    async_event_free(&event);
}
END_TEST

static void take_one(struct async_event *event)
{
    int count = 0;
    ck_assert_msg(async_store_take(pg, 1, 960, 1, event, &count, &err) == 0, "%s", err.text);
    ck_assert_int_eq(count, 1);
}

static void end_as(struct async_event *event, enum async_outcome outcome)
{
    const struct async_end end = {.outcome = outcome, .function_arn = ARN "work:$LATEST"};
    ck_assert_msg(async_store_settle(pg, event, &end, &settled, &err) == 0, "%s", err.text);
    async_event_free(event);
}

#define LATER "SELECT count(*)::int8 AS n FROM async_event WHERE due_at > now() + interval '10 minutes'"

START_TEST(room_goes_to_the_next_that_waits_for_it)
{
    struct async_event event;
    for (int i = 0; i < 4; i++) {
        put();
    }
    run("UPDATE async_event SET due_at = now() + interval '1 hour', throttles = 3 WHERE event_id IN (SELECT event_id "
        "FROM async_event ORDER BY event_id OFFSET 1 LIMIT 2)");
    run("UPDATE async_event SET due_at = now() + interval '1 hour', attempt = 1 WHERE event_id = (SELECT max(event_id) "
        "FROM async_event)"); /* this one failed: it waits by its own rule */
    take_one(&event);
    end_as(&event, ASYNC_SUCCEEDED);
    ck_assert_int_eq(number(LATER), 3); /* it had not waited: nothing says that there is too little room */
    run("UPDATE async_event SET due_at = now() WHERE event_id = (SELECT min(event_id) FROM async_event)");
    take_one(&event);
    end_as(&event, ASYNC_THROTTLED);
    run("UPDATE async_event SET due_at = now() WHERE event_id = (SELECT min(event_id) FROM async_event)");
    take_one(&event);
    ck_assert_int_eq(number(LATER), 2);
    end_as(&event, ASYNC_SUCCEEDED);
    ck_assert_int_eq(number(LATER), 1);
    ck_assert_int_eq(number("SELECT attempt::int8 AS n FROM async_event WHERE due_at > now()"), 1);
    take_one(&event);
    ck_assert_int_eq(event.throttles, 3);
    end_as(&event, ASYNC_SUCCEEDED);
    ck_assert_int_eq(number(LATER), 1);
}
END_TEST

START_TEST(what_a_dead_node_had_is_free)
{
    struct async_event event;
    int count = 0;
    int64_t released = 0;
    run("INSERT INTO node (node_id, name, address, version, started_at, seen_at) OVERRIDING SYSTEM VALUE VALUES "
        "(1, 'alive', '', '', now(), now()), (2, 'dead', '', '', now(), now() - interval '2 minutes')");
    put();
    ck_assert_int_eq(async_store_take(pg, 2, 960, 1, &event, &count, &err), 0);
    async_event_free(&event);
    put();
    ck_assert_int_eq(async_store_take(pg, 1, 960, 1, &event, &count, &err), 0);
    async_event_free(&event);
    ck_assert_int_eq(async_store_release_dead(pg, 180, &released, &err), 0);
    ck_assert_int_eq(released, 0);
    ck_assert_int_eq(async_store_release_dead(pg, 60, &released, &err), 0);
    ck_assert_int_eq(released, 1);
    ck_assert_int_eq(async_store_take(pg, 1, 960, 1, &event, &count, &err), 0);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(event.runs, 2);
    async_event_free(&event);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("async_store");
    TCase *tcase = tcase_create("async_store");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, runs_three_times_then_tells);
    tcase_add_test(tcase, retries_are_configured);
    tcase_add_test(tcase, success_is_told_once);
    tcase_add_test(tcase, a_drop_counts_once);
    tcase_add_test(tcase, throttles_back_off_until_the_age);
    tcase_add_test(tcase, a_function_that_is_reserved_nothing_runs_nothing);
    tcase_add_test(tcase, a_retry_that_would_be_too_late_is_none);
    tcase_add_test(tcase, loops_and_lost_destinations_end);
    tcase_add_test(tcase, a_node_that_is_back_runs_what_it_had);
    tcase_add_test(tcase, room_goes_to_the_next_that_waits_for_it);
    tcase_add_test(tcase, what_a_dead_node_had_is_free);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
