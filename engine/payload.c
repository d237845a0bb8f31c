#include "engine/payload.h"

#include <stdint.h>
#include <string.h>

#include "common/text.h"

struct scan {
    const char *at, *end;
};

static void space(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r')) {
        scan->at++;
    }
}

static bool is(const struct scan *scan, char c)
{
    return scan->at < scan->end && *scan->at == c;
}

static bool hex4(struct scan *scan)
{
    for (int i = 0; i < 4; i++, scan->at++) {
        if (scan->at >= scan->end || strchr("0123456789abcdefABCDEF", *scan->at) == NULL || *scan->at == '\0') {
            return false;
        }
    }
    return true;
}

static bool string(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end; scan->at++) {
        unsigned char c = (unsigned char)*scan->at;
        if (c == '"') {
            scan->at++;
            return true;
        }
        if (c < 0x20) {
            return false;
        }
        if (c == '\\') {
            scan->at++;
            if (is(scan, 'u')) {
                scan->at++;
                if (!hex4(scan)) {
                    return false;
                }
                scan->at--;
            } else if (scan->at >= scan->end || *scan->at == '\0' || strchr("\"\\/bfnrt", *scan->at) == NULL) {
                return false;
            }
        }
    }
    return false;
}

static bool digits(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        scan->at++;
    }
    return scan->at > start;
}

static bool number(struct scan *scan)
{
    if (is(scan, '-')) {
        scan->at++;
    }
    if (is(scan, '0')) {
        scan->at++;
    } else if (!digits(scan)) {
        return false;
    }
    if (is(scan, '.')) {
        scan->at++;
        if (!digits(scan)) {
            return false;
        }
    }
    if (is(scan, 'e') || is(scan, 'E')) {
        scan->at++;
        if (is(scan, '+') || is(scan, '-')) {
            scan->at++;
        }
        return digits(scan);
    }
    return true;
}

static bool word(struct scan *scan, const char *text)
{
    size_t length = strlen(text);
    if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, text, length) != 0) {
        return false;
    }
    scan->at += length;
    return true;
}

static bool scalar(struct scan *scan)
{
    if (scan->at >= scan->end) {
        return false;
    }
    switch (*scan->at) {
    case '"':
        return string(scan);
    case 't':
        return word(scan, "true");
    case 'f':
        return word(scan, "false");
    case 'n':
        return word(scan, "null");
    default:
        return number(scan);
    }
}

static bool member_name(struct scan *scan)
{
    space(scan);
    if (!is(scan, '"') || !string(scan)) {
        return false;
    }
    space(scan);
    if (!is(scan, ':')) {
        return false;
    }
    scan->at++;
    return true;
}

/* After a value: close what ends here. False: not JSON. *more: another value follows. */
static bool after_value(struct scan *scan, const char *open, int *depth, bool *more)
{
    for (;;) {
        *more = false;
        if (*depth == 0) {
            return true;
        }
        space(scan);
        bool object = open[*depth - 1] == '{';
        if (is(scan, ',')) {
            scan->at++;
            *more = true;
            return !object || member_name(scan);
        }
        if (!is(scan, object ? '}' : ']')) {
            return false;
        }
        scan->at++;
        (*depth)--;
    }
}

static bool values(struct scan *scan)
{
    char open[PAYLOAD_DEPTH_MAX];
    int depth = 0;
    bool more = true;
    while (more) {
        space(scan);
        if (is(scan, '{') || is(scan, '[')) {
            char kind = *scan->at++;
            if (depth == PAYLOAD_DEPTH_MAX) {
                return false;
            }
            space(scan);
            if (!is(scan, kind == '{' ? '}' : ']')) {
                open[depth++] = kind;
                if (kind == '{' && !member_name(scan)) {
                    return false;
                }
                continue;
            }
            scan->at++;
        } else if (!scalar(scan)) {
            return false;
        }
        if (!after_value(scan, open, &depth, &more)) {
            return false;
        }
    }
    return true;
}

bool payload_is_json(const char *bytes, size_t length, size_t *at)
{
    struct scan scan = {.at = bytes, .end = bytes + length};
    bool good = values(&scan);
    if (good) {
        space(&scan);
        good = scan.at == scan.end;
    }
    *at = (size_t)(scan.at - bytes);
    return good;
}
