#include "common/calendar.h"

#include "common/check.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)
#define YEAR_MIN 1970
#define END_US INT64_C(253402300800000000) /* 10000-01-01T00:00:00Z */

static bool leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01, counted in 400-year eras that start on 1 March, so that leap days come last. */
static int64_t days_of(int year, int month, int day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
}

void calendar_split(int64_t at_us, struct civil *civil)
{
    int64_t days = floor_div(at_us, CALENDAR_DAY_US);
    int64_t rest = at_us - days * CALENDAR_DAY_US;
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;

    civil->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    civil->month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    civil->year = (int)(year_of_era + era * 400 + (civil->month <= 2 ? 1 : 0));
    civil->micros = (int)(rest % SECOND_US);
    rest /= SECOND_US;
    civil->second = (int)(rest % 60);
    civil->minute = (int)(rest / 60 % 60);
    civil->hour = (int)(rest / 3600);
}

int64_t calendar_join(const struct civil *civil)
{
    int64_t seconds = civil->hour * INT64_C(3600) + civil->minute * INT64_C(60) + civil->second;
    return days_of(civil->year, civil->month, civil->day) * CALENDAR_DAY_US + seconds * SECOND_US + civil->micros;
}

int64_t calendar_day_start(int64_t at_us)
{
    return floor_div(at_us, CALENDAR_DAY_US) * CALENDAR_DAY_US;
}

int64_t calendar_hour_start(int64_t at_us)
{
    return floor_div(at_us, CALENDAR_HOUR_US) * CALENDAR_HOUR_US;
}

/* Exactly count digits; advances *at. */
static bool digits(const char **at, int count, int *value)
{
    int parsed = 0;
    for (int i = 0; i < count; i++) {
        if ((*at)[i] < '0' || (*at)[i] > '9') {
            return false;
        }
        parsed = parsed * 10 + ((*at)[i] - '0');
    }
    *at += count;
    *value = parsed;
    return true;
}

static bool literal(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    (*at)++;
    return true;
}

int month_parse(const char *text, const char *field, struct month *month, struct err *err)
{
    const char *at = text;
    struct month parsed;
    if (!digits(&at, 4, &parsed.year) || !literal(&at, '-') || !digits(&at, 2, &parsed.month) || *at != '\0' ||
        parsed.year < YEAR_MIN || parsed.month < 1 || parsed.month > 12) {
        return err_field(err, field, "%s: \"%.40s\" is not a month like 2026-10", field, text);
    }
    *month = parsed;
    return 0;
}

void month_format(struct month month, char text[CALENDAR_TEXT_BYTES])
{
    (void)snprintf(text, CALENDAR_TEXT_BYTES, "%04d-%02d", month.year, month.month);
}

void month_range(struct month month, int64_t *from_us, int64_t *to_us)
{
    struct month next = month_next(month);
    *from_us = days_of(month.year, month.month, 1) * CALENDAR_DAY_US;
    *to_us = days_of(next.year, next.month, 1) * CALENDAR_DAY_US;
}

struct month month_of(int64_t at_us)
{
    struct civil civil;
    calendar_split(at_us, &civil);
    return (struct month){.year = civil.year, .month = civil.month};
}

struct month month_next(struct month month)
{
    CHECK(month.month >= 1 && month.month <= 12);
    return month.month == 12 ? (struct month){month.year + 1, 1} : (struct month){month.year, month.month + 1};
}

static bool parse_date(const char **at, struct civil *civil)
{
    return digits(at, 4, &civil->year) && literal(at, '-') && digits(at, 2, &civil->month) && literal(at, '-') &&
           digits(at, 2, &civil->day) && civil->year >= YEAR_MIN && civil->month >= 1 && civil->month <= 12 &&
           civil->day >= 1 && civil->day <= month_days(civil->year, civil->month);
}

/* Fractions of one to nine digits; below a microsecond they are cut. */
static bool parse_fraction(const char **at, int *micros)
{
    int scale = 100000;
    int count = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        *micros += (**at - '0') * scale;
        scale /= 10;
        count++;
    }
    return count >= 1 && count <= 9;
}

/* A leap second (:60) is refused: POSIX time has no place for it. */
static bool parse_clock(const char **at, struct civil *civil)
{
    if (!digits(at, 2, &civil->hour) || !literal(at, ':') || !digits(at, 2, &civil->minute) || !literal(at, ':') ||
        !digits(at, 2, &civil->second) || civil->hour > 23 || civil->minute > 59 || civil->second > 59) {
        return false;
    }
    return literal(at, '.') ? parse_fraction(at, &civil->micros) : true;
}

static bool parse_offset(const char **at, int64_t *offset_us)
{
    if (literal(at, 'Z') || literal(at, 'z')) {
        *offset_us = 0;
        return true;
    }
    int64_t sign = **at == '-' ? -1 : 1;
    int hour = 0;
    int minute = 0;
    if (!(literal(at, '+') || literal(at, '-')) || !digits(at, 2, &hour) || !literal(at, ':') ||
        !digits(at, 2, &minute) || hour > 23 || minute > 59) {
        return false;
    }
    *offset_us = sign * (hour * INT64_C(60) + minute) * 60 * SECOND_US;
    return true;
}

int calendar_parse(const char *text, const char *field, int64_t *at_us, struct err *err)
{
    const char *at = text;
    struct civil civil = {0};
    int64_t offset_us = 0;
    bool ok = parse_date(&at, &civil);
    if (ok && *at != '\0') {
        ok = (literal(&at, 'T') || literal(&at, 't')) && parse_clock(&at, &civil) && parse_offset(&at, &offset_us) &&
             *at == '\0';
    }
    int64_t parsed = ok ? calendar_join(&civil) - offset_us : -1;
    if (parsed < 0 || parsed >= END_US) {
        return err_field(err, field, "%s: \"%.40s\" is not a time like 2026-10-31T12:00:00Z or 2026-10-31", field,
                         text);
    }
    *at_us = parsed;
    return 0;
}

/* Exactly so many digits: unlike with printf, the compiler and the reader can see that the text fits. */
static char *put_digits(char *at, int value, int count)
{
    for (int i = count; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

static char *put_part(char *at, char before, int value, int count)
{
    *at = before;
    return put_digits(at + 1, value, count);
}

static char *put_day(char *at, int64_t at_us, struct civil *c)
{
    calendar_split(at_us < 0 ? 0 : at_us < END_US ? at_us : END_US - 1, c);
    at = put_digits(at, c->year, 4);
    at = put_part(at, '-', c->month, 2);
    return put_part(at, '-', c->day, 2);
}

static char *put_second(char *at, int64_t at_us, struct civil *c)
{
    at = put_day(at, at_us, c);
    at = put_part(at, 'T', c->hour, 2);
    at = put_part(at, ':', c->minute, 2);
    return put_part(at, ':', c->second, 2);
}

void calendar_format(int64_t at_us, char text[CALENDAR_TEXT_BYTES])
{
    struct civil c;
    memcpy(put_second(text, at_us, &c), "Z", 2);
}

void calendar_format_us(int64_t at_us, char text[CALENDAR_TEXT_BYTES])
{
    struct civil c;
    char *at = put_second(text, at_us, &c);
    memcpy(put_part(at, '.', c.micros, 6), "Z", 2);
}

void calendar_format_day(int64_t at_us, char text[CALENDAR_TEXT_BYTES])
{
    struct civil c;
    *put_day(text, at_us, &c) = '\0';
}
