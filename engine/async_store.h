/*
 * async_store.h - the durable queue of events (table async_event).
 *
 * Ownership: an event taken belongs to this node until owned_until; then another may take it. One struct pg a thread.
 */
#ifndef FARTHING_ENGINE_ASYNC_STORE_H
#define FARTHING_ENGINE_ASYNC_STORE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/uuid.h"

struct err;
struct pg;

#define ASYNC_RETRIES 2
#define ASYNC_AGE_S 21600

struct async_event {
    int64_t account_id, event_id, function_id;
    char function[65], qualifier[129];
    struct uuid request_id;
    int attempt, throttles; /* so far */
    int64_t accepted_us;
    struct buf payload, client_context;
};

void async_event_free(struct async_event *event);

int async_store_put(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                    const struct uuid *request_id, const void *payload, size_t length, const char *client_context,
                    int64_t *function_id, struct err *err);
/* Due events that nobody owns, at most `most`. */
int async_store_take(struct pg *pg, int64_t node_id, int owned_s, int most, struct async_event *events, int *count,
                     struct err *err);
int async_store_remove(struct pg *pg, const struct async_event *event, struct err *err);
/* It ran and failed: again in 1, then 2 minutes; after that it is gone. */
int async_store_failed(struct pg *pg, const struct async_event *event, struct err *err);
/* It could not run: again after 1 s, doubling to 5 minutes, until it is too old. */
int async_store_throttled(struct pg *pg, const struct async_event *event, struct err *err);
int async_store_state(struct pg *pg, int64_t *pending, int64_t *oldest_us, struct err *err);

#endif
