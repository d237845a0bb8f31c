/*
 * Goal:   the layouts of one month agree: SUM(BilledCost) of FOCUS, the total rows of the AWS layout and the total of
 * the summary are the bill's total, with tolerance zero; every row has as many fields as the header; rows of FOCUS keep
 *         ListCost = ListUnitPrice x PricingQuantity.
 * Method: random usage (seeded) over functions, days and versions in a real PostgreSQL; a small reader of its own.
 */
#include "billing/bill.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"
#include "reports/report.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)
#define FIELDS_MAX 80

static struct pg *open_database(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    ck_assert_int_eq(price_book_seed(pg, &err), 0);
    int rc = pg_script(
        pg,
        "INSERT INTO account (account_id, name, display_name) VALUES (100000000001, 'acme', 'Acme, \"Inc.\"');"
        "INSERT INTO function (account_id, function_id, name, tags) SELECT 100000000001, n, 'f-' || n, "
        "jsonb_build_object('team', 't,' || n) FROM generate_series(1, 7) n;"
        "SELECT setseed(0.5);"
        "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-01 00:00+00'::timestamptz + n * interval '7 hours', "
        "1 + n % 7, n % 3, 128 << (n % 4), n % 2, (n / 2) % 2, 70000 + n, 70000 + n, 0, 0, 0, 0, 0, 0, 0, 1, "
        "(random() * 9e12)::int8, (random() * 1e9)::int8, (random() * 1e10)::int8, 0, 0, 0, 0, 0, 0, 0 "
        "FROM generate_series(0, 99) n",
        &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return pg;
}

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

static void write_report(struct pg *pg, const struct report_options *options, struct buf *out)
{
    struct err err = {0};
    int rc = report_bill(pg, ACCOUNT, (struct month){2026, 10}, options, collect, out, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

/* Splits one record in place; returns the start of the next one. */
static char *split(char *at, char *fields[FIELDS_MAX], int *count)
{
    *count = 0;
    for (;;) {
        char *to = at;
        bool quoted = *at == '"';
        ck_assert_int_lt(*count, FIELDS_MAX);
        fields[(*count)++] = at;
        at += quoted ? 1 : 0;
        while (quoted ? !(at[0] == '"' && at[1] != '"') : (*at != ',' && *at != '\r')) {
            at += quoted && *at == '"' ? 1 : 0;
            *to++ = *at++;
        }
        at += quoted ? 1 : 0;
        char end = *at;
        *to = '\0';
        if (end == '\r') {
            ck_assert_int_eq(at[1], '\n');
            return at + 2;
        }
        ck_assert_int_eq(end, ',');
        at++;
    }
}

static int column(char *const *header, int count, const char *name)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(header[i], name) == 0) {
            return i;
        }
    }
    ck_abort_msg("no column %s", name);
    return -1;
}

static int64_t bill_total(struct pg *pg)
{
    struct bill *bill = NULL;
    struct err err = {0};
    ck_assert_int_eq(bill_load(pg, ACCOUNT, (struct month){2026, 10}, 0, &bill, &err), 0);
    int64_t total = bill->total_minor;
    bill_free(&bill);
    return total;
}

static const struct {
    enum report_focus_version version;
    int columns;
} FOCUS[] = {{REPORT_FOCUS_1_4, 65 + 6}, {REPORT_FOCUS_1_3, 65 + 6}, {REPORT_FOCUS_1_2, 57 + 6}};

START_TEST(focus_sums_to_the_total)
{
    struct pg *pg = open_database();
    struct report_options options = {.layout = REPORT_FOCUS, .focus_version = FOCUS[_i].version};
    struct buf out = {0};
    char *header[FIELDS_MAX];
    char *fields[FIELDS_MAX];
    int columns = 0;
    int count = 0;
    int rows = 0;
    struct exact sum = {0};
    struct err err = {0};
    write_report(pg, &options, &out);
    char *at = split(out.data, header, &columns);
    ck_assert_int_eq(columns, FOCUS[_i].columns);
    for (; *at != '\0'; rows++) {
        struct exact billed;
        struct exact list;
        struct exact quantity;
        struct decimal price;
        at = split(at, fields, &count);
        ck_assert_int_eq(count, columns);
        ck_assert_int_eq(exact_parse(fields[column(header, columns, "BilledCost")], "BilledCost", &billed, &err), 0);
        ck_assert_int_eq(exact_parse(fields[column(header, columns, "ListCost")], "ListCost", &list, &err), 0);
        ck_assert_int_eq(exact_parse(fields[column(header, columns, "PricingQuantity")], "q", &quantity, &err), 0);
        ck_assert_int_eq(decimal_parse(fields[column(header, columns, "ListUnitPrice")], "p", 14, &price, &err), 0);
        money_int ten = 1;
        for (int i = 0; i < price.scale; i++) {
            ten *= 10;
        }
        /* Quantities of this test are small enough for 128 bits: quantity * price = list cost, exactly. */
        ck_assert((quantity.value % ten) * price.value % ten == 0);
        ck_assert(quantity.value / ten * price.value + (quantity.value % ten) * price.value / ten == list.value);
        ck_assert_int_eq(fields[column(header, columns, "Tags")][0], '{');
        sum.value += billed.value;
    }
    struct currency usd;
    struct exact residue;
    int64_t minor = 0;
    ck_assert_int_eq(currency_find("USD", "c", &usd, &err), 0);
    ck_assert_int_eq(money_round(sum, &usd, ROUND_HALF_UP, &minor, &residue, &err), 0);
    ck_assert(residue.value == 0);
    ck_assert_int_eq(minor, bill_total(pg));
    ck_assert_int_gt(rows, 300);
    buf_free(&out);
    pg_close(&pg);
}
END_TEST

static void check_total(struct pg *pg, enum report_layout layout, const char *type_column, const char *type,
                        const char *amount)
{
    struct report_options options = {.layout = layout};
    struct buf out = {0};
    char *header[FIELDS_MAX];
    char *fields[FIELDS_MAX];
    int columns = 0;
    int count = 0;
    struct decimal lines = {.scale = 2};
    struct decimal total = {0};
    struct err err = {0};
    write_report(pg, &options, &out);
    char *at = split(out.data, header, &columns);
    while (*at != '\0') {
        struct decimal value;
        at = split(at, fields, &count);
        ck_assert_int_eq(count, columns);
        ck_assert_int_eq(decimal_parse(fields[column(header, columns, amount)], "amount", 2, &value, &err), 0);
        int64_t cents = value.value * (value.scale == 0 ? 100 : value.scale == 1 ? 10 : 1);
        const char *kind = fields[column(header, columns, type_column)];
        if (strcmp(kind, type) == 0) {
            total.value = cents;
        } else if (strcmp(kind, "line") == 0 || strcmp(kind, "LinkedLineItem") == 0) {
            lines.value += cents;
        }
    }
    ck_assert_int_eq(total.value, lines.value);
    ck_assert_int_eq(total.value, bill_total(pg));
    buf_free(&out);
}

START_TEST(summary_and_aws_add_up)
{
    struct pg *pg = open_database();
    check_total(pg, REPORT_SUMMARY, "record_type", "total", "amount");
    check_total(pg, REPORT_AWS, "RecordType", "InvoiceTotal", "TotalCost");
    check_total(pg, REPORT_AWS, "RecordType", "StatementTotal", "TotalCost");
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/report_layouts");
    TCase *tcase = tcase_create("layouts");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, focus_sums_to_the_total, 0, sizeof FOCUS / sizeof FOCUS[0]);
    tcase_add_test(tcase, summary_and_aws_add_up);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
