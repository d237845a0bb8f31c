/*
 * Goal:   an offer file of AWS becomes the price book that gives the same bill as the book that ships with the program;
 * what leaves a doubt is refused with its place.
 * Method: an offer file written here, member by member, with planted variants: both spellings of ranges, regions by
 * code or by location, JSON and CSV, terms before products, a file of many megabytes.
 */
#include "billing/price_aws.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct row {
    const char *sku, *group, *usage_type, *region, *location;
    const char *begin, *end, *price, *rate;
};

#define R "AWS-Lambda-Requests"
#define D "AWS-Lambda-Duration"
#define P "AWS-Lambda-Provisioned-Concurrency"
#define Q "AWS-Lambda-Duration-Provisioned"
#define S "AWS-Lambda-Storage-Duration"
#define V "US East (N. Virginia)"

static const struct row ROWS[] = {
    {"AREQ", R, "Request", "us-east-1", V, "0", "Inf", "0.0000002000", "AREQ.T.1"},
    {"AREQARM", R "-ARM", "Request-ARM", "us-east-1", V, "0", "Inf", "2.0E-7", "AREQARM.T.1"},
    {"AX86", D, "Lambda-GB-Second", "us-east-1", V, "6000000000", "15000000000", "0.0000150000", "AX86.T.2"},
    {"AX86", D, "Lambda-GB-Second", "us-east-1", V, "0", "6000000000", "0.0000166667", "AX86.T.1"},
    {"AX86", D, "Lambda-GB-Second", "us-east-1", V, "15000000000", "Inf", "0.0000133334", "AX86.T.3"},
    {"AARM", D "-ARM", "Lambda-GB-Second-ARM", "us-east-1", V, "0", "7500000000", "0.0000133334", "AARM.T.1"},
    {"AARM", D "-ARM", "Lambda-GB-Second-ARM", "us-east-1", V, "7500000000", "18750000000", "0.0000120001", "AARM.T.2"},
    {"AARM", D "-ARM", "Lambda-GB-Second-ARM", "us-east-1", V, "1.875E10", "Inf", "0.0000106667", "AARM.T.3"},
    {"APC", P, "Lambda-Provisioned-Concurrency", "us-east-1", V, "0", "Inf", "0.0000041667", "APC.T.1"},
    {"APCARM", P "-ARM", "Lambda-Provisioned-Concurrency-ARM", "us-east-1", V, "0", "Inf", "0.0000033334",
     "APCARM.T.1"},
    {"AQ", Q, "Lambda-Provisioned-GB-Second", "us-east-1", V, "0", "Inf", "0.0000097222", "AQ.T.1"},
    {"AQARM", Q "-ARM", "Lambda-Provisioned-GB-Second-ARM", "us-east-1", V, "0", "Inf", "0.0000077778", "AQARM.T.1"},
    {"AS", S, "Lambda-Storage-GB-Second", "us-east-1", V, "0", "Inf", "0.0000000309", "AS.T.1"},
    {"ASARM", S "-ARM", "Lambda-Storage-GB-Second-ARM", "us-east-1", V, "0", "Inf", "0.0000000309", "ASARM.T.1"},
    {"AB", "AWS-Lambda-Streaming-Response", "Lambda-Streaming-Response-Processed-Bytes", "us-east-1", V, "0", "Inf",
     "0.008", "AB.T.1"},
    {"GREQ", R, "Global-Request", "", "Any", "0", "1000000", "0.0000000000", "GREQ.F.1"},
    {"GX86", D, "Global-Lambda-GB-Second", "", "Any", "0", "400000", "0.0000000000", "GX86.F.1"},
    {"EREQ", R, "EU-Request", "", "EU (Ireland)", "0", "Inf", "0.0000002000", "EREQ.T.1"},
    {"EX86", D, "EU-Lambda-GB-Second", "", "EU (Ireland)", "0", "Inf", "0.0000166667", "EX86.T.1"},
    {"EDGE", "AWS-Lambda-Edge-Requests", "Lambda-Edge-Request", "us-east-1", V, "0", "Inf", "0.0000006", "EDGE.T.1"},
};
#define ROW_COUNT ((int)(sizeof ROWS / sizeof ROWS[0]))

