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
#include "metering/usage.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US INT64_C(1763856000000000) /* 2025-11-23 */
#define FLUSH_MS 20000

static char dir[64];
static const char *conninfo;

static void setup(void)
{
    (void)strcpy(dir, "/tmp/farthing-test-XXXXXX");
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

int main(void)
{
    Suite *suite = suite_create("aggregator");
    TCase *tc = tcase_create("store");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_stores_what_was_emitted);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
