/*
 * hook.h - the public C API by which a runtime reports usage (installed as libfarthing-hook).
 *
 * Why:       reporting an invocation must cost nothing and lose nothing: emit is claim a slot, write, publish. No lock,
 *            no system call, no allocation in the common case.
 * Promise:   once farthing_hook_emit returned 0, the record survives kill -9 of this process at once, and power loss
 * after the next group sync (sync_interval_ms). A full spool is a return code, never a drop. Layout:    <dir>/<producer
 * id>/..., one producer a hook; many hooks in many processes may share dir. Ownership: the hook owns its mapping and
 * one background thread. Threads: emit from any number of threads (HOOK_THREADS_MAX at once); open and close from one.
 */
#ifndef FARTHING_METERING_HOOK_H
#define FARTHING_METERING_HOOK_H

#include <stdint.h>

#include "metering/record.h"

#ifdef __cplusplus
extern "C" {
#endif

struct err;
struct farthing_hook;

#define HOOK_THREADS_MAX 1024

struct farthing_hook_options {
    const char *dir; /* spool directory; made when missing */
    uint64_t
        spool_bytes_max; /* 0: 4 GiB; at this size emit returns FARTHING_HOOK_FULL until the aggregator has caught up */
    uint32_t segment_records;  /* 0: 65,536; rounded up to a power of two */
    uint32_t sync_interval_ms; /* 0: 10; UINT32_MAX: never (the page cache only) */
    uint32_t node_id;          /* kept with the producer; 0 for other runtimes */
    uint64_t producer_id;      /* 0: a free producer of this node_id, or a new one; else this one, made when missing and
                                * reserved for hooks that ask for it (1 to INT64_MAX); ERR_CONFLICT when it is in use */
};

enum {
    FARTHING_HOOK_OK = 0,
    FARTHING_HOOK_FULL = -1,    /* nothing was written; try again later or stop admitting work */
    FARTHING_HOOK_INVALID = -2, /* the record breaks a rule of record.h */
    FARTHING_HOOK_FAILED = -3   /* the disk is failing; farthing_hook_error says how */
};

int farthing_hook_open(const struct farthing_hook_options *options, struct farthing_hook **hook, struct err *err);
/* Sequence, format and checksum are set here; the rest is the caller's. Returns one of the codes above. */
int farthing_hook_emit(struct farthing_hook *hook, const struct usage_record *record);
/* Everything emitted before this call is on disk when it returns 0. */
int farthing_hook_sync(struct farthing_hook *hook, struct err *err);
/* 0 (empty) to 1000 (full): share of spool_bytes_max in use, in thousandths. The engine stops admitting above 950. */
int farthing_hook_fill(const struct farthing_hook *hook);
/* Producer id and epoch of this opening; sequence numbers count up from 0 within it. */
void farthing_hook_identity(const struct farthing_hook *hook, uint64_t *producer_id, uint64_t *epoch);
/* Records emitted so far by this opening. */
uint64_t farthing_hook_emitted(const struct farthing_hook *hook);
/* Why emit says FARTHING_HOOK_FAILED; leaves *err alone when it does not. */
void farthing_hook_error(const struct farthing_hook *hook, struct err *err);
/* Syncs, then lets the producer go; no emit may be running. */
void farthing_hook_close(struct farthing_hook **hook);

#ifdef __cplusplus
}
#endif
#endif
