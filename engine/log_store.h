/*
 * log_store.h - what functions print, kept in memory: one bounded ring a function, the oldest lines go first.
 *
 * Units:   at_us wall clock. Limits: LOG_RING_BYTES a function; LOG_RINGS_MAX functions, least recently written ones
 * go. Threads: any. A ring's pointer stays valid until the store is closed.
 */
#ifndef FARTHING_ENGINE_LOG_STORE_H
#define FARTHING_ENGINE_LOG_STORE_H

#include <stddef.h>
#include <stdint.h>

#define LOG_RING_BYTES 262144
#define LOG_LINE_MAX 16384

struct err;
struct log_ring;
struct log_store;

int log_store_open(struct log_store **store, struct err *err);
/* Wakes and ends followers. */
void log_store_stop(struct log_store *store);
void log_store_close(struct log_store **store);
/* The ring of a function, made when missing; NULL only when out of memory. */
struct log_ring *log_store_ring(struct log_store *store, int64_t account_id, const char *function);
/* One line without its newline. */
void log_ring_put(struct log_ring *ring, int64_t at_us, const char *line, size_t length);
typedef int log_line_fn(int64_t at_us, const char *line, size_t length, void *ctx);
/* Lines since since_us, oldest first; the last `limit` of them when limit > 0, all when 0. limit < 0: all, then those
 * that come, with a line of NULL at least once a second, until on_line returns -1 or the store is stopped. */
int log_ring_read(struct log_ring *ring, int64_t since_us, int limit, log_line_fn *on_line, void *ctx, struct err *err);

#endif
