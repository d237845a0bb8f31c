/* libmicrohttpd, the workers, and the way of a request from its first byte to its reply. */
#include "api/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/function_url.h"
#include "api/guests.h"
#include "api/http.h"
#include "api/links.h"
#include "api/listen.h"
#include "api/request_queue.h"
#include "api/stream.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

#define CONNECTION_IDLE_S 75
/* For the headers of a request and its reply. libmicrohttpd clears all of it after each request: at 64 KiB that was a
 * twelfth of its threads' time on a warm call. */
#define CONNECTION_MEMORY_BYTES (32 * 1024)
/* A body has this long to arrive, plus a second for each BODY_RATE_BYTES of it. */
#define BODY_WAIT_US INT64_C(60000000)
#define BODY_RATE_BYTES 16384
/* Of a body over the limit so much is read and dropped, so that the client gets to read the answer. */
#define BODY_DROP_BYTES_MAX (96u * 1024 * 1024)

enum request_phase { PHASE_NEW, PHASE_BODY, PHASE_RUNNING, PHASE_READY, PHASE_SENT };

struct api {
    struct api_options options;
    struct MHD_Daemon *daemon;
    struct auth *auth;
    struct streams *streams;
    struct guests *guests;
    struct answers *answers;
    struct function_urls *urls;
    char *tls_cert, *tls_key;
    int port;
    pthread_t workers[API_WORKERS];
    int worker_count;
    struct request_queue queue; /* waiting for a worker */
    pthread_mutex_t lock;
    pthread_cond_t idle;
    atomic_bool quiet;
    atomic_int_fast64_t requests[6];
    atomic_int_fast64_t in_flight;
};

const struct api_options *api_get_options(const struct api *api)
{
    return &api->options;
}

struct auth *api_auth(struct api *api)
{
    return api->auth;
}

struct answers *api_answers(struct api *api)
{
    return api->answers;
}

struct function_urls *api_urls(struct api *api)
{
    return api->urls;
}

int api_port(const struct api *api)
{
    return api->port;
}

bool api_stopping(const struct api *api)
{
    return atomic_load(&api->quiet);
}

void api_stats(struct api *api, struct api_stats *stats)
{
    for (int i = 0; i < 6; i++) {
        stats->requests[i] = atomic_load(&api->requests[i]);
    }
    stats->in_flight = atomic_load(&api->in_flight);
    stats->queued = request_queue_count(&api->queue);
}

/* ---- workers ---- */

int request_wall_in(struct request *request, struct err *err)
{
    return request->pg == NULL ? 0
                               : links_tenant(request->links, request->api->options.conninfo,
                                              request->caller.account_id, &request->pg, err);
}

/* Of a request that is nobody's only the kept answer is left. */
static void finish_one(struct request *request)
{
    if (request->renews) {
        request_free(request);
    } else {
        request_finish(request);
    }
}

static void worker_run_one(struct api *api, struct request *request, struct links *links)
{
    struct err err = {0};
    if ((request->route->flags & ROUTE_NO_PG) == 0) {
        if (links_program(links, api->options.conninfo, &request->pg, &err) != 0) {
            request->pg = NULL;
            problem_reply(request, &err);
            finish_one(request);
            return;
        }
        request->links = links;
    }
    enum dispatch_result result = dispatch_worker(request);
    if (result != DISPATCH_LATER) {
        request->pg = NULL;
        finish_one(request);
    }
}

static void *worker_main(void *ctx)
{
    struct api *api = ctx;
    struct links links = {0};
    struct request *request;
    while (request_queue_take(&api->queue, &request, 1) == 1) {
        worker_run_one(api, request, &links);
    }
    links_close(&links);
    return NULL;
}

/* ---- requests ---- */

void request_suspend(struct request *request)
{
    if (request->phase == PHASE_RUNNING) {
        return;
    }
    request->phase = PHASE_RUNNING;
    if (request->connection != NULL) {
        MHD_suspend_connection(request->connection);
    }
}

void request_finish(struct request *request)
{
    bool suspended = request->phase == PHASE_RUNNING;
    CHECK(request->reply.status != 0);
    reply_finish(request);
    dispatch_log(request);
    request->phase = PHASE_READY;
    if (suspended && request->connection != NULL) {
        MHD_resume_connection(request->connection);
    }
}

