/*
 * Goal:   the default price book gives AWS's own worked examples to the cent; bands, models and free allowances are
 * exact; bad price books are refused with the pointer of every error. Method: golden invoices from AWS's pricing page;
 * tables of documents with planted errors.
 */
#include "billing/bill_internal.h"
#include "billing/price_book_internal.h"
#include "common/err.h"
#include "metering/record.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define GB_S INT64_C(1024000)

static struct price_book *parse(const char *json)
{
    struct price_book *book = NULL;
    struct err err = {0};
    int rc = price_book_parse(json, strlen(json), &book, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return book;
}

static const struct {
    const char *name;
    struct usage_totals totals;
    int64_t net_minor;
} GOLDEN[] = {
    {"G1", {{[METER_REQUESTS] = 3000000, [METER_COMPUTE_X86] = 540000 * GB_S}}, 273},
    {"G4",
     {{[METER_REQUESTS] = 3000000,
       [METER_COMPUTE_X86] = 450000 * GB_S,
       [METER_PROVISIONED_COMPUTE_X86] = 75000 * GB_S,
       [METER_PROVISIONED_X86] = 4320000 * GB_S}},
     1996},
    {"G7",
     {{[METER_REQUESTS] = 3000000,
       [METER_COMPUTE_X86] = 2250000 * GB_S,
       [METER_STREAMED_BYTES] = INT64_C(1000000) * 1024 * 1024}},
     3904},
    {"nothing", {{0}}, 0},
    {"all free", {{[METER_REQUESTS] = 1000000, [METER_COMPUTE_X86] = 400000 * GB_S}}, 0},
    {"free shared, x86 first", {{[METER_COMPUTE_X86] = 300000 * GB_S, [METER_COMPUTE_ARM] = 200000 * GB_S}}, 133},
    {"tier 2", {{[METER_COMPUTE_X86] = (INT64_C(9000400000)) * GB_S}}, 10000020 + 4500000},
};

START_TEST(golden_invoices_come_out_to_the_cent)
{
    struct price_book *book = parse(price_book_default_json());
    struct rated_bill *bill = malloc(sizeof *bill);
    struct err err = {0};
    ck_assert_int_eq(rate_usage(book, &GOLDEN[_i].totals, bill, &err), 0);
    ck_assert_msg(bill->net_minor == GOLDEN[_i].net_minor, "%s: %lld", GOLDEN[_i].name, (long long)bill->net_minor);
    int64_t quantity[METER_COUNT] = {0};
    for (int i = 0; i < bill->count; i++) {
        quantity[bill->lines[i].meter] += bill->lines[i].quantity;
    }
    for (int m = 0; m < METER_COUNT; m++) {
        ck_assert_int_eq(quantity[m], GOLDEN[_i].totals.quantity[m]);
    }
    free(bill);
    price_book_free(&book);
}
END_TEST

/* AWS's example without a free tier: 7.44 million requests of 2 s at 1024 MB. */
START_TEST(golden_invoice_without_free_tier)
{
    struct price_book *book = parse(price_book_default_json());
    struct rated_bill *bill = malloc(sizeof *bill);
    struct usage_totals totals = {{[METER_REQUESTS] = 7440000, [METER_COMPUTE_X86] = INT64_C(14880000) * GB_S}};
    struct err err = {0};
    ck_assert_int_eq(price_override_apply(book, "{\"free\":[]}", 11, NULL, &err), 0);
    ck_assert_int_eq(rate_usage(book, &totals, bill, &err), 0);
    ck_assert_int_eq(bill->net_minor, 149 + 24800);
    free(bill);
    price_book_free(&book);
}
END_TEST

#define HEAD "{\"currency\":\"USD\",\"meters\":{\"requests\":"

static const struct {
    const char *json;
    int64_t requests;
    const char *exact; /* of the last line */
    int lines;
} MODELS[] = {
    {HEAD "{\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}}", 10, "10", 1},
    {HEAD "{\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}}", 11, "0.5", 2},
    {HEAD "{\"model\":\"volume\",\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}}", 11, "5.5", 1},
    {HEAD "{\"model\":\"volume\",\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"price\":\"0.5\"}]}}}", 10, "10", 1},
    {HEAD "{\"model\":\"package\",\"package\":\"100\",\"bands\":[{\"price\":\"0.3\"}]}}}", 101, "0.6", 1},
    {HEAD "{\"model\":\"package\",\"package\":\"100\",\"bands\":[{\"price\":\"0.3\"}]}}}", 100, "0.3", 1},
};

START_TEST(models_price_as_they_say)
{
    struct price_book *book = parse(MODELS[_i].json);
    struct rated_bill *bill = malloc(sizeof *bill);
    struct usage_totals totals = {{[METER_REQUESTS] = MODELS[_i].requests}};
    struct err err = {0};
    char text[MONEY_TEXT_BYTES];
    ck_assert_int_eq(rate_usage(book, &totals, bill, &err), 0);
    ck_assert_int_eq(bill->count, MODELS[_i].lines);
    exact_format(bill->lines[bill->count - 1].exact_amount, text);
    ck_assert_str_eq(text, MODELS[_i].exact);
    free(bill);
    price_book_free(&book);
}
END_TEST

static const struct {
    const char *json;
    const char *pointer;
} BAD[] = {
    {"[]", "/"},
    {"{\"meters\":{}}", "/currency"},
    {"{\"currency\":\"usd\",\"meters\":{}}", "/currency"},
    {"{\"currency\":\"USD\"}", "/meters"},
    {"{\"currency\":\"USD\",\"meters\":{},\"colour\":1}", "/colour"},
    {"{\"currency\":\"USD\",\"meters\":{\"coffee\":{\"bands\":[{\"price\":\"1\"}]}}}", "/meters/coffee"},
    {HEAD "{\"bands\":[]}}}", "/meters/requests/bands"},
    {HEAD "{\"bands\":[{\"price\":\"-1\"}]}}}", "/meters/requests/bands/0/price"},
    {HEAD "{\"bands\":[{\"price\":1}]}}}", "/meters/requests/bands/0/price"},
    {HEAD "{\"bands\":[{\"price\":\"0.000000000000001\"}]}}}", "/meters/requests/bands/0/price"},
    {HEAD "{\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"}]}}}", "/meters/requests/bands"},
    {HEAD "{\"bands\":[{\"price\":\"1\"},{\"price\":\"2\"}]}}}", "/meters/requests/bands/1"},
    {HEAD "{\"bands\":[{\"up_to\":\"10\",\"price\":\"1\"},{\"up_to\":\"5\",\"price\":\"1\"},{\"price\":\"1\"}]}}}",
     "/meters/requests/bands/1/up_to"},
    {HEAD "{\"bands\":[{\"up_to\":\"1.5\",\"price\":\"1\"},{\"price\":\"1\"}]}}}", "/meters/requests/bands/0/up_to"},
    {HEAD "{\"bands\":[{\"up_to\":\"5\",\"price\":\"1\",\"id\":\"a\"},{\"price\":\"2\",\"id\":\"a\"}]}}}",
     "/meters/requests/bands/1"},
    {HEAD "{\"bands\":[{\"price\":\"1\"}]}},\"free\":[{\"id\":\"f\",\"meters\":[\"requests\",\"requests\"],"
          "\"quantity\":\"5\"}]}",
     "/free/0/meters/1"},
    {HEAD "{\"bands\":[{\"price\":\"1\"}]}},\"free\":[{\"id\":\"t1\",\"meters\":[\"requests\"],\"quantity\":\"5\"}]}",
     "/free/0/id"},
    {HEAD "{\"model\":\"magic\",\"bands\":[{\"price\":\"1\"}]}}}", "/meters/requests/model"},
    {HEAD "{\"model\":\"package\",\"bands\":[{\"price\":\"1\"}]}}}", "/meters/requests/package"},
    {"{\"currency\":\"USD\",\"meters\":{},\"policy\":[{\"from\":\"soon\",\"grain_ms\":1,\"bill_init\":true}]}",
     "/policy/0/from"},
    {"{\"currency\":\"USD\",\"meters\":{},\"policy\":[{\"from\":\"2026-01-01\",\"grain_ms\":0,\"bill_init\":true}]}",
     "/policy/0/grain_ms"},
    {"{\"currency\":\"USD\",\"meters\":{},\"policy\":[{\"from\":\"2026-01-01\",\"grain_ms\":1}]}",
     "/policy/0/bill_init"},
    {"{\"currency\":\"USD\",\"meters\":{},\"policy\":[{\"from\":\"2026-01-01\",\"grain_ms\":1,\"bill_init\":[]}]}",
     "/policy/0/bill_init"},
    {"{\"currency\":\"USD\",\"meters\":{},\"policy\":[{\"from\":\"2026-01-01\",\"grain_ms\":1,\"bill_init\":[\"Go "
     "1\"]}]}",
     "/policy/0/bill_init"},
    {"{\"currency\":\"USD\",\"meters\":{},\"free\":[{\"id\":\"f\",\"meters\":[\"requests\",\"compute_arm64\"],"
     "\"quantity\":\"1\"}]}",
     "/free/0/meters/1"},
    {"{\"currency\":\"USD\",\"meters\":{},\"tax\":[{\"id\":\"v\",\"name\":\"VAT\",\"percent\":\"101\"}]}",
     "/tax/0/percent"},
    {"{\"currency\":\"USD\",\"meters\":{},\"rounding\":\"down\"}", "/rounding"},
    {"{\"currency\":\"USD\",\"meters\":{},\"minimum_fee\":\"-1\"}", "/minimum_fee"},
};