static bool starts_sku(const struct row *rows, int i)
{
    return i == 0 || strcmp(rows[i].sku, rows[i - 1].sku) != 0;
}

static void put_products(struct buf *out, const struct row *rows, int count)
{
    buf_puts(out, "\"products\":{");
    for (int i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        if (starts_sku(rows, i)) {
            buf_printf(out,
                       "%s\n\"%s\":{\"sku\":\"%s\",\"productFamily\":\"Serverless\",\"attributes\":{\"group\":\"%s\","
                       "\"usagetype\":\"%s\",\"regionCode\":\"%s\",\"location\":\"%s\"}}",
                       i == 0 ? "" : ",", row->sku, row->sku, row->group, row->usage_type, row->region, row->location);
        }
    }
    buf_puts(out, "}");
}

static void put_terms(struct buf *out, const struct row *rows, int count, bool old_names)
{
    buf_puts(out, "\"terms\":{\"OnDemand\":{");
    for (int i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        bool last = i + 1 == count || starts_sku(rows, i + 1);
        if (starts_sku(rows, i)) {
            buf_printf(out, "%s\n\"%s\":{\"%s.T\":{\"priceDimensions\":{", i == 0 ? "" : ",", row->sku, row->sku);
        }
        buf_printf(out,
                   "%s\"%s\":{\"rateCode\":\"%s\",\"description\":\"x \\u00e9 \\\"y\\\"\",\"%s\":\"%s\",\"%s\":\"%s\","
                   "\"appliesTo\":[],\"pricePerUnit\":{\"USD\":\"%s\"}}%s",
                   starts_sku(rows, i) ? "" : ",", row->rate, row->rate, old_names ? "startingRange" : "beginRange",
                   row->begin, old_names ? "endingRange" : "endRange", row->end, row->price, last ? "}}}" : "");
    }
    buf_puts(out, "}}");
}

static void put_json(struct buf *out, const struct row *rows, int count, bool turned, size_t padding)
{
    buf_puts(out, "{\"formatVersion\":\"v1.0\",\"version\":\"20251001000000\",\"publicationDate\":\"2025-10-01\",");
    for (size_t i = 0; i < padding; i++) {
        buf_printf(out, "\"other%zu\":{\"list\":[1,-2.5e3,true,null,{\"a\":[]}],\"text\":\"%0200zu\"},\n", i, i);
    }
    if (turned) {
        put_terms(out, rows, count, true);
        buf_puts(out, ",");
        put_products(out, rows, count);
    } else {
        put_products(out, rows, count);
        buf_puts(out, ",");
        put_terms(out, rows, count, false);
    }
    buf_puts(out, "}\n");
    ck_assert(buf_ok(out));
}

static void put_csv(struct buf *out, const struct row *rows, int count)
{
    buf_puts(out, "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"Prices, \"\"as they are\"\"\nand more\"\n"
                  "\"Publication Date\",\"2025-10-01T00:00:00Z\"\n\"Version\",\"20251001000000\"\n"
                  "\"OfferCode\",\"AWSLambda\"\n\"SKU\",\"OfferTermCode\",\"RateCode\",\"TermType\","
                  "\"PriceDescription\",\"StartingRange\",\"EndingRange\",\"Unit\",\"PricePerUnit\",\"Currency\","
                  "\"Location\",\"Group\",\"usageType\",\"Region Code\"\r\n");
    for (int i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        buf_printf(out,
                   "\"%s\",\"T\",\"%s\",\"OnDemand\",\"a, \"\"b\"\"\",\"%s\",\"%s\",\"x\",\"%s\",\"USD\",\"%s\","
                   "\"%s\",\"%s\",\"%s\"\r\n",
                   row->sku, row->rate, row->begin, row->end, row->price, row->location, row->group, row->usage_type,
                   row->region);
    }
    ck_assert(buf_ok(out));
}

static int import(const struct buf *file, const char *region, struct buf *book, struct price_aws_summary *summary,
                  struct err *err)
{
    const struct price_aws_options options = {.source = "offer", .name = "aws", .region = region};
    FILE *in = fmemopen(file->data, file->length, "r");
    ck_assert_ptr_nonnull(in);
    int rc = price_aws_import(in, &options, book, summary, err);
    (void)fclose(in);
    return rc;
}

