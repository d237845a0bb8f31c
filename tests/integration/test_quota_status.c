/*
 * Goal:   used, held and available are right before and after ingest; spend follows the bill; dry runs and checks say
 * what is so. Method: one node on a real database, prices from a fake that rates like a bill with a free allowance;
 * ingest is played in SQL.
 */
#include <check.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/admission_internal.h"
#include "engine/quota.h"
#include "engine/quota_internal.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define PRICE 7            /* picos a MB*ms */
#define FREE_MB_MS 1000000 /* not billed */
#define ASKS_MAX 400

static const char *database;
static struct pg *pg;

static void run_sql(const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
}

static void setup(void)
{
    struct err err = {0};
    database = pgtest_database();
    ck_assert_msg(pg_open(database, &pg, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    pg_close(&pg);
}

static void put(enum quota_kind kind, const char *limit)
{
    struct quota quota = {.kind = kind, .thresholds = {50, 100}, .threshold_count = 2};
    struct quota stored;
    struct err err = {0};
    (void)snprintf(quota.limit_text, sizeof quota.limit_text, "%s", limit);
    ck_assert_msg(quota_put(pg, ACCOUNT, &quota, -1, &stored, &err) == 0, "%s", err.text);
}

static void ingest(int64_t started_us, int64_t invocations, int64_t mb_ms)
{
    char sql[1024];
    char at[CALENDAR_TEXT_BYTES];
    calendar_format(started_us, at);
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO usage_hourly AS u (account_id, hour, function_id, version, memory_mib, arch, provisioned, "
        "invocations,"
        " billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts, billed_ms, mb_ms,"
        " storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes, peak_kib_sum, peak_kib_max, "
        "latency)"
        " VALUES (%lld, date_trunc('hour', '%s'::timestamptz), 1, 0, 128, 0, 0, %lld, 0, 0, 0, 0, 0, 0, 0, 0, 0, %lld, "
        "0, 0, 0, 0,"
        " 0, 0, 0, 0, 0) ON CONFLICT (account_id, hour, function_id, version, memory_mib, arch, provisioned)"
        " DO UPDATE SET invocations = u.invocations + excluded.invocations, mb_ms = u.mb_ms + excluded.mb_ms",
        (long long)ACCOUNT, at, (long long)invocations, (long long)mb_ms);
    run_sql(sql);
}

static int worst(void *ctx, int64_t account_id, int64_t started_us, uint64_t mb_ms, uint16_t flags, int64_t *picos,
                 struct err *err)
{
    (void)ctx;
    (void)account_id;
    (void)started_us;
    (void)flags;
    (void)err;
    *picos = (int64_t)mb_ms * PRICE;
    return 0;
}

static int actual(void *ctx, int64_t account_id, const struct usage_record *record, int64_t *picos, struct err *err)
{
    return worst(ctx, account_id, record->started_us, usage_mb_ms(record), 0, picos, err);
}

static const struct pg_stmt MONTH = {
    .name = "test.month",
    .sql = "SELECT coalesce(sum(mb_ms), 0)::int8 AS mb_ms FROM usage_hourly WHERE account_id = $1::int8",
    .expect = PG_ONE_ROW,
};

static int read_month(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "mb_ms");
    return 0;
}

/* Called from a thread of admission: a connection of its own. */
static int month(void *ctx, int64_t account_id, int64_t month_us, int64_t *picos, struct err *err)
{
    struct pg *own = NULL;
    int64_t mb_ms = 0;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    (void)ctx;
    (void)month_us;
    if (pg_open(database, &own, err) != 0) {
        return -1;
    }
    int rc = pg_run(own, &MONTH, params, read_month, &mb_ms, NULL, err);
    pg_close(&own);
    if (rc == 0) {
        *picos = mb_ms > FREE_MB_MS ? (mb_ms - FREE_MB_MS) * PRICE : 0;
    }
    return rc;
}

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

static int ask(struct admission *admission, const struct admission_request *request, struct admission_ticket *ticket,
               struct admission_refusal *refusal)
{
    for (int i = 0; i < ASKS_MAX; i++) {
        sem_t answered;
        (void)sem_init(&answered, 0, 0);
        int rc = admission_reserve(admission, request, ticket, refusal, post, &answered);
        if (rc != 2) {
            return rc;
        }
        while (sem_wait(&answered) != 0) {
        }
        (void)sem_destroy(&answered);
    }
    ck_abort_msg("no answer");
    return -1;
}

static struct admission_request call(int timeout_s)
{
    return (struct admission_request){.account_id = ACCOUNT,
                                      .function_id = 7,
                                      .memory_mib = 128,
                                      .timeout_s = timeout_s,
                                      .reserved_concurrency = -1,
                                      .now_us = clock_wall_us()};
}

START_TEST(used_held_available)
{
    struct admission *admission = NULL;
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    struct quota_status status;
    struct err err = {0};
    const struct admission_options options = {.conninfo = database, .node_id = 1};
    struct admission_request request = call(10);
    ingest(request.now_us, 40, 1024000); /* used before the quota was set: counts from the start */
    put(QUOTA_GB_SECONDS_PER_MONTH, "10");
    ck_assert_int_eq(quota_get(pg, ACCOUNT, QUOTA_GB_SECONDS_PER_MONTH, &status, &err), 0);
    ck_assert_str_eq(status.used_text, "1");
    ck_assert_str_eq(status.available_text, "9");
    ck_assert_int_eq(admission_open(&options, &admission, &err), 0);
    ck_assert_int_eq(ask(admission, &request, &ticket, &refusal), 0); /* holds 1.25 GB-s */
    ck_assert_int_eq(quota_get(pg, ACCOUNT, QUOTA_GB_SECONDS_PER_MONTH, &status, &err), 0);
    ck_assert_str_eq(status.used_text, "1");
    ck_assert_int_ge(status.held_units, 1280000);
    struct usage_record record = {.started_us = request.now_us, .billed_ms = 4000, .memory_mib = 128};
    admission_settle(admission, &ticket, &record); /* 0.5 GB-s */
    admission_close(&admission);                   /* gives the rest back and says what it spent */
    ck_assert_int_eq(quota_get(pg, ACCOUNT, QUOTA_GB_SECONDS_PER_MONTH, &status, &err), 0);
    ck_assert_str_eq(status.used_text, "1.5");
    ck_assert_str_eq(status.held_text, "0");
    ck_assert_str_eq(status.available_text, "8.5");
    struct quota_status all[QUOTA_KIND_COUNT];
    ck_assert_int_eq(quota_list(pg, ACCOUNT, all, &err), 0);
    ck_assert(!all[QUOTA_CONCURRENCY].quota.set);
    ck_assert(all[QUOTA_GB_SECONDS_PER_MONTH].quota.set);
    ck_assert_int_eq(all[QUOTA_GB_SECONDS_PER_MONTH].quota.thresholds[1], 100);
}
END_TEST

START_TEST(spend_follows_the_bill)
{
    struct admission *admission = NULL;
    struct admission_ticket ticket;
    struct admission_refusal refusal = {0};
    struct err err = {0};
    const struct admission_prices prices = {.worst = worst, .actual = actual, .month = month};
    const struct admission_options options = {.conninfo = database, .node_id = 1, .prices = &prices};
    struct admission_request request = call(1);
    int64_t begun_us = request.now_us;
    char limit[48];
    quota_units_format(QUOTA_SPEND_PER_MONTH, 3000000 * (int64_t)PRICE,
                       limit); /* 3,000,000 MB*ms beyond the free ones */
    put(QUOTA_SPEND_PER_MONTH, limit);
    ck_assert_int_eq(admission_open(&options, &admission, &err), 0);
    int64_t used = 0;
    int rc = 0;
    while ((rc = ask(admission, &request, &ticket, &refusal)) == 0) {
        struct usage_record record = {.started_us = begun_us, .billed_ms = 500, .memory_mib = 128};
        used += 128 * 500;
        ck_assert_int_le(used, 4000000); /* the bill would be above the limit */
        admission_settle(admission, &ticket, &record);
    }
    ck_assert_int_eq(refusal.reason, USAGE_REFUSED_SPEND);
    ck_assert_int_ge(used, 2800000); /* all of it is held at the price beyond the free allowance */
    /* Nothing is stored yet, so the free allowance is not seen; once it is, the same limit admits more. */
    ck_assert_int_eq(ask(admission, &request, &ticket, &refusal), 1);
    ck_assert_int_gt(refusal.resets_at_us, begun_us);
    admission_close(&admission);
    ingest(begun_us, used / 64000, used);
    run_sql("UPDATE quota_lease SET ingested = granted"); /* as the reconciler does when the spool is in */
    ck_assert_int_eq(admission_open(&options, &admission, &err), 0);
    int more = 0;
    while ((rc = ask(admission, &request, &ticket, &refusal)) == 0) {
        struct usage_record record = {.started_us = begun_us, .billed_ms = 500, .memory_mib = 128};
        used += 128 * 500;
        more++;
        ck_assert_int_le(used, 4000000);
        admission_settle(admission, &ticket, &record);
    }
    ck_assert_int_ge(more, 10);
    admission_close(&admission);
}
END_TEST

START_TEST(dry_runs)
{
    struct quota_dry_run result;
    struct err err = {0};
    int64_t november_us = 0;
    ck_assert_int_eq(calendar_parse("2026-11-10", "at", &november_us, &err), 0);
    for (int hour = 0; hour < 10; hour++) {
        ingest(november_us - 20 * CALENDAR_DAY_US + hour * CALENDAR_HOUR_US, 100, 1024000);
    }
    ck_assert_int_eq(quota_dry_run(pg, ACCOUNT, QUOTA_REQUESTS_PER_MONTH, 750, november_us, &result, &err), 0);
    ck_assert_int_eq(result.calls, 1000);
    ck_assert_int_eq(result.refused, 250);
    ck_assert_int_eq(result.peak_units, 1000);
    ck_assert_int_eq(result.first_refused_us, november_us - 20 * CALENDAR_DAY_US + 7 * CALENDAR_HOUR_US);
    ck_assert_int_eq(quota_dry_run(pg, ACCOUNT, QUOTA_GB_SECONDS_PER_MONTH, 10240000, november_us, &result, &err), 0);
    ck_assert_int_eq(result.refused, 0);
    ck_assert_str_eq(result.peak_text, "10");
    ck_assert_int_eq(result.first_refused_us, 0);
    ck_assert_int_eq(quota_dry_run(pg, ACCOUNT, QUOTA_CONCURRENCY, 5, november_us, &result, &err), 0);
    ck_assert_int_eq(result.calls, 0);
    ck_assert_int_eq(quota_dry_run(pg, ACCOUNT, QUOTA_REQUESTS_PER_SECOND, 5, november_us, &result, &err), 0);
    ck_assert_int_eq(quota_dry_run(pg, ACCOUNT, QUOTA_FUNCTIONS, 5, november_us, &result, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

START_TEST(checks)
{
    struct err err = {0};
    int64_t used = -1;
    struct quota quota = {.kind = QUOTA_FUNCTIONS, .limit_text = "2"};
    struct quota stored;
    ck_assert_int_eq(quota_check(pg, ACCOUNT, QUOTA_FUNCTIONS, 100, &err), 0);
    ck_assert_int_eq(quota_put(pg, 0, &quota, -1, &stored, &err), 0); /* the operator's default */
    ck_assert_int_eq(quota_check(pg, ACCOUNT, QUOTA_FUNCTIONS, 2, &err), 0);
    ck_assert_int_eq(quota_check(pg, ACCOUNT, QUOTA_FUNCTIONS, 3, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_str_eq(err.slug, "quota_exceeded");
    ck_assert_int_eq(quota_used_now(pg, ACCOUNT, QUOTA_FUNCTIONS, &used, &err), 0);
    ck_assert_int_eq(used, 0);
    ck_assert_int_eq(quota_reserved_check(pg, ACCOUNT, 1, 900, 1000, &err), 0);
    ck_assert_int_eq(quota_reserved_check(pg, ACCOUNT, 1, 901, 1000, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "below its minimum value of [100]."));
    /* Revisions. */
    ck_assert_int_eq(quota_put(pg, 0, &quota, stored.revision + 1, &stored, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_str_eq(err.slug, "stale_version");
    quota.thresholds[0] = 80;
    quota.thresholds[1] = 50;
    quota.threshold_count = 2;
    ck_assert_int_eq(quota_put(pg, 0, &quota, -1, &stored, &err), -1);
    ck_assert_str_eq(err.field, "/thresholds/1");
}
END_TEST

static int count_row(const struct quota_escrow *escrow, void *ctx, struct err *err)
{
    (void)err;
    ck_assert_str_eq(escrow->name, "requests_per_month");
    *(struct quota_escrow *)ctx = *escrow;
    return 0;
}

/* A limit that is set while a request waits for its turn looks newer than the usage that was just read. */
START_TEST(a_limit_newer_than_the_request_is_asked_again)
{
    struct admission *admission = NULL;
    struct err err = {0};
    const struct admission_prices callbacks = {.worst = worst, .actual = actual, .month = month};
    const struct admission_options options = {.conninfo = database, .node_id = 1, .prices = &callbacks};
    ingest(clock_wall_us(), 10, INT64_C(3000000000000)); /* as money far above the limit on calls */
    put(QUOTA_REQUESTS_PER_MONTH, "1000");
    run_sql("UPDATE quota SET updated_at = clock_timestamp() + interval '1 second'");
    ck_assert_int_eq(admission_open(&options, &admission, &err), 0);
    const struct admission_request request = {.account_id = ACCOUNT,
                                              .function_id = 7,
                                              .memory_mib = 128,
                                              .timeout_s = 1,
                                              .reserved_concurrency = -1,
                                              .now_us = clock_wall_us()};
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    int rc = 2;
    while (rc == 2) {
        sem_t answered;
        ck_assert_int_eq(sem_init(&answered, 0, 0), 0);
        rc = admission_reserve(admission, &request, &ticket, &refusal, post, &answered);
        while (rc == 2 && sem_wait(&answered) != 0) {
        }
        sem_destroy(&answered);
    }
    ck_assert_msg(rc == 0, "%s", refusal.detail);
    admission_settle(admission, &ticket, NULL);
    admission_close(&admission);
}
END_TEST

#define THIS_MONTH "date_trunc('month', now() AT TIME ZONE 'UTC')::date"

START_TEST(report)
{
    struct quota_escrow row = {0};
    struct err err = {0};
    ck_assert_int_eq(quota_reconcile_report(pg, count_row, &row, &err), 0);
    ck_assert_int_eq(row.account_id, 0);
    run_sql(
        "INSERT INTO quota_period (account_id, name, period, used) VALUES (7, 'requests_per_month', " THIS_MONTH ", 0);"
        "INSERT INTO quota_lease (account_id, name, period, holder, node_id, producer_id, epoch, sequence, granted, "
        "spent, expires_at)"
        " VALUES (7, 'requests_per_month', " THIS_MONTH ", 1, 1, 1, 1, 1, 30, 10, now() - interval '1 hour')");
    ck_assert_int_eq(quota_reconcile_report(pg, count_row, &row, &err), 0);
    ck_assert_int_eq(row.held, 20);
    ck_assert_int_eq(row.unstored, 10);
    ck_assert_int_eq(row.forfeit, 30);
    ck_assert(!row.ok);
}
END_TEST

/* A difference is found also when nobody holds anything: here the escrow claims 12 calls, and 5 are recorded. */
START_TEST(a_claim_beyond_the_records_is_reported)
{
    struct quota_escrow row = {0};
    struct err err = {0};
    ingest(clock_wall_us(), 5, 640);
    run_sql("INSERT INTO quota_period (account_id, name, period, used) VALUES (100000000001, "
            "'requests_per_month', " THIS_MONTH ", 5)");
    ck_assert_int_eq(quota_reconcile_report(pg, count_row, &row, &err), 0);
    ck_assert_int_eq(row.account_id, 0);
    run_sql("UPDATE quota_period SET used = 12");
    ck_assert_int_eq(quota_reconcile_report(pg, count_row, &row, &err), 0);
    ck_assert_int_eq(row.account_id, ACCOUNT);
    ck_assert_int_eq(row.recorded, 5);
    ck_assert_int_eq(row.stored, 12);
    ck_assert(!row.ok);
    /* The node finds it by itself, for the metric. */
    struct admission *admission = NULL;
    struct admission_stats stats = {0};
    const struct admission_options options = {.conninfo = database, .node_id = 1};
    ck_assert_int_eq(admission_open(&options, &admission, &err), 0);
    while (stats.escrows_ahead == 0) {
        admission_stats(admission, &stats);
    }
    ck_assert_int_eq(stats.escrows_ahead, 1);
    admission_close(&admission);
    /* And puts it right: what was claimed wrongly can be used again. */
    row = (struct quota_escrow){0};
    ck_assert_int_eq(quota_reconcile_report(pg, count_row, &row, &err), 0);
    ck_assert_int_eq(row.account_id, 0);
}
END_TEST

static const struct pg_stmt ROWS = {
    .name = "test.rows",
    .sql = "SELECT ((SELECT count(*) FROM quota_period) * 100 + (SELECT count(*) FROM quota_lease) * 10"
           " + (SELECT count(*) FROM quota_notice))::int8 AS mb_ms",
    .expect = PG_ONE_ROW,
};

START_TEST(old_rows_go)
{
    struct err err = {0};
    int64_t rows = 0;
    int64_t removed = 0;
    const char *const months[] = {"0", "3", "4", "30"};
    for (size_t i = 0; i < sizeof months / sizeof months[0]; i++) {
        char sql[1200];
        (void)snprintf(
            sql, sizeof sql,
            "INSERT INTO quota_period (account_id, name, period) SELECT 7, 'requests_per_month', (" THIS_MONTH
            " - interval '%s months')::date;"
            "INSERT INTO quota_lease (account_id, name, period, holder, node_id, producer_id, epoch, sequence,"
            " granted, expires_at) SELECT 7, 'requests_per_month', (" THIS_MONTH
            " - interval '%s months')::date, 1, 1, 1, 1, 1, 30, now() - interval '1 hour';"
            "INSERT INTO quota_notice (account_id, name, period, threshold, used_text, limit_text) SELECT 7,"
            " 'requests_per_month', (" THIS_MONTH " - interval '%s months')::date, 50, '', ''",
            months[i], months[i], months[i]);
        run_sql(sql);
    }
    run_sql("INSERT INTO quota_period (account_id, name, period) VALUES (7, 'concurrency', '1970-01-01'),"
            " (7, 'function:99', '1970-01-01')"); /* a function that is gone */
    ck_assert_int_eq(quota_store_purge(pg, &removed, &err), 0);
    ck_assert_int_eq(pg_run(pg, &ROWS, NULL, read_month, &rows, NULL, &err), 0);
    ck_assert_int_eq(rows, 3 * 100 + 2 * 10 + 3); /* months 0 and 3, concurrency; notices of 0, 3 and 4 */
    ck_assert_int_eq(removed, 2 + 2 + 1 + 1);
    ck_assert_int_eq(quota_store_purge(pg, &removed, &err), 0);
    ck_assert_int_eq(removed, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota_status");
    TCase *tcase = tcase_create("status");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, used_held_available);
    tcase_add_test(tcase, spend_follows_the_bill);
    tcase_add_test(tcase, dry_runs);
    tcase_add_test(tcase, checks);
    tcase_add_test(tcase, report);
    tcase_add_test(tcase, a_claim_beyond_the_records_is_reported);
    tcase_add_test(tcase, old_rows_go);
    tcase_add_test(tcase, a_limit_newer_than_the_request_is_asked_again);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
