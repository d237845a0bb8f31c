/*
 * Goal:   a request that writes a function is done as a whole or not at all, and what belongs to the function and not
 * to its code (reserved concurrency, tags) leaves the revision of $LATEST, and so its instances, as they are. Method:
 * requests of which one member is good and the other is not, and what is there afterwards.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_client.h"

#define CODE                                                                                                           \
    "UEsDBBQAAAAAAAAAIVyjt17aEQAAABEAAAAJAAAAYm9vdHN0cmFwIyEvYmluL3NoCmV4aXQgMQpQSwECFAMUAAAAAAAAACFco7de2hEAAAARAAAA" \
    "CQ"                                                                                                               \
    "AAAAAAAAAAAAAA7QEAAAAAYm9vdHN0cmFwUEsFBgAAAAABAAEANwAAADgAAAAAAA=="
#define FUNCTIONS "/v1/accounts/acme/functions"

static void up(void)
{
    api_node_up();
    api_make("POST", "/v1/accounts", "{\"name\":\"acme\"}", NULL, NULL, 0);
    api_make("PUT", "/v1/accounts/acme/quotas/concurrency", "{\"limit\":\"1000\",\"action\":\"block\"}", NULL, NULL, 0);
    api_make("POST", FUNCTIONS, "{\"name\":\"f\",\"runtime\":\"provided\",\"handler\":\"x\",\"code\":\"" CODE "\"}",
             NULL, NULL, 0);
}

static void refused(const char *method, const char *path, const char *body, const char *member)
{
    struct api_answer answer = api_ask(API_TEST_ADMIN, method, path, body);
    ck_assert_int_eq(answer.status, 400);
    ck_assert_msg(strstr(buf_text(&answer.body), member) != NULL, "%s", buf_text(&answer.body));
    api_answer_free(&answer);
}

static void text_of(const char *member, char text[80])
{
    struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", FUNCTIONS "/f", NULL);
    ck_assert_int_eq(answer.status, 200);
    api_text(&answer, member, text, 80);
    api_answer_free(&answer);
}

static bool says(const char *what)
{
    struct api_answer answer = api_ask(API_TEST_ADMIN, "GET", FUNCTIONS "/f", NULL);
    bool there = strstr(buf_text(&answer.body), what) != NULL;
    api_answer_free(&answer);
    return there;
}

START_TEST(a_function_that_may_not_reserve_is_not_made)
{
    refused("POST", FUNCTIONS,
            "{\"name\":\"g\",\"runtime\":\"provided\",\"handler\":\"x\",\"reserved_concurrency\":901,\"code\":\"" CODE
            "\"}",
            "/reserved_concurrency");
    struct api_answer gone = api_ask(API_TEST_ADMIN, "GET", FUNCTIONS "/g", NULL);
    ck_assert_int_eq(gone.status, 404);
    api_answer_free(&gone);
    char made[80];
    api_make("POST", FUNCTIONS,
             "{\"name\":\"g\",\"runtime\":\"provided\",\"handler\":\"x\",\"reserved_concurrency\":900,\"code\":\"" CODE
             "\"}",
             "name", made, sizeof made);
    ck_assert_str_eq(made, "g");
}
END_TEST

START_TEST(a_change_is_made_as_a_whole_or_not_at_all)
{
    char before[80];
    char after[80];
    text_of("revision", before);
    refused("PATCH", FUNCTIONS "/f", "{\"memory_mb\":512,\"reserved_concurrency\":901}", "/reserved_concurrency");
    text_of("revision", after);
    ck_assert_str_eq(before, after);
    ck_assert(says("\"memory_mb\":128"));
    refused("PATCH", FUNCTIONS "/f", "{\"memory_mb\":5,\"reserved_concurrency\":4}", "/memory_mb");
    ck_assert(says("\"reserved_concurrency\":null"));
    api_make("PATCH", FUNCTIONS "/f", "{\"memory_mb\":512,\"reserved_concurrency\":4}", NULL, NULL, 0);
    ck_assert(says("\"memory_mb\":512") && says("\"reserved_concurrency\":4"));
    text_of("revision", after);
    ck_assert_str_ne(before, after);
}
END_TEST

START_TEST(what_is_no_part_of_the_code_makes_no_new_revision)
{
    char before[80];
    char after[80];
    text_of("revision", before);
    api_make("PATCH", FUNCTIONS "/f", "{\"reserved_concurrency\":7}", NULL, NULL, 0);
    api_make("PATCH", FUNCTIONS "/f", "{\"tags\":{\"team\":\"red\"}}", NULL, NULL, 0);
    ck_assert(says("\"reserved_concurrency\":7") && says("\"red\""));
    text_of("revision", after);
    ck_assert_str_eq(before, after);
    api_make("PATCH", FUNCTIONS "/f", "{\"reserved_concurrency\":-1,\"description\":\"new\"}", NULL, NULL, 0);
    ck_assert(says("\"reserved_concurrency\":null"));
    text_of("revision", after);
    ck_assert_str_ne(before, after);
}
END_TEST

#define EVENT                                                                                                          \
    "{\"specversion\":\"1.0\",\"type\":\"t\",\"source\":\"s\",\"id\":\"1\",\"subject\":\"acme/moves\",\"data\":{"      \
    "\"duration_ms\":5,\"memory_mb\":128}}"

START_TEST(a_function_that_another_runtime_reported_moves_here)
{
    char key[80];
    char id[2][80];
    static const char MOVES[] = "{\"name\":\"moves\",\"runtime\":\"provided\",\"handler\":\"x\",\"code\":\"" CODE "\"}";
    api_make("POST", "/v1/accounts/acme/keys", "{\"scope\":\"account\"}", "key", key, sizeof key);
    /* The tenant's own key reports: new, again, and with the operator's after it. */
    const char *const keys[] = {key, key, API_TEST_ADMIN};
    for (int i = 0; i < 3; i++) {
        char bearer[100];
        (void)snprintf(bearer, sizeof bearer, "Bearer %s", keys[i]);
        struct api_answer answer = api_ask_as(bearer, "POST", "/v1/events",
                                              "Content-Type: application/cloudevents+json", EVENT, strlen(EVENT));
        ck_assert_msg(answer.status == 202, "%s", buf_text(&answer.body));
        ck_assert_ptr_nonnull(strstr(buf_text(&answer.body), i == 0 ? "\"accepted\":1" : "\"duplicates\":1"));
        api_answer_free(&answer);
    }
    api_make("POST", FUNCTIONS, MOVES, "id", id[0], sizeof id[0]);
    struct api_answer twice = api_ask(API_TEST_ADMIN, "POST", FUNCTIONS, MOVES);
    ck_assert_int_eq(twice.status, 409);
    ck_assert_ptr_nonnull(strstr(buf_text(&twice.body), "exists already"));
    api_answer_free(&twice);
    struct api_answer found = api_ask(API_TEST_ADMIN, "GET", FUNCTIONS "/moves", NULL);
    ck_assert_int_eq(found.status, 200);
    api_text(&found, "id", id[1], sizeof id[1]);
    ck_assert_str_eq(id[0], id[1]);
    api_answer_free(&found);
}
END_TEST

