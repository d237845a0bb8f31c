/*
 * Goal:   an issued invoice stays what it was, whatever comes later: late records are corrections on the next one, a
 *         void gives its credits back, a credit note takes every line back. Credits are used in order and not twice.
 * Method: records through hook and aggregator for September and October, months closed for real, bills read back.
 * Length: the life of an invoice shares its records, months and accounts; two files would make them twice.
 */
#include "billing/bill.h"
#include "billing/close.h"
#include "billing/credit.h"
#include "billing/invoice.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/uuid.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/record.h"
#include "reports/report.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)
#define FLUSH_MS 30000

static const struct month SEPTEMBER = {2026, 9};
static const struct month OCTOBER = {2026, 10};
static char dir[64];
static struct pg *pg;
static struct pg *owner;
static struct farthing_hook *hook;
static struct aggregator *aggregator;
static struct err err;

static void setup(void)
{
    const char *conninfo = pgtest_database();
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    const struct farthing_hook_options hook_options = {.dir = dir, .node_id = 7, .segment_records = 1024};
    const struct aggregator_options options = {.spool_dir = dir, .conninfo = conninfo, .idle_wait_ms = 1};
    ck_assert_msg(farthing_hook_open(&hook_options, &hook, &err) == 0, "%s", err.text);
    ck_assert_msg(aggregator_start(&options, &aggregator, &err) == 0, "%s", err.text);
    ck_assert_msg(pg_open(conninfo, &pg, &err) == 0, "%s", err.text);
    ck_assert_msg(pg_open_owner(conninfo, &owner, &err) == 0, "%s", err.text);
    ck_assert_msg(price_book_seed(pg, &err) == 0, "%s", err.text);
    int rc = pg_script(owner,
                       "INSERT INTO account (account_id, name, display_name) VALUES (100000000001, 'acme', 'Acme');"
                       "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'thumb'), "
                       "(100000000001, 2, 'pdf');"
                       "INSERT INTO price_override (account_id, effective_from, version, body) VALUES "
                       "(100000000001, '2026-01-01 00:00+00', 1, '{\"free\":[]}')",
                       &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static void teardown(void)
{
    pg_close(&pg);
    pg_close(&owner);
    farthing_hook_close(&hook);
    aggregator_stop(&aggregator, false);
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

/* 9,000 GB-s each: 0.1500003 USD. */
static void use_it(struct month month, int64_t function_id, int count)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    for (int i = 0; i < count; i++) {
        struct usage_record made = {
            .kind = USAGE_KIND_INVOCATION,
            .account_id = ACCOUNT,
            .function_id = function_id,
            .started_us = from_us + (int64_t)(i % 20) * CALENDAR_DAY_US + 7,
            .duration_us = 900000000,
            .billed_ms = 900000,
            .memory_mib = 10240,
            .billed_requests = 1,
            .attempt = 1,
        };
        struct uuid id;
        uuid_random(&id);
        memcpy(made.request_id, id.bytes, sizeof made.request_id);
        ck_assert_int_eq(farthing_hook_emit(hook, &made), FARTHING_HOOK_OK);
    }
    ck_assert_msg(aggregator_flush(aggregator, FLUSH_MS, &err) == 0, "%s", err.text);
}

static struct close_result close_it(struct month month)
{
    struct close_result result;
    const struct close_options options = {.month = month};
    ck_assert_msg(close_month(pg, &options, &result, &err) == 0, "%s", err.text);
    return result;
}

static struct bill *bill_of(struct month month)
{
    struct bill *bill = NULL;
    ck_assert_msg(bill_load(pg, ACCOUNT, month, BILL_SPLIT_FUNCTION, &bill, &err) == 0, "%s", err.text);
    return bill;
}

static int64_t total_of(struct month month)
{
    struct bill *bill = bill_of(month);
    int64_t total = bill->total_minor;
    bill_free(&bill);
    return total;
}

static int collect(const void *bytes, size_t length, void *ctx, struct err *e)
{
    (void)e;
    buf_append(ctx, bytes, length);
    return 0;
}

static struct buf file_of(struct month month, enum report_layout layout)
{
    struct buf out = {0};
    const struct report_options options = {.layout = layout};
    ck_assert_msg(report_bill(pg, ACCOUNT, month, &options, collect, &out, &err) == 0, "%s", err.text);
    return out;
}

static void same(const struct buf *now, const struct buf *then)
{
    size_t at = 0;
    while (at < now->length && at < then->length && now->data[at] == then->data[at]) {
        at++;
    }
    size_t from = at < 60 ? 0 : at - 60;
    ck_assert_msg(at == now->length && at == then->length, "byte %zu:\n%.120s\nwas\n%.120s", at, now->data + from,
                  then->data + from);
}

/* Numbers carry the year of the day they are given out on, which is today's. */
static void is_number(const char *number, const char *series, int count)
{
    char want[40];
    (void)snprintf(want, sizeof want, "%s-%04d-%06d", series, month_of(clock_wall_us()).year, count);
    ck_assert_str_eq(number, want);
}

START_TEST(an_issued_bill_does_not_change)
{
    use_it(OCTOBER, 1, 100);
    use_it(OCTOBER, 2, 50);
    struct bill *before = bill_of(OCTOBER);
    ck_assert_int_eq(before->state, BILL_ESTIMATE);
    ck_assert_int_eq(close_it(OCTOBER).issued, 1);
    struct bill *issued = bill_of(OCTOBER);
    ck_assert_int_eq(issued->state, BILL_ISSUED);
    is_number(issued->number, "INV", 1);
    ck_assert_int_eq(issued->total_minor, before->total_minor);
    ck_assert_int_eq(issued->line_count, before->line_count);
    ck_assert_int_eq(issued->share_count, before->share_count);
    ck_assert_uint_eq(strlen(issued->records_root), 64);
    bill_free(&before);
    bill_free(&issued);
    struct buf summary = file_of(OCTOBER, REPORT_SUMMARY);
    struct buf focus = file_of(OCTOBER, REPORT_FOCUS);
    struct buf records = file_of(OCTOBER, REPORT_RECORDS);
    ck_assert_int_eq(pg_script(owner, "UPDATE account SET display_name = 'Other', name = 'other'", &err), 0);
    use_it(OCTOBER, 2, 33);
    ck_assert_int_eq(close_it(OCTOBER).issued, 0);
    struct buf again[3] = {file_of(OCTOBER, REPORT_SUMMARY), file_of(OCTOBER, REPORT_FOCUS),
                           file_of(OCTOBER, REPORT_RECORDS)};
    same(&again[0], &summary);
    same(&again[1], &focus);
    same(&again[2], &records);
    buf_free(&summary);
    buf_free(&focus);
    buf_free(&records);
    for (int i = 0; i < 3; i++) {
        buf_free(&again[i]);
    }
}
END_TEST

START_TEST(late_usage_is_a_correction_on_the_next_invoice)
{
    struct invoice_check check;
    use_it(SEPTEMBER, 1, 10);
    (void)close_it(SEPTEMBER);
    int64_t billed = total_of(SEPTEMBER);
    ck_assert_int_eq(invoice_verify(pg, ACCOUNT, SEPTEMBER, &check, &err), 0);
    ck_assert_msg(check.matches, "%s", check.difference);
    use_it(SEPTEMBER, 2, 7);
    ck_assert_int_eq(invoice_verify(pg, ACCOUNT, SEPTEMBER, &check, &err), 0);
    ck_assert(!check.matches);
    struct bill *right = NULL;
    ck_assert_int_eq(bill_estimate(pg, ACCOUNT, SEPTEMBER, 0, &right, &err), 0);
    /* October had no usage: its invoice is the correction alone. */
    ck_assert_int_eq(close_it(OCTOBER).issued, 1);
    struct bill *october = bill_of(OCTOBER);
    ck_assert_int_eq(october->state, BILL_ISSUED);
    int64_t corrected = 0;
    for (int i = 0; i < october->line_count; i++) {
        ck_assert_int_eq(october->lines[i].kind, LINE_CORRECTION);
        ck_assert_int_eq(month_of(october->lines[i].period_us).month, 9);
        corrected += october->lines[i].amount_minor;
    }
    ck_assert_int_eq(corrected, october->total_minor);
    /* The file over all accounts has it too, though there is no usage in October. */
    struct buf all = {0};
    const struct report_options options = {.layout = REPORT_SUMMARY};
    ck_assert_msg(report_all(pg, OCTOBER, &options, collect, &all, &err) == 0, "%s", err.text);
    ck_assert_ptr_nonnull(strstr(buf_text(&all), "correction,acct_100000000001"));
    buf_free(&all);
    ck_assert_int_eq(billed + corrected, right->total_minor);
    ck_assert_int_eq(total_of(SEPTEMBER), billed);
    ck_assert_int_eq(invoice_verify(pg, ACCOUNT, SEPTEMBER, &check, &err), 0);
    ck_assert_msg(check.matches, "%s", check.difference);
    bill_free(&october);
    bill_free(&right);
}
END_TEST

static void agree(const char *json)
{
    int64_t version = 0;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(SEPTEMBER, &from_us, &to_us);
    int rc = price_override_put(pg, ACCOUNT, from_us, json, strlen(json), &version, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

/*
 * September: 10 calls are 1.50, filled up to 2.00. 7 more make 2.55 (17 x 0.15 = 2.55): the right bill is 2.55, so 0.55
 * more: 1.05 of use, and 0.50 less of the fee. October's own 2 calls are 0.30 and filled up by 1.70, whatever is
 * corrected.
 */
START_TEST(a_minimum_fee_is_corrected_with_its_month)
{
    struct invoice_check check;
    agree("{\"free\":[],\"minimum_fee\":\"2.00\"}");
    use_it(SEPTEMBER, 1, 10);
    (void)close_it(SEPTEMBER);
    ck_assert_int_eq(total_of(SEPTEMBER), 200);
    use_it(SEPTEMBER, 2, 7);
    ck_assert_int_eq(invoice_verify(pg, ACCOUNT, SEPTEMBER, &check, &err), 0);
    ck_assert(!check.matches);
    use_it(OCTOBER, 1, 2);
    ck_assert_int_eq(close_it(OCTOBER).issued, 1);
    struct bill *october = bill_of(OCTOBER);
    int64_t of_september = 0;
    int64_t fees = 0;
    for (int i = 0; i < october->line_count; i++) {
        const struct rated_line *line = &october->lines[i];
        ck_assert_int_eq(line->period_us == 0 ? 10 : month_of(line->period_us).month, line->period_us == 0 ? 10 : 9);
        of_september += line->period_us != 0 ? line->amount_minor : 0;
        fees += line->kind == LINE_MINIMUM_FEE && line->period_us == 0 ? line->amount_minor : 0;
    }
    ck_assert_int_eq(of_september, 55);
    ck_assert_int_eq(fees, 170);
    ck_assert_int_eq(october->total_minor, 55 + 200);
    bill_free(&october);
    ck_assert_int_eq(invoice_verify(pg, ACCOUNT, SEPTEMBER, &check, &err), 0);
    ck_assert_msg(check.matches, "%s", check.difference);
    ck_assert_int_eq(invoice_verify(pg, ACCOUNT, OCTOBER, &check, &err), 0);
    ck_assert_msg(check.matches, "%s", check.difference);
}
END_TEST

/* 1.00 off each month: 0.60 of use had 0.60 taken off; 7 more calls have the rest of it. */
START_TEST(a_discount_is_corrected_with_its_month)
{
    agree("{\"free\":[],\"discount_amount\":\"1.00\"}");
    use_it(SEPTEMBER, 1, 4);
    (void)close_it(SEPTEMBER);
    ck_assert_int_eq(total_of(SEPTEMBER), 0);
    use_it(SEPTEMBER, 2, 7);
    ck_assert_int_eq(close_it(OCTOBER).issued, 1);
    ck_assert_int_eq(total_of(OCTOBER), 65); /* 11 x 0.15 - 1.00 */
}
END_TEST

/* Where more use is cheaper in all (a volume price), a correction can be more than the next month has: nothing fills
 * that up, and the account waits for its credit note. */
START_TEST(a_negative_total_is_parked)
{
    agree("{\"free\":[],\"meters\":{\"compute_x86_64\":{\"model\":\"volume\",\"bands\":[{\"up_to\":\"100000\","
          "\"price\":\"0.001\"},{\"price\":\"0.0001\"}]}}}");
    use_it(SEPTEMBER, 1, 10); /* 90,000 GB-s: 90.00 */
    (void)close_it(SEPTEMBER);
    ck_assert_int_eq(total_of(SEPTEMBER), 9000);
    use_it(SEPTEMBER, 1, 10); /* 180,000 GB-s: 18.00 */
    struct close_result result = close_it(OCTOBER);
    ck_assert_int_eq(result.issued, 0);
    ck_assert_int_eq(result.parked, 1);
}
END_TEST

static void grant(bool prepaid, int64_t amount, const char *expires, const char *reason)
{
    struct credit credit = {.prepaid = prepaid, .currency = {"USD", 2}, .amount_minor = amount};
    (void)snprintf(credit.reason, sizeof credit.reason, "%s", reason);
    if (expires != NULL) {
        ck_assert_int_eq(calendar_parse(expires, "expires_at", &credit.expires_us, &err), 0);
    }
    ck_assert_msg(credit_grant(pg, ACCOUNT, &credit, &err) == 0, "%s", err.text);
}

struct left {
    int count;
    int64_t minor[8];
};

static int keep_left(const struct credit *credit, void *ctx, struct err *e)
{
    struct left *left = ctx;
    (void)e;
    left->minor[left->count++] = credit->left_minor;
    return 0;
}

static struct left left_of(void)
{
    struct left left = {0};
    ck_assert_int_eq(credit_list(pg, ACCOUNT, keep_left, &left, &err), 0);
    return left;
}

START_TEST(credits_are_used_in_order_and_come_back)
{
    use_it(OCTOBER, 1, 100); /* 15.00 */
    grant(false, 500, NULL, "never expires");
    grant(false, 300, "2026-10-01", "gone when October began");
    grant(false, 200, "2026-10-15", "goes in October");
    grant(true, 700, NULL, "paid in advance");
    (void)close_it(OCTOBER);
    struct bill *bill = bill_of(OCTOBER);
    /* 15.00 - 2.00 - 5.00 = 8.00 net, less 7.00 prepaid. */
    ck_assert_int_eq(bill->net_minor, 800);
    ck_assert_int_eq(bill->total_minor, 100);
    int at = bill->line_count - 3;
    ck_assert_str_eq(bill->lines[at].description, "Credit: goes in October");
    ck_assert_int_eq(bill->lines[at].amount_minor, -200);
    ck_assert_int_eq(bill->lines[at + 1].amount_minor, -500);
    ck_assert_str_eq(bill->lines[at + 2].description, "Prepaid: paid in advance");
    ck_assert_int_eq(bill->lines[at + 2].amount_minor, -700);
    struct left left = left_of();
    ck_assert_int_eq(left.count, 4); /* in order of expiry */
    ck_assert_int_eq(left.minor[0], 300);
    ck_assert_int_eq(left.minor[1] + left.minor[2] + left.minor[3], 0);
    /* Void: all of it is there again, and the next close uses it again. */
    ck_assert_msg(invoice_void(pg, ACCOUNT, bill->invoice_id, "wrong address", &err) == 0, "%s", err.text);
    left = left_of();
    ck_assert_int_eq(left.minor[0] + left.minor[1] + left.minor[2] + left.minor[3], 1700);
    bill_free(&bill);
    ck_assert_int_eq(close_it(OCTOBER).issued, 1);
    bill = bill_of(OCTOBER);
    is_number(bill->number, "INV", 2);
    ck_assert_int_eq(bill->total_minor, 100);
    bill_free(&bill);
    ck_assert_int_ne(pg_script(pg, "UPDATE account_credit SET amount_minor = 1", &err), 0);
    ck_assert_int_ne(pg_script(pg, "DELETE FROM account_credit_use", &err), 0);
}
END_TEST

START_TEST(a_credit_note_takes_an_invoice_back)
{
    struct credit_note note = {0};
    struct left left;
    use_it(OCTOBER, 1, 10);
    grant(false, 50, NULL, "welcome");
    (void)close_it(OCTOBER);
    struct bill *bill = bill_of(OCTOBER);
    ck_assert_int_eq(invoice_credit(pg, ACCOUNT, bill->invoice_id, "", &note, &err), -1);
    ck_assert_str_eq(err.field, "/reason");
    ck_assert_msg(invoice_credit(pg, ACCOUNT, bill->invoice_id, "billed in error", &note, &err) == 0, "%s", err.text);
    is_number(note.number, "CN", 1);
    left = left_of();
    ck_assert_int_eq(left.minor[0], 50);
    ck_assert_int_eq(invoice_credit(pg, ACCOUNT, bill->invoice_id, "again", &note, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_int_eq(invoice_void(pg, ACCOUNT, bill->invoice_id, "again", &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_int_eq(invoice_void(pg, ACCOUNT, note.invoice_id, "a note", &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_int_eq(invoice_void(pg, ACCOUNT, 999999, "nothing", &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    bill_free(&bill);
    bill = bill_of(OCTOBER);
    ck_assert_int_eq(bill->state, BILL_CREDITED);
    bill_free(&bill);
    ck_assert_int_eq(pg_script(owner,
                               "DO $$ BEGIN ASSERT (SELECT sum(total_minor) FROM invoice_document) = 0; "
                               "ASSERT (SELECT sum(amount_minor) FROM invoice_line) = 0; "
                               "ASSERT (SELECT sum(quantity) FROM invoice_line) = 0; END $$",
                               &err),
                     0);
}
END_TEST

static int bill_anew(struct month month, struct close_result *result)
{
    const struct close_options options = {.month = month, .accounts = "{100000000001}", .reissue = true};
    return close_month(pg, &options, result, &err);
}

static void credit_it(struct month month, struct credit_note *note)
{
    struct bill *bill = bill_of(month);
    ck_assert_msg(invoice_credit(pg, ACCOUNT, bill->invoice_id, "wrong", note, &err) == 0, "%s", err.text);
    bill_free(&bill);
}

START_TEST(a_credited_month_is_billed_anew_once)
{
    struct credit_note notes[2];
    struct close_result result;
    struct bill *bill = NULL;
    int64_t requests = 0;
    use_it(SEPTEMBER, 1, 10);
    (void)close_it(SEPTEMBER);
    use_it(SEPTEMBER, 2, 7);
    (void)close_it(OCTOBER); /* bills what came late */
    credit_it(SEPTEMBER, &notes[0]);
    ck_assert_int_eq(close_it(SEPTEMBER).issued, 0);
    /* October would bill the seven twice. */
    ck_assert_int_eq(bill_anew(SEPTEMBER, &result), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(err.text, "INV-"));
    err = (struct err){0};
    credit_it(OCTOBER, &notes[1]);
    ck_assert_msg(bill_anew(SEPTEMBER, &result) == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 1);
    ck_assert_msg(bill_anew(SEPTEMBER, &result) == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 0);
    /* The note is of the ten that its invoice had seen, the new invoice of all. */
    ck_assert_msg(bill_load_document(pg, ACCOUNT, notes[0].invoice_id, 0, &bill, &err) == 0, "%s", err.text);
    ck_assert(bill->credit_note);
    ck_assert_int_eq(bill->state, BILL_ISSUED);
    for (int i = 0; i < bill->share_count; i++) {
        requests += bill->lines[bill->shares[i].line].meter == METER_REQUESTS ? bill->shares[i].quantity : 0;
    }
    ck_assert_int_eq(requests, -10);
    bill_free(&bill);
    ck_assert_int_eq(bill_estimate(pg, ACCOUNT, SEPTEMBER, 0, &bill, &err), 0);
    ck_assert_int_eq(total_of(SEPTEMBER), bill->total_minor);
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "DO $$ BEGIN ASSERT (SELECT sum(total_minor) FROM invoice WHERE state <> 'void') = %lld; END $$",
                   (long long)bill->total_minor);
    ck_assert_msg(pg_script(owner, sql, &err) == 0, "%s", err.text);
    bill_free(&bill);
    ck_assert_int_eq(bill_load_document(pg, ACCOUNT, 999999, 0, &bill, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_ptr_null(bill);
}
END_TEST

START_TEST(a_dry_run_leaves_nothing)
{
    struct close_result result;
    use_it(OCTOBER, 1, 100);
    const struct close_options options = {.month = OCTOBER, .dry_run = true};
    ck_assert_msg(close_month(pg, &options, &result, &err) == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 1);
    ck_assert_int_eq(result.currencies, 1);
    ck_assert_int_eq(result.totals[0].total_minor, 1500);
    struct bill *bill = bill_of(OCTOBER);
    ck_assert_int_eq(bill->state, BILL_ESTIMATE);
    bill_free(&bill);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/invoice");
    TCase *tcase = tcase_create("invoice");
    tcase_set_timeout(tcase, 200);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, an_issued_bill_does_not_change);
    tcase_add_test(tcase, late_usage_is_a_correction_on_the_next_invoice);
    tcase_add_test(tcase, a_minimum_fee_is_corrected_with_its_month);
    tcase_add_test(tcase, a_discount_is_corrected_with_its_month);
    tcase_add_test(tcase, a_negative_total_is_parked);
    tcase_add_test(tcase, credits_are_used_in_order_and_come_back);
    tcase_add_test(tcase, a_credit_note_takes_an_invoice_back);
    tcase_add_test(tcase, a_credited_month_is_billed_anew_once);
    tcase_add_test(tcase, a_dry_run_leaves_nothing);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
