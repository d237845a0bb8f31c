/*
 * Goal:   bills whose every digit was worked out beforehand (Python's decimal, and by hand where it is short) come out
 * so: AWS's worked examples and more of their kind, tiers crossed, other currencies, models, discounts, taxes, credits,
 * fees, amounts at exactly half a cent, and quantities near what 64 bits hold. Method: a table; the whole bill is
 * written as text and compared, and the same use spread over three functions gives the same bill with shares that add
 * up.
 */
#include "billing/bill_rate.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define G INT64_C(1024000)
#define USD(rest) "{\"currency\":\"USD\"," rest "}"
#define FREE_OF_NONE "{\"free\":[]}"
#define VAT "\"tax\":[{\"id\":\"vat\",\"name\":\"VAT\",\"percent\":\"19\"}]"
#define TWO_METERS                                                                                                     \
    "\"meters\":{\"requests\":{\"bands\":[{\"price\":\"0.0000002\"}]},"                                                \
    "\"compute_x86_64\":{\"bands\":[{\"price\":\"0.0000166667\"}]}}"
/* 2 million requests and 140,000 GB-s, 0.40 and 2.33, is AWS's first example after its free tier. */
#define FIRST                                                                                                          \
    {                                                                                                                  \
        {                                                                                                              \
            [METER_REQUESTS] = 2000000, [METER_COMPUTE_X86] = 140000 * G                                               \
        }                                                                                                              \
    }
#define FIRST_LINES "requests 0 2000000 0.4 40\ncompute_x86_64 0 143360000000 2.333338 233\n"