START_TEST(bad_books_are_refused_with_the_place)
{
    struct price_book *book = NULL;
    struct price_problems problems;
    struct err err = {0};
    int rc = price_book_parse(BAD[_i].json, strlen(BAD[_i].json), &book, &problems, &err);
    ck_assert_int_eq(rc, -1);
    ck_assert_ptr_null(book);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_int_ge(problems.count, 1);
    ck_assert_msg(strcmp(err.field, BAD[_i].pointer) == 0, "%s: %s", err.field, err.text);
}
END_TEST

START_TEST(discounts_are_exact)
{
    struct price_book *book = parse(price_book_default_json());
    struct rated_bill *bill = malloc(sizeof *bill);
    struct usage_totals totals = {{[METER_REQUESTS] = 2000000}};
    struct err err = {0};
    char text[MONEY_TEXT_BYTES];
    static const char TEN_AND_A_HALF[] = "{\"discount_percent\":\"10.5\"}";
    ck_assert_int_eq(price_override_apply(book, TEN_AND_A_HALF, strlen(TEN_AND_A_HALF), NULL, &err), 0);
    ck_assert_int_eq(rate_usage(book, &totals, bill, &err), 0);
    ck_assert_int_eq(bill->count, 2);
    exact_format(bill->lines[1].exact_amount, text);
    ck_assert_str_eq(text, "0.179");
    exact_format(bill->lines[1].list_amount, text);
    ck_assert_str_eq(text, "0.2");
    free(bill);
    price_book_free(&book);
}
END_TEST

