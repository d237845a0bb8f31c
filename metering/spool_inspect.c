#include "metering/spool_inspect.h"

#include "common/err.h"
#include "metering/spool_reader_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note_fault(struct spool_summary *summary, const struct reader_segment *segment, const char *what,
                       uint64_t sequence)
{
    char name[SPOOL_NAME_BYTES];
    if (summary->first_fault[0] == '\0') {
        spool_segment_name(segment->epoch, segment->first, name);
        (void)snprintf(summary->first_fault, sizeof summary->first_fault,
                       "%s at epoch %" PRIu64 ", sequence %" PRIu64 " (%s, byte %" PRIu64 ")", what, segment->epoch,
                       sequence, name, SPOOL_PAGE_BYTES + (sequence - segment->first) * USAGE_RECORD_BYTES);
    }
}

static void count_slots(const struct reader_segment *segment, struct spool_summary *summary)
{
    for (uint64_t i = 0; i < segment->slots; i++) {
        const uint8_t *at = segment->slots_at + i * USAGE_RECORD_BYTES;
        switch (slot_check((const struct usage_record *)(const void *)at, segment->first + i)) {
        case SLOT_EMPTY:
            summary->empty++;
            break;
        case SLOT_GOOD:
            summary->records++;
            break;
        case SLOT_DAMAGED:
            summary->damaged++;
            note_fault(summary, segment, "a damaged record", segment->first + i);
            break;
        }
    }
}

/* *end: one past its last slot as its header has it. */
static int count_segment(struct spool_reader *reader, struct reader_segment *segment, struct spool_summary *summary,
                         uint64_t *end)
{
    struct err err = {0};
    summary->segments++;
    if (reader_map(reader, segment, &err) != 0) {
        if (err.code == ERR_RETRY) {
            summary->segments--; /* stored and deleted since it was listed */
        } else {
            (void)snprintf(summary->error, sizeof summary->error, "%.190s", err.text);
        }
        return -1;
    }
    *end = segment->first + segment->slots;
    if (segment->slots_at == NULL) {
        summary->damaged_headers++;
        note_fault(summary, segment, "nothing readable", segment->first);
        return 0;
    }
    const struct segment_header *header = (const void *)(segment->slots_at - SPOOL_PAGE_BYTES);
    summary->bytes += segment->mapped_bytes;
    if (segment_header_check(header, reader->producer_id, segment->epoch, segment->first) == SEGMENT_DAMAGED) {
        summary->damaged_headers++;
        note_fault(summary, segment, "a damaged header", segment->first);
    } else {
        *end = segment->first + header->slots;
    }
    count_slots(segment, summary);
    reader_unmap(segment);
    return 0;
}

/* Slots of [from, to) that should be there and are not. */
static void note_missing(struct spool_summary *summary, const struct reader_segment *segment, uint64_t from,
                         uint64_t to)
{
    if (to > from) {
        summary->missing += to - from;
        note_fault(summary, segment, "missing records", from);
    }
}

/* Has a header that says what its file name says, and all its slots. */
static bool whole_file(struct spool_reader *reader, struct reader_segment *segment)
{
    struct err err;
    if (reader_map(reader, segment, &err) != 0 || segment->slots_at == NULL) {
        return false;
    }
    const struct segment_header *header = (const void *)(segment->slots_at - SPOOL_PAGE_BYTES);
    enum segment_state state = segment_header_check(header, reader->producer_id, segment->epoch, segment->first);
    bool whole = state == SEGMENT_GOOD && segment->slots == header->slots;
    reader_unmap(segment);
    return whole;
}

/* A segment is over where the next one starts, the last one where its epoch's counter is; what was stored goes file by
 * file from the front, so there is no other reason for a gap. */
static void count_segments(struct spool_reader *reader, struct spool_summary *summary)
{
    uint64_t end = 0;
    for (size_t i = 0; i < reader->segment_count; i++) {
        struct reader_segment *segment = &reader->segments[i];
        const struct reader_segment *next = i + 1 < reader->segment_count ? segment + 1 : NULL;
        uint64_t claimed;
        if (next == NULL && summary->alive && !whole_file(reader, segment)) {
            continue; /* its writer is making it at this moment */
        }
        if (count_segment(reader, segment, summary, &end) != 0) {
            continue;
        }
        uint64_t stop = end;
        if (next != NULL && next->epoch == segment->epoch) {
            stop = next->first;
        } else if (!summary->alive && spool_control_claimed(reader->control, segment->epoch, &claimed) &&
                   claimed - segment->first < SPOOL_SLOTS_MAX) {
            stop = claimed;
        }
        note_missing(summary, segment, segment->first + segment->slots, stop);
    }
}

static uint64_t count_quarantine(const struct spool_reader *reader)
{
    uint64_t count = 0;
    int fd = openat(reader->dir_fd, "quarantine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        return 0;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    (void)closedir(dir);
    return count;
}

static void inspect_producer(const char *spool_dir, struct spool_summary *summary)
{
    struct spool_reader *reader = NULL;
    struct spool_look look;
    struct err err = {0};
    if (spool_reader_open(spool_dir, summary->producer_id, false, &reader, &err) != 0 ||
        spool_reader_look(reader, &look, &err) != 0 || reader_list(reader, &err) != 0) {
        (void)snprintf(summary->error, sizeof summary->error, "%.190s", err.text);
        spool_reader_close(&reader);
        return;
    }
    summary->node_id = look.node_id;
    summary->alive = look.alive;
    summary->epoch = look.epoch;
    count_segments(reader, summary);
    summary->quarantined = count_quarantine(reader);
    spool_reader_close(&reader);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_producer(const struct dirent *entry)
{
    uint64_t id;
    return spool_producer_parse(entry->d_name, &id);
}

int spool_inspect(const char *spool_dir, spool_summary_fn *on_producer, void *ctx, struct err *err)
{
    struct dirent **entries = NULL;
    int count = scandir(spool_dir, &entries, is_producer, by_name);
    if (count < 0) {
        return err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_SYSTEM, "list %s: %s", spool_dir, strerror(errno));
    }
    for (int i = 0; i < count; i++) {
        struct spool_summary summary = {0};
        (void)spool_producer_parse(entries[i]->d_name, &summary.producer_id);
        inspect_producer(spool_dir, &summary);
        on_producer(&summary, ctx);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
