/*
 * Goal:   addresses of the API as they must travel: what a person named is encoded, and the query begins once.
 * Method: paths are built and compared.
 */
#include "cli/rest.h"

#include <check.h>
#include <stdlib.h>

START_TEST(names_are_encoded)
{
    struct buf path = {0};
    rest_path(&path, "/v1/accounts/{}/functions/{}", "a/b c?#%", "caf\xc3\xa9-_.~9");
    ck_assert_str_eq(buf_text(&path), "/v1/accounts/a%2Fb%20c%3F%23%25/functions/caf%C3%A9-_.~9");
    buf_free(&path);
}
END_TEST

START_TEST(a_query_begins_once)
{
    struct buf path = {0};
    rest_path(&path, "/v1/usage");
    rest_query(&path, "month", NULL);
    ck_assert_str_eq(buf_text(&path), "/v1/usage");
    rest_query(&path, "month", "2026-10");
    rest_query(&path, "group_by", "function,version");
    rest_query(&path, "empty", "");
    ck_assert_str_eq(buf_text(&path), "/v1/usage?month=2026-10&group_by=function%2Cversion&empty=");
    buf_free(&path);
}
END_TEST

START_TEST(a_question_mark_in_a_name_is_none)
{
    struct buf path = {0};
    rest_path(&path, "/v1/accounts/{}", "what?");
    rest_query(&path, "a", "b&c=d");
    ck_assert_str_eq(buf_text(&path), "/v1/accounts/what%3F?a=b%26c%3Dd");
    buf_free(&path);
}
END_TEST

START_TEST(headers_are_found_by_their_name_alone)
{
    struct rest_answer answer = {.status = 200};
    char value[8];
    buf_puts(&answer.headers, "x-farthing-billed-ms: 1\nfarthing-billed-ms: 1234567890\netag: \"a\"\n");
    rest_header(&answer, "farthing-billed-ms", value, sizeof value);
    ck_assert_str_eq(value, "1234567"); /* cut to size */
    rest_header(&answer, "etag", value, sizeof value);
    ck_assert_str_eq(value, "\"a\"");
    rest_header(&answer, "eta", value, sizeof value);
    ck_assert_str_eq(value, "");
    rest_answer_free(&answer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rest");
    TCase *tcase = tcase_create("rest");
    tcase_add_test(tcase, names_are_encoded);
    tcase_add_test(tcase, a_query_begins_once);
    tcase_add_test(tcase, a_question_mark_in_a_name_is_none);
    tcase_add_test(tcase, headers_are_found_by_their_name_alone);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