static const struct golden {
    const char *name;
    const char *book;     /* NULL: the one that ships */
    const char *override; /* NULL: none */
    struct usage_totals use;
    int64_t credit_minor, prepaid_minor, correction_minor;
    const char *bill; /* meter or kind, band, own units, exact amount, minor units; then net, tax, total */
} GOLDEN[] = {
    {.name = "AWS 1: 3 M x 120 ms x 1536 MB",
     .use = {{[METER_REQUESTS] = 3000000, [METER_COMPUTE_X86] = INT64_C(3000000) * 120 * 1536}},
     .bill = "requests 0 1000000 0 0\nrequests 1 2000000 0.4 40\ncompute_x86_64 0 409600000000 0 0\n"
             "compute_x86_64 1 143360000000 2.333338 233\n= 273 0 273"},
    {.name = "AWS, ephemeral storage: 1.5 M x 120 ms x 1536 MB with 5120 MB of /tmp",
     .use = {{[METER_REQUESTS] = 1500000,
              [METER_COMPUTE_X86] = INT64_C(1500000) * 120 * 1536,
              [METER_EPHEMERAL_STORAGE] = INT64_C(1500000) * 120 * (5120 - 512)}},
     .bill = "requests 0 1000000 0 0\nrequests 1 500000 0.1 10\ncompute_x86_64 0 276480000000 0 0\n"
             "ephemeral_storage 0 829440000000 0.025029 3\n= 13 0 13"},
    {.name = "AWS, provisioned concurrency: calls on it take nothing from the free tier",
     .use = {{[METER_REQUESTS] = 3000000,
              [METER_COMPUTE_X86] = 450000 * G,
              [METER_PROVISIONED_COMPUTE_X86] = 75000 * G,
              [METER_PROVISIONED_X86] = 4320000 * G}},
     .bill = "requests 0 1000000 0 0\nrequests 1 2000000 0.4 40\ncompute_x86_64 0 409600000000 0 0\n"
             "compute_x86_64 1 51200000000 0.833335 83\nprovisioned_compute_x86_64 0 76800000000 0.729165 73\n"
             "provisioned_concurrency_x86_64 0 4423680000000 18.000144 1800\n= 1996 0 1996"},
    {.name = "provisioned on arm64: 10 x 1024 MB for 2 h, 1000 GB-s run on it",
     .use = {{[METER_PROVISIONED_ARM] = INT64_C(10) * 1024 * 7200000, [METER_PROVISIONED_COMPUTE_ARM] = 1000 * G}},
     .bill = "provisioned_compute_arm64 0 1024000000 0.0077778 1\n"
             "provisioned_concurrency_arm64 0 73728000000 0.2400048 24\n= 25 0 25"},
    {.name = "AWS, streamed responses",
     .use = {{[METER_STREAMED_BYTES] = INT64_C(1000000) << 20}},
     .bill = "streamed_bytes 0 1048576000000 7.8125 781\n= 781 0 781"},
    {.name = "10 M x 250 ms x 512 MB",
     .use = {{[METER_REQUESTS] = 10000000, [METER_COMPUTE_X86] = INT64_C(10000000) * 250 * 512}},
     .bill = "requests 0 1000000 0 0\nrequests 1 9000000 1.8 180\ncompute_x86_64 0 409600000000 0 0\n"
             "compute_x86_64 1 870400000000 14.166695 1417\n= 1597 0 1597"},
    {.name = "arm64 over both tiers; 135,001.125 is half a cent and goes up",
     .override = FREE_OF_NONE,
     .use = {{[METER_COMPUTE_ARM] = INT64_C(20000000000) * G}},
     .bill = "compute_arm64 0 7680000000000000 100000.5 10000050\n"
             "compute_arm64 1 11520000000000000 135001.125 13500113\n"
             "compute_arm64 2 1280000000000000 13333.375 1333338\n= 24833501 0 24833501"},
    {.name = "x86_64 over both tiers, after the allowance",
     .use = {{[METER_COMPUTE_X86] = (INT64_C(16000000000) + 400000) * G}},
     .bill = "compute_x86_64 0 409600000000 0 0\ncompute_x86_64 1 6144000000000000 100000.2 10000020\n"
             "compute_x86_64 2 9216000000000000 135000 13500000\n"
             "compute_x86_64 3 1024000000000000 13333.4 1333340\n= 24833360 0 24833360"},
    {.name = "one MB*ms over the first tier is a line of its own",
     .override = FREE_OF_NONE,
     .use = {{[METER_COMPUTE_X86] = INT64_C(6000000000) * G + 1}},
     .bill = "compute_x86_64 0 6144000000000000 100000.2 10000020\n"
             "compute_x86_64 1 1 0.0000000000146484375 0\n= 10000020 0 10000020"},
    {.name = "the tier's last MB*ms is in it",
     .override = FREE_OF_NONE,
     .use = {{[METER_COMPUTE_X86] = INT64_C(6000000000) * G}},
     .bill = "compute_x86_64 0 6144000000000000 100000.2 10000020\n= 10000020 0 10000020"},
    {.name = "both architectures share the allowance, x86_64 first",
     .use = {{[METER_COMPUTE_X86] = 100000 * G, [METER_COMPUTE_ARM] = 500000 * G}},
     .bill = "compute_x86_64 0 102400000000 0 0\ncompute_arm64 0 307200000000 0 0\n"
             "compute_arm64 1 204800000000 2.66668 267\n= 267 0 267"},
    {.name = "128 MB, 1 ms: nothing, and the exact amount is kept",
     .override = FREE_OF_NONE,
     .use = {{[METER_REQUESTS] = 1, [METER_COMPUTE_X86] = 128}},
     .bill = "requests 0 1 0.0000002 0\ncompute_x86_64 0 128 0.0000000020833375 0\n= 0 0 0"},
    {.name = "yen have no decimals; 350.5 goes up",
     .book = "{\"currency\":\"JPY\",\"meters\":{\"requests\":{\"bands\":[{\"price\":\"0.00003\"}]},"
             "\"compute_x86_64\":{\"bands\":[{\"price\":\"0.0025\"}]}}}",
     .use = {{[METER_REQUESTS] = 1234567, [METER_COMPUTE_X86] = 140200 * G}},
     .bill = "requests 0 1234567 37.03701 37\ncompute_x86_64 0 143564800000 350.5 351\n= 388 0 388"},
    {.name = "half-even: 350.5 goes to 350",
     .book = "{\"currency\":\"JPY\",\"rounding\":\"half_even\",\"meters\":{\"requests\":{\"bands\":[{\"price\":"
             "\"0.00003\"}]},\"compute_x86_64\":{\"bands\":[{\"price\":\"0.0025\"}]}}}",
     .use = {{[METER_REQUESTS] = 1234567, [METER_COMPUTE_X86] = 140200 * G}},
     .bill = "requests 0 1234567 37.03701 37\ncompute_x86_64 0 143564800000 350.5 350\n= 387 0 387"},
    {.name = "dinars of Bahrain have three, and so has the tax",
     .book = "{\"currency\":\"BHD\",\"tax\":[{\"id\":\"vat\",\"name\":\"VAT\",\"percent\":\"10\"}],\"meters\":{"
             "\"requests\":{\"bands\":[{\"price\":\"0.0000002\"}]},"
             "\"compute_x86_64\":{\"bands\":[{\"price\":\"0.0000062833\"}]}}}",
     .use = {{[METER_REQUESTS] = 2500000, [METER_COMPUTE_X86] = 123457 * G}},
     .bill = "requests 0 2500000 0.5 500\ncompute_x86_64 0 126419968000 0.7757173681 776\ntax 0 0 0.1276 128\n"
             "= 1276 128 1404"},
    {.name = "units of account of Chile have four; 0.00045 goes up",
     .book = "{\"currency\":\"CLF\",\"meters\":{\"requests\":{\"bands\":[{\"price\":\"0.0000001\"}]},"
             "\"compute_x86_64\":{\"bands\":[{\"price\":\"0.00000045\"}]}}}",
     .use = {{[METER_REQUESTS] = 333333, [METER_COMPUTE_X86] = 1000 * G}},
     .bill = "requests 0 333333 0.0333333 333\ncompute_x86_64 0 1024000000 0.00045 5\n= 338 0 338"},
    {.name = "a started package counts",
     .book = USD("\"meters\":{\"requests\":{\"model\":\"package\",\"package\":\"1000000\",\"bands\":[{\"price\":"
                 "\"0.20\"}]}}"),
     .use = {{[METER_REQUESTS] = 1000001}},
     .bill = "requests 0 1000001 0.4 40\n= 40 0 40"},
    {.name = "volume: all at the price of the band it ends in",
     .book = USD("\"meters\":{\"compute_arm64\":{\"model\":\"volume\",\"bands\":[{\"up_to\":\"10000\",\"price\":"
                 "\"0.00002\"},{\"price\":\"0.00001\"}]}}"),
     .use = {{[METER_COMPUTE_ARM] = 12000 * G}},
     .bill = "compute_arm64 1 12288000000 0.12 12\n= 12 0 12"},
    {.name = "volume: at its end it is still the first band",
     .book = USD("\"meters\":{\"compute_arm64\":{\"model\":\"volume\",\"bands\":[{\"up_to\":\"10000\",\"price\":"
                 "\"0.00002\"},{\"price\":\"0.00001\"}]}}"),
     .use = {{[METER_COMPUTE_ARM] = 10000 * G}},
     .bill = "compute_arm64 0 10240000000 0.2 20\n= 20 0 20"},
    {.name = "12.5 % off every price",
     .book = USD(TWO_METERS),
     .override = "{\"discount_percent\":\"12.5\"}",
     .use = FIRST,
     .bill = "requests 0 2000000 0.35 35\ncompute_x86_64 0 143360000000 2.04167075 204\n= 239 0 239"},
    {.name = "two taxes on one net, each rounded once",
     .book = USD(TWO_METERS ",\"tax\":[{\"id\":\"a\",\"name\":\"A\",\"percent\":\"19\"},"
                            "{\"id\":\"b\",\"name\":\"B\",\"category\":\"Z\",\"percent\":\"2.5\"}]"),
     .use = FIRST,
     .bill = FIRST_LINES "tax 0 0 0.5187 52\ntax 0 0 0.06825 7\n= 273 59 332"},
    {.name = "a credit larger than the bill is used as far as the bill goes",
     .book = USD(TWO_METERS "," VAT),
     .use = FIRST,
     .credit_minor = 1000,
     .bill = FIRST_LINES "credit 0 0 -2.73 -273\ntax 0 0 0 0\n= 0 0 0"},
    {.name = "a credit comes before tax",
     .book = USD(TWO_METERS "," VAT),
     .use = FIRST,
     .credit_minor = 100,
     .bill = FIRST_LINES "credit 0 0 -1 -100\ntax 0 0 0.3287 33\n= 173 33 206"},
    {.name = "prepaid money comes after tax",
     .book = USD(TWO_METERS "," VAT),
     .use = FIRST,
     .prepaid_minor = 300,
     .bill = FIRST_LINES "tax 0 0 0.5187 52\ncredit 0 0 -3 -300\n= 273 52 25"},
    {.name = "the minimum fee fills up, then credit, then tax",
     .book = USD(TWO_METERS ",\"minimum_fee\":\"5.00\"," VAT),
     .use = FIRST,
     .credit_minor = 100,
     .bill = FIRST_LINES "minimum_fee 0 0 2.27 227\ncredit 0 0 -1 -100\ntax 0 0 0.76 76\n= 400 76 476"},
    {.name = "a correction downwards of an earlier month",
     .book = USD(TWO_METERS "," VAT),
     .use = FIRST,
     .correction_minor = -50,
     .bill = FIRST_LINES "correction 0 0 -0.5 -50\ntax 0 0 0.4237 42\n= 223 42 265"},
    {.name = "a correction downwards beyond the month is not filled up by a fee of nothing",
     .book = USD(TWO_METERS),
     .use = FIRST,
     .correction_minor = -1000,
     .bill = FIRST_LINES "correction 0 0 -10 -1000\n= -727 0 -727"},
    {.name = "a correction without use has no minimum fee",
     .book = USD(TWO_METERS ",\"minimum_fee\":\"5.00\""),
     .correction_minor = 50,
     .bill = "correction 0 0 0.5 50\n= 50 0 50"},
    {.name = "a correction fills up no minimum fee",
     .book = USD(TWO_METERS ",\"minimum_fee\":\"5.00\""),
     .use = FIRST,
     .correction_minor = 50,
     .bill = FIRST_LINES "correction 0 0 0.5 50\nminimum_fee 0 0 2.27 227\n= 550 0 550"},
    {.name = "an amount off, then the fee",
     .book = USD(TWO_METERS ",\"minimum_fee\":\"2.00\""),
     .override = "{\"discount_amount\":\"1.00\"}",
     .use = FIRST,
     .bill = FIRST_LINES "discount 0 0 -1 -100\nminimum_fee 0 0 0.27 27\n= 200 0 200"},
    {.name = "10^15 requests",
     .use = {{[METER_REQUESTS] = INT64_C(1000000000000000)}},
     .bill = "requests 0 1000000 0 0\nrequests 1 999999999000000 199999999.8 19999999980\n= 19999999980 0 19999999980"},
    {.name = "2^62 MB*ms",
     .use = {{[METER_COMPUTE_X86] = INT64_C(1) << 62}},
     .bill = "compute_x86_64 0 409600000000 0 0\ncompute_x86_64 1 6144000000000000 100000.2 10000020\n"
             "compute_x86_64 2 9216000000000000 135000 13500000\n"
             "compute_x86_64 3 4596325608827387904 59848288.9382217713664 5984828894\n= 6008328914 0 6008328914"},
};

