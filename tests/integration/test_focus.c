/*
 * Goal:   every row of the FOCUS files keeps to the specification: types, nulls, allowed values, and what one column
 *         asks of another; the sums are the bill's, to the last digit.
 * Method: months with free bands, tiers, packages, tax and a minimum fee in a real PostgreSQL; each file is read back
 *         with a reader of its own and checked row by row against the column table and the rules below.
 */
#include "billing/bill.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "reports/csv_read.h"
#include "reports/focus_columns.h"
#include "reports/report.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT INT64_C(100000000001)

static const struct month OCTOBER = {2026, 10};

static const char BOOK[] =
    "{\"name\":\"rich\",\"currency\":\"EUR\",\"free\":[{\"id\":\"free\",\"meters\":[\"compute_x86_64\",\"compute_"
    "arm64\"],"
    "\"quantity\":\"1000\"}],\"meters\":{\"requests\":{\"model\":\"package\",\"package\":\"1000\",\"bands\":"
    "[{\"price\":\"0.03\"}]},\"compute_x86_64\":{\"bands\":[{\"id\":\"a\",\"up_to\":\"5000\",\"price\":\"0."
    "0000166667\"},"
    "{\"id\":\"b\",\"price\":\"0.0000100001\"}]},\"compute_arm64\":{\"bands\":[{\"id\":\"a\",\"price\":\"0.00001\"}]},"
    "\"ephemeral_storage\":{\"bands\":[{\"id\":\"a\",\"price\":\"0.0000000309\"}]}},"
    "\"minimum_fee\":\"MINIMUM\",\"tax\":[{\"id\":\"vat\",\"name\":\"VAT\",\"percent\":\"19\"},"
    "{\"id\":\"city\",\"name\":\"City\",\"percent\":\"0.7\"}]}";

static const struct {
    const char *column;
    const char *values; /* between bars */
} ALLOWED[] = {
    {"ChargeCategory", "|Usage|Purchase|Tax|Credit|Adjustment|"},
    {"ChargeClass", "|Correction|"},
    {"ChargeFrequency", "|One-Time|Recurring|Usage-Based|"},
    {"PricingCategory", "|Standard|Dynamic|Committed|Other|"},
    {"ServiceCategory", "|Compute|"},
    {"ServiceSubcategory", "|Serverless Compute|"},
    {"BillingCurrency", "|EUR|USD|"},
    {"BillingPeriodStatus", "|Open|Closed|"},
    {"InvoiceIssueStatus", "|Open|Issued|Voided|"},
};

/* Empty in rows that are no usage, filled in rows that are. */
static const char *const USAGE_ONLY[] = {"ConsumedQuantity", "ConsumedUnit",        "PricingQuantity", "PricingUnit",
                                         "ListUnitPrice",    "ContractedUnitPrice", "PricingCategory", "SkuId",
                                         "SkuMeter",         "SkuPriceDetails",     "SkuPriceId",      "ResourceId",
                                         "ResourceName",     "ResourceType"};

