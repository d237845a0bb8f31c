/*
 * spool_reader_internal.h - between spool_reader*.c only.
 */
#ifndef FARTHING_METERING_SPOOL_READER_INTERNAL_H
#define FARTHING_METERING_SPOOL_READER_INTERNAL_H

#include "metering/spool.h"
#include "metering/spool_reader.h"

#define READER_SEGMENTS_MAX 131072

struct reader_segment {
    uint64_t epoch;
    uint64_t first;
    uint64_t slots;          /* that the file really has */
    const uint8_t *slots_at; /* mapped; NULL: not yet */
    size_t mapped_bytes;
};

struct spool_reader {
    int dir_fd;
    int control_fd;
    struct spool_control *control;
    uint64_t producer_id;
    uint64_t epoch, next;            /* position */
    uint64_t end_epoch, end;         /* where end_epoch, which is over, ends */
    struct reader_segment *segments; /* files seen at the last listing, in order */
    size_t segment_count, segment_room;
    const struct usage_record **records;
    size_t record_room;
    struct spool_hole *holes;
    size_t hole_room;
    char path[SPOOL_PATH_BYTES];
};

/* spool_segment_list.c */

/* Look at the folder again; what was mapped stays mapped while its file is listed. */
int reader_list(struct spool_reader *reader, struct err *err);
/* The segment that holds sequence, or the first one after it in the same epoch; NULL: none. */
struct reader_segment *reader_find(struct spool_reader *reader, uint64_t epoch, uint64_t sequence);
/* ERR_INVALID: a version this program does not know. */
int reader_map(struct spool_reader *reader, struct reader_segment *segment, struct err *err);
void reader_unmap(struct reader_segment *segment);
void reader_forget_all(struct spool_reader *reader);
/* Keep a copy of a damaged slot. */
void reader_quarantine(struct spool_reader *reader, const struct reader_segment *segment, uint64_t sequence);

#endif