static enum MHD_Result reply_queue(struct request *request)
{
    struct MHD_Response *response = reply_response(request, request->api->streams);
    if (response == NULL) {
        return MHD_NO;
    }
    enum MHD_Result rc = MHD_queue_response(request->connection, (unsigned)request->reply.status, response);
    MHD_destroy_response(response);
    request->phase = PHASE_SENT;
    return rc;
}

/* To the workers, or the reply is set. */
static bool queue_or_refuse(struct request *request)
{
    bool queued = request_queue_put(&request->api->queue, request);
    if (!queued) {
        problem_status(request, 503, "overloaded", "too many requests are waiting on this node; try again in a moment");
    }
    return queued;
}

/* It waited for a kept answer, or is to make one for nobody (answers.h). */
static void on_unanswered(struct request *request)
{
    if (!queue_or_refuse(request)) {
        finish_one(request);
    }
}

/* Run what can run here; hand the rest to the workers. */
static enum MHD_Result request_run(struct request *request)
{
    guests_heard(request->connection);
    enum dispatch_result result = dispatch_inline(request);
    if (result == DISPATCH_LATER) {
        return MHD_YES;
    }
    if (result == DISPATCH_WORKER) {
        request_suspend(request);
        if (queue_or_refuse(request)) {
            return MHD_YES;
        }
    }
    if (request->phase == PHASE_RUNNING) { /* the handler had suspended it, then answered at once */
        request_finish(request);
        return MHD_YES;
    }
    request_finish(request);
    return reply_queue(request);
}

static enum MHD_Result body_take(struct request *request, const char *bytes, size_t *size)
{
    size_t limit = request->route->body_bytes_max;
    int64_t waited_us = clock_mono_us() - request->started_mono_us;
    if (waited_us > BODY_WAIT_US + (int64_t)(request->body.length / BODY_RATE_BYTES) * 1000000) {
        return MHD_NO; /* too slow */
    }
    if (request->body_too_large || request->body.length + *size > limit) {
        request->body_too_large = true;
        request->body.length += *size; /* counts what is dropped; the bytes are gone */
        enum MHD_Result rc = request->body.length > BODY_DROP_BYTES_MAX ? MHD_NO : MHD_YES;
        *size = 0;
        return rc;
    }
    buf_append(&request->body, bytes, *size);
    *size = 0;
    return buf_ok(&request->body) ? MHD_YES : MHD_NO;
}

static bool has_body(const struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    return request_header(request, "Transfer-Encoding") != NULL || (length != NULL && strcmp(length, "0") != 0);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **con_cls)
{
    struct request *request = *con_cls;
    struct api *api = cls;
    (void)url;
    (void)version;
    if (request == NULL) {
        return MHD_NO;
    }
    if (request->phase == PHASE_NEW) {
        request->connection = connection;
        (void)snprintf(request->method_name, sizeof request->method_name, "%s", method);
        request->phase = PHASE_BODY;
        guests_asked(connection);
        atomic_fetch_add(&api->in_flight, 1);
        if (request->reply.status == 0 && dispatch_headers(request)) {
            return MHD_YES;
        }
        if (!has_body(request)) {
            return MHD_YES; /* answered below: an answer before the end of the request would close the connection */
        }
        request_finish(request);
        return reply_queue(request);
    }
    if (request->phase == PHASE_BODY && *upload_size > 0) {
        return body_take(request, upload, upload_size);
    }
    if (request->phase == PHASE_BODY) {
        if (request->body_too_large) {
            buf_free(&request->body);
            problem_body_too_large(request);
        }
        if (request->reply.status != 0) {
            request_finish(request);
            return reply_queue(request);
        }
        return request_run(request);
    }
    return request->phase == PHASE_READY ? reply_queue(request) : MHD_YES;
}

/* The first thing heard of a request: its raw address. What this returns is con_cls from then on. */
static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct api *api = cls;
    struct err err = {0};
    struct request *request = calloc(1, sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    request->api = api;
    request->connection = connection;
    request->started_mono_us = clock_mono_us();
    reply_init(&request->reply);
    uuid_random(&request->id);
    uuid_format(&request->id, request->id_text);
    if (request_split_uri(request, uri, &err) != 0) {
        problem_reply(request, &err);
    }
    return request;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct api *api = cls;
    struct request *request = *con_cls;
    (void)why;
    guests_answered(api->guests, connection);
    if (request == NULL) {
        return;
    }
    if (request->phase != PHASE_NEW && atomic_fetch_sub(&api->in_flight, 1) == 1) {
        pthread_mutex_lock(&api->lock);
        pthread_cond_broadcast(&api->idle);
        pthread_mutex_unlock(&api->lock);
    }
    atomic_fetch_add(&api->requests[request->reply.status / 100 % 6], 1);
    request_free(request);
    *con_cls = NULL;
}

