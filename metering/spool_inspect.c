#include "metering/spool_inspect.h"

#include "common/err.h"
#include "metering/spool_reader_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count_segment(struct spool_reader *reader, struct reader_segment *segment, struct spool_summary *summary)
{
    struct err err = {0};
    summary->segments++;
    if (reader_map(reader, segment, &err) != 0) {
        (void)snprintf(summary->error, sizeof summary->error, "%.190s", err.text);
        return;
    }
    summary->bytes += segment->mapped_bytes;
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
            break;
        }
    }
    reader_unmap(segment);
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
    for (size_t i = 0; i < reader->segment_count; i++) {
        count_segment(reader, &reader->segments[i], summary);
    }
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
