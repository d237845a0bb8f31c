#include "metering/proof.h"

#include "common/calendar.h"
#include "common/check.h"
#include "common/ids.h"
#include "common/uuid.h"
#include "metering/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t proof_record_text(const struct usage_record *record, char text[PROOF_TEXT_BYTES])
{
    char account[ID_TEXT_BYTES];
    char function[ID_TEXT_BYTES];
    char started[CALENDAR_TEXT_BYTES];
    char request[UUID_TEXT_BYTES];
    struct uuid uuid;
    memcpy(uuid.bytes, record->request_id, sizeof uuid.bytes);
    id_format("acct", record->account_id, account);
    id_format("fn", record->function_id, function);
    calendar_format_us(record->started_us, started);
    uuid_format(&uuid, request);
    int length =
        snprintf(text, PROOF_TEXT_BYTES,
                 "farthing-record-1,%s,%s,%" PRIu32 ",%s,%s,%u,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%" PRIu32
                 ",%" PRIu32 ",%" PRIu64 ",%" PRIu64 ",%" PRIu32 ",%" PRIu32 ",%u",
                 account, function, record->version, started, request, (unsigned)record->attempt,
                 usage_status_name((enum usage_status)record->status), record->duration_us, record->init_us,
                 record->billed_ms, record->memory_mib, record->peak_kib, record->cpu_us, record->response_bytes,
                 record->billed_requests, record->ephemeral_mib, (unsigned)record->flags);
    CHECK(length > 0 && length < PROOF_TEXT_BYTES);
    return (size_t)length;
}

size_t proof_day_text(int64_t account_id, int64_t day_us, int64_t records, const struct merkle_hash *root,
                      char text[PROOF_TEXT_BYTES])
{
    char account[ID_TEXT_BYTES];
    char day[CALENDAR_TEXT_BYTES];
    char hex[SHA256_HEX_BYTES];
    id_format("acct", account_id, account);
    calendar_format(day_us, day);
    hex_encode(root->bytes, sizeof root->bytes, hex);
    int length = snprintf(text, PROOF_TEXT_BYTES, "farthing-day-1,%s,%.10s,%" PRId64 ",%s", account, day, records, hex);
    CHECK(length > 0 && length < PROOF_TEXT_BYTES);
    return (size_t)length;
}

struct merkle_hash proof_record_leaf(const struct usage_record *record)
{
    char text[PROOF_TEXT_BYTES];
    size_t length = proof_record_text(record, text);
    return merkle_leaf(text, length);
}

int proof_order(const struct usage_record *a, const struct usage_record *b)
{
    if (a->started_us != b->started_us) {
        return a->started_us < b->started_us ? -1 : 1;
    }
    int order = memcmp(a->request_id, b->request_id, sizeof a->request_id);
    return order != 0 ? order : (int)a->attempt - (int)b->attempt;
}
