/*
 * usage_feed.h - usage records as OpenFaaS's function_usage webhooks, so that receivers written for those work here.
 *
 * Who:       webhooks whose events name function_usage (a webhook for all events gets none: it would be told of each
 * call). Order:     a batch holds invocations in order of start, up to the instant all records are known to be in; one
 * that arrives later than that is on the bill, but in no batch. The batch is queued and the cursor moved by one
 * statement, so none is lost and none is in two batches; a receiver may see a batch twice (X-Openfaas-Delivery tells).
 * Ownership: borrows pg. Threads: one struct pg a thread; many nodes may do it side by side.
 */
#ifndef FARTHING_API_USAGE_FEED_H
#define FARTHING_API_USAGE_FEED_H

#include <stdint.h>

struct err;
struct pg;

#define USAGE_FEED_EVENT "function_usage"
#define USAGE_FEED_BATCH_MAX 1000  /* invocations a call */
#define USAGE_FEED_EVERY_MS 10000  /* how often it is looked for something to tell */
#define USAGE_FEED_HOOKS_MAX 10000 /* of a node's look */

/* Queue what is due for every such webhook; *queued counts invocations. */
int usage_feed_run(struct pg *pg, int64_t *queued, struct err *err);

#endif
