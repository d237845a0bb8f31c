#include "billing/money.h"

#include "common/check.h"
#include "common/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 10^17 * 2^30: see money.h. */
#define EXACT_DECIMAL_PLACES 17
#define EXACT_BINARY_PLACES 30
#define EXACT_UNIT EXACT_PER_UNIT

static money_int power_of_ten(int exponent)
{
    money_int power = 1;
    for (int i = 0; i < exponent; i++) {
        power *= 10;
    }
    return power;
}

/* ---- decimals ---- */

static int decimal_wrong(const char *text, const char *field, const char *rule, struct err *err)
{
    return err_field(err, field, "%s is \"%.40s\"; %s", field[0] == '/' ? field + 1 : field, text == NULL ? "" : text,
                     rule);
}

int decimal_parse(const char *text, const char *field, int scale_max, struct decimal *decimal, struct err *err)
{
    static const char RULE[] = "a decimal number like 12 or 0.25 is needed, without sign '+', exponent or spaces";
    if (text == NULL) {
        return decimal_wrong(text, field, RULE, err);
    }
    const char *at = text;
    bool negative = *at == '-';
    at += negative ? 1 : 0;
    int64_t value = 0;
    int scale = 0;
    int digits = 0;
    bool point = false;
    for (; *at != '\0'; at++) {
        if (*at == '.' && !point && digits > 0 && at[1] != '\0') {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9') {
            return decimal_wrong(text, field, RULE, err);
        }
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *at - '0', &value)) {
            return decimal_wrong(text, field, "it has more digits than can be kept (18)", err);
        }
        digits++;
        scale += point ? 1 : 0;
    }
    if (digits == 0) {
        return decimal_wrong(text, field, RULE, err);
    }
    while (scale > 0 && value % 10 == 0) {
        value /= 10;
        scale--;
    }
    if (scale > scale_max) {
        char rule[80];
        (void)snprintf(rule, sizeof rule, "at most %d decimals are allowed", scale_max);
        return decimal_wrong(text, field, rule, err);
    }
    decimal->value = negative ? -value : value;
    decimal->scale = scale;
    return 0;
}

void decimal_format_fixed(struct decimal decimal, int scale, char text[MONEY_TEXT_BYTES])
{
    CHECK(scale >= decimal.scale && scale <= 18);
    money_int scaled = (money_int)decimal.value * power_of_ten(scale - decimal.scale);
    bool negative = scaled < 0;
    scaled = negative ? -scaled : scaled;
    money_int unit = power_of_ten(scale);
    int64_t whole = (int64_t)(scaled / unit);
    int64_t rest = (int64_t)(scaled % unit);
    if (scale == 0) {
        (void)snprintf(text, MONEY_TEXT_BYTES, "%s%lld", negative ? "-" : "", (long long)whole);
    } else {
        (void)snprintf(text, MONEY_TEXT_BYTES, "%s%lld.%0*lld", negative ? "-" : "", (long long)whole, scale,
                       (long long)rest);
    }
}

void decimal_format(struct decimal decimal, char text[MONEY_TEXT_BYTES])
{
    while (decimal.scale > 0 && decimal.value % 10 == 0) {
        decimal.value /= 10;
        decimal.scale--;
    }
    decimal_format_fixed(decimal, decimal.scale, text);
}

/* ---- exact amounts ---- */

int exact_add(struct exact a, struct exact b, struct exact *sum, struct err *err)
{
    if (__builtin_add_overflow(a.value, b.value, &sum->value)) {
        return err_set(err, ERR_LIMIT, "an amount is beyond what can be kept exactly (1.5 * 10^12 currency units)");
    }
    return 0;
}

int exact_product(int64_t quantity, struct decimal price, int64_t per, struct exact *product, struct err *err)
{
    CHECK(per > 0 && price.scale >= 0);
    money_int divisor = power_of_ten(price.scale) * per;
    if (price.scale > PRICE_SCALE_MAX || EXACT_UNIT % divisor != 0) {
        return err_set(err, ERR_LIMIT,
                       "a price of %d decimals per %lld units has no exact product; at most %d decimals", price.scale,
                       (long long)per, PRICE_SCALE_MAX);
    }
    money_int value = (money_int)quantity * price.value;
    if (__builtin_mul_overflow(value, EXACT_UNIT / divisor, &value)) {
        return err_set(err, ERR_LIMIT,
                       "%lld units at this price are beyond what can be kept exactly (1.5 * 10^12 currency units)",
                       (long long)quantity);
    }
    product->value = value;
    return 0;
}

void exact_format(struct exact exact, char text[MONEY_TEXT_BYTES])
{
    bool negative = exact.value < 0;
    /* -(value + 1) + 1 would be needed for the smallest value only; amounts never get there (range check on input). */
    money_int value = negative ? -exact.value : exact.value;
    int64_t whole = (int64_t)(value / EXACT_UNIT);
    money_int rest = value % EXACT_UNIT;
    int used = snprintf(text, MONEY_TEXT_BYTES, "%s%lld", negative ? "-" : "", (long long)whole);
    CHECK(used > 0);
    size_t at = (size_t)used;
    if (rest != 0) {
        text[at++] = '.';
    }
    while (rest != 0) {
        rest *= 10;
        text[at++] = (char)('0' + (int)(rest / EXACT_UNIT));
        rest %= EXACT_UNIT;
    }
    CHECK(at < MONEY_TEXT_BYTES);
    text[at] = '\0';
}

/* digits (most significant first) times 2, in place; the carry out of the first digit must not happen (room is left).
 */
