/*
 * Goal:   what is JSON passes, what is not does not.
 * Method: rows.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "engine/payload.h"

static const struct {
    const char *text;
    bool good;
} ROWS[] = {
    {"{}", true},          {" [ 1 , -0.5e+3 , \"a\\u00e9\\n\" , null , true , { \"a\" : [ ] } ] ", true},
    {"\"text\"", true},    {"0", true},
    {"\"\\u0000\"", true}, {"", false},
    {"{", false},          {"{\"a\"}", false},
    {"{\"a\":}", false},   {"{\"a\":1,}", false},
    {"[1,]", false},       {"[1 2]", false},
    {"01", false},         {"1.", false},
    {"-", false},          {"nul", false},
    {"\"\\x\"", false},    {"\"\\u12g4\"", false},
    {"\"open", false},     {"{}x", false},
    {"'a'", false},        {"]", false},
    {"{\"a\":1}}", false},
};

START_TEST(rows)
{
    size_t at = 0;
    ck_assert_msg(payload_is_json(ROWS[_i].text, strlen(ROWS[_i].text), &at) == ROWS[_i].good, "%s", ROWS[_i].text);
}
END_TEST

START_TEST(depth_is_limited)
{
    static char text[2 * PAYLOAD_DEPTH_MAX + 4];
    size_t at = 0;
    memset(text, '[', PAYLOAD_DEPTH_MAX);
    memset(text + PAYLOAD_DEPTH_MAX, ']', PAYLOAD_DEPTH_MAX);
    ck_assert(payload_is_json(text, (size_t)2 * PAYLOAD_DEPTH_MAX, &at));
    memset(text, '[', PAYLOAD_DEPTH_MAX + 1);
    memset(text + PAYLOAD_DEPTH_MAX + 1, ']', PAYLOAD_DEPTH_MAX + 1);
    ck_assert(!payload_is_json(text, (size_t)2 * PAYLOAD_DEPTH_MAX + 2, &at));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("payload");
    TCase *tcase = tcase_create("json");
    tcase_add_loop_test(tcase, rows, 0, (int)(sizeof ROWS / sizeof ROWS[0]));
    tcase_add_test(tcase, depth_is_limited);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
