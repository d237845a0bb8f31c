/*
 * Goal:   a document is JSON to the letter or refused with its place; what is written is JSON again.
 * Method: tables of good and bad texts, pointers of every getter, a writer's exact bytes.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(list) ((int)(sizeof(list) / sizeof((list)[0])))

static const char *const GOOD[] = {"0",
                                   "-0",
                                   "1.5e+10",
                                   "null",
                                   " true\n",
                                   "\"\"",
                                   "[]",
                                   "{}",
                                   "{\"a\":[1,{\"b\":\"\\u00e9\\ud83d\\ude00\"}]}",
                                   "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                                   "\"\xf0\x9f\x98\x80\"",
                                   "[1,2,3]",
                                   "{\"a\":{\"x\":1},\"b\":{\"x\":1}}"};

static const struct {
    const char *text;
    const char *says;
} BAD[] = {
    {"", "byte 0"},
    {" ", "byte 1"},
    {"01", "byte 1"},
    {"1.", "a digit"},
    {".5", "byte 0"},
    {"+1", "byte 0"},
    {"1e", "a digit"},
    {"-", "a digit"},
    {"nul", "byte 0"},
    {"NaN", "byte 0"},
    {"1 2", "text after the end at byte 2"},
    {"[1,]", "byte 3"},
    {"[1 2]", "',' or ']'"},
    {"{\"a\" 1}", "':'"},
    {"{a:1}", "a string is expected at byte 1"},
    {"{\"a\":1,}", "byte 7"},
    {"{\"a\":1 \"b\":2}", "',' or '}'"},
    {"\"abc", "no end"},
    {"\"\\", "escape"},
    {"\"a\nb\"", "control character"},
    {"\"\\x\"", "unknown escape"},
    {"\"\\u12g4\"", "four hexadecimal"},
    {"\"\\u0000\"", "\\u0000 is not allowed"},
    {"\"\\ud800\"", "surrogate"},
    {"\"\\ud800\\u0041\"", "surrogate"},
    {"\"\\udc00\"", "surrogate"},
    {"\"\xff\"", "UTF-8"},
    {"\"\xed\xa0\x80\"", "UTF-8"},
    {"\xef\xbb\xbf{}", "byte 0"},
    {"{\"a\":1,\"a\":2}", "/a: is there twice"},
    {"{\"x\":[{},{\"a/b~\":1,\"a/b~\":2}]}", "/x/1/a~1b~0: is there twice"},
};

START_TEST(good_texts_are_parsed)
{
    cJSON *tree = NULL;
    struct err err = {0};
    ck_assert_msg(json_parse(GOOD[_i], strlen(GOOD[_i]), &tree, &err) == 0, "%s: %s", GOOD[_i], err.text);
    ck_assert_ptr_nonnull(tree);
    cJSON_Delete(tree);
}
END_TEST

START_TEST(bad_texts_are_refused)
{
    cJSON *tree = NULL;
    struct err err = {0};
    ck_assert_int_eq(json_parse(BAD[_i].text, strlen(BAD[_i].text), &tree, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_msg(strstr(err.text, BAD[_i].says) != NULL, "%s: %s", BAD[_i].text, err.text);
    ck_assert_ptr_null(tree);
}
END_TEST

START_TEST(nul_bytes_and_depth_have_limits)
{
    cJSON *tree = NULL;
    struct err err = {0};
    char deep[80] = "";
    ck_assert_int_eq(json_parse("1\0", 2, &tree, &err), -1);
    ck_assert_int_eq(json_parse("\"a\0b\"", 5, &tree, &err), -1);
    memset(deep, '[', 32);
    memset(deep + 32, ']', 32);
    ck_assert_int_eq(json_parse(deep, 64, &tree, &err), 0);
    cJSON_Delete(tree);
    memset(deep, '[', 33);
    memset(deep + 33, ']', 33);
    ck_assert_int_eq(json_parse(deep, 66, &tree, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "nested"));
}
END_TEST

START_TEST(getters_check_type_and_range)
{
    static const char text[] =
        "{\"t\":\"x\",\"i\":42,\"b\":true,\"a\":[1],\"o\":{},\"f\":1.5,\"big\":1e300,\"s\":\"42\","
        "\"null\":null,\"max\":9007199254740992}";
    cJSON *tree = NULL;
    struct err err = {0};
    const char *t = "kept";
    int64_t i = 7;
    bool b = false;
    const cJSON *node = NULL;
    ck_assert_int_eq(json_parse(text, sizeof text - 1, &tree, &err), 0);
    ck_assert_int_eq(json_get_text(tree, "", "t", true, &t, &err), 0);
    ck_assert_str_eq(t, "x");
    ck_assert_int_eq(json_get_i64(tree, "", "i", true, 0, 42, &i, &err), 0);
    ck_assert_int_eq(i, 42);
    ck_assert_int_eq(json_get_i64(tree, "", "max", true, 0, INT64_MAX, &i, &err), 0);
    ck_assert_int_eq(i, INT64_C(9007199254740992));
    ck_assert_int_eq(json_get_bool(tree, "", "b", true, &b, &err), 0);
    ck_assert(b);
    ck_assert_int_eq(json_get_array(tree, "", "a", true, &node, &err), 0);
    ck_assert_int_eq(json_get_object(tree, "", "o", true, &node, &err), 0);
    ck_assert_int_eq(json_get_text(tree, "", "absent", false, &t, &err), 0);
    ck_assert_str_eq(t, "x");
    ck_assert_int_eq(err.code, ERR_NONE);

    ck_assert_int_eq(json_get_text(tree, "/up", "absent", true, &t, &err), -1);
    ck_assert_str_eq(err.field, "/up/absent");
    ck_assert_int_eq(json_get_i64(tree, "", "i", true, 0, 41, &i, &err), -1);
    ck_assert_str_eq(err.field, "/i");
    ck_assert_ptr_nonnull(strstr(err.text, "from 0 to 41"));
    ck_assert_int_eq(json_get_i64(tree, "", "f", true, 0, 41, &i, &err), -1);
    ck_assert_int_eq(json_get_i64(tree, "", "big", true, 0, INT64_MAX, &i, &err), -1);
    ck_assert_int_eq(json_get_i64(tree, "", "s", true, 0, 41, &i, &err), -1);
    ck_assert_int_eq(json_get_text(tree, "", "null", false, &t, &err), -1);
    ck_assert_int_eq(json_get_bool(tree, "", "i", true, &b, &err), -1);
    ck_assert_int_eq(json_get_array(tree, "", "o", true, &node, &err), -1);
    ck_assert_int_eq(json_get_object(tree, "", "a", true, &node, &err), -1);
    ck_assert_int_eq(json_get_text(cJSON_GetObjectItem(tree, "a"), "/a", "x", true, &t, &err), -1);
    ck_assert_str_eq(err.field, "/a");
    cJSON_Delete(tree);
}
END_TEST

START_TEST(unknown_members_are_refused)
{
    static const char *const names[] = {"a", "b", NULL};
    cJSON *tree = NULL;
    struct err err = {0};
    ck_assert_int_eq(json_parse("{\"a\":1,\"c\":2}", 13, &tree, &err), 0);
    ck_assert_int_eq(json_only(tree, "", names, &err), -1);
    ck_assert_str_eq(err.field, "/c");
    cJSON_DeleteItemFromObject(tree, "c");
    ck_assert_int_eq(json_only(tree, "", names, &err), 0);
    cJSON_Delete(tree);
}
END_TEST

START_TEST(the_writer_minds_commas_and_escapes)
{
    struct buf out = {0};
    struct json_writer w;
    cJSON *tree = NULL;
    json_writer_init(&w, &out);
    json_open_object(&w, NULL);
    json_put_text(&w, "te\"xt", "a\\b\n\x01\x7f\xc3\xa9\xff\xf0\x9f\x98\x80\xe2\x82");
    json_open_array(&w, "list");
    json_put_i64(&w, NULL, INT64_MIN);
    json_put_bool(&w, NULL, false);
    json_open_object(&w, NULL);
    json_close_object(&w);
    json_close_array(&w);
    json_put_text(&w, "none", NULL);
    json_put_raw(&w, "raw", "[1]");
    json_close_object(&w);
    ck_assert(buf_ok(&out));
    ck_assert_str_eq(
        buf_text(&out),
        "{\"te\\\"xt\":\"a\\\\b\\n\\u0001\\u007f\xc3\xa9\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\","
        "\"list\":[-9223372036854775808,false,{}],\"none\":null,\"raw\":[1]}");
    ck_assert_int_eq(json_parse(out.data, out.length, &tree, NULL), 0);
    cJSON_Delete(tree);
    buf_free(&out);
}
END_TEST

START_TEST(closing_too_often_is_a_defect)
{
    struct buf out = {0};
    struct json_writer w;
    json_writer_init(&w, &out);
    json_close_array(&w);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_loop_test(tc, good_texts_are_parsed, 0, COUNT_OF(GOOD));
    tcase_add_loop_test(tc, bad_texts_are_refused, 0, COUNT_OF(BAD));
    tcase_add_test(tc, nul_bytes_and_depth_have_limits);
    tcase_add_test(tc, getters_check_type_and_range);
    tcase_add_test(tc, unknown_members_are_refused);
    tcase_add_test(tc, the_writer_minds_commas_and_escapes);
    tcase_add_test_raise_signal(tc, closing_too_often_is_a_defect, SIGABRT);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
