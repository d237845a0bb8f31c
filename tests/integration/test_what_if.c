/*
 * Goal:   what a month would cost with other steps of rounding, other rules for initialisation or other memory comes
 * from every record by itself, is exact, and says which records were gone. Method: a few records whose results are
 * computed by hand below; some thousand random ones against an oracle that divides in numeric and shares no code with
 * the program; days dropped as retention drops them. FARTHING_WHAT_IF_SEED chooses the random ones.
 */
#include "billing/cost.h"
#include "billing/price_book.h"
#include "billing/what_if.h"
#include "common/err.h"
#include "schema/partition.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)
#define OCTOBER_5_US INT64_C(1791158400000000)

static const struct month OCTOBER = {2026, 10};

/* Steps of 1 ms with initialisation until the 10th; of 100 ms without; from the 20th of 1 ms, for own runtimes with. */
static const char BOOK[] =
    "{\"currency\":\"USD\",\"policy\":[{\"from\":\"2026-10-10\",\"grain_ms\":100,\"bill_init\":false},"
    "{\"from\":\"2026-10-20\",\"grain_ms\":1,\"bill_init\":[\"provided\"]}],"
    "\"meters\":{\"requests\":{\"bands\":[{\"price\":\"0.0000002\"}]},"
    "\"compute_x86_64\":{\"bands\":[{\"price\":\"0.0000166667\"}]},"
    "\"compute_arm64\":{\"bands\":[{\"price\":\"0.0000133334\"}]},"
    "\"provisioned_compute_x86_64\":{\"bands\":[{\"price\":\"0.0000097222\"}]},"
    "\"provisioned_concurrency_x86_64\":{\"bands\":[{\"price\":\"0.0000041667\"}]},"
    "\"ephemeral_storage\":{\"bands\":[{\"price\":\"0.0000000309\"}]}}}";

/* The rollups of whatever records there are. */
static const char ROLLUPS[] =
    "INSERT INTO usage_hourly SELECT account_id, date_trunc('hour', started_at), function_id, version, memory_mib, "
    "flags >> 3 & 1, flags >> 2 & 1, count(*), sum(billed_requests), 0, 0, 0, 0, 0, 0, 0, sum(billed_ms), "
    "sum(memory_mib::int8 * billed_ms), sum(greatest(ephemeral_mib - 512, 0)::int8 * billed_ms), 0, sum(duration_us), "
    "sum(init_us), 0, 0, 0, 0, 0 FROM usage_record GROUP BY 1, 2, 3, 4, 5, 6, 7";

