/*
 * bill_file.h - a report as reply: written piece by piece, hashed on the way.
 *
 * Why:       files of any size are answered in constant memory (reply_sink), and each says its SHA-256. Ownership:
 * after bill_file_begin call bill_file_end or bill_file_abandon. Threads: the request's.
 */
#ifndef FARTHING_API_BILL_FILE_H
#define FARTHING_API_BILL_FILE_H

#include <stddef.h>

#include "common/digest.h"

struct err;
struct request;

struct bill_file {
    struct request *request;
    struct sha256 *state;
};

void bill_file_begin(struct bill_file *file, struct request *request);
/* A report_sink_fn on a bill_file. */
int bill_file_sink(const void *bytes, size_t length, void *file, struct err *err);
/* Sets ETag, Digest and Repr-Digest. */
void bill_file_end(struct bill_file *file, char hex[SHA256_HEX_BYTES]);
void bill_file_abandon(struct bill_file *file);

#endif
