/*
 * json_scan.c - says whether a text is JSON, strictly, before cJSON (which is lenient) builds the tree.
 */
#include "common/err.h"
#include "common/json.h"
#include "common/json_internal.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

struct scan {
    const char *start;
    const char *at;
    const char *end;
    const char *fault; /* what is wrong at at; NULL: nothing yet */
};

static bool value(struct scan *scan, int depth);

static bool fault(struct scan *scan, const char *what)
{
    if (scan->fault == NULL) {
        scan->fault = what;
    }
    return false;
}

static char peek(const struct scan *scan)
{
    if (scan->at >= scan->end) {
        return '\0';
    }
    return *scan->at;
}

static bool take(struct scan *scan, char c)
{
    if (peek(scan) != c || scan->at >= scan->end) {
        return false;
    }
    scan->at++;
    return true;
}

static void spaces(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
}

static bool word(struct scan *scan, const char *expected)
{
    size_t length = strlen(expected);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, expected, length) != 0) {
        return fault(scan, "a value is expected");
    }
    scan->at += length;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool digits(struct scan *scan)
{
    if (!is_digit(peek(scan))) {
        return fault(scan, "a digit is expected");
    }
    while (is_digit(peek(scan))) {
        scan->at++;
    }
    return true;
}

static bool number(struct scan *scan)
{
    (void)take(scan, '-');
    if (take(scan, '0')) {
        if (is_digit(peek(scan))) {
            return fault(scan, "a number may not start with 0");
        }
    } else if (!digits(scan)) {
        return false;
    }
    if (take(scan, '.') && !digits(scan)) {
        return false;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+')) {
            (void)take(scan, '-');
        }
        return digits(scan);
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static long unit(struct scan *scan)
{
    char text[5] = {0};
    if (scan->end - scan->at < 4) {
        return -1;
    }
    memcpy(text, scan->at, 4);
    if (strspn(text, "0123456789abcdefABCDEF") != 4) {
        return -1;
    }
    scan->at += 4;
    return strtol(text, NULL, 16);
}

static bool unicode_escape(struct scan *scan)
{
    long first = unit(scan);
    if (first <= 0) {
        return fault(scan, first == 0 ? "\\u0000 is not allowed" : "four hexadecimal digits are expected");
    }
    if (first >= 0xdc00 && first <= 0xdfff) {
        return fault(scan, "half a surrogate pair");
    }
    if (first >= 0xd800 && first <= 0xdbff) {
        long second = take(scan, '\\') && take(scan, 'u') ? unit(scan) : -1;
        if (second < 0xdc00 || second > 0xdfff) {
            return fault(scan, "half a surrogate pair");
        }
    }
    return true;
}

static bool string(struct scan *scan)
{
    if (!take(scan, '"')) {
        return fault(scan, "a string is expected");
    }
    while (scan->at < scan->end) {
        if (take(scan, '"')) {
            return true;
        }
        if ((unsigned char)*scan->at < 0x20) {
            return fault(scan, "a control character in a string");
        }
        if (take(scan, '\\')) {
            if (take(scan, 'u')) {
                if (!unicode_escape(scan)) {
                    return false;
                }
                continue;
            }
            if (scan->at >= scan->end || *scan->at == '\0' || strchr("\"\\/bfnrt", *scan->at) == NULL) {
                return fault(scan, "an unknown escape");
            }
        }
        scan->at++;
    }
    return fault(scan, "the string has no end");
}

static bool member(struct scan *scan, int depth)
{
    spaces(scan);
    if (!string(scan)) {
        return false;
    }
    spaces(scan);
    if (!take(scan, ':')) {
        return fault(scan, "':' is expected");
    }
    return value(scan, depth);
}

/* What stands between the brackets of an object or array; the opening one is behind us. */
static bool list(struct scan *scan, char close, int depth)
{
    if (depth > JSON_DEPTH_MAX) {
        return fault(scan, "nested too deeply");
    }
    spaces(scan);
    if (take(scan, close)) {
        return true;
    }
    do {
        if (!(close == '}' ? member(scan, depth) : value(scan, depth))) {
            return false;
        }
        spaces(scan);
    } while (take(scan, ','));
    return take(scan, close) || fault(scan, close == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
}

/* Recursion ends at JSON_DEPTH_MAX. NOLINTNEXTLINE(misc-no-recursion) */
static bool value(struct scan *scan, int depth)
{
    spaces(scan);
    switch (peek(scan)) {
    case '{':
        scan->at++;
        return list(scan, '}', depth + 1);
    case '[':
        scan->at++;
        return list(scan, ']', depth + 1);
    case '"':
        return string(scan);
    case 't':
        return word(scan, "true");
    case 'f':
        return word(scan, "false");
    case 'n':
        return word(scan, "null");
    default:
        if (peek(scan) == '-' || is_digit(peek(scan))) {
            return number(scan);
        }
        return fault(scan, "a value is expected");
    }
}

int json_scan(const char *text, size_t length, struct err *err)
{
    struct scan scan = {.start = text, .at = text, .end = text + length};
    bool ok = value(&scan, 0);
    if (ok) {
        spaces(&scan);
        ok = scan.at == scan.end || fault(&scan, "text after the end");
    }
    if (ok && !text_utf8(text, length)) {
        return err_set(err, ERR_INVALID, "not JSON: the text is not valid UTF-8");
    }
    if (!ok) {
        return err_set(err, ERR_INVALID, "not JSON: %s at byte %zu", scan.fault, (size_t)(scan.at - scan.start));
    }
    return 0;
}
