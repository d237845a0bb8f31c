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
#include "engine/event_config.h"

struct err;
struct pg;

struct async_event {
    int64_t account_id, event_id, function_id;
    char function[65], qualifier[129];
    struct uuid request_id;
    int attempt, throttles; /* so far */
    int hops;               /* destinations that led here */
    int runs;               /* this one included; the attempt of its record */
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
/* A node that starts runs nothing yet: what it owned before it died is free again. */
int async_store_release(struct pg *pg, int64_t node_id, int64_t *released, struct err *err);

/* What nodes own whose last sign of life is older than this is free again: they are gone, or cut off from everything.
 */
int async_store_release_dead(struct pg *pg, int dead_s, int64_t *released, struct err *err);

enum async_outcome {
    ASYNC_SUCCEEDED,
    ASYNC_FAILED,    /* it ran, and failed */
    ASYNC_THROTTLED, /* it could not run now */
    ASYNC_GONE       /* its function is not there any more */
};

struct async_end {
    enum async_outcome outcome;
    const char *function_arn; /* with qualifier */
    int version;              /* executed; the rest only when it ran */
    const void *response;
    size_t response_length;
};

/* What becomes of an event after a run, in one transaction: a failed one again after 1, then 2 minutes; one that could
 * not run after 1 s, doubling to 5 minutes, or as soon as another such of its function has run; both until its retries
 * or its age are used up (event_config.h). Then it leaves the queue, and its record is on its way to its destination.
 */
struct async_settled {
    bool dropped;                 /* it left without a run that succeeded */
    struct destination_sent told; /* who heard of it */
};
int async_store_settle(struct pg *pg, const struct async_event *event, const struct async_end *end,
                       struct async_settled *settled, struct err *err);

#endif
