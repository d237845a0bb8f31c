/*
 * Goal:   buckets tile the durations within the stated error; histograms survive PostgreSQL and add up there.
 * Method: bounds of every bucket, random counts through a real numeric and SUM().
 */
#include "common/buf.h"
#include "common/err.h"
#include "metering/latency.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_buckets_tile)
{
    uint64_t low = 0;
    for (unsigned b = 0; b < LATENCY_BUCKETS - 1; b++) {
        uint64_t bound = latency_bound_us(b);
        ck_assert_uint_eq(latency_bucket(low), b);
        ck_assert_uint_eq(latency_bucket(bound - 1), b);
        ck_assert(b == 0 || (bound - low) * 8 <= low); /* at most 12.5 % above any value inside */
        low = bound;
    }
    ck_assert_uint_eq(low, LATENCY_TOP_US);
    ck_assert_uint_eq(latency_bucket(LATENCY_TOP_US), LATENCY_BUCKETS - 1);
    ck_assert_uint_eq(latency_bucket(UINT64_MAX), LATENCY_BUCKETS - 1);
    ck_assert_uint_eq(latency_bound_us(LATENCY_BUCKETS - 1), LATENCY_TOP_US);
}
END_TEST

START_TEST(test_percentiles)
{
    struct latency latency = {0};
    ck_assert_int_eq(latency_percentile_us(&latency, 500), 0);
    latency.counts[latency_bucket(100)] = 50;
    latency.counts[latency_bucket(1000)] = 45;
    latency.counts[latency_bucket(50000)] = 5;
    ck_assert_int_eq(latency_percentile_us(&latency, 500), (int64_t)latency_bound_us(latency_bucket(100)));
    ck_assert_int_eq(latency_percentile_us(&latency, 501), (int64_t)latency_bound_us(latency_bucket(1000)));
    ck_assert_int_eq(latency_percentile_us(&latency, 950), (int64_t)latency_bound_us(latency_bucket(1000)));
    ck_assert_int_eq(latency_percentile_us(&latency, 990), (int64_t)latency_bound_us(latency_bucket(50000)));
    ck_assert_int_eq(latency_percentile_us(&latency, 0), (int64_t)latency_bound_us(latency_bucket(100)));
}
END_TEST

#define SAMPLES 2000

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Durations from microseconds to an hour: what is said is never below the true percentile, nor an eighth above it. */
START_TEST(test_percentiles_are_as_exact_as_stated)
{
    static const unsigned PER_MILLE[] = {1, 500, 900, 950, 990, 999, 1000};
    uint64_t samples[SAMPLES];
    struct latency latency = {0};
    uint64_t random = 88172645463325252u + (uint64_t)_i;
    for (size_t i = 0; i < SAMPLES; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        samples[i] = (random >> 32) >> (random % 26);
        latency.counts[latency_bucket(samples[i])]++;
    }
    qsort(samples, SAMPLES, sizeof *samples, compare);
    for (size_t i = 0; i < sizeof PER_MILLE / sizeof PER_MILLE[0]; i++) {
        uint64_t exact = samples[(SAMPLES * PER_MILLE[i] + 999) / 1000 - 1];
        uint64_t said = (uint64_t)latency_percentile_us(&latency, PER_MILLE[i]);
        ck_assert_uint_ge(said, exact);
        ck_assert_uint_le(said, exact < 64 ? 64 : exact + exact / 8);
    }
}
END_TEST

static int keep_latency(const struct pg_row *row, void *ctx, struct err *err)
{
    return latency_decode(pg_get_text(row, "sum"), ctx, err);
}

START_TEST(test_postgresql_adds_them)
{
    static const struct pg_stmt SUM = {.name = "test.sum",
                                       .sql = "SELECT ($1::numeric + $2::numeric + $1::numeric)::text AS sum",
                                       .expect = PG_ONE_ROW};
    uint32_t counts[2][LATENCY_BUCKETS] = {{0}, {0}};
    struct latency expected = {0};
    struct latency got;
    struct buf bytes[2] = {{0}, {0}};
    struct pg *pg = NULL;
    struct err err = {0};
    unsigned low[2] = {LATENCY_BUCKETS, LATENCY_BUCKETS};
    unsigned high[2] = {0, 0};
    srand((unsigned)_i);
    for (unsigned k = 0; k < 2; k++) {
        for (int n = 0; n < _i; n++) {
            unsigned b = (unsigned)rand() % LATENCY_BUCKETS;
            counts[k][b] = (uint32_t)rand() >> (rand() % 30);
            low[k] = b < low[k] ? b : low[k];
            high[k] = b > high[k] ? b : high[k];
        }
        latency_encode(counts[k], low[k], high[k], &bytes[k]);
        for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
            expected.counts[b] += (uint64_t)counts[k][b] * (k == 0 ? 2 : 1);
        }
    }
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    const struct pg_param params[] = {PG_P_BYTES(bytes[0].data, bytes[0].length),
                                      PG_P_BYTES(bytes[1].data, bytes[1].length), PG_P_END};
    ck_assert_msg(pg_run(pg, &SUM, params, keep_latency, &got, NULL, &err) == 0, "%s", err.text);
    ck_assert_mem_eq(&got, &expected, sizeof got);
    pg_close(&pg);
    buf_free(&bytes[0]);
    buf_free(&bytes[1]);
}
END_TEST

START_TEST(test_bad_text)
{
    static const char *const BAD[] = {"", "-1", "1.5", "x", " 1"};
    struct latency latency;
    struct err err = {0};
    ck_assert_int_eq(latency_decode(BAD[_i], &latency, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("latency");
    TCase *tc = tcase_create("latency");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_buckets_tile);
    tcase_add_test(tc, test_percentiles);
    tcase_add_loop_test(tc, test_percentiles_are_as_exact_as_stated, 0, 20);
    tcase_add_loop_test(tc, test_postgresql_adds_them, 0, 12);
    tcase_add_loop_test(tc, test_bad_text, 0, 5);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
