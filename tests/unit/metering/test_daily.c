/*
 * Goal:   sums of days are what the hours say, in every snapshot, whoever is late; and they are really used.
 * Method: a real database, hook and aggregator. Records come for days that are over and for today, while a thread sums
 * days without end and another compares, in one statement, what readers are given with the hours themselves, for ranges
 * that begin and end in the middle of days. Two producers, of which one appears after days were declared over, and two
 * who sum.
 */
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/uuid.h"
#include "metering/aggregator.h"
#include "metering/daily.h"
#include "metering/hook.h"
#include "metering/usage.h"
#include "metering/usage_rows.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS 3
#define ACCOUNT INT64_C(100000000001)
#define DAYS 6
#define ROUNDS 40
#define RECORDS 300
#define FLUSH_MS 60000

static char dirs[2][64];
static const char *conninfo;
static struct pg *pg;

static void setup(void)
{
    struct err err = {0};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(dirs[i], sizeof dirs[i], "%s", "/tmp/farthing-test-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(dirs[i]));
    }
    conninfo = pgtest_database();
    ck_assert_msg(pg_open(conninfo, &pg, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    pg_close(&pg);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fs_remove_tree(dirs[i], NULL), 0);
    }
}

/* ---- records ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

struct producer {
    struct farthing_hook *hook;
    struct aggregator *aggregator;
};

static struct producer start(const char *dir)
{
    struct producer producer = {NULL, NULL};
    struct err err = {0};
    const struct farthing_hook_options hook = {.dir = dir, .node_id = 7, .segment_records = 1024};
    const struct aggregator_options aggregator = {
        .spool_dir = dir, .conninfo = conninfo, .batch_records_max = 64, .idle_wait_ms = 1};
    ck_assert_msg(farthing_hook_open(&hook, &producer.hook, &err) == 0, "%s", err.text);
    ck_assert_msg(aggregator_start(&aggregator, &producer.aggregator, &err) == 0, "%s", err.text);
    return producer;
}

static void end(struct producer *producer)
{
    farthing_hook_close(&producer->hook);
    aggregator_stop(&producer->aggregator, true);
}

static void flush(struct producer *producer)
{
    struct err err = {0};
    ck_assert_msg(aggregator_flush(producer->aggregator, FLUSH_MS, &err) == 0, "%s", err.text);
}

static void emit(struct producer *producer, uint64_t *random, int64_t days_back)
{
    uint64_t r = next_random(random);
    int64_t now_us = clock_wall_us();
    int64_t started_us = calendar_day_start(now_us) - days_back * CALENDAR_DAY_US;
    started_us += days_back == 0 ? 0 : (int64_t)(r % 24) * CALENDAR_HOUR_US;
    struct usage_record record = {
        .kind = USAGE_KIND_INVOCATION,
        .account_id = ACCOUNT + (int64_t)(r / 24 % ACCOUNTS),
        .function_id = 1 + (int64_t)(r / 100 % 2),
        .version = (uint16_t)(r / 200 % 2),
        .started_us = started_us,
        .duration_us = r % 1000000,
        .billed_ms = (uint32_t)(r % 1000 + 1),
        .memory_mib = 128,
        .peak_kib = 1000,
        .billed_requests = 1,
        .attempt = 1,
    };
    struct uuid id;
    uuid_random(&id);
    memcpy(record.request_id, id.bytes, sizeof record.request_id);
    ck_assert_int_eq(farthing_hook_emit(producer->hook, &record), FARTHING_HOOK_OK);
}

/* ---- comparing ---- */

#define COLUMNS                                                                                                        \
    "function_id, version, invocations, errors, billed_ms, mb_ms, duration_us, peak_kib_sum, peak_kib_max, latency"
#define SUMS                                                                                                           \
    "function_id, version, date_trunc('day', hour) AS day, sum(invocations) AS n, sum(errors), sum(billed_ms), "       \
    "sum(mb_ms), sum(duration_us), sum(peak_kib_sum), max(peak_kib_max), sum(latency) "
