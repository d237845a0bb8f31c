/*
 * code_store.h - packages by content (table code_blob), of functions and of layers; for the *_store.c files only.
 */
#ifndef FARTHING_ENGINE_CODE_STORE_H
#define FARTHING_ENGINE_CODE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"

struct err;
struct pg;

/* First in a transaction that puts or sweeps: a package that one finds there must not be swept by another before it is
 * used. */
int code_store_lock(struct pg *pg, int64_t account_id, struct err *err);
/* Quota code_bytes allows these. */
int code_store_room(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], size_t length,
                    struct err *err);
int code_store_put(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], const void *zip,
                   size_t length, int64_t unzipped_bytes, struct err *err);
/* What no function and no layer uses any more goes. */
int code_store_sweep(struct pg *pg, int64_t account_id, struct err *err);
/* How large its files are. */
int code_store_unzipped(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], int64_t *unzipped_bytes,
                        struct err *err);

#endif
