/*
 * answers.h - the same question again: answers of usage and cost are kept for a moment, as long as nothing they were
 * made from has changed.
 *
 * Why:       a month of hourly sums takes milliseconds to add up, and dashboards ask the same every few seconds, many
 * of them at once. An answer says up to when it is complete (complete_through); within ANSWERS_TTL_US (and
 * ANSWERS_RENEW_US, while one request makes the next) it is given again when no record was stored anywhere and no
 * price, invoice, credit, function or account of the caller changed, which one short statement tells. The statement
 * runs before what it vouches for is read, so a change in between costs a reading, never a wrong answer.
 * Threads:   any.
 */
#ifndef FARTHING_API_ANSWERS_H
#define FARTHING_API_ANSWERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define ANSWERS_TTL_US INT64_C(5000000)
#define ANSWERS_RENEW_US INT64_C(5000000) /* so much longer while one request makes the next */
#define ANSWERS_RENEWING 1                /* renewed at a time */
#define ANSWERS_STAMP_BYTES 400

struct answers;
struct err;
struct pg;
struct request;

struct answers *answers_new(void);
void answers_free(struct answers **answers);

/* One request: begin before the handler, end after it when it succeeded and begin had nothing. */
struct answer_run {
    struct answers *answers; /* NULL: not kept */
    struct buf key;
    char stamp[ANSWERS_STAMP_BYTES];
    int header_count;
    bool renews;
};
/* True: the reply is there. */
bool answers_begin(struct answers *answers, struct request *request, struct answer_run *run);
void answers_end(struct request *request, struct answer_run *run, bool good);

/* answers_store.c: what answers about an account were made from, as a text that is another one when it changes. */
int answers_stamp(struct pg *pg, int64_t account_id, char stamp[ANSWERS_STAMP_BYTES], struct err *err);

#endif
