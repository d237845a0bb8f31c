/*
 * Goal:   verify says "matches" for a true bill and names the first difference for every kind of change.
 * Method: a bill written from hand-made records; then one thing changed at a time in the bill or the records.
 */
#include "billing/bill_rate.h"
#include "common/buf.h"
#include "common/err.h"
#include "reports/columns.h"
#include "reports/report_internal.h"
#include "reports/verify.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char RECORDS[] =
    "account,function_id,function,version,started_at,request_id,attempt,status,cold,provisioned,arch,duration_us,init_"
    "us,billed_ms,memory_mib,mb_ms,peak_kib,cpu_us,response_bytes,billed_requests,ephemeral_mib,storage_mb_ms,streamed_"
    "bytes,flags\r\n"
    "acct_100000000001,fn_1,thumb,1,2026-10-05T10:00:00.000000Z,r1,1,ok,1,0,x86_64,800000000,100000000,900000,10240,"
    "9216000000,7000,650000,11,700000,512,0,0,1\r\n"
    "acct_100000000001,fn_2,\"pdf,2\",0,2026-10-06T10:00:00.000000Z,r2,1,error,0,0,x86_64,900000000,0,900000,1024,"
    "921600000,7000,650000,11,600000,512,0,0,0\r\n"
    "acct_100000000001,fn_1,thumb,1,2026-10-06T10:00:00.000000Z,r3,2,ok,0,0,arm64,99001,0,100,128,12800,7000,650000,11,"
    "1,512,0,0,8\r\n";
/* Made from RECORDS by a program of its own: see docs/verification.md. */
static const char ROOT[] = "8a9cb66fab20483340489fc75ad8e3ca7b73b1622a65e9b799b63ab1d2b47618";

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

static struct price_book *default_book(void)
{
    struct price_book *book = NULL;
    struct err err = {0};
    const char *json = price_book_default_json();
    ck_assert_int_eq(price_book_parse(json, strlen(json), &book, NULL, &err), 0);
    return book;
}

/* The true bill of RECORDS, and of provisioned concurrency (MB-ms) of a function with calls and one without. */
static void bill_with_capacity(const struct price_book *book, int64_t capacity, struct buf *out)
{
    struct bill_usage items[3] = {
        {.function_id = 2,
         .function_name = "pdf,2",
         .version = -1,
         .quantity = {[METER_REQUESTS] = 600000, [METER_COMPUTE_X86] = 921600000}},
        {.function_id = 1,
         .function_name = "thumb",
         .version = -1,
         .quantity = {[METER_REQUESTS] = 700001, [METER_COMPUTE_X86] = 9216000000, [METER_COMPUTE_ARM] = 12800}},
        {.function_id = 3, .function_name = "unused", .version = -1, .quantity = {[METER_PROVISIONED_X86] = capacity}}};
    items[0].quantity[METER_PROVISIONED_X86] = capacity / 3;
    struct bill_usage_list usage = {.count = capacity > 0 ? 3 : 2, .items = items};
    struct bill *bill = calloc(1, sizeof *bill);
    struct report_options options = {.layout = REPORT_SUMMARY};
    struct csv csv;
    struct err err = {0};
    bill->account_id = 100000000001;
    bill->month = (struct month){2026, 10};
    (void)snprintf(bill->records_root, sizeof bill->records_root, "%s", ROOT);
    ck_assert_int_eq(bill_compute(book, &usage, bill, &err), 0);
    csv_begin(&csv, &options, false, collect, out);
    report_columns_header(&csv, REPORT_SUMMARY, REPORT_FOCUS_1_4);
    summary_bill(&csv, bill);
    ck_assert_int_eq(csv_end(&csv, &err), 0);
    bill_free(&bill);
}

static void true_bill(const struct price_book *book, struct buf *out)
{
    bill_with_capacity(book, 0, out);
}

static char *replaced(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    ck_assert_msg(at != NULL, "%s is not in\n%s", from, text);
    struct buf out = {0};
    buf_append(&out, text, (size_t)(at - text));
    buf_puts(&out, to);
    buf_puts(&out, at + strlen(from));
    return out.data;
}