START_TEST(policies_are_dated)
{
    struct price_book *book = parse(price_book_default_json());
    struct billing_policy policy;
    price_book_policy(book, INT64_C(1750000000000000), "nodejs20.x", &policy); /* 2025-06 */
    ck_assert_uint_eq(policy.grain_ms, 1);
    ck_assert(!policy.bill_init);
    price_book_policy(book, INT64_C(1790000000000000), "nodejs20.x", &policy); /* 2026-09 */
    ck_assert(policy.bill_init);
    ck_assert_uint_eq(policy.async_kib, 256);
    price_book_policy(book, INT64_C(1500000000000000), "nodejs20.x", &policy); /* 2017 */
    ck_assert_uint_eq(policy.grain_ms, 100);
    /* Initialisation of own runtimes was billed before that of managed ones. */
    price_book_policy(book, INT64_C(1750000000000000), "provided.al2023", &policy);
    ck_assert(policy.bill_init);
    price_book_policy(book, INT64_C(1750000000000000), "", &policy);
    ck_assert(!policy.bill_init);
    price_book_policy(book, INT64_C(1790000000000000), "", &policy);
    ck_assert(policy.bill_init);
    price_book_free(&book);
}
END_TEST

START_TEST(worst_case_is_the_highest_price_ahead)
{
    struct price_book *book = parse(price_book_default_json());
    int64_t picos = 0;
    struct err err = {0};
    ck_assert_int_eq(rate_worst_case(book, METER_COMPUTE_X86, 0, GB_S, &picos, &err), 0);
    ck_assert_int_eq(picos, 16666700);
    ck_assert_int_eq(rate_worst_case(book, METER_COMPUTE_X86, INT64_C(7000000000) * GB_S, GB_S, &picos, &err), 0);
    ck_assert_int_eq(picos, 15000000);
    ck_assert_int_eq(rate_worst_case(book, METER_COMPUTE_X86, 0, 1, &picos, &err), 0);
    ck_assert_int_eq(picos, 17); /* 16.27..., rounded up */
    price_book_free(&book);
}
END_TEST