static void same_bill_as_default(const struct buf *text)
{
    struct price_book *own = NULL;
    struct price_book *ours = NULL;
    struct err err = {0};
    struct rated_bill *a = malloc(sizeof *a);
    struct rated_bill *b = malloc(sizeof *b);
    struct usage_totals totals;
    for (int m = 0; m < METER_COUNT; m++) {
        totals.quantity[m] = INT64_C(3) * 1024000 * 7000000000 / 7;
    }
    totals.quantity[METER_COMPUTE_ARM] *= 7;
    totals.quantity[METER_REQUESTS] = 123456789;
    ck_assert_int_eq(price_book_parse(buf_text(text), text->length, &own, NULL, &err), 0);
    ck_assert_int_eq(price_book_parse(price_book_default_json(), strlen(price_book_default_json()), &ours, NULL, &err),
                     0);
    ck_assert_int_eq(rate_usage(own, &totals, a, &err), 0);
    ck_assert_int_eq(rate_usage(ours, &totals, b, &err), 0);
    ck_assert_int_eq(a->count, b->count);
    ck_assert_int_eq(a->net_minor, b->net_minor);
    for (int i = 0; i < a->count; i++) {
        ck_assert_int_eq(a->lines[i].quantity, b->lines[i].quantity);
        ck_assert(a->lines[i].exact_amount.value == b->lines[i].exact_amount.value);
    }
    free(a);
    free(b);
    price_book_free(&own);
    price_book_free(&ours);
}

/* 0: JSON; 1: terms first and the other names of ranges; 2: CSV. */
START_TEST(every_form_gives_the_book_that_ships)
{
    struct buf file = {0};
    struct buf book = {0};
    struct price_aws_summary summary;
    struct err err = {0};
    if (_i < 2) {
        put_json(&file, ROWS, ROW_COUNT, _i == 1, 0);
    } else {
        put_csv(&file, ROWS, ROW_COUNT);
    }
    int rc = import(&file, "us-east-1", &book, &summary, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    same_bill_as_default(&book);
    ck_assert_str_eq(summary.version, "20251001000000");
    ck_assert_str_eq(summary.currency, "USD");
    ck_assert_int_eq(summary.bands[METER_COMPUTE_ARM], 3);
    ck_assert_int_eq(summary.free_allowances, 2);
    ck_assert_ptr_nonnull(strstr(buf_text(&book), "\"price_id\": \"AX86.T.2\""));
    buf_free(&file);
    buf_free(&book);
}
END_TEST

START_TEST(a_region_can_be_known_by_its_location)
{
    struct buf file = {0};
    struct buf book = {0};
    struct price_aws_summary summary;
    struct err err = {0};
    put_json(&file, ROWS, ROW_COUNT, false, 0);
    ck_assert_int_eq(import(&file, "eu-west-1", &book, &summary, &err), 0);
    ck_assert_int_eq(summary.bands[METER_COMPUTE_X86], 1);
    ck_assert_int_eq(summary.bands[METER_COMPUTE_ARM], 0);
    ck_assert_ptr_nonnull(strstr(buf_text(&book), "EX86.T.1"));
    buf_clear(&book);
    ck_assert_int_eq(import(&file, "mars-1", &book, &summary, &err), -1);
    ck_assert_msg(strstr(err.text, "us-east-1, eu-west-1") != NULL, "%s", err.text);
    buf_free(&file);
    buf_free(&book);
}
END_TEST

/* Twelve megabytes of other things do not make the reader bigger. */
START_TEST(big_files_are_read_in_bounded_memory)
{
    struct buf file = {0};
    struct buf book = {0};
    struct price_aws_summary summary;
    struct err err = {0};
    struct rusage before;
    struct rusage after;
    put_json(&file, ROWS, ROW_COUNT, true, 45000);
    ck_assert_uint_gt(file.length, 11 * 1024 * 1024);
    (void)getrusage(RUSAGE_SELF, &before);
    ck_assert_int_eq(import(&file, "us-east-1", &book, &summary, &err), 0);
    (void)getrusage(RUSAGE_SELF, &after);
    /* Half the file is far below a reader that keeps what it reads, and above what sanitizers keep of freed memory. */
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, (long)(file.length / 1024 / 2));
    same_bill_as_default(&book);
    buf_free(&file);
    buf_free(&book);
}
END_TEST