static int verify(const char *bill, const char *records, struct verify_result *result, struct err *err)
{
    struct price_book *book = default_book();
    char *bill_bytes = strdup(bill);
    char *record_bytes = strdup(records);
    struct verify_input input = {.bill = fmemopen(bill_bytes, strlen(bill), "r"),
                                 .bill_name = "bill.csv",
                                 .records = fmemopen(record_bytes, strlen(records), "r"),
                                 .records_name = "records.csv",
                                 .book = book};
    int rc = verify_bill(&input, result, err);
    (void)fclose(input.bill);
    (void)fclose(input.records);
    free(bill_bytes);
    free(record_bytes);
    price_book_free(&book);
    return rc;
}

START_TEST(a_true_bill_matches)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    struct verify_result result;
    struct err err = {0};
    true_bill(book, &bill);
    ck_assert_msg(verify(buf_text(&bill), RECORDS, &result, &err) == 0, "%s", err.text);
    ck_assert_msg(result.matches, "%s", result.difference);
    ck_assert_int_eq(result.records, 3);
    ck_assert_str_eq(result.total, "0.06 USD");
    ck_assert(result.root_stated);
    ck_assert_str_eq(result.records_root, ROOT);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

static const struct {
    const char *from, *to;
    const char *difference; /* begins with */
} BILL_CHANGES[] = {
    {"1000000,Requests,0,", "1000001,Requests,0,",
     "row 2 (line 1, requests band 0): quantity is 1000001 in the bill; the records give 1000000"},
    {"300001,Requests,0.0000002,", "300001,Requests,0.0000003,",
     "row 5 (line 2, requests band 1): unit_price is 0.0000003"},
    {",0.0600002,0.06,", ",0.0600002,0.07,",
     "row 5 (line 2, requests band 1): amount is 0.07 in the bill; the records give 0.06"},
    {",thumb,", ",thumbs,", "row 4 (share of thumb in line 1): function is thumbs"},
    {",Total,,,,,,0.06,", ",Total,,,,,,0.05,", "row 13 (total): amount is 0.05 in the bill; the records give 0.06"},
    {"8a9c", "0000", "row 13 (total): records_root is 0000"},
};

START_TEST(a_changed_bill_is_named)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    struct verify_result result;
    struct err err = {0};
    true_bill(book, &bill);
    char *changed = replaced(buf_text(&bill), BILL_CHANGES[_i].from, BILL_CHANGES[_i].to);
    ck_assert_int_eq(verify(changed, RECORDS, &result, &err), 0);
    ck_assert(!result.matches);
    ck_assert_msg(strncmp(result.difference, BILL_CHANGES[_i].difference, strlen(BILL_CHANGES[_i].difference)) == 0,
                  "%s\n%s", result.difference, changed);
    free(changed);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

/* Every cell: it follows from the records, or it says of the bill what every other row says. */
START_TEST(every_changed_cell_is_named)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    true_bill(book, &bill);
    const char *header = buf_text(&bill);
    int cells = 0;
    for (const char *at = strchr(header, '\n') + 1; *at != '\0'; at++) {
        const char *name = header;
        bool quoted = false;
        for (bool end = false; !end; name = strchr(name, ',') == NULL ? name : strchr(name, ',') + 1) {
            struct buf changed = {0};
            struct verify_result result;
            struct err err = {0};
            size_t length = strcspn(name, ",\r");
            const char *cell = at;
            quoted = *at == '"';
            at = quoted ? strchr(at + 1, '"') + 1 : at + strcspn(at, ",\r");
            end = *at == '\r';
            buf_append(&changed, bill.data, (size_t)(cell - bill.data));
            buf_puts(&changed, "9");
            buf_puts(&changed, at);
            /* Only the total states a root, and the last row has it filled. */
            if (!end || *cell != '\r') {
                int rc = verify(buf_text(&changed), RECORDS, &result, &err);
                ck_assert_msg(rc == -1 || !result.matches, "%.*s of row %.30s can be changed", (int)length, name, cell);
                cells++;
            }
            buf_free(&changed);
            at++;
        }
    }
    ck_assert_int_eq(cells, 12 * 18 + 1); /* and the records root of the total */
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

