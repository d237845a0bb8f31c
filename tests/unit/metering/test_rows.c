/*
 * Goal:   PostgreSQL reads back what rows.c writes: arrays of numbers, times and texts, empty ones, and an array of a
 * composite type. Method: bind them, ask for sums, extremes and members.
 */
#include "common/buf.h"
#include "common/err.h"
#include "metering/rows.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define AT_US INT64_C(1763856000000001)

static int take(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "value");
    return 0;
}

static int64_t ask(struct pg *pg, const struct pg_stmt *stmt, const struct buf *array)
{
    struct pg_param params[] = {PG_P_END, PG_P_END};
    struct err err = {0};
    if (array != NULL) {
        params[0] = PG_P_BYTES(array->data, array->length);
    }
    int64_t value = -1;
    ck_assert_msg(pg_run(pg, stmt, params, take, &value, NULL, &err) == 0, "%s", err.text);
    return value;
}

START_TEST(test_arrays)
{
    static const struct pg_stmt NUMBERS = {
        .name = "test.numbers", .sql = "SELECT sum(x)::int8 AS value FROM unnest($1::int8[]) x", .expect = PG_ONE_ROW};
    static const struct pg_stmt COUNT = {
        .name = "test.count", .sql = "SELECT count(*) AS value FROM unnest($1::int8[]) x", .expect = PG_ONE_ROW};
    static const struct pg_stmt TIMES = {
        .name = "test.times",
        .sql = "SELECT (extract(epoch FROM x) * 1000000)::int8 AS value FROM unnest($1::timestamptz[]) x",
        .expect = PG_ONE_ROW};
    static const struct pg_stmt TEXTS = {
        .name = "test.texts", .sql = "SELECT length(x) AS value FROM unnest($1::text[]) x", .expect = PG_ONE_ROW};
    struct pg *pg = NULL;
    struct err err = {0};
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    struct buf out = {0};
    rows_array_begin(&out, ROWS_INT8, 3);
    rows_array_i64(&out, INT64_MIN);
    rows_array_i64(&out, INT64_MAX);
    rows_array_i64(&out, 43);
    ck_assert_int_eq(ask(pg, &NUMBERS, &out), 42);
    buf_clear(&out);
    rows_array_begin(&out, ROWS_INT8, 0);
    ck_assert_int_eq(ask(pg, &COUNT, &out), 0);
    buf_clear(&out);
    rows_array_begin(&out, ROWS_TIMESTAMPTZ, 1);
    rows_array_time(&out, AT_US);
    ck_assert_int_eq(ask(pg, &TIMES, &out), AT_US);
    buf_clear(&out);
    rows_array_begin(&out, ROWS_TEXT, 1);
    rows_array_bytes(&out, "seven77", 7);
    ck_assert_int_eq(ask(pg, &TEXTS, &out), 7);
    buf_free(&out);
    pg_close(&pg);
}
END_TEST

/* The type rollup rows travel as: every field comes back as written, in the order of the type. */
START_TEST(test_composite)
{
    static const struct pg_stmt TYPE = {
        .name = "test.type", .sql = "SELECT 'usage_hourly_delta'::regtype::oid::int8 AS value", .expect = PG_ONE_ROW};
    static const struct pg_stmt CHECKED = {
        .name = "test.checked",
        .sql = "SELECT count(*) AS value FROM unnest($1::usage_hourly_delta[]) WITH ORDINALITY AS d WHERE "
               "account_id = 100 * ordinality AND extract(epoch FROM hour) * 1000000 = 1763856000000001 AND "
               "function_id = 3 AND provisioned = 7 AND invocations = 8 AND peak_kib_max = 26 AND latency = 10001",
        .expect = PG_ONE_ROW};
    static const uint8_t NUMBER[] = {0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1}; /* 1 * 10000 + 1 */
    struct pg *pg = NULL;
    struct err err = {0};
    struct buf out = {0};
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    rows_array_begin_of(&out, (uint32_t)ask(pg, &TYPE, NULL), 3);
    for (int64_t element = 1; element <= 3; element++) {
        size_t begun = rows_composite_begin(&out, 27);
        rows_composite_i64(&out, 100 * element);
        rows_composite_time(&out, AT_US);
        for (int64_t field = 3; field <= 26; field++) {
            rows_composite_i64(&out, field);
        }
        rows_composite_bytes(&out, ROWS_NUMERIC, NUMBER, sizeof NUMBER);
        rows_composite_end(&out, begun);
    }
    ck_assert_int_eq(ask(pg, &CHECKED, &out), 3);
    buf_free(&out);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rows");
    TCase *tc = tcase_create("rows");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_arrays);
    tcase_add_test(tc, test_composite);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