static struct pg *open_database(bool minimum)
{
    struct pg *pg = NULL;
    struct err err = {0};
    int64_t version = 0;
    char book[sizeof BOOK + 8];
    (void)snprintf(book, sizeof book, "%.*s%s%s", (int)(strstr(BOOK, "MINIMUM") - BOOK), BOOK,
                   minimum ? "5000.00" : "0", strstr(BOOK, "MINIMUM") + 7);
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    int rc = price_book_put(pg, "rich", 0, book, strlen(book), &version, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    rc = pg_script(
        pg,
        "INSERT INTO account (account_id, name, display_name, price_book) VALUES "
        "(100000000001, 'acme', 'Acme, \"Inc.\"', 'rich'), (100000000002, 'idle', 'Idle', 'rich');"
        "INSERT INTO function (account_id, function_id, name, tags) SELECT 100000000001, n, 'f-' || n, "
        "CASE WHEN n % 2 = 0 THEN jsonb_build_object('team', 't,' || n, 'own', true) ELSE '{}' END "
        "FROM generate_series(1, 7) n;"
        "SELECT setseed(0.25);"
        "INSERT INTO usage_hourly SELECT 100000000001, '2026-10-01 00:00+00'::timestamptz + n * interval '3 hours', "
        "1 + (n * n) % 9, n % 3, 128 << (n % 4), n % 2, 0, 70 + n, 70 + n, 0, 0, 0, 0, 0, 0, 0, 1, "
        "(random() * 9e8)::int8, (random() * 1e10 * (n % 2))::int8, 0, 0, 0, 0, 0, 0, 0, 0 "
        "FROM generate_series(0, 240) n",
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

static void write_report(struct pg *pg, int64_t account_id, const struct report_options *options, struct buf *out)
{
    struct err err = {0};
    int rc = account_id != 0 ? report_bill(pg, account_id, OCTOBER, options, collect, out, &err)
                             : report_all(pg, OCTOBER, options, collect, out, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    bool match = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return match;
}

static void check_json(const char *name, const char *text)
{
    struct err err = {0};
    cJSON *tree = NULL;
    ck_assert_msg(json_parse(text, strlen(text), &tree, &err) == 0, "%s: %s", name, err.text);
    ck_assert_msg(cJSON_IsObject(tree), "%s is %s", name, text);
    for (const cJSON *member = tree->child; member != NULL; member = member->next) {
        ck_assert_msg(!cJSON_IsObject(member) && !cJSON_IsArray(member), "%s is nested: %s", name, text);
    }
    cJSON_Delete(tree);
}

static void check_field(const struct report_column *column, const char *text)
{
    const char *name = column->name;
    if (*text == '\0') {
        ck_assert_msg(column->nullable, "%s is empty", name);
        return;
    }
    switch (column->type) {
    case COLUMN_TEXT:
        break;
    case COLUMN_INTEGER:
        ck_assert_msg(matches(text, "^-?[0-9]+$"), "%s is %s", name, text);
        break;
    case COLUMN_DECIMAL:
        ck_assert_msg(matches(text, "^-?[0-9]+(\\.[0-9]+)?$"), "%s is %s", name, text);
        break;
    case COLUMN_TIME:
        ck_assert_msg(matches(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"), "%s is %s", name,
                      text);
        break;
    case COLUMN_JSON:
        check_json(name, text);
        break;
    }
    for (size_t i = 0; i < sizeof ALLOWED / sizeof ALLOWED[0]; i++) {
        char wrapped[128];
        (void)snprintf(wrapped, sizeof wrapped, "|%s|", text);
        ck_assert_msg(strcmp(name, ALLOWED[i].column) != 0 || strstr(ALLOWED[i].values, wrapped) != NULL, "%s is %s",
                      name, text);
    }
}

static const char *get(const struct csv_reader *reader, const char *column)
{
    const char *field = NULL;
    struct err err = {0};
    ck_assert_msg(csv_read_field(reader, column, &field, &err) == 0, "%s", err.text);
    return field;
}

static money_int amount(const struct csv_reader *reader, const char *column)
{
    struct exact exact;
    struct err err = {0};
    int rc = exact_parse(get(reader, column), column, &exact, &err);
    ck_assert_msg(rc == 0, "%s: %s", column, err.text);
    return exact.value;
}

/* quantity * price = cost, with both sides as whole numbers. */
static void check_product(const struct csv_reader *reader, const char *price_column, const char *cost_column)
{
    struct decimal price;
    struct err err = {0};
    money_int quantity = amount(reader, "PricingQuantity");
    money_int cost = amount(reader, cost_column);
    ck_assert_int_eq(decimal_parse(get(reader, price_column), price_column, 14, &price, &err), 0);
    for (int i = 0; i < price.scale; i++) {
        ck_assert(!__builtin_mul_overflow(cost, 10, &cost));
    }
    ck_assert(!__builtin_mul_overflow(quantity, price.value, &quantity));
    ck_assert_msg(quantity == cost, "row %lld: %s is not %s x PricingQuantity", (long long)reader->row, cost_column,
                  price_column);
}

static void check_row(const struct csv_reader *reader)
{
    bool usage = strcmp(get(reader, "ChargeCategory"), "Usage") == 0;
    for (size_t i = 0; i < sizeof USAGE_ONLY / sizeof USAGE_ONLY[0]; i++) {
        ck_assert_msg((*get(reader, USAGE_ONLY[i]) != '\0') == usage, "%s is \"%s\" in a row of %s", USAGE_ONLY[i],
                      get(reader, USAGE_ONLY[i]), get(reader, "ChargeCategory"));
    }
    if (usage) {
        check_product(reader, "ListUnitPrice", "ListCost");
        check_product(reader, "ContractedUnitPrice", "ContractedCost");
        ck_assert_str_eq(get(reader, "ChargeFrequency"), "Usage-Based");
    } else {
        ck_assert(amount(reader, "ListCost") == amount(reader, "BilledCost"));
        ck_assert(amount(reader, "ContractedCost") == amount(reader, "BilledCost"));
    }
    ck_assert(amount(reader, "BilledCost") ==
              amount(reader, "ContractedCost") + amount(reader, "x_RoundingAdjustment"));
    ck_assert(amount(reader, "EffectiveCost") == amount(reader, "BilledCost"));
    ck_assert_int_le(strcmp(get(reader, "BillingPeriodStart"), get(reader, "ChargePeriodStart")), 0);
    ck_assert_int_lt(strcmp(get(reader, "ChargePeriodStart"), get(reader, "ChargePeriodEnd")), 0);
    ck_assert_int_le(strcmp(get(reader, "ChargePeriodEnd"), get(reader, "BillingPeriodEnd")), 0);
}

struct sums {
    int rows;
    money_int billed;
    money_int quantity[METER_COUNT]; /* consumed, in 1 / (10^17 * 2^30) pricing units */
    money_int rounded;               /* rows with an adjustment */
};

static void add_up(const struct csv_reader *reader, struct sums *sums)
{
    enum meter meter;
    sums->rows++;
    sums->billed += amount(reader, "BilledCost");
    sums->rounded += amount(reader, "x_RoundingAdjustment") != 0;
    if (*get(reader, "SkuId") != '\0' && meter_parse(get(reader, "SkuId"), "SkuId", &meter, NULL) == 0) {
        sums->quantity[meter] += amount(reader, "ConsumedQuantity");
    }
}

/* Reads a file of columns of the table, in its order, and checks every row. */
static void read_file(const struct buf *file, const struct report_options *options, bool cost_rows, struct sums *sums)
{
    struct csv_reader reader = {0};
    struct err err = {0};
    bool more = true;
    FILE *in = fmemopen(file->data, file->length, "r");
    ck_assert_ptr_nonnull(in);
    ck_assert_msg(csv_read_open(&reader, in, "focus", &err) == 0, "%s", err.text);
    while (csv_read_row(&reader, &more, &err) == 0 && more) {
        size_t at = 0;
        int field = 0;
        for (const struct report_column *column = report_column_next(options->layout, options->focus_version, &at);
             column != NULL; column = report_column_next(options->layout, options->focus_version, &at)) {
            ck_assert_str_eq(reader.header[field], column->name);
            check_field(column, reader.fields[field++]);
        }
        ck_assert_int_eq(field, reader.count);
        if (cost_rows) {
            check_row(&reader);
            add_up(&reader, sums);
        } else {
            sums->rows++;
        }
    }
    ck_assert_msg(err.code == ERR_NONE, "%s", err.text);
    csv_read_close(&reader);
    ck_assert_int_eq(fclose(in), 0);
}

static void check_sums(struct pg *pg, const struct sums *sums)
{
    struct bill *bill = NULL;
    struct err err = {0};
    int64_t minor = 0;
    struct exact residue;
    money_int used[METER_COUNT] = {0};
    ck_assert_int_eq(bill_load(pg, ACCOUNT, OCTOBER, BILL_SPLIT_FUNCTION, &bill, &err), 0);
    ck_assert_int_eq(money_round((struct exact){sums->billed}, &bill->currency, ROUND_HALF_UP, &minor, &residue, &err),
                     0);
    ck_assert(residue.value == 0);
    ck_assert_int_eq(minor, bill->total_minor);
    for (int i = 0; i < bill->line_count; i++) {
        struct exact exact;
        const struct rated_line *line = &bill->lines[i];
        if (line->kind == LINE_USAGE) {
            ck_assert_int_eq(exact_product(line->quantity, (struct decimal){.value = 1},
                                           meter_per_pricing_unit(line->meter), &exact, &err),
                             0);
            used[line->meter] += exact.value;
        }
    }
    for (int m = 0; m < METER_COUNT; m++) {
        ck_assert_msg(used[m] == sums->quantity[m], "%s", meter_name((enum meter)m));
    }
    bill_free(&bill);
}

static const enum report_focus_version VERSIONS[] = {REPORT_FOCUS_1_2, REPORT_FOCUS_1_3, REPORT_FOCUS_1_4};

START_TEST(rows_keep_to_the_specification)
{
    struct pg *pg = open_database(_i >= 3);
    const struct report_options options = {.layout = REPORT_FOCUS, .focus_version = VERSIONS[_i % 3]};
    struct buf file = {0};
    struct buf again = {0};
    struct sums sums = {0};
    write_report(pg, ACCOUNT, &options, &file);
    read_file(&file, &options, true, &sums);
    ck_assert_int_gt(sums.rows, 500);
    ck_assert_int_ge((int)sums.rounded, 3);
    check_sums(pg, &sums);
    write_report(pg, ACCOUNT, &options, &again);
    ck_assert_uint_eq(file.length, again.length);
    ck_assert_mem_eq(file.data, again.data, file.length);
    buf_free(&file);
    buf_free(&again);
    pg_close(&pg);
}
END_TEST

START_TEST(companions_keep_to_their_tables)
{
    struct pg *pg = open_database(false);
    const struct report_options invoice = {.layout = REPORT_FOCUS_INVOICE};
    const struct report_options period = {.layout = REPORT_FOCUS_PERIOD};
    struct buf file = {0};
    struct sums sums = {0};
    write_report(pg, ACCOUNT, &invoice, &file);
    read_file(&file, &invoice, false, &sums);
    ck_assert_int_eq(sums.rows, 0); /* nothing was invoiced: an estimate has no detail */
    buf_clear(&file);
    write_report(pg, _i == 0 ? ACCOUNT : 0, &period, &file);
    read_file(&file, &period, false, &sums);
    ck_assert_int_eq(sums.rows, 1);
    ck_assert_ptr_nonnull(strstr(buf_text(&file), ",Open,Farthing\r\n"));
    buf_free(&file);
    pg_close(&pg);
}
END_TEST

/* The names a file of metadata gives, and how many of them. */
static int count_columns(struct pg *pg, const struct report_options *options, const char *const path[2],
                         const char *name)
{
    struct buf file = {0};
    struct err err = {0};
    cJSON *tree = NULL;
    size_t at = 0;
    int count = 0;
    enum report_layout of = options->layout == REPORT_CSVW ? options->csvw_of : REPORT_FOCUS;
    write_report(pg, ACCOUNT, options, &file);
    ck_assert_int_eq(json_parse(file.data, file.length, &tree, &err), 0);
    const cJSON *columns = cJSON_GetObjectItem(tree, path[0]);
    columns = path[1] != NULL ? cJSON_GetObjectItem(columns, path[1]) : columns;
    for (const cJSON *item = columns->child; item != NULL; item = item->next, count++) {
        const struct report_column *column = report_column_next(of, options->focus_version, &at);
        ck_assert_str_eq(cJSON_GetObjectItem(item, name)->valuestring, column->name);
    }
    ck_assert_ptr_null(report_column_next(of, options->focus_version, &at));
    cJSON_Delete(tree);
    buf_free(&file);
    return count;
}

START_TEST(metadata_names_every_column)
{
    static const char *const FOCUS_PATH[2] = {"ColumnDefinition", NULL};
    static const char *const CSVW_PATH[2] = {"tableSchema", "columns"};
    struct pg *pg = open_database(false);
    struct report_options options = {.layout = REPORT_FOCUS_SCHEMA};
    ck_assert_int_eq(count_columns(pg, &options, FOCUS_PATH, "ColumnName"), 65 + 6);
    options.focus_version = REPORT_FOCUS_1_2;
    ck_assert_int_eq(count_columns(pg, &options, FOCUS_PATH, "ColumnName"), 57 + 6);
    options.layout = REPORT_CSVW;
    options.csvw_of = REPORT_FOCUS;
    ck_assert_int_eq(count_columns(pg, &options, CSVW_PATH, "name"), 57 + 6);
    options.csvw_of = REPORT_AWS;
    ck_assert_int_eq(count_columns(pg, &options, CSVW_PATH, "name"), 29);
    options.csvw_of = REPORT_SUMMARY;
    ck_assert_int_eq(count_columns(pg, &options, CSVW_PATH, "name"), 19);
    options.csvw_of = REPORT_RECORDS;
    ck_assert_int_eq(count_columns(pg, &options, CSVW_PATH, "name"), 24);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("focus");
    TCase *tcase = tcase_create("focus");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, rows_keep_to_the_specification, 0, 6);
    tcase_add_loop_test(tcase, companions_keep_to_their_tables, 0, 2);
    tcase_add_test(tcase, metadata_names_every_column);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
