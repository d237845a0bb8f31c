/*
 * printed_text.c - numbers, dates and units as people read them on an invoice.
 */
#include "reports/printed.h"

#include "common/calendar.h"
#include "reports/report_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const MONTHS[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

/* Commas between thousands of the whole part; a hyphen becomes a minus sign. decimals as in printed_quantity. */
static void group(const char *number, int decimals_wanted, char text[PRINTED_TEXT_BYTES])
{
    bool negative = number[0] == '-';
    const char *digits = number + (negative ? 1 : 0);
    size_t whole = strcspn(digits, ".");
    size_t decimals = digits[whole] == '.' ? strlen(digits + whole + 1) : 0;
    size_t at = 0;
    if (negative) {
        memcpy(text, "\xE2\x88\x92", 3);
        at = 3;
    }
    for (size_t i = 0; i < whole && at + 2 < PRINTED_TEXT_BYTES; i++) {
        if (i > 0 && (whole - i) % 3 == 0) {
            text[at++] = ',';
        }
        text[at++] = digits[i];
    }
    size_t wanted = decimals_wanted == PRINTED_ALL_DIGITS ? decimals : (size_t)decimals_wanted;
    for (size_t i = 0; i < wanted && at + 2 < PRINTED_TEXT_BYTES; i++) {
        if (i == 0) {
            text[at++] = '.';
        }
        text[at++] = i < decimals ? digits[whole + 1 + i] : '0';
    }
    text[at] = '\0';
}

void printed_amount(const struct printed *printed, int64_t minor, char text[PRINTED_TEXT_BYTES])
{
    char plain[MONEY_TEXT_BYTES];
    minor_format(minor, &printed->bill->currency, plain);
    group(plain, PRINTED_ALL_DIGITS, text);
}

void printed_money(const struct printed *printed, int64_t minor, char text[PRINTED_TEXT_BYTES])
{
    char amount[PRINTED_TEXT_BYTES];
    printed_amount(printed, minor, amount);
    (void)snprintf(text, PRINTED_TEXT_BYTES, "%.3s\xC2\xA0%.80s", printed->bill->currency.code, amount);
}

void printed_quantity(enum meter meter, int64_t quantity, int decimals, char text[PRINTED_TEXT_BYTES])
{
    char plain[MONEY_TEXT_BYTES];
    report_quantity(meter, quantity, plain);
    group(plain, decimals, text);
}

const char *printed_unit(enum meter meter)
{
    switch (meter) {
    case METER_REQUESTS:
        return "requests";
    case METER_COMPUTE_X86:
    case METER_COMPUTE_ARM:
    case METER_PROVISIONED_COMPUTE_X86:
    case METER_PROVISIONED_COMPUTE_ARM:
    case METER_PROVISIONED_X86:
    case METER_PROVISIONED_ARM:
    case METER_EPHEMERAL_STORAGE:
        return "GB-s";
    case METER_STREAMED_BYTES:
        return "GB";
    }
    return "";
}

void printed_price(const struct rated_line *line, char text[PRINTED_TEXT_BYTES])
{
    char plain[MONEY_TEXT_BYTES];
    char grouped[PRINTED_TEXT_BYTES];
    struct decimal price = line->contracted_price;
    bool packed = line->packages != 0;
    bool million = !packed && line->meter == METER_REQUESTS && price.value != 0 && price.scale >= 6;
    if (million) {
        price.scale -= 6;
        decimal_format_fixed(price, price.scale < 2 ? 2 : price.scale, plain);
        for (size_t last = strlen(plain) - 1; plain[last] == '0' && plain[last - 2] != '.'; last--) {
            plain[last] = '\0';
        }
    } else {
        decimal_format_fixed(price, price.scale < 2 ? 2 : price.scale, plain);
    }
    group(plain, PRINTED_ALL_DIGITS, grouped);
    if (packed) {
        /* Begun packages are whole ones: how many, times what one costs. */
        char packages[PRINTED_TEXT_BYTES];
        (void)snprintf(plain, sizeof plain, "%lld", llabs((long long)line->packages));
        group(plain, PRINTED_ALL_DIGITS, packages);
        (void)snprintf(text, PRINTED_TEXT_BYTES, "%.30s \xC3\x97 %.40s / package", packages, grouped);
        return;
    }
    (void)snprintf(text, PRINTED_TEXT_BYTES, "%.60s / %s", grouped,
                   million                               ? "million"
                   : line->meter == METER_REQUESTS       ? "request"
                   : line->meter == METER_STREAMED_BYTES ? "GB"
                                                         : "GB-s");
}

void printed_date(int64_t at_us, char text[PRINTED_TEXT_BYTES])
{
    struct civil civil;
    calendar_split(at_us, &civil);
    (void)snprintf(text, PRINTED_TEXT_BYTES, "%d %s %d", civil.day, MONTHS[civil.month - 1], civil.year);
}

void printed_month(struct month month, char text[PRINTED_TEXT_BYTES])
{
    (void)snprintf(text, PRINTED_TEXT_BYTES, "%s %d", MONTHS[month.month - 1], month.year);
}

void printed_axis(const struct printed *printed, double *step, double *top)
{
    double most = 0;
    for (int i = 0; i < printed->day_count; i++) {
        most = printed->days[i].total > most ? printed->days[i].total : most;
    }
    if (most <= 0) {
        *step = 1;
        *top = 1;
        return;
    }
    double power = pow(10, floor(log10(most / 4)));
    double rough = most / 4 / power;
    *step = (rough <= 1 ? 1 : rough <= 2 ? 2 : rough <= 5 ? 5 : 10) * power;
    *top = ceil(most / *step - 1e-9) * *step;
}

void printed_axis_label(double value, double step, char text[PRINTED_TEXT_BYTES])
{
    int decimals = step >= 1 ? 0 : (int)ceil(-log10(step) - 1e-9);
    char plain[PRINTED_TEXT_BYTES];
    (void)snprintf(plain, sizeof plain, "%.*f", decimals > 12 ? 12 : decimals, value);
    group(plain, PRINTED_ALL_DIGITS, text);
}
