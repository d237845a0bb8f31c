/*
 * Goal:   a usage answer holds everything that was emitted before its complete_through, at every moment, whatever day
 *         the records are of and in whatever order they come; questions that make no sense are refused by field.
 * Method: four producers emit records that started on five days, in no order, and note when each emit had returned.
 * The main thread asks meanwhile and compares. A real database and the aggregator's own threads.
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/usage.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)
#define DAY_US INT64_C(1763856000000000) /* 2025-11-23 */
#define DAYS 5
#define PRODUCERS 4
#define RECORDS 10000 /* a producer */
#define FLUSH_MS 60000

struct emitter {
    struct farthing_hook *hook;
    unsigned number;
    pthread_t thread;
    _Atomic int64_t returned_us[RECORDS]; /* 0: its emit has not returned yet */
};

static char dir[64];
static struct pg *pg;
static struct aggregator *aggregator;
static struct emitter emitters[PRODUCERS];

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
    const struct aggregator_options options = {
        .spool_dir = dir, .conninfo = conninfo, .batch_records_max = 300, .idle_wait_ms = 1};
    must(aggregator_start(&options, &aggregator, &err), &err);
}

static void teardown(void)
{
    aggregator_stop(&aggregator, true);
    pg_close(&pg);
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static struct farthing_hook *open_hook(void)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = dir, .segment_records = 1024};
    must(farthing_hook_open(&options, &hook, &err), &err);
    return hook;
}

/* The day, the hour and the status jump about. */
static struct usage_record made(unsigned producer, uint32_t n)
{
    uint32_t x = (n + producer * 7919u) * 2654435761u;
    struct usage_record record = {
        .kind = USAGE_KIND_INVOCATION,
        .status = (uint8_t)(x % 7 == 0 ? 1 + x % 5 : USAGE_OK),
        .account_id = ACCOUNT,
        .function_id = 1 + x % 3,
        .started_us = DAY_US - (int64_t)(x % DAYS) * CALENDAR_DAY_US + (int64_t)(x % 86400) * 1000000,
        .duration_us = 1000 + x % 1000,
        .billed_ms = 2,
        .memory_mib = 128u << (x % 2),
        .billed_requests = 1,
        .attempt = 1,
    };
    record.request_id[0] = (uint8_t)producer;
    memcpy(record.request_id + 1, &n, sizeof n);
    return record;
}

static void *emit_main(void *arg)
{
    struct emitter *self = arg;
    for (uint32_t n = 0; n < RECORDS; n++) {
        struct usage_record record = made(self->number, n);
        CHECK(farthing_hook_emit(self->hook, &record) == FARTHING_HOOK_OK);
        atomic_store(&self->returned_us[n], clock_wall_us());
    }
    return NULL;
}

static int add_row(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx += row->sums.invocations;
    return 0;
}

static struct usage_query whole(void)
{
    return (struct usage_query){
        .account_id = ACCOUNT, .from_us = DAY_US - DAYS * CALENDAR_DAY_US, .to_us = DAY_US + CALENDAR_DAY_US};
}

static int64_t ask(struct usage_freshness *freshness)
{
    struct err err = {0};
    int64_t counted = 0;
    const struct usage_query query = whole();
    must(usage_query_run(pg, &query, add_row, &counted, freshness, &err), &err);
    return counted;
}

/* How many emits had returned before that instant. */
static int64_t emitted_before(int64_t at_us)
{
    int64_t count = 0;
    for (unsigned e = 0; e < PRODUCERS; e++) {
        for (uint32_t n = 0; n < RECORDS; n++) {
            int64_t returned_us = atomic_load(&emitters[e].returned_us[n]);
            if (returned_us == 0 || returned_us >= at_us) {
                break; /* they are in order of time, whatever day they are of */
            }
            count++;
        }
    }
    return count;
}

static void flush(void)
{
    struct err err = {0};
    must(aggregator_flush(aggregator, FLUSH_MS, &err), &err);
}

static void open_emitter(unsigned e)
{
    emitters[e].number = e;
    emitters[e].hook = open_hook();
}

static void start_emitter(unsigned e)
{
    ck_assert_int_eq(pthread_create(&emitters[e].thread, NULL, emit_main, &emitters[e]), 0);
}

static void end_emitters(void)
{
    for (unsigned e = 0; e < PRODUCERS; e++) {
        ck_assert_int_eq(pthread_join(emitters[e].thread, NULL), 0);
    }
}

