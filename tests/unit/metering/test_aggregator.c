/*
 * Goal:   records emitted through a hook are in PostgreSQL once, with their sums, their cursor and their age.
 * Method: a real database, a spool in a temporary folder, the aggregator's own threads; aggregator_flush instead of
 * waiting.
 */
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/uuid.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/spool.h"
#include "metering/usage.h"
#include "schema/partition.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_US INT64_C(1763856000000000) /* 2025-11-23 */
#define FLUSH_MS 20000

static char dir[64];
static const char *conninfo;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    conninfo = pgtest_database();
}

static void teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static struct usage_record record(int64_t function_id, uint64_t duration_us)
{
    struct usage_record made = {
        .kind = USAGE_KIND_INVOCATION,
        .account_id = 100000000001,
        .function_id = function_id,
        .started_us = DAY_US + (int64_t)duration_us,
        .duration_us = duration_us,
        .billed_ms = (uint32_t)((duration_us + 999) / 1000),
        .memory_mib = 128,
        .peak_kib = 1000,
        .billed_requests = 1,
        .attempt = 1,
    };
    struct uuid id;
    uuid_random(&id);
    memcpy(made.request_id, id.bytes, sizeof made.request_id);
    return made;
}

static struct farthing_hook *open_hook(void)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = dir, .node_id = 7, .segment_records = 1024};
    ck_assert_msg(farthing_hook_open(&options, &hook, &err) == 0, "%s", err.text);
    return hook;
}

static struct aggregator *start(uint32_t batch)
{
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    const struct aggregator_options options = {
        .spool_dir = dir, .conninfo = conninfo, .batch_records_max = batch, .idle_wait_ms = 1};
    ck_assert_msg(aggregator_start(&options, &aggregator, &err) == 0, "%s", err.text);
    return aggregator;
}

static void flush(struct aggregator *aggregator)
{
    struct err err = {0};
    ck_assert_msg(aggregator_flush(aggregator, FLUSH_MS, &err) == 0, "%s", err.text);
}

static int keep_row(const struct usage_row *row, void *ctx, struct err *err)
{
    struct usage_sums *sums = ctx;
    (void)err;
    *sums = row->sums;
    return 0;
}

static struct usage_sums total(struct usage_freshness *freshness)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct usage_sums sums = {0};
    const struct usage_query query = {
        .account_id = 100000000001, .from_us = DAY_US, .to_us = DAY_US + CALENDAR_DAY_US, .granularity = USAGE_TOTAL};
    ck_assert_msg(pg_open(conninfo, &pg, &err) == 0, "%s", err.text);
    ck_assert_msg(usage_query_run(pg, &query, keep_row, &sums, freshness, &err) == 0, "%s", err.text);
    pg_close(&pg);
    return sums;
}

START_TEST(test_stores_what_was_emitted)
{
    struct usage_freshness freshness;
    struct farthing_hook *hook = open_hook();
    struct aggregator *aggregator = start(500);
    for (uint64_t i = 0; i < 5000; i++) {
        struct usage_record r = record((int64_t)(i % 7), i * 100);
        ck_assert_int_eq(farthing_hook_emit(hook, &r), FARTHING_HOOK_OK);
    }
    int64_t emitted_us = clock_wall_us();
    flush(aggregator);
    struct usage_sums sums = total(&freshness);
    ck_assert_int_eq(sums.invocations, 5000);
    ck_assert_int_eq(sums.duration_us, INT64_C(100) * 4999 * 5000 / 2);
    ck_assert_int_eq(sums.mb_ms, sums.billed_ms * 128);
    ck_assert_int_eq(freshness.late_pending, 0);
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
    (void)emitted_us;
}
END_TEST

START_TEST(test_complete_through_and_refusals)
{
    struct usage_freshness freshness;
    struct farthing_hook *hook = open_hook();
    struct aggregator *aggregator = start(500);
    struct usage_record refused = record(3, 0);
    refused.kind = USAGE_KIND_REFUSALS;
    refused.status = USAGE_REFUSED_RATE;
    refused.response_bytes = 12;
    struct usage_record failed = record(3, 5000);
    failed.status = USAGE_TIMEOUT;
    failed.flags = USAGE_FLAG_COLD;
    ck_assert_int_eq(farthing_hook_emit(hook, &refused), FARTHING_HOOK_OK);
    ck_assert_int_eq(farthing_hook_emit(hook, &refused), FARTHING_HOOK_OK);
    ck_assert_int_eq(farthing_hook_emit(hook, &failed), FARTHING_HOOK_OK);
    flush(aggregator);
    struct usage_sums sums = total(&freshness);
    ck_assert_int_eq(sums.invocations, 1);
    ck_assert_int_eq(sums.throttles, 24);
    ck_assert_int_eq(sums.timeouts, 1);
    ck_assert_int_eq(sums.errors, 1);
    ck_assert_int_eq(sums.cold_starts, 1);
    ck_assert_int_ge(sums.p99_us, 5000);
    ck_assert_int_le(sums.p99_us, 5625);
    ck_assert_int_eq(freshness.late_pending, 0);
    ck_assert_int_le(freshness.complete_through_us, clock_wall_us());
    struct aggregator_stats stats;
    aggregator_stats(aggregator, &stats);
    ck_assert_uint_eq(stats.records, 3);
    ck_assert(stats.database_ok);
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
}
END_TEST

