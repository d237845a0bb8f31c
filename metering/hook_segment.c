/*
 * What the hook's background thread does: segments ahead of the emits, group sync behind them.
 *
 * Everything here runs under hook->lock. Emits only ever wait for it when they outrun it by a whole segment.
 */
#include "common/check.h"
#include "common/clock.h"
#include "metering/hook_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define TOUCH_RECORDS_MIN UINT64_C(2048)

static struct hook_segment *segment_of(struct farthing_hook *hook, uint64_t sequence)
{
    return atomic_load_explicit(&hook->ring[(sequence >> hook->shift) & hook->ring_mask], memory_order_relaxed);
}

static const struct usage_record *slot_of(struct farthing_hook *hook, uint64_t sequence)
{
    const uint8_t *slots = segment_of(hook, sequence)->base + SPOOL_PAGE_BYTES;
    return (const struct usage_record *)(const void *)(slots + (sequence & hook->slot_mask) * USAGE_RECORD_BYTES);
}

/* A whole new file or none: ENOSPC is met here and nowhere else. */
static int make_file(struct farthing_hook *hook, const char *name, struct err *err)
{
    struct segment_header header;
    const struct hook_producer *producer = &hook->producer;
    int fd = openat(producer->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_set(err, errno == ENOSPC ? ERR_LIMIT : ERR_SYSTEM, "make %s/%s: %s", producer->path, name,
                       strerror(errno));
    }
    int error = posix_fallocate(fd, 0, (off_t)hook->segment_bytes);
    if (error == 0) {
        segment_header_init(&header, producer->producer_id, producer->epoch, hook->mapped_end,
                            (uint32_t)(hook->slot_mask + 1), clock_wall_us());
        ssize_t wrote = pwrite(fd, &header, sizeof header, 0);
        error = wrote == (ssize_t)sizeof header ? 0 : errno;
    }
    if (error == 0 && hook->sync_interval_ms != UINT32_MAX && (fsync(fd) != 0 || fsync(producer->dir_fd) != 0)) {
        error = errno;
    }
    if (error != 0) {
        (void)unlinkat(producer->dir_fd, name, 0);
        (void)close(fd);
        bool full = error == ENOSPC || error == EDQUOT;
        return err_set(err, full ? ERR_LIMIT : ERR_SYSTEM, "fill %s/%s: %s", producer->path, name, strerror(error));
    }
    return fd;
}

