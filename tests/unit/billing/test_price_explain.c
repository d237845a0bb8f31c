/*
 * Goal:   a line is explained with every number needed to do the sum again; a difference between two books is told
 * once, with both values, and equal books have none. Method: the default book, and books that differ in one member
 * each.
 */
#include "billing/price_book.h"
#include "billing/price_explain.h"
#include "common/buf.h"
#include "common/err.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct price_book *parse(const char *json)
{
    struct price_book *book = NULL;
    struct err err = {0};
    int rc = price_book_parse(json, strlen(json), &book, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return book;
}

static void explain(const char *json, const struct usage_totals *totals, struct buf *out)
{
    struct price_book *book = parse(json);
    struct rated_bill *bill = malloc(sizeof *bill);
    struct err err = {0};
    ck_assert_int_eq(rate_usage(book, totals, bill, &err), 0);
    price_explain(book, totals, bill, out);
    ck_assert(buf_ok(out));
    free(bill);
    price_book_free(&book);
}

START_TEST(the_first_example_of_aws)
{
    struct buf out = {0};
    const struct usage_totals totals = {{[METER_REQUESTS] = 3000000, [METER_COMPUTE_X86] = INT64_C(540000) * 1024000}};
    explain(price_book_default_json(), &totals, &out);
    ck_assert_str_eq(buf_text(&out), "requests: 3000000 requests\n"
                                     "  Requests, free allowance\n"
                                     "    1000000 requests\n"
                                     "    1000000 x 0 = 0, rounded 0.00 USD\n"
                                     "  Requests\n"
                                     "    2000000 requests\n"
                                     "    2000000 x 0.0000002 = 0.4, rounded 0.40 USD\n"
                                     "compute_x86_64: 552960000000 MB-ms / 1024000 = 540000 GB-Seconds\n"
                                     "  Compute, x86_64, free allowance\n"
                                     "    409600000000 MB-ms / 1024000 = 400000 GB-Seconds\n"
                                     "    400000 x 0 = 0, rounded 0.00 USD\n"
                                     "  Compute, x86_64, tier 1\n"
                                     "    143360000000 MB-ms / 1024000 = 140000 GB-Seconds\n"
                                     "    140000 x 0.0000166667 = 2.333338, rounded 2.33 USD\n"
                                     "sum of the rounded lines: 0.00 + 0.40 + 0.00 + 2.33 = 2.73 USD\n");
    buf_free(&out);
}
END_TEST

START_TEST(packages_and_meters_without_price)
{
    struct buf out = {0};
    const struct usage_totals totals = {{[METER_REQUESTS] = 101, [METER_STREAMED_BYTES] = 1}};
    explain("{\"currency\":\"USD\",\"meters\":{\"requests\":{\"model\":\"package\",\"package\":\"100\","
            "\"bands\":[{\"price\":\"0.3\"}]}}}",
            &totals, &out);
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "started packages: 2 x 0.3 = 0.6, rounded 0.60 USD"));
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "has no price in this book"));
    buf_free(&out);
}
END_TEST

#define BASE_HEAD "{\"currency\":\"USD\",\"meters\":{\"requests\":"
#define BASE BASE_HEAD "{\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}"

static const struct {
    const char *json, *what, *before, *after;
} ROWS[] = {
    {BASE "}", NULL, NULL, NULL},
    {BASE_HEAD "{\"bands\":[{\"up_to\":\"10\",\"price\":\"2\"},{\"price\":\"0.5\"}]}}}", "requests t1 price", "1", "2"},
    {BASE_HEAD "{\"bands\":[{\"up_to\":\"20\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}}", "requests t1 up_to", "10",
     "20"},
    {BASE ",\"rounding\":\"half_even\"}", "rounding", "half_up", "half_even"},
    {BASE ",\"minimum_fee\":\"5\"}", "minimum_fee", "0.00", "5.00"},
    {BASE ",\"free\":[{\"id\":\"f\",\"meters\":[\"requests\"],\"quantity\":\"7\"}]}", "requests free", "-", "7"},
    {BASE ",\"tax\":[{\"id\":\"v\",\"name\":\"VAT\",\"percent\":\"20\"}]}", "tax 1", "-", "VAT 20% (S)"},
    {BASE ",\"policy\":[{\"from\":\"2026-01-01\",\"grain_ms\":100,\"bill_init\":false}]}", "policy 1", "-",
     "2026-01-01: 100 ms, init free, async 0 KiB"},
    {BASE_HEAD "{\"model\":\"volume\",\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}}",
     "requests model", "graduated", "volume"},
};

struct seen {
    int count;
    struct price_change last;
};

static void on_change(const struct price_change *change, void *ctx)
{
    struct seen *seen = ctx;
    seen->count++;
    seen->last = *change;
}

START_TEST(one_difference_is_told_once)
{
    struct price_book *before = parse(BASE "}");
    struct price_book *after = parse(ROWS[_i].json);
    struct seen seen = {0};
    price_book_diff(before, after, on_change, &seen);
    ck_assert_int_eq(seen.count, ROWS[_i].what == NULL ? 0 : 1);
    if (ROWS[_i].what != NULL) {
        ck_assert_str_eq(seen.last.what, ROWS[_i].what);
        ck_assert_str_eq(seen.last.before, ROWS[_i].before);
        ck_assert_str_eq(seen.last.after, ROWS[_i].after);
    }
    price_book_free(&before);
    price_book_free(&after);
}
END_TEST

START_TEST(a_meter_less_is_told)
{
    struct price_book *before = parse(BASE "}");
    struct price_book *after = parse("{\"currency\":\"USD\",\"meters\":{}}");
    struct seen seen = {0};
    price_book_diff(before, after, on_change, &seen);
    ck_assert_int_eq(seen.count, 7); /* model, and price, up_to and price id of two bands */
    price_book_free(&before);
    price_book_free(&after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("billing/price_explain");
    TCase *tcase = tcase_create("price_explain");
    tcase_add_test(tcase, the_first_example_of_aws);
    tcase_add_test(tcase, packages_and_meters_without_price);
    tcase_add_loop_test(tcase, one_difference_is_told_once, 0, sizeof ROWS / sizeof ROWS[0]);
    tcase_add_test(tcase, a_meter_less_is_told);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
