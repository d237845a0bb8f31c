#include "api/answers.h"

#include "api/http.h"
#include "api/server.h"
#include "api/stamper.h"
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
    char stamp[ANSWERS_STAMP_BYTES];
    const char *content_type;
    bool encoded;
    struct buf body;
    int header_count;
    struct reply_header headers[REPLY_HEADERS_MAX];
};

struct answers {
    pthread_mutex_t lock;
    struct map *kept;
    size_t bytes;
    struct stamper *stamper;
    answers_hand_over_fn *hand_over;
    int64_t claimed_until_us; /* until then one request makes the next of some answer */
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
    buf_puts(key, request_takes_gzip(request) ? " gzip" : "");
}

static void give(const struct answer *answer, struct request *request)
{
    struct reply *reply = &request->reply;
    reply->status = 200;
    reply->content_type = answer->content_type;
    reply->encoded = answer->encoded;
    buf_append(&reply->body, answer->body.data, answer->body.length);
    for (int i = 0; i < answer->header_count; i++) {
        reply_header(reply, answer->headers[i].name, answer->headers[i].value);
    }
}

enum fate { FATE_GIVE, FATE_RENEW, FATE_OLD };

/* When its time is over, the first who asks makes the next one; the others are given this one for a moment more.
 * Otherwise all who ask at that moment would do the same work, and wait for each other's. Nor are the answers of many
 * accounts that were made together made anew together: that would take all workers. Who was to make one and never came
 * back loses the right after ANSWERS_CLAIM_US. Locked. */
static enum fate fate_of(const struct answers *answers, const struct answer *answer)
{
    int64_t now_us = clock_mono_us();
    int64_t age_us = now_us - answer->made_us;
    if (age_us >= ANSWERS_TTL_US + ANSWERS_RENEW_US) {
        return FATE_OLD;
    }
    return age_us < ANSWERS_TTL_US || now_us < answers->claimed_until_us ? FATE_GIVE : FATE_RENEW;
}

/* The next answer is made apart from any request: who asks is given the one that is there. */
static void renew_apart(struct answers *answers, const struct request *request)
{
    struct request *copy = request_copy(request);
    if (copy != NULL) { /* else the claim ends by itself */
        copy->renews = true;
        answers->hand_over(copy);
    }
}

/* The kept answer to a question; NULL when there is none that is young enough. *renew: it is to be made anew, and the
 * right to that is this call's. Locked. */
static const struct answer *look_up(struct answers *answers, const struct buf *key, bool *renew)
{
    const struct answer *answer = map_get(answers->kept, key->data, key->length);
    enum fate fate = answer != NULL ? fate_of(answers, answer) : FATE_OLD;
    *renew = fate == FATE_RENEW;
    if (*renew) {
        answers->claimed_until_us = clock_mono_us() + ANSWERS_CLAIM_US;
    }
    return fate == FATE_OLD ? NULL : answer;
}

static bool have(struct answers *answers, const struct request *request)
{
    struct buf key = {0};
    bool found = false;
    bool renew = false;
    key_of(request, &key);
    if (buf_ok(&key)) {
        (void)pthread_mutex_lock(&answers->lock);
        found = look_up(answers, &key, &renew) != NULL;
        (void)pthread_mutex_unlock(&answers->lock);
    }
    buf_free(&key);
    if (renew) {
        renew_apart(answers, request);
    }
    return found;
}

bool answers_wait(struct answers *answers, struct request *request)
{
    if (!have(answers, request)) {
        return false;
    }
    request_suspend(request);
    return stamper_put(answers->stamper, request);
}

static bool give_kept(struct answers *answers, struct request *request, const struct buf *key, const char *stamp)
{
    bool renew = false;
    (void)pthread_mutex_lock(&answers->lock);
    const struct answer *answer = look_up(answers, key, &renew);
    bool given = answer != NULL && strcmp(answer->stamp, stamp) == 0;
    if (given) {
        give(answer, request);
    }
    (void)pthread_mutex_unlock(&answers->lock);
    if (renew) {
        renew_apart(answers, request);
    }
    return given;
}

static void on_stamp(struct request *request, const char *stamp, void *ctx)
{
    struct answers *answers = ctx;
    struct buf key = {0};
    key_of(request, &key);
    if (stamp != NULL && buf_ok(&key) && give_kept(answers, request, &key, stamp)) {
        request_finish(request);
    } else {
        answers->hand_over(request);
    }
    buf_free(&key);
}

int answers_open(const char *conninfo, answers_hand_over_fn *hand_over, struct answers **out, struct err *err)
{
    struct answers *answers = calloc(1, sizeof *answers);
    if (answers == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    (void)pthread_mutex_init(&answers->lock, NULL);
    answers->kept = map_new();
    CHECK(answers->kept != NULL);
    answers->hand_over = hand_over;
    if (stamper_open(conninfo, on_stamp, answers, &answers->stamper, err) != 0) {
        answers_close(&answers);
        return -1;
    }
    *out = answers;
    return 0;
}

void answers_quiesce(struct answers *answers)
{
    if (answers != NULL && answers->stamper != NULL) {
        stamper_stop(answers->stamper);
    }
}

void answers_close(struct answers **answers)
{
    struct answers *self = *answers;
    *answers = NULL;
    if (self != NULL) {
        stamper_close(&self->stamper);
        map_each(self->kept, free_one, NULL);
        map_free(&self->kept);
        (void)pthread_mutex_destroy(&self->lock);
        free(self);
    }
}

bool answers_begin(struct answers *answers, struct request *request, struct answer_run *run)
{
    struct err ignored = {0};
    *run = (struct answer_run){.stamp.account_id = request->account_id, .header_count = request->reply.header_count};
    if (request->pg == NULL || request->account_id == 0 || answers_stamps(request->pg, &run->stamp, 1, &ignored) != 0 ||
        run->stamp.text[0] == '\0') {
        return false; /* the handler will say what is wrong */
    }
    key_of(request, &run->key);
    if (!buf_ok(&run->key)) {
        buf_free(&run->key);
        return false;
    }
    if (!request->renews && give_kept(answers, request, &run->key, run->stamp.text)) {
        buf_free(&run->key);
        return true;
    }
    run->answers = answers;
    return false;
}

static bool may_keep(const struct reply *reply)
{
    return reply->status == 200 && reply->fd < 0 && reply->stream == NULL && reply->static_body == NULL &&
           reply->body.length <= ANSWER_BYTES_MAX && buf_ok(&reply->body);
}

/* With its tag, and packed for who takes it packed, which is work too. NULL: there is no memory for it, or it is of a
 * kind that is not kept. */
static struct answer *copy_of(struct request *request, const struct answer_run *run)
{
    const struct reply *reply = &request->reply;
    if (may_keep(reply)) {
        reply_settle(request);
    }
    struct answer *answer = may_keep(reply) ? calloc(1, sizeof *answer) : NULL;
    if (answer == NULL) {
        return NULL;
    }
    answer->encoded = reply->encoded;
    answer->content_type = reply->content_type;
    answer->made_us = request->started_mono_us;
    memcpy(answer->stamp, run->stamp.text, sizeof answer->stamp);
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
    if (answer != NULL) {
        keep(run->answers, &run->key, answer);
    }
    if (run->answers != NULL && request->renews) {
        (void)pthread_mutex_lock(&run->answers->lock);
        run->answers->claimed_until_us = 0;
        (void)pthread_mutex_unlock(&run->answers->lock);
    }
    buf_free(&run->key);
    run->answers = NULL;
}