static void double_digits(unsigned char *digits, int count)
{
    int carry = 0;
    for (int i = count - 1; i >= 0; i--) {
        int twice = digits[i] * 2 + carry;
        digits[i] = (unsigned char)(twice % 10);
        carry = twice / 10;
    }
    CHECK(carry == 0);
}

#define EXACT_PARSE_WHOLE_MAX 13

int exact_parse(const char *text, const char *field, struct exact *exact, struct err *err)
{
    enum { ROOM = 10, WHOLE = ROOM + EXACT_PARSE_WHOLE_MAX, DIGITS = WHOLE + EXACT_DECIMALS_MAX };
    unsigned char digits[DIGITS] = {0};
    const char *at = text;
    bool negative = *at == '-';
    at += negative ? 1 : 0;
    size_t whole = strspn(at, "0123456789");
    size_t fraction = at[whole] == '.' ? strspn(at + whole + 1, "0123456789") : 0;
    const char *end = at + whole + (at[whole] == '.' ? 1 + fraction : 0);
    if (whole == 0 || whole > EXACT_PARSE_WHOLE_MAX || fraction > EXACT_DECIMALS_MAX || *end != '\0' ||
        (at[whole] == '.' && fraction == 0)) {
        return decimal_wrong(text, field, "a decimal number of at most 13 digits and 47 decimals is needed", err);
    }
    for (size_t i = 0; i < whole; i++) {
        digits[WHOLE - whole + i] = (unsigned char)(at[i] - '0');
    }
    for (size_t i = 0; i < fraction; i++) {
        digits[WHOLE + i] = (unsigned char)(at[whole + 1 + i] - '0');
    }
    for (int i = 0; i < EXACT_BINARY_PLACES; i++) {
        double_digits(digits, DIGITS);
    }
    money_int value = 0;
    for (int i = 0; i < DIGITS; i++) {
        if (i < WHOLE + EXACT_DECIMAL_PLACES) {
            if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digits[i], &value)) {
                return decimal_wrong(text, field, "it is beyond what can be kept exactly (1.5 * 10^12)", err);
            }
        } else if (digits[i] != 0) {
            return decimal_wrong(text, field, "it is not a multiple of the smallest exact amount", err);
        }
    }
    exact->value = negative ? -value : value;
    return 0;
}

/* ---- for caps ---- */

int exact_picos(struct exact exact, int64_t *picos, struct err *err)
{
    const money_int per_pico = EXACT_UNIT / 1000000000000;
    money_int value = exact.value <= 0 ? 0 : exact.value / per_pico + (exact.value % per_pico != 0);
    if (value > INT64_MAX) {
        return err_set(err, ERR_LIMIT, "the amount is beyond what a spending limit can count (9.2 million)");
    }
    *picos = (int64_t)value;
    return 0;
}

/* ---- the one rounding ---- */

int money_round(struct exact exact, const struct currency *currency, enum rounding rounding, int64_t *minor,
                struct exact *residue, struct err *err)
{
    CHECK(currency->minor_digits >= 0 && currency->minor_digits <= 4);
    money_int unit = EXACT_UNIT / power_of_ten(currency->minor_digits);
    bool negative = exact.value < 0;
    money_int value = negative ? -exact.value : exact.value;
    money_int whole = value / unit;
    money_int rest = value % unit;
    bool up = rest * 2 > unit;
    if (rest * 2 == unit) {
        up = rounding == ROUND_HALF_UP || whole % 2 == 1;
    }
    whole += up ? 1 : 0;
    if (whole > INT64_MAX) {
        return err_set(err, ERR_LIMIT, "an amount is beyond what an invoice line can hold");
    }
    money_int rounded = negative ? -whole : whole;
    *minor = (int64_t)rounded;
    residue->value = exact.value - rounded * unit;
    return 0;
}

void minor_format(int64_t minor, const struct currency *currency, char text[MONEY_TEXT_BYTES])
{
    decimal_format_fixed((struct decimal){.value = minor, .scale = currency->minor_digits}, currency->minor_digits,
                         text);
}

/* ---- spreading ---- */

struct remainder {
    money_int rest;
    int index;
};

static int by_rest_then_index(const void *a, const void *b)
{
    const struct remainder *left = a;
    const struct remainder *right = b;
    if (left->rest != right->rest) {
        return left->rest > right->rest ? -1 : 1;
    }
    return left->index - right->index;
}

int money_spread(int64_t total, const int64_t *weights, int count, int64_t *shares, struct err *err)
{
    CHECK(total >= 0 && count > 0);
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        CHECK(weights[i] >= 0);
        if (__builtin_add_overflow(sum, weights[i], &sum)) {
            return err_set(err, ERR_LIMIT, "the weights of a spread add up to more than can be counted");
        }
    }
    struct remainder *remainders = calloc((size_t)count, sizeof *remainders);
    if (remainders == NULL) {
        return err_set(err, ERR_SYSTEM, "spread: out of memory");
    }
    int64_t left = total;
    for (int i = 0; i < count; i++) {
        money_int product = (money_int)total * weights[i];
        shares[i] = sum == 0 ? 0 : (int64_t)(product / sum);
        remainders[i] = (struct remainder){.rest = sum == 0 ? 0 : product % sum, .index = i};
        left -= shares[i];
    }
    if (sum == 0) {
        shares[0] = total;
    } else {
        CHECK(left < count);
        qsort(remainders, (size_t)count, sizeof *remainders, by_rest_then_index);
        for (int i = 0; i < left; i++) {
            shares[remainders[i].index]++;
        }
    }
    free(remainders);
    return 0;
}
