/*
 * Goal:   what a spending limit counts is the bill, to the last digit: with graduated bands, a shared free allowance
 * and a discount; and before a record is stored its call is held at no less than it will cost. Method: the node's own
 * prices (api/node_prices.c) and the bill on one database; random calls are admitted, settled and stored, one by one.
 */
#include <check.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/node_prices.h"
#include "billing/bill.h"
#include "billing/price_book.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/admission.h"
#include "engine/quota.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define CALLS 400

static const char BOOK[] =
    "{\"name\":\"steps\",\"currency\":\"USD\",\"rounding\":\"half_up\","
    "\"policy\":[{\"from\":\"2014-11-13\",\"grain_ms\":1,\"bill_init\":true}],"
    "\"free\":[{\"id\":\"free\",\"meters\":[\"requests\"],\"quantity\":\"30\"},"
    "{\"id\":\"free\",\"meters\":[\"compute_x86_64\",\"compute_arm64\"],\"quantity\":\"20\"}],"
    "\"meters\":{\"requests\":{\"bands\":[{\"id\":\"t1\",\"up_to\":\"100\",\"price\":\"0.0000007\"},"
    "{\"id\":\"t2\",\"price\":\"0.0000003\"}]},"
    "\"compute_x86_64\":{\"bands\":[{\"id\":\"t1\",\"up_to\":\"40\",\"price\":\"0.0000371\"},"
    "{\"id\":\"t2\",\"up_to\":\"90\",\"price\":\"0.0000253\"},{\"id\":\"t3\",\"price\":\"0.00001111\"}]},"
    "\"compute_arm64\":{\"bands\":[{\"id\":\"t1\",\"up_to\":\"25\",\"price\":\"0.0000291\"},"
    "{\"id\":\"t2\",\"price\":\"0.0000087\"}]}}}";

static const char *database;
static struct pg *pg;
static struct prices *prices;
static int64_t month_us;

static void run_sql(const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
}

