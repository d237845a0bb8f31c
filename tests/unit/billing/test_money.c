/*
 * Goal:   decimals, exact amounts, the one rounding and spreading are right to the last digit.
 * Method: tables of hand-computed cases; properties over seeded random numbers (sums, round trips).
 */
#include "billing/money.h"
#include "common/err.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    int scale_max;
    int rc;
    const char *printed;
} DECIMALS[] = {
    {"0", 0, 0, "0"},
    {"0.20", 2, 0, "0.2"},
    {"200.00", 2, 0, "200"},
    {"-1.5", 2, 0, "-1.5"},
    {"0.0000166667", 14, 0, "0.0000166667"},
    {"1.005", 2, -1, NULL},
    {"", 2, -1, NULL},
    {"1.", 2, -1, NULL},
    {".5", 2, -1, NULL},
    {"+1", 2, -1, NULL},
    {"1e3", 2, -1, NULL},
    {" 1", 2, -1, NULL},
    {"1,5", 2, -1, NULL},
    {"--1", 2, -1, NULL},
    {"9223372036854775808", 2, -1, NULL},
    {"9223372036854775807", 0, 0, "9223372036854775807"},
    {"1.2.3", 5, -1, NULL},
    {"-", 2, -1, NULL},
};

START_TEST(decimals_parse_and_print)
{
    struct decimal decimal = {.value = 77, .scale = 7};
    struct err err = {0};
    int rc = decimal_parse(DECIMALS[_i].text, "/price", DECIMALS[_i].scale_max, &decimal, &err);
    ck_assert_int_eq(rc, DECIMALS[_i].rc);
    if (rc == 0) {
        char text[MONEY_TEXT_BYTES];
        decimal_format(decimal, text);
        ck_assert_str_eq(text, DECIMALS[_i].printed);
        ck_assert_int_eq(err.code, ERR_NONE);
    } else {
        ck_assert_int_eq(decimal.value, 77);
        ck_assert_int_eq(err.code, ERR_INVALID);
        ck_assert_str_eq(err.field, "/price");
    }
}
END_TEST

static const struct {
    int64_t quantity;
    const char *price;
    int64_t per;
    const char *exact;
    int64_t half_up, half_even; /* in cents */
} PRODUCTS[] = {
    {INT64_C(140000) * 1024000, "0.0000166667", 1024000, "2.333338", 233, 233},
    {2000000, "0.0000002", 1, "0.4", 40, 40},
    {1, "0.0000166667", 1024000, "0.000000000016276074218750", 0, 0},
    {1, "0.008", INT64_C(1) << 30, "0.00000000000745058059692382812500", 0, 0},
    {5, "0.001", 1, "0.005", 1, 0},
    {15, "0.001", 1, "0.015", 2, 2},
    {25, "0.001", 1, "0.025", 3, 2},
    {-5, "0.001", 1, "-0.005", -1, 0},
    {-15, "0.001", 1, "-0.015", -2, -2},
    {0, "1", 1, "0", 0, 0},
};

START_TEST(products_are_exact_and_round_once)
{
    struct decimal price;
    struct exact exact;
    struct exact again;
    struct exact residue;
    struct currency usd;
    struct err err = {0};
    int64_t minor = 0;
    char text[MONEY_TEXT_BYTES];
    ck_assert_int_eq(currency_find("USD", "/currency", &usd, &err), 0);
    ck_assert_int_eq(decimal_parse(PRODUCTS[_i].price, "/price", PRICE_SCALE_MAX, &price, &err), 0);
    ck_assert_int_eq(exact_product(PRODUCTS[_i].quantity, price, PRODUCTS[_i].per, &exact, &err), 0);
    exact_format(exact, text);
    size_t length = strlen(text);
    ck_assert_int_eq(strncmp(text, PRODUCTS[_i].exact, length), 0);
    ck_assert_uint_eq(strspn(PRODUCTS[_i].exact + length, "0"), strlen(PRODUCTS[_i].exact) - length);
    ck_assert_int_eq(exact_parse(text, "/amount", &again, &err), 0);
    ck_assert(again.value == exact.value);
    ck_assert_int_eq(money_round(exact, &usd, ROUND_HALF_UP, &minor, &residue, &err), 0);
    ck_assert_int_eq(minor, PRODUCTS[_i].half_up);
    ck_assert_int_eq(money_round(exact, &usd, ROUND_HALF_EVEN, &minor, &residue, &err), 0);
    ck_assert_int_eq(minor, PRODUCTS[_i].half_even);
}
END_TEST