static int map_next(struct farthing_hook *hook, struct err *err)
{
    char name[SPOOL_NAME_BYTES];
    struct hook_segment *segment = malloc(sizeof *segment);
    if (segment == NULL) {
        return err_set(err, ERR_SYSTEM, "hook: out of memory");
    }
    spool_segment_name(hook->producer.epoch, hook->mapped_end, name);
    int fd = make_file(hook, name, err);
    if (fd < 0) {
        free(segment);
        return -1;
    }
    void *base = mmap(NULL, hook->segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (base == MAP_FAILED) {
        free(segment);
        (void)unlinkat(hook->producer.dir_fd, name, 0);
        return err_set(err, ERR_SYSTEM, "map %s/%s: %s", hook->producer.path, name, strerror(errno));
    }
    segment->base = base;
    segment->first = hook->mapped_end;
    CHECK(segment_of(hook, segment->first) == NULL);
    atomic_store_explicit(&hook->ring[(segment->first >> hook->shift) & hook->ring_mask], segment,
                          memory_order_release);
    hook->mapped_end += hook->slot_mask + 1;
    return 0;
}

/* How many segment files there are, after a look at what the aggregator has deleted. */
static uint64_t count_files(struct farthing_hook *hook)
{
    char name[SPOOL_NAME_BYTES];
    uint64_t oldest = atomic_load(&hook->oldest_file);
    while (oldest < hook->mapped_end) {
        spool_segment_name(hook->producer.epoch, oldest, name);
        if (faccessat(hook->producer.dir_fd, name, F_OK, 0) == 0) {
            break;
        }
        oldest += hook->slot_mask + 1;
    }
    atomic_store(&hook->oldest_file, oldest);
    uint64_t leftover = atomic_load(&hook->producer.leftover_bytes);
    if (leftover != 0) {
        leftover = hook_producer_leftover(&hook->producer);
        atomic_store(&hook->producer.leftover_bytes, leftover);
    }
    return ((hook->mapped_end - oldest) >> hook->shift) + (leftover + hook->segment_bytes - 1) / hook->segment_bytes;
}

/* Have the pages of the next records there before an emit needs them; a fault costs more than an emit. */
static void touch_ahead(struct farthing_hook *hook, uint64_t claimed, uint64_t speed)
{
    uint64_t window = speed * 4 > TOUCH_RECORDS_MIN ? speed * 4 : TOUCH_RECORDS_MIN;
    uint64_t end = claimed + window < hook->mapped_end ? claimed + window : hook->mapped_end;
    uint64_t at = hook->touched_end > claimed ? hook->touched_end : claimed;
    if (at + window / 2 > end && end != hook->mapped_end) {
        return; /* not worth a system call yet */
    }
    while (at < end) {
        struct hook_segment *segment = segment_of(hook, at);
        uint64_t stop = segment->first + hook->slot_mask + 1;
        stop = stop < end ? stop : end;
        uint64_t from =
            (SPOOL_PAGE_BYTES + (at - segment->first) * USAGE_RECORD_BYTES) & ~(uint64_t)(SPOOL_PAGE_BYTES - 1);
        uint64_t to = SPOOL_PAGE_BYTES + (stop - segment->first) * USAGE_RECORD_BYTES;
        (void)madvise(segment->base + from, to - from, MADV_POPULATE_WRITE); /* only a hint: old kernels refuse it */
        at = stop;
    }
    hook->touched_end = end > hook->touched_end ? end : hook->touched_end;
}

void hook_segments_ahead(struct farthing_hook *hook)
{
    struct err err = {0};
    uint64_t slots = hook->slot_mask + 1;
    uint64_t claimed = atomic_load(hook->claimed);
    uint64_t speed = claimed - hook->last_claimed;
    uint64_t ahead = slots + 2 * HOOK_THREADS_MAX + (speed > slots / 4 ? 2 * slots : 0);
    uint64_t files = count_files(hook);
    bool full = false;
    hook->last_claimed = claimed;
    while (!full && hook->mapped_end < claimed + ahead) {
        full = files >= hook->segments_max;
        if (!full && map_next(hook, &err) != 0) {
            full = err.code == ERR_LIMIT;
            if (!full) {
                hook_fail(hook, &err);
                break;
            }
        } else if (!full) {
            files++;
        }
    }
    hook->full = full;
    uint64_t limit = hook->mapped_end > HOOK_THREADS_MAX ? hook->mapped_end - HOOK_THREADS_MAX : 0;
    atomic_store_explicit(&hook->limit, limit, memory_order_release);
    (void)pthread_cond_broadcast(&hook->moved);
    touch_ahead(hook, claimed, speed);
}

static void unmap(struct farthing_hook *hook, struct hook_segment *segment)
{
    atomic_store_explicit(&hook->ring[(segment->first >> hook->shift) & hook->ring_mask], NULL, memory_order_relaxed);
    (void)munmap(segment->base, hook->segment_bytes);
    free(segment);
}

/* Put slots [synced, end) on disk. */
static int sync_range(struct farthing_hook *hook, uint64_t end, struct err *err)
{
    while (hook->synced < end) {
        struct hook_segment *segment = segment_of(hook, hook->synced);
        uint64_t stop = segment->first + hook->slot_mask + 1;
        stop = stop < end ? stop : end;
        uint64_t from = SPOOL_PAGE_BYTES + (hook->synced - segment->first) * USAGE_RECORD_BYTES;
        uint64_t to = SPOOL_PAGE_BYTES + (stop - segment->first) * USAGE_RECORD_BYTES;
        from &= ~(uint64_t)(SPOOL_PAGE_BYTES - 1);
        if (msync(segment->base + from, to - from, MS_SYNC) != 0) {
            return err_set(err, ERR_SYSTEM, "sync spool %s: %s", hook->producer.path, strerror(errno));
        }
        uint64_t whole = to & ~(uint64_t)(SPOOL_PAGE_BYTES - 1);
        if (whole > from) {
            (void)madvise(segment->base + from, whole - from,
                          MADV_DONTNEED); /* the file keeps them; we need them no more */
        }
        hook->synced = stop;
    }
    return 0;
}

int hook_segments_settle(struct farthing_hook *hook, bool disk, struct err *err)
{
    uint64_t claimed = atomic_load(hook->claimed);
    while (hook->published < claimed && slot_published(slot_of(hook, hook->published))) {
        hook->published++;
    }
    hook->synced_at_us = clock_mono_us();
    if (disk && sync_range(hook, hook->published, err) != 0) {
        return -1;
    }
    if (!disk) {
        hook->synced = hook->published;
    }
    /* Every slot of these is published, so no emit holds a pointer into them. */
    while (hook->mapped_begin + hook->slot_mask + 1 <= hook->synced) {
        unmap(hook, segment_of(hook, hook->mapped_begin));
        hook->mapped_begin += hook->slot_mask + 1;
    }
    return 0;
}

/* Segments ahead of the last claim hold nothing: they go, so that a dead epoch is as short as its records. */
void hook_segments_close(struct farthing_hook *hook)
{
    char name[SPOOL_NAME_BYTES];
    uint64_t claimed = atomic_load(hook->claimed);
    for (uint64_t at = hook->mapped_begin; at < hook->mapped_end; at += hook->slot_mask + 1) {
        struct hook_segment *segment = segment_of(hook, at);
        if (segment->first >= claimed) {
            spool_segment_name(hook->producer.epoch, segment->first, name);
            (void)unlinkat(hook->producer.dir_fd, name, 0);
        }
        unmap(hook, segment);
    }
}
