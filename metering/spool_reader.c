#include "metering/spool_reader.h"

#include "common/err.h"
#include "metering/spool_reader_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Claims beyond the files that are believed; more is a damaged counter, not lost records. */
#define MISSING_SLOTS_MAX (UINT64_C(1) << 32)

const char *spool_hole_name(enum spool_hole_reason reason)
{
    switch (reason) {
    case SPOOL_HOLE_UNWRITTEN:
        return "unwritten";
    case SPOOL_HOLE_DAMAGED:
        return "damaged";
    case SPOOL_HOLE_MISSING:
        return "missing";
    case SPOOL_HOLE_DUPLICATE:
        return "duplicate";
    }
    return "unknown";
}

/* A producer that is being made has no segments yet; one that has them was cut short later. */
static int short_control(struct spool_reader *reader, int64_t bytes, struct err *err)
{
    if (reader_list(reader, err) != 0) {
        return -1;
    }
    if (reader->segment_count == 0) {
        return err_set(err, ERR_RETRY, "spool %s is being made, or its maker died", reader->path);
    }
    return err_set(err, ERR_INVALID, "%s/producer is cut short: %" PRId64 " of %d bytes; its %zu segments wait",
                   reader->path, bytes, SPOOL_PAGE_BYTES, reader->segment_count);
}

static int open_control(struct spool_reader *reader, bool exclusive, struct err *err)
{
    struct stat status;
    reader->dir_fd = open(reader->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (reader->dir_fd >= 0) {
        reader->control_fd = openat(reader->dir_fd, "producer", O_RDWR | O_CLOEXEC);
    }
    if (reader->control_fd < 0 || fstat(reader->control_fd, &status) != 0) {
        enum err_code code = errno == ENOENT ? ERR_RETRY : ERR_SYSTEM;
        return err_set(err, code, "open spool %s: %s", reader->path, strerror(errno));
    }
    if (status.st_size < SPOOL_PAGE_BYTES) {
        return short_control(reader, status.st_size, err);
    }
    if (exclusive && !spool_lock_take(reader->control_fd, SPOOL_LOCK_READER)) {
        return err_set(err, ERR_CONFLICT, "spool %s is read by another process", reader->path);
    }
    void *page = mmap(NULL, SPOOL_PAGE_BYTES, PROT_READ, MAP_SHARED, reader->control_fd, 0);
    if (page == MAP_FAILED) {
        return err_set(err, ERR_SYSTEM, "map spool %s: %s", reader->path, strerror(errno));
    }
    reader->control = page;
    if (spool_control_check(reader->control, reader->producer_id, err) != 0) {
        return err_wrap(err, "%s", reader->path);
    }
    return 0;
}

int spool_reader_open(const char *spool_dir, uint64_t producer_id, bool exclusive, struct spool_reader **reader,
                      struct err *err)
{
    struct spool_reader *self = calloc(1, sizeof *self);
    char name[SPOOL_NAME_BYTES];
    int rc = -1;
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "spool reader: out of memory");
    }
    self->dir_fd = -1;
    self->control_fd = -1;
    self->producer_id = producer_id;
    spool_producer_name(producer_id, name);
    int length = snprintf(self->path, sizeof self->path, "%s/%s", spool_dir, name);
    if (length < 0 || (size_t)length >= sizeof self->path) {
        (void)err_field(err, "dir", "path of the spool is longer than %d bytes", SPOOL_PATH_BYTES);
        goto out;
    }
    if (open_control(self, exclusive, err) != 0) {
        goto out;
    }
    *reader = self;
    self = NULL;
    rc = 0;
out:
    spool_reader_close(&self);
    return rc;
}

void spool_reader_close(struct spool_reader **reader)
{
    struct spool_reader *self = *reader;
    if (self == NULL) {
        return;
    }
    *reader = NULL;
    reader_forget_all(self);
    if (self->control != NULL) {
        (void)munmap(self->control, SPOOL_PAGE_BYTES);
    }
    if (self->control_fd >= 0) {
        (void)close(self->control_fd);
    }
    if (self->dir_fd >= 0) {
        (void)close(self->dir_fd);
    }
    free(self->segments);
    free(self->records);
    free(self->holes);
    free(self);
}

void spool_reader_seek(struct spool_reader *reader, uint64_t epoch, uint64_t next)
{
    reader->epoch = epoch;
    reader->next = next;
    reader->end_epoch = UINT64_MAX;
}

void spool_reader_position(const struct spool_reader *reader, uint64_t *epoch, uint64_t *next)
{
    *epoch = reader->epoch;
    *next = reader->next;
}

static bool epoch_over(const struct spool_reader *reader, uint64_t epoch)
{
    /* The lock is asked before the number: when it is free the counters of this epoch have stopped for good. */
    bool held = spool_lock_held(reader->control_fd, SPOOL_LOCK_WRITER);
    return !held || epoch < atomic_load(&reader->control->epoch);
}

