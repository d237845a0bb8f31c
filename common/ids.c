#include "common/ids.h"

#include "common/err.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void id_format(const char *prefix, int64_t id, char text[ID_TEXT_BYTES])
{
    (void)snprintf(text, ID_TEXT_BYTES, "%s_%" PRId64, prefix, id);
}

int id_parse(const char *prefix, const char *text, const char *field, int64_t *id, struct err *err)
{
    size_t skip = strlen(prefix);
    bool ok = text_starts(text, prefix) && text[skip] == '_' && text[skip + 1] != '-' && text[skip + 1] != '0';
    int64_t parsed = 0;
    if (!ok || text_i64(text + skip + 1, field, 1, INT64_MAX, &parsed, NULL) != 0) {
        return err_field(err, field, "%s: \"%.64s\" is not an id like %s_1", field, text, prefix);
    }
    *id = parsed;
    return 0;
}

static bool only(const char *text, const char *allowed)
{
    return strspn(text, allowed) == strlen(text);
}

int name_check_account(const char *text, const char *field, struct err *err)
{
    size_t length = strlen(text);
    if (length < 1 || length > 63 || text[0] == '-' || !only(text, "abcdefghijklmnopqrstuvwxyz0123456789-")) {
        return err_field(
            err, field,
            "%s: \"%.70s\" is not an account name: 1 to 63 of a-z, 0-9 and '-', starting with a letter or digit", field,
            text);
    }
    return 0;
}

int name_check_function(const char *text, const char *field, struct err *err)
{
    size_t length = strlen(text);
    if (length < 1 || length > 64 || !only(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")) {
        return err_field(err, field, "%s: \"%.70s\" is not a function name: 1 to 64 of A-Z, a-z, 0-9, '-' and '_'",
                         field, text);
    }
    return 0;
}

/* C0, DEL and C1 (C2 80 to C2 9F in UTF-8). */
static bool has_control(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f)) {
            return true;
        }
    }
    return false;
}

int name_check_text(const char *text, size_t max_bytes, const char *field, struct err *err)
{
    size_t length = strlen(text);
    if (length < 1 || length > max_bytes) {
        return err_field(err, field, "%s: must be 1 to %zu bytes, is %zu", field, max_bytes, length);
    }
    if (!text_utf8(text, length)) {
        return err_field(err, field, "%s: is not valid UTF-8", field);
    }
    if (has_control(text)) {
        return err_field(err, field, "%s: may not contain control characters", field);
    }
    if (strchr("=+-@", text[0]) != NULL) {
        return err_field(err, field, "%s: may not start with '%c' (spreadsheets would read a formula)", field, text[0]);
    }
    return 0;
}
