/*
 * The emitting side: open, emit, close. What emit needs is prepared by the background thread (hook_segment.c).
 */
#include "metering/hook.h"

#include "common/check.h"
#include "common/clock.h"
#include "common/fs.h"
#include "metering/hook_internal.h"
#include "metering/record_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPOOL_BYTES_DEFAULT (UINT64_C(4) << 30)
#define SEGMENT_RECORDS_DEFAULT UINT32_C(65536)
#define SEGMENT_RECORDS_MIN UINT32_C(64)
#define SEGMENTS_MIN 3
#define SEGMENTS_MAX UINT64_C(65536)
#define SYNC_INTERVAL_MS_DEFAULT 10
#define TICK_MS 10

static void wait_tick(struct farthing_hook *hook)
{
    struct timespec until;
    int64_t at_ns = clock_mono_ns() + INT64_C(1000000) * TICK_MS;
    until.tv_sec = (time_t)(at_ns / 1000000000);
    until.tv_nsec = (long)(at_ns % 1000000000);
    if (!hook->wanted && !hook->stop) {
        (void)pthread_cond_timedwait(&hook->wake, &hook->lock, &until);
    }
}

static void *background(void *arg)
{
    struct farthing_hook *hook = arg;
    struct err err = {0};
    (void)pthread_mutex_lock(&hook->lock);
    while (!hook->stop) {
        hook->wanted = false;
        hook_segments_ahead(hook);
        bool disk = hook->sync_interval_ms != UINT32_MAX;
        int64_t due_us = hook->synced_at_us + (disk ? (int64_t)hook->sync_interval_ms * 1000 : 0);
        if (clock_mono_us() + 1000 >= due_us && hook_segments_settle(hook, disk, &err) != 0) {
            hook_fail(hook, &err);
        }
        wait_tick(hook);
    }
    (void)pthread_mutex_unlock(&hook->lock);
    return NULL;
}

void hook_fail(struct farthing_hook *hook, const struct err *error)
{
    if (!atomic_load(&hook->failed)) {
        hook->error = *error;
        atomic_store(&hook->failed, true);
    }
    (void)pthread_cond_broadcast(&hook->moved);
}

static uint32_t round_up_to_power_of_two(uint32_t value)
{
    uint32_t power = SEGMENT_RECORDS_MIN;
    while (power < value) {
        power <<= 1;
    }
    return power;
}

/* Fill sizes from the options. */
static int set_sizes(struct farthing_hook *hook, const struct farthing_hook_options *options, struct err *err)
{
    uint64_t bytes_max = options->spool_bytes_max != 0 ? options->spool_bytes_max : SPOOL_BYTES_DEFAULT;
    uint32_t slots = options->segment_records;
    if (slots > SPOOL_SLOTS_MAX) {
        return err_field(err, "segment_records", "segment_records is %u; at most %u", slots, SPOOL_SLOTS_MAX);
    }
    if (slots == 0) {
        slots = SEGMENT_RECORDS_DEFAULT;
        while (slots > SEGMENT_RECORDS_MIN && (uint64_t)slots * USAGE_RECORD_BYTES * 8 > bytes_max) {
            slots >>= 1;
        }
    }
    slots = round_up_to_power_of_two(slots);
    hook->slot_mask = slots - 1;
    hook->shift = (unsigned)__builtin_ctz(slots);
    hook->segment_bytes = SPOOL_PAGE_BYTES + (uint64_t)slots * USAGE_RECORD_BYTES;
    hook->segments_max = bytes_max / hook->segment_bytes;
    if (hook->segments_max > SEGMENTS_MAX) {
        hook->segments_max = SEGMENTS_MAX;
    }
    if (hook->segments_max < SEGMENTS_MIN || hook->segments_max * slots <= 2 * HOOK_THREADS_MAX) {
        return err_field(
            err, "spool_bytes_max", "spool_bytes_max is %llu; it must hold %d segments of %llu bytes and %d records",
            (unsigned long long)bytes_max, SEGMENTS_MIN, (unsigned long long)hook->segment_bytes, 2 * HOOK_THREADS_MAX);
    }
    uint64_t ring = 4;
    while (ring < hook->segments_max * 2) {
        ring <<= 1;
    }
    hook->ring_mask = ring - 1;
    hook->sync_interval_ms = options->sync_interval_ms != 0 ? options->sync_interval_ms : SYNC_INTERVAL_MS_DEFAULT;
    return 0;
}

static void init_sync(struct farthing_hook *hook)
{
    pthread_condattr_t attr;
    CHECK(pthread_mutex_init(&hook->lock, NULL) == 0);
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&hook->wake, &attr) == 0);
    CHECK(pthread_cond_init(&hook->moved, &attr) == 0);
    (void)pthread_condattr_destroy(&attr);
}

int farthing_hook_open(const struct farthing_hook_options *options, struct farthing_hook **hook, struct err *err)
{
    struct farthing_hook *self = aligned_alloc(64, (sizeof *self + 63) / 64 * 64);
    int rc = -1;
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "hook: out of memory");
    }
    memset(self, 0, sizeof *self);
    self->producer.dir_fd = -1;
    self->producer.control_fd = -1;
    init_sync(self);
    if (set_sizes(self, options, err) != 0) {
        goto out;
    }
    self->ring = calloc(self->ring_mask + 1, sizeof *self->ring);
    if (self->ring == NULL) {
        (void)err_set(err, ERR_SYSTEM, "hook: out of memory");
        goto out;
    }
    if (fs_make_dirs(options->dir, 0700, err) != 0 || hook_producer_open(options, &self->producer, err) != 0) {
        (void)err_wrap(err, "open spool %s", options->dir);
        goto out;
    }
    self->claimed = &spool_control_line(self->producer.control, self->producer.epoch)->claimed;
    self->synced_at_us = clock_mono_us();
    hook_segments_ahead(self);
    if (atomic_load(&self->failed)) {
        if (err != NULL) {
            *err = self->error;
        }
        goto out;
    }
    if (pthread_create(&self->thread, NULL, background, self) != 0) {
        (void)err_set(err, ERR_SYSTEM, "hook: cannot start its thread");
        goto out;
    }
    self->started = true;
    *hook = self;
    self = NULL;
    rc = 0;
