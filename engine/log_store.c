#include "engine/log_store.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/map.h"

struct log_head {
    int64_t at_us;
    uint32_t length;
    uint32_t spare;
};

struct log_ring {
    pthread_mutex_t lock;
    pthread_cond_t more;
    char *bytes;         /* LOG_RING_BYTES, made with the first line */
    uint64_t first, end; /* positions count up for ever; modulo the size in bytes */
    bool stopped;
};

struct log_store {
    pthread_mutex_t lock;
    struct map *rings;
};

int log_store_open(struct log_store **store, struct err *err)
{
    struct log_store *made = calloc(1, sizeof *made);
    if (made == NULL || (made->rings = map_new()) == NULL) {
        free(made);
        return err_set(err, ERR_SYSTEM, "logs: out of memory");
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    *store = made;
    return 0;
}

static void ring_stop(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    struct log_ring *ring = value;
    (void)pthread_mutex_lock(&ring->lock);
    ring->stopped = true;
    (void)pthread_cond_broadcast(&ring->more);
    (void)pthread_mutex_unlock(&ring->lock);
}

static void ring_free(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    struct log_ring *ring = value;
    (void)pthread_cond_destroy(&ring->more);
    (void)pthread_mutex_destroy(&ring->lock);
    free(ring->bytes);
    free(ring);
}

void log_store_stop(struct log_store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    map_each(store->rings, ring_stop, NULL);
    (void)pthread_mutex_unlock(&store->lock);
}

void log_store_close(struct log_store **store)
{
    struct log_store *self = *store;
    *store = NULL;
    if (self == NULL) {
        return;
    }
    map_each(self->rings, ring_free, NULL);
    map_free(&self->rings);
    (void)pthread_mutex_destroy(&self->lock);
    free(self);
}

static struct log_ring *ring_new(void)
{
    struct log_ring *ring = calloc(1, sizeof *ring);
    if (ring != NULL) {
        pthread_condattr_t attributes;
        (void)pthread_condattr_init(&attributes);
        (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void)pthread_mutex_init(&ring->lock, NULL);
        (void)pthread_cond_init(&ring->more, &attributes);
        (void)pthread_condattr_destroy(&attributes);
    }
    return ring;
}

struct log_ring *log_store_ring(struct log_store *store, int64_t account_id, const char *function)
{
    struct buf key = {0};
    struct log_ring *ring = NULL;
    buf_append(&key, &account_id, sizeof account_id);
    buf_puts(&key, function);
    (void)pthread_mutex_lock(&store->lock);
    if (buf_ok(&key)) {
        ring = map_get(store->rings, key.data, key.length);
        if (ring == NULL && (ring = ring_new()) != NULL && map_put(store->rings, key.data, key.length, ring) != 0) {
            ring_free(NULL, 0, ring, NULL);
            ring = NULL;
        }
    }
    (void)pthread_mutex_unlock(&store->lock);
    buf_free(&key);
    return ring;
}

static void copy_in(struct log_ring *ring, uint64_t at, const void *bytes, size_t length)
{
    size_t offset = (size_t)(at % LOG_RING_BYTES);
    size_t head = length < LOG_RING_BYTES - offset ? length : LOG_RING_BYTES - offset;
    memcpy(ring->bytes + offset, bytes, head);
    memcpy(ring->bytes, (const char *)bytes + head, length - head);
}

static void copy_out(const struct log_ring *ring, uint64_t at, void *bytes, size_t length)
{
    size_t offset = (size_t)(at % LOG_RING_BYTES);
    size_t head = length < LOG_RING_BYTES - offset ? length : LOG_RING_BYTES - offset;
    memcpy(bytes, ring->bytes + offset, head);
    memcpy((char *)bytes + head, ring->bytes, length - head);
}

void log_ring_put(struct log_ring *ring, int64_t at_us, const char *line, size_t length)
{
    if (ring == NULL) {
        return;
    }
    const struct log_head head = {.at_us = at_us, .length = (uint32_t)(length < LOG_LINE_MAX ? length : LOG_LINE_MAX)};
    size_t need = sizeof head + head.length;
    (void)pthread_mutex_lock(&ring->lock);
    if (ring->bytes == NULL) {
        ring->bytes = malloc(LOG_RING_BYTES);
    }
    if (ring->bytes != NULL) {
        while (ring->end + need - ring->first > LOG_RING_BYTES) {
            struct log_head oldest;
            copy_out(ring, ring->first, &oldest, sizeof oldest);
            ring->first += sizeof oldest + oldest.length;
        }
        copy_in(ring, ring->end, &head, sizeof head);
        copy_in(ring, ring->end + sizeof head, line, head.length);
        ring->end += need;
        (void)pthread_cond_broadcast(&ring->more);
    }
    (void)pthread_mutex_unlock(&ring->lock);
}

/* The next line at or after *at; false when there is none. Lock held. */
static bool take(const struct log_ring *ring, uint64_t *at, struct log_head *head, char *line)
{
    if (*at < ring->first) {
        *at = ring->first;
    }
    if (*at >= ring->end) {
        return false;
    }
    copy_out(ring, *at, head, sizeof *head);
    copy_out(ring, *at + sizeof *head, line, head->length);
    *at += sizeof *head + head->length;
    return true;
}

/* Where the last `limit` lines since since_us begin. Lock held. */
static uint64_t start_of(const struct log_ring *ring, int64_t since_us, int limit)
{
    int64_t matching = 0;
    struct log_head head;
    for (uint64_t at = ring->first; at < ring->end; at += sizeof head + head.length) {
        copy_out(ring, at, &head, sizeof head);
        matching += head.at_us >= since_us;
    }
    int64_t skip = limit > 0 && matching > limit ? matching - limit : 0;
    uint64_t at = ring->first;
    while (at < ring->end) {
        copy_out(ring, at, &head, sizeof head);
        if (head.at_us >= since_us && skip-- <= 0) {
            break;
        }
        at += sizeof head + head.length;
    }
    return at;
}

static void wait_a_second(struct log_ring *ring)
{
    struct timespec until;
    clock_deadline(1000, &until);
    (void)pthread_cond_timedwait(&ring->more, &ring->lock, &until);
}

int log_ring_read(struct log_ring *ring, int64_t since_us, int limit, log_line_fn *on_line, void *ctx, struct err *err)
{
    char *line = malloc(LOG_LINE_MAX + 1);
    struct log_head head;
    if (line == NULL) {
        return err_set(err, ERR_SYSTEM, "logs: out of memory");
    }
    (void)pthread_mutex_lock(&ring->lock);
    uint64_t at = start_of(ring, since_us, limit);
    bool more = true;
    while (more) {
        if (take(ring, &at, &head, line)) {
            (void)pthread_mutex_unlock(&ring->lock);
            more = on_line(head.at_us, line, head.length, ctx) == 0;
            (void)pthread_mutex_lock(&ring->lock);
        } else if (limit >= 0 || ring->stopped) {
            more = false;
        } else {
            wait_a_second(ring);
            if (at >= ring->end && !ring->stopped) {
                (void)pthread_mutex_unlock(&ring->lock);
                more = on_line(0, NULL, 0, ctx) == 0;
                (void)pthread_mutex_lock(&ring->lock);
            }
        }
    }
    (void)pthread_mutex_unlock(&ring->lock);
    free(line);
    return 0;
}
