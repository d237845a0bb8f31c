/*
 * The segment files of one producer, as a reader sees them.
 */
#include "common/err.h"
#include "metering/spool_reader_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int compare_segments(const void *a, const void *b)
{
    const struct reader_segment *x = a;
    const struct reader_segment *y = b;
    if (x->epoch != y->epoch) {
        return x->epoch < y->epoch ? -1 : 1;
    }
    return x->first < y->first ? -1 : x->first > y->first;
}

void reader_unmap(struct reader_segment *segment)
{
    if (segment->mapped_bytes != 0) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } base = {.in = segment->slots_at - SPOOL_PAGE_BYTES};
        (void)munmap(base.out, segment->mapped_bytes);
        segment->slots_at = NULL;
        segment->mapped_bytes = 0;
    }
}

void reader_forget_all(struct spool_reader *reader)
{
    for (size_t i = 0; i < reader->segment_count; i++) {
        reader_unmap(&reader->segments[i]);
    }
    reader->segment_count = 0;
}

static int add_segment(struct spool_reader *reader, uint64_t epoch, uint64_t first, struct err *err)
{
    if (reader->segment_count == reader->segment_room) {
        size_t room = reader->segment_room == 0 ? 64 : reader->segment_room * 2;
        struct reader_segment *more = realloc(reader->segments, room * sizeof *more);
        if (more == NULL || room > READER_SEGMENTS_MAX) {
            reader->segments = more != NULL ? more : reader->segments;
            return err_set(err, ERR_SYSTEM, "spool %s: too many segments", reader->path);
        }
        reader->segments = more;
        reader->segment_room = room;
    }
    reader->segments[reader->segment_count++] = (struct reader_segment){.epoch = epoch, .first = first};
    return 0;
}

/* Move mappings from the old list into the new one; unmap what is gone. */
static void carry_over(struct reader_segment *old, size_t old_count, struct spool_reader *reader)
{
    for (size_t i = 0; i < old_count; i++) {
        struct reader_segment *same =
            bsearch(&old[i], reader->segments, reader->segment_count, sizeof old[i], compare_segments);
        if (same != NULL) {
            *same = old[i];
        } else {
            reader_unmap(&old[i]);
        }
    }
}

int reader_list(struct spool_reader *reader, struct err *err)
{
    struct reader_segment *old = reader->segments;
    size_t old_count = reader->segment_count;
    int rc = 0;
    int fd = openat(reader->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return err_set(err, ERR_SYSTEM, "list %s: %s", reader->path, strerror(errno));
    }
    reader->segments = NULL;
    reader->segment_count = 0;
    reader->segment_room = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL && rc == 0; entry = readdir(dir)) {
        uint64_t epoch;
        uint64_t first;
        if (spool_segment_parse(entry->d_name, &epoch, &first)) {
            rc = add_segment(reader, epoch, first, err);
        }
    }
    (void)closedir(dir);
    if (reader->segment_count > 0) {
        qsort(reader->segments, reader->segment_count, sizeof *reader->segments, compare_segments);
        carry_over(old, old_count, reader);
    } else {
        for (size_t i = 0; i < old_count; i++) {
            reader_unmap(&old[i]);
        }
    }
    free(old);
    return rc;
}

struct reader_segment *reader_find(struct spool_reader *reader, uint64_t epoch, uint64_t sequence)
{
    struct reader_segment *best = NULL;
    for (size_t i = 0; i < reader->segment_count; i++) {
        struct reader_segment *segment = &reader->segments[i];
        if (segment->epoch != epoch) {
            continue;
        }
        if (segment->first <= sequence) {
            best = segment; /* the last that starts at or before it */
        } else if (best == NULL || (best->slots_at != NULL && sequence - best->first >= best->slots)) {
            return segment;
        } else {
            break;
        }
    }
    return best;
}

int reader_map(struct spool_reader *reader, struct reader_segment *segment, struct err *err)
{
    char name[SPOOL_NAME_BYTES];
    struct stat status;
    void *base = NULL;
    int rc = -1;
    if (segment->mapped_bytes != 0) {
        return 0;
    }
    spool_segment_name(segment->epoch, segment->first, name);
    int fd = openat(reader->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        (void)err_set(err, errno == ENOENT ? ERR_RETRY : ERR_SYSTEM, "open %s/%s: %s", reader->path, name,
                      strerror(errno));
        goto out;
    }
    /* The size is looked at here once: nobody shortens a segment, and one that was short before is read as far as it
     * goes. */
    if (status.st_size < SPOOL_PAGE_BYTES + USAGE_RECORD_BYTES) {
        segment->slots = 0;
        rc = 0;
        goto out;
    }
    segment->slots = ((uint64_t)status.st_size - SPOOL_PAGE_BYTES) / USAGE_RECORD_BYTES;
    base = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        (void)err_set(err, ERR_SYSTEM, "map %s/%s: %s", reader->path, name, strerror(errno));
        goto out;
    }
    segment->mapped_bytes = (size_t)status.st_size;
    segment->slots_at = (const uint8_t *)base + SPOOL_PAGE_BYTES;
    if (segment_header_check(base, reader->producer_id, segment->epoch, segment->first) == SEGMENT_FOREIGN) {
        reader_unmap(segment);
        (void)err_set(
            err, ERR_INVALID,
            "%s/%s was written by another version of this program; nothing of it is skipped: store it with that one",
            reader->path, name);
        goto out;
    }
    rc = 0;
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    return rc;
}

void reader_quarantine(struct spool_reader *reader, const struct reader_segment *segment, uint64_t sequence)
{
    char name[SPOOL_NAME_BYTES];
    char path[SPOOL_NAME_BYTES + 16] = "quarantine/";
    uint64_t at = (sequence - segment->first) * USAGE_RECORD_BYTES;
    spool_segment_name(segment->epoch, segment->first, name);
    (void)strncat(path, name, sizeof path - strlen(path) - 1);
    (void)mkdirat(reader->dir_fd, "quarantine", 0700);
    int fd = openat(reader->dir_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        /* Same offset as in the segment, so doing it again after a failed transaction changes nothing. A copy that
         * cannot be kept (full disk) does not stop the ingest of the others: the hole is in the database either way. */
        ssize_t wrote = pwrite(fd, segment->slots_at + at, USAGE_RECORD_BYTES, (off_t)(SPOOL_PAGE_BYTES + at));
        (void)wrote;
        (void)close(fd);
    }
}
