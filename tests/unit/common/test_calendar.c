/*
 * Goal:   dates and months are exact from 1970 to 9999.
 * Method: tables of texts; every day of the range against a count; round trips.
 */
#include "common/calendar.h"
#include "common/err.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(list) ((int)(sizeof(list) / sizeof((list)[0])))

static const struct {
    const char *text;
    int64_t at_us; /* -1: refused */
} TIMES[] = {
    {"1970-01-01", 0},
    {"1970-01-01T00:00:00Z", 0},
    {"2026-11-23T10:44:50Z", INT64_C(1795430690000000)},
    {"2026-11-23t10:44:50z", INT64_C(1795430690000000)},
    {"2026-11-23T10:44:50.5Z", INT64_C(1795430690500000)},
    {"2026-11-23T10:44:50.123456789Z", INT64_C(1795430690123456)},
    {"2026-11-23T12:44:50+02:00", INT64_C(1795430690000000)},
    {"2026-11-22T23:14:50-11:30", INT64_C(1795430690000000)},
    {"2000-02-29", INT64_C(951782400000000)},
    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    {"1970-01-01T00:00:00+00:01", -1},
    {"9999-12-31T23:59:59-00:01", -1},
    {"1969-12-31T23:59:59Z", -1},
    {"2026-02-29", -1},
    {"2100-02-29", -1},
    {"2026-00-10", -1},
    {"2026-13-01", -1},
    {"2026-04-31", -1},
    {"2026-04-00", -1},
    {"2026-11-23T24:00:00Z", -1},
    {"2026-11-23T10:60:00Z", -1},
    {"2026-11-23T10:44:60Z", -1},
    {"2026-11-23T10:44:50", -1},
    {"2026-11-23T10:44:50.Z", -1},
    {"2026-11-23T10:44:50.1234567890Z", -1},
    {"2026-11-23T10:44:50+24:00", -1},
    {"2026-11-23T10:44:50+2:00", -1},
    {"2026-11-23T10:44:50+0200", -1},
    {"2026-11-23 10:44:50Z", -1},
    {"2026-11-23T10:44Z", -1},
    {" 2026-11-23", -1},
    {"2026-11-23 ", -1},
    {"20261123", -1},
    {"2026-1-23", -1},
    {"", -1},
};

START_TEST(times_are_parsed_strictly)
{
    struct err err = {0};
    int64_t at_us = -7;
    int rc = calendar_parse(TIMES[_i].text, "from", &at_us, &err);
    if (TIMES[_i].at_us >= 0) {
        ck_assert_msg(rc == 0, "%s", err.text);
        ck_assert_int_eq(at_us, TIMES[_i].at_us);
        ck_assert_int_eq(err.code, ERR_NONE);
    } else {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(at_us, -7);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_str_eq(err.field, "from");
    }
}
END_TEST

static const char *const BAD_MONTHS[] = {"2026-00",    "2026-13", "2026-1", "1969-12",
                                         "2026-10-01", "202610",  "",       "2026-1o"};

START_TEST(months_are_parsed_strictly)
{
    struct err err = {0};
    struct month month = {1, 1};
    ck_assert_int_eq(month_parse(BAD_MONTHS[_i], "month", &month, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_int_eq(month.year, 1);
}
END_TEST

START_TEST(a_month_is_a_half_open_range)
{
    struct month month;
    struct err err = {0};
    char text[CALENDAR_TEXT_BYTES];
    int64_t from_us;
    int64_t to_us;
    ck_assert_int_eq(month_parse("2024-02", "month", &month, &err), 0);
    month_range(month, &from_us, &to_us);
    calendar_format(from_us, text);
    ck_assert_str_eq(text, "2024-02-01T00:00:00Z");
    calendar_format_us(to_us, text);
    ck_assert_str_eq(text, "2024-03-01T00:00:00.000000Z");
    ck_assert_int_eq((to_us - from_us) / CALENDAR_DAY_US, 29);
    ck_assert_int_eq(month_of(to_us - 1).month, 2);
    ck_assert_int_eq(month_of(to_us).month, 3);
    month_format(month_next((struct month){2026, 12}), text);
    ck_assert_str_eq(text, "2027-01");
}
END_TEST

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

START_TEST(every_day_follows_the_one_before)
{
    int64_t at_us = 0;
    for (int year = 1970; year <= 9999; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int day = 1; day <= days_in(year, month); day++, at_us += CALENDAR_DAY_US) {
                struct civil c;
                calendar_split(at_us + CALENDAR_DAY_US - 1, &c);
                if (c.year != year || c.month != month || c.day != day || c.hour != 23 || c.minute != 59 ||
                    c.second != 59 || c.micros != 999999 || calendar_join(&c) != at_us + CALENDAR_DAY_US - 1) {
                    ck_abort_msg("%d-%d-%d", year, month, day);
                }
            }
        }
    }
    ck_assert_int_eq(at_us, INT64_C(253402300800000000));
}
END_TEST

START_TEST(starts_of_days_and_hours)
{
    char text[CALENDAR_TEXT_BYTES];
    calendar_format_day(INT64_C(1795430690123456), text);
    ck_assert_str_eq(text, "2026-11-23");
    calendar_format(calendar_hour_start(INT64_C(1795430690123456)), text);
    ck_assert_str_eq(text, "2026-11-23T10:00:00Z");
    calendar_format(calendar_day_start(INT64_C(1795430690123456)), text);
    ck_assert_str_eq(text, "2026-11-23T00:00:00Z");
    ck_assert_int_eq(calendar_day_start(-1), -CALENDAR_DAY_US);
}
END_TEST

START_TEST(texts_fit_and_times_outside_are_shown_as_the_nearest)
{
    static const struct {
        int64_t at_us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {-1, "1970-01-01T00:00:00.000000Z"},
        {INT64_MIN, "1970-01-01T00:00:00.000000Z"},
        {INT64_C(1763943482871290), "2025-11-24T00:18:02.871290Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
        {INT64_C(253402300800000000), "9999-12-31T23:59:59.999999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999999Z"},
    };
    char text[CALENDAR_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    calendar_format_us(rows[_i].at_us, text);
    ck_assert_str_eq(text, rows[_i].text);
    calendar_format(rows[_i].at_us, text);
    ck_assert_int_eq(strncmp(text, rows[_i].text, 19), 0);
    ck_assert_str_eq(text + 19, "Z");
    calendar_format_day(rows[_i].at_us, text);
    ck_assert_int_eq(strncmp(text, rows[_i].text, 10), 0);
    ck_assert_int_eq(text[10], '\0');
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("calendar");
    TCase *tc = tcase_create("calendar");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, times_are_parsed_strictly, 0, COUNT_OF(TIMES));
    tcase_add_loop_test(tc, months_are_parsed_strictly, 0, COUNT_OF(BAD_MONTHS));
    tcase_add_test(tc, a_month_is_a_half_open_range);
    tcase_add_test(tc, every_day_follows_the_one_before);
    tcase_add_test(tc, starts_of_days_and_hours);
    tcase_add_loop_test(tc, texts_fit_and_times_outside_are_shown_as_the_nearest, 0, 7);
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
