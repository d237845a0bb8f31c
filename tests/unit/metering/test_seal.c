/*
 * Goal:   a day's seal is the root over exactly its records; late records make another seal and leave the old one true;
 *         a proof leads from one record to the root of its month, and nothing else does.
 * Method: records through hook and aggregator into a real database; the root computed a second time from the rows in
 *         the test, by the text of the documentation; bits changed one by one.
 */
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/uuid.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/seal.h"
#include "metering/usage.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_US INT64_C(1763856000000000) /* 2025-11-23 */
#define MONTH_FROM_US (DAY_US - 22 * CALENDAR_DAY_US)
#define MONTH_TO_US (DAY_US + 8 * CALENDAR_DAY_US)
#define FLUSH_MS 20000
#define ACCOUNT INT64_C(100000000001)

static char dir[64];
static const char *conninfo;
static struct pg *pg;
static struct farthing_hook *hook;
static struct aggregator *aggregator;
static struct err err;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    conninfo = pgtest_database();
    const struct farthing_hook_options hook_options = {.dir = dir, .node_id = 7, .segment_records = 1024};
    const struct aggregator_options options = {
        .spool_dir = dir, .conninfo = conninfo, .batch_records_max = 64, .idle_wait_ms = 1};
    ck_assert_msg(farthing_hook_open(&hook_options, &hook, &err) == 0, "%s", err.text);
    ck_assert_msg(aggregator_start(&options, &aggregator, &err) == 0, "%s", err.text);
    ck_assert_msg(pg_open(conninfo, &pg, &err) == 0, "%s", err.text);
}

static void teardown(void)
{
    pg_close(&pg);
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, false);
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static void emit(int64_t account_id, int64_t started_us, int count)
{
    for (int i = 0; i < count; i++) {
        struct usage_record made = {
            .kind = USAGE_KIND_INVOCATION,
            .account_id = account_id,
            .function_id = 200000000001,
            .started_us = started_us + (int64_t)(i % 7) * 1000, /* several start in the same instant */
            .duration_us = (uint64_t)i * 1000 + 1,
            .billed_ms = (uint32_t)i + 1,
            .memory_mib = 128,
            .billed_requests = 1,
            .attempt = 1,
        };
        struct uuid id;
        uuid_random(&id);
        memcpy(made.request_id, id.bytes, sizeof made.request_id);
        ck_assert_int_eq(farthing_hook_emit(hook, &made), 0);
    }
    ck_assert_msg(aggregator_flush(aggregator, FLUSH_MS, &err) == 0, "%s", err.text);
}

static struct seal_result seal(void)
{
    struct seal_result result;
    ck_assert_msg(seal_days(pg, DAY_US, DAY_US + 2 * CALENDAR_DAY_US, &result, &err) == 0, "%s", err.text);
    return result;
}

static struct seal_month seals_of(int64_t account_id, int64_t as_of_us)
{
    struct seal_month month;
    ck_assert_msg(seal_month_get(pg, account_id, MONTH_FROM_US, MONTH_TO_US, as_of_us, &month, &err) == 0, "%s",
                  err.text);
    return month;
}

struct rows {
    struct usage_record items[512];
    int count;
};

static int keep(const struct usage_record *record, const char *name, void *ctx, struct err *e)
{
    struct rows *rows = ctx;
    (void)name;
    (void)e;
    ck_assert_int_lt(rows->count, 512);
    rows->items[rows->count++] = *record;
    return 0;
}

static struct rows rows_of(int64_t account_id, int64_t sealed_us)
{
    static struct rows rows;
    rows.count = 0;
    const struct usage_record_query query = {
        .account_id = account_id, .from_us = DAY_US, .to_us = DAY_US + CALENDAR_DAY_US, .sealed_us = sealed_us};
    ck_assert_msg(usage_records_run(pg, &query, keep, &rows, &err) == 0, "%s", err.text);
    return rows;
}

/* As a stranger would: from the text. */
static struct merkle_hash recomputed(const struct rows *rows)
{
    struct merkle tree = {0};
    for (int i = 0; i < rows->count; i++) {
        const struct usage_record *r = &rows->items[i];
        char text[PROOF_TEXT_BYTES];
        char hex[33];
        char started[CALENDAR_TEXT_BYTES];
        hex_encode(r->request_id, 16, hex);
        calendar_format_us(r->started_us, started);
        int length =
            snprintf(text, sizeof text,
                     "farthing-record-1,acct_%lld,fn_%lld,0,%s,%.8s-%.4s-%.4s-%.4s-%.12s,1,ok,%llu,0,%u,128,0,0,"
                     "0,1,0,0",
                     (long long)r->account_id, (long long)r->function_id, started, hex, hex + 8, hex + 12, hex + 16,
                     hex + 20, (unsigned long long)r->duration_us, r->billed_ms);
        struct merkle_hash leaf = merkle_leaf(text, (size_t)length);
        merkle_add(&tree, &leaf);
    }
    return merkle_root(&tree);
}

