/*
 * records.c - the raw records behind a bill, one row an invocation attempt, in order of start.
 *
 * These are the columns a bill can be recomputed from; times are RFC 3339 with microseconds, durations whole
 * microseconds.
 */
#include "reports/records.h"

#include "billing/bill.h"

#include "common/ids.h"
#include "common/uuid.h"
#include "metering/record.h"
#include "metering/usage.h"

#include <stddef.h>
#include <string.h>

static void put_id(struct csv *csv, const char *prefix, int64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(prefix, id, text);
    csv_word(csv, text);
}

static int put_record(const struct usage_record *record, const char *function_name, void *ctx, struct err *err)
{
    struct csv *csv = ctx;
    char time[CALENDAR_TEXT_BYTES];
    char request[UUID_TEXT_BYTES];
    struct uuid uuid;
    memcpy(uuid.bytes, record->request_id, sizeof uuid.bytes);
    uuid_format(&uuid, request);
    calendar_format_us(record->started_us, time);
    put_id(csv, "acct", record->account_id);
    put_id(csv, "fn", record->function_id);
    csv_text(csv, function_name);
    csv_i64(csv, record->version);
    csv_word(csv, time);
    csv_word(csv, request);
    csv_i64(csv, record->attempt);
    csv_word(csv, usage_status_name((enum usage_status)record->status));
    csv_i64(csv, (record->flags & USAGE_FLAG_COLD) != 0);
    csv_i64(csv, (record->flags & USAGE_FLAG_PROVISIONED) != 0);
    csv_word(csv, (record->flags & USAGE_FLAG_ARM64) != 0 ? "arm64" : "x86_64");
    csv_i64(csv, (int64_t)record->duration_us);
    csv_i64(csv, (int64_t)record->init_us);
    csv_i64(csv, record->billed_ms);
    csv_i64(csv, record->memory_mib);
    csv_i64(csv, (int64_t)usage_mb_ms(record));
    csv_i64(csv, record->peak_kib);
    csv_i64(csv, (int64_t)record->cpu_us);
    csv_i64(csv, (int64_t)record->response_bytes);
    csv_i64(csv, record->billed_requests);
    csv_i64(csv, record->ephemeral_mib);
    csv_i64(csv, (int64_t)usage_storage_mb_ms(record));
    csv_i64(csv, (int64_t)usage_streamed_bytes(record));
    csv_i64(csv, record->flags);
    csv_row_end(csv);
    if (csv->failed) {
        *err = csv->err;
        return -1;
    }
    return 0;
}

int records_month(struct csv *csv, struct pg *pg, int64_t account_id, struct month month, struct err *err)
{
    struct usage_record_query query = {.account_id = account_id, .limit = INT64_MAX};
    month_range(month, &query.from_us, &query.to_us);
    /* Of an invoice: those it was made from, not what came later. */
    if (bill_issued_at(pg, account_id, month, &query.sealed_us, err) != 0) {
        return -1;
    }
    return usage_records_run(pg, &query, put_record, csv, err);
}
