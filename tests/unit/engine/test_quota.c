/*
 * Goal:   limits mean exactly what people wrote, and are shown again as they would write them.
 * Method: a table of texts, units and errors; every accepted text survives the way back.
 */
#include <check.h>
#include <stdlib.h>

#include "common/err.h"
#include "engine/quota.h"

static const struct {
    enum quota_kind kind;
    const char *text;
    int64_t units; /* -1: refused */
    const char *normal, *shown;
} ROWS[] = {
    {QUOTA_CONCURRENCY, "10", 10, "10", "10"},
    {QUOTA_CONCURRENCY, "0", 0, "0", "0"},
    {QUOTA_CONCURRENCY, "007", 7, "7", "7"},
    {QUOTA_CONCURRENCY, "1000000", 1000000, "1000000", "1000000"},
    {QUOTA_CONCURRENCY, "1000001", -1, "", ""},
    {QUOTA_CONCURRENCY, "1.5", -1, "", ""},
    {QUOTA_CONCURRENCY, "-1", -1, "", ""},
    {QUOTA_CONCURRENCY, "", -1, "", ""},
    {QUOTA_CONCURRENCY, " 1", -1, "", ""},
    {QUOTA_CONCURRENCY, "1e3", -1, "", ""},
    {QUOTA_CONCURRENCY, "99999999999999999999999999", -1, "", ""},
    {QUOTA_REQUESTS_PER_MONTH, "1000000", 1000000, "1000000", "1000000"},
    {QUOTA_GB_SECONDS_PER_MONTH, "400000", INT64_C(409600000000), "400000", "400000"},
    {QUOTA_GB_SECONDS_PER_MONTH, "0.001", 1024, "0.001", "0.001"},
    {QUOTA_GB_SECONDS_PER_MONTH, "0.0001", -1, "", ""},
    {QUOTA_GB_SECONDS_PER_MONTH, "12.5", 12800000, "12.5", "12.5"},
    {QUOTA_GB_SECONDS_PER_MONTH, "3906250000001", -1, "", ""},
    {QUOTA_SPEND_PER_MONTH, "200.00", INT64_C(200000000000000), "200.00", "200.00"},
    {QUOTA_SPEND_PER_MONTH, "0.000000000001", 1, "0.000000000001", "0.000000000001"},
    {QUOTA_SPEND_PER_MONTH, "0.0000000000001", -1, "", ""},
    {QUOTA_SPEND_PER_MONTH, "4000000", INT64_C(4000000000000000000), "4000000", "4000000.00"},
    {QUOTA_SPEND_PER_MONTH, "4000000.01", -1, "", ""},
    {QUOTA_SPEND_PER_MONTH, ".5", -1, "", ""},
    {QUOTA_SPEND_PER_MONTH, "5.", -1, "", ""},
    {QUOTA_SPEND_PER_MONTH, "1.2.3", -1, "", ""},
    {QUOTA_MEMORY_MB, "10240", 10240, "10240", "10240"},
};

START_TEST(limits)
{
    int64_t units = -7;
    char normal[48] = "untouched";
    char shown[48];
    struct err err = {0};
    int rc = quota_limit_parse(ROWS[_i].kind, ROWS[_i].text, &units, normal, &err);
    if (ROWS[_i].units < 0) {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_str_eq(err.field, "/limit");
        ck_assert_int_eq(units, -7);
        return;
    }
    ck_assert_msg(rc == 0, "%s: %s", ROWS[_i].text, err.text);
    ck_assert_int_eq(units, ROWS[_i].units);
    ck_assert_str_eq(normal, ROWS[_i].normal);
    quota_units_format(ROWS[_i].kind, units, shown);
    ck_assert_str_eq(shown, ROWS[_i].shown);
}
END_TEST

START_TEST(smallest_units_are_exact)
{
    char shown[48];
    quota_units_format(QUOTA_GB_SECONDS_PER_MONTH, 1, shown);
    ck_assert_str_eq(shown, "0.0000009765625");
    quota_units_format(QUOTA_GB_SECONDS_PER_MONTH, -1536000, shown);
    ck_assert_str_eq(shown, "-1.5");
}
END_TEST

START_TEST(names)
{
    struct err err = {0};
    for (int i = 0; i < QUOTA_KIND_COUNT; i++) {
        enum quota_kind kind = QUOTA_CONCURRENCY;
        ck_assert_int_eq(quota_parse(quota_name((enum quota_kind)i), "name", &kind, &err), 0);
        ck_assert_int_eq(kind, i);
        ck_assert_int_eq(quota_is_monthly(kind), i >= 2 && i <= 4);
    }
    enum quota_kind kind = QUOTA_FUNCTIONS;
    ck_assert_int_eq(quota_parse("speed", "name", &kind, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_int_eq(kind, QUOTA_FUNCTIONS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota");
    TCase *tcase = tcase_create("quota");
    tcase_add_loop_test(tcase, limits, 0, (int)(sizeof ROWS / sizeof ROWS[0]));
    tcase_add_test(tcase, smallest_units_are_exact);
    tcase_add_test(tcase, names);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
