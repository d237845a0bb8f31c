/*
 * calendar.h - UTC dates, months and RFC 3339, on integers.
 *
 * Units: *_us microseconds since the epoch, UTC; no leap seconds (as POSIX). Ranges: years 1970 to 9999.
 * Ranges of time are half-open: [from, to). Threads: any; nothing here reads the clock or the TZ variable.
 */
#ifndef FARTHING_COMMON_CALENDAR_H
#define FARTHING_COMMON_CALENDAR_H

#include <stdint.h>

struct err;

#define CALENDAR_HOUR_US INT64_C(3600000000)
#define CALENDAR_DAY_US INT64_C(86400000000)
#define CALENDAR_TEXT_BYTES 40

struct month {
    int year;  /* 1970..9999 */
    int month; /* 1..12 */
};

struct civil {
    int year, month, day, hour, minute, second;
    int micros;
};

/* Strict "YYYY-MM"; field is named in the error. */
int month_parse(const char *text, const char *field, struct month *month, struct err *err);
void month_format(struct month month, char text[CALENDAR_TEXT_BYTES]);
void month_range(struct month month, int64_t *from_us, int64_t *to_us);
struct month month_of(int64_t at_us);
struct month month_next(struct month month);

/* RFC 3339 date-time with offset or Z, or a bare "YYYY-MM-DD" (midnight UTC). */
int calendar_parse(const char *text, const char *field, int64_t *at_us, struct err *err);

/* "2026-11-23T10:44:50Z"; with _us always six digits of fraction; day: "2026-11-23". A time
 * outside the years 1970 to 9999 is shown as the nearest one inside. */
void calendar_format(int64_t at_us, char text[CALENDAR_TEXT_BYTES]);
void calendar_format_us(int64_t at_us, char text[CALENDAR_TEXT_BYTES]);
void calendar_format_day(int64_t at_us, char text[CALENDAR_TEXT_BYTES]);

void calendar_split(int64_t at_us, struct civil *civil);
int64_t calendar_join(const struct civil *civil);
int64_t calendar_day_start(int64_t at_us);
int64_t calendar_hour_start(int64_t at_us);

#endif
