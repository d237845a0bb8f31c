#include "metering/usage.h"

#include "common/calendar.h"
#include "common/err.h"
#include "metering/latency.h"
#include "metering/record.h"
#include "metering/usage_store.h"

#include <inttypes.h>
#include <string.h>

struct column {
    const char *name;
    size_t offset;
};

static const struct column SUMS[] = {
    {"invocations", offsetof(struct usage_sums, invocations)},
    {"billed_requests", offsetof(struct usage_sums, billed_requests)},
    {"errors", offsetof(struct usage_sums, errors)},
    {"timeouts", offsetof(struct usage_sums, timeouts)},
    {"ooms", offsetof(struct usage_sums, ooms)},
    {"init_errors", offsetof(struct usage_sums, init_errors)},
    {"killed", offsetof(struct usage_sums, killed)},
    {"throttles", offsetof(struct usage_sums, throttles)},
    {"cold_starts", offsetof(struct usage_sums, cold_starts)},
    {"billed_ms", offsetof(struct usage_sums, billed_ms)},
    {"mb_ms", offsetof(struct usage_sums, mb_ms)},
    {"storage_mb_ms", offsetof(struct usage_sums, storage_mb_ms)},
    {"streamed_bytes", offsetof(struct usage_sums, streamed_bytes)},
    {"duration_us", offsetof(struct usage_sums, duration_us)},
    {"init_us", offsetof(struct usage_sums, init_us)},
    {"cpu_us", offsetof(struct usage_sums, cpu_us)},
    {"response_bytes", offsetof(struct usage_sums, response_bytes)},
    {"peak_kib_sum", offsetof(struct usage_sums, peak_kib_sum)},
    {"peak_kib_max", offsetof(struct usage_sums, peak_kib_max)},
};

struct rows {
    const struct usage_query *query;
    usage_row_fn *on_row;
    void *ctx;
};

static int read_sums(const struct pg_row *row, struct usage_sums *sums, struct err *err)
{
    struct latency latency;
    for (size_t i = 0; i < sizeof SUMS / sizeof SUMS[0]; i++) {
        *(int64_t *)(void *)((char *)sums + SUMS[i].offset) = pg_get_i64(row, SUMS[i].name);
    }
    if (latency_decode(pg_get_text(row, "latency"), &latency, err) != 0) {
        return -1;
    }
    sums->p50_us = latency_percentile_us(&latency, 500);
    sums->p95_us = latency_percentile_us(&latency, 950);
    sums->p99_us = latency_percentile_us(&latency, 990);
    return 0;
}

static int on_usage(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct rows *rows = ctx;
    bool status = (rows->query->group_by & USAGE_GROUP_STATUS) != 0;
    struct usage_row usage = {
        .at_us = pg_get_time(row, "at"),
        .account_id = pg_get_i64(row, "account_id"),
        .function_id = pg_get_i64(row, "function_id"),
        .function_name = pg_get_text(row, "function_name"),
        .version = (int)pg_get_i64(row, "version"),
        .memory_mib = (int)pg_get_i64(row, "memory_mib"),
        .arch = (int)pg_get_i64(row, "arch"),
        .status = status ? (int)pg_get_i64(row, "status") : -1,
    };
    if (status) {
        usage.sums.invocations = pg_get_i64(row, "invocations");
    } else if (read_sums(row, &usage.sums, err) != 0) {
        return -1;
    }
    return rows->on_row(&usage, rows->ctx, err);
}

static int check_range(int64_t from_us, int64_t to_us, struct err *err)
{
    if (from_us % CALENDAR_HOUR_US != 0) {
        return err_field(err, "from", "from must be a whole hour");
    }
    if (to_us % CALENDAR_HOUR_US != 0) {
        return err_field(err, "to", "to must be a whole hour");
    }
    return to_us > from_us ? 0 : err_field(err, "to", "to must be later than from");
}