static void setup(void)
{
    struct err err = {0};
    int64_t version = 0;
    int64_t to_us = 0;
    database = pgtest_database();
    month_range(month_of(clock_wall_us()), &month_us, &to_us);
    ck_assert_msg(pg_open(database, &pg, &err) == 0, "%s", err.text);
    ck_assert_msg(price_book_put(pg, "steps", 0, BOOK, strlen(BOOK), &version, &err) == 0, "%s", err.text);
    run_sql("INSERT INTO account (account_id, name, display_name, currency, price_book) OVERRIDING SYSTEM VALUE"
            " VALUES (100000000001, 'acme', 'Acme', 'USD', 'steps');"
            "INSERT INTO price_override (account_id, version, effective_from, body)"
            " VALUES (100000000001, 1, '2014-11-13', '{\"discount_percent\": \"12.5\"}')");
    ck_assert_msg(prices_open(database, &prices, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    prices_close(&prices);
    pg_close(&pg);
}

static void store(const struct usage_record *record)
{
    char sql[1200];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO usage_hourly AS u (account_id, hour, function_id, version, memory_mib, arch, provisioned, "
        "invocations, billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts, billed_ms, "
        "mb_ms, storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes, peak_kib_sum, "
        "peak_kib_max,"
        " latency) VALUES (%lld, date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC', 1, 0, %u, %d, 0, 1, "
        "1,"
        " 0, 0, 0, 0, 0, 0, 0, %u, %llu, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
        " ON CONFLICT (account_id, hour, function_id, version, memory_mib, arch, provisioned) DO UPDATE SET"
        " invocations = u.invocations + 1, billed_requests = u.billed_requests + 1, mb_ms = u.mb_ms + excluded.mb_ms",
        (long long)ACCOUNT, record->memory_mib, (record->flags & USAGE_FLAG_ARM64) != 0 ? 1 : 0, record->billed_ms,
        (unsigned long long)usage_mb_ms(record));
    run_sql(sql);
}

static int64_t month_picos(void)
{
    struct err err = {0};
    int64_t picos = -1;
    ck_assert_msg(prices_month(prices, ACCOUNT, month_us, &picos, &err) == 0, "%s", err.text);
    return picos;
}

/* All lines of the bill, exactly, as text. */
static void bill_text(char text[MONEY_TEXT_BYTES], int64_t *picos)
{
    struct bill *bill = NULL;
    struct exact sum = {0};
    struct err err = {0};
    ck_assert_msg(bill_load(pg, ACCOUNT, month_of(month_us), 0, &bill, &err) == 0, "%s", err.text);
    for (int i = 0; i < bill->line_count; i++) {
        ck_assert_int_eq(exact_add(sum, bill->lines[i].exact_amount, &sum, &err), 0);
    }
    bill_free(&bill);
    exact_format(sum, text);
    ck_assert_int_eq(exact_picos(sum, picos, &err), 0);
}

static struct usage_record random_record(unsigned *seed)
{
    static const uint32_t memories[] = {128, 512, 1024, 3008};
    return (struct usage_record){.kind = USAGE_KIND_INVOCATION,
                                 .account_id = ACCOUNT,
                                 .function_id = 1,
                                 .started_us = clock_wall_us(),
                                 .billed_ms = 1 + (uint32_t)rand_r(seed) % 1000,
                                 .memory_mib = memories[rand_r(seed) % 4],
                                 .ephemeral_mib = 512,
                                 .billed_requests = 1,
                                 .flags = rand_r(seed) % 3 == 0 ? USAGE_FLAG_ARM64 : 0,
                                 .attempt = 1};
}

START_TEST(one_by_one_no_call_costs_more_than_was_held)
{
    unsigned seed = 7;
    int64_t before = month_picos();
    struct err err = {0};
    for (int i = 0; i < CALLS; i++) {
        struct usage_record record = random_record(&seed);
        int64_t worst = 0;
        ck_assert_int_eq(
            prices_worst(prices, ACCOUNT, record.started_us, usage_mb_ms(&record), record.flags, &worst, &err), 0);
        store(&record);
        int64_t now = month_picos();
        ck_assert_msg(now - before <= worst, "call %d cost %lld and was held at %lld", i, (long long)(now - before),
                      (long long)worst);
        before = now;
    }
    /* All bands were gone through, and the number is the bill's. */
    char text[MONEY_TEXT_BYTES];
    int64_t bill = 0;
    bill_text(text, &bill);
    ck_assert_int_eq(before, bill);
    printf("the bill is %s after %d calls, the limit counted %lld picos\n", text, CALLS, (long long)before);
}
END_TEST

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

/* With the limit at the bill of the calls that ran, not one more runs; and the bill never is above the limit. */
START_TEST(the_limit_is_the_bill)
{
    unsigned seed = 11;
    struct admission *admission = NULL;
    struct quota quota = {.kind = QUOTA_SPEND_PER_MONTH, .limit_text = "0.0008", .action = QUOTA_BLOCK};
    struct quota stored;
    struct err err = {0};
    const struct admission_prices callbacks = {
        .worst = prices_worst, .actual = prices_actual, .month = prices_month, .ctx = prices};
    const struct admission_options options = {.conninfo = database, .node_id = 1, .prices = &callbacks};
    int ran = 0;
    int refused = 0;
    ck_assert_msg(quota_put(pg, ACCOUNT, &quota, -1, &stored, &err) == 0, "%s", err.text);
    ck_assert_msg(admission_open(&options, &admission, &err) == 0, "%s", err.text);
    while (refused < 3) {
        struct usage_record record = random_record(&seed);
        const struct admission_request request = {.account_id = ACCOUNT,
                                                  .function_id = 1,
                                                  .memory_mib = (int)record.memory_mib,
                                                  .timeout_s = 1,
                                                  .reserved_concurrency = -1,
                                                  .flags = record.flags & USAGE_FLAG_ARM64,
                                                  .now_us = record.started_us};
        struct admission_ticket ticket;
        struct admission_refusal refusal;
        sem_t answered;
        ck_assert_int_eq(sem_init(&answered, 0, 0), 0);
        int rc = admission_reserve(admission, &request, &ticket, &refusal, post, &answered);
        if (rc == 2) {
            while (sem_wait(&answered) != 0) {
            }
        } else if (rc == 0) {
            admission_settle(admission, &ticket, &record);
            store(&record);
            ran++;
            ck_assert_int_le(month_picos(), stored.limit_units);
        } else {
            ck_assert_int_eq(refusal.reason, USAGE_REFUSED_SPEND);
            refused++;
        }
        sem_destroy(&answered);
    }
    ck_assert_int_gt(ran, 0);
    admission_close(&admission);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota_spend");
    TCase *tcase = tcase_create("spend");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, one_by_one_no_call_costs_more_than_was_held);
    tcase_add_test(tcase, the_limit_is_the_bill);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
