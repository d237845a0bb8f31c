/*
 * idempotency.h - Idempotency-Key on creates: the same key with the same request gets the same answer for 24 hours.
 */
#ifndef FARTHING_API_IDEMPOTENCY_H
#define FARTHING_API_IDEMPOTENCY_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct request;

struct idempotency_run {
    bool claimed;  /* end it */
    bool replayed; /* the reply is set from the first answer */
    int64_t account_id;
    char key[256];
};

int idempotency_begin(struct request *request, struct idempotency_run *run, struct err *err);
/* Keep the reply (below 500), or free the key. Nothing when it was not claimed. */
void idempotency_end(struct request *request, struct idempotency_run *run);

#endif
