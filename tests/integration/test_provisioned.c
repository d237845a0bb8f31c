/*
 * Goal:   provisioned concurrency is billed in begun five-minute steps, each once, in the month it began in, however
 * the time is cut up; every way to change it keeps its history; estimate and invoice say the same. Method: random
 * periods against a count of steps one by one; the engine's own functions; a month close.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/bill.h"
#include "billing/close.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/err.h"
#include "engine/function.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define STEP_US (INT64_C(300) * 1000000)
#define PERIODS 200
#define OCTOBER ((struct month){2025, 10})

static struct pg *pg;
static uint64_t state;

static uint64_t draw(uint64_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % below;
}

static void must(int rc, const struct err *err)
{
    ck_assert_msg(rc == 0, "%s", err->text);
}

static void run(const char *sql)
{
    struct err err = {0};
    must(pg_script(pg, sql, &err), &err);
}

static void setup(void)
{
    struct err err = {0};
    const char *seed = getenv("FARTHING_TEST_SEED");
    state = seed != NULL ? strtoull(seed, NULL, 10) : 1;
    must(pg_open(pgtest_database(), &pg, &err), &err);
    must(price_book_seed(pg, &err), &err);
    run("INSERT INTO account (account_id, name) VALUES (100000000001, 'prov')");
}

static void teardown(void)
{
    pg_close(&pg);
}

static int take(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t number(const struct pg_stmt *stmt, const struct pg_param *params)
{
    int64_t n = -1;
    struct err err = {0};
    must(pg_run(pg, stmt, params, take, &n, NULL, &err), &err);
    return n;
}

static int64_t billed(int64_t from_us, int64_t to_us, const char *step)
{
    static const struct pg_stmt SUM = {
        .name = "test.provisioned_sum",
        .sql = "SELECT coalesce(sum(mb_ms), 0)::int8 AS n FROM provisioned_usage(ARRAY[$1::int8], $2::timestamptz, "
               "$3::timestamptz, $4::text::interval)",
        .expect = PG_ONE_ROW,
    };
    const struct pg_param params[] = {PG_P_I64(ACCOUNT), PG_P_TIME(from_us), PG_P_TIME(to_us), PG_P_TEXT(step),
                                      PG_P_END};
    return number(&SUM, params);
}

struct period {
    int64_t from_us, to_us;
    int instances, memory_mib;
};

static int64_t counted(const struct period *periods, int64_t from_us, int64_t to_us)
{
    int64_t sum = 0;
    for (int i = 0; i < PERIODS; i++) {
        for (int64_t at = periods[i].from_us; at < periods[i].to_us; at += STEP_US) {
            if (at >= from_us && at < to_us) {
                sum += (int64_t)periods[i].instances * periods[i].memory_mib * 300000;
            }
        }
    }
    return sum;
}

START_TEST(each_begun_step_is_billed_once)
{
    static const struct pg_stmt PUT = {
        .name = "test.provisioned_put",
        .sql =
            "INSERT INTO provisioned_period (account_id, function_id, version, starts_at, ends_at, memory_mib, arch, "
            "instances) VALUES ($1::int8, $2::int8, 1, $3::timestamptz, $4::timestamptz, $5::int4, 0, $6::int4)",
        .expect = PG_NO_ROWS,
    };
    static struct period periods[PERIODS];
    int64_t september_us = 0;
    int64_t october_us = 0;
    int64_t november_us = 0;
    int64_t december_us = 0;
    struct err err = {0};
    month_range((struct month){2025, 9}, &september_us, &october_us);
    month_range((struct month){2025, 11}, &november_us, &december_us);
    for (int i = 0; i < PERIODS; i++) {
        int64_t length_us = draw(3) == 0   ? (int64_t)draw(3) * STEP_US
                            : draw(2) == 0 ? (int64_t)draw(900) * 1000000 + 1
                                           : (int64_t)draw(2000000) * 1000000;
        periods[i] = (struct period){.from_us = september_us + (int64_t)draw(45 * 86400) * 1000000 + (int64_t)draw(3),
                                     .instances = 1 + (int)draw(50),
                                     .memory_mib = 128 + (int)draw(2000)};
        if (draw(5) == 0) { /* right at the border */
            periods[i].from_us = october_us - STEP_US - (int64_t)draw(2);
        }
        periods[i].to_us = periods[i].from_us + length_us;
        const struct pg_param params[] = {PG_P_I64(ACCOUNT),
                                          PG_P_I64(i + 1),
                                          PG_P_TIME(periods[i].from_us),
                                          PG_P_TIME(periods[i].to_us),
                                          PG_P_I64(periods[i].memory_mib),
                                          PG_P_I64(periods[i].instances),
                                          PG_P_END};
        must(pg_run(pg, &PUT, params, NULL, NULL, NULL, &err), &err);
    }
    int64_t whole = billed(september_us, december_us, "100 days");
    ck_assert_int_eq(whole, counted(periods, september_us, december_us));
    ck_assert_int_eq(billed(october_us, november_us, "31 days"), counted(periods, october_us, november_us));
    ck_assert_int_eq(billed(september_us, december_us, "1 day"), whole);
    ck_assert_int_eq(billed(september_us, december_us, "1 hour"), whole);
    ck_assert_int_eq(billed(september_us, october_us, "1 day") + billed(october_us, november_us, "1 hour") +
                         billed(november_us, december_us, "30 days"),
                     whole);
}
END_TEST

