/*
 * answers.h - the same question again: answers of usage and cost are kept for a moment, as long as nothing they were
 * made from has changed.
 *
 * Why:       a month of hourly sums takes milliseconds to add up, and dashboards ask the same every few seconds, many
 * of them at once. An answer says up to when it is complete (complete_through); within ANSWERS_TTL_US (and
 * ANSWERS_RENEW_US, while the next is made) it is given again when no record was stored anywhere and no
 * price, invoice, credit, function or account of the caller changed, which a stamp tells: a text read from the database
 * after the question came (of many questions at once: stamper.h), and before what it vouches for is read, so a change
 * in between costs a reading, never a wrong answer. Threads:   any.
 */
#ifndef FARTHING_API_ANSWERS_H
#define FARTHING_API_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define ANSWERS_TTL_US INT64_C(5000000)
#define ANSWERS_RENEW_US INT64_C(5000000) /* so much longer while the next is made */
#define ANSWERS_CLAIM_US INT64_C(1000000) /* who is to make the next answer has so long */
#define ANSWERS_STAMP_BYTES 400

struct answers;
struct err;
struct pg;
struct request;

/* A worker is to make an answer: for a request that waited and gets no kept one, or (request->renews) for nobody. Any
 * thread. */
typedef void answers_hand_over_fn(struct request *request);

/* conninfo is borrowed. */
int answers_open(const char *conninfo, answers_hand_over_fn *hand_over, struct answers **answers, struct err *err);
/* Nobody waits any more: who did was answered or handed over. NULL-safe, as is closing. */
void answers_quiesce(struct answers *answers);
void answers_close(struct answers **answers);

/* What answers about an account were made from, as a text that is another one when it changes. */
struct answers_stamp {
    int64_t account_id;
    char text[ANSWERS_STAMP_BYTES]; /* "": not asked for */
};
/* answers_store.c: fills the texts of count accounts, in one statement. */
int answers_stamps(struct pg *pg, struct answers_stamp *stamps, int count, struct err *err);

/* On the HTTP thread, without the database. True: there is an answer to this question that is young enough; the request
 * is suspended, and finished or handed over when its stamp is known. False: nothing happened. */
bool answers_wait(struct answers *answers, struct request *request);

/* On a worker: begin before the handler, end after it when it succeeded and begin had nothing. */
struct answer_run {
    struct answers *answers; /* NULL: not kept */
    struct buf key;
    struct answers_stamp stamp;
    int header_count;
};
/* True: the reply is there. */
bool answers_begin(struct answers *answers, struct request *request, struct answer_run *run);
void answers_end(struct request *request, struct answer_run *run, bool good);

#endif
