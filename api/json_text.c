#include "api/json_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/json.h"

static int keep(const cJSON *member, const char *name, size_t bytes_max, char **text, struct err *err)
{
    char field[ERR_FIELD_BYTES_MAX];
    (void)snprintf(field, sizeof field, "/%.50s", name);
    char *printed = cJSON_PrintUnformatted(member);
    if (printed == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (strlen(printed) >= bytes_max) {
        free(printed);
        return err_field(err, field, "%s is longer than %zu bytes", name, bytes_max - 1);
    }
    *text = printed;
    return 0;
}

int json_object_text(const cJSON *object, const char *name, size_t bytes_max, char **text, struct err *err)
{
    const cJSON *member = NULL;
    if (json_get_object(object, "", name, false, &member, err) != 0) {
        return -1;
    }
    return member == NULL ? 0 : keep(member, name, bytes_max, text, err);
}

int json_flat_text(const cJSON *object, const char *name, size_t bytes_max, char **text, struct err *err)
{
    const cJSON *member = NULL;
    const cJSON *item;
    if (json_get_object(object, "", name, false, &member, err) != 0) {
        return -1;
    }
    if (member == NULL) {
        return 0;
    }
    cJSON_ArrayForEach(item, member)
    {
        char field[ERR_FIELD_BYTES_MAX];
        (void)snprintf(field, sizeof field, "/%.20s/%.40s", name, item->string);
        if (!cJSON_IsString(item)) {
            return err_field(err, field, "the value of \"%.40s\" is to be a string", item->string);
        }
        if (strcmp(name, "tags") == 0 &&
            (name_check_text(item->string, 128, field, err) != 0 ||
             (item->valuestring[0] != '\0' && name_check_text(item->valuestring, 256, field, err) != 0))) {
            return -1;
        }
    }
    return keep(member, name, bytes_max, text, err);
}

void gb_seconds_text(int64_t mb_ms, char text[GB_SECONDS_TEXT_BYTES])
{
    /* 1 / 1,024,000 = 0.0000009765625: thirteen decimals are exact. */
    int64_t whole = mb_ms / 1024000;
    int64_t rest = mb_ms % 1024000 * 9765625;
    (void)snprintf(text, GB_SECONDS_TEXT_BYTES, "%lld.%013lld", (long long)whole, (long long)rest);
    size_t length = strlen(text);
    while (text[length - 1] == '0') {
        text[--length] = '\0';
    }
    if (text[length - 1] == '.') {
        text[length - 1] = '\0';
    }
}

void json_put_quantity(struct json_writer *writer, const char *name, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)value);
    json_put_text(writer, name, text);
}

void json_put_time(struct json_writer *writer, const char *name, int64_t at_us)
{
    char text[CALENDAR_TEXT_BYTES];
    calendar_format(at_us, text);
    json_put_text(writer, name, text);
}

void json_put_time_or_null(struct json_writer *writer, const char *name, int64_t at_us)
{
    if (at_us == 0) {
        json_put_null(writer, name);
    } else {
        json_put_time(writer, name, at_us);
    }
}
