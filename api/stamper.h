/*
 * stamper.h - of many requests that wait to hear whether their kept answer is still true, one statement asks for all.
 *
 * Why:       a kept answer costs no work but that question, and at 32 connections the question was the work: a
 * statement and two changes of thread a request. Here those who come while one statement runs share the next one, so
 * the more ask the less each costs, and the answer is as true as before: its stamp is read after the request came.
 * Threads:   stamper_put from any; done is called on the stamper's own, which has a connection of its own.
 * Ownership: a request that was put is the stamper's until done; it is linked by request->next.
 */
#ifndef FARTHING_API_STAMPER_H
#define FARTHING_API_STAMPER_H

#include <stdbool.h>

struct err;
struct request;
struct stamper;

#define STAMPER_BATCH_MAX 256
#define STAMPER_WAITING_MAX 2048 /* more are refused: the workers take them */

/* stamp: of request->account_id (answers.h), as it was after the request came. NULL: it could not be asked for. */
typedef void stamper_done_fn(struct request *request, const char *stamp, void *ctx);

/* conninfo is borrowed. */
int stamper_open(const char *conninfo, stamper_done_fn *done, void *ctx, struct stamper **stamper, struct err *err);
/* False: too many wait, or it is closing; the request is the caller's. */
bool stamper_put(struct stamper *stamper, struct request *request);
/* Those that still wait are done; then no more are taken. Once, from one thread. */
void stamper_stop(struct stamper *stamper);
/* Nobody may be putting any more. NULL-safe. */
void stamper_close(struct stamper **stamper);

#endif
