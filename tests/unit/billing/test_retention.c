/*
 * Goal:   raw records go only when they are old, billed and sealed; one open bill keeps the whole month.
 * Method: a database with partitions of two months, rollups, seals and invoices put there row by row.
 */
#include "billing/retention.h"
#include "common/calendar.h"
#include "common/err.h"
#include "schema/partition.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SEPTEMBER_US INT64_C(1788220800000000) /* 2026-09-01 */
#define NOW_US INT64_C(1795392000000000)       /* 2026-11-23 */

static struct pg *owner;
static struct pg *pg;
static struct err err;

static void script(const char *sql)
{
    ck_assert_msg(pg_script(owner, sql, &err) == 0, "%s: %s", sql, err.text);
}

static void setup(void)
{
    const char *conninfo = pgtest_database();
    ck_assert_int_eq(pg_open_owner(conninfo, &owner, &err), 0);
    ck_assert_int_eq(pg_open(conninfo, &pg, &err), 0);
    ck_assert_msg(partition_ensure(pg, SEPTEMBER_US, SEPTEMBER_US + 2 * CALENDAR_DAY_US, &err) == 0, "%s", err.text);
    ck_assert_msg(partition_ensure(pg, NOW_US, NOW_US + CALENDAR_DAY_US, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    pg_close(&pg);
    pg_close(&owner);
}

/* Two accounts called functions on 1 September. */
static void use_it(void)
{
    script("INSERT INTO usage_hourly SELECT a, '2026-09-01 10:00Z', 1, 0, 128, 0, 0, 5, 5, 0, 0, 0, 0, 0, 0, 0, 5, "
           "640, 0, "
           "0, 5000, 0, 0, 0, 0, 0, 0 FROM unnest(ARRAY[1, 2]) AS a");
}

static void invoice(int account, int id)
{
    char sql[600];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO invoice_document (account_id, kind, number, period, currency, minor_digits, "
                   "net_minor, tax_minor, total_minor, price_book, price_version, complete_through, issued_at, due_at, "
                   "document, digest) VALUES (%d, 'invoice', 'INV-%d', '2026-09-01', 'USD', 2, 0, 0, 0, 'default', 1, "
                   "now(), now(), now(), '{}', '\\x00')",
                   account, id);
    script(sql);
}

static int64_t dropped(int days, int64_t *kept)
{
    int64_t count = -1;
    ck_assert_msg(retention_run(pg, NOW_US, days, &count, kept, &err) == 0, "%s", err.text);
    return count;
}

static void seal_september(void)
{
    script(
        "INSERT INTO seal_run (day, sealed_at) SELECT d, now() FROM generate_series(date '2026-09-01', '2026-09-30', "
        "'1 day') AS d");
}

START_TEST(old_billed_and_sealed_days_go)
{
    int64_t kept;
    use_it();
    invoice(1, 1);
    invoice(2, 2);
    seal_september();
    ck_assert_int_eq(dropped(90, &kept), 0); /* September ended 54 days ago */
    ck_assert_int_eq(kept, 0);
    ck_assert_int_eq(dropped(54, &kept), 0);
    ck_assert_int_eq(dropped(53, &kept), 2);
    ck_assert_int_eq(kept, 0);
    ck_assert_int_eq(dropped(0, &kept), 0); /* today's stays: its month is not over */
}
END_TEST

START_TEST(one_open_bill_keeps_the_month)
{
    int64_t kept;
    use_it();
    invoice(1, 1);
    seal_september();
    ck_assert_int_eq(dropped(0, &kept), 0);
    ck_assert_int_eq(kept, 2);
    invoice(2, 2);
    script("INSERT INTO invoice_event (account_id, invoice_id, state, reason, happened_at) "
           "SELECT account_id, invoice_id, 'void', 'x', now() FROM invoice_document WHERE account_id = 2");
    ck_assert_int_eq(dropped(0, &kept), 0); /* a void invoice bills nothing */
    ck_assert_int_eq(kept, 2);
}
END_TEST

START_TEST(days_without_a_seal_stay)
{
    int64_t kept;
    use_it();
    invoice(1, 1);
    invoice(2, 2);
    script("INSERT INTO seal_run (day, sealed_at) VALUES ('2026-09-02', now())");
    ck_assert_int_eq(dropped(0, &kept), 1);
    ck_assert_int_eq(kept, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("billing/retention");
    TCase *tcase = tcase_create("retention");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, old_billed_and_sealed_days_go);
    tcase_add_test(tcase, one_open_bill_keeps_the_month);
    tcase_add_test(tcase, days_without_a_seal_stay);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
