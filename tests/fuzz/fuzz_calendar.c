/*
 * Goal: times and months: whatever is accepted comes back from its own text as the same instant.
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/err.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[80];
    char back[CALENDAR_TEXT_BYTES];
    int64_t at_us = 0;
    int64_t again_us = -1;
    struct month month;
    if (size >= sizeof text) {
        return 0;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    if (calendar_parse(text, "at", &at_us, NULL) == 0) {
        calendar_format_us(at_us, back);
        CHECK(calendar_parse(back, "at", &again_us, NULL) == 0 && again_us == at_us);
        CHECK(calendar_day_start(at_us) <= calendar_hour_start(at_us) && calendar_hour_start(at_us) <= at_us);
    }
    if (month_parse(text, "month", &month, NULL) == 0) {
        int64_t to_us = 0;
        month_format(month, back);
        CHECK(strcmp(back, text) == 0);
        month_range(month, &at_us, &to_us);
        CHECK(at_us < to_us && month_of(at_us).month == month.month && month_of(to_us - 1).month == month.month);
    }
    return 0;
}
