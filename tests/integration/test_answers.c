/*
 * Goal:   an answer that is given again is the answer there would be: whatever it was made from, when that changes the
 * next one is new at once; others never get it. Method: sums are changed behind the node's back, which only a new
 * answer shows; then, together with that, one thing at a time that the node must notice; by many at once, who share
 * the question whether anything changed; packed and not.
 */
#include <check.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/api_client.h"

#define TRIES 50

static struct pg *pg;
static long invocations; /* as the table has them */

static void run(const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s: %s", sql, err.text);
}

static void setup(void)
{
    struct err err = {0};
    api_node_up();
    ck_assert_msg(pg_open_owner(api_test_database(), &pg, &err) == 0, "%s", err.text);
    api_make("POST", "/v1/accounts", "{\"name\":\"acme\"}", NULL, NULL, 0);
    api_make("POST", "/v1/accounts", "{\"name\":\"other\"}", NULL, NULL, 0);
    run("INSERT INTO function (account_id, function_id, name) SELECT account_id, 900, 'f' FROM account;"
        "INSERT INTO usage_hourly SELECT account_id, date_trunc('hour', now()), 900, 0, 128, 0, 0, 1, 1, 0, 0, 0, 0, "
        "0, 0, 0, "
        "1, 128, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM account WHERE name = 'acme';"
        "INSERT INTO producer_cursor (producer_id, epoch, last_sequence) VALUES (77, 1, 1)");
    invocations = 1;
}

static void teardown(void)
{
    pg_close(&pg);
    api_node_down();
}

static long asked(const char *key, const char *path)
{
    static const char MEMBER[] = "\"invocations\":";
    struct api_answer answer = api_ask(key, "GET", path, NULL);
    ck_assert_msg(answer.status == 200, "%ld %s", answer.status, buf_text(&answer.body));
    const char *at = strstr(buf_text(&answer.body), MEMBER);
    long found = at != NULL ? strtol(at + sizeof MEMBER - 1, NULL, 10) : 0;
    api_answer_free(&answer);
    return found;
}

static void one_more(void)
{
    run("UPDATE usage_hourly SET invocations = invocations + 1, billed_requests = billed_requests + 1");
    invocations++;
}

static const char *const PATHS[] = {"/v1/accounts/acme/usage", "/v1/accounts/acme/cost"};

START_TEST(the_same_question_gets_the_same_answer)
{
    int again = 0;
    for (int i = 0; i < TRIES && again == 0; i++) {
        long before = asked(API_TEST_ADMIN, PATHS[_i]);
        one_more();
        again += asked(API_TEST_ADMIN, PATHS[_i]) == before ? 1 : 0;
    }
    ck_assert_int_eq(again, 1);
}
END_TEST

static const char *const CHANGES[] = {
    "UPDATE producer_cursor SET last_sequence = last_sequence + 1 WHERE producer_id = 77",
    "UPDATE producer_cursor SET epoch = epoch + 1, last_sequence = last_sequence - 1 WHERE producer_id = 77",
    "INSERT INTO producer_cursor (producer_id, epoch, last_sequence) VALUES (78, 0, 0)",
    "UPDATE account SET display_name = 'x' WHERE name = 'acme'",
    "INSERT INTO price_book SELECT name, version + 1, effective_from, currency, body, sha256 FROM price_book LIMIT 1",
    "INSERT INTO price_override SELECT account_id, '2020-01-01', 1, '{}' FROM account WHERE name = 'acme'",
    "INSERT INTO account_credit (account_id, kind, currency, amount_minor, reason) SELECT account_id, 'credit', 'USD', "
    "1, 'x' "
    "FROM account WHERE name = 'acme'",
    "UPDATE function SET tags = '{\"a\":\"b\"}'",
    "INSERT INTO provisioned_period SELECT account_id, 900, 1, now(), NULL, 128, 0, 1 FROM account WHERE name = 'acme'",
    "UPDATE provisioned_period SET ends_at = now()",
};

START_TEST(what_changed_is_asked_anew)
{
    for (size_t i = 0; i < sizeof CHANGES / sizeof CHANGES[0]; i++) {
        (void)asked(API_TEST_ADMIN, PATHS[_i]);
        one_more();
        run(CHANGES[i]);
        ck_assert_msg(asked(API_TEST_ADMIN, PATHS[_i]) == invocations, "the answer is old after: %s", CHANGES[i]);
    }
}
END_TEST

START_TEST(nobody_gets_the_answer_of_others)
{
    char key[80];
    api_make("POST", "/v1/accounts/other/keys", "{\"scope\":\"read\",\"name\":\"k\"}", "key", key, sizeof key);
    for (int i = 0; i < TRIES; i++) {
        ck_assert_int_eq(asked(API_TEST_ADMIN, "/v1/accounts/acme/usage"), 1);
        ck_assert_int_eq(asked(API_TEST_ADMIN, "/v1/accounts/other/usage"), 0);
        struct api_answer answer = api_ask(key, "GET", "/v1/accounts/acme/usage", NULL);
        ck_assert_int_eq((int)answer.status, 404);
        api_answer_free(&answer);
        answer = api_ask(NULL, "GET", "/v1/accounts/acme/usage", NULL);
        ck_assert_int_eq((int)answer.status, 401);
        api_answer_free(&answer);
    }
}
END_TEST

#define CROWD 8
#define CROWD_ROUNDS 40

struct crowd {
    pthread_barrier_t changed, asked;
    long expected;
    int old[CROWD];
};

