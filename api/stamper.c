#include "api/stamper.h"

#include "api/answers.h"
#include "api/http.h"
#include "api/links.h"
#include "api/request_queue.h"
#include "common/check.h"
#include "common/err.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct stamper {
    const char *conninfo;
    stamper_done_fn *done;
    void *ctx;
    pthread_t thread;
    bool started;
    struct request_queue waiting;
};

/* What one statement asks for. */
struct batch {
    struct request *requests[STAMPER_BATCH_MAX];
    int count;
    struct answers_stamp stamps[STAMPER_BATCH_MAX]; /* one an account, in order of their numbers */
    int stamp_count;
};

bool stamper_put(struct stamper *stamper, struct request *request)
{
    return request_queue_put(&stamper->waiting, request);
}

static int by_account(const void *a, const void *b)
{
    int64_t x = ((const struct answers_stamp *)a)->account_id;
    int64_t y = ((const struct answers_stamp *)b)->account_id;
    return x < y ? -1 : x > y;
}

/* Each account once. */
static void accounts_of(struct batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        batch->stamps[i] = (struct answers_stamp){.account_id = batch->requests[i]->account_id};
    }
    qsort(batch->stamps, (size_t)batch->count, sizeof batch->stamps[0], by_account);
    batch->stamp_count = 0;
    for (int i = 0; i < batch->count; i++) {
        if (i == 0 || batch->stamps[i].account_id != batch->stamps[batch->stamp_count - 1].account_id) {
            batch->stamps[batch->stamp_count++] = batch->stamps[i];
        }
    }
}

static void ask(struct stamper *stamper, struct links *links, struct batch *batch)
{
    struct err ignored = {0}; /* a worker will meet it and say it */
    struct pg *pg = NULL;
    accounts_of(batch);
    if (links_program(links, stamper->conninfo, &pg, &ignored) != 0 ||
        answers_stamps(pg, batch->stamps, batch->stamp_count, &ignored) != 0) {
        batch->stamp_count = 0;
    }
    for (int i = 0; i < batch->count; i++) {
        const struct answers_stamp wanted = {.account_id = batch->requests[i]->account_id};
        const struct answers_stamp *found =
            bsearch(&wanted, batch->stamps, (size_t)batch->stamp_count, sizeof wanted, by_account);
        stamper->done(batch->requests[i], found != NULL && found->text[0] != '\0' ? found->text : NULL, stamper->ctx);
    }
}

static void *stamper_main(void *ctx)
{
    struct stamper *stamper = ctx;
    struct links links = {0};
    struct batch *batch = calloc(1, sizeof *batch);
    CHECK(batch != NULL);
    while ((batch->count = request_queue_take(&stamper->waiting, batch->requests, STAMPER_BATCH_MAX)) > 0) {
        ask(stamper, &links, batch);
    }
    free(batch);
    links_close(&links);
    return NULL;
}

int stamper_open(const char *conninfo, stamper_done_fn *done, void *ctx, struct stamper **out, struct err *err)
{
    struct stamper *stamper = calloc(1, sizeof *stamper);
    if (stamper == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    *stamper = (struct stamper){.conninfo = conninfo, .done = done, .ctx = ctx};
    request_queue_init(&stamper->waiting, STAMPER_WAITING_MAX);
    int code = pthread_create(&stamper->thread, NULL, stamper_main, stamper);
    stamper->started = code == 0;
    if (code != 0) {
        stamper_close(&stamper);
        return err_set(err, ERR_SYSTEM, "cannot start the thread of stamps: %s", strerror(code));
    }
    *out = stamper;
    return 0;
}

void stamper_stop(struct stamper *stamper)
{
    request_queue_stop(&stamper->waiting);
    if (stamper->started) {
        pthread_join(stamper->thread, NULL);
        stamper->started = false;
    }
}

void stamper_close(struct stamper **ref)
{
    struct stamper *stamper = *ref;
    *ref = NULL;
    if (stamper != NULL) {
        stamper_stop(stamper);
        request_queue_destroy(&stamper->waiting);
        free(stamper);
    }
}
