#include "metering/ingest_turns.h"

#include "common/check.h"
#include "common/err.h"
#include "schema/pg.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum turn_state { TURN_IDLE, TURN_ASKED, TURN_DONE };

struct lane {
    struct pg *pg;
    struct ingest *ingest;
    struct spool_batch batch; /* its numbers; records are gone */
    struct ingest_state state;
};

struct ingest_turns {
    char *conninfo;
    struct lane lanes[2];
    int next; /* lane of the next batch; the other one is being ended */
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* to the thread */
    pthread_cond_t done; /* from it */
    bool stop;
    enum turn_state turn;
    struct lane *ending;
    struct ingest_cursor cursor; /* where the last batch ended */
    int rc;
    struct err err;
};

static void *thread_main(void *arg)
{
    struct ingest_turns *turns = arg;
    CHECK(pthread_mutex_lock(&turns->lock) == 0);
    for (;;) {
        while (turns->turn != TURN_ASKED && !turns->stop) {
            CHECK(pthread_cond_wait(&turns->wake, &turns->lock) == 0);
        }
        if (turns->turn != TURN_ASKED) {
            break;
        }
        struct lane *lane = turns->ending;
        struct ingest_cursor cursor = turns->cursor;
        struct err err = {0};
        CHECK(pthread_mutex_unlock(&turns->lock) == 0);
        int rc = ingest_end(lane->ingest, lane->pg, &lane->batch, &lane->state, &cursor, &err);
        CHECK(pthread_mutex_lock(&turns->lock) == 0);
        turns->cursor = cursor;
        turns->rc = rc;
        turns->err = err;
        turns->turn = TURN_DONE;
        CHECK(pthread_cond_signal(&turns->done) == 0);
    }
    CHECK(pthread_mutex_unlock(&turns->lock) == 0);
    return NULL;
}

int ingest_turns_new(const char *conninfo, struct ingest_turns **out, struct err *err)
{
    struct ingest_turns *turns = calloc(1, sizeof *turns);
    if (turns == NULL) {
        return err_set(err, ERR_SYSTEM, "ingest: out of memory");
    }
    CHECK(pthread_mutex_init(&turns->lock, NULL) == 0 && pthread_cond_init(&turns->wake, NULL) == 0 &&
          pthread_cond_init(&turns->done, NULL) == 0);
    turns->conninfo = strdup(conninfo);
    if (turns->conninfo == NULL) {
        (void)err_set(err, ERR_SYSTEM, "ingest: out of memory");
    } else if (ingest_new(&turns->lanes[0].ingest, err) == 0 && ingest_new(&turns->lanes[1].ingest, err) == 0) {
        if (pthread_create(&turns->thread, NULL, thread_main, turns) == 0) {
            turns->started = true;
            *out = turns;
            return 0;
        }
        (void)err_set(err, ERR_SYSTEM, "ingest: cannot start a thread");
    }
    ingest_turns_free(&turns);
    return -1;
}

void ingest_turns_free(struct ingest_turns **out)
{
    struct ingest_turns *turns = *out;
    if (turns == NULL) {
        return;
    }
    if (turns->started) {
        CHECK(pthread_mutex_lock(&turns->lock) == 0);
        turns->stop = true;
        CHECK(pthread_cond_signal(&turns->wake) == 0);
        CHECK(pthread_mutex_unlock(&turns->lock) == 0);
        CHECK(pthread_join(turns->thread, NULL) == 0);
    }
    for (int i = 0; i < 2; i++) {
        ingest_free(&turns->lanes[i].ingest);
        pg_close(&turns->lanes[i].pg);
    }
    (void)pthread_cond_destroy(&turns->wake);
    (void)pthread_cond_destroy(&turns->done);
    (void)pthread_mutex_destroy(&turns->lock);
    free(turns->conninfo);
    free(turns);
    *out = NULL;
}

int ingest_turns_wait(struct ingest_turns *turns, struct ingest_cursor *cursor, bool *stored, struct err *err)
{
    int rc = 0;
    *stored = false;
    CHECK(pthread_mutex_lock(&turns->lock) == 0);
    while (turns->turn == TURN_ASKED) {
        CHECK(pthread_cond_wait(&turns->done, &turns->lock) == 0);
    }
    if (turns->turn == TURN_DONE) {
        turns->turn = TURN_IDLE;
        rc = turns->rc;
        *stored = rc == 0;
        if (rc == 0) {
            *cursor = turns->cursor;
        } else if (err != NULL) {
            *err = turns->err;
        }
    }
    CHECK(pthread_mutex_unlock(&turns->lock) == 0);
    return rc;
}

static void ask(struct ingest_turns *turns, struct lane *lane, const struct ingest_cursor *from)
{
    CHECK(pthread_mutex_lock(&turns->lock) == 0);
    turns->ending = lane;
    turns->cursor = *from;
    turns->turn = TURN_ASKED;
    CHECK(pthread_cond_signal(&turns->wake) == 0);
    CHECK(pthread_mutex_unlock(&turns->lock) == 0);
}

int ingest_turns_put(struct ingest_turns *turns, const struct spool_batch *batch, const struct ingest_state *state,
                     struct ingest_cursor *cursor, bool *stored, struct err *err)
{
    struct lane *lane = &turns->lanes[turns->next];
    struct err failure = {0};
    int rc = lane->pg == NULL ? pg_open(turns->conninfo, &lane->pg, &failure) : pg_ensure(lane->pg, &failure);
    CHECK(batch->hole_count == 0);
    if (rc == 0) {
        rc = ingest_begin(lane->ingest, lane->pg, batch, cursor->producer_id, &failure);
    }
    if (ingest_turns_wait(turns, cursor, stored, err) != 0) {
        if (rc == 0) {
            pg_rollback(lane->pg);
        }
        return -1;
    }
    if (rc != 0) {
        if (err != NULL) {
            *err = failure;
        }
        return -1;
    }
    lane->batch = *batch;
    lane->batch.records = NULL;
    lane->batch.holes = NULL;
    lane->state = *state;
    turns->next = 1 - turns->next;
    ask(turns, lane, cursor);
    return 0;
}