struct one {
    struct crowd *crowd;
    int nth;
};

static void *one_of_many(void *ctx)
{
    const struct one *one = ctx;
    struct crowd *crowd = one->crowd;
    for (int i = 0; i < CROWD_ROUNDS; i++) {
        pthread_barrier_wait(&crowd->changed);
        for (int again = 0; again < 3; again++) {
            crowd->old[one->nth] += asked(API_TEST_ADMIN, PATHS[one->nth % 2]) != crowd->expected ? 1 : 0;
        }
        pthread_barrier_wait(&crowd->asked);
    }
    return NULL;
}

START_TEST(all_of_many_hear_of_a_change)
{
    struct crowd crowd = {.expected = 0};
    struct one ones[CROWD];
    pthread_t threads[CROWD];
    ck_assert_int_eq(pthread_barrier_init(&crowd.changed, NULL, CROWD + 1), 0);
    ck_assert_int_eq(pthread_barrier_init(&crowd.asked, NULL, CROWD + 1), 0);
    for (int i = 0; i < CROWD; i++) {
        ones[i] = (struct one){&crowd, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, one_of_many, &ones[i]), 0);
    }
    for (int i = 0; i < CROWD_ROUNDS; i++) {
        one_more();
        run(CHANGES[0]);
        crowd.expected = invocations;
        pthread_barrier_wait(&crowd.changed);
        pthread_barrier_wait(&crowd.asked);
    }
    for (int i = 0; i < CROWD; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_msg(crowd.old[i] == 0, "%d of %d answers were old", crowd.old[i], CROWD_ROUNDS * 3);
    }
    pthread_barrier_destroy(&crowd.changed);
    pthread_barrier_destroy(&crowd.asked);
}
END_TEST

static struct api_answer asked_with(const char *header)
{
    return api_ask_as("Bearer " API_TEST_ADMIN, "GET", "/v1/accounts/acme/usage?group_by=function", header, NULL, 0);
}

static void etag_of(const struct api_answer *answer, char etag[80])
{
    const char *at = strstr(buf_text(&answer->headers), "ETag: ");
    ck_assert_msg(at != NULL, "no ETag: %s", buf_text(&answer->headers));
    (void)snprintf(etag, 80, "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
}

START_TEST(a_kept_answer_is_packed_for_who_takes_it_packed)
{
    char etag[80], again[80], line[120];
    /* Numbers that do not pack well: packed, the answer is still long enough to be packed once more by mistake. */
    run("INSERT INTO usage_hourly SELECT account_id, date_trunc('hour', now()), n, 0, 128, 0, 0, 1, 1, 0, 0, 0, 0, 0, "
        "0, "
        "0, (random() * 1e15)::int8, (random() * 1e15)::int8, 0, 0, (random() * 1e15)::int8, (random() * 1e15)::int8, "
        "(random() * 1e15)::int8, 0, 0, 0, 0 FROM account, generate_series(1, 100) n WHERE name = 'acme'");
    struct api_answer plain = asked_with(NULL);
    struct api_answer packed = asked_with("Accept-Encoding: gzip");
    ck_assert_uint_gt(packed.body.length, 2048);
    etag_of(&plain, etag);
    for (int i = 0; i < 3; i++) {
        struct api_answer more = asked_with("Accept-Encoding: gzip");
        ck_assert_ptr_nonnull(strstr(buf_text(&more.headers), "Content-Encoding: gzip"));
        ck_assert_uint_eq(more.body.length, packed.body.length);
        ck_assert_uint_lt(more.body.length, plain.body.length);
        ck_assert_mem_eq(more.body.data, packed.body.data, packed.body.length);
        etag_of(&more, again);
        ck_assert_str_eq(again, etag);
        api_answer_free(&more);
        more = asked_with(NULL);
        ck_assert_ptr_null(strstr(buf_text(&more.headers), "Content-Encoding"));
        ck_assert_str_eq(buf_text(&more.body), buf_text(&plain.body));
        api_answer_free(&more);
        (void)snprintf(line, sizeof line, "If-None-Match: %s", etag);
        more = asked_with(line);
        ck_assert_int_eq((int)more.status, 304);
        ck_assert_uint_eq(more.body.length, 0);
        api_answer_free(&more);
    }
    api_answer_free(&plain);
    api_answer_free(&packed);
}
END_TEST

/* Nobody waits for it: each of those who ask is given an answer, and after a while it is another one. */
START_TEST(a_kept_answer_is_made_anew_while_it_is_asked_for)
{
    struct api_answer first = asked_with(NULL);
    bool renewed = false;
    while (!renewed) { /* the test's time limit ends it */
        struct api_answer next = asked_with(NULL);
        ck_assert_int_eq((int)next.status, 200);
        renewed = strcmp(buf_text(&next.body), buf_text(&first.body)) != 0;
        api_answer_free(&next);
    }
    api_answer_free(&first);
    ck_assert_int_eq(asked(API_TEST_ADMIN, PATHS[0]), invocations);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/answers");
    TCase *tcase = tcase_create("answers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, the_same_question_gets_the_same_answer, 0, 2);
    tcase_add_loop_test(tcase, what_changed_is_asked_anew, 0, 2);
    tcase_add_test(tcase, all_of_many_hear_of_a_change);
    tcase_add_test(tcase, a_kept_answer_is_packed_for_who_takes_it_packed);
    tcase_add_test(tcase, a_kept_answer_is_made_anew_while_it_is_asked_for);
    tcase_add_test(tcase, nobody_gets_the_answer_of_others);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
