/*
 * spool_reader.h - reads one producer's records in order, from where the cursor says.
 *
 * Why:       the aggregator, `farthing spool` and tests see the same thing: valid records, holes, and how far it goes.
 * Order:     epoch by epoch, sequence by sequence. An unpublished slot of a live writer ends the batch; of a dead one
 * it is a hole. Damaged slots are copied to quarantine/ and are holes too; the rest is read on. Ownership: records of a
 * batch point into mapped files; they live until spool_reader_release or _seek or _close. Threads:   one reader, one
 * thread. One reader a producer works at a time (a lock); others are told so.
 */
#ifndef FARTHING_METERING_SPOOL_READER_H
#define FARTHING_METERING_SPOOL_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct spool_reader;
struct usage_record;

enum spool_hole_reason {
    SPOOL_HOLE_UNWRITTEN, /* claimed by a writer that died before it published */
    SPOOL_HOLE_DAMAGED,   /* changed on disk */
    SPOOL_HOLE_MISSING,   /* its segment file is not there */
    SPOOL_HOLE_DUPLICATE  /* stored before through another producer; said by the aggregator only */
};

const char *spool_hole_name(enum spool_hole_reason reason);

struct spool_hole {
    uint64_t sequence;
    uint64_t slots;
    enum spool_hole_reason reason;
};

struct spool_batch {
    uint64_t epoch;
    uint64_t first; /* position before: the next sequence to read */
    uint64_t end;   /* position after; first == end: nothing new */
    const struct usage_record **records;
    size_t record_count;
    struct spool_hole *holes;
    size_t hole_count;
};

struct spool_look {
    uint64_t epoch;   /* the newest */
    uint64_t claimed; /* slots claimed in it */
    uint32_t node_id;
    int64_t created_us; /* when the producer was made */
    bool alive;         /* a writer holds it */
    uint64_t pending;   /* slots from the position on, all epochs */
};

/* ERR_CONFLICT: another reader has it (only when exclusive). ERR_RETRY: being made at this moment. ERR_INVALID: damaged
 * or foreign. */
int spool_reader_open(const char *spool_dir, uint64_t producer_id, bool exclusive, struct spool_reader **reader,
                      struct err *err);
void spool_reader_close(struct spool_reader **reader);

/* Read on from sequence `next` of epoch (0, 0: from the very beginning). */
void spool_reader_seek(struct spool_reader *reader, uint64_t epoch, uint64_t next);
void spool_reader_position(const struct spool_reader *reader, uint64_t *epoch, uint64_t *next);

/* At most max records and as many holes, all of one epoch. The position moves to the batch's end. */
int spool_reader_next(struct spool_reader *reader, size_t max, struct spool_batch *batch, struct err *err);

/* How far the writer is. When the position has reached (epoch, claimed) everything emitted before this call was read.
 */
int spool_reader_look(struct spool_reader *reader, struct spool_look *look, struct err *err);

/* What lies before (epoch, next) is stored: delete whole segments of it but the newest `retain`, unmap the others. */
void spool_reader_release(struct spool_reader *reader, uint64_t epoch, uint64_t next, unsigned retain);

#endif
