/*
 * rows.h - PostgreSQL's binary forms of what ingest sends: COPY rows and arrays.
 *
 * Ownership: appends to the caller's buffers. Threads: any.
 */
#ifndef FARTHING_METERING_ROWS_H
#define FARTHING_METERING_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct usage_record;

#define ROWS_RECORD_BYTES 212 /* one usage_record row of a binary COPY */

/* What stands before the first and after the last row of a binary COPY. */
void rows_copy_head(struct buf *out);
void rows_copy_tail(struct buf *out);
/* Columns in the order of USAGE_COPY in ingest_store.c. */
void rows_put_record(struct buf *out, const struct usage_record *record, uint64_t producer_id, uint64_t epoch);

enum rows_oid { ROWS_BYTEA = 17, ROWS_INT8 = 20, ROWS_TIMESTAMPTZ = 1184, ROWS_NUMERIC = 1700, ROWS_TEXT = 25 };

/* An array of `count` elements; then put them one by one. */
void rows_array_begin(struct buf *out, enum rows_oid type, size_t count);
void rows_array_i64(struct buf *out, int64_t value);
/* Microseconds since 1970. */
void rows_array_time(struct buf *out, int64_t at_us);
void rows_array_bytes(struct buf *out, const void *bytes, size_t length);

/* An element of an array of a composite type: begin, its fields from left to right, end with what begin returned. */
void rows_array_begin_of(struct buf *out, uint32_t type, size_t count);
size_t rows_composite_begin(struct buf *out, unsigned fields);
void rows_composite_i64(struct buf *out, int64_t value);
void rows_composite_time(struct buf *out, int64_t at_us);
void rows_composite_bytes(struct buf *out, enum rows_oid type, const void *bytes, size_t length);
void rows_composite_end(struct buf *out, size_t begun);

#endif
