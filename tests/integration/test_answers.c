/*
 * Goal:   an answer that is given again is the answer there would be: whatever it was made from, when that changes the
 * next one is new at once; others never get it. Method: sums are changed behind the node's back, which only a new
 * answer shows; then, together with that, one thing at a time that the node must notice.
 */
#include <check.h>
#include <inttypes.h>
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

int main(void)
{
    Suite *suite = suite_create("integration/answers");
    TCase *tcase = tcase_create("answers");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, the_same_question_gets_the_same_answer, 0, 2);
    tcase_add_loop_test(tcase, what_changed_is_asked_anew, 0, 2);
    tcase_add_test(tcase, nobody_gets_the_answer_of_others);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