out:
    farthing_hook_close(&self);
    return rc;
}

/*
 * Nothing free is mapped: either the spool is full, or the background thread is a moment late. Wait for it, never for
 * the aggregator.
 */
static int wait_for_room(struct farthing_hook *hook)
{
    int code = FARTHING_HOOK_OK;
    (void)pthread_mutex_lock(&hook->lock);
    while (code == FARTHING_HOOK_OK && atomic_load(hook->claimed) >= atomic_load(&hook->limit)) {
        if (atomic_load(&hook->failed)) {
            code = FARTHING_HOOK_FAILED;
        } else if (hook->full) {
            code = FARTHING_HOOK_FULL;
        } else {
            hook->wanted = true;
            (void)pthread_cond_signal(&hook->wake);
            (void)pthread_cond_wait(&hook->moved, &hook->lock);
        }
    }
    (void)pthread_mutex_unlock(&hook->lock);
    return code;
}

/* Once a segment: time to map the one after the next. */
static void wake_background(struct farthing_hook *hook)
{
    if (pthread_mutex_trylock(&hook->lock) == 0) {
        hook->wanted = true;
        (void)pthread_cond_signal(&hook->wake);
        (void)pthread_mutex_unlock(&hook->lock);
    }
}

int farthing_hook_emit(struct farthing_hook *hook, const struct usage_record *record)
{
    if (!usage_record_fits(record)) {
        return FARTHING_HOOK_INVALID;
    }
    if (atomic_load_explicit(&hook->failed, memory_order_relaxed)) {
        return FARTHING_HOOK_FAILED;
    }
    /* At most HOOK_THREADS_MAX threads are between this look and their claim, so a claim is always mapped. */
    while (atomic_load_explicit(hook->claimed, memory_order_relaxed) >=
           atomic_load_explicit(&hook->limit, memory_order_acquire)) {
        int code = wait_for_room(hook);
        if (code != FARTHING_HOOK_OK) {
            return code;
        }
    }
    uint64_t sequence = atomic_fetch_add_explicit(hook->claimed, 1, memory_order_acq_rel);
    struct hook_segment *segment =
        atomic_load_explicit(&hook->ring[(sequence >> hook->shift) & hook->ring_mask], memory_order_acquire);
    uint64_t slot = sequence & hook->slot_mask;
    uint8_t *at = segment->base + SPOOL_PAGE_BYTES + slot * USAGE_RECORD_BYTES;
    slot_publish((struct usage_record *)(void *)at, record, sequence);
    if (slot == 0) {
        wake_background(hook);
    }
    return FARTHING_HOOK_OK;
}

int farthing_hook_sync(struct farthing_hook *hook, struct err *err)
{
    (void)pthread_mutex_lock(&hook->lock);
    struct err failure = {0};
    int rc = hook_segments_settle(hook, true, &failure);
    if (rc != 0) {
        hook_fail(hook, &failure);
        rc = err_set(err, failure.code, "%s", failure.text);
    }
    (void)pthread_mutex_unlock(&hook->lock);
    return rc;
}

int farthing_hook_fill(const struct farthing_hook *hook)
{
    uint64_t leftover = atomic_load(&hook->producer.leftover_bytes) / USAGE_RECORD_BYTES;
    uint64_t used = leftover + atomic_load(hook->claimed) - atomic_load(&hook->oldest_file);
    uint64_t room = hook->segments_max * (hook->slot_mask + 1) - HOOK_THREADS_MAX;
    return used >= room ? 1000 : (int)(used * 1000 / room);
}

void farthing_hook_identity(const struct farthing_hook *hook, uint64_t *producer_id, uint64_t *epoch)
{
    *producer_id = hook->producer.producer_id;
    *epoch = hook->producer.epoch;
}

uint64_t farthing_hook_emitted(const struct farthing_hook *hook)
{
    return atomic_load(hook->claimed);
}

void farthing_hook_error(const struct farthing_hook *hook, struct err *err)
{
    if (atomic_load(&hook->failed)) {
        *err = hook->error;
    }
}

void farthing_hook_close(struct farthing_hook **hook)
{
    struct farthing_hook *self = *hook;
    if (self == NULL) {
        return;
    }
    *hook = NULL;
    if (self->started) {
        (void)pthread_mutex_lock(&self->lock);
        self->stop = true;
        (void)pthread_cond_signal(&self->wake);
        (void)pthread_mutex_unlock(&self->lock);
        (void)pthread_join(self->thread, NULL);
    }
    if (self->ring != NULL && self->claimed != NULL) {
        /* A failing disk was reported by emit; nobody is left to tell. */
        (void)hook_segments_settle(self, self->sync_interval_ms != UINT32_MAX, NULL);
        hook_segments_close(self);
    }
    hook_producer_close(&self->producer);
    (void)pthread_cond_destroy(&self->wake);
    (void)pthread_cond_destroy(&self->moved);
    (void)pthread_mutex_destroy(&self->lock);
    free(self->ring);
    free(self);
}