START_TEST(a_dropped_row_is_named)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    true_bill(book, &bill);
    int rows = 0;
    for (const char *at = strchr(buf_text(&bill), '\n') + 1; *at != '\0'; at = strchr(at, '\n') + 1) {
        struct buf less = {0};
        struct verify_result result;
        struct err err = {0};
        buf_append(&less, bill.data, (size_t)(at - bill.data));
        buf_puts(&less, strchr(at, '\n') + 1);
        ck_assert_int_eq(verify(buf_text(&less), RECORDS, &result, &err), 0);
        ck_assert_msg(!result.matches, "row %d can be dropped", rows);
        buf_free(&less);
        rows++;
    }
    ck_assert_int_eq(rows, 12);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

/* Rows of credits and corrections stand before the total; what they say is taken, but it must add up. */
START_TEST(stated_rows_must_add_up)
{
    static const char ROW[] =
        "credit,acct_100000000001,,2026-10,estimate,,6,,,Credit: welcome,,,,,-0.05,-0.05,USD,1970-01-01T00:00:00Z,\r\n";
    static const char CORRECTION[] =
        "correction,acct_100000000001,,2026-10,estimate,,5,requests,1,Correction of 2026-09,,5,Requests,0.0000002,"
        "0.01,0.01,USD,1970-01-01T00:00:00Z,\r\n";
    struct price_book *book = default_book();
    struct buf bill = {0};
    struct buf more = {0};
    struct verify_result result;
    struct err err = {0};
    true_bill(book, &bill);
    const char *total = strstr(buf_text(&bill), "total,acct");
    buf_append(&more, bill.data, (size_t)(total - bill.data));
    buf_puts(&more, CORRECTION);
    buf_puts(&more, ROW);
    buf_puts(&more, total);
    ck_assert_msg(verify(buf_text(&more), RECORDS, &result, &err) == 0, "%s", err.text);
    ck_assert(!result.matches); /* the total still says 0.06 */
    char *right = replaced(buf_text(&more), ",Total,,,,,,0.06,", ",Total,,,,,,0.02,");
    ck_assert_msg(verify(right, RECORDS, &result, &err) == 0, "%s", err.text);
    ck_assert_msg(result.matches, "%s", result.difference);
    ck_assert_int_eq(result.stated, 2);
    ck_assert_str_eq(result.total, "0.02 USD");
    free(right);
    right = replaced(buf_text(&more), ",-0.05,USD", ",-0.055,USD");
    ck_assert_int_eq(verify(right, RECORDS, &result, &err), -1);
    free(right);
    buf_free(&more);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

static const struct {
    const char *from, *to;
    int rc;
    const char *text; /* begins with */
} RECORD_CHANGES[] = {
    {"900000,1024,921600000", "900001,1024,921601024", 0, "row "},
    {"900000,1024,921600000", "900000,1024,921600001", -1,
     "records.csv, row 3: mb_ms is 921600001, but billed_ms x memory_mib is 921600000"},
    {"2026-10-06", "2026-11-06", -1, "records.csv, row 3: it is of acct_100000000001, 2026-11"},
    {"acct_100000000001,fn_2,", "acct_100000000002,fn_2,", -1, "records.csv, row 3: it is of acct_100000000002"},
    {"billed_ms", "billed", -1, "records.csv"},
    {"r2,1,", "r1,1,", -1, "records.csv, row 3: invocation r1, attempt 1, stands there twice"},
    {"900000,10240", "x,10240", -1, "records.csv, row 2"},
    {"r2,1,error", "r2,1,ok", 0, "row 13 (total): records_root is "},
    {",0,0,x86_64,900000000", ",1,0,x86_64,900000000", -1, "records.csv, row 3: cold is not what flags (0) say"},
    {"0,0,arm64,99001", "0,0,arm64,\"99,001\"", -1, "records.csv, row 4: duration_us is \"99,001\""},
};

START_TEST(changed_records_are_named)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    struct verify_result result;
    struct err err = {0};
    true_bill(book, &bill);
    char *changed = replaced(RECORDS, RECORD_CHANGES[_i].from, RECORD_CHANGES[_i].to);
    ck_assert_int_eq(verify(buf_text(&bill), changed, &result, &err), RECORD_CHANGES[_i].rc);
    const char *text = RECORD_CHANGES[_i].rc == 0 ? result.difference : err.text;
    ck_assert_msg(strncmp(text, RECORD_CHANGES[_i].text, strlen(RECORD_CHANGES[_i].text)) == 0, "%s", text);
    free(changed);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

/* Each cell of the records is under the root or compared with the bill: none can be changed. */
START_TEST(every_changed_cell_of_the_records_is_named)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    true_bill(book, &bill);
    int cells = 0;
    for (const char *at = strchr(RECORDS, '\n') + 1; *at != '\0'; at++) {
        struct buf changed = {0};
        struct verify_result result;
        struct err err = {0};
        const char *cell = at;
        at = *at == '"' ? strchr(at + 1, '"') + 1 : at + strcspn(at, ",\r");
        buf_append(&changed, RECORDS, (size_t)(cell - RECORDS));
        buf_puts(&changed, strncmp(cell, "9", 1) == 0 ? "7" : "9");
        buf_puts(&changed, at);
        int rc = verify(buf_text(&bill), buf_text(&changed), &result, &err);
        ck_assert_msg(rc == -1 || !result.matches, "%.20s can be changed", cell);
        buf_free(&changed);
        at += *at == '\r';
        cells++;
    }
    ck_assert_int_eq(cells, 3 * 24);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

START_TEST(a_dropped_record_is_named)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    true_bill(book, &bill);
    for (const char *at = strchr(RECORDS, '\n') + 1; *at != '\0'; at = strchr(at, '\n') + 1) {
        struct buf less = {0};
        struct verify_result result;
        struct err err = {0};
        buf_append(&less, RECORDS, (size_t)(at - RECORDS));
        buf_puts(&less, strchr(at, '\n') + 1);
        ck_assert_int_eq(verify(buf_text(&bill), buf_text(&less), &result, &err), 0);
        ck_assert(!result.matches);
        buf_free(&less);
    }
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

/* No record shows it: its quantity is taken as stated, and nothing else about it. */
START_TEST(provisioned_concurrency_is_stated)
{
    struct price_book *book = default_book();
    struct buf bill = {0};
    struct verify_result result;
    struct err err = {0};
    bill_with_capacity(book, INT64_C(4320000) * 1024000, &bill);
    ck_assert_msg(verify(buf_text(&bill), RECORDS, &result, &err) == 0, "%s", err.text);
    ck_assert_msg(result.matches, "%s\n%s", result.difference, buf_text(&bill));
    ck_assert_int_eq(result.capacity, 2);
    ck_assert_str_eq(result.total, "24.06 USD");
    char *changed = replaced(buf_text(&bill), ",0.0000041667,", ",0.0000041668,");
    ck_assert_int_eq(verify(changed, RECORDS, &result, &err), 0);
    ck_assert_msg(strstr(result.difference, "unit_price is 0.0000041668") != NULL, "%s", result.difference);
    free(changed);
    /* A quantity changed in a share no more adds up to its line; in parts of a unit it is refused. */
    changed = replaced(buf_text(&bill), ",4320000,GB-Seconds", ",4320001,GB-Seconds");
    ck_assert_int_eq(verify(changed, RECORDS, &result, &err), 0);
    ck_assert(!result.matches);
    free(changed);
    changed = replaced(buf_text(&bill), ",4320000,GB-Seconds", ",4320000.0000001,GB-Seconds");
    ck_assert_int_eq(verify(changed, RECORDS, &result, &err), -1);
    ck_assert_msg(strstr(err.text, "no whole number of MB-ms") != NULL, "%s", err.text);
    free(changed);
    buf_free(&bill);
    price_book_free(&book);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reports/verify");
    TCase *tcase = tcase_create("verify");
    tcase_add_test(tcase, a_true_bill_matches);
    tcase_add_test(tcase, provisioned_concurrency_is_stated);
    tcase_add_loop_test(tcase, a_changed_bill_is_named, 0, sizeof BILL_CHANGES / sizeof BILL_CHANGES[0]);
    tcase_add_test(tcase, every_changed_cell_is_named);
    tcase_add_test(tcase, a_dropped_row_is_named);
    tcase_add_test(tcase, stated_rows_must_add_up);
    tcase_add_loop_test(tcase, changed_records_are_named, 0, sizeof RECORD_CHANGES / sizeof RECORD_CHANGES[0]);
    tcase_add_test(tcase, every_changed_cell_of_the_records_is_named);
    tcase_add_test(tcase, a_dropped_record_is_named);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