/* ---- the bill as text ---- */

static void put_line(const struct rated_line *line, struct buf *out)
{
    static const char *const KINDS[] = {
        [LINE_CORRECTION] = "correction",   [LINE_DISCOUNT] = "discount", [LINE_CREDIT] = "credit",
        [LINE_MINIMUM_FEE] = "minimum_fee", [LINE_TAX] = "tax",
    };
    char text[MONEY_TEXT_BYTES];
    exact_format(line->exact_amount, text);
    buf_printf(out, "%s %d %" PRId64 " %s %" PRId64 "\n",
               line->kind == LINE_USAGE ? meter_name(line->meter) : KINDS[line->kind], line->band, line->quantity, text,
               line->amount_minor);
}

static struct bill *bill_of(const struct golden *golden, const struct bill_usage_list *usage)
{
    const char *json = golden->book != NULL ? golden->book : price_book_default_json();
    struct bill *bill = calloc(1, sizeof *bill);
    struct price_book *book = NULL;
    struct err err = {0};
    struct credit credits[2];
    int64_t used[2];
    struct rated_line correction = {.kind = LINE_CORRECTION, .amount_minor = golden->correction_minor};
    struct bill_extras extras = {.credits = credits, .used_minor = used, .corrections = &correction};
    ck_assert_ptr_nonnull(bill);
    ck_assert_msg(price_book_parse(json, strlen(json), &book, NULL, &err) == 0, "%s", err.text);
    if (golden->override != NULL) {
        ck_assert_int_eq(price_override_apply(book, golden->override, strlen(golden->override), NULL, &err), 0);
    }
    for (int prepaid = 0; prepaid < 2; prepaid++) {
        int64_t minor = prepaid == 1 ? golden->prepaid_minor : golden->credit_minor;
        if (minor > 0) {
            credits[extras.credit_count++] =
                (struct credit){.prepaid = prepaid == 1, .currency = *price_book_currency(book), .left_minor = minor};
        }
    }
    if (golden->correction_minor != 0) {
        const struct decimal minor = {.value = 1, .scale = 2};
        extras.correction_count = 1;
        ck_assert_int_eq(exact_product(correction.amount_minor, minor, 1, &correction.exact_amount, &err), 0);
    }
    bill->currency = *price_book_currency(book);
    int rc = bill_compute_with(book, usage, &extras, bill, &err);
    ck_assert_msg(rc == 0, "%s: %s", golden->name, err.text);
    price_book_free(&book);
    return bill;
}

