/*
 * buf.h - a byte buffer that grows.
 *
 * Ownership: the buffer owns its bytes; buf_free() is NULL-safe and leaves an empty buffer. {0} is an empty buffer.
 * Errors:    running out of memory is sticky (failed = true): append freely, then ask once with buf_ok().
 * Threads:   one at a time.
 */
#ifndef FARTHING_COMMON_BUF_H
#define FARTHING_COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* always followed by a NUL once anything was appended; may be NULL when empty */
    size_t length;
    size_t capacity;
    bool failed;
};

void buf_append(struct buf *buf, const void *bytes, size_t length);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_i64(struct buf *buf, int64_t value);

/* Forget the bytes, keep the memory. */
void buf_clear(struct buf *buf);
void buf_free(struct buf *buf);

/* True when every append so far succeeded. */
bool buf_ok(const struct buf *buf);

/* The text, never NULL ("" when empty). Valid until the next change. */
const char *buf_text(const struct buf *buf);

#endif
