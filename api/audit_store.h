/*
 * audit_store.h - the append-only audit log, and answers kept for Idempotency-Key.
 */
#ifndef FARTHING_API_AUDIT_STORE_H
#define FARTHING_API_AUDIT_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"

struct buf;
struct err;
struct pg;

struct audit_row {
    int64_t audit_id;
    int64_t at_us;
    int64_t key_id;     /* 0: the program itself */
    int64_t account_id; /* 0: none */
    const char *action, *subject;
    const char *detail; /* JSON object */
};

int audit_store_put(struct pg *pg, const struct audit_row *row, struct err *err);
typedef int audit_row_fn(const struct audit_row *row, void *ctx, struct err *err);
/* Newest first; before 0: from the newest; account_id 0: all. */
int audit_store_list(struct pg *pg, int64_t account_id, int64_t before, int64_t limit, audit_row_fn *on_row, void *ctx,
                     struct err *err);

enum idempotency { IDEMPOTENCY_FRESH, IDEMPOTENCY_REPLAY, IDEMPOTENCY_RUNNING, IDEMPOTENCY_MISMATCH };

/* Claim key; REPLAY: status, headers (JSON) and sealed body of the first answer are filled. A claim whose request never
 * ended is free again after five minutes; answers are kept for 24 hours. */
int idempotency_store_begin(struct pg *pg, int64_t account_id, const char *key, const uint8_t request[SHA256_BYTES],
                            enum idempotency *result, int *status, struct buf *headers, struct buf *sealed,
                            struct err *err);
int idempotency_store_end(struct pg *pg, int64_t account_id, const char *key, int status, const char *headers,
                          const void *sealed, size_t length, struct err *err);
int idempotency_store_drop(struct pg *pg, int64_t account_id, const char *key, struct err *err);
/* Remove what is older than 24 hours. */
int idempotency_store_expire(struct pg *pg, struct err *err);

#endif
