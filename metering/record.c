#include "metering/record.h"

#include "common/err.h"
#include "metering/record_internal.h"

#include <inttypes.h>

#define STREAMED_FREE_BYTES (UINT64_C(6) << 20)
#define EPHEMERAL_FREE_MIB 512u
#define FLAGS_ALL UINT16_C(0x003f)

static const char *const STATUS_NAMES[USAGE_STATUS_COUNT] = {"ok",         "error", "timeout", "out_of_memory",
                                                             "init_error", "killed"};

static const char *const REFUSAL_NAMES[USAGE_REFUSAL_REASON_COUNT] = {
    [USAGE_REFUSED_CONCURRENCY] = "concurrency",
    [USAGE_REFUSED_RESERVED_CONCURRENCY] = "reserved_concurrency",
    [USAGE_REFUSED_RATE] = "requests_per_second",
    [USAGE_REFUSED_REQUESTS] = "requests_per_month",
    [USAGE_REFUSED_GB_SECONDS] = "gb_seconds_per_month",
    [USAGE_REFUSED_SPEND] = "spend_per_month",
    [USAGE_REFUSED_SCALING] = "scaling",
    [USAGE_REFUSED_CAPACITY] = "capacity",
    [USAGE_REFUSED_SUSPENDED] = "suspended",
};

/* Bounds of the fields that sums are made of. A batch (at most 65,536 records) of the largest stays within 63 bits. */
#define STARTED_US_MIN INT64_C(946684800000000)  /* 2000-01-01 */
#define STARTED_US_MAX INT64_C(4102444800000000) /* 2100-01-01 */
#define QUANTITY_MAX (UINT64_C(1) << 46)
#define U31_MAX UINT64_C(0x7fffffff)

uint32_t usage_record_checksum(const struct usage_record *record)
{
    return crc32c(0, (const uint8_t *)record + sizeof record->crc32c, sizeof *record - sizeof record->crc32c);
}

void usage_record_seal(struct usage_record *record)
{
    record->format = USAGE_RECORD_VERSION;
    record->crc32c = usage_record_checksum(record);
}

static bool status_fits(uint8_t kind, uint8_t status)
{
    return (kind == USAGE_KIND_INVOCATION && status < USAGE_STATUS_COUNT) ||
           (kind == USAGE_KIND_REFUSALS && status > 0 && status < USAGE_REFUSAL_REASON_COUNT);
}

bool usage_record_valid(const struct usage_record *record)
{
    return record->format == USAGE_RECORD_VERSION && status_fits(record->kind, record->status) &&
           record->crc32c == usage_record_checksum(record);
}

struct range {
    const char *field;
    uint64_t value, min, max;
};

int usage_record_check(const struct usage_record *record, struct err *err)
{
    bool invocation = record->kind == USAGE_KIND_INVOCATION;
    const struct range ranges[] = {
        {"kind", record->kind, USAGE_KIND_INVOCATION, USAGE_KIND_REFUSALS},
        {"status", record->status, invocation ? 0 : 1, invocation ? USAGE_KILLED : USAGE_REFUSED_SUSPENDED},
        {"sequence", record->sequence, 0, INT64_MAX},
        {"account_id", (uint64_t)record->account_id, 1, INT64_MAX},
        {"function_id", (uint64_t)record->function_id, 0, INT64_MAX},
        {"started_us", (uint64_t)record->started_us, STARTED_US_MIN, STARTED_US_MAX},
        {"duration_us", record->duration_us, 0, QUANTITY_MAX},
        {"init_us", record->init_us, 0, QUANTITY_MAX},
        {"cpu_us", record->cpu_us, 0, QUANTITY_MAX},
        {"response_bytes", record->response_bytes, invocation ? 0 : 1, QUANTITY_MAX},
        {"billed_ms", record->billed_ms, 0, U31_MAX},
        {"memory_mib", record->memory_mib, invocation ? 1 : 0, U31_MAX},
        {"billed_ms", usage_mb_ms(record), 0, QUANTITY_MAX},
        {"peak_kib", record->peak_kib, 0, U31_MAX},
        {"version", record->version, 0, U31_MAX},
        {"ephemeral_mib", record->ephemeral_mib, 0, U31_MAX},
        {"ephemeral_mib", usage_storage_mb_ms(record), 0, QUANTITY_MAX},
        {"billed_requests", record->billed_requests, 0, U31_MAX},
        {"node_id", record->node_id, 0, U31_MAX},
        {"attempt", record->attempt, invocation ? 1 : 0, INT16_MAX},
        {"flags", record->flags, 0, FLAGS_ALL},
        {"spare", record->spare, 0, 0},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const struct range *range = &ranges[i];
        if (range->value < range->min || range->value > range->max) {
            return err_field(err, range->field,
                             "%s of a usage record is %" PRIu64 "; it must be %" PRIu64 " to %" PRIu64, range->field,
                             range->value, range->min, range->max);
        }
    }
    return 0;
}