/* Lambda's routes with JSON that is no object, or whose members are of another kind: refused, and nothing is kept. */
START_TEST(lambda_bodies_of_another_shape_are_refused)
{
    static const struct {
        const char *method, *path, *body;
    } rows[] = {
        {"PUT", "/2017-10-31/functions/f/concurrency", "[]"},
        {"POST", "/2021-10-31/functions/f/url", "1"},
        {"POST", "/2015-03-31/functions", "null"},
        {"PUT", "/2015-03-31/functions/f/configuration", "[1]"},
        {"PUT", "/2015-03-31/functions/f/code", "true"},
        {"POST", "/2015-03-31/functions/f/aliases", "[]"},
        {"PUT", "/2019-09-25/functions/f/event-invoke-config", "2"},
        {"PUT", "/2019-09-30/functions/f/provisioned-concurrency?Qualifier=1", "[]"},
        {"POST", "/2017-03-31/tags/arn:aws:lambda:farthing:100000000001:function:f", "[]"},
        {"POST", "/2017-03-31/tags/arn:aws:lambda:farthing:100000000001:function:f", "{\"Tags\":[\"a\"]}"},
        {"POST", "/2017-03-31/tags/arn:aws:lambda:farthing:100000000001:function:f", "{\"Tags\":1}"},
    };
    char key[80];
    api_make("POST", "/v1/accounts/acme/keys", "{\"scope\":\"account\"}", "key", key, sizeof key);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct api_answer answer = api_ask(key, rows[i].method, rows[i].path, rows[i].body);
        ck_assert_msg(answer.status == 400, "%s %s %s: %ld %s", rows[i].method, rows[i].path, rows[i].body,
                      answer.status, buf_text(&answer.body));
        api_answer_free(&answer);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("function_writes");
    TCase *tcase = tcase_create("whole");
    tcase_add_checked_fixture(tcase, up, api_node_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_function_that_may_not_reserve_is_not_made);
    tcase_add_test(tcase, a_change_is_made_as_a_whole_or_not_at_all);
    tcase_add_test(tcase, lambda_bodies_of_another_shape_are_refused);
    tcase_add_test(tcase, a_function_that_another_runtime_reported_moves_here);
    tcase_add_test(tcase, what_is_no_part_of_the_code_makes_no_new_revision);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
