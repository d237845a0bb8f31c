#include "common/text.h"

#include "common/err.h"

#include <inttypes.h>
#include <string.h>

int text_i64(const char *text, const char *field, int64_t min, int64_t max, int64_t *value, struct err *err)
{
    const char *at = text[0] == '-' ? text + 1 : text;
    bool negative = at != text;
    int64_t parsed = 0;
    bool ok = *at != '\0';
    for (; ok && *at != '\0'; at++) {
        ok = *at >= '0' && *at <= '9' && !__builtin_mul_overflow(parsed, (int64_t)10, &parsed) &&
             !__builtin_sub_overflow(parsed, (int64_t)(*at - '0'), &parsed);
    }
    /* Collected as a negative number, because INT64_MIN has no positive twin. */
    if (ok && !negative) {
        ok = !__builtin_sub_overflow((int64_t)0, parsed, &parsed);
    }
    if (!ok || parsed < min || parsed > max) {
        return err_field(err, field, "%s: \"%.40s\" is not a whole number from %" PRId64 " to %" PRId64, field, text,
                         min, max);
    }
    *value = parsed;
    return 0;
}

bool text_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

int text_copy(char *target, size_t size, const char *text)
{
    size_t length = strlen(text);
    if (length >= size) {
        if (size > 0) {
            target[0] = '\0';
        }
        return -1;
    }
    memcpy(target, text, length + 1);
    return 0;
}

/* Length of the UTF-8 sequence at bytes, 0 when there is no valid one. */
static size_t sequence(const unsigned char *bytes, size_t left)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = bytes[0];
    if (first < 0x80) {
        return first == 0 ? 0 : 1;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || length > left) {
        return 0;
    }
    uint32_t point = first & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = (point << 6) | (bytes[i] & 0x3fU);
    }
    bool surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < smallest[length] || point > 0x10ffff || surrogate ? 0 : length;
}

bool text_utf8(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    while (length > 0) {
        size_t step = sequence(at, length);
        if (step == 0) {
            return false;
        }
        at += step;
        length -= step;
    }
    return true;
}