int usage_query_run(struct pg *pg, const struct usage_query *query, usage_row_fn *on_row, void *ctx,
                    struct usage_freshness *freshness, struct err *err)
{
    struct usage_query bounded = *query;
    if (check_range(query->from_us, query->to_us, err) != 0) {
        return -1;
    }
    if (query->limit < 0 || query->limit > USAGE_ROWS_MAX) {
        return err_field(err, "limit", "limit is %" PRId64 "; it must be 0 to %d", query->limit, USAGE_ROWS_MAX);
    }
    if (query->offset < 0) {
        return err_field(err, "offset", "offset is %" PRId64 "; it must not be negative", query->offset);
    }
    bounded.limit = query->limit != 0 ? query->limit : USAGE_ROWS_MAX;
    struct rows rows = {.query = &bounded, .on_row = on_row, .ctx = ctx};
    /* The age first: what arrives between the two statements makes the rows newer than said, never older. */
    struct usage_freshness age;
    if (usage_freshness_get(pg, &age, err) != 0 || usage_store_rows(pg, &bounded, on_usage, &rows, err) != 0) {
        return -1;
    }
    if (freshness != NULL) {
        *freshness = age;
    }
    return 0;
}

static int on_freshness(const struct pg_row *row, void *ctx, struct err *err)
{
    struct usage_freshness *freshness = ctx;
    (void)err;
    freshness->complete_through_us = pg_get_time(row, "complete_through");
    freshness->late_pending = pg_get_i64(row, "late_pending");
    return 0;
}

int usage_freshness_get(struct pg *pg, struct usage_freshness *freshness, struct err *err)
{
    struct usage_freshness read = {0};
    if (usage_store_freshness(pg, on_freshness, &read, err) != 0) {
        return -1;
    }
    *freshness = read;
    return 0;
}

struct records {
    usage_record_fn *on_record;
    void *ctx;
};

int usage_store_record_of(const struct pg_row *row, struct usage_record *record, struct err *err)
{
    size_t length;
    *record = (struct usage_record){
        .format = USAGE_RECORD_VERSION,
        .kind = USAGE_KIND_INVOCATION,
        .status = (uint8_t)pg_get_i64(row, "status"),
        .sequence = (uint64_t)pg_get_i64(row, "sequence"),
        .account_id = pg_get_i64(row, "account_id"),
        .function_id = pg_get_i64(row, "function_id"),
        .started_us = pg_get_time(row, "started_at"),
        .duration_us = (uint64_t)pg_get_i64(row, "duration_us"),
        .init_us = (uint64_t)pg_get_i64(row, "init_us"),
        .cpu_us = (uint64_t)pg_get_i64(row, "cpu_us"),
        .response_bytes = (uint64_t)pg_get_i64(row, "response_bytes"),
        .billed_ms = (uint32_t)pg_get_i64(row, "billed_ms"),
        .memory_mib = (uint32_t)pg_get_i64(row, "memory_mib"),
        .peak_kib = (uint32_t)pg_get_i64(row, "peak_kib"),
        .version = (uint32_t)pg_get_i64(row, "version"),
        .ephemeral_mib = (uint32_t)pg_get_i64(row, "ephemeral_mib"),
        .billed_requests = (uint32_t)pg_get_i64(row, "billed_requests"),
        .node_id = (uint32_t)pg_get_i64(row, "node_id"),
        .attempt = (uint16_t)pg_get_i64(row, "attempt"),
        .flags = (uint16_t)pg_get_i64(row, "flags"),
    };
    const void *request_id = pg_get_bytes(row, "request_id", &length);
    if (request_id == NULL || length != sizeof record->request_id) {
        return err_set(err, ERR_SYSTEM, "a request id is not 16 bytes");
    }
    memcpy(record->request_id, request_id, sizeof record->request_id);
    usage_record_seal(record);
    return 0;
}

static int on_stored(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct records *records = ctx;
    struct usage_record record;
    if (usage_store_record_of(row, &record, err) != 0) {
        return -1;
    }
    return records->on_record(&record, pg_get_text(row, "function_name"), records->ctx, err);
}

int usage_records_run(struct pg *pg, const struct usage_record_query *query, usage_record_fn *on_record, void *ctx,
                      struct err *err)
{
    struct usage_record_query bounded = *query;
    struct records records = {.on_record = on_record, .ctx = ctx};
    if (query->to_us <= query->from_us) {
        return err_field(err, "to", "to must be later than from");
    }
    if (query->limit < 0) {
        return err_field(err, "limit", "limit is %" PRId64 "; it must not be negative", query->limit);
    }
    bounded.limit = query->limit != 0 ? query->limit : INT64_MAX;
    return usage_store_records(pg, &bounded, on_stored, &records, err);
}