/* One row of the good file is replaced (column, text); the error names the place and the reason. */
static const struct {
    int row, column; /* of struct row, from 0 */
    const char *text;
    const char *says;
} PLANTED[] = {
    {3, 6, "5999999999", "band AX86.T.2 begins at 6000000000, the one before ends at 5999999999"},
    {3, 6, "6000000001", "begins at 6000000000, the one before ends at 6000000001"},
    {3, 5, "1", "begins at 1, the one before ends at 0"},
    {4, 6, "20000000000", "the last band does not end at Inf"},
    {3, 7, "-0.1", "pricePerUnit is -0.1; it cannot be negative"},
    {3, 7, "free", "pricePerUnit"},
    {3, 7, "1E99", "a number is needed"},
    {3, 5, "", "beginRange"},
    {3, 6, "soon", "endRange"},
    {1, 7, "0.0000003", "requests has other prices on x86_64"},
    {1, 1, R, "products AREQ and AREQARM both price requests"},
    {3, 8, "0123456789012345678901234567890123456789012345678901234567890123456789", "rateCode"},
};

START_TEST(doubts_are_refused_with_their_place)
{
    for (int csv = 0; csv < 2; csv++) {
        struct row rows[sizeof ROWS / sizeof ROWS[0]];
        struct buf file = {0};
        struct buf book = {0};
        struct price_aws_summary summary;
        struct err err = {0};
        memcpy(rows, ROWS, sizeof rows);
        const char **cell = &rows[PLANTED[_i].row].sku + PLANTED[_i].column;
        *cell = PLANTED[_i].text;
        if (csv == 0) {
            put_json(&file, rows, ROW_COUNT, false, 0);
        } else {
            put_csv(&file, rows, ROW_COUNT);
        }
        ck_assert_int_eq(import(&file, "us-east-1", &book, &summary, &err), -1);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_msg(strstr(err.text, PLANTED[_i].says) != NULL, "%s", err.text);
        buf_free(&file);
        buf_free(&book);
    }
}
END_TEST

static const struct {
    const char *text, *says;
} BROKEN[] = {
    {"", "header"},
    {"[1]", "header"},
    {"{", "line 1"},
    {"{\"a\":1} x", "text after the end"},
    {"{\"a\" 1}", "':' is needed"},
    {"{\"a\":\n\n\"b", "line 3, /a: a string does not end"},
    {"{\"a\":\"\\q\"}", "an escape"},
    {"{\"a\":\"\\u00x0\"}", "hexadecimal"},
    {"{\"a\":[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]}", "nested too deeply"},
    {"{\"a\":?}", "a value is needed"},
    {"{\"a\":[1}", "',' or the end"},
    {"{}", "no prices of Lambda for region"},
    {"SKU,RateCode\n", "the header has no such column"},
};

START_TEST(broken_files_are_refused)
{
    struct buf file = {0};
    struct buf book = {0};
    struct price_aws_summary summary;
    struct err err = {0};
    buf_puts(&file, BROKEN[_i].text[0] == '\0' ? "\n" : BROKEN[_i].text);
    ck_assert_int_eq(import(&file, "us-east-1", &book, &summary, &err), -1);
    ck_assert_msg(strstr(err.text, BROKEN[_i].says) != NULL, "%s", err.text);
    buf_free(&file);
    buf_free(&book);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("billing/price_aws");
    TCase *tcase = tcase_create("price_aws");
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, every_form_gives_the_book_that_ships, 0, 3);
    tcase_add_test(tcase, a_region_can_be_known_by_its_location);
    tcase_add_test(tcase, big_files_are_read_in_bounded_memory);
    tcase_add_loop_test(tcase, doubts_are_refused_with_their_place, 0, sizeof PLANTED / sizeof PLANTED[0]);
    tcase_add_loop_test(tcase, broken_files_are_refused, 0, sizeof BROKEN / sizeof BROKEN[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