static void script(struct pg *pg, const char *sql)
{
    struct err err = {0};
    int rc = pg_script(pg, sql, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static struct pg *open_database(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    int rc = pg_open(pgtest_database(), &pg, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    script(pg, "INSERT INTO account (account_id, name) VALUES (100000000001, 'acme'), (100000000002, 'other');"
               "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'own'), "
               "(100000000001, 2, 'node');"
               "INSERT INTO function_version (account_id, function_id, version, runtime, handler, memory_mib, "
               "timeout_s, code_sha256, code_bytes) VALUES "
               "(100000000001, 1, 0, 'provided.al2023', 'h', 128, 3, '', 0), "
               "(100000000001, 2, 0, 'nodejs20.x', 'h', 128, 3, '', 0);"
               "SELECT usage_partition_ensure('2026-09-30', '2026-11-01')");
    return pg;
}

/* One record a row: day of October, function, duration, init, billed ms, memory, /tmp, flags. */
static void record(struct pg *pg, const char *rows)
{
    char sql[4000];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO usage_record SELECT 100000000001, '2026-10-01'::timestamptz + (d - 1) * interval '1 "
        "day' + interval '10 hours', f, gen_random_uuid(), duration, init, 0, 0, 1, 1, billed, memory, 0, 0, "
        "tmp, 1, 0, 1, 1, 0, flags FROM (VALUES %s) v (d, f, duration, init, billed, memory, tmp, flags)",
        rows);
    script(pg, sql);
}

/* Records can be added and dropped by day, never deleted. */
static void forget(struct pg *pg)
{
    script(pg,
           "DELETE FROM usage_hourly; SELECT usage_partition_drop(d::date) FROM generate_series('2026-10-01'::date, "
           "'2026-10-31', '1 day') d; SELECT usage_partition_ensure('2026-10-01', '2026-10-31')");
}

static struct price_book *book_of(const char *json)
{
    struct price_book *book = NULL;
    struct err err = {0};
    int rc = price_book_parse(json, strlen(json), &book, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return book;
}

static struct what_if_usage ask(struct pg *pg, const struct what_if *what_if)
{
    struct what_if_usage usage;
    struct err err = {0};
    struct price_book *book = book_of(BOOK);
    int rc = what_if_usage(pg, ACCOUNT, OCTOBER, book, what_if, &usage, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    price_book_free(&book);
    return usage;
}

#define X86(usage) ((usage).totals.quantity[METER_COMPUTE_X86])

/*
 * On the 5th, steps of 1 ms with init: 0.5 ms -> 1; 100 ms -> 100; 100.001 ms -> 101; 30 ms + 80 ms init -> 110.
 * 128 MB each: 312 ms = 39,936. In steps of 100: 100, 100, 200, 200 = 600 ms = 76,800; without init the last is 30 ->
 * 100: 64,000; without init in steps of 1: 1 + 100 + 101 + 30 = 232 ms = 29,696.
 */
START_TEST(steps_by_hand)
{
    struct pg *pg = open_database();
    struct price_book *book = book_of(BOOK);
    struct cost_sum sum;
    struct err err = {0};
    char text[MONEY_TEXT_BYTES];
    record(pg, "(5, 1, 500, 0, 1, 128, 512, 0), (5, 1, 100000, 0, 100, 128, 512, 0), "
               "(5, 1, 100001, 0, 101, 128, 512, 0), (5, 1, 30000, 80000, 110, 128, 512, 1)");
    script(pg, ROLLUPS);
    struct what_if_usage usage = ask(pg, &(struct what_if){.grain_ms = 100});
    ck_assert_int_eq(X86(usage), 76800);
    ck_assert_int_eq(usage.now.quantity[METER_COMPUTE_X86], 39936);
    ck_assert_int_eq(usage.totals.quantity[METER_REQUESTS], 4);
    ck_assert_int_eq(usage.rounded, 4);
    ck_assert_int_eq(usage.as_billed, 0);
    /* 4 x 0.0000002 + 76,800 / 1,024,000 GB-s x 0.0000166667 = 0.0000008 + 0.075 x 0.0000166667 */
    ck_assert_int_eq(cost_rate(book, &usage.totals, &sum, &err), 0);
    exact_format(sum.exact, text);
    ck_assert_str_eq(text, "0.0000020500025");
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.grain_ms = 1})), 39936);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.grain_ms = 100, .init = WHAT_IF_INIT_FREE})), 64000);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.init = WHAT_IF_INIT_FREE})), 29696);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.init = WHAT_IF_INIT_BILLED})), 39936);
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

/*
 * On the 12th (steps of 100, init free) 10 ms with 50 ms init were billed 100 ms either way: the policy says free, so 1
 * ms steps give 10. On the 20th the own runtime paid for init, 60 ms, and the Node function did not, 10 ms: that shows
 * in the records. On provisioned concurrency there is none to bill.
 */
START_TEST(the_policy_that_was_in_force)
{
    struct pg *pg = open_database();
    record(pg, "(12, 1, 10000, 50000, 100, 128, 512, 1)");
    script(pg, ROLLUPS);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.grain_ms = 1})), 10 * 128);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.grain_ms = 1, .init = WHAT_IF_INIT_BILLED})), 60 * 128);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.init = WHAT_IF_INIT_BILLED})), 100 * 128);
    forget(pg);
    record(pg, "(20, 1, 10000, 50000, 60, 128, 512, 1), (21, 2, 10000, 50000, 10, 128, 512, 1)");
    script(pg, ROLLUPS);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.grain_ms = 1})), 70 * 128);
    ck_assert_int_eq(X86(ask(pg, &(struct what_if){.grain_ms = 20})), (60 + 20) * 128);
    forget(pg);
    record(pg, "(5, 1, 10000, 50000, 10, 128, 512, 5)");
    script(pg, ROLLUPS);
    struct what_if_usage usage = ask(pg, &(struct what_if){.grain_ms = 20, .init = WHAT_IF_INIT_BILLED});
    ck_assert_int_eq(usage.totals.quantity[METER_PROVISIONED_COMPUTE_X86], 20 * 128);
    ck_assert_int_eq(X86(usage), 0);
    pg_close(&pg);
}
END_TEST