START_TEST(a_seal_is_the_root_over_the_records)
{
    emit(ACCOUNT, DAY_US + 5000000, 100);
    emit(ACCOUNT + 1, DAY_US + 5000000, 3);
    emit(ACCOUNT, DAY_US + CALENDAR_DAY_US, 5);
    struct seal_result result = seal();
    ck_assert_int_eq(result.accounts, 3);
    ck_assert_int_eq(result.records, 108);
    ck_assert_int_eq(result.doubtful_days, 0);
    struct seal_month month = seals_of(ACCOUNT, clock_wall_us());
    ck_assert_int_eq(month.days, 2);
    ck_assert_int_eq(month.records, 105);
    ck_assert_int_eq(month.day[0].day_us, DAY_US);
    ck_assert_int_eq(month.day[0].records, 100);
    struct rows rows = rows_of(ACCOUNT, 0);
    struct merkle_hash root = recomputed(&rows);
    ck_assert_mem_eq(&root, &month.day[0].root, sizeof root);
    /* Nothing changed: nothing is sealed again. */
    result = seal();
    ck_assert_int_eq(result.accounts, 0);
    month = seals_of(ACCOUNT + 2, clock_wall_us());
    ck_assert_int_eq(month.days, 0);
}
END_TEST

START_TEST(late_records_leave_the_old_seal_true)
{
    emit(ACCOUNT, DAY_US, 40);
    emit(ACCOUNT + 1, DAY_US, 40);
    ck_assert_int_eq(seal().accounts, 2);
    int64_t issued_us = clock_wall_us();
    struct seal_month before = seals_of(ACCOUNT, issued_us);
    emit(ACCOUNT, DAY_US, 9);
    struct seal_result again = seal();
    ck_assert_int_eq(again.accounts, 1);
    ck_assert_int_eq(again.records, 49);
    struct seal_month as_issued = seals_of(ACCOUNT, issued_us);
    struct seal_month now = seals_of(ACCOUNT, clock_wall_us());
    ck_assert_mem_eq(&as_issued.root, &before.root, sizeof before.root);
    ck_assert_int_eq(as_issued.records, 40);
    ck_assert_int_eq(now.records, 49);
    ck_assert_mem_ne(&now.root, &before.root, sizeof before.root);
    /* The records behind the old seal can still be told from the late ones. */
    struct rows rows = rows_of(ACCOUNT, issued_us);
    ck_assert_int_eq(rows.count, 40);
    struct merkle_hash root = recomputed(&rows);
    ck_assert_mem_eq(&root, &before.day[0].root, sizeof root);
    ck_assert_int_eq(rows_of(ACCOUNT, clock_wall_us()).count, 49);
}
END_TEST

START_TEST(a_proof_holds_for_its_record_only)
{
    emit(ACCOUNT, DAY_US, 77);
    emit(ACCOUNT, DAY_US + CALENDAR_DAY_US, 3);
    (void)seal();
    int64_t now_us = clock_wall_us();
    struct seal_month month = seals_of(ACCOUNT, now_us);
    struct rows rows = rows_of(ACCOUNT, 0);
    for (int i = 0; i < rows.count; i++) {
        struct seal_proof proof;
        ck_assert_msg(seal_prove(pg, &month, &rows.items[i], now_us, &proof, &err) == 0, "%s", err.text);
        ck_assert(seal_proof_holds(&proof));
        proof.record.billed_ms++;
        ck_assert(!seal_proof_holds(&proof));
        proof.record = rows.items[(i + 1) % rows.count];
        ck_assert(!seal_proof_holds(&proof));
        proof.record = rows.items[i];
        proof.month.root.bytes[3] ^= 4;
        ck_assert(!seal_proof_holds(&proof));
    }
    struct usage_record stranger = rows.items[0];
    struct seal_proof proof;
    stranger.request_id[0] ^= 1;
    ck_assert_int_eq(seal_prove(pg, &month, &stranger, now_us, &proof, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    stranger.started_us += 5 * CALENDAR_DAY_US;
    ck_assert_int_eq(seal_prove(pg, &month, &stranger, now_us, &proof, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

START_TEST(today_is_not_sealed)
{
    int64_t today_us = calendar_day_start(clock_wall_us());
    struct seal_result result;
    emit(ACCOUNT, today_us, 3);
    ck_assert_int_eq(seal_days(pg, today_us, today_us + CALENDAR_DAY_US, &result, &err), 0);
    ck_assert_int_eq(result.days, 0);
}
END_TEST

START_TEST(a_seal_cannot_be_changed_by_the_program)
{
    emit(ACCOUNT, DAY_US, 1);
    (void)seal();
    ck_assert_int_ne(pg_script(pg, "UPDATE usage_seal SET records = 2", &err), 0);
    ck_assert_int_ne(pg_script(pg, "DELETE FROM usage_seal", &err), 0);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("seal");
    TCase *tc = tcase_create("seal");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_seal_is_the_root_over_the_records);
    tcase_add_test(tc, late_records_leave_the_old_seal_true);
    tcase_add_test(tc, a_proof_holds_for_its_record_only);
    tcase_add_test(tc, today_is_not_sealed);
    tcase_add_test(tc, a_seal_cannot_be_changed_by_the_program);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