static void check_bill(const struct golden *golden, const struct bill_usage_list *usage)
{
    struct buf text = {0};
    struct bill *bill = bill_of(golden, usage);
    for (int i = 0; i < bill->line_count; i++) {
        const struct rated_line *line = &bill->lines[i];
        struct exact kept = line->exact_amount;
        struct err err = {0};
        int64_t minor = 0;
        struct exact residue;
        put_line(line, &text);
        if (line->kind == LINE_USAGE) { /* what rounding left is kept beside the line */
            const struct currency *currency = &bill->currency;
            bool even = golden->book != NULL && strstr(golden->book, "half_even") != NULL;
            ck_assert_int_eq(
                money_round(kept, currency, even ? ROUND_HALF_EVEN : ROUND_HALF_UP, &minor, &residue, &err), 0);
            ck_assert(line->residue.value == residue.value);
        }
    }
    buf_printf(&text, "= %" PRId64 " %" PRId64 " %" PRId64, bill->net_minor, bill->tax_minor, bill->total_minor);
    ck_assert_msg(strcmp(buf_text(&text), golden->bill) == 0, "%s:\n%s\nand it should be\n%s", golden->name,
                  buf_text(&text), golden->bill);
    int64_t shared[16] = {0};
    for (int i = 0; i < bill->share_count; i++) {
        shared[bill->shares[i].line] += bill->shares[i].amount_minor;
    }
    for (int i = 0; i < bill->line_count; i++) {
        ck_assert(bill->lines[i].kind != LINE_USAGE || shared[i] == bill->lines[i].amount_minor);
    }
    buf_free(&text);
    bill_free(&bill);
}