static size_t no_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* MHD's own remarks about clients (cut connections, bad requests) are not worth a line; its panics abort anyway. */
static void on_log(void *cls, const char *format, va_list arguments)
{
    (void)cls;
    (void)format;
    (void)arguments;
}

/* ---- opening and closing ---- */

static int daemon_start(struct api *api, struct err *err)
{
    struct MHD_OptionItem tls[3] = {{MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}, {MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    int fd = -1;
    if (listen_on(api->options.listen, &fd, &api->port, err) != 0) {
        return -1;
    }
    if (function_urls_new(api->options.function_url_base, api->options.tls_cert != NULL, api->port, &api->urls, err) !=
        0) {
        (void)close(fd);
        return -1;
    }
    if (api->options.tls_cert != NULL) {
        if (listen_read_pem(api->options.tls_cert, &api->tls_cert, err) != 0 ||
            listen_read_pem(api->options.tls_key, &api->tls_key, err) != 0) {
            (void)close(fd);
            return -1;
        }
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, api->tls_cert};
        tls[1] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, api->tls_key};
    }
    api->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, api, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)API_HTTP_THREADS, MHD_OPTION_URI_LOG_CALLBACK, on_uri, api,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, api, MHD_OPTION_NOTIFY_CONNECTION, guests_notify, api->guests,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)CONNECTION_IDLE_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (api->daemon == NULL) {
        (void)close(fd);
        return err_set(err, ERR_SYSTEM, "the HTTP server does not start on %.80s (certificate?)", api->options.listen);
    }
    return 0;
}

int api_open(const struct api_options *options, struct api **out, struct err *err)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    api->options = *options;
    request_queue_init(&api->queue, API_QUEUE_MAX);
    pthread_mutex_init(&api->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&api->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    if (guests_open(options->head_wait_s, CONNECTION_IDLE_S, &api->guests, err) != 0 ||
        auth_open(options->conninfo, options->node_key, &api->auth, err) != 0 ||
        streams_open(&api->streams, err) != 0 ||
        answers_open(options->conninfo, on_unanswered, &api->answers, err) != 0) {
        api_close(&api);
        return -1;
    }
    for (; api->worker_count < API_WORKERS; api->worker_count++) {
        if (pthread_create(&api->workers[api->worker_count], NULL, worker_main, api) != 0) {
            api_close(&api);
            return err_set(err, ERR_SYSTEM, "cannot start a worker thread: %s", strerror(errno));
        }
    }
    if (daemon_start(api, err) != 0) {
        api_close(&api);
        return -1;
    }
    *out = api;
    return 0;
}

void api_quiesce(struct api *api)
{
    atomic_store(&api->quiet, true);
    if (api->daemon != NULL) {
        int fd = MHD_quiesce_daemon(api->daemon);
        if (fd >= 0) {
            (void)close(fd);
        }
    }
    if (api->streams != NULL) {
        streams_stop(api->streams);
    }
}

bool api_drained(struct api *api, int wait_ms)
{
    struct timespec until;
    clock_deadline(wait_ms, &until);
    pthread_mutex_lock(&api->lock);
    while (atomic_load(&api->in_flight) > 0 && pthread_cond_timedwait(&api->idle, &api->lock, &until) != ETIMEDOUT) {
    }
    pthread_mutex_unlock(&api->lock);
    return atomic_load(&api->in_flight) == 0;
}

void api_close(struct api **api_ref)
{
    struct api *api = *api_ref;
    if (api == NULL) {
        return;
    }
    *api_ref = NULL;
    answers_quiesce(api->answers); /* hands what waits to the workers */
    request_queue_stop(&api->queue);
    for (int i = 0; i < api->worker_count; i++) {
        pthread_join(api->workers[i], NULL);
    }
    if (api->daemon != NULL) {
        MHD_stop_daemon(api->daemon);
    }
    guests_close(&api->guests);
    streams_close(&api->streams);
    answers_close(&api->answers);
    function_urls_free(&api->urls);
    auth_close(&api->auth);
    request_queue_destroy(&api->queue);
    pthread_cond_destroy(&api->idle);
    pthread_mutex_destroy(&api->lock);
    free(api->tls_cert);
    free(api->tls_key);
    free(api);
}