static const struct usage_record *slot_at(const struct reader_segment *segment, uint64_t sequence)
{
    return (const struct usage_record *)(const void *)(segment->slots_at +
                                                       (sequence - segment->first) * USAGE_RECORD_BYTES);
}

/* One past the last published slot of the segments of epoch; position when there is none. */
static int last_published(struct spool_reader *reader, uint64_t epoch, uint64_t *end, struct err *err)
{
    *end = reader->next;
    for (size_t i = reader->segment_count; i > 0; i--) {
        struct reader_segment *segment = &reader->segments[i - 1];
        if (segment->epoch != epoch || segment->first + SPOOL_SLOTS_MAX < reader->next) {
            continue;
        }
        if (reader_map(reader, segment, err) != 0) {
            return -1;
        }
        for (uint64_t n = segment->slots; n > 0 && segment->first + n > reader->next; n--) {
            if (slot_published(slot_at(segment, segment->first + n - 1))) {
                *end = segment->first + n;
                return 0;
            }
        }
    }
    return 0;
}

/*
 * Where an epoch that is over ends: what its counter says, or the last published slot when the counter is older than
 * that (power loss keeps pages in any order).
 */
static int epoch_end(struct spool_reader *reader, uint64_t epoch, uint64_t *end, struct err *err)
{
    uint64_t claimed = 0;
    bool known = spool_control_claimed(reader->control, epoch, &claimed);
    if (known && claimed <= reader->next) {
        claimed = reader->next;
    }
    if (!known || claimed == reader->next || claimed - reader->next > MISSING_SLOTS_MAX) {
        return last_published(reader, epoch, end, err);
    }
    uint64_t published;
    if (last_published(reader, epoch, &published, err) != 0) {
        return -1;
    }
    *end = claimed > published ? claimed : published;
    return 0;
}

static int make_room(struct spool_reader *reader, size_t max, struct err *err)
{
    if (reader->record_room < max) {
        const struct usage_record **more = realloc(reader->records, max * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "spool reader: out of memory");
        }
        reader->records = more;
        reader->record_room = max;
    }
    if (reader->hole_room < max) {
        struct spool_hole *more = realloc(reader->holes, max * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "spool reader: out of memory");
        }
        reader->holes = more;
        reader->hole_room = max;
    }
    return 0;
}

static void add_hole(struct spool_batch *batch, uint64_t sequence, uint64_t slots, enum spool_hole_reason reason)
{
    struct spool_hole *last = batch->hole_count > 0 ? &batch->holes[batch->hole_count - 1] : NULL;
    if (last != NULL && last->reason == reason && last->sequence + last->slots == sequence) {
        last->slots += slots;
    } else {
        batch->holes[batch->hole_count++] = (struct spool_hole){sequence, slots, reason};
    }
    batch->end = sequence + slots;
}

/* From the position to the end of one segment, or to `end`, or to the first slot that is not there yet (*stopped). */
static void read_segment(struct spool_reader *reader, struct reader_segment *segment, uint64_t end, bool over,
                         size_t max, struct spool_batch *batch, bool *stopped)
{
    while (batch->end < end && batch->end - segment->first < segment->slots && batch->record_count < max &&
           batch->hole_count < max) {
        const struct usage_record *slot = slot_at(segment, batch->end);
        switch (slot_check(slot, batch->end)) {
        case SLOT_GOOD:
            batch->records[batch->record_count++] = slot;
            batch->end++;
            break;
        case SLOT_DAMAGED:
            reader_quarantine(reader, segment, batch->end);
            add_hole(batch, batch->end, 1, SPOOL_HOLE_DAMAGED);
            break;
        case SLOT_EMPTY:
            if (!over) {
                *stopped = true;
                return;
            }
            add_hole(batch, batch->end, 1, SPOOL_HOLE_UNWRITTEN);
            break;
        }
    }
}

/* Read epoch up to `end` (over), or as far as it is published (not over: end is the claimed count). */
static int read_epoch(struct spool_reader *reader, uint64_t end, bool over, size_t max, struct spool_batch *batch,
                      struct err *err)
{
    bool stopped = false;
    while (!stopped && batch->end < end && batch->record_count < max && batch->hole_count < max) {
        struct reader_segment *segment = reader_find(reader, batch->epoch, batch->end);
        if (segment != NULL && reader_map(reader, segment, err) != 0) {
            return -1;
        }
        uint64_t gap_end = segment != NULL && segment->first > batch->end ? segment->first : end;
        if (segment != NULL && segment->first <= batch->end && batch->end - segment->first < segment->slots) {
            read_segment(reader, segment, end, over, max, batch, &stopped);
            continue;
        }
        struct reader_segment *later = segment;
        if (segment != NULL && segment->first <= batch->end) {
            later = reader_find(reader, batch->epoch, batch->end); /* it is mapped now, so its true size counts */
            later = later == segment ? NULL : later;
            gap_end = later != NULL ? later->first : end;
        }
        if (!over && later == NULL) {
            return 0; /* the next file is not there yet */
        }
        add_hole(batch, batch->end, (gap_end < end ? gap_end : end) - batch->end, SPOOL_HOLE_MISSING);
    }
    return 0;
}

