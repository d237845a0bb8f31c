/*
 * records.c - the raw records behind a bill, one row an invocation attempt, in order of start.
 *
 * These are the columns a bill can be recomputed from; times are RFC 3339 with microseconds, durations whole
 * microseconds.
 */
#include "reports/records.h"

#include "billing/bill.h"

#include "common/uuid.h"
#include "metering/record.h"
#include "metering/usage.h"
#include "reports/digits.h"

#include <stddef.h>
#include <string.h>

/* Fields that never need quotes, one after the other: most of the time of a million rows would go into looking. */
struct fields {
    char text[640];
    size_t length;
};

static void put_word(struct fields *fields, const char *word)
{
    size_t length = strlen(word);
    if (fields->length > 0) {
        fields->text[fields->length++] = ',';
    }
    memcpy(fields->text + fields->length, word, length);
    fields->length += length;
}

static void put_i64(struct fields *fields, int64_t value)
{
    if (fields->length > 0) {
        fields->text[fields->length++] = ',';
    }
    fields->length += (size_t)digits_i64(value, fields->text + fields->length);
}

static void put_id(struct fields *fields, const char *prefix, int64_t id)
{
    put_word(fields, prefix);
    fields->length += (size_t)digits_i64(id, fields->text + fields->length);
}

static void put_counts(struct fields *fields, const struct usage_record *record)
{
    put_i64(fields, (int64_t)record->duration_us);
    put_i64(fields, (int64_t)record->init_us);
    put_i64(fields, record->billed_ms);
    put_i64(fields, record->memory_mib);
    put_i64(fields, (int64_t)usage_mb_ms(record));
    put_i64(fields, record->peak_kib);
    put_i64(fields, (int64_t)record->cpu_us);
    put_i64(fields, (int64_t)record->response_bytes);
    put_i64(fields, record->billed_requests);
    put_i64(fields, record->ephemeral_mib);
    put_i64(fields, (int64_t)usage_storage_mb_ms(record));
    put_i64(fields, (int64_t)usage_streamed_bytes(record));
    put_i64(fields, record->flags);
}

/* 23 fields of at most 44 bytes and their commas, in two pieces. */
static int put_record(const struct usage_record *record, const char *function_name, void *ctx, struct err *err)
{
    struct csv *csv = ctx;
    struct fields fields;
    char time[CALENDAR_TEXT_BYTES];
    char request[UUID_TEXT_BYTES];
    struct uuid uuid;
    memcpy(uuid.bytes, record->request_id, sizeof uuid.bytes);
    uuid_format(&uuid, request);
    calendar_format_us(record->started_us, time);
    fields.length = 0;
    put_id(&fields, "acct_", record->account_id);
    put_id(&fields, "fn_", record->function_id);
    csv_raw(csv, fields.text, fields.length);
    csv_text(csv, function_name);
    fields.length = 0;
    put_i64(&fields, record->version);
    put_word(&fields, time);
    put_word(&fields, request);
    put_i64(&fields, record->attempt);
    put_word(&fields, usage_status_name((enum usage_status)record->status));
    put_i64(&fields, (record->flags & USAGE_FLAG_COLD) != 0);
    put_i64(&fields, (record->flags & USAGE_FLAG_PROVISIONED) != 0);
    put_word(&fields, (record->flags & USAGE_FLAG_ARM64) != 0 ? "arm64" : "x86_64");
    put_counts(&fields, record);
    csv_raw(csv, fields.text, fields.length);
    csv_row_end(csv);
    if (csv->failed) {
        *err = csv->err;
        return -1;
    }
    return 0;
}

int records_month(struct csv *csv, struct pg *pg, int64_t account_id, struct month month, int64_t counted_us,
                  struct err *err)
{
    struct usage_record_query query = {.account_id = account_id, .limit = INT64_MAX, .sealed_us = counted_us};
    month_range(month, &query.from_us, &query.to_us);
    return usage_records_run(pg, &query, put_record, csv, err);
}
