/* quota.c - names and units of quotas; see quota.h and admission.h. */
#include "engine/quota.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

#define MB_MS_PER_GB_S INT64_C(1024000)
#define PICOS_PER_UNIT INT64_C(1000000000000)

/* scale: decimals people may write; per: units in one of theirs; digits: decimals always shown. */
static const struct {
    const char *name;
    int64_t per;
    int64_t units_max;
    int scale, digits;
} KINDS[QUOTA_KIND_COUNT] = {
    [QUOTA_CONCURRENCY] = {"concurrency", 1, 1000000, 0, 0},
    [QUOTA_REQUESTS_PER_SECOND] = {"requests_per_second", 1, 1000000, 0, 0},
    [QUOTA_REQUESTS_PER_MONTH] = {"requests_per_month", 1, INT64_C(1000000000000000), 0, 0},
    [QUOTA_GB_SECONDS_PER_MONTH] = {"gb_seconds_per_month", MB_MS_PER_GB_S, INT64_C(4000000000000000000), 3, 0},
    [QUOTA_SPEND_PER_MONTH] = {"spend_per_month", PICOS_PER_UNIT, INT64_C(4000000000000000000), 12, 2},
    [QUOTA_MEMORY_MB] = {"memory_mb", 1, 10240, 0, 0},
    [QUOTA_FUNCTIONS] = {"functions", 1, 1000000, 0, 0},
    [QUOTA_CODE_BYTES] = {"code_bytes", 1, INT64_C(1000000000000000), 0, 0},
    [QUOTA_ASYNC_QUEUE] = {"async_queue", 1, 100000000, 0, 0},
};

const char *quota_name(enum quota_kind kind)
{
    return KINDS[kind].name;
}

bool quota_is_monthly(enum quota_kind kind)
{
    return kind >= QUOTA_REQUESTS_PER_MONTH && kind <= QUOTA_SPEND_PER_MONTH;
}

int quota_parse(const char *name, const char *field, enum quota_kind *kind, struct err *err)
{
    for (int i = 0; i < QUOTA_KIND_COUNT; i++) {
        if (text_equal(name, KINDS[i].name)) {
            *kind = (enum quota_kind)i;
            return 0;
        }
    }
    return err_field(err, field,
                     "no quota is called \"%.40s\"; there are concurrency, requests_per_second, requests_per_month, "
                     "gb_seconds_per_month, spend_per_month, memory_mb, functions, code_bytes, async_queue",
                     name);
}

/* Digits with at most scale decimals, as the whole part and the fraction in 10^-scale; -1 for anything else. */
static int digits_parse(const char *text, int scale, int64_t *whole, int64_t *fraction)
{
    int decimals = -1; /* -1: before the point */
    *whole = 0;
    *fraction = 0;
    if (*text == '\0') {
        return -1;
    }
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '.' && decimals < 0 && c != text && c[1] != '\0') {
            decimals = 0;
        } else if (*c < '0' || *c > '9' || decimals == scale || *whole > INT64_MAX / 10 - 10) {
            return -1;
        } else if (decimals < 0) {
            *whole = *whole * 10 + (*c - '0');
        } else {
            *fraction = *fraction * 10 + (*c - '0');
            decimals++;
        }
    }
    for (; decimals < scale; decimals++) {
        *fraction *= decimals < 0 ? 1 : 10;
    }
    return 0;
}

int quota_limit_parse(enum quota_kind kind, const char *text, int64_t *units, char normal[48], struct err *err)
{
    int64_t whole = 0;
    int64_t fraction = 0;
    if (text != NULL && text[0] == '-') {
        return err_field(err, "/limit", "limit is %.40s; a limit of %s cannot be negative", text, KINDS[kind].name);
    }
    if (text == NULL || digits_parse(text, KINDS[kind].scale, &whole, &fraction) != 0) {
        return err_field(err, "/limit",
                         "the limit of %s is a number with at most %d decimals, written as text, not \"%.40s\"",
                         KINDS[kind].name, KINDS[kind].scale, text != NULL ? text : "");
    }
    int64_t per_fraction = KINDS[kind].per; /* a unit of the last decimal is a whole number of units */
    for (int i = 0; i < KINDS[kind].scale; i++) {
        per_fraction /= 10;
    }
    if (whole >= KINDS[kind].units_max / KINDS[kind].per + 1 ||
        whole * KINDS[kind].per + fraction * per_fraction > KINDS[kind].units_max) {
        char most[48];
        quota_units_format(kind, KINDS[kind].units_max, most);
        return err_field(err, "/limit", "the limit of %s is at most %s, not %.40s", KINDS[kind].name, most, text);
    }
    const char *shown = text;
    while (shown[0] == '0' && shown[1] >= '0' && shown[1] <= '9') {
        shown++;
    }
    if (text_copy(normal, 48, shown) != 0) {
        return err_field(err, "/limit", "the limit of %s has too many digits", KINDS[kind].name);
    }
    *units = whole * KINDS[kind].per + fraction * per_fraction;
    return 0;
}

void quota_units_format(enum quota_kind kind, int64_t units, char text[48])
{
    int64_t per = KINDS[kind].per;
    uint64_t whole = (uint64_t)(units < 0 ? -(units / per) : units / per);
    uint64_t rest = (uint64_t)(units < 0 ? -(units % per) : units % per);
    char fraction[16] = "";
    int length = 0;
    /* Long division: at most 13 decimals, because units are 2^-13 * 10^-3 or 10^-12 of what is shown. */
    while (length < 13 && (rest != 0 || length < KINDS[kind].digits)) {
        rest *= 10;
        fraction[length++] = (char)('0' + rest / (uint64_t)per);
        rest %= (uint64_t)per;
    }
    fraction[length] = '\0';
    (void)snprintf(text, 48, "%s%llu%s%s", units < 0 ? "-" : "", (unsigned long long)whole, length > 0 ? "." : "",
                   fraction);
}
