/*
 * Goal:   texts, ids, names, buffers, uuids and errors follow their rules at the edges.
 * Method: tables of values just inside and just outside.
 */
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "common/uuid.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(list) ((int)(sizeof(list) / sizeof((list)[0])))

static const struct {
    const char *text;
    int64_t min, max;
    bool ok;
    int64_t value;
} NUMBERS[] = {
    {"0", 0, 9, true, 0},
    {"-0", -1, 1, true, 0},
    {"007", 0, 9, true, 7},
    {"9223372036854775807", 0, INT64_MAX, true, INT64_MAX},
    {"-9223372036854775808", INT64_MIN, 0, true, INT64_MIN},
    {"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
    {"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
    {"10", 0, 9, false, 0},
    {"-1", 0, 9, false, 0},
    {"", 0, 9, false, 0},
    {"-", -9, 9, false, 0},
    {"+1", 0, 9, false, 0},
    {" 1", 0, 9, false, 0},
    {"1 ", 0, 9, false, 0},
    {"1e1", 0, 99, false, 0},
    {"0x1", 0, 99, false, 0},
};

START_TEST(numbers)
{
    struct err err = {0};
    int64_t value = -99;
    int rc = text_i64(NUMBERS[_i].text, "n", NUMBERS[_i].min, NUMBERS[_i].max, &value, &err);
    ck_assert_int_eq(rc, NUMBERS[_i].ok ? 0 : -1);
    ck_assert_int_eq(value, NUMBERS[_i].ok ? NUMBERS[_i].value : -99);
    ck_assert_int_eq(err.code, NUMBERS[_i].ok ? ERR_NONE : ERR_INVALID);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
} UTF8[] = {
    {"", true},
    {"abc", true},
    {"\x7f", true},
    {"\xc2\x80", true},
    {"\xdf\xbf", true},
    {"\xe0\xa0\x80", true},
    {"\xed\x9f\xbf", true},
    {"\xee\x80\x80", true},
    {"\xf0\x90\x80\x80", true},
    {"\xf4\x8f\xbf\xbf", true},
    {"\x80", false},
    {"\xc0\x80", false},
    {"\xc1\xbf", false},
    {"\xc3", false},
    {"\xc3(", false},
    {"\xe0\x9f\xbf", false},
    {"\xed\xa0\x80", false},
    {"\xe2\x82", false},
    {"\xf0\x8f\xbf\xbf", false},
    {"\xf4\x90\x80\x80", false},
    {"\xf5\x80\x80\x80", false},
    {"\xff", false},
};

START_TEST(utf8)
{
    ck_assert_int_eq(text_utf8(UTF8[_i].text, strlen(UTF8[_i].text)), UTF8[_i].ok);
}
END_TEST

START_TEST(copies_fit_or_are_empty)
{
    char small[4] = "zzz";
    ck_assert(!text_utf8("a\0b", 3));
    ck_assert_int_eq(text_copy(small, sizeof small, "abc"), 0);
    ck_assert_str_eq(small, "abc");
    ck_assert_int_eq(text_copy(small, sizeof small, "abcd"), -1);
    ck_assert_str_eq(small, "");
    ck_assert(text_starts("prefix", "pre") && !text_starts("pr", "pre"));
    ck_assert(text_equal("a", "a") && !text_equal("a", "b"));
}
END_TEST

START_TEST(ids)
{
    static const char *const bad[] = {
        "acct_", "acct_0", "acct_-1", "acct_01", "fn_1", "acct1", "", "acct_1x", "acct_9223372036854775808"};
    char text[ID_TEXT_BYTES];
    int64_t id = 0;
    struct err err = {0};
    id_format("acct", ACCOUNT_ID_MIN, text);
    ck_assert_str_eq(text, "acct_100000000001");
    ck_assert_int_eq(id_parse("acct", text, "account", &id, &err), 0);
    ck_assert_int_eq(id, ACCOUNT_ID_MIN);
    for (int i = 0; i < COUNT_OF(bad); i++) {
        ck_assert_int_eq(id_parse("acct", bad[i], "account", &id, &err), -1);
        ck_assert_str_eq(err.field, "account");
    }
    ck_assert_int_eq(id, ACCOUNT_ID_MIN);
}
END_TEST

START_TEST(names)
{
    struct err err = {0};
    char longest[66];
    memset(longest, 'a', sizeof longest);
    longest[63] = '\0';
    ck_assert_int_eq(name_check_account(longest, "name", &err), 0);
    ck_assert_int_eq(name_check_account("0-x", "name", &err), 0);
    longest[63] = 'a';
    longest[64] = '\0';
    ck_assert_int_eq(name_check_account(longest, "name", &err), -1);
    ck_assert_int_eq(name_check_function(longest, "name", &err), 0);
    longest[64] = 'a';
    longest[65] = '\0';
    ck_assert_int_eq(name_check_function(longest, "name", &err), -1);
    ck_assert_int_eq(name_check_account("", "name", &err), -1);
    ck_assert_int_eq(name_check_account("-x", "name", &err), -1);
    ck_assert_int_eq(name_check_account("Upper", "name", &err), -1);
    ck_assert_int_eq(name_check_account("acct_1", "name", &err), -1);
    ck_assert_int_eq(name_check_function("a b", "name", &err), -1);
    ck_assert_int_eq(name_check_function("", "name", &err), -1);
    ck_assert_int_eq(name_check_function("A_b-9", "name", &err), 0);
    ck_assert_int_eq(name_check_text("K\xc3\xb6ln, a=b", 20, "tag", &err), 0);
    ck_assert_int_eq(name_check_text("=1+1", 20, "tag", &err), -1);
    ck_assert_int_eq(name_check_text("@x", 20, "tag", &err), -1);
    ck_assert_int_eq(name_check_text("a\tb", 20, "tag", &err), -1);
    ck_assert_int_eq(name_check_text("a\xc2\x85", 20, "tag", &err), -1);
    ck_assert_int_eq(name_check_text("\xff", 20, "tag", &err), -1);
    ck_assert_int_eq(name_check_text("", 20, "tag", &err), -1);
    ck_assert_int_eq(name_check_text("123456", 5, "tag", &err), -1);
}
END_TEST

START_TEST(uuids)
{
    struct uuid a;
    struct uuid b;
    char text[UUID_TEXT_BYTES];
    uuid_random(&a);
    uuid_format(&a, text);
    ck_assert_uint_eq(strlen(text), 36);
    ck_assert_int_eq(text[14], '4');
    ck_assert_ptr_nonnull(strchr("89ab", text[19]));
    ck_assert_int_eq(uuid_parse(text, &b), 0);
    ck_assert_int_eq(memcmp(&a, &b, sizeof a), 0);
    ck_assert_int_eq(uuid_parse("8D3C6B0E-7F2A-4C11-9B7E-0123456789AB", &b), 0);
    for (size_t i = 0; i < 36; i++) {
        char broken[UUID_TEXT_BYTES];
        memcpy(broken, text, sizeof broken);
        broken[i] = broken[i] == '-' ? '0' : '-';
        ck_assert_int_eq(uuid_parse(broken, &b), -1);
        broken[i] = '\0';
        ck_assert_int_eq(uuid_parse(broken, &b), -1);
    }
    ck_assert_int_eq(uuid_parse("8d3c6b0e-7f2a-4c11-9b7e-0123456789ab0", &b), -1);
}
END_TEST

START_TEST(buffers_grow)
{
    struct buf buf = {0};
    struct buf whole = {0};
    ck_assert_str_eq(buf_text(&buf), "");
    for (int i = 0; i < 10000; i++) {
        buf_i64(&buf, i);
        buf_putc(&buf, ',');
        buf_printf(&whole, "%d,", i);
    }
    ck_assert(buf_ok(&buf));
    ck_assert_uint_eq(buf.length, whole.length);
    ck_assert_int_eq(memcmp(buf.data, whole.data, whole.length + 1), 0);
    buf_clear(&buf);
    ck_assert_str_eq(buf_text(&buf), "");
    buf_printf(&buf, "%0500d", 1);
    ck_assert_uint_eq(buf.length, 500);
    buf_i64(&buf, INT64_MIN);
    ck_assert_str_eq(buf_text(&buf) + 500, "-9223372036854775808");
    buf.length = SIZE_MAX - 3;
    buf_puts(&buf, "overflow");
    ck_assert(!buf_ok(&buf));
    buf_free(&buf);
    ck_assert(buf_ok(&buf));
    buf_free(&whole);
}
END_TEST

START_TEST(errors_say_where_and_what)
{
    struct err err = {0};
    ck_assert_int_eq(err_field(&err, "from", "from: %d is odd", 3), -1);
    ck_assert_int_eq(err_slug(&err, "odd"), -1);
    ck_assert_int_eq(err_wrap(&err, "usage of %s", "acme"), -1);
    ck_assert_str_eq(err.text, "usage of acme: from: 3 is odd");
    ck_assert_str_eq(err.field, "from");
    ck_assert_str_eq(err.slug, "odd");
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_int_eq(err_set(NULL, ERR_SYSTEM, "nowhere to"), -1);
    for (int i = 0; i < 100; i++) {
        (void)err_wrap(&err, "again and again and again");
    }
    ck_assert_uint_lt(strlen(err.text), sizeof err.text);
    ck_assert_str_eq(err_code_name(ERR_UNCERTAIN), "uncertain");
}
END_TEST

START_TEST(a_failed_check_aborts)
{
    CHECK(1 + 1 == 2);
    CHECK(1 + 1 == 3);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("text");
    TCase *tc = tcase_create("text");
    tcase_add_loop_test(tc, numbers, 0, COUNT_OF(NUMBERS));
    tcase_add_loop_test(tc, utf8, 0, COUNT_OF(UTF8));
    tcase_add_test(tc, copies_fit_or_are_empty);
    tcase_add_test(tc, ids);
    tcase_add_test(tc, names);
    tcase_add_test(tc, uuids);
    tcase_add_test(tc, buffers_grow);
    tcase_add_test(tc, errors_say_where_and_what);
    tcase_add_test_raise_signal(tc, a_failed_check_aborts, SIGABRT);
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