START_TEST(complete_through_is_true_while_records_arrive_out_of_order)
{
    struct usage_freshness freshness;
    int64_t through_us = 0;
    int64_t counted = 0;
    bool late = false;
    for (unsigned e = 0; e + 1 < PRODUCERS; e++) {
        open_emitter(e);
    }
    flush(); /* where no producer is known yet, the answer is now */
    for (unsigned e = 0; e + 1 < PRODUCERS; e++) {
        start_emitter(e);
    }
    while (counted < PRODUCERS * RECORDS) {
        if (!late && counted > RECORDS / 2) {
            open_emitter(PRODUCERS - 1); /* amid it: a new producer must not be overlooked */
            start_emitter(PRODUCERS - 1);
            late = true;
        }
        counted = ask(&freshness);
        int64_t due = emitted_before(freshness.complete_through_us);
        ck_assert_msg(counted >= due, "%lld counted, %lld were emitted before complete_through", (long long)counted,
                      (long long)due);
        ck_assert_int_ge(freshness.complete_through_us, through_us); /* it never goes back */
        ck_assert_int_ge(freshness.late_pending, 0);
        ck_assert_int_le(freshness.late_pending, PRODUCERS * RECORDS);
        through_us = freshness.complete_through_us;
    }
    end_emitters();
    int64_t flushed_us = clock_wall_us();
    flush();
    ck_assert_int_eq(ask(&freshness), PRODUCERS * RECORDS);
    ck_assert_int_eq(freshness.late_pending, 0);
    ck_assert_int_eq(emitted_before(flushed_us), PRODUCERS * RECORDS);
    for (unsigned e = 0; e < PRODUCERS; e++) {
        farthing_hook_close(&emitters[e].hook);
    }
}
END_TEST

/* With nobody to store them, what was emitted later is never said to be in. */
START_TEST(complete_through_stands_still_without_an_aggregator)
{
    struct usage_freshness before;
    struct usage_freshness after;
    struct farthing_hook *hook = open_hook();
    struct usage_record record = made(0, 0);
    ck_assert_int_eq(farthing_hook_emit(hook, &record), FARTHING_HOOK_OK);
    flush();
    aggregator_stop(&aggregator, false);
    ck_assert_int_eq(ask(&before), 1);
    int64_t emitted_us = clock_wall_us();
    for (uint32_t n = 1; n < 100; n++) {
        record = made(0, n);
        ck_assert_int_eq(farthing_hook_emit(hook, &record), FARTHING_HOOK_OK);
    }
    ck_assert_int_eq(ask(&after), 1);
    ck_assert_int_le(after.complete_through_us, emitted_us);
    ck_assert_int_eq(after.complete_through_us, before.complete_through_us);
    farthing_hook_close(&hook);
}
END_TEST

static void store_all(unsigned producer, uint32_t count)
{
    struct farthing_hook *hook = open_hook();
    for (uint32_t n = 0; n < count; n++) {
        struct usage_record record = made(producer, n);
        ck_assert_int_eq(farthing_hook_emit(hook, &record), FARTHING_HOOK_OK);
    }
    farthing_hook_close(&hook);
    flush();
}

struct seen {
    int64_t rows, invocations, last_us;
    int status[USAGE_STATUS_COUNT];
};

static int see(const struct usage_row *row, void *ctx, struct err *err)
{
    struct seen *seen = ctx;
    (void)err;
    seen->rows++;
    seen->invocations += row->sums.invocations;
    ck_assert_int_ge(row->at_us, seen->last_us);
    seen->last_us = row->at_us;
    if (row->status >= 0) {
        seen->status[row->status] += (int)row->sums.invocations;
    } else {
        ck_assert_int_ge(row->sums.p50_us, 1000);
        ck_assert_int_le(row->sums.p99_us, 2250); /* at most 12.5 % above the true value, which is below 2,000 */
        ck_assert_int_ge(row->sums.p99_us, row->sums.p50_us);
    }
    return 0;
}

START_TEST(every_grouping_adds_up_to_the_same)
{
    static const struct {
        enum usage_granularity granularity;
        unsigned group_by;
        int64_t rows;
    } GROUPS[] = {
        {USAGE_TOTAL, 0, 1},
        {USAGE_DAY, 0, DAYS},
        {USAGE_MONTH, 0, 1},
        {USAGE_TOTAL, USAGE_GROUP_FUNCTION, 3},
        {USAGE_TOTAL, USAGE_GROUP_MEMORY, 2},
        {USAGE_TOTAL, USAGE_GROUP_VERSION | USAGE_GROUP_ARCH, 1},
        {USAGE_TOTAL, USAGE_GROUP_STATUS, USAGE_STATUS_COUNT},
        {USAGE_TOTAL, USAGE_GROUP_ACCOUNT, 1},
        {USAGE_HOUR, 0, -1},
    };
    int status[USAGE_STATUS_COUNT] = {0};
    struct err err = {0};
    store_all(0, 1000);
    for (uint32_t n = 0; n < 1000; n++) {
        status[made(0, n).status]++;
    }
    for (size_t i = 0; i < sizeof GROUPS / sizeof GROUPS[0]; i++) {
        for (int all = 0; all < 2; all++) {
            struct seen seen = {0};
            struct usage_query query = whole();
            query.account_id = all == 1 ? 0 : ACCOUNT;
            query.granularity = GROUPS[i].granularity;
            query.group_by = GROUPS[i].group_by;
            must(usage_query_run(pg, &query, see, &seen, NULL, &err), &err);
            ck_assert_int_eq(seen.invocations, 1000);
            ck_assert(GROUPS[i].rows < 0 || seen.rows == GROUPS[i].rows);
            if ((query.group_by & USAGE_GROUP_STATUS) != 0) {
                ck_assert_mem_eq(seen.status, status, sizeof status);
            }
        }
    }
}
END_TEST