/* The allowance goes to x86 first: a unit of x86 may push one of arm out of it, and that one is dearer. */
START_TEST(worst_case_knows_shared_allowances)
{
    struct price_book *book =
        parse("{\"name\":\"b\",\"currency\":\"USD\",\"rounding\":\"half_up\","
              "\"policy\":[{\"from\":\"2014-11-13\",\"grain_ms\":1,\"bill_init\":true}],"
              "\"free\":[{\"id\":\"free\",\"meters\":[\"compute_x86_64\",\"compute_arm64\"],\"quantity\":\"10\"}],"
              "\"meters\":{\"compute_x86_64\":{\"bands\":[{\"id\":\"t1\",\"price\":\"1\"}]},"
              "\"compute_arm64\":{\"bands\":[{\"id\":\"t1\",\"price\":\"3\"}]}}}");
    struct usage_totals totals = {.quantity = {[METER_COMPUTE_X86] = 4 * GB_S, [METER_COMPUTE_ARM] = 9 * GB_S}};
    int64_t reached[METER_COUNT];
    int64_t picos = 0;
    struct err err = {0};
    ck_assert_int_eq(rate_worst_case(book, METER_COMPUTE_X86, 0, GB_S, &picos, &err), 0);
    ck_assert_int_eq(picos, INT64_C(3000000000000));
    rate_reached(book, &totals, reached);
    ck_assert_int_eq(reached[METER_COMPUTE_X86], 0);
    ck_assert_int_eq(reached[METER_COMPUTE_ARM], 3 * GB_S);
    price_book_free(&book);
}
END_TEST

/* Shares of random usage: every line is the sum of its shares, every function's shares are what it used. */
START_TEST(shares_add_up_both_ways)
{
    struct price_book *book = parse(price_book_default_json());
    unsigned seed = 7 + (unsigned)_i;
    struct bill_usage items[23];
    memset(items, 0, sizeof items);
    for (int i = 0; i < 23; i++) {
        items[i].function_id = i + 1;
        for (int m = 0; m < METER_COUNT; m++) {
            items[i].quantity[m] = rand_r(&seed) % 3 == 0 ? 0 : (int64_t)rand_r(&seed) * (1 + rand_r(&seed) % 500);
        }
    }
    struct bill_usage_list usage = {.count = 23, .items = items};
    struct bill *bill = calloc(1, sizeof *bill);
    struct err err = {0};
    ck_assert_int_eq(bill_compute(book, &usage, bill, &err), 0);
    int64_t used[23][METER_COUNT];
    memset(used, 0, sizeof used);
    int64_t net = 0;
    for (int l = 0; l < bill->line_count; l++) {
        int64_t quantity = 0;
        int64_t minor = 0;
        struct exact exact = {0};
        for (int s = 0; s < bill->share_count; s++) {
            if (bill->shares[s].line == l) {
                quantity += bill->shares[s].quantity;
                minor += bill->shares[s].amount_minor;
                exact.value += bill->shares[s].exact_amount.value;
                used[bill->shares[s].function_id - 1][bill->lines[l].meter] += bill->shares[s].quantity;
            }
        }
        ck_assert_int_eq(quantity, bill->lines[l].quantity);
        ck_assert_int_eq(minor, bill->lines[l].amount_minor);
        ck_assert(exact.value == bill->lines[l].exact_amount.value);
        net += bill->lines[l].amount_minor;
    }
    ck_assert_int_eq(net, bill->net_minor);
    for (int i = 0; i < 23; i++) {
        for (int m = 0; m < METER_COUNT; m++) {
            ck_assert_int_eq(used[i][m], items[i].quantity[m]);
        }
    }
    bill_free(&bill);
    price_book_free(&book);
}
END_TEST

