#include "metering/rows.h"

#include "common/buf.h"
#include "common/check.h"
#include "metering/record.h"

#include <string.h>

#define PG_EPOCH_US INT64_C(946684800000000) /* 2000-01-01: where PostgreSQL's time starts */
#define RECORD_COLUMNS 21

static uint8_t *put_u16(uint8_t *at, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put_u64(uint8_t *at, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *column16(uint8_t *at, uint32_t value)
{
    return put_u16(put_u32(at, 2), (uint16_t)value);
}

static uint8_t *column32(uint8_t *at, uint32_t value)
{
    return put_u32(put_u32(at, 4), value);
}

static uint8_t *column64(uint8_t *at, uint64_t value)
{
    return put_u64(put_u32(at, 8), value);
}

void rows_copy_head(struct buf *out)
{
    static const char HEAD[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    buf_append(out, HEAD, sizeof HEAD);
}

void rows_copy_tail(struct buf *out)
{
    buf_append(out, "\377\377", 2);
}

void rows_put_record(struct buf *out, const struct usage_record *r, uint64_t producer_id, uint64_t epoch)
{
    uint8_t row[ROWS_RECORD_BYTES];
    uint8_t *at = put_u16(row, RECORD_COLUMNS);
    at = column64(at, (uint64_t)r->account_id);
    at = column64(at, (uint64_t)(r->started_us - PG_EPOCH_US));
    at = column64(at, (uint64_t)r->function_id);
    at = put_u32(at, sizeof r->request_id);
    memcpy(at, r->request_id, sizeof r->request_id);
    at += sizeof r->request_id;
    at = column64(at, r->duration_us);
    at = column64(at, r->init_us);
    at = column64(at, r->cpu_us);
    at = column64(at, r->response_bytes);
    at = column64(at, producer_id);
    at = column64(at, r->sequence);
    at = column32(at, r->billed_ms);
    at = column32(at, r->memory_mib);
    at = column32(at, r->peak_kib);
    at = column32(at, r->version);
    at = column32(at, r->ephemeral_mib);
    at = column32(at, r->billed_requests);
    at = column32(at, (uint32_t)epoch);
    at = column32(at, r->node_id);
    at = column16(at, r->attempt);
    at = column16(at, r->status);
    at = column16(at, r->flags);
    CHECK(at == row + sizeof row);
    buf_append(out, row, sizeof row);
}

void rows_array_begin(struct buf *out, enum rows_oid type, size_t count)
{
    rows_array_begin_of(out, (uint32_t)type, count);
}

void rows_array_begin_of(struct buf *out, uint32_t type, size_t count)
{
    uint8_t head[20];
    CHECK(count <= INT32_MAX);
    uint8_t *at = put_u32(head, count > 0 ? 1 : 0); /* dimensions */
    at = put_u32(at, 0);                            /* no NULLs */
    at = put_u32(at, type);
    at = put_u32(at, (uint32_t)count);
    (void)put_u32(at, 1); /* lower bound */
    buf_append(out, head, count > 0 ? sizeof head : 12);
}

void rows_array_i64(struct buf *out, int64_t value)
{
    uint8_t element[12];
    (void)column64(element, (uint64_t)value);
    buf_append(out, element, sizeof element);
}

void rows_array_time(struct buf *out, int64_t at_us)
{
    rows_array_i64(out, at_us - PG_EPOCH_US);
}

void rows_array_bytes(struct buf *out, const void *bytes, size_t length)
{
    uint8_t head[4];
    CHECK(length <= INT32_MAX);
    (void)put_u32(head, (uint32_t)length);
    buf_append(out, head, sizeof head);
    buf_append(out, bytes, length);
}

size_t rows_composite_begin(struct buf *out, unsigned fields)
{
    uint8_t head[8];
    (void)put_u32(put_u32(head, 0), fields); /* the length is written by rows_composite_end */
    size_t begun = out->length;
    buf_append(out, head, sizeof head);
    return begun;
}

void rows_composite_i64(struct buf *out, int64_t value)
{
    uint8_t field[16];
    (void)column64(put_u32(field, ROWS_INT8), (uint64_t)value);
    buf_append(out, field, sizeof field);
}

void rows_composite_time(struct buf *out, int64_t at_us)
{
    uint8_t field[16];
    (void)column64(put_u32(field, ROWS_TIMESTAMPTZ), (uint64_t)(at_us - PG_EPOCH_US));
    buf_append(out, field, sizeof field);
}

void rows_composite_bytes(struct buf *out, enum rows_oid type, const void *bytes, size_t length)
{
    uint8_t head[8];
    CHECK(length <= INT32_MAX);
    (void)put_u32(put_u32(head, (uint32_t)type), (uint32_t)length);
    buf_append(out, head, sizeof head);
    buf_append(out, bytes, length);
}

void rows_composite_end(struct buf *out, size_t begun)
{
    if (buf_ok(out)) {
        (void)put_u32((uint8_t *)out->data + begun, (uint32_t)(out->length - begun - 4));
    }
}
