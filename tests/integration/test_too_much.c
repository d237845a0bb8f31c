/*
 * Goal:   an account that reports more than can be counted is parked; nothing of others stands still: their records are
 *         stored, their days summed, their usage told and their month billed.
 * Method: 140,000 records of the largest size that a record may have, through hook and aggregator: more than 2^63 MB*ms
 * in one hour. Another account has one small call.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/bill.h"
#include "billing/close.h"
#include "billing/price_book.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/daily.h"
#include "metering/hook.h"
#include "metering/usage.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define GREEDY INT64_C(100000000001)
#define MODEST INT64_C(100000000002)
#define DAY_US INT64_C(1760486400000000) /* 2025-10-15 */
#define RECORDS 140000u
#define LATER 10000u
#define FLUSH_MS 600000

static char dir[64];
static struct pg *pg;
static struct aggregator *aggregator;
static struct farthing_hook *hook;

static void must(int rc, const struct err *err)
{
    ck_assert_msg(rc == 0, "%s", err->text);
}

static void setup(void)
{
    struct err err = {0};
    const char *conninfo = pgtest_database();
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    must(pg_open(conninfo, &pg, &err), &err);
    must(price_book_seed(pg, &err), &err);
    must(pg_script(pg,
                   "INSERT INTO account (account_id, name) VALUES (100000000001, 'greedy'), (100000000002, 'modest');"
                   "INSERT INTO function (account_id, function_id, name) SELECT account_id, 1, 'f' FROM account;",
                   &err),
         &err);
    const struct aggregator_options options = {.spool_dir = dir, .conninfo = conninfo, .idle_wait_ms = 1};
    must(aggregator_start(&options, &aggregator, &err), &err);
    const struct farthing_hook_options hook_options = {.dir = dir};
    must(farthing_hook_open(&hook_options, &hook, &err), &err);
}

static void teardown(void)
{
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
    pg_close(&pg);
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static void report(int64_t account_id, uint32_t number, uint32_t billed_ms, uint32_t memory_mib)
{
    struct usage_record record = {
        .kind = USAGE_KIND_INVOCATION,
        .account_id = account_id,
        .function_id = 1,
        .started_us = DAY_US + (number < RECORDS ? 0 : CALENDAR_HOUR_US),
        .duration_us = (uint64_t)billed_ms * 1000,
        .billed_ms = billed_ms,
        .memory_mib = memory_mib,
        .billed_requests = 1,
        .attempt = 1,
    };
    memcpy(record.request_id, &number, sizeof number);
    record.request_id[15] = 1;
    ck_assert_int_eq(farthing_hook_emit(hook, &record), FARTHING_HOOK_OK);
}

static int keep_sums(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(struct usage_sums *)ctx = row->sums;
    return 0;
}

static struct usage_sums usage_of(int64_t account_id, enum usage_granularity granularity)
{
    struct usage_sums sums = {0};
    struct err err = {0};
    const struct usage_query query = {
        .account_id = account_id, .from_us = DAY_US, .to_us = DAY_US + CALENDAR_DAY_US, .granularity = granularity};
    must(usage_query_run(pg, &query, keep_sums, &sums, NULL, &err), &err);
    return sums;
}

START_TEST(others_are_billed)
{
    struct err err = {0};
    struct daily_result summed;
    struct close_result result;
    struct bill *bill = NULL;
    const struct close_options october = {.month = {2025, 10}};
    for (uint32_t i = 0; i < RECORDS + LATER; i++) {
        report(GREEDY, i, 2147483647u, 32768);
    }
    report(MODEST, RECORDS + LATER, 100, 1024);
    must(aggregator_flush(aggregator, FLUSH_MS, &err), &err);
    must(daily_run(pg, 0, NULL, NULL, &summed, &err), &err);
    ck_assert_int_ge(summed.summed, 2);
    for (int granularity = USAGE_TOTAL; granularity <= USAGE_MONTH; granularity++) {
        ck_assert_int_eq(usage_of(MODEST, (enum usage_granularity)granularity).mb_ms, 102400);
    }
    ck_assert_int_eq(usage_of(GREEDY, USAGE_MONTH).mb_ms, INT64_MAX);
    ck_assert_int_eq(usage_of(GREEDY, USAGE_MONTH).invocations, RECORDS + LATER);
    must(close_month(pg, &october, &result, &err), &err);
    ck_assert_int_eq(result.issued, 1);
    ck_assert_int_eq(result.parked, 1);
    must(bill_load(pg, MODEST, october.month, 0, &bill, &err), &err);
    ck_assert_int_eq(bill->state, BILL_ISSUED);
    bill_free(&bill);
    ck_assert_int_eq(bill_load(pg, GREEDY, october.month, 0, &bill, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "more than can be counted"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/too_much");
    TCase *tcase = tcase_create("too_much");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, others_are_billed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
