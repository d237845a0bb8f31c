/* destination.c - what a destination is told, and whom its text means. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/calendar.h"
#include "common/json.h"
#include "common/text.h"
#include "common/uuid.h"
#include "engine/event_config.h"
#include "engine/function.h"
#include "engine/payload.h"

static const char *condition(enum event_end end)
{
    switch (end) {
    case EVENT_SUCCESS:
        return "Success";
    case EVENT_RETRIES_EXHAUSTED:
        return "RetriesExhausted";
    case EVENT_AGE_EXCEEDED:
        return "EventAgeExceeded";
    case EVENT_ZERO_RESERVED:
        return "ZeroReservedConcurrency";
    }
    return "";
}

/* JSON as it is; anything else as a text, so that the record stays JSON. */
static void put_payload(struct buf *out, const void *bytes, size_t length)
{
    size_t at = 0;
    if (length == 0) {
        buf_puts(out, "null");
    } else if (payload_is_json(bytes, length, &at)) {
        buf_append(out, bytes, length);
    } else {
        json_quote(out, bytes, length);
    }
}

void destination_record_put(const struct destination_record *record, struct buf *out)
{
    char id[UUID_TEXT_BYTES];
    char at[CALENDAR_TEXT_BYTES];
    uuid_format(record->request_id, id);
    calendar_format_us(record->at_us, at);
    memcpy(at + 23, "Z", 2); /* milliseconds */
    buf_printf(
        out, "{\"version\":\"1.0\",\"timestamp\":\"%s\",\"requestContext\":{\"requestId\":\"%s\",\"functionArn\":", at,
        id);
    json_quote(out, record->function_arn, strlen(record->function_arn));
    buf_printf(out, ",\"condition\":\"%s\",\"approximateInvokeCount\":%d},\"requestPayload\":", condition(record->end),
               record->invoke_count);
    put_payload(out, record->request, record->request_length);
    if (record->ran) {
        char version[16] = "$LATEST";
        if (record->version != FUNCTION_VERSION_LATEST) {
            (void)snprintf(version, sizeof version, "%d", record->version);
        }
        buf_printf(out, ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"%s\"%s},\"responsePayload\":",
                   version, record->failed ? ",\"functionError\":\"Unhandled\"" : "");
        put_payload(out, record->response, record->response_length);
    }
    buf_putc(out, '}');
}

bool destination_function(const char *destination, int64_t account_id, char name[65], char qualifier[129])
{
    char owner[40];
    const char *mark = text_starts(destination, "arn:") ? strstr(destination, ":function:") : NULL;
    (void)snprintf(owner, sizeof owner, ":%" PRId64, account_id);
    size_t owner_length = strlen(owner);
    if (mark == NULL || (size_t)(mark - destination) < owner_length ||
        strncmp(mark - owner_length, owner, owner_length) != 0) {
        return false;
    }
    const char *text = mark + strlen(":function:");
    size_t length = strcspn(text, ":");
    if (length == 0 || length > 64 || strlen(text + length) > 128) {
        return false;
    }
    memcpy(name, text, length);
    name[length] = '\0';
    (void)snprintf(qualifier, 129, "%s", text[length] == ':' ? text + length + 1 : "");
    return true;
}