static int count_record(const struct usage_record *record, const char *name, void *ctx, struct err *err)
{
    int64_t *last_us = ctx;
    (void)name;
    (void)err;
    ck_assert(usage_record_valid(record));
    ck_assert(last_us[1] == 0 || record->started_us <= last_us[1]);
    last_us[0]++;
    last_us[1] = record->started_us;
    return 0;
}

START_TEST(records_are_listed_newest_first_and_page_by_page)
{
    struct err err = {0};
    int64_t counted[2] = {0};
    struct usage_record_query query = {.account_id = ACCOUNT,
                                       .from_us = DAY_US - DAYS * CALENDAR_DAY_US,
                                       .to_us = DAY_US + CALENDAR_DAY_US,
                                       .newest_first = true,
                                       .limit = 100};
    store_all(0, 300);
    int64_t before = 0;
    for (int pages = 0; pages < 10; pages++) {
        counted[0] = 0;
        must(usage_records_run(pg, &query, count_record, counted, &err), &err);
        before += counted[0];
        query.before_us = counted[1];
    }
    ck_assert_int_eq(before, 300);
}
END_TEST

static const struct {
    int64_t from_us, to_us, limit, offset;
    const char *pointer;
} REFUSED[] = {
    {DAY_US + 1, DAY_US + CALENDAR_DAY_US, 0, 0, "from"},
    {DAY_US, DAY_US + 1, 0, 0, "to"},
    {DAY_US, DAY_US, 0, 0, "to"},
    {DAY_US, DAY_US - CALENDAR_HOUR_US, 0, 0, "to"},
    {DAY_US, DAY_US + CALENDAR_DAY_US, -1, 0, "limit"},
    {DAY_US, DAY_US + CALENDAR_DAY_US, USAGE_ROWS_MAX + 1, 0, "limit"},
    {DAY_US, DAY_US + CALENDAR_DAY_US, 0, -1, "offset"},
};

START_TEST(questions_without_sense_are_refused_by_field)
{
    for (size_t i = 0; i < sizeof REFUSED / sizeof REFUSED[0]; i++) {
        struct err err = {0};
        struct usage_freshness untouched = {.complete_through_us = -7, .late_pending = -7};
        int64_t counted = -7;
        const struct usage_query query = {.account_id = ACCOUNT,
                                          .from_us = REFUSED[i].from_us,
                                          .to_us = REFUSED[i].to_us,
                                          .limit = REFUSED[i].limit,
                                          .offset = REFUSED[i].offset};
        ck_assert_int_eq(usage_query_run(pg, &query, add_row, &counted, &untouched, &err), -1);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_str_eq(err.field, REFUSED[i].pointer);
        ck_assert_int_eq(counted, -7);
        ck_assert_int_eq(untouched.late_pending, -7);
    }
}
END_TEST

START_TEST(lists_without_sense_are_refused)
{
    struct err err = {0};
    int64_t counted[2] = {0};
    struct usage_record_query query = {.account_id = ACCOUNT, .from_us = DAY_US, .to_us = DAY_US};
    ck_assert_int_eq(usage_records_run(pg, &query, count_record, counted, &err), -1);
    ck_assert_str_eq(err.field, "to");
    err = (struct err){0};
    query.to_us = DAY_US + 1;
    query.limit = -1;
    ck_assert_int_eq(usage_records_run(pg, &query, count_record, counted, &err), -1);
    ck_assert_str_eq(err.field, "limit");
}
END_TEST

/* What the callback says ends the question. */
static int refuse(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)row;
    (void)ctx;
    return err_set(err, ERR_LIMIT, "enough");
}

START_TEST(a_failing_reader_ends_the_answer)
{
    struct err err = {0};
    const struct usage_query query = whole();
    store_all(0, 10);
    ck_assert_int_eq(usage_query_run(pg, &query, refuse, NULL, NULL, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("usage");
    TCase *tc = tcase_create("usage");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, complete_through_is_true_while_records_arrive_out_of_order);
    tcase_add_test(tc, complete_through_stands_still_without_an_aggregator);
    tcase_add_test(tc, every_grouping_adds_up_to_the_same);
    tcase_add_test(tc, records_are_listed_newest_first_and_page_by_page);
    tcase_add_test(tc, questions_without_sense_are_refused_by_field);
    tcase_add_test(tc, lists_without_sense_are_refused);
    tcase_add_test(tc, a_failing_reader_ends_the_answer);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
