/*
 * Goal:   an operator sees who uses most by compute and by requests, and whose monthly limits are near their end.
 * Method: rows of usage_hourly and quota written by SQL, answers known by construction.
 */
#include "api/operator_store.h"
#include "common/calendar.h"
#include "common/err.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct month OCTOBER = {2026, 10};

/* Accounts 1 to 6: n * 1000 invocations and (7 - n) * 1,024,000 MB-ms; account 7 was used in another month only. */
static struct pg *open_database(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    int rc = pg_open(pgtest_database(), &pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = pg_script(
        pg,
        "INSERT INTO account (account_id, name) SELECT n, 'a' || n FROM generate_series(1, 7) n;"
        "INSERT INTO usage_hourly SELECT n, '2026-10-05 10:00+00', 1, 0, 128, 0, 0, n * 1000, n * 1000, n, 0, 0, 0, 0, "
        "2 * n, 0, 1, (7 - n) * 1024000, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(1, 6) n;"
        "INSERT INTO usage_hourly SELECT 7, '2026-11-01 00:00+00', 1, 0, 128, 0, 0, 1, 1, 0, 0, 0, 0, 0, "
        "0, 0, 1, 9 * 1024000, 0, 0, 0, 0, 0, 0, 0, 0, 0;"
        /* Everybody has 5500 calls; a1 has 1000 of its own, a2 a limit of 0, a3 90 % of 4.5 GB-s and spend. */
        "INSERT INTO quota (account_id, name, limit_text, limit_units, action) VALUES "
        "(0, 'requests_per_month', '5500', 5500, 'block'), (1, 'requests_per_month', '1000', 1000, 'notify'), "
        "(2, 'requests_per_month', '0', 0, 'block'), (3, 'gb_seconds_per_month', '4.5', 4608000, 'block'), "
        "(3, 'spend_per_month', '2', 2000000000000, 'block'), (3, 'concurrency', '1', 1, 'block');"
        "INSERT INTO quota_period (account_id, name, period, used) VALUES "
        "(3, 'spend_per_month', '2026-10-01', 1990000000000), (3, 'spend_per_month', '2026-11-01', 2000000000000);",
        &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return pg;
}

struct seen {
    int count;
    int64_t accounts[16], numbers[16];
    char texts[16][64];
};

static int on_user(const struct operator_user *user, void *ctx, struct err *err)
{
    struct seen *seen = ctx;
    (void)err;
    ck_assert_int_eq(user->invocations, user->account_id * 1000);
    ck_assert_int_eq(user->errors, user->account_id);
    ck_assert_int_eq(user->throttles, 2 * user->account_id);
    ck_assert_str_eq(user->state, "active");
    seen->accounts[seen->count] = user->account_id;
    seen->numbers[seen->count++] = user->mb_ms;
    return 0;
}

START_TEST(most_compute_and_most_requests)
{
    struct pg *pg = open_database();
    struct seen seen = {0};
    struct err err = {0};
    int64_t from_us, to_us;
    struct operator_total total;
    month_range(OCTOBER, &from_us, &to_us);
    int rc = operator_store_users(pg, from_us, to_us, 2, on_user, &seen, &total, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(total.accounts, 6);
    ck_assert_int_eq(total.invocations, 21000);
    ck_assert_int_eq(total.errors, 21);
    ck_assert_int_eq(total.throttles, 42);
    ck_assert_int_eq(total.billed_ms, 6);
    ck_assert_int_eq(total.mb_ms, 21 * 1024000);
    ck_assert_int_eq(seen.count, 4); /* two by compute, two by requests */
    const int64_t expected[] = {1, 2, 5, 6};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(seen.accounts[i], expected[i]);
        ck_assert_int_eq(seen.numbers[i], (7 - expected[i]) * 1024000);
    }
    seen.count = 0;
    rc = operator_store_users(pg, from_us - 1, from_us, 2, on_user, &seen, &total, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(total.accounts, 0);
    ck_assert_int_eq(total.invocations, 0);
    ck_assert_int_eq(seen.count, 0);
    pg_close(&pg);
}
END_TEST

static int on_level(const struct operator_level *level, void *ctx, struct err *err)
{
    struct seen *seen = ctx;
    (void)err;
    seen->accounts[seen->count] = level->account_id;
    seen->numbers[seen->count] = level->percent;
    strncpy(seen->texts[seen->count], level->quota, sizeof seen->texts[0] - 1);
    seen->count++;
    return 0;
}

START_TEST(limits_near_their_end)
{
    static const struct {
        int64_t account, percent;
        const char *quota;
    } expected[] = {{6, 109, "requests_per_month"}, {1, 100, "requests_per_month"}, {2, 100, "requests_per_month"},
                    {3, 99, "spend_per_month"},     {5, 90, "requests_per_month"},  {3, 88, "gb_seconds_per_month"}};
    struct pg *pg = open_database();
    struct seen seen = {0};
    struct err err = {0};
    int64_t from_us, to_us;
    month_range(OCTOBER, &from_us, &to_us);
    int rc = operator_store_levels(pg, from_us, to_us, 80, 10, on_level, &seen, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(seen.count, 6);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(seen.accounts[i], expected[i].account);
        ck_assert_int_eq(seen.numbers[i], expected[i].percent);
        ck_assert_str_eq(seen.texts[i], expected[i].quota);
    }
    seen.count = 0;
    rc = operator_store_levels(pg, from_us, to_us, 89, 2, on_level, &seen, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(seen.count, 2);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("operator");
    TCase *tcase = tcase_create("store");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, most_compute_and_most_requests);
    tcase_add_test(tcase, limits_near_their_end);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
