#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct err *err, enum err_code code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void set_text(struct err *err, enum err_code code, const char *format, va_list args)
{
    err->code = code;
    err->field[0] = '\0';
    err->slug = NULL;
    (void)vsnprintf(err->text, sizeof err->text, format, args);
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        set_text(err, code, format, args);
        va_end(args);
    }
    return -1;
}

int err_field(struct err *err, const char *field, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        set_text(err, ERR_INVALID, format, args);
        va_end(args);
        (void)snprintf(err->field, sizeof err->field, "%s", field);
    }
    return -1;
}

int err_wrap(struct err *err, const char *format, ...)
{
    if (err != NULL) {
        char text[ERR_TEXT_BYTES_MAX];
        va_list args;
        va_start(args, format);
        int used = vsnprintf(text, sizeof text, format, args);
        va_end(args);
        if (used > 0 && (size_t)used < sizeof text - 2) {
            (void)snprintf(text + used, sizeof text - (size_t)used, ": %.*s", (int)(sizeof text - (size_t)used - 3),
                           err->text);
        }
        memcpy(err->text, text, sizeof text);
    }
    return -1;
}

int err_at(struct err *err, const char *field)
{
    if (err != NULL) {
        (void)snprintf(err->field, sizeof err->field, "%s", field);
    }
    return -1;
}

int err_slug(struct err *err, const char *slug)
{
    if (err != NULL) {
        err->slug = slug;
    }
    return -1;
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_INVALID:
        return "invalid";
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_LIMIT:
        return "limit";
    case ERR_RETRY:
        return "retry";
    case ERR_UNCERTAIN:
        return "uncertain";
    case ERR_SYSTEM:
        return "system";
    }
    return "unknown";
}
