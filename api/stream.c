#include "api/stream.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/http.h"
#include "api/server.h"
#include "common/clock.h"
#include "common/err.h"

#define STREAM_LOOK_MS 100
#define STREAM_BLOCK_BYTES 16384

struct reply_stream {
    struct streams *_Atomic streams; /* NULL until the first byte is asked for */
    struct MHD_Connection *connection;
    reply_stream_fn *next;
    bool told;
    void (*done)(void *ctx);
    void *ctx;
    struct reply_stream *next_waiting;
    bool woken; /* something came between looking and suspending */
};

struct streams {
    pthread_t ticker;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct reply_stream *waiting; /* suspended connections that the ticker resumes */
    struct reply_stream *resting; /* suspended until they are told */
    bool stop, end;
};

static void resume_all(struct reply_stream **list)
{
    while (*list != NULL) {
        struct reply_stream *stream = *list;
        *list = stream->next_waiting;
        MHD_resume_connection(stream->connection);
    }
}

static void *ticker_main(void *ctx)
{
    struct streams *streams = ctx;
    pthread_mutex_lock(&streams->lock);
    while (!streams->end) {
        if (streams->waiting == NULL) {
            pthread_cond_wait(&streams->wake, &streams->lock);
            continue;
        }
        struct timespec until;
        clock_deadline(STREAM_LOOK_MS, &until);
        while (!streams->stop && pthread_cond_timedwait(&streams->wake, &streams->lock, &until) != ETIMEDOUT) {
        }
        resume_all(&streams->waiting);
    }
    pthread_mutex_unlock(&streams->lock);
    return NULL;
}

int streams_open(struct streams **out, struct err *err)
{
    struct streams *streams = calloc(1, sizeof *streams);
    if (streams == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&streams->lock, NULL);
    pthread_cond_init(&streams->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&streams->ticker, NULL, ticker_main, streams) != 0) {
        free(streams);
        return err_set(err, ERR_SYSTEM, "cannot start a thread: %s", strerror(errno));
    }
    *out = streams;
    return 0;
}

void streams_stop(struct streams *streams)
{
    pthread_mutex_lock(&streams->lock);
    streams->stop = true;
    pthread_cond_signal(&streams->wake);
    pthread_mutex_unlock(&streams->lock);
}

void streams_close(struct streams **ref)
{
    struct streams *streams = *ref;
    if (streams == NULL) {
        return;
    }
    *ref = NULL;
    pthread_mutex_lock(&streams->lock);
    streams->end = true;
    streams->stop = true;
    resume_all(&streams->resting);
    pthread_cond_signal(&streams->wake);
    pthread_mutex_unlock(&streams->lock);
    pthread_join(streams->ticker, NULL);
    pthread_mutex_destroy(&streams->lock);
    pthread_cond_destroy(&streams->wake);
    free(streams);
}

static ssize_t on_read(void *ctx, uint64_t position, char *bytes, size_t size)
{
    struct reply_stream *stream = ctx;
    struct streams *streams = stream->streams;
    (void)position;
    ssize_t got = 0;
    bool end = false;
    do {
        pthread_mutex_lock(&streams->lock);
        stream->woken = false;
        pthread_mutex_unlock(&streams->lock);
        got = stream->next(stream->ctx, bytes, size);
        if (got > 0) {
            return got;
        }
        pthread_mutex_lock(&streams->lock);
        end = got < 0 || streams->end || (streams->stop && !stream->told);
        if (end || !stream->woken) {
            break;
        }
        pthread_mutex_unlock(&streams->lock);
    } while (true);
    if (!end) {
        MHD_suspend_connection(stream->connection);
        struct reply_stream **list = stream->told ? &streams->resting : &streams->waiting;
        stream->next_waiting = *list;
        *list = stream;
        pthread_cond_signal(&streams->wake);
    }
    pthread_mutex_unlock(&streams->lock);
    return !end ? 0 : got == REPLY_STREAM_CUT ? MHD_CONTENT_READER_END_WITH_ERROR : MHD_CONTENT_READER_END_OF_STREAM;
}

void reply_stream_wake(struct reply_stream *stream)
{
    struct streams *streams = stream->streams;
    if (streams == NULL) {
        return; /* not begun: it looks for itself */
    }
    pthread_mutex_lock(&streams->lock);
    stream->woken = true;
    for (struct reply_stream **at = &streams->resting; *at != NULL; at = &(*at)->next_waiting) {
        if (*at == stream) {
            *at = stream->next_waiting;
            MHD_resume_connection(stream->connection);
            break;
        }
    }
    pthread_mutex_unlock(&streams->lock);
}

static void on_free(void *ctx)
{
    reply_stream_drop(ctx);
}

void reply_stream_drop(struct reply_stream *stream)
{
    stream->done(stream->ctx);
    free(stream);
}

struct reply_stream *reply_stream_set(struct request *request, const char *content_type, bool told,
                                      reply_stream_fn *next, void (*done)(void *ctx), void *ctx)
{
    struct reply_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        done(ctx);
        problem_status(request, 500, "system", "out of memory");
        return NULL;
    }
    stream->next = next;
    stream->told = told;
    stream->done = done;
    stream->ctx = ctx;
    request->reply.stream = stream;
    request->reply.status = 200;
    request->reply.content_type = content_type;
    return stream;
}

struct MHD_Response *stream_response(struct streams *streams, struct request *request)
{
    struct reply_stream *stream = request->reply.stream;
    stream->streams = streams;
    stream->connection = request->connection;
    request->reply.stream = NULL; /* the response owns it now */
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, on_read, stream, on_free);
    if (response == NULL) {
        on_free(stream);
    }
    return response;
}
