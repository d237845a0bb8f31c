/*
 * Goal:   what all commands share: names of functions, members of answers, times, GB-seconds, where a node's data are.
 * Method: tables of input and text; answers are JSON as a node gives it; the environment is set by the test.
 */
#include "cli/cli.h"
#include "common/err.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *word, *account, *names[3];
} FUNCTIONS[] = {
    {"acme/hello", NULL, {"acme", "hello", ""}},           {"acme/hello:live", NULL, {"acme", "hello", "live"}},
    {"acme/hello:7", "globex", {"acme", "hello", "7"}},    {"hello", "globex", {"globex", "hello", ""}},
    {"hello:live", "globex", {"globex", "hello", "live"}},
};

START_TEST(names_of_functions)
{
    char names[3][128];
    struct err err = {0};
    ck_assert_int_eq(cli_function_word(FUNCTIONS[_i].word, FUNCTIONS[_i].account, names, &err), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(names[i], FUNCTIONS[_i].names[i]);
    }
}
END_TEST

START_TEST(a_function_needs_an_account)
{
    char names[3][128];
    struct err err = {0};
    (void)unsetenv("FARTHING_ACCOUNT");
    ck_assert_int_eq(cli_function_word("hello", NULL, names, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.text, "account"));
}
END_TEST

START_TEST(members_of_answers)
{
    cJSON *tree =
        cJSON_Parse("{\"text\":\"a\",\"whole\":12,\"yes\":true,\"none\":null,\"long\":\"9223372036854775807\","
                    "\"part\":\"1.5\"}");
    char text[64];
    ck_assert_ptr_nonnull(tree);
    ck_assert_str_eq(cli_text(tree, "text", text), "a");
    ck_assert_str_eq(cli_text(tree, "gone|text", text), "a");
    ck_assert_str_eq(cli_text(tree, "none|whole", text), "12");
    ck_assert_str_eq(cli_text(tree, "yes", text), "yes");
    ck_assert_str_eq(cli_text(tree, "gone", text), "");
    ck_assert_str_eq(cli_text(NULL, "text", text), "");
    ck_assert_int_eq(cli_i64(tree, "whole"), 12);
    ck_assert(cli_i64(tree, "long") == INT64_MAX);
    ck_assert_int_eq(cli_i64(tree, "part"), 0);
    ck_assert_int_eq(cli_i64(tree, "text"), 0);
    ck_assert(cli_bool(tree, "yes") && !cli_bool(tree, "text") && !cli_bool(tree, "gone"));
    cJSON_Delete(tree);
}
END_TEST

static const struct {
    const char *rfc3339, *text;
} TIMES[] = {
    {"2026-11-01T10:20:30Z", "2026-11-01 10:20:30"},
    {"2026-11-01T10:20:30.123456Z", "2026-11-01 10:20:30"},
    {"2026-11-01", "2026-11-01"},
    {"", "-"},
};

START_TEST(times)
{
    char text[64];
    cli_time(TIMES[_i].rfc3339, text);
    ck_assert_str_eq(text, TIMES[_i].text);
}
END_TEST

static const struct {
    int64_t mb_ms;
    const char *text;
} SECONDS[] = {
    {0, "0.000"},    {511, "0.000"},     {512, "0.001"},
    {1024, "0.001"}, {1024000, "1.000"}, {INT64_C(552960000000), "540,000.000"},
    {1535, "0.001"}, {1536, "0.002"},    {INT64_MAX, "9,007,199,254,740.992"},
};

START_TEST(gb_seconds)
{
    char text[48];
    cli_gb_s(SECONDS[_i].mb_ms, text);
    ck_assert_str_eq(text, SECONDS[_i].text);
}
END_TEST

START_TEST(where_the_data_are)
{
    char path[4096];
    struct err err = {0};
    (void)setenv("FARTHING_DATA_DIR", "/srv/f", 1);
    (void)setenv("XDG_DATA_HOME", "/xdg", 1);
    (void)setenv("HOME", "/home/ada", 1);
    ck_assert_int_eq(cli_data_dir("/given", path, &err), 0);
    ck_assert_str_eq(path, "/given");
    ck_assert_int_eq(cli_data_dir(NULL, path, &err), 0);
    ck_assert_str_eq(path, "/srv/f");
    (void)setenv("FARTHING_DATA_DIR", "", 1);
    ck_assert_int_eq(cli_data_dir(NULL, path, &err), 0);
    ck_assert_str_eq(path, geteuid() == 0 ? "/var/lib/farthing" : "/xdg/farthing");
    (void)setenv("XDG_DATA_HOME", "relative", 1);
    ck_assert_int_eq(cli_data_dir(NULL, path, &err), 0);
    ck_assert_str_eq(path, geteuid() == 0 ? "/var/lib/farthing" : "/home/ada/.local/share/farthing");
}
END_TEST

START_TEST(a_path_has_an_end)
{
    char path[4096];
    char longer[5000];
    struct err err = {0};
    (void)memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    ck_assert_int_eq(cli_data_dir(longer, path, &err), -1);
    ck_assert_str_eq(err.field, "data-dir");
}
END_TEST

START_TEST(months)
{
    char month[40];
    cli_month_now(month);
    ck_assert_uint_eq(strlen(month), 7);
    ck_assert_int_eq(month[4], '-');
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tcase = tcase_create("cli");
    tcase_add_loop_test(tcase, names_of_functions, 0, sizeof FUNCTIONS / sizeof FUNCTIONS[0]);
    tcase_add_test(tcase, a_function_needs_an_account);
    tcase_add_test(tcase, members_of_answers);
    tcase_add_loop_test(tcase, times, 0, sizeof TIMES / sizeof TIMES[0]);
    tcase_add_loop_test(tcase, gb_seconds, 0, sizeof SECONDS / sizeof SECONDS[0]);
    tcase_add_test(tcase, where_the_data_are);
    tcase_add_test(tcase, a_path_has_an_end);
    tcase_add_test(tcase, months);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
