/*
 * Goal:   AWS's worked examples come out to the cent when their calls go the whole way: hook, spool, aggregator,
 * rollups, bill. Method: one record stands for FARTHING_GOLDEN_CALLS calls (default 1000; 1 sends every call by
 * itself): requests and billed milliseconds are that many times those of one call, and so are the bytes above 6 MiB of
 * a streamed answer, so the sums that are rated are the same.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/bill.h"
#include "billing/price_book.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define DAY_US INT64_C(1760486400000000) /* 2025-10-15 */
#define FLUSH_MS 600000
#define MIB UINT64_C(1048576)

static char dir[64];
static struct pg *pg;
static struct aggregator *aggregator;
static struct farthing_hook *hook;
static uint32_t sent;

static void must(int rc, const struct err *err)
{
    ck_assert_msg(rc == 0, "%s", err->text);
}

static void setup(void)
{
    struct err err = {0};
    const char *conninfo = pgtest_database();
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-golden-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    must(pg_open(conninfo, &pg, &err), &err);
    must(price_book_seed(pg, &err), &err);
    must(pg_script(pg,
                   "INSERT INTO account (account_id, name) VALUES (100000000001, 'golden');"
                   "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'f');",
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

static uint32_t calls_a_record(void)
{
    const char *text = getenv("FARTHING_GOLDEN_CALLS");
    return text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 1000;
}

/* calls of ms at memory_mib, each answering streamed_mib above 6 MiB. */
static void send(uint32_t calls, uint32_t ms, uint32_t memory_mib, uint32_t streamed_mib, uint16_t flags)
{
    uint32_t at_once = calls_a_record();
    for (uint32_t done = 0; done < calls; sent++) {
        uint32_t now = calls - done < at_once ? calls - done : at_once;
        struct usage_record record = {
            .kind = USAGE_KIND_INVOCATION,
            .account_id = ACCOUNT,
            .function_id = 1,
            .started_us = DAY_US + (int64_t)(sent % 86400) * 1000000,
            .duration_us = (uint64_t)now * ms * 1000,
            .billed_ms = now * ms,
            .memory_mib = memory_mib,
            .billed_requests = now,
            .attempt = 1,
            .flags = (uint16_t)(flags | (streamed_mib > 0 ? USAGE_FLAG_STREAMED : 0)),
            .response_bytes = streamed_mib > 0 ? (6 + (uint64_t)now * streamed_mib) * MIB : 10,
        };
        memcpy(record.request_id, &sent, sizeof sent);
        record.request_id[15] = 1;
        int rc = farthing_hook_emit(hook, &record);
        ck_assert_msg(rc == FARTHING_HOOK_OK, "emit says %d", rc);
        done += now;
    }
}

static struct bill *bill_now(bool without_free)
{
    struct bill *bill = NULL;
    struct err err = {0};
    if (without_free) {
        must(pg_script(pg,
                       "INSERT INTO price_override (account_id, effective_from, version, body) VALUES "
                       "(100000000001, '2025-01-01 00:00+00', 1, '{\"free\":[]}')",
                       &err),
             &err);
    }
    must(aggregator_flush(aggregator, FLUSH_MS, &err), &err); /* stopping alone gives up when PostgreSQL is slow */
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
    must(bill_load(pg, ACCOUNT, (struct month){2025, 10}, BILL_SPLIT_FUNCTION, &bill, &err), &err);
    return bill;
}

static void check_lines(const struct bill *bill, const char *const *exact, int64_t total_minor)
{
    int line = 0;
    for (int i = 0; i < bill->line_count; i++) {
        char text[MONEY_TEXT_BYTES];
        if (bill->lines[i].exact_amount.value != 0) {
            exact_format(bill->lines[i].exact_amount, text);
            ck_assert_ptr_nonnull(exact[line]);
            ck_assert_str_eq(text, exact[line++]);
        }
    }
    ck_assert_ptr_null(exact[line]);
    ck_assert_int_eq(bill->total_minor, total_minor);
}

START_TEST(three_million_requests)
{
    static const char *const LINES[] = {"0.4", "2.333338", NULL};
    send(3000000, 120, 1536, 0, 0);
    struct bill *bill = bill_now(false);
    check_lines(bill, LINES, 273);
    bill_free(&bill);
}
END_TEST

START_TEST(without_the_free_tier)
{
    static const char *const LINES[] = {"1.488", "248.000496", NULL};
    send(7440000, 2000, 1024, 0, 0);
    struct bill *bill = bill_now(true);
    check_lines(bill, LINES, 24949);
    bill_free(&bill);
}
END_TEST

START_TEST(streamed_answers)
{
    static const char *const LINES[] = {"0.4", "30.833395", "7.8125", NULL};
    send(2000000, 500, 1536, 0, 0);
    send(1000000, 500, 1536, 1, 0);
    struct bill *bill = bill_now(false);
    check_lines(bill, LINES, 3904);
    bill_free(&bill);
}
END_TEST

START_TEST(one_millisecond)
{
    static const char *const LINES[] = {"0.0000002", "0.0000000020833375", NULL};
    send(1, 1, 128, 0, 0);
    struct bill *bill = bill_now(true);
    check_lines(bill, LINES, 0);
    bill_free(&bill);
}
END_TEST

/* 100 instances from nine to five; half a million calls ran on them. What is configured is not a record. */
START_TEST(provisioned_concurrency)
{
    static const char *const LINES[] = {"0.4", "0.833335", "0.729165", "18.000144", NULL};
    struct err err = {0};
    must(
        pg_script(pg,
                  "INSERT INTO provisioned_period (account_id, function_id, version, starts_at, ends_at, memory_mib, "
                  "arch, instances) VALUES (100000000001, 1, 1, '2025-10-15 09:00+00', '2025-10-15 17:00+00', 1536, 0, "
                  "100)",
                  &err),
        &err);
    send(2500000, 120, 1536, 0, 0);
    send(500000, 100, 1536, 0, USAGE_FLAG_PROVISIONED);
    struct bill *bill = bill_now(false);
    check_lines(bill, LINES, 1996);
    bill_free(&bill);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/golden_records");
    TCase *tcase = tcase_create("golden_records");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 1800);
    tcase_add_test(tcase, three_million_requests);
    tcase_add_test(tcase, without_the_free_tier);
    tcase_add_test(tcase, streamed_answers);
    tcase_add_test(tcase, one_millisecond);
    tcase_add_test(tcase, provisioned_concurrency);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
