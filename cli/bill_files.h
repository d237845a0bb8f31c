/*
 * bill_files.h - bills as files on disk: fetched, checked against the digest the node gives, listed in a manifest, and
 * put to an object store.
 *
 * Ownership: plain values. Threads: one. Errors: name the file or the address (without its query: it may be a secret).
 */
#ifndef FARTHING_CLI_BILL_FILES_H
#define FARTHING_CLI_BILL_FILES_H

#include <stdint.h>

#include "common/digest.h"

struct buf;
struct cli;
struct err;

#define BILL_FILES_MAX 512

struct bill_saved {
    char name[200];
    char document[32];      /* number of the invoice or credit note it was asked for by; "": the month's bill */
    const char *layout;     /* static */
    const char *media_type; /* static */
    int64_t bytes;
    int64_t rows; /* records without the header; -1: not a table */
    char sha256[SHA256_HEX_BYTES];
};

/* GET path into dir/name: beside, then renamed, so that nobody sees half a bill. ERR_SYSTEM when the bytes are not
 * those of the node's digest. table: count rows. */
int bill_files_get(struct cli *cli, const char *path, const char *dir, const char *name, bool table,
                   struct bill_saved *saved, struct err *err);
/* Text into dir/name, with size and digest of it. */
int bill_files_write(const char *dir, const char *name, const struct buf *text, struct bill_saved *saved,
                     struct err *err);
/* "manifest.json": what the files are; the same files give the same bytes. account NULL: all. */
void bill_files_manifest(const char *account, const char *month, const struct bill_saved *saved, int count,
                         struct buf *out);
/* PUT dir/name to url, in which {file} stands for the name. */
int bill_files_put(const char *url, const char *dir, const struct bill_saved *saved, struct err *err);

#endif
