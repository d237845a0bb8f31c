/*
 * spool.h - the files between hook and aggregator: layout, names, checks.
 *
 * Layout:   <spool>/<producer 16 hex>/producer            control page, 4096 bytes, mapped by both sides
 *           <spool>/<producer 16 hex>/<epoch 8 hex>-<first sequence 16 hex>.seg   header page, then slots of 128 bytes
 *           <spool>/<producer 16 hex>/quarantine/<same name>.seg                  copies of damaged slots, same offsets
 * Locks:    the writer holds an OFD lock on byte 0 of `producer`, the reader on byte 1. The kernel drops them when a
 *           process dies, so "is the writer alive" needs no guess.
 * Slots:    a slot is published by one atomic release store of its first 8 bytes (checksum, format, kind, status); all
 *           zero means not published. Sequence n of an epoch is slot n - first of its segment; there are no gaps.
 * Claims:   the control page counts claimed slots for the last SPOOL_EPOCHS_KEPT epochs. The counter is what emit
 *           fetch-adds, so it survives kill -9 of the writer. After power loss it may be old; the slots win then.
 * Threads:  functions here keep no state.
 */
#ifndef FARTHING_METERING_SPOOL_H
#define FARTHING_METERING_SPOOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "metering/record.h"

struct err;

#define SPOOL_MAGIC UINT64_C(0x314c4f4f50535246)   /* "FRSPOOL1" read as little-endian */
#define SEGMENT_MAGIC UINT64_C(0x31474553474e5246) /* "FRNGSEG1" */
#define SPOOL_VERSION 1
#define SPOOL_PAGE_BYTES 4096
#define SPOOL_EPOCHS_KEPT 32
#define SPOOL_SLOTS_MAX (UINT32_C(1) << 24)
#define SPOOL_NAME_BYTES 32
#define SPOOL_PATH_BYTES 1024
#define SPOOL_FLAG_RESERVED UINT32_C(1) /* only taken over by a hook that asks for this producer id */

struct spool_epoch {
    _Atomic uint64_t epoch;   /* which epoch this line counts; 0: none */
    _Atomic uint64_t claimed; /* slots claimed in it */
    uint64_t spare[6];
};
_Static_assert(sizeof(struct spool_epoch) == 64, "one cache line an epoch");

struct spool_control {
    uint64_t magic;
    uint32_t version;
    uint32_t node_id;
    uint64_t producer_id;
    int64_t created_us;
    uint32_t flags;
    uint32_t crc32c; /* of the 36 bytes before */
    uint64_t spare0[3];
    _Atomic uint64_t epoch; /* the newest */
    uint64_t spare1[7];
    struct spool_epoch epochs[SPOOL_EPOCHS_KEPT]; /* epoch e is in line e % SPOOL_EPOCHS_KEPT */
    uint8_t spare2[SPOOL_PAGE_BYTES - 128 - 64 * SPOOL_EPOCHS_KEPT];
};
_Static_assert(sizeof(struct spool_control) == SPOOL_PAGE_BYTES, "control is one page");

struct segment_header {
    uint64_t magic;
    uint32_t version;
    uint32_t slots;
    uint64_t producer_id;
    uint64_t epoch;
    uint64_t first;
    int64_t created_us;
    uint32_t spare;
    uint32_t crc32c; /* of the bytes before */
};
_Static_assert(sizeof(struct segment_header) == 56, "fixed layout");

/* ---- names ---- */

void spool_producer_name(uint64_t producer_id, char name[SPOOL_NAME_BYTES]);
/* False when name is not a producer folder. */
bool spool_producer_parse(const char *name, uint64_t *producer_id);
void spool_segment_name(uint64_t epoch, uint64_t first, char name[SPOOL_NAME_BYTES]);
bool spool_segment_parse(const char *name, uint64_t *epoch, uint64_t *first);

/* ---- control page ---- */

void spool_control_init(struct spool_control *control, uint64_t producer_id, uint32_t node_id, uint32_t flags,
                        int64_t now_us);
/* ERR_INVALID: not a control page of this version, or damaged; producer_id is the one its folder is named after. */
int spool_control_check(const struct spool_control *control, uint64_t producer_id, struct err *err);
struct spool_epoch *spool_control_line(struct spool_control *control, uint64_t epoch);
/* Slots claimed in epoch; false when the page does not know (too old, or never). */
bool spool_control_claimed(struct spool_control *control, uint64_t epoch, uint64_t *claimed);

enum spool_lock { SPOOL_LOCK_WRITER = 0, SPOOL_LOCK_READER = 1 };

/* Take a lock of an open control file; false when somebody else holds it. */
bool spool_lock_take(int fd, enum spool_lock lock);
/* Is somebody else (another open of the file) holding it? Takes nothing. */
bool spool_lock_held(int fd, enum spool_lock lock);

/* ---- segments ---- */

enum segment_state {
    SEGMENT_GOOD,
    SEGMENT_DAMAGED, /* header unreadable; its records may still be good: each has its own checksum */
    SEGMENT_FOREIGN  /* a version this program does not know; never skip it */
};

void segment_header_init(struct segment_header *header, uint64_t producer_id, uint64_t epoch, uint64_t first,
                         uint32_t slots, int64_t now_us);
/* Against what the file's name and folder say. */
enum segment_state segment_header_check(const struct segment_header *header, uint64_t producer_id, uint64_t epoch,
                                        uint64_t first);

enum slot_state { SLOT_EMPTY, SLOT_GOOD, SLOT_DAMAGED };

/* Look at a slot another process may be writing. GOOD: every byte may be read. */
enum slot_state slot_check(const struct usage_record *slot, uint64_t sequence);
/* Write a record into its slot and publish it. The record's sequence, format and checksum are set on the way. */
void slot_publish(struct usage_record *slot, const struct usage_record *record, uint64_t sequence);
/* Anything but zero in its first eight bytes. */
bool slot_published(const struct usage_record *slot);

#endif
