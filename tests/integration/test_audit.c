/*
 * Goal:   the audit log says of a change of prices, quotas and accounts what was there before and what after, of what
 * was refused nothing, and never a secret. Method: changes over HTTP, then the newest entry of the log.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/api_client.h"

static void up(void)
{
    api_node_up();
    api_make("POST", "/v1/accounts", "{\"name\":\"acme\"}", NULL, NULL, 0);
}

static void newest_has(const char *path, const char *const *parts)
{
    struct api_answer log = api_ask(API_TEST_ADMIN, "GET", path, NULL);
    ck_assert_int_eq(log.status, 200);
    char *newest = strstr(log.body.data, "\"subject\":");
    ck_assert_ptr_nonnull(newest);
    char *second = strstr(newest + 1, "\"subject\":");
    if (second != NULL) {
        *second = '\0'; /* only the newest */
    }
    for (; *parts != NULL; parts++) {
        ck_assert_msg(strstr(newest, *parts) != NULL, "no %s in %s", *parts, newest);
    }
    api_answer_free(&log);
}

#define LOG_OF_ACME "/v1/accounts/acme/audit-log?limit=2"

START_TEST(what_was_and_what_is)
{
    api_make("PUT", "/v1/accounts/acme/quotas/concurrency", "{\"limit\":\"7\"}", NULL, NULL, 0);
    api_make("PUT", "/v1/accounts/acme/quotas/concurrency", "{\"limit\":\"9\"}", NULL, NULL, 0);
    const char *const quota[] = {"concurrency", "\"before\":", "\"limit\":", "\"7\"", "\"after\":", "\"9\"", NULL};
    newest_has(LOG_OF_ACME, quota);
    api_make("PATCH", "/v1/accounts/acme", "{\"display_name\":\"Acme Ltd\"}", NULL, NULL, 0);
    const char *const account[] = {"acct_", "\"before\":", "\"after\":", "Acme Ltd", NULL};
    newest_has(LOG_OF_ACME, account);
    api_make("PUT", "/v1/accounts/acme/price-overrides", "{\"discount_percent\":\"10\"}", NULL, NULL, 0);
    api_make("PUT", "/v1/accounts/acme/price-overrides", "{\"discount_percent\":\"20\"}", NULL, NULL, 0);
    const char *const override[] = {"\"10\"", "\"20\"", NULL};
    newest_has(LOG_OF_ACME, override);
}
END_TEST

START_TEST(the_first_has_nothing_before_it)
{
    api_make("PUT", "/v1/price-books/shop", "{\"currency\":\"USD\",\"meters\":{}}", NULL, NULL, 0);
    const char *const book[] = {"shop/1", "\"before\": null", "\"version\": 1", NULL};
    newest_has("/v1/audit-log?limit=2", book);
}
END_TEST

START_TEST(what_was_refused_is_not_there)
{
    struct api_answer no = api_ask(API_TEST_ADMIN, "PUT", "/v1/accounts/acme/quotas/concurrency", "{\"limit\":\"-7\"}");
    ck_assert_int_eq(no.status, 400);
    api_answer_free(&no);
    struct api_answer log = api_ask(API_TEST_ADMIN, "GET", "/v1/accounts/acme/audit-log", NULL);
    ck_assert_ptr_null(strstr(buf_text(&log.body), "quota.set"));
    api_answer_free(&log);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("audit");
    TCase *tcase = tcase_create("audit");
    tcase_add_checked_fixture(tcase, up, api_node_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, what_was_and_what_is);
    tcase_add_test(tcase, the_first_has_nothing_before_it);
    tcase_add_test(tcase, what_was_refused_is_not_there);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
