/*
 * async.h - events (INVOKE_EVENT): accepted into the database first, run from there, retried as Lambda does.
 *
 * Promise: once INVOKE_ACCEPTED was told, the event is run at least once or ends at its destination, through any crash.
 * Timing:  a failed run again after 1 and 2 minutes (2 retries); a refused one with backoff 1 s to 5 min until its age
 * is 6 h, or at once out of the queue where the function is reserved no concurrency; event_config.h may say less of
 * both, and where the outcome goes.
 */
#ifndef FARTHING_ENGINE_ASYNC_H
#define FARTHING_ENGINE_ASYNC_H

#include <stdint.h>

struct async;
struct call;
struct engine;
struct err;

int async_open(struct engine *engine, struct async **async, struct err *err);
/* No more events are taken from the queue; those that run go on. */
void async_stop(struct async *async);
void async_close(struct async **async);
/* Put a call of type INVOKE_EVENT into the queue; it is answered (accepted, refused, failed). The reference moves. */
void async_accept(struct async *async, struct call *call);

#endif
