#include "api/pieces.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "api/http.h"
#include "api/server.h"
#include "common/buf.h"

struct pieces {
    pthread_mutex_t lock;
    struct buf pending;
    size_t sent;
    struct reply_stream *reader; /* NULL: the client is gone, or nothing has begun */
    bool begun, ended, cut;
    int refs;
};

struct pieces *pieces_new(void)
{
    struct pieces *pieces = calloc(1, sizeof *pieces);
    if (pieces != NULL) {
        (void)pthread_mutex_init(&pieces->lock, NULL);
        pieces->refs = 1;
    }
    return pieces;
}

void pieces_unref(struct pieces *pieces)
{
    if (pieces == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&pieces->lock);
    bool last = --pieces->refs == 0;
    (void)pthread_mutex_unlock(&pieces->lock);
    if (last) {
        (void)pthread_mutex_destroy(&pieces->lock);
        buf_free(&pieces->pending);
        free(pieces);
    }
}

static ssize_t take(void *ctx, char *bytes, size_t size)
{
    struct pieces *pieces = ctx;
    (void)pthread_mutex_lock(&pieces->lock);
    size_t left = pieces->pending.length - pieces->sent;
    ssize_t got = (ssize_t)(left < size ? left : size);
    if (left == 0 && pieces->ended) {
        got = pieces->cut ? REPLY_STREAM_CUT : REPLY_STREAM_END;
    }
    if (got > 0) {
        memcpy(bytes, pieces->pending.data + pieces->sent, (size_t)got);
        pieces->sent += (size_t)got;
        if (pieces->sent == pieces->pending.length) {
            buf_clear(&pieces->pending);
            pieces->sent = 0;
        }
    }
    (void)pthread_mutex_unlock(&pieces->lock);
    return got;
}

static void client_gone(void *ctx)
{
    struct pieces *pieces = ctx;
    (void)pthread_mutex_lock(&pieces->lock);
    pieces->reader = NULL;
    buf_free(&pieces->pending);
    pieces->sent = 0;
    (void)pthread_mutex_unlock(&pieces->lock);
    pieces_unref(pieces);
}

void pieces_put(struct pieces *pieces, const void *bytes, size_t length)
{
    (void)pthread_mutex_lock(&pieces->lock);
    if (!pieces->begun || pieces->reader != NULL) {
        buf_append(&pieces->pending, bytes, length);
    }
    if (pieces->reader != NULL) {
        reply_stream_wake(pieces->reader);
    }
    (void)pthread_mutex_unlock(&pieces->lock);
}

bool pieces_begun(const struct pieces *pieces)
{
    return pieces != NULL && pieces->begun;
}

void pieces_begin(struct pieces *pieces, struct request *request, const char *content_type)
{
    pieces->begun = true;
    pieces->refs++;
    pieces->reader = reply_stream_set(request, content_type, true, take, client_gone, pieces);
}

void pieces_end(struct pieces *pieces, bool cut)
{
    (void)pthread_mutex_lock(&pieces->lock);
    pieces->ended = true;
    pieces->cut = cut;
    if (pieces->reader != NULL) {
        reply_stream_wake(pieces->reader);
    }
    (void)pthread_mutex_unlock(&pieces->lock);
}