static const struct pg_stmt DIFFERENCE = {
    .name = "test.difference",
    .sql = "WITH given AS (SELECT " SUMS "FROM " USAGE_OF_ACCOUNT(
        COLUMNS) "u GROUP BY 1, 2, 3), "
                 "true_ones AS (SELECT " SUMS
                 "FROM usage_hourly WHERE account_id = $1::int8 AND hour >= $2::timestamptz "
                 "AND hour < $3::timestamptz GROUP BY 1, 2, 3) "
                 "SELECT (SELECT count(*) FROM (SELECT * FROM given EXCEPT ALL SELECT * FROM true_ones) a) "
                 "+ (SELECT count(*) FROM (SELECT * FROM true_ones EXCEPT ALL SELECT * FROM given) b) AS value",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt WHOLE_DAYS = {
    .name = "test.whole_days",
    .sql = "SELECT count(*) AS value FROM usage_day v JOIN usage_daily_state s ON v.day <= s.marked "
           "WHERE v.summed = v.generation",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt DAYS_WITH_USAGE = {
    .name = "test.days_with_usage",
    .sql = "SELECT count(DISTINCT (account_id, date_trunc('day', hour))) AS value FROM usage_hourly "
           "WHERE hour < (SELECT through + interval '24 hours' FROM usage_daily_state)",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt PLANTED = {
    .name = "test.planted",
    .sql = "UPDATE usage_daily SET invocations = invocations + 1000",
    .expect = PG_NO_ROWS,
};

static int take_value(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "value");
    return 0;
}

static int64_t ask(struct pg *link, const struct pg_stmt *stmt, const struct pg_param *params)
{
    struct err err = {0};
    int64_t value = -1;
    ck_assert_msg(pg_run(link, stmt, params, take_value, &value, NULL, &err) == 0, "%s", err.text);
    return value;
}

/* Of a range that begins and ends in the middle of days when odd. */
static int difference(struct pg *link, int64_t account_id, bool odd, int64_t *differences, struct err *err)
{
    int64_t today_us = calendar_day_start(clock_wall_us());
    int64_t shift_us = odd ? 7 * CALENDAR_HOUR_US : 0;
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TIME(today_us - (DAYS + 1) * CALENDAR_DAY_US + shift_us),
                                      PG_P_TIME(today_us + CALENDAR_DAY_US - shift_us), PG_P_END};
    return pg_run(link, &DIFFERENCE, params, take_value, differences, NULL, err);
}

static struct daily_result sum(struct pg *link)
{
    struct daily_result result = {0};
    struct err err = {0};
    ck_assert_msg(daily_run(link, 0, NULL, NULL, &result, &err) == 0, "%s", err.text);
    return result;
}

/* ---- racing ---- */

struct race {
    atomic_bool stop;
    atomic_int_fast64_t summed, failed;
    int64_t compared, differed;
};

/* On threads of their own nothing asserts; the test does when they have ended. */
static void *sum_without_end(void *ctx)
{
    struct race *race = ctx;
    struct pg *link = NULL;
    struct err err = {0};
    struct daily_result result;
    int rc = pg_open(conninfo, &link, &err);
    while (rc == 0 && !atomic_load(&race->stop)) {
        rc = daily_run(link, 0, NULL, NULL, &result, &err);
        atomic_fetch_add(&race->summed, rc == 0 ? result.summed : 0);
    }
    atomic_fetch_add(&race->failed, rc != 0 ? 1 : 0);
    pg_close(&link);
    return NULL;
}

static void *compare_without_end(void *ctx)
{
    struct race *race = ctx;
    struct pg *link = NULL;
    struct err err = {0};
    int64_t differences = 0;
    int rc = pg_open(conninfo, &link, &err);
    while (rc == 0 && !atomic_load(&race->stop)) {
        rc = difference(link, ACCOUNT + race->compared % ACCOUNTS, race->compared % 2 == 1, &differences, &err);
        race->differed += rc == 0 && differences != 0 ? 1 : 0;
        race->compared++;
    }
    atomic_fetch_add(&race->failed, rc != 0 ? 1 : 0);
    pg_close(&link);
    return NULL;
}

START_TEST(every_snapshot_says_the_same)
{
    struct race race = {.stop = false};
    pthread_t threads[3];
    uint64_t random = 88172645463325252u;
    struct producer first = start(dirs[0]);
    struct producer second = {NULL, NULL};
    for (int i = 0; i < RECORDS; i++) {
        emit(&first, &random, i % (DAYS + 1));
    }
    flush(&first);
    ck_assert_int_eq(pthread_create(&threads[0], NULL, sum_without_end, &race), 0);
    ck_assert_int_eq(pthread_create(&threads[1], NULL, sum_without_end, &race), 0); /* another node */
    ck_assert_int_eq(pthread_create(&threads[2], NULL, compare_without_end, &race), 0);
    for (int round = 0; round < ROUNDS; round++) {
        if (round == ROUNDS / 4) {
            second = start(dirs[1]); /* days were declared over before it was there */
        }
        for (int i = 0; i < RECORDS; i++) {
            struct producer *producer = second.hook != NULL && i % 2 == 1 ? &second : &first;
            emit(producer, &random, (int64_t)(next_random(&random) % (DAYS + 1)));
        }
        flush(&first);
        if (second.hook != NULL) {
            flush(&second);
        }
    }
    atomic_store(&race.stop, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    end(&first);
    end(&second);
    ck_assert_int_eq(atomic_load(&race.failed), 0);
    ck_assert_int_gt(race.compared, 0);
    ck_assert_msg(race.differed == 0, "%lld of %lld snapshots differ", (long long)race.differed,
                  (long long)race.compared);
    ck_assert_int_gt(atomic_load(&race.summed), DAYS * ACCOUNTS);
    for (int i = 0; i < ACCOUNTS; i++) {
        int64_t differences = -1;
        struct err err = {0};
        ck_assert_int_eq(difference(pg, ACCOUNT + i, false, &differences, &err), 0);
        ck_assert_int_eq(differences, 0);
    }
}
END_TEST

/* ---- one after another ---- */

static int keep_sum(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx += row->sums.invocations;
    return 0;
}

static int64_t asked(enum usage_granularity granularity, unsigned group_by)
{
    struct err err = {0};
    int64_t invocations = 0;
    int64_t today_us = calendar_day_start(clock_wall_us());
    const struct usage_query query = {.account_id = ACCOUNT,
                                      .from_us = today_us - (DAYS + 1) * CALENDAR_DAY_US,
                                      .to_us = today_us + CALENDAR_DAY_US,
                                      .granularity = granularity,
                                      .group_by = group_by};
    ck_assert_msg(usage_query_run(pg, &query, keep_sum, &invocations, NULL, &err) == 0, "%s", err.text);
    return invocations;
}

START_TEST(days_that_are_over_are_read_as_days)
{
    uint64_t random = 7;
    struct producer producer = start(dirs[0]);
    for (int i = 0; i < RECORDS; i++) {
        emit(&producer, &random, i % (DAYS + 1));
    }
    flush(&producer);
    int64_t before = asked(USAGE_DAY, 0);
    struct daily_result result = sum(pg);
    ck_assert_int_ge(result.declared, DAYS - 1); /* yesterday is over from one o'clock on */
    ck_assert_int_eq(result.summed, ask(pg, &DAYS_WITH_USAGE, NULL));
    ck_assert_int_eq(ask(pg, &WHOLE_DAYS, NULL), result.summed);
    ck_assert_int_eq(sum(pg).summed, 0); /* nothing changed */
    ck_assert_int_eq(asked(USAGE_DAY, 0), before);
    ck_assert_int_eq(asked(USAGE_DAY, USAGE_GROUP_STATUS), before);
    ck_assert_int_eq(asked(USAGE_HOUR, 0), before);

    /* What is planted there is seen, by day and longer only: it is really what readers are given. */
    struct err err = {0};
    ck_assert_int_eq(pg_run(pg, &PLANTED, NULL, NULL, NULL, NULL, &err), 0);
    ck_assert_int_gt(asked(USAGE_DAY, 0), before + 999);
    ck_assert_int_gt(asked(USAGE_MONTH, USAGE_GROUP_FUNCTION), before + 999);
    ck_assert_int_gt(asked(USAGE_TOTAL, USAGE_GROUP_STATUS), before + 999);
    ck_assert_int_eq(asked(USAGE_HOUR, 0), before);

    /* Who is late has the day read by the hour, until it is summed again; then nothing planted is left of it. */
    for (int i = 0; i < 400; i++) {
        emit(&producer, &random, 2 + i % (DAYS - 1));
    }
    flush(&producer);
    int64_t after = asked(USAGE_HOUR, 0);
    ck_assert_int_gt(after, before);
    ck_assert_int_gt(ask(pg, &WHOLE_DAYS, NULL), -1);
    ck_assert_int_ge(sum(pg).summed, DAYS - 1);
    for (int64_t day = 2; day <= DAYS; day++) {
        int64_t to_us = calendar_day_start(clock_wall_us()) - (day - 1) * CALENDAR_DAY_US;
        const struct pg_param params[] = {PG_P_I64(ACCOUNT), PG_P_TIME(to_us - CALENDAR_DAY_US), PG_P_TIME(to_us),
                                          PG_P_END};
        ck_assert_int_eq(ask(pg, &DIFFERENCE, params), 0);
    }
    end(&producer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metering/daily");
    TCase *tcase = tcase_create("daily");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 180);
    tcase_add_test(tcase, days_that_are_over_are_read_as_days);
    tcase_add_test(tcase, every_snapshot_says_the_same);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
