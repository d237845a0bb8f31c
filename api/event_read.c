#include "api/events.h"

#include <stdio.h>
#include <string.h>

#include "common/calendar.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/text.h"

#define ID_BYTES_MAX 512
#define FUTURE_US_MAX INT64_C(86400000000)

void event_identity(const char *source, const char *id, struct uuid *uuid)
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 *state = sha256_new();
    sha256_update(state, source, strlen(source) + 1); /* with the NUL: no two pairs run together */
    sha256_update(state, id, strlen(id));
    sha256_end(&state, digest);
    memcpy(uuid->bytes, digest, sizeof uuid->bytes);
    uuid->bytes[6] = (uint8_t)((uuid->bytes[6] & 0x0f) | 0x80); /* version 8: made of a hash */
    uuid->bytes[8] = (uint8_t)((uuid->bytes[8] & 0x3f) | 0x80);
}

static int fault(struct err *err, const char *pointer, const char *name, const char *text)
{
    char field[ERR_FIELD_BYTES_MAX];
    (void)snprintf(field, sizeof field, "%.30s/%.30s", pointer, name);
    return err_field(err, field, "%s: %s", name, text);
}

/* Milliseconds as a JSON number or a decimal string, in whole microseconds, rounded up. */
static int millis(const cJSON *data, const char *pointer, const char *name, uint64_t *us, struct err *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(data, name);
    char text[40];
    if (item == NULL) {
        return 0;
    }
    if (cJSON_IsString(item)) {
        if (text_copy(text, sizeof text, item->valuestring) != 0) {
            return fault(err, pointer, name, "is too long");
        }
    } else if (cJSON_IsNumber(item) && item->valuedouble >= 0.0 && item->valuedouble < 1e12) {
        (void)snprintf(text, sizeof text, "%.6f", item->valuedouble);
    } else {
        return fault(err, pointer, name, "is to be a number of milliseconds, not negative");
    }
    int64_t whole = 0;
    int64_t part = 0;
    char *dot = strchr(text, '.');
    if (dot != NULL) {
        *dot++ = '\0';
        size_t digits = strlen(dot);
        if (digits == 0 || digits > 18 || strspn(dot, "0123456789") != digits) {
            return fault(err, pointer, name, "is to be a decimal number");
        }
        bool more = digits > 3 && strspn(dot + 3, "0") != digits - 3;
        for (size_t i = 0; i < 3; i++) {
            part = part * 10 + (i < digits ? dot[i] - '0' : 0);
        }
        part += more;
    }
    if (text_i64(text, name, 0, INT64_C(1000000000000), &whole, NULL) != 0) {
        return fault(err, pointer, name, "is to be a decimal number of milliseconds, not negative");
    }
    *us = (uint64_t)(whole * 1000 + part);
    return 0;
}

static int status_of(const cJSON *data, const char *pointer, uint8_t *status, struct err *err)
{
    const char *text = NULL;
    if (json_get_text(data, pointer, "status", false, &text, err) != 0) {
        return -1;
    }
    for (int i = 0; text != NULL && i < USAGE_STATUS_COUNT; i++) {
        if (strcmp(text, usage_status_name((enum usage_status)i)) == 0) {
            *status = (uint8_t)i;
            return 0;
        }
    }
    return text == NULL ? 0
                        : fault(err, pointer, "status", "is ok, error, timeout, out_of_memory, init_error or killed");
}

static int flags_of(const cJSON *data, const char *pointer, uint16_t *flags, struct err *err)
{
    static const struct {
        const char *name;
        uint16_t flag;
    } words[] = {{"cold_start", USAGE_FLAG_COLD},
                 {"async", USAGE_FLAG_ASYNC},
                 {"provisioned", USAGE_FLAG_PROVISIONED},
                 {"streamed", USAGE_FLAG_STREAMED}};
    const char *arch = "x86_64";
    *flags = USAGE_FLAG_EXTERNAL;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        bool set = false;
        if (json_get_bool(data, pointer, words[i].name, false, &set, err) != 0) {
            return -1;
        }
        *flags = (uint16_t)(*flags | (set ? words[i].flag : 0));
    }
    if (json_get_text(data, pointer, "arch", false, &arch, err) != 0) {
        return -1;
    }
    if (strcmp(arch, "arm64") == 0) {
        *flags |= USAGE_FLAG_ARM64;
    } else if (strcmp(arch, "x86_64") != 0) {
        return fault(err, pointer, "arch", "is x86_64 or arm64");
    }
    return 0;
}

static int numbers_of(const cJSON *data, const char *pointer, struct usage_record *record, struct err *err)
{
    int64_t memory = 0, peak = 0, cpu = 0, response = 0, attempt = 1, ephemeral = 512, bytes = 0;
    if (json_get_i64(data, pointer, "memory_mb", true, 1, 10240, &memory, err) != 0 ||
        json_get_i64(data, pointer, "peak_kib", false, 0, INT32_MAX, &peak, err) != 0 ||
        json_get_i64(data, pointer, "cpu_us", false, 0, INT64_C(1000000000000), &cpu, err) != 0 ||
        json_get_i64(data, pointer, "response_bytes", false, 0, INT64_C(1000000000000), &response, err) != 0 ||
        json_get_i64(data, pointer, "event_bytes", false, 0, INT32_MAX, &bytes, err) != 0 ||
        json_get_i64(data, pointer, "ephemeral_storage_mb", false, 512, 10240, &ephemeral, err) != 0 ||
        json_get_i64(data, pointer, "attempt", false, 1, 1000, &attempt, err) != 0 ||
        millis(data, pointer, "duration_ms", &record->duration_us, err) != 0 ||
        millis(data, pointer, "init_ms", &record->init_us, err) != 0) {
        return -1;
    }
    if (cJSON_GetObjectItemCaseSensitive(data, "duration_ms") == NULL) {
        return fault(err, pointer, "duration_ms", "is missing");
    }
    record->memory_mib = (uint32_t)memory;
    record->peak_kib = (uint32_t)peak;
    record->cpu_us = (uint64_t)cpu;
    record->response_bytes = (uint64_t)response;
    record->event_bytes = (uint32_t)bytes;
    record->ephemeral_mib = (uint32_t)ephemeral;
    record->attempt = (uint16_t)attempt;
    record->billed_requests = 1;
    return 0;
}

