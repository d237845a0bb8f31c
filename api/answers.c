#include "api/answers.h"

#include "api/http.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_BYTES_MAX (16 * 1024 * 1024) /* of all; then all are forgotten */
#define ANSWER_BYTES_MAX (256 * 1024)        /* longer ones are not kept */

struct answer {
    int64_t made_us;
    bool renewed; /* one request is making the next one */
    char stamp[ANSWERS_STAMP_BYTES];
    const char *content_type;
    struct buf body;
    int header_count;
    struct reply_header headers[REPLY_HEADERS_MAX];
};

struct answers {
    pthread_mutex_t lock;
    struct map *kept;
    size_t bytes;
    int renewing;
};

static void answer_free(struct answer *answer)
{
    for (int i = 0; i < answer->header_count; i++) {
        free(answer->headers[i].value);
    }
    buf_free(&answer->body);
    free(answer);
}

static void free_one(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    answer_free(value);
}

struct answers *answers_new(void)
{
    struct answers *answers = calloc(1, sizeof *answers);
    if (answers != NULL) {
        (void)pthread_mutex_init(&answers->lock, NULL);
        answers->kept = map_new();
        CHECK(answers->kept != NULL);
    }
    return answers;
}

void answers_free(struct answers **answers)
{
    struct answers *self = *answers;
    *answers = NULL;
    if (self != NULL) {
        map_each(self->kept, free_one, NULL);
        map_free(&self->kept);
        (void)pthread_mutex_destroy(&self->lock);
        free(self);
    }
}

/* Who asks matters as much as what: an admin's answer may say more than a tenant's. */
static void key_of(const struct request *request, struct buf *key)
{
    const char *accept = request_header(request, "Accept");
    buf_append(key, &request->account_id, sizeof request->account_id);
    buf_append(key, &request->caller.account_id, sizeof request->caller.account_id);
    buf_putc(key, (char)('0' + (int)request->caller.scope));
    buf_puts(key, request->method_name);
    buf_putc(key, ' ');
    buf_puts(key, request->uri);
    buf_putc(key, ' ');
    buf_puts(key, accept != NULL ? accept : "");
}

static void give(const struct answer *answer, struct request *request)
{
    struct reply *reply = &request->reply;
    reply->status = 200;
    reply->content_type = answer->content_type;
    buf_append(&reply->body, answer->body.data, answer->body.length);
    for (int i = 0; i < answer->header_count; i++) {
        reply_header(reply, answer->headers[i].name, answer->headers[i].value);
    }
}

/* When its time is over, one request makes the next one; the others are given this one for a moment more. Otherwise all
 * who ask at that moment would do the same work, and wait for each other's. Nor do the answers of many accounts that
 * were made together have to be made anew together: that would take all workers. */
static bool may_give(struct answers *answers, struct answer *answer, struct answer_run *run)
{
    int64_t age_us = clock_mono_us() - answer->made_us;
    if (age_us >= ANSWERS_TTL_US + ANSWERS_RENEW_US || strcmp(answer->stamp, run->stamp) != 0) {
        return false;
    }
    if (age_us < ANSWERS_TTL_US || answer->renewed || answers->renewing == ANSWERS_RENEWING) {
        return true;
    }
    answer->renewed = true;
    answers->renewing++;
    run->renews = true;
    return false;
}

bool answers_begin(struct answers *answers, struct request *request, struct answer_run *run)
{
    struct err ignored = {0};
    bool found = false;
    *run = (struct answer_run){.header_count = request->reply.header_count};
    if (answers == NULL || request->pg == NULL || request->account_id == 0 ||
        answers_stamp(request->pg, request->account_id, run->stamp, &ignored) != 0) {
        return false; /* the handler will say what is wrong */
    }
    key_of(request, &run->key);
    if (!buf_ok(&run->key)) {
        buf_free(&run->key);
        return false;
    }
    run->answers = answers;
    (void)pthread_mutex_lock(&answers->lock);
    struct answer *answer = map_get(answers->kept, run->key.data, run->key.length);
    if (answer != NULL && may_give(answers, answer, run)) {
        give(answer, request);
        found = true;
    }
    (void)pthread_mutex_unlock(&answers->lock);
    if (found) {
        buf_free(&run->key);
        run->answers = NULL;
    }
    return found;
}

/* NULL: there is no memory for it, or it is of a kind that is not kept. */
static struct answer *copy_of(const struct request *request, const struct answer_run *run)
{
    const struct reply *reply = &request->reply;
    bool plain = reply->status == 200 && reply->fd < 0 && reply->stream == NULL && reply->static_body == NULL &&
                 !reply->encoded && reply->body.length <= ANSWER_BYTES_MAX && buf_ok(&reply->body);
    struct answer *answer = plain ? calloc(1, sizeof *answer) : NULL;
    if (answer == NULL) {
        return NULL;
    }
    answer->content_type = reply->content_type;
    answer->made_us = request->started_mono_us;
    memcpy(answer->stamp, run->stamp, sizeof answer->stamp);
    buf_append(&answer->body, reply->body.data, reply->body.length);
    for (int i = run->header_count; i < reply->header_count; i++) {
        struct reply_header *header = &answer->headers[answer->header_count++];
        header->name = reply->headers[i].name;
        header->value = strdup(reply->headers[i].value);
        CHECK(header->value != NULL);
    }
    if (!buf_ok(&answer->body)) {
        answer_free(answer);
        return NULL;
    }
    return answer;
}

static void keep(struct answers *answers, const struct buf *key, struct answer *answer)
{
    size_t bytes = sizeof *answer + answer->body.length + key->length;
    (void)pthread_mutex_lock(&answers->lock);
    if (answers->bytes + bytes > ANSWERS_BYTES_MAX) {
        map_each(answers->kept, free_one, NULL);
        map_free(&answers->kept);
        answers->kept = map_new();
        CHECK(answers->kept != NULL);
        answers->bytes = 0;
    }
    struct answer *before = map_get(answers->kept, key->data, key->length);
    if (before != NULL) {
        answers->bytes -= sizeof *before + before->body.length + key->length;
        answer_free(before);
    }
    CHECK(map_put(answers->kept, key->data, key->length, answer) == 0);
    answers->bytes += bytes;
    (void)pthread_mutex_unlock(&answers->lock);
}

void answers_end(struct request *request, struct answer_run *run, bool good)
{
    struct answer *answer = run->answers != NULL && good ? copy_of(request, run) : NULL;
    if (run->renews) {
        (void)pthread_mutex_lock(&run->answers->lock);
        run->answers->renewing--;
        (void)pthread_mutex_unlock(&run->answers->lock);
    }
    if (answer != NULL) {
        keep(run->answers, &run->key, answer);
    }
    buf_free(&run->key);
    run->answers = NULL;
}