/* The runtime decides only where rounding hides what was billed: steps of 100 ms, 10 + 50 ms were billed 100. */
START_TEST(the_runtime_decides_what_rounding_hides)
{
    static const char SOME[] = "{\"currency\":\"USD\",\"policy\":[{\"from\":\"2026-01-01\",\"grain_ms\":100,"
                               "\"bill_init\":[\"dotnet\",\"provided\"]}],\"meters\":{}}";
    static const struct what_if ONE = {.grain_ms = 1};
    struct pg *pg = open_database();
    struct price_book *book = book_of(SOME);
    struct what_if_usage usage;
    struct err err = {0};
    record(pg, "(12, 1, 10000, 50000, 100, 128, 512, 1), (12, 2, 10000, 50000, 100, 256, 512, 1)");
    script(pg, ROLLUPS);
    ck_assert_int_eq(what_if_usage(pg, ACCOUNT, OCTOBER, book, &ONE, &usage, &err), 0);
    ck_assert_int_eq(X86(usage), 60 * 128 + 10 * 256);
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

/* Memory: 1,000 ms at 1,536 MB become 1,000 ms at 512. What is provisioned goes along, /tmp and requests do not. */
START_TEST(other_memory_by_hand)
{
    struct pg *pg = open_database();
    record(pg, "(5, 1, 1000000, 0, 1000, 1536, 1024, 0), (6, 1, 1000000, 0, 1000, 1536, 512, 4), "
               "(6, 2, 1000000, 0, 1000, 1536, 512, 0), (6, 1, 1000000, 0, 1000, 1536, 512, 8)");
    script(pg, ROLLUPS);
    script(pg,
           "INSERT INTO provisioned_period (account_id, function_id, version, starts_at, ends_at, memory_mib, arch, "
           "instances) VALUES (100000000001, 1, 1, '2026-10-05', '2026-10-05 00:07', 1536, 0, 3)");
    struct what_if_usage usage = ask(pg, &(struct what_if){.function_id = 1, .memory_mib = 512});
    ck_assert_int_eq(X86(usage), 1000 * (512 + 1536));
    ck_assert_int_eq(usage.totals.quantity[METER_COMPUTE_ARM], 1000 * 512);
    ck_assert_int_eq(usage.totals.quantity[METER_PROVISIONED_COMPUTE_X86], 1000 * 512);
    ck_assert_int_eq(usage.totals.quantity[METER_PROVISIONED_X86], INT64_C(2) * 3 * 512 * 300000); /* 7 min: 2 steps */
    ck_assert_int_eq(usage.now.quantity[METER_PROVISIONED_X86], INT64_C(2) * 3 * 1536 * 300000);
    ck_assert_int_eq(usage.totals.quantity[METER_EPHEMERAL_STORAGE], 512 * 1000);
    ck_assert_int_eq(usage.totals.quantity[METER_REQUESTS], 4);
    ck_assert_int_eq(usage.as_billed, 4);
    usage = ask(pg, &(struct what_if){.grain_ms = 300, .function_id = 1, .memory_mib = 512});
    ck_assert_int_eq(X86(usage), 1200 * (512 + 1536));
    ck_assert_int_eq(usage.totals.quantity[METER_EPHEMERAL_STORAGE], 512 * 1200);
    pg_close(&pg);
}
END_TEST

/* A day that retention took counts as it was billed, and is said; when nothing is left there is no answer. */
START_TEST(records_that_are_gone)
{
    static const struct what_if HUNDRED = {.grain_ms = 100};
    struct pg *pg = open_database();
    struct price_book *book = book_of(BOOK);
    struct what_if_usage usage = {.rounded = -7};
    struct err err = {0};
    bool dropped = false;
    record(pg, "(5, 1, 7000, 0, 7, 128, 512, 0), (5, 1, 7000, 0, 7, 128, 512, 0), (6, 1, 7000, 0, 7, 128, 512, 0)");
    script(pg, ROLLUPS);
    ck_assert_int_eq(partition_drop(pg, OCTOBER_5_US, &dropped, &err), 0);
    ck_assert(dropped);
    usage = ask(pg, &HUNDRED);
    ck_assert_int_eq(usage.rounded, 1);
    ck_assert_int_eq(usage.as_billed, 2);
    ck_assert_int_eq(X86(usage), (100 + 7 + 7) * 128);
    ck_assert_int_eq(usage.totals.quantity[METER_REQUESTS], 3);
    /* A day of which only a part is there counts as it was billed as well. */
    record(pg, "(7, 1, 7000, 0, 7, 128, 512, 0)");
    script(
        pg,
        "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-07', 1, 0, 128, 0, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0, 14, "
        "14 * 128, 0, 0, 14000, 0, 0, 0, 0, 0, 0");
    usage = ask(pg, &HUNDRED);
    ck_assert_int_eq(usage.as_billed, 4);
    ck_assert_int_eq(X86(usage), (100 + 7 + 7 + 7 + 7) * 128);
    script(pg, "SELECT usage_partition_drop('2026-10-06'), usage_partition_drop('2026-10-07')");
    usage.rounded = -7;
    ck_assert_int_eq(what_if_usage(pg, ACCOUNT, OCTOBER, book, &HUNDRED, &usage, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_str_eq(err.text, "the records of 2026-10 are no longer kept; what was rounded cannot be rounded again");
    ck_assert_int_eq(usage.rounded, -7);
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

START_TEST(too_many_records_are_refused_before_reading)
{
    static const struct what_if HUNDRED = {.grain_ms = 100};
    struct pg *pg = open_database();
    struct price_book *book = book_of(BOOK);
    struct what_if_usage usage;
    struct err err = {0};
    script(pg,
           "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-05', 1, 0, 128, 0, 0, 20000001, 0, 0, 0, 0, 0, 0, "
           "0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0");
    ck_assert_int_eq(what_if_usage(pg, ACCOUNT, OCTOBER, book, &HUNDRED, &usage, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_str_eq(err.field, "grain");
    ck_assert_str_eq(err.text, "the month has 20000001 records; at most 20000000 are rounded again in one question");
    price_book_free(&book);
    pg_close(&pg);
}
END_TEST

/* ---- against numeric ---- */

/* Made as the program makes them: by the policies of BOOK; another account's and another month's are not to count. */
static const char RANDOM_RECORDS[] =
    "INSERT INTO usage_record SELECT CASE WHEN n % 10 = 0 THEN 100000000002 ELSE 100000000001 END, at, f, "
    "gen_random_uuid(), duration, init, 0, 0, 1, n, ceil((duration + CASE WHEN at < '2026-10-10' OR "
    "(at >= '2026-10-20' AND f = 1) THEN init ELSE 0 END)::numeric / (g * 1000)) * g, (ARRAY[128, 129, 1536, "
    "10240])[m], "
    "0, 0, 512 + tmp, 1, 0, 1, 1, 0, (init > 0)::int + 8 * arm + CASE WHEN init = 0 AND pc THEN 4 ELSE 0 END "
    "FROM (SELECT n, at, 1 + (random() * 1)::int AS f, CASE WHEN random() < 0.2 THEN (random() * 500)::int8 * 1000 "
    "ELSE (random() * 3000000)::int8 END AS duration, CASE WHEN random() < 0.3 THEN (random() * 400000)::int8 ELSE 0 "
    "END AS init, 1 + (random() * 3)::int AS m, (random() * 700)::int AS tmp, (random())::int AS arm, "
    "random() < 0.1 AS pc, CASE WHEN at >= '2026-10-10' AND at < '2026-10-20' THEN 100 ELSE 1 END AS g "
    "FROM (SELECT n, '2026-09-30 12:00+00'::timestamptz + random() * interval '32 days' AS at "
    "FROM generate_series(1, 6000) n) t) r";

static const struct pg_stmt ORACLE = {
    .name = "what_if_oracle",
    .sql = "SELECT q.m AS meter, sum(q.v)::text AS sum FROM (SELECT memory_mib, ephemeral_mib, flags & 8 <> 0 AS arm, "
           "flags & 4 <> 0 AS pc, ceil((duration_us + CASE WHEN CASE $2::int8 WHEN 1 THEN flags & 4 = 0 WHEN 2 THEN "
           "false ELSE started_at < '2026-10-10' OR (started_at >= '2026-10-20' AND function_id = 1) END THEN init_us "
           "ELSE 0 END)::numeric / 1000 / w.g) * w.g AS ms FROM usage_record, LATERAL (SELECT CASE WHEN $1::int8 > 0 "
           "THEN $1::int8 WHEN started_at >= '2026-10-10' AND started_at < '2026-10-20' THEN 100 ELSE 1 END AS g) w "
           "WHERE account_id = 100000000001 AND started_at >= '2026-10-01' AND started_at < '2026-11-01') r, LATERAL "
           "(VALUES (0, 1::numeric), (CASE WHEN arm AND pc THEN 4 WHEN pc THEN 3 WHEN arm THEN 2 ELSE 1 END, "
           "memory_mib * ms), (7, greatest(ephemeral_mib - 512, 0) * ms)) q (m, v) GROUP BY 1 ORDER BY 1",
    .expect = PG_ANY_ROWS,
};

struct compared {
    const struct usage_totals *totals;
    int count;
};

static int on_sum(const struct pg_row *row, void *ctx, struct err *err)
{
    struct compared *compared = ctx;
    char own[32];
    (void)err;
    int64_t meter = pg_get_i64(row, "meter");
    (void)snprintf(own, sizeof own, "%" PRId64, compared->totals->quantity[meter]);
    ck_assert_msg(strcmp(own, pg_get_text(row, "sum")) == 0, "meter %" PRId64 ": %s, and the oracle %s", meter, own,
                  pg_get_text(row, "sum"));
    compared->count++;
    return 0;
}

START_TEST(random_records_against_numeric)
{
    static const int64_t GRAINS[] = {0, 1, 7, 100, 1000, 60000};
    struct pg *pg = open_database();
    const char *seed = getenv("FARTHING_WHAT_IF_SEED");
    char sql[64];
    (void)snprintf(sql, sizeof sql, "SELECT setseed(%d / 1000.0)",
                   seed != NULL ? (int)(strtol(seed, NULL, 10) % 1000) : 1);
    script(pg, sql);
    script(pg, RANDOM_RECORDS);
    script(pg, ROLLUPS);
    for (size_t g = 0; g < sizeof GRAINS / sizeof GRAINS[0]; g++) {
        for (int init = 0; init < 3; init++) {
            const struct what_if what_if = {.grain_ms = GRAINS[g], .init = (enum what_if_init)init};
            const struct pg_param params[] = {PG_P_I64(GRAINS[g]), PG_P_I64(init), PG_P_END};
            struct what_if_usage usage = ask(pg, &what_if);
            struct compared compared = {.totals = &usage.totals};
            struct err err = {0};
            int rc = pg_run(pg, &ORACLE, params, on_sum, &compared, NULL, &err);
            ck_assert_msg(rc == 0, "%s", err.text);
            ck_assert_int_eq(compared.count, 6);
        }
    }
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/what_if");
    TCase *tcase = tcase_create("what_if");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, steps_by_hand);
    tcase_add_test(tcase, the_policy_that_was_in_force);
    tcase_add_test(tcase, the_runtime_decides_what_rounding_hides);
    tcase_add_test(tcase, other_memory_by_hand);
    tcase_add_test(tcase, records_that_are_gone);
    tcase_add_test(tcase, too_many_records_are_refused_before_reading);
    tcase_add_test(tcase, random_records_against_numeric);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
