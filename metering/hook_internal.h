/*
 * hook_internal.h - between hook*.c only.
 */
#ifndef FARTHING_METERING_HOOK_INTERNAL_H
#define FARTHING_METERING_HOOK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "metering/hook.h"
#include "metering/spool.h"

/* A mapped segment. */
struct hook_segment {
    uint8_t *base;
    uint64_t first;
};

/* The folder of the producer, claimed by its lock. */
struct hook_producer {
    int dir_fd;
    int control_fd; /* holds the writer lock */
    struct spool_control *control;
    uint64_t producer_id;
    uint64_t epoch;
    _Atomic uint64_t leftover_bytes; /* segments of former epochs that are still there */
    char path[SPOOL_PATH_BYTES];
};

struct farthing_hook {
    /* Read by every emit, written rarely: one line. */
    struct hook_segment *_Atomic *ring; /* segment of sequence n is ring[(n >> shift) & ring_mask] */
    uint64_t ring_mask;
    uint64_t slot_mask;
    unsigned shift;
    _Atomic uint64_t *claimed; /* in the control page */
    _Atomic uint64_t limit;    /* emits may claim below this: mapped_end - HOOK_THREADS_MAX, or 0 */
    _Atomic bool failed;

    /* Below: only under lock. */
    _Alignas(64) pthread_mutex_t lock;
    pthread_cond_t wake;  /* the background thread has something to do */
    pthread_cond_t moved; /* limit, full or failed changed */
    pthread_t thread;
    bool started, stop, wanted, full;
    struct hook_producer producer;
    uint64_t segment_bytes;
    uint64_t segments_max;
    uint64_t mapped_end;          /* sequences below have (had) a mapped segment */
    uint64_t mapped_begin;        /* first sequence of the oldest segment still mapped */
    _Atomic uint64_t oldest_file; /* first sequence of the oldest segment file of this epoch that still exists */
    uint64_t published;           /* every slot below is published */
    uint64_t synced;              /* every slot below is on disk */
    uint64_t touched_end;         /* pages of slots below are already there */
    uint64_t last_claimed;        /* at the last tick: how fast are we */
    int64_t synced_at_us;         /* monotonic */
    uint32_t sync_interval_ms;
    struct err error; /* why failed */
};

/* hook_producer.c: take over a free producer of this node, or make one; the next epoch is on disk when it returns. */
int hook_producer_open(const struct farthing_hook_options *options, struct hook_producer *producer, struct err *err);
void hook_producer_close(struct hook_producer *producer);
/* Bytes of segments of former epochs. */
uint64_t hook_producer_leftover(struct hook_producer *producer);

/* hook_segment.c, under lock. Map what emits will need soon; look which files the aggregator has deleted. */
void hook_segments_ahead(struct farthing_hook *hook);
/* Move published, put what is new on disk (disk), unmap what is done. */
int hook_segments_settle(struct farthing_hook *hook, bool disk, struct err *err);
void hook_segments_close(struct farthing_hook *hook);
void hook_fail(struct farthing_hook *hook, const struct err *error);

#endif