START_TEST(every_digit)
{
    const struct golden *golden = &GOLDEN[_i];
    struct bill_usage items[3];
    memset(items, 0, sizeof items);
    for (int m = 0; m < METER_COUNT; m++) {
        int64_t all = golden->use.quantity[m];
        items[0].quantity[m] = all;
    }
    struct bill_usage_list usage = {.count = 1, .items = items};
    check_bill(golden, &usage);
    for (int m = 0; m < METER_COUNT; m++) {
        int64_t all = golden->use.quantity[m];
        items[0].quantity[m] = all / 3;
        items[1].quantity[m] = all / 7;
        items[2].quantity[m] = all - all / 3 - all / 7;
    }
    for (int i = 0; i < 3; i++) {
        items[i].function_id = i + 1;
    }
    usage.count = 3;
    check_bill(golden, &usage);
}
END_TEST

/* What cannot be kept exactly is an error that says so, never another number. */
START_TEST(beyond_what_can_be_kept)
{
    static const char DEAR[] = USD("\"meters\":{\"requests\":{\"bands\":[{\"price\":\"2\"}]}}");
    struct price_book *book = NULL;
    struct err err = {0};
    struct bill_usage item = {.quantity = {[METER_REQUESTS] = INT64_C(1000000000000)}};
    struct bill_usage_list usage = {.count = 1, .items = &item};
    struct bill *bill = calloc(1, sizeof *bill);
    ck_assert_ptr_nonnull(bill);
    ck_assert_int_eq(price_book_parse(DEAR, strlen(DEAR), &book, NULL, &err), 0);
    ck_assert_int_eq(bill_compute(book, &usage, bill, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.text, "beyond what can be kept exactly"));
    bill_free(&bill);
    price_book_free(&book);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("golden");
    TCase *tcase = tcase_create("golden");
    tcase_add_loop_test(tcase, every_digit, 0, sizeof GOLDEN / sizeof GOLDEN[0]);
    tcase_add_test(tcase, beyond_what_can_be_kept);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
