/*
 * trace_store.h - accounts and functions of a replayed trace, and which of its invocations are stored already.
 *
 * Names:     account "az-" and the first 12 digits of HashOwner; function "fn-" and the first 12 of HashFunction.
 * Ownership: borrows everything.      Threads: one struct pg a thread.
 */
#ifndef FARTHING_METERING_TRACE_STORE_H
#define FARTHING_METERING_TRACE_STORE_H

#include <stdint.h>

struct err;
struct pg;
struct trace;

/* Make what is missing; sets account_id and function_id of every function. */
int trace_store_names(struct pg *pg, struct trace *trace, struct err *err);

typedef void trace_store_id_fn(const uint8_t request_id[16], void *ctx);
/* Request ids stored from this producer with a start in [from_us, to_us). */
int trace_store_ids(struct pg *pg, uint64_t producer_id, int64_t from_us, int64_t to_us, trace_store_id_fn *on_id,
                    void *ctx, struct err *err);

/* Where the producer's cursor is; epoch 0 and -1 when it has none. */
int trace_store_cursor(struct pg *pg, uint64_t producer_id, uint64_t *epoch, int64_t *last_sequence, struct err *err);

#endif
