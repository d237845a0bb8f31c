/*
 * fs.h - files and folders.  Errors name the path. Ownership: buffers are the caller's. Threads: any.
 */
#ifndef FARTHING_COMMON_FS_H
#define FARTHING_COMMON_FS_H

#include <stddef.h>
#include <sys/types.h>

struct buf;
struct err;

/* Append the file to out; more than max_bytes is ERR_LIMIT. */
int fs_read(const char *path, size_t max_bytes, struct buf *out, struct err *err);
/* Write beside, fsync, rename, fsync the folder: the file is the old one or the new one, never half. */
int fs_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode, struct err *err);
/* Like mkdir -p; folders made get mode. */
int fs_make_dirs(const char *path, mode_t mode, struct err *err);
/* Like rm -r, without following links; a missing path is no error. */
int fs_remove_tree(const char *path, struct err *err);

#endif