/* The lowest epoch after the current one that has files or is the newest; 0: none. */
static uint64_t next_epoch(const struct spool_reader *reader)
{
    uint64_t newest = atomic_load(&reader->control->epoch);
    uint64_t best = newest > reader->epoch ? newest : 0;
    for (size_t i = 0; i < reader->segment_count; i++) {
        uint64_t epoch = reader->segments[i].epoch;
        if (epoch > reader->epoch && (best == 0 || epoch < best)) {
            best = epoch;
        }
    }
    return best;
}

/* True when the position's segment is listed, or nothing can be there. */
static bool listing_needed(struct spool_reader *reader, uint64_t claimed)
{
    struct reader_segment *segment = reader_find(reader, reader->epoch, reader->next);
    bool covered = segment != NULL && segment->slots_at != NULL && reader->next >= segment->first &&
                   claimed - segment->first <= segment->slots;
    return !covered;
}

int spool_reader_next(struct spool_reader *reader, size_t max, struct spool_batch *batch, struct err *err)
{
    if (make_room(reader, max, err) != 0) {
        return -1;
    }
    for (;;) {
        uint64_t end = 0;
        bool over = epoch_over(reader, reader->epoch);
        *batch = (struct spool_batch){.epoch = reader->epoch,
                                      .first = reader->next,
                                      .end = reader->next,
                                      .records = reader->records,
                                      .holes = reader->holes};
        bool known = spool_control_claimed(reader->control, reader->epoch, &end);
        if (!over && known && end <= reader->next) {
            return 0;
        }
        if ((over || listing_needed(reader, end)) && reader_list(reader, err) != 0) {
            return -1;
        }
        if (over && reader->end_epoch != reader->epoch) {
            if (epoch_end(reader, reader->epoch, &reader->end, err) != 0) {
                return -1;
            }
            reader->end_epoch = reader->epoch; /* it is over, so this stays */
        }
        end = over ? reader->end : end;
        if (read_epoch(reader, end, over, max, batch, err) != 0) {
            return -1;
        }
        reader->next = batch->end;
        uint64_t following = over && batch->end >= end ? next_epoch(reader) : 0;
        if (batch->end > batch->first || following == 0) {
            return 0;
        }
        spool_reader_seek(reader, following, 0);
    }
}

int spool_reader_look(struct spool_reader *reader, struct spool_look *look, struct err *err)
{
    look->alive = spool_lock_held(reader->control_fd, SPOOL_LOCK_WRITER);
    look->epoch = atomic_load(&reader->control->epoch);
    look->node_id = reader->control->node_id;
    look->created_us = reader->control->created_us;
    look->claimed = 0;
    (void)spool_control_claimed(reader->control, look->epoch, &look->claimed);
    if (look->epoch == reader->epoch) {
        look->pending = look->claimed > reader->next ? look->claimed - reader->next : 0;
        return 0;
    }
    look->pending = look->claimed;
    if (reader_list(reader, err) != 0) {
        return -1;
    }
    uint64_t done = 0; /* epochs up to here are counted */
    for (size_t i = 0; i < reader->segment_count; i++) {
        uint64_t epoch = reader->segments[i].epoch;
        uint64_t claimed = 0;
        if (epoch < reader->epoch || epoch >= look->epoch || epoch == done) {
            continue;
        }
        done = epoch;
        (void)spool_control_claimed(reader->control, epoch, &claimed);
        uint64_t from = epoch == reader->epoch ? reader->next : 0;
        look->pending += claimed > from ? claimed - from : 0;
    }
    return 0;
}

void spool_reader_release(struct spool_reader *reader, uint64_t epoch, uint64_t next, unsigned retain)
{
    size_t stored = 0;
    for (size_t i = 0; i < reader->segment_count; i++) {
        struct reader_segment *segment = &reader->segments[i];
        bool past = segment->epoch < epoch ||
                    (segment->epoch == epoch && segment->slots_at != NULL && segment->first + segment->slots <= next);
        if (!past) {
            break;
        }
        stored++;
    }
    size_t gone = stored > retain ? stored - retain : 0;
    for (size_t i = 0; i < stored; i++) {
        char name[SPOOL_NAME_BYTES];
        spool_segment_name(reader->segments[i].epoch, reader->segments[i].first, name);
        reader_unmap(&reader->segments[i]);
        if (i < gone) {
            (void)unlinkat(reader->dir_fd, name, 0); /* one that stays is looked at again next time */
        }
    }
    if (gone > 0) {
        memmove(reader->segments, reader->segments + gone, (reader->segment_count - gone) * sizeof *reader->segments);
        reader->segment_count -= gone;
    }
}