static int64_t periods_where(const char *condition)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql, "SELECT count(*)::int8 AS n FROM provisioned_period WHERE %s", condition);
    const struct pg_stmt stmt = {.name = condition, .sql = sql, .expect = PG_ONE_ROW};
    const struct pg_param none[] = {PG_P_END};
    return number(&stmt, none);
}

static void set(const char *qualifier, int instances)
{
    struct err err = {0};
    must(function_set_provisioned(pg, ACCOUNT, "f", qualifier, instances, &err), &err);
}

START_TEST(every_change_is_kept)
{
    struct err err = {0};
    run("INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'f');"
        "INSERT INTO code_blob (account_id, sha256, zip) VALUES (100000000001, '\\x01', '\\x01');"
        "INSERT INTO function_version (account_id, function_id, version, runtime, handler, memory_mib, timeout_s, "
        "code_sha256, code_bytes) SELECT 100000000001, 1, v, 'provided', 'x', 256, 3, '\\x01', 1 "
        "FROM generate_series(0, 2) v");
    set("1", 3);
    ck_assert_int_eq(periods_where("ends_at IS NULL AND version = 1 AND instances = 3 AND memory_mib = 256"), 1);
    set("1", 3); /* the same again is no change */
    ck_assert_int_eq(periods_where("true"), 1);
    set("1", 5);
    ck_assert_int_eq(periods_where("ends_at IS NOT NULL AND ends_at >= starts_at AND instances = 3"), 1);
    ck_assert_int_eq(periods_where("ends_at IS NULL AND instances = 5"), 1);
    set("2", 1);
    set("1", 0);
    ck_assert_int_eq(periods_where("ends_at IS NULL AND version = 1"), 0);
    ck_assert_int_eq(periods_where("ends_at IS NULL AND version = 2 "), 1);
    must(function_delete(pg, ACCOUNT, "f", NULL, &err), &err);
    ck_assert_int_eq(periods_where("ends_at IS NULL"), 0);
    ck_assert_int_eq(periods_where("ends_at > starts_at"), 3);
}
END_TEST

START_TEST(not_more_than_reserved_and_not_on_latest)
{
    struct err err = {0};
    run("INSERT INTO function (account_id, function_id, name, reserved_concurrency) VALUES (100000000001, 1, 'f', 4);"
        "INSERT INTO code_blob (account_id, sha256, zip) VALUES (100000000001, '\\x01', '\\x01');"
        "INSERT INTO function_version (account_id, function_id, version, runtime, handler, memory_mib, timeout_s, "
        "code_sha256, code_bytes) SELECT 100000000001, 1, v, 'provided', 'x', 256, 3, '\\x01', 1 "
        "FROM generate_series(0, 1) v");
    ck_assert_int_eq(function_set_provisioned(pg, ACCOUNT, "f", "1", 5, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "reservedConcurrentExecution"));
    ck_assert_int_eq(function_set_provisioned(pg, ACCOUNT, "f", "$LATEST", 1, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "unpublished"));
    ck_assert_int_eq(periods_where("true  "), 0);
    set("1", 4);
    ck_assert_int_eq(periods_where("instances = 4"), 1);
}
END_TEST

START_TEST(estimate_and_invoice_agree)
{
    struct bill *before = NULL;
    struct bill *after = NULL;
    struct err err = {0};
    struct close_result result = {0};
    const struct close_options options = {.month = OCTOBER, .skip_seal = true, .skip_checks = true};
    run("INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'a'), (100000000001, 2, 'b');"
        "INSERT INTO provisioned_period (account_id, function_id, version, starts_at, ends_at, memory_mib, arch, "
        "instances) "
        "VALUES (100000000001, 1, 1, '2025-09-30 23:58+00', '2025-10-02 00:01+00', 1000, 0, 7), "
        "(100000000001, 2, 3, '2025-10-31 23:58:30+00', NULL, 512, 1, 3)");
    must(bill_load(pg, ACCOUNT, OCTOBER, BILL_SPLIT_FUNCTION | BILL_SPLIT_VERSION | BILL_SPLIT_DAY, &before, &err),
         &err);
    must(close_month(pg, &options, &result, &err), &err);
    ck_assert_int_eq(result.issued, 1);
    must(bill_load(pg, ACCOUNT, OCTOBER, BILL_SPLIT_FUNCTION | BILL_SPLIT_VERSION | BILL_SPLIT_DAY, &after, &err),
         &err);
    ck_assert_int_eq(after->state, BILL_ISSUED);
    ck_assert_int_eq(before->line_count, 2);
    ck_assert_int_eq(after->line_count, 2);
    /* Steps of a that began in October: at 00:03, ..., 23:58 of the first; the one before is September's. One of b. */
    ck_assert_int_eq(before->lines[0].quantity, INT64_C(288) * 7 * 1000 * 300000);
    ck_assert_int_eq(before->lines[1].quantity, INT64_C(1) * 3 * 512 * 300000);
    ck_assert_int_eq(before->total_minor, after->total_minor);
    ck_assert_int_eq(before->share_count, after->share_count);
    ck_assert_int_eq(after->share_count, 2);
    for (int i = 0; i < after->share_count; i++) {
        ck_assert_int_eq(before->shares[i].quantity, after->shares[i].quantity);
        ck_assert_int_eq(before->shares[i].amount_minor, after->shares[i].amount_minor);
    }
    bill_free(&before);
    bill_free(&after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/provisioned");
    TCase *tcase = tcase_create("provisioned");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, each_begun_step_is_billed_once);
    tcase_add_test(tcase, every_change_is_kept);
    tcase_add_test(tcase, not_more_than_reserved_and_not_on_latest);
    tcase_add_test(tcase, estimate_and_invoice_agree);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
