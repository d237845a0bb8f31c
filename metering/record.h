/*
 * record.h - the usage record: what one invocation attempt consumed, in 128 bytes.
 *
 * Why:       everything that is ever billed is one of these; it is the format in the spool and on the wire between a
 *            runtime and Farthing, so it is fixed, versioned and checksummed. Little-endian, no padding.
 * Units:     *_us microseconds; *_ms whole milliseconds, rounded up; *_mib MiB; *_kib KiB.
 * Identity:  (request_id, attempt). Retries of an invocation keep the request id and count attempt up from 1.
 * Ownership: plain values.      Threads: any.
 */
#ifndef FARTHING_METERING_RECORD_H
#define FARTHING_METERING_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define USAGE_RECORD_BYTES 128
#define USAGE_RECORD_VERSION 1

enum usage_kind {
    USAGE_KIND_INVOCATION = 1,
    USAGE_KIND_REFUSALS = 2 /* count refused calls of one function, account and reason; nothing of it is billed */
};

enum usage_status {
    USAGE_OK = 0,
    USAGE_ERROR = 1,
    USAGE_TIMEOUT = 2,
    USAGE_OUT_OF_MEMORY = 3,
    USAGE_INIT_ERROR = 4,
    USAGE_KILLED = 5
};
#define USAGE_STATUS_COUNT 6

enum usage_refusal_reason {
    USAGE_REFUSED_CONCURRENCY = 1,          /* account concurrency */
    USAGE_REFUSED_RESERVED_CONCURRENCY = 2, /* reserved concurrency of the function */
    USAGE_REFUSED_RATE = 3,                 /* requests_per_second */
    USAGE_REFUSED_REQUESTS = 4,             /* requests_per_month */
    USAGE_REFUSED_GB_SECONDS = 5,           /* gb_seconds_per_month */
    USAGE_REFUSED_SPEND = 6,                /* spend_per_month */
    USAGE_REFUSED_SCALING = 7,              /* scaling rate of the function */
    USAGE_REFUSED_CAPACITY = 8,             /* the node has no room, or its spool is full */
    USAGE_REFUSED_SUSPENDED = 9             /* account suspended */
};
#define USAGE_REFUSAL_REASON_COUNT 10

#define USAGE_FLAG_COLD UINT16_C(0x0001)        /* first invocation of its instance */
#define USAGE_FLAG_ASYNC UINT16_C(0x0002)       /* from the asynchronous queue */
#define USAGE_FLAG_PROVISIONED UINT16_C(0x0004) /* ran on provisioned concurrency */
#define USAGE_FLAG_ARM64 UINT16_C(0x0008)       /* architecture; otherwise x86_64 */
#define USAGE_FLAG_STREAMED UINT16_C(0x0010)    /* streamed response */
#define USAGE_FLAG_EXTERNAL UINT16_C(0x0020)    /* reported by another runtime */

struct usage_record {
    uint32_t crc32c;        /* of bytes 4..127 */
    uint16_t format;        /* USAGE_RECORD_VERSION */
    uint8_t kind;           /* enum usage_kind */
    uint8_t status;         /* enum usage_status; for refusals: enum usage_refusal_reason */
    uint64_t sequence;      /* place in its spool and epoch, from 0; written by the hook */
    uint8_t request_id[16]; /* UUID; zero for refusals */
    int64_t account_id;
    int64_t function_id;
    int64_t started_us;   /* UTC, microseconds since 1970: when the event was handed out; refusals: the hour's start */
    uint64_t duration_us; /* CLOCK_MONOTONIC, event handed out to last byte of the response; clipped at the timeout */
    uint64_t init_us;     /* initialisation, of a cold start only */
    uint64_t cpu_us;      /* by the kernel; 0 when it cannot be told */
    uint64_t response_bytes;  /* refusals: how many */
    uint32_t billed_ms;       /* billed_duration_ms() */
    uint32_t memory_mib;      /* configured */
    uint32_t peak_kib;        /* measured; 0 when it cannot be told */
    uint32_t version;         /* function version; 0 is $LATEST */
    uint32_t ephemeral_mib;   /* configured /tmp */
    uint32_t billed_requests; /* normally 1 */
    uint32_t node_id;
    uint16_t attempt;     /* from 1 */
    uint16_t flags;       /* USAGE_FLAG_* */
    uint32_t event_bytes; /* of the event; large asynchronous ones count as more requests */
    uint32_t spare;       /* zero */
};

_Static_assert(sizeof(struct usage_record) == USAGE_RECORD_BYTES, "the record is 128 bytes without padding");
_Static_assert(offsetof(struct usage_record, billed_ms) == 88, "layout is fixed");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian; this build needs a byte swap");

/* CRC-32C (Castagnoli), by the hardware instruction where there is one. */
uint32_t crc32c(uint32_t seed, const void *bytes, size_t length);

/* Set format and crc32c. */
void usage_record_seal(struct usage_record *record);
/* True when format, kind, status and checksum are right. */
bool usage_record_valid(const struct usage_record *record);
/* Ranges of every field, for records that come from outside; the error names the field. */
int usage_record_check(const struct usage_record *record, struct err *err);

/* How durations become billed milliseconds: a dated policy of the price book, handed down as numbers. */
struct billing_policy {
    uint32_t grain_ms; /* 1 (Lambda since 2020-12-01) or e.g. 100; at least 1 */
    bool bill_init;    /* initialisation is billed (Lambda since 2025-08-01) */
    uint32_t
        async_kib; /* an asynchronous event counts as one request up to this size (Lambda: 256); 0: whatever it is */
};

#define ASYNC_CHUNK_BYTES 65536u /* each started one above async_kib is one request more */
/* How many requests a call counts as: 1, or more for a large asynchronous event. */
uint32_t billed_requests(const struct billing_policy *policy, bool async, uint32_t event_bytes);
/* ceil((duration + init where billed) / grain) * grain: summed first, rounded once. Saturates at UINT32_MAX. */
uint32_t billed_duration_ms(const struct billing_policy *policy, uint64_t duration_us, uint64_t init_us);

/* Derived quantities of one record (metering/rollup.c and billing agree through these). */
uint64_t usage_mb_ms(const struct usage_record *record);          /* memory_mib * billed_ms */
uint64_t usage_storage_mb_ms(const struct usage_record *record);  /* (ephemeral_mib - 512) * billed_ms, not below 0 */
uint64_t usage_streamed_bytes(const struct usage_record *record); /* response bytes beyond 6 MiB, streamed only */

const char *usage_status_name(enum usage_status status);          /* "ok", "error", "timeout", ... */
const char *usage_refusal_name(enum usage_refusal_reason reason); /* "concurrency", ... */

#endif