static int count_record(const struct usage_record *stored, const char *name, void *ctx, struct err *err)
{
    (void)name;
    (void)err;
    ck_assert(usage_record_valid(stored));
    ++*(int *)ctx;
    return 0;
}

/* The same record through two producers into a closed day: the second one is a hole, the others are stored. */
START_TEST(test_duplicate_in_a_closed_day)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct usage_record same = record(1, 1000);
    bool made = false;
    int records = 0;
    struct farthing_hook *hook = open_hook();
    struct aggregator *aggregator = start(500);
    ck_assert_int_eq(farthing_hook_emit(hook, &same), FARTHING_HOOK_OK);
    flush(aggregator);
    ck_assert_int_eq(pg_open(conninfo, &pg, &err), 0);
    ck_assert_msg(partition_close(pg, DAY_US, &made, &err) == 0, "%s", err.text);
    for (int i = 0; i < 100; i++) {
        struct usage_record other = record(2, 1000 + (uint64_t)i);
        ck_assert_int_eq(farthing_hook_emit(hook, i == 37 ? &same : &other), FARTHING_HOOK_OK);
    }
    flush(aggregator);
    ck_assert_int_eq(total(NULL).invocations, 100);
    struct aggregator_stats stats;
    aggregator_stats(aggregator, &stats);
    ck_assert_uint_eq(stats.holes, 1);
    const struct usage_record_query query = {
        .account_id = 100000000001, .from_us = DAY_US, .to_us = DAY_US + CALENDAR_DAY_US, .newest_first = true};
    ck_assert_int_eq(usage_records_run(pg, &query, count_record, &records, &err), 0);
    ck_assert_int_eq(records, 100);
    pg_close(&pg);
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
}
END_TEST

START_TEST(test_no_database_keeps_everything)
{
    struct err err = {0};
    struct aggregator *aggregator = NULL;
    struct farthing_hook *hook = open_hook();
    struct usage_record r = record(1, 1000);
    const struct aggregator_options nowhere = {.spool_dir = dir, .conninfo = "host=/nonexistent", .idle_wait_ms = 1};
    ck_assert_int_eq(aggregator_start(&nowhere, &aggregator, &err), 0);
    ck_assert_int_eq(farthing_hook_emit(hook, &r), FARTHING_HOOK_OK);
    ck_assert_int_eq(aggregator_flush(aggregator, 10, &err), -1);
    ck_assert_int_eq(err.code, ERR_RETRY);
    aggregator_stop(&aggregator, true);
    aggregator = start(500);
    flush(aggregator);
    ck_assert_int_eq(total(NULL).invocations, 1);
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, true);
}
END_TEST

/* Change one bit of slot `slot` of the only segment. */
static void flip_slot(const struct farthing_hook *hook, int slot)
{
    char path[160];
    uint8_t byte;
    uint64_t producer;
    uint64_t epoch;
    off_t at = SPOOL_PAGE_BYTES + (off_t)slot * USAGE_RECORD_BYTES + 40;
    farthing_hook_identity(hook, &producer, &epoch);
    (void)snprintf(path, sizeof path, "%s/%016llx/%08llx-0000000000000000.seg", dir, (unsigned long long)producer,
                   (unsigned long long)epoch);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((long)pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    ck_assert_int_eq((long)pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

/* One is quarantined and counted, the others are stored. */
START_TEST(test_damage_is_counted_and_costs_one_record)
{
    struct aggregator_stats stats;
    struct usage_freshness freshness;
    struct farthing_hook *hook = open_hook();
    for (uint64_t i = 0; i < 100; i++) {
        struct usage_record r = record(1, i * 100);
        ck_assert_int_eq(farthing_hook_emit(hook, &r), FARTHING_HOOK_OK);
    }
    flip_slot(hook, 42);
    struct aggregator *aggregator = start(500);
    flush(aggregator);
    ck_assert_int_eq(total(&freshness).invocations, 99);
    aggregator_stats(aggregator, &stats);
    ck_assert_uint_eq(stats.records, 99);
    ck_assert_uint_eq(stats.holes, 1);
    ck_assert_uint_eq(stats.damaged, 1);
    aggregator_stop(&aggregator, true);
    farthing_hook_close(&hook);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("aggregator");
    TCase *tc = tcase_create("store");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_stores_what_was_emitted);
    tcase_add_test(tc, test_complete_through_and_refusals);
    tcase_add_test(tc, test_duplicate_in_a_closed_day);
    tcase_add_test(tc, test_no_database_keeps_everything);
    tcase_add_test(tc, test_damage_is_counted_and_costs_one_record);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
