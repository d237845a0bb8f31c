/*
 * key_store.h - API keys (tables api_key, auth_epoch). Secrets come in hashed or sealed, never plain.
 */
#ifndef FARTHING_API_KEY_STORE_H
#define FARTHING_API_KEY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"

struct buf;
struct err;
struct pg;

struct key_row {
    int64_t key_id;
    int64_t account_id; /* 0: admin */
    char account_name[64];
    bool account_suspended;
    char scope[16];
    char name[128];
    char prefix[16];
    char sigv4_id[32];                                        /* "" when it has none */
    int64_t created_us, expires_us, revoked_us, last_used_us; /* 0: null */
};

struct key_new {
    int64_t account_id; /* 0: admin */
    const char *scope, *name, *prefix;
    const uint8_t *secret_sha256;
    const char *sigv4_id; /* NULL: none */
    const void *sigv4_sealed;
    size_t sigv4_sealed_length;
    int64_t expires_us; /* 0: never */
};

int key_store_put(struct pg *pg, const struct key_new *key, int64_t *key_id, struct err *err);
/* By SHA-256 of the secret, or by AWS access key id; sealed gets the sealed AWS secret. ERR_NOT_FOUND. */
int key_store_find(struct pg *pg, const uint8_t sha256[SHA256_BYTES], struct key_row *row, struct buf *sealed,
                   struct err *err);
int key_store_find_sigv4(struct pg *pg, const char *access_key_id, struct key_row *row, struct buf *sealed,
                         struct err *err);
typedef int key_row_fn(const struct key_row *row, void *ctx, struct err *err);
/* account_id 0: admin keys. In order of id, after exclusive. */
int key_store_list(struct pg *pg, int64_t account_id, int64_t after, int64_t limit, key_row_fn *on_row, void *ctx,
                   struct err *err);
/* ERR_NOT_FOUND also when it is another account's. Revoking twice is fine. Moves the epoch. */
int key_store_revoke(struct pg *pg, int64_t account_id, int64_t key_id, struct err *err);
/* ids: "{1,2,3}". */
int key_store_used(struct pg *pg, const char *ids, struct err *err);
int key_store_epoch(struct pg *pg, int64_t *epoch, struct err *err);
/* Move the epoch and tell the other nodes. */
int key_store_touch(struct pg *pg, struct err *err);

#define AUTH_CHANNEL "farthing_auth"

#endif