START_TEST(too_much_is_an_error_not_a_wrong_number)
{
    struct decimal price = {.value = INT64_MAX, .scale = 0};
    struct decimal fine = {.value = 1, .scale = 15};
    struct exact exact = {.value = 3};
    struct err err = {0};
    ck_assert_int_eq(exact_product(INT64_MAX, price, 1, &exact, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_int_eq(exact_product(1, fine, 1024000, &exact, &err), -1);
    ck_assert_int_eq(exact_parse("99999999999999", "/a", &exact, &err), -1);
    ck_assert_int_eq(exact_parse("0.00000000000000000000000000000000000000000000001", "/a", &exact, &err), -1);
    ck_assert_int_eq(exact_parse("1.x", "/a", &exact, &err), -1);
    ck_assert(exact.value == 3);
}
END_TEST

static const struct {
    const char *code;
    int digits;
} CURRENCIES[] = {{"USD", 2},  {"JPY", 0}, {"KWD", 3},  {"CLF", 4},  {"EUR", 2},   {"XOF", 0}, {"ZWG", 2},
                  {"usd", -1}, {"US", -1}, {"D A", -1}, {"XXX", -1}, {"USDX", -1}, {"", -1}};

START_TEST(currencies_are_those_of_iso_4217)
{
    struct currency currency = {.code = "-", .minor_digits = 9};
    struct err err = {0};
    int rc = currency_find(CURRENCIES[_i].code, "/currency", &currency, &err);
    ck_assert_int_eq(rc, CURRENCIES[_i].digits < 0 ? -1 : 0);
    ck_assert_int_eq(currency.minor_digits, rc == 0 ? CURRENCIES[_i].digits : 9);
}
END_TEST

/* All of the active list that have a minor unit: every three letters are tried. */
START_TEST(currencies_are_complete)
{
    int count[5] = {0};
    for (int i = 0; i < 26 * 26 * 26; i++) {
        const char code[4] = {(char)('A' + i / 676), (char)('A' + i / 26 % 26), (char)('A' + i % 26), '\0'};
        struct currency currency;
        struct err err = {0};
        if (currency_find(code, "/currency", &currency, &err) == 0) {
            count[currency.minor_digits]++;
        }
    }
    ck_assert_int_eq(count[0], 17);
    ck_assert_int_eq(count[1], 0);
    ck_assert_int_eq(count[2], 140);
    ck_assert_int_eq(count[3], 7);
    ck_assert_int_eq(count[4], 2);
}
END_TEST

START_TEST(spreads_add_up)
{
    unsigned seed = 20261123;
    for (int round = 0; round < 2000; round++) {
        int64_t weights[17];
        int64_t shares[17];
        int64_t sum = 0;
        int64_t weight_sum = 0;
        struct err err = {0};
        int count = 1 + rand_r(&seed) % 17;
        for (int i = 0; i < count; i++) {
            weights[i] = rand_r(&seed) % 3 == 0 ? 0 : rand_r(&seed);
            weight_sum += weights[i];
        }
        int64_t total = rand_r(&seed) % 100000;
        ck_assert_int_eq(money_spread(total, weights, count, shares, &err), 0);
        for (int i = 0; i < count; i++) {
            money_int product = (money_int)total * weights[i];
            ck_assert_int_ge(shares[i], 0);
            if (weight_sum > 0) {
                ck_assert_int_ge(shares[i], (int64_t)(product / weight_sum));
                ck_assert_int_le(shares[i], (int64_t)(product / weight_sum) + 1);
            }
            sum += shares[i];
        }
        ck_assert_int_eq(sum, total);
    }
}
END_TEST

START_TEST(ties_go_to_the_lower_index)
{
    const int64_t weights[] = {1, 1, 1};
    int64_t shares[3];
    struct err err = {0};
    ck_assert_int_eq(money_spread(2, weights, 3, shares, &err), 0);
    ck_assert_int_eq(shares[0], 1);
    ck_assert_int_eq(shares[1], 1);
    ck_assert_int_eq(shares[2], 0);
    const int64_t none[] = {0, 0, 0};
    ck_assert_int_eq(money_spread(5, none, 3, shares, &err), 0);
    ck_assert_int_eq(shares[0], 5);
}
END_TEST

/* A cap that counts in picos never counts less than the bill. */
START_TEST(picos_are_rounded_up)
{
    static const struct {
        const char *exact;
        int64_t picos;
    } rows[] = {{"0", 0},
                {"0.0018375", 1837500000},
                {"0.000000000001", 1},
                {"0.0000000000011", 2},
                {"-1", 0},
                {"4000000", INT64_C(4000000000000000000)}};
    struct err err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exact exact;
        int64_t picos = -1;
        ck_assert_int_eq(exact_parse(rows[i].exact, "/exact", &exact, &err), 0);
        ck_assert_int_eq(exact_picos(exact, &picos, &err), 0);
        ck_assert_int_eq(picos, rows[i].picos);
    }
    int64_t picos = 7;
    const struct exact much = {.value = EXACT_PER_UNIT * 9300000};
    ck_assert_int_eq(exact_picos(much, &picos, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_int_eq(picos, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("billing/money");
    TCase *tcase = tcase_create("money");
    tcase_add_loop_test(tcase, decimals_parse_and_print, 0, sizeof DECIMALS / sizeof DECIMALS[0]);
    tcase_add_loop_test(tcase, products_are_exact_and_round_once, 0, sizeof PRODUCTS / sizeof PRODUCTS[0]);
    tcase_add_loop_test(tcase, currencies_are_those_of_iso_4217, 0, sizeof CURRENCIES / sizeof CURRENCIES[0]);
    tcase_add_test(tcase, currencies_are_complete);
    tcase_add_test(tcase, too_much_is_an_error_not_a_wrong_number);
    tcase_add_test(tcase, spreads_add_up);
    tcase_add_test(tcase, picos_are_rounded_up);
    tcase_add_test(tcase, ties_go_to_the_lower_index);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
