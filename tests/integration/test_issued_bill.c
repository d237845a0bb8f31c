/*
 * Goal:   an issued invoice tells its account's webhooks once, and its files say what was issued: FOCUS rows and
 *         InvoiceDetail add up to the payable amount, the period is closed, the paper is an invoice and no estimate,
 * and the files are the same again later. Method: a month is closed in a real PostgreSQL; files are compared with the
 * rows of the invoice.
 */
#include "billing/bill.h"
#include "billing/close.h"
#include "billing/invoice.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"
#include "reports/csv_read.h"
#include "reports/report.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)

static const struct month OCTOBER = {2026, 10};

static void script(struct pg *pg, const char *sql)
{
    struct err err = {0};
    int rc = pg_script(pg, sql, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static struct pg *open_closed(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct close_result result = {0};
    const struct close_options options = {.month = OCTOBER, .skip_crosscheck = true};
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    ck_assert_int_eq(price_book_seed(pg, &err), 0);
    script(
        pg,
        "INSERT INTO account (account_id, name, display_name) VALUES (100000000001, 'acme', 'Acme'), "
        "(100000000002, 'other', 'Other'), (100000000003, 'idle', 'Idle');"
        "INSERT INTO webhook (account_id, url, secret, events) VALUES "
        "(100000000001, 'http://127.0.0.1:1/all', 'x', '{}'),"
        "(100000000001, 'http://127.0.0.1:1/this', 'x', '{dev.farthing.invoice.issued}'),"
        "(100000000001, 'http://127.0.0.1:1/that', 'x', '{dev.farthing.quota.threshold}'),"
        "(100000000003, 'http://127.0.0.1:1/idle', 'x', '{}');"
        "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'f'), (100000000001, 2, 'g');"
        "INSERT INTO usage_hourly SELECT a, '2026-10-05 10:00+00'::timestamptz + d * interval '1 day', f, d % 2, 1536, "
        "0, 0, 900001 * f, 900001 * f, 0, 0, 0, 0, 0, 0, 0, 1, 90000000077 * f + d, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
        "FROM unnest(ARRAY[100000000001, 100000000002]) a, generate_series(1, 2) f, generate_series(0, 9) d");
    int rc = close_month(pg, &options, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 2);
    return pg;
}

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

static void write_report(struct pg *pg, enum report_layout layout, struct buf *out)
{
    const struct report_options options = {.layout = layout};
    struct err err = {0};
    int rc = report_bill(pg, ACCOUNT, OCTOBER, &options, collect, out, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

START_TEST(webhooks_hear_of_a_credit_note)
{
    struct pg *pg = open_closed();
    struct bill *bill = NULL;
    struct credit_note note;
    struct err err = {0};
    ck_assert_int_eq(bill_load(pg, ACCOUNT, OCTOBER, 0, &bill, &err), 0);
    script(pg, "DELETE FROM webhook_delivery");
    ck_assert_msg(invoice_credit(pg, ACCOUNT, bill->invoice_id, "wrong", &note, &err) == 0, "%s", err.text);
    script(pg, "DO $$ DECLARE d jsonb; i invoice; BEGIN "
               "ASSERT (SELECT count(*) FROM webhook_delivery) = 2, 'all and this'; "
               "SELECT convert_from(body, 'UTF8')::jsonb -> 'data' INTO d FROM webhook_delivery LIMIT 1; "
               "SELECT * INTO i FROM invoice WHERE account_id = 100000000001 AND kind = 'credit_note'; "
               "ASSERT d ->> 'kind' = 'credit_note' AND d ->> 'number' = i.number, 'kind'; "
               "ASSERT (d ->> 'total')::numeric * 100 = i.total_minor AND i.total_minor < 0, 'total'; "
               "ASSERT d ->> 'refers_to' LIKE 'INV-%', 'refers_to'; "
               "ASSERT d ->> 'bill' = '/v1/accounts/acct_100000000001/invoices/' || i.number || '/document', 'bill'; "
               "END $$");
    bill_free(&bill);
    pg_close(&pg);
}
END_TEST

START_TEST(webhooks_hear_of_it_once)
{
    struct pg *pg = open_closed();
    struct close_result result = {0};
    struct err err = {0};
    const struct close_options options = {.month = OCTOBER, .skip_crosscheck = true};
    ck_assert_int_eq(close_month(pg, &options, &result, &err), 0); /* again: nothing more to say */
    ck_assert_int_eq(result.issued, 0);
    script(pg, "DO $$ DECLARE d jsonb; i invoice; BEGIN "
               "ASSERT (SELECT count(*) FROM webhook_delivery) = 2, 'all and this'; "
               "ASSERT (SELECT count(*) FROM webhook_delivery JOIN webhook USING (account_id, webhook_id) "
               "WHERE url LIKE '%that') = 0, 'that'; "
               "SELECT convert_from(body, 'UTF8')::jsonb INTO d FROM webhook_delivery LIMIT 1; "
               "SELECT * INTO i FROM invoice WHERE account_id = 100000000001; "
               "ASSERT d ->> 'type' = 'dev.farthing.invoice.issued' AND d ->> 'subject' = i.number, 'head'; "
               "ASSERT d ->> 'id' IN (SELECT delivery_id::text FROM webhook_delivery), 'id'; "
               "ASSERT (d -> 'data' ->> 'total')::numeric * 100 = i.total_minor, 'total'; "
               "ASSERT d -> 'data' ->> 'sha256' = encode(i.digest, 'hex'), 'digest'; "
               "ASSERT d -> 'data' ->> 'bill' = '/v1/accounts/acct_100000000001/bills/2026-10', 'bill'; "
               "END $$");
    pg_close(&pg);
}
END_TEST

/* Sum of a column of amounts, and the number of rows. */
static money_int add_up(const struct buf *file, const char *column, int *rows)
{
    struct csv_reader reader = {0};
    struct err err = {0};
    bool more = true;
    money_int sum = 0;
    FILE *in = fmemopen(file->data, file->length, "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_int_eq(csv_read_open(&reader, in, "focus", &err), 0);
    *rows = 0;
    while (csv_read_row(&reader, &more, &err) == 0 && more) {
        struct exact exact;
        const char *field = NULL;
        ck_assert_int_eq(csv_read_field(&reader, column, &field, &err), 0);
        ck_assert_int_eq(exact_parse(field, column, &exact, &err), 0);
        sum += exact.value;
        *rows += 1;
    }
    ck_assert_msg(err.code == ERR_NONE, "%s", err.text);
    csv_read_close(&reader);
    ck_assert_int_eq(fclose(in), 0);
    return sum;
}

START_TEST(files_say_what_was_issued)
{
    struct pg *pg = open_closed();
    struct bill *bill = NULL;
    struct buf file = {0};
    struct exact total;
    struct err err = {0};
    int rows = 0;
    ck_assert_int_eq(bill_load(pg, ACCOUNT, OCTOBER, 0, &bill, &err), 0);
    ck_assert_int_eq(bill->state, BILL_ISSUED);
    ck_assert_int_eq(
        exact_product(1, (struct decimal){bill->total_minor, bill->currency.minor_digits}, 1, &total, &err), 0);
    write_report(pg, REPORT_FOCUS, &file);
    ck_assert(add_up(&file, "BilledCost", &rows) == total.value);
    ck_assert_ptr_nonnull(strstr(buf_text(&file), bill->number));
    buf_clear(&file);
    write_report(pg, REPORT_FOCUS_INVOICE, &file);
    ck_assert(add_up(&file, "BilledCost", &rows) == total.value);
    ck_assert_int_eq(rows, bill->line_count);
    ck_assert_ptr_nonnull(strstr(buf_text(&file), ",Issued,Farthing,"));
    ck_assert_ptr_nonnull(strstr(buf_text(&file), ",Net 30 days,"));
    buf_clear(&file);
    write_report(pg, REPORT_FOCUS_PERIOD, &file);
    ck_assert_ptr_nonnull(strstr(buf_text(&file), ",Closed,Farthing\r\n"));
    buf_clear(&file);
    write_report(pg, REPORT_HTML, &file);
    ck_assert_ptr_nonnull(strstr(buf_text(&file), "Amount due"));
    ck_assert_ptr_nonnull(strstr(buf_text(&file), bill->number));
    ck_assert_ptr_null(strstr(buf_text(&file), "ESTIMATE"));
    buf_free(&file);
    bill_free(&bill);
    pg_close(&pg);
}
END_TEST

static const enum report_layout FROZEN[] = {
    REPORT_SUMMARY, REPORT_FOCUS, REPORT_FOCUS_INVOICE, REPORT_AWS, REPORT_FOCUS_PERIOD, REPORT_HTML, REPORT_PDF};

START_TEST(files_are_the_same_later)
{
    struct pg *pg = open_closed();
    struct buf first = {0};
    struct buf second = {0};
    write_report(pg, FROZEN[_i], &first);
    script(pg, "UPDATE account SET display_name = 'Renamed', billing = '{\"name\": \"Renamed\"}'");
    write_report(pg, FROZEN[_i], &second);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_eq(first.data, second.data, first.length);
    buf_free(&first);
    buf_free(&second);
    pg_close(&pg);
}
END_TEST

/* A month with its records, closed; then a record that comes late. */
START_TEST(late_usage_does_not_move_the_files)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct close_result result = {0};
    struct buf first = {0};
    struct buf second = {0};
    struct bill *bill = NULL;
    const struct close_options options = {.month = OCTOBER};
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    ck_assert_int_eq(price_book_seed(pg, &err), 0);
    script(
        pg,
        "SELECT usage_partition_ensure('2026-10-01', '2026-10-31');"
        "INSERT INTO account (account_id, name) VALUES (100000000001, 'acme');"
        "INSERT INTO producer_cursor (producer_id, epoch, last_sequence, complete_through) "
        "VALUES (1, 1, 100, '2026-11-02 00:00+00');"
        "INSERT INTO usage_record SELECT 100000000001, '2026-10-05 10:00+00'::timestamptz + n * interval '7 hours', "
        "1 + n % 3, md5(n::text)::uuid, 1000000, 0, 0, 0, 1, n, 1000000 + n, 1024, 0, n % 2, 512, 400000, 1, 1, 1, 0, "
        "0 "
        "FROM generate_series(1, 60) n;"
        "INSERT INTO usage_hourly SELECT account_id, date_trunc('hour', started_at), function_id, version, memory_mib, "
        "0, 0, 1, billed_requests, 0, 0, 0, 0, 0, 0, 0, billed_ms, billed_ms::int8 * memory_mib, 0, 0, duration_us, 0, "
        "0, "
        "0, 0, 0, 0 FROM usage_record");
    int rc = close_month(pg, &options, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_eq(result.issued, 1);
    write_report(pg, FROZEN[_i], &first);
    script(
        pg,
        "INSERT INTO usage_record SELECT 100000000001, '2026-10-20 10:00+00', 2, md5('late')::uuid, 1000000, 0, 0, 0, "
        "1, 101, 5000000, 1024, 0, 1, 512, 777777, 1, 1, 1, 0, 0;"
        "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-20 10:00+00', 2, 1, 1024, 0, 0, 1, 777777, 0, 0, 0, 0, "
        "0, 0, 0, 5000000, 5120000000, 0, 0, 1000000, 0, 0, 0, 0, 0, 0");
    ck_assert_int_eq(bill_estimate(pg, ACCOUNT, OCTOBER, 0, &bill, &err), 0);
    write_report(pg, FROZEN[_i], &second);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_eq(first.data, second.data, first.length);
    bill_free(&bill);
    buf_free(&first);
    buf_free(&second);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("issued_bill");
    TCase *tcase = tcase_create("issued_bill");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, webhooks_hear_of_it_once);
    tcase_add_test(tcase, webhooks_hear_of_a_credit_note);
    tcase_add_test(tcase, files_say_what_was_issued);
    tcase_add_loop_test(tcase, files_are_the_same_later, 0, (int)(sizeof FROZEN / sizeof FROZEN[0]));
    tcase_add_loop_test(tcase, late_usage_does_not_move_the_files, 0, (int)(sizeof FROZEN / sizeof FROZEN[0]));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
