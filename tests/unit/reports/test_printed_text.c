/*
 * Goal:   prices stand on paper as people read them: requests by the million, packages as packages, the sign of a
 * credit note never in a price; a number becomes its opposite without another change. Method: rows of a table.
 */
#include "reports/digits.h"
#include "reports/printed.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    enum meter meter;
    int64_t packages;
    struct decimal price;
    const char *text;
} PRICES[] = {
    {METER_REQUESTS, 0, {2, 7}, "0.20 / million"},
    {METER_REQUESTS, 0, {18, 8}, "0.18 / million"},
    {METER_REQUESTS, 0, {5, 1}, "0.50 / request"},
    {METER_REQUESTS, 1, {2, 1}, "1 \xC3\x97 0.20 / package"},
    {METER_REQUESTS, -188923, {2, 1}, "188,923 \xC3\x97 0.20 / package"},
    {METER_REQUESTS, 3, {18, 8}, "3 \xC3\x97 0.00000018 / package"},
    {METER_COMPUTE_X86, 0, {166667, 10}, "0.0000166667 / GB-s"},
    {METER_STREAMED_BYTES, 0, {8, 3}, "0.008 / GB"},
};

START_TEST(prices_as_people_read_them)
{
    char text[PRINTED_TEXT_BYTES];
    const struct rated_line line = {
        .meter = PRICES[_i].meter, .packages = PRICES[_i].packages, .contracted_price = PRICES[_i].price};
    printed_price(&line, text);
    ck_assert_str_eq(text, PRICES[_i].text);
}
END_TEST

static const char *const OPPOSITES[][2] = {{"0", "0"},
                                           {"0.00", "0.00"},
                                           {"1", "-1"},
                                           {"0.05", "-0.05"},
                                           {"12345678901234567890.5", "-12345678901234567890.5"}};

START_TEST(a_number_and_its_opposite)
{
    char text[MONEY_TEXT_BYTES];
    (void)snprintf(text, sizeof text, "%s", OPPOSITES[_i][0]);
    digits_turn(text);
    ck_assert_str_eq(text, OPPOSITES[_i][1]);
    digits_turn(text);
    ck_assert_str_eq(text, OPPOSITES[_i][0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("printed_text");
    TCase *tcase = tcase_create("printed_text");
    tcase_add_loop_test(tcase, prices_as_people_read_them, 0, (int)(sizeof PRICES / sizeof PRICES[0]));
    tcase_add_loop_test(tcase, a_number_and_its_opposite, 0, (int)(sizeof OPPOSITES / sizeof OPPOSITES[0]));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
