/*
 * Goal:   words after a command: every form of an option, what is left, and for each mistake the field it names.
 * Method: a table of options like those of commands, parsed from literal argument vectors.
 */
#include "cli/args.h"
#include "common/err.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 80

struct parsed {
    bool json, dry_run;
    const char *month;
    int64_t workers;
    struct arg_list thresholds, words;
};

/* text is split at blanks; "" is no word at all. */
static int parse(const char *text, struct parsed *parsed, struct err *err)
{
    static char copy[1024];
    char name[] = "farthing";
    char *argv[WORDS_MAX] = {name};
    int argc = 1;
    *parsed = (struct parsed){.workers = 1};
    const struct arg own[] = {A_TEXT("month", &parsed->month), A_NUMBER("workers", &parsed->workers, 1, 16),
                              A_MANY("threshold", &parsed->thresholds), A_FLAG("dry-run", &parsed->dry_run), A_END};
    const struct arg common[] = {A_FLAG("json", &parsed->json), A_END};
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *rest = copy, *word = strsep(&rest, " "); word != NULL; word = strsep(&rest, " ")) {
        if (word[0] == '\0') {
            continue;
        }
        argv[argc++] = word;
    }
    return args_parse(argc, argv, own, common, &parsed->words, err);
}

START_TEST(every_form)
{
    struct parsed p;
    struct err err = {0};
    ck_assert_int_eq(parse("acme --month 2026-10 --workers=4 --json b=1 --threshold 50 --threshold=80", &p, &err), 0);
    ck_assert_int_eq(err.code, ERR_NONE);
    ck_assert_str_eq(p.month, "2026-10");
    ck_assert_int_eq(p.workers, 4);
    ck_assert(p.json && !p.dry_run);
    ck_assert_int_eq(p.thresholds.count, 2);
    ck_assert_str_eq(p.thresholds.items[1], "80");
    ck_assert_int_eq(p.words.count, 2);
    ck_assert_str_eq(p.words.items[0], "acme");
    ck_assert_str_eq(p.words.items[1], "b=1");
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    struct parsed p;
    struct err err = {0};
    ck_assert_int_eq(parse("-- --month -x", &p, &err), 0);
    ck_assert_int_eq(p.words.count, 2);
    ck_assert_str_eq(p.words.items[0], "--month");
    ck_assert_ptr_null(p.month);
}
END_TEST

START_TEST(one_dash_is_a_word)
{
    struct parsed p;
    struct err err = {0};
    ck_assert_int_eq(parse("-", &p, &err), 0);
    ck_assert_int_eq(p.words.count, 1);
}
END_TEST

/* A value is the next word whatever it looks like, and may be empty or hold an equals sign. */
START_TEST(values_are_taken_as_they_are)
{
    struct parsed p;
    struct err err = {0};
    ck_assert_int_eq(parse("--month --json", &p, &err), 0);
    ck_assert_str_eq(p.month, "--json");
    ck_assert(!p.json);
    ck_assert_int_eq(parse("--month=a=b", &p, &err), 0);
    ck_assert_str_eq(p.month, "a=b");
    ck_assert_int_eq(parse("--month=", &p, &err), 0);
    ck_assert_str_eq(p.month, "");
}
END_TEST

static const struct {
    const char *text, *field, *message;
} MISTAKES[] = {
    {"--mnth 2026-10", "--mnth", "did you mean --month?"},
    {"--jsn", "--jsn", "did you mean --json?"},
    {"--nothing-like-it", "--nothing-like-it", "unknown option --nothing-like-it"},
    {"acme --month", "month", "--month needs a value"},
    {"--json=yes", "json", "--json takes no value"},
    {"--workers many", "workers", "workers"},
    {"--workers 0", "workers", "1"},
    {"--workers 17", "workers", "16"},
    {"--workers 99999999999999999999", "workers", "workers"},
    {"-m", "-m", "options are written --name"},
};

START_TEST(each_mistake_names_its_field)
{
    struct parsed p;
    struct err err = {0};
    ck_assert_int_eq(parse(MISTAKES[_i].text, &p, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_str_eq(err.field, MISTAKES[_i].field);
    ck_assert_msg(strstr(err.text, MISTAKES[_i].message) != NULL, "%s", err.text);
    ck_assert_int_eq(p.workers, 1);
}
END_TEST

START_TEST(lists_have_an_end)
{
    char text[1024] = "";
    struct parsed p;
    struct err err = {0};
    for (int i = 0; i < ARG_LIST_MAX; i++) {
        (void)snprintf(text + 2 * i, sizeof text - (size_t)(2 * i), "w ");
    }
    ck_assert_int_eq(parse(text, &p, &err), 0);
    ck_assert_int_eq(p.words.count, ARG_LIST_MAX);
    (void)snprintf(text + (size_t)2 * ARG_LIST_MAX, sizeof text - (size_t)2 * ARG_LIST_MAX, "w");
    ck_assert_int_eq(parse(text, &p, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

static const struct {
    const char *a, *b;
    int distance;
} DISTANCES[] = {
    {"quota", "quota", 0}, {"quota", "qouta", 2}, {"quota", "quot", 1},
    {"", "abc", 3},        {"set", "sett", 1},    {"set", "get", 1},
};

START_TEST(distances)
{
    ck_assert_int_eq(args_distance(DISTANCES[_i].a, DISTANCES[_i].b), DISTANCES[_i].distance);
    ck_assert_int_eq(args_distance(DISTANCES[_i].b, DISTANCES[_i].a), DISTANCES[_i].distance);
}
END_TEST

START_TEST(long_words_are_far_from_everything)
{
    ck_assert_int_gt(args_distance("abcdefghijklmnopqrstuvwxyzabcdefghijkl", "abc"), 31);
    ck_assert_int_gt(args_distance("abc", "abcdefghijklmnopqrstuvwxyzabcdefghijkl"), 31);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("args");
    TCase *tcase = tcase_create("args");
    tcase_add_test(tcase, every_form);
    tcase_add_test(tcase, two_dashes_end_the_options);
    tcase_add_test(tcase, one_dash_is_a_word);
    tcase_add_test(tcase, values_are_taken_as_they_are);
    tcase_add_loop_test(tcase, each_mistake_names_its_field, 0, sizeof MISTAKES / sizeof MISTAKES[0]);
    tcase_add_test(tcase, lists_have_an_end);
    tcase_add_loop_test(tcase, distances, 0, sizeof DISTANCES / sizeof DISTANCES[0]);
    tcase_add_test(tcase, long_words_are_far_from_everything);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
