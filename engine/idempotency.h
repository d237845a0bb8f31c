/*
 * idempotency.h - a repeated call with the same key gets the first run's answer instead of a second run and a second
 * charge.
 *
 * Limits:  in memory of one node; IDEM_KEEP_NS after the answer; at most IDEM_ENTRIES_MAX keys and IDEM_BYTES_MAX of
 * answers, the oldest go first. Refusals (429) and failures that ran nothing are forgotten at once, so that a retry may
 * run. Threads: any.
 */
#ifndef FARTHING_ENGINE_IDEMPOTENCY_H
#define FARTHING_ENGINE_IDEMPOTENCY_H

#include <stdint.h>

#include "engine/engine.h"

#define IDEM_KEEP_NS INT64_C(900000000000)
#define IDEM_ENTRIES_MAX 65536
#define IDEM_BYTES_MAX (INT64_C(256) * 1024 * 1024)
#define IDEM_KEY_BYTES_MAX 256

struct idem;
struct idem_entry;

int idem_open(struct idem **idem, struct err *err);
void idem_close(struct idem **idem);

enum idem_verdict {
    IDEM_FIRST,  /* run it; *entry must be finished with idem_finish */
    IDEM_JOINED, /* it runs already: done will be called with its answer */
    IDEM_KNOWN   /* known was called with the answer kept */
};

/* done is called from idem_finish's thread; known right here, under the lock: it copies and returns. */
enum idem_verdict idem_begin(struct idem *idem, int64_t account_id, const char *function, const char *key,
                             int64_t now_ns, invoke_done_fn *done, void *ctx, invoke_done_fn *known, void *known_ctx,
                             struct idem_entry **entry);
/* The first run is over: its answer goes to those who joined, and is kept. */
void idem_finish(struct idem *idem, struct idem_entry *entry, const struct invoke_result *result);

#endif