START_TEST(minimum_fee_and_tax_come_last)
{
    static const char JSON[] = HEAD "{\"bands\":[{\"price\":\"0.01\"}]}},\"minimum_fee\":\"5.00\","
                                    "\"tax\":[{\"id\":\"vat\",\"name\":\"VAT\",\"percent\":\"20\"}]}";
    struct price_book *book = parse(JSON);
    struct bill_usage item = {.function_id = 1, .quantity = {[METER_REQUESTS] = 33}};
    struct bill_usage_list usage = {.count = 1, .items = &item};
    struct bill *bill = calloc(1, sizeof *bill);
    struct err err = {0};
    ck_assert_int_eq(bill_compute(book, &usage, bill, &err), 0);
    ck_assert_int_eq(bill->line_count, 3);
    ck_assert_int_eq(bill->lines[1].amount_minor, 467);
    ck_assert_int_eq(bill->net_minor, 500);
    ck_assert_int_eq(bill->tax_minor, 100);
    ck_assert_int_eq(bill->total_minor, 600);
    bill_free(&bill);
    price_book_free(&book);
}
END_TEST

static struct bill *bill_under(const char *book_json, const char *override, int64_t requests)
{
    struct price_book *book = parse(book_json);
    struct bill_usage item = {.function_id = 1, .quantity = {[METER_REQUESTS] = requests}};
    struct bill_usage_list usage = {.count = 1, .items = &item};
    struct bill *bill = calloc(1, sizeof *bill);
    struct err err = {0};
    ck_assert_msg(price_override_apply(book, override, strlen(override), NULL, &err) == 0, "%s", err.text);
    ck_assert_int_eq(bill_compute(book, &usage, bill, &err), 0);
    price_book_free(&book);
    return bill;
}

START_TEST(an_amount_comes_off_the_month)
{
    static const char JSON[] = HEAD "{\"bands\":[{\"price\":\"0.01\"}]}},"
                                    "\"tax\":[{\"id\":\"vat\",\"name\":\"VAT\",\"percent\":\"20\"}]}";
    static const struct {
        const char *override;
        int64_t requests, lines, net, total;
    } ROWS[] = {
        {"{\"discount_amount\":\"2.50\"}", 1000, 3, 750, 900},
        {"{\"discount_amount\":\"25\"}", 1000, 3, 0, 0}, /* never below nothing */
        {"{\"discount_amount\":\"0\"}", 1000, 2, 1000, 1200},
        {"{\"discount_amount\":\"2.50\"}", 0, 0, 0, 0}, /* nothing used, nothing to take it off */
        {"{\"discount_amount\":\"2.50\",\"minimum_fee\":\"8\"}", 1000, 4, 800, 960},
        {"{\"discount_amount\":\"2.50\",\"discount_percent\":\"10\"}", 1000, 3, 650, 780},
    };
    struct bill *bill = bill_under(JSON, ROWS[_i].override, ROWS[_i].requests);
    ck_assert_int_eq(bill->line_count, ROWS[_i].lines);
    ck_assert_int_eq(bill->net_minor, ROWS[_i].net);
    ck_assert_int_eq(bill->total_minor, ROWS[_i].total);
    int64_t sum = 0;
    for (int i = 0; i < bill->line_count; i++) {
        sum += bill->lines[i].amount_minor;
    }
    ck_assert_int_eq(sum, bill->total_minor);
    bill_free(&bill);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("billing/rating");
    TCase *tcase = tcase_create("rating");
    tcase_add_loop_test(tcase, golden_invoices_come_out_to_the_cent, 0, sizeof GOLDEN / sizeof GOLDEN[0]);
    tcase_add_test(tcase, golden_invoice_without_free_tier);
    tcase_add_loop_test(tcase, models_price_as_they_say, 0, sizeof MODELS / sizeof MODELS[0]);
    tcase_add_loop_test(tcase, bad_books_are_refused_with_the_place, 0, sizeof BAD / sizeof BAD[0]);
    tcase_add_test(tcase, discounts_are_exact);
    tcase_add_test(tcase, policies_are_dated);
    tcase_add_test(tcase, worst_case_is_the_highest_price_ahead);
    tcase_add_test(tcase, worst_case_knows_shared_allowances);
    tcase_add_loop_test(tcase, shares_add_up_both_ways, 0, 25);
    tcase_add_test(tcase, minimum_fee_and_tax_come_last);
    tcase_add_loop_test(tcase, an_amount_comes_off_the_month, 0, 6);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
