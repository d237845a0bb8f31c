#include "reports/digits.h"

#include "common/check.h"

#include <string.h>

#define TEN_19 UINT64_C(10000000000000000000)

/* 1 / per as a decimal: factor * 10^-scale. */
static bool inverse(int64_t per, money_int *factor, int *scale)
{
    switch (per) {
    case 1:
        *factor = 1;
        *scale = 0;
        return true;
    case 1024000: /* 2^13 * 5^3 */
        *factor = 9765625;
        *scale = 13;
        return true;
    case INT64_C(1) << 30:
        *factor = (money_int)INT64_C(30517578125) * INT64_C(30517578125); /* 5^30 */
        *scale = 30;
        return true;
    default:
        return false;
    }
}

/* Digits of value from the end of a buffer backwards; how many. */
static int digits_back(uint64_t value, int at_least, char *end)
{
    int count = 0;
    while (value > 0 || count < at_least) {
        end[-++count] = (char)('0' + value % 10);
        value /= 10;
    }
    return count;
}

/* value * 10^-scale without trailing zeros. */
static int put_decimal(money_int value, int scale, bool negative, char *text)
{
    char digits[64];
    char *end = digits + sizeof digits;
    int count = 0;
    int at = 0;
    if (value > (money_int)TEN_19) {
        count = digits_back((uint64_t)(value % TEN_19), 19, end);
        count += digits_back((uint64_t)(value / TEN_19), 0, end - count);
    } else {
        count = digits_back((uint64_t)value, 0, end);
    }
    while (count < scale + 1) {
        end[-++count] = '0';
    }
    int kept = count;
    while (scale > 0 && end[-1 - (count - kept)] == '0') {
        kept--;
        scale--;
    }
    if (negative) {
        text[at++] = '-';
    }
    const char *from = end - count;
    memcpy(text + at, from, (size_t)(kept - scale));
    at += kept - scale;
    if (scale > 0) {
        text[at++] = '.';
        memcpy(text + at, from + kept - scale, (size_t)scale);
        at += scale;
    }
    text[at] = '\0';
    return at;
}

int digits_product(int64_t quantity, struct decimal price, int64_t per, char text[MONEY_TEXT_BYTES])
{
    money_int factor = 0;
    money_int value = (money_int)quantity * price.value;
    int scale = 0;
    bool negative = value < 0;
    if (value == 0) {
        text[0] = '0';
        text[1] = '\0';
        return 1;
    }
    if (inverse(per, &factor, &scale) && !__builtin_mul_overflow(negative ? -value : value, factor, &value)) {
        return put_decimal(value, scale + price.scale, negative, text);
    }
    struct exact exact;
    if (exact_product(quantity, price, per, &exact, NULL) != 0) {
        return -1;
    }
    exact_format(exact, text);
    return (int)strlen(text);
}

int digits_i64(int64_t value, char text[MONEY_TEXT_BYTES])
{
    char digits[24];
    char *end = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int count = digits_back(left, 1, end);
    int at = 0;
    if (value < 0) {
        text[at++] = '-';
    }
    memcpy(text + at, end - count, (size_t)count);
    text[at + count] = '\0';
    return at + count;
}

void digits_turn(char text[MONEY_TEXT_BYTES])
{
    size_t length = strlen(text);
    if (text[0] == '-') {
        memmove(text, text + 1, length);
    } else if (strpbrk(text, "123456789") != NULL) {
        CHECK(length + 1 < MONEY_TEXT_BYTES);
        memmove(text + 1, text, length + 1);
        text[0] = '-';
    }
}