bool usage_record_fits(const struct usage_record *r)
{
    bool invocation = r->kind == USAGE_KIND_INVOCATION;
    uint64_t quantities = r->duration_us | r->init_us | r->cpu_us | r->response_bytes;
    uint64_t words = (uint64_t)r->billed_ms | r->memory_mib | r->peak_kib | r->version | r->ephemeral_mib |
                     r->billed_requests | r->node_id;
    /* Below the powers of two is strictly inside every range above; the few records at their edge take the long way. */
    if (status_fits(r->kind, r->status) && quantities < QUANTITY_MAX && words <= U31_MAX && r->account_id > 0 &&
        r->function_id >= 0 && r->started_us >= STARTED_US_MIN && r->started_us <= STARTED_US_MAX &&
        usage_mb_ms(r) < QUANTITY_MAX && usage_storage_mb_ms(r) < QUANTITY_MAX && r->attempt <= INT16_MAX &&
        (r->flags & ~FLAGS_ALL) == 0 && r->spare == 0) {
        return invocation ? r->memory_mib > 0 && r->attempt > 0 : r->response_bytes > 0;
    }
    return false;
}

uint32_t billed_requests(const struct billing_policy *policy, bool async, uint32_t event_bytes)
{
    uint64_t first_bytes = (uint64_t)policy->async_kib * 1024;
    if (!async || policy->async_kib == 0 || event_bytes <= first_bytes) {
        return 1;
    }
    return 1 + (uint32_t)((event_bytes - first_bytes - 1) / ASYNC_CHUNK_BYTES) + 1;
}

uint32_t billed_duration_ms(const struct billing_policy *policy, uint64_t duration_us, uint64_t init_us)
{
    uint64_t total_us = duration_us;
    uint64_t grain_us = (uint64_t)policy->grain_ms * 1000;
    if (policy->bill_init && __builtin_add_overflow(duration_us, init_us, &total_us)) {
        return UINT32_MAX;
    }
    uint64_t grains = total_us / grain_us + (total_us % grain_us != 0 ? 1 : 0);
    uint64_t billed_ms;
    if (__builtin_mul_overflow(grains, (uint64_t)policy->grain_ms, &billed_ms) || billed_ms > UINT32_MAX) {
        return UINT32_MAX;
    }
    return (uint32_t)billed_ms;
}

uint64_t usage_mb_ms(const struct usage_record *record)
{
    return (uint64_t)record->memory_mib * record->billed_ms;
}

uint64_t usage_storage_mb_ms(const struct usage_record *record)
{
    if (record->ephemeral_mib <= EPHEMERAL_FREE_MIB) {
        return 0;
    }
    return (uint64_t)(record->ephemeral_mib - EPHEMERAL_FREE_MIB) * record->billed_ms;
}

uint64_t usage_streamed_bytes(const struct usage_record *record)
{
    if ((record->flags & USAGE_FLAG_STREAMED) == 0 || record->response_bytes <= STREAMED_FREE_BYTES) {
        return 0;
    }
    return record->response_bytes - STREAMED_FREE_BYTES;
}

const char *usage_status_name(enum usage_status status)
{
    return (unsigned)status < USAGE_STATUS_COUNT ? STATUS_NAMES[status] : "unknown";
}

const char *usage_refusal_name(enum usage_refusal_reason reason)
{
    bool known = (unsigned)reason < USAGE_REFUSAL_REASON_COUNT && REFUSAL_NAMES[reason] != NULL;
    return known ? REFUSAL_NAMES[reason] : "unknown";
}
