/*
 * Goal:   a bill from rollups in a real PostgreSQL: golden invoice G1 to the cent, split over functions, as CSV whose
 * total is the sum of its lines; the price book and overrides in force; unknown accounts and months ahead are refused.
 * Method: rows of usage_hourly written by SQL, everything else through the public calls.
 */
#include "billing/bill.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"
#include "reports/report.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)

static struct pg *open_database(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    int rc = pg_open(pgtest_database(), &pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = price_book_seed(pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = pg_script(
        pg,
        "INSERT INTO account (account_id, name, display_name) VALUES (100000000001, 'acme', 'Acme, \"Inc.\"');"
        "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'thumb'), "
        "(100000000001, 2, '=cmd');"
        "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-05 10:00+00'::timestamptz + n * interval '1 hour', "
        "1 + n % 2, 0, 1536, 0, 0, 30000, 30000, 0, 0, 0, 0, 0, 0, 0, 3600000, 5529600000, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
        "FROM generate_series(0, 99) n",
        &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return pg;
}

START_TEST(golden_bill_from_rollups)
{
    struct pg *pg = open_database();
    struct bill *bill = NULL;
    struct err err = {0};
    struct month month = {2026, 10};
    int rc = bill_load(pg, ACCOUNT, month, BILL_SPLIT_FUNCTION, &bill, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(bill->state, BILL_ESTIMATE);
    ck_assert_int_eq(bill->total_minor, 273);
    ck_assert_int_eq(bill->line_count, 4);
    ck_assert_int_eq(bill->share_count, 8);
    bill_free(&bill);
    rc = bill_load(pg, ACCOUNT, month, BILL_SPLIT_FUNCTION | BILL_SPLIT_VERSION | BILL_SPLIT_DAY, &bill, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(bill->total_minor, 273);
    ck_assert_int_gt(bill->share_count, 8);
    bill_free(&bill);
    ck_assert_int_eq(bill_load(pg, ACCOUNT + 1, month, 0, &bill, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_int_eq(bill_load(pg, ACCOUNT, (struct month){9999, 1}, 0, &bill, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    pg_close(&pg);
}
END_TEST

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

START_TEST(summary_is_deterministic_and_adds_up)
{
    struct pg *pg = open_database();
    struct buf one = {0};
    struct buf two = {0};
    struct err err = {0};
    struct report_options options = {.layout = REPORT_SUMMARY};
    struct month month = {2026, 10};
    int rc = report_bill(pg, ACCOUNT, month, &options, collect, &one, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = report_all(pg, month, &options, collect, &two, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    /* The freshness column moves with the clock; everything before it is the same. */
    ck_assert_uint_eq(one.length, two.length);
    ck_assert_ptr_nonnull(strstr(buf_text(&one), ",Total,,,,,,2.73,USD,"));
    ck_assert_ptr_nonnull(
        strstr(buf_text(&one), "\"Compute, x86_64, tier 1\",,140000,GB-Seconds,0.0000166667,2.333338,2.33,USD,"));
    ck_assert_ptr_nonnull(strstr(buf_text(&one), ",=cmd,"));
    buf_free(&one);
    options.csv_safe = true;
    rc = report_bill(pg, ACCOUNT, month, &options, collect, &one, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(buf_text(&one), ",\"'=cmd\","));
    buf_free(&one);
    buf_free(&two);
    pg_close(&pg);
}
END_TEST

START_TEST(books_are_versioned_and_overrides_apply)
{
    struct pg *pg = open_database();
    struct bill *bill = NULL;
    struct err err = {0};
    int64_t version = 0;
    int64_t from_us = 0;
    int64_t to_us = 0;
    const char *json = price_book_default_json();
    month_range((struct month){2026, 11}, &from_us, &to_us);
    ck_assert_int_eq(price_book_put(pg, "default", from_us, json, strlen(json), &version, &err), 0);
    ck_assert_int_eq(version, 2);
    ck_assert_int_eq(price_book_put(pg, "default", from_us, json, strlen(json), &version, &err), 0);
    ck_assert_int_eq(version, 2);
    ck_assert_int_eq(price_book_put(pg, "default", from_us + 1, json, strlen(json), &version, &err), -1);
    ck_assert_str_eq(err.field, "/effective_from");
    ck_assert_int_eq(price_book_put(pg, "default", from_us, "{}", 2, &version, &err), -1);
    int rc = pg_script(pg,
                       "INSERT INTO price_override (account_id, effective_from, version, body) VALUES "
                       "(100000000001, '2026-10-01 00:00+00', 1, '{\"discount_percent\":\"50\",\"free\":[]}')",
                       &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = bill_load(pg, ACCOUNT, (struct month){2026, 10}, 0, &bill, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(bill->price_version, 1);
    ck_assert_int_eq(bill->total_minor, 30 + 450); /* half of 0.60 and of 9.000018 */
    bill_free(&bill);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/bill");
    TCase *tcase = tcase_create("bill");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, golden_bill_from_rollups);
    tcase_add_test(tcase, summary_is_deterministic_and_adds_up);
    tcase_add_test(tcase, books_are_versioned_and_overrides_apply);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
