/*
 * Goal:   a replayed day is stored exactly, once, however often it is started and wherever it was killed.
 * Method: a small trace made here (or FARTHING_TRACE=PREFIX), a real database and aggregator; a child process that is
 *         killed in the middle stands for a crash; the same replay then runs to its end.
 */
#include "common/buf.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/replay.h"
#include "metering/usage.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY_US INT64_C(1764547200000000) /* 2025-12-01 */
#define FUNCTIONS 5

static char dir[64];
static char prefix[256];
static char spool[128];
static const char *conninfo;

static void write_file(const char *suffix, const struct buf *text)
{
    char path[300];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s%s", prefix, suffix);
    ck_assert_msg(fs_write_atomic(path, text->data, text->length, 0600, &err) == 0, "%s", err.text);
}

static void make_trace(void)
{
    struct buf inv = {0};
    struct buf run = {0};
    struct buf mem = {0};
    buf_puts(&inv, "HashOwner,HashApp,HashFunction,Trigger");
    for (int i = 1; i <= 1440; i++) {
        buf_printf(&inv, ",%d", i);
    }
    buf_puts(&run,
             "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,"
             "percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_"
             "Average_100\n");
    buf_puts(&mem,
             "HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,"
             "AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,AverageAllocatedMb_pct95,"
             "AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n");
    buf_putc(&inv, '\n');
    for (int f = 0; f < FUNCTIONS; f++) {
        buf_printf(&inv, "owner%d,app%d,function%d,http", f / 2, f, f);
        for (int i = 1; i <= 1440; i++) {
            buf_printf(&inv, ",%d", (i * (f + 1)) % 7);
        }
        buf_putc(&inv, '\n');
        buf_printf(&run, "owner%d,app%d,function%d,5,10,1,90,1,2,3,4.5,20,80,90\n", f / 2, f, f);
        buf_printf(&mem, "owner%d,app%d,10,100,20,30,40,50,100,200,300,400\n", f / 2, f);
    }
    write_file("_inv.csv", &inv);
    write_file("_run.csv", &run);
    write_file("_mem.csv", &mem);
    buf_free(&inv);
    buf_free(&run);
    buf_free(&mem);
}

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(spool, sizeof spool, "%s/spool", dir);
    conninfo = pgtest_database();
    const char *given = getenv("FARTHING_TRACE");
    (void)snprintf(prefix, sizeof prefix, "%s%s", given != NULL ? given : dir, given != NULL ? "" : "/trace");
    if (given == NULL) {
        make_trace();
    }
}

static void teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static struct aggregator *start(void)
{
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    const struct aggregator_options options = {.spool_dir = spool, .conninfo = conninfo, .idle_wait_ms = 1};
    ck_assert_msg(aggregator_start(&options, &aggregator, &err) == 0, "%s", err.text);
    return aggregator;
}

static int keep_row(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(struct usage_sums *)ctx = row->sums;
    return 0;
}

static struct usage_sums stored(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct usage_sums sums = {0};
    const struct usage_query query = {.from_us = DAY_US, .to_us = DAY_US + CALENDAR_DAY_US, .granularity = USAGE_TOTAL};
    ck_assert_msg(pg_open(conninfo, &pg, &err) == 0, "%s", err.text);
    ck_assert_msg(usage_query_run(pg, &query, keep_row, &sums, NULL, &err) == 0, "%s", err.text);
    pg_close(&pg);
    return sums;
}

static struct replay_report replay(void)
{
    struct err err = {0};
    struct replay_report report = {0};
    const struct replay_options options = {.trace_prefix = prefix,
                                           .spool_dir = spool,
                                           .conninfo = conninfo,
                                           .day_us = DAY_US,
                                           .seed = 3,
                                           .wait_ms_max = 60000};
    ck_assert_msg(replay_run(&options, &report, &err) == 0, "%s", err.text);
    return report;
}

static void check_stored(const struct replay_report *report)
{
    struct usage_sums sums = stored();
    ck_assert_int_eq(sums.invocations, (int64_t)report->records);
    ck_assert_int_eq(sums.mb_ms, (int64_t)report->mb_ms);
    ck_assert_int_eq(sums.billed_ms, (int64_t)report->billed_ms);
}

START_TEST(test_whole_day)
{
    struct aggregator *aggregator = start();
    struct replay_report report = replay();
    ck_assert_uint_eq(report.emitted, report.records);
    check_stored(&report);
    struct replay_report again = replay();
    ck_assert_uint_eq(again.emitted, 0);
    ck_assert_uint_eq(again.mb_ms, report.mb_ms);
    check_stored(&again);
    aggregator_stop(&aggregator, true);
    (void)printf("%" PRIu64 " records in %" PRId64 " ms\n", report.records, report.elapsed_us / 1000);
}
END_TEST

static void kill_self(const char *phase, uint64_t done, uint64_t total, void *ctx)
{
    (void)ctx;
    if (strcmp(phase, "emitted") == 0 && done > total / 3) {
        (void)kill(getpid(), SIGKILL);
    }
}

START_TEST(test_killed_and_resumed)
{
    pid_t child = fork();
    if (child == 0) {
        struct replay_report report;
        const struct replay_options options = {.trace_prefix = prefix,
                                               .spool_dir = spool,
                                               .conninfo = conninfo,
                                               .day_us = DAY_US,
                                               .seed = 3,
                                               .wait_ms_max = 60000,
                                               .on_progress = kill_self};
        (void)replay_run(&options, &report, NULL);
        _exit(1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct aggregator *aggregator = start();
    struct replay_report report = replay();
    ck_assert_uint_lt(report.emitted, report.records);
    check_stored(&report);
    aggregator_stop(&aggregator, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replay");
    TCase *tc = tcase_create("day");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 250);
    tcase_add_test(tc, test_whole_day);
    tcase_add_test(tc, test_killed_and_resumed);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