/* "<account>/<function>", "<account>/functions/<function>"; data.account and data.function win. */
static int owner_of(const cJSON *data, const char *pointer, struct event *event, struct err *err)
{
    const char *account = NULL;
    const char *function = NULL;
    if (json_get_text(data, pointer, "account", false, &account, err) != 0 ||
        json_get_text(data, pointer, "function", false, &function, err) != 0) {
        return -1;
    }
    const char *subject = event->subject != NULL ? event->subject : "";
    size_t length = strcspn(subject, "/");
    if (account == NULL && length < sizeof event->account) {
        (void)snprintf(event->account, sizeof event->account, "%.*s", (int)length, subject);
        account = event->account;
    }
    if (function == NULL && subject[length] == '/') {
        const char *rest = subject + length + 1;
        function = text_starts(rest, "functions/") ? rest + strlen("functions/") : rest;
    }
    if (account == NULL || account[0] == '\0') {
        return fault(err, pointer, "subject", "is to be ACCOUNT/FUNCTION");
    }
    if (!text_starts(account, "acct_") && name_check_account(account, "subject", NULL) != 0) {
        return fault(err, pointer, "subject", "has no valid account name (a-z, 0-9 and -, at most 63)");
    }
    if (function == NULL || name_check_function(function, "subject", NULL) != 0) {
        return fault(err, pointer, "subject", "has no valid function name (A-Z, a-z, 0-9, _ and -, at most 64)");
    }
    if (account != event->account && text_copy(event->account, sizeof event->account, account) != 0) {
        return fault(err, pointer, "account", "is too long");
    }
    return text_copy(event->function, sizeof event->function, function);
}

static int attributes_check(struct event *event, const char *pointer, int64_t now_us, struct err *err)
{
    event->record.started_us = now_us;
    if (event->id == NULL || event->id[0] == '\0' || strlen(event->id) > ID_BYTES_MAX) {
        return fault(err, pointer, "id", "is missing, empty or longer than 512 bytes");
    }
    if (event->source == NULL || event->source[0] == '\0' || strlen(event->source) > ID_BYTES_MAX) {
        return fault(err, pointer, "source", "is missing, empty or longer than 512 bytes");
    }
    if (event->time != NULL && calendar_parse(event->time, "time", &event->record.started_us, NULL) != 0) {
        return fault(err, pointer, "time", "is to be an RFC 3339 time");
    }
    if (event->record.started_us > now_us + FUTURE_US_MAX) {
        return fault(err, pointer, "time", "is more than a day in the future");
    }
    event_identity(event->source, event->id, &event->request_id);
    return 0;
}

int event_read_data(const cJSON *data, const char *pointer, int64_t now_us, struct event *event, struct err *err)
{
    struct usage_record *record = &event->record;
    memset(record, 0, sizeof *record);
    if (attributes_check(event, pointer, now_us, err) != 0) {
        return -1;
    }
    if (!cJSON_IsObject(data)) {
        return fault(err, pointer, "data", "is to be a JSON object");
    }
    record->kind = USAGE_KIND_INVOCATION;
    memcpy(record->request_id, event->request_id.bytes, sizeof record->request_id);
    if (owner_of(data, pointer, event, err) != 0 || numbers_of(data, pointer, record, err) != 0 ||
        status_of(data, pointer, &record->status, err) != 0) {
        return -1;
    }
    return flags_of(data, pointer, &record->flags, err);
}

int event_read(const cJSON *tree, const char *pointer, int64_t now_us, struct event *event, struct err *err)
{
    const char *version = NULL;
    char at[ERR_FIELD_BYTES_MAX];
    memset(event, 0, sizeof *event);
    if (!cJSON_IsObject(tree)) {
        return err_field(err, pointer[0] != '\0' ? pointer : "/", "an event is to be a JSON object");
    }
    if (json_get_text(tree, pointer, "specversion", true, &version, err) != 0 ||
        json_get_text(tree, pointer, "id", true, &event->id, err) != 0 ||
        json_get_text(tree, pointer, "source", true, &event->source, err) != 0 ||
        json_get_text(tree, pointer, "type", true, &event->type, err) != 0 ||
        json_get_text(tree, pointer, "subject", false, &event->subject, err) != 0 ||
        json_get_text(tree, pointer, "time", false, &event->time, err) != 0) {
        return -1;
    }
    if (strcmp(version, "1.0") != 0) {
        return fault(err, pointer, "specversion", "is to be \"1.0\"");
    }
    (void)snprintf(at, sizeof at, "%.40s/data", pointer);
    return event_read_data(cJSON_GetObjectItemCaseSensitive(tree, "data"), at, now_us, event, err);
}
