/*
 * Goal:   what a month would cost under another book or with other memory is the bill's own arithmetic on the month's
 * usage. Method: rows of usage_hourly written by SQL, results computed by hand.
 */
#include "billing/cost.h"
#include "billing/price_book.h"
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)

static const struct month OCTOBER = {2026, 10};

/* 3 million requests of 120 ms at 1536 MB that used 71 MB at most; a few of another that were not measured. */
static struct pg *open_database(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    int rc = pg_open(pgtest_database(), &pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = price_book_seed(pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = pg_script(pg,
                   "INSERT INTO account (account_id, name) VALUES (100000000001, 'acme');"
                   "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'big'), "
                   "(100000000001, 2, 'unknown');"
                   "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-05 10:00+00'::timestamptz + n * interval "
                   "'1 hour', 1, 0, 1536, 0, 0, 30000, 30000, 0, 0, 0, 0, 0, 0, 0, 3600000, 5529600000, 0, 0, 0, 0, 0, "
                   "0, 30000 * 70000::int8, 72704, 0 FROM generate_series(0, 99) n;"
                   "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-05 10:00+00', 2, 0, 128, 0, 0, 0, 0, 0, 0, "
                   "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0",
                   &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return pg;
}

START_TEST(the_same_use_under_another_book)
{
    struct pg *pg = open_database();
    struct usage_totals totals;
    struct price_book *book = NULL;
    struct cost_sum sum;
    struct err err = {0};
    static const char TWICE[] =
        "{\"currency\":\"EUR\",\"meters\":{\"requests\":{\"bands\":[{\"price\":\"0.0000004\"}]}}}";
    ck_assert_int_eq(cost_usage(pg, ACCOUNT, OCTOBER, &totals, &err), 0);
    ck_assert_int_eq(totals.quantity[METER_REQUESTS], 3000000);
    ck_assert_int_eq(totals.quantity[METER_COMPUTE_X86], INT64_C(552960000000));
    ck_assert_int_eq(price_book_parse(TWICE, strlen(TWICE), &book, NULL, &err), 0);
    ck_assert_int_eq(cost_rate(book, &totals, &sum, &err), 0);
    ck_assert_int_eq(sum.net_minor, 120);
    ck_assert_str_eq(sum.currency.code, "EUR");
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

static int on_memory(const struct cost_memory *memory, void *ctx, struct err *err)
{
    int *count = ctx;
    char text[MONEY_TEXT_BYTES];
    (void)err;
    (*count)++;
    if (memory->function_id == 1) {
        ck_assert_str_eq(memory->function_name, "big");
        ck_assert_int_eq(memory->memory_mib, 1536);
        ck_assert_int_eq(memory->peak_max_kib, 72704);
        ck_assert_int_eq(memory->peak_mean_kib, 70000);
        ck_assert_int_eq(memory->needed_mib, 128);
        /* 540,000 GB-s become 45,000, which are free: all 2.333338 are saved. */
        exact_format(memory->saving, text);
        ck_assert_str_eq(text, "2.333338");
    } else {
        ck_assert_int_eq(memory->needed_mib, 128);
        ck_assert(memory->saving.value == 0);
    }
    return 0;
}

static int take_saving(const struct cost_memory *memory, void *ctx, struct err *err)
{
    (void)err;
    *(struct exact *)ctx = memory->function_id == 1 ? memory->saving : *(struct exact *)ctx;
    return 0;
}

START_TEST(memory_that_is_enough)
{
    struct pg *pg = open_database();
    struct price_book *book = NULL;
    struct err err = {0};
    int64_t version = 0;
    int64_t from_us, to_us;
    int count = 0;
    month_range(OCTOBER, &from_us, &to_us);
    ck_assert_int_eq(price_book_load(pg, ACCOUNT, from_us, &book, &version, &err), 0);
    int rc = cost_memory_list(pg, ACCOUNT, OCTOBER, book, on_memory, &count, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(count, 2);
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

/* Half of its calls ran on provisioned concurrency: 552,960 MB*ms x 10^6 are 540,000 GB-s each, 45,000 with 128 MB; 100
 * instances for a whole day with 1536 MB are 13,271,040,000,000 MB*ms, a twelfth of that with 128. */
START_TEST(what_is_provisioned_shrinks_too)
{
    static const char PRICES[] =
        "{\"currency\":\"USD\",\"meters\":{\"compute_x86_64\":{\"bands\":[{\"price\":\"0.1\"}]},"
        "\"provisioned_compute_x86_64\":{\"bands\":[{\"price\":\"0.01\"}]},"
        "\"provisioned_concurrency_x86_64\":{\"bands\":[{\"price\":\"0.001\"}]}}}";
    struct pg *pg = open_database();
    struct price_book *book = NULL;
    struct err err = {0};
    struct exact saving = {0};
    char text[MONEY_TEXT_BYTES];
    int rc = pg_script(pg,
                       "INSERT INTO usage_hourly SELECT account_id, hour, function_id, version, memory_mib, arch, 1, "
                       "invocations, billed_requests, 0, 0, 0, 0, 0, 0, 0, billed_ms, mb_ms, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
                       "FROM usage_hourly WHERE function_id = 1;"
                       "INSERT INTO provisioned_period (account_id, function_id, version, starts_at, ends_at, "
                       "memory_mib, arch, instances) VALUES "
                       "(100000000001, 1, 0, '2026-10-05', '2026-10-06', 1536, 0, 100)",
                       &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(price_book_parse(PRICES, strlen(PRICES), &book, NULL, &err), 0);
    ck_assert_int_eq(cost_memory_list(pg, ACCOUNT, OCTOBER, book, take_saving, &saving, &err), 0);
    /* 495,000 GB-s x 0.1 + 495,000 x 0.01 + 12,960,000 x 11/12 x 0.001 = 49,500 + 4,950 + 11,880 */
    exact_format(saving, text);
    ck_assert_str_eq(text, "66330");
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

START_TEST(needed_memory_has_a_margin)
{
    ck_assert_int_eq(cost_needed_mib(1), 128);
    ck_assert_int_eq(cost_needed_mib(100 * 1024), 128);   /* 120 */
    ck_assert_int_eq(cost_needed_mib(107 * 1024), 192);   /* 128.4 */
    ck_assert_int_eq(cost_needed_mib(1000 * 1024), 1216); /* 1200 */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/cost");
    TCase *tcase = tcase_create("cost");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, the_same_use_under_another_book);
    tcase_add_test(tcase, memory_that_is_enough);
    tcase_add_test(tcase, what_is_provisioned_shrinks_too);
    tcase_add_test(tcase, needed_memory_has_a_margin);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
