/*
 * runtime_api.c - Lambda's Runtime API over libmicrohttpd, for the connections that instances accept.
 * Length: libmicrohttpd has one home in this folder, so routes, bodies and connections are together.
 */
#include "engine/runtime_api.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/text.h"
#include "engine/engine_internal.h"
#include "engine/meter.h"

#define BASE "/2018-06-01/runtime/"
#define JSON "application/json"

enum route { ROUTE_NONE, ROUTE_NEXT, ROUTE_RESPONSE, ROUTE_ERROR, ROUTE_INIT_ERROR };

/* One connection; the request on it now. */
struct link {
    struct runtime_api *api;
    struct instance *instance;
    bool open; /* a request is being read or answered */
    enum route route;
    char id[UUID_TEXT_BYTES];
    struct buf body;
    size_t body_bytes;
    bool streaming, too_large, bad_mode;
    struct call *streamed; /* pieces go to it as they come; a reference */
    struct call *handing;  /* event to hand out; a reference */
    bool waiting;          /* suspended in next */
};

struct runtime_api {
    struct engine *engine;
    struct MHD_Daemon *daemon;
    struct MHD_Response *ok;
    pthread_mutex_t lock;
    struct instance **by_fd; /* from accept until libmicrohttpd takes the connection over */
    size_t by_fd_count;
};

static enum MHD_Result reply_text(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, JSON);
    enum MHD_Result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result reply_error(struct MHD_Connection *connection, unsigned status, const char *type,
                                   const char *message)
{
    char text[400];
    (void)snprintf(text, sizeof text, "{\"errorMessage\":\"%s\",\"errorType\":\"%s\"}", message, type);
    return reply_text(connection, status, text);
}

static enum MHD_Result reply_state(struct MHD_Connection *connection, enum instance_state state,
                                   enum instance_event event)
{
    char message[300];
    (void)snprintf(message, sizeof message,
                   "State transition from %s to %s failed for runtime. Error: State transition is not allowed",
                   instance_state_name(state), instance_event_name(event));
    return reply_error(connection, MHD_HTTP_FORBIDDEN, "InvalidStateTransition", message);
}

/* ---- next ---- */

static void event_sent(void *cls)
{
    call_unref(cls);
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        (void)MHD_add_response_header(response, name, value);
    }
}

static struct MHD_Response *event_response(struct engine *engine, struct call *call, int64_t deadline_ms)
{
    char text[400];
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        call->payload.length, call->payload.data, event_sent, call);
    CHECK(response != NULL);
    add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, JSON);
    add_header(response, "Lambda-Runtime-Aws-Request-Id", call->id_text);
    (void)snprintf(text, sizeof text, "%" PRId64, deadline_ms);
    add_header(response, "Lambda-Runtime-Deadline-Ms", text);
    engine_arn(engine, call->account_id, call->fleet->function.name, call->qualifier, text, sizeof text);
    add_header(response, "Lambda-Runtime-Invoked-Function-Arn", text);
    if (call->trace_id != NULL) {
        add_header(response, "Lambda-Runtime-Trace-Id", call->trace_id);
    } else {
        (void)snprintf(text, sizeof text, "Root=1-%08" PRIx64 "-%.8s%.4s%.12s;Parent=0000000000000000;Sampled=0",
                       (uint64_t)(call->started_us / 1000000), call->id_text, call->id_text + 9, call->id_text + 24);
        add_header(response, "Lambda-Runtime-Trace-Id", text);
    }
    if (call->client_context != NULL) {
        struct buf decoded = {0};
        if (base64_decode(call->client_context, strlen(call->client_context), &decoded) == 0 &&
            strpbrk(buf_text(&decoded), "\r\n") == NULL) {
            add_header(response, "Lambda-Runtime-Client-Context", buf_text(&decoded));
        }
        buf_free(&decoded);
    }
    return response;
}

/* The clock of the bill starts here. */
static enum MHD_Result hand_out(struct link *link, struct MHD_Connection *connection)
{
    struct engine *engine = link->api->engine;
    struct instance *instance = link->instance;
    struct call *call = link->handing; /* its reference goes to the response */
    int64_t timeout_ns = (int64_t)call->fleet->function.timeout_s * 1000000000;

    link->handing = NULL;
    meter_begin(instance->sandbox.meter);
    instance_tail(engine, instance, call);
    call_log_start(call);
    call->started_us = clock_wall_us();
    struct MHD_Response *response = event_response(engine, call, (call->started_us + timeout_ns / 1000) / 1000);
    (void)pthread_mutex_lock(&engine->lock);
    bool current = instance->current == call;
    if (current) {
        call->handed = true;
        call->handed_ns = clock_mono_ns();
        instance->deadline_ns = call->handed_ns + timeout_ns;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    enum MHD_Result queued = MHD_NO;
    if (current) {
        queued = MHD_queue_response(connection, MHD_HTTP_OK, response);
    }
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result on_next(struct link *link, struct MHD_Connection *connection)
{
    struct engine *engine = link->api->engine;
    struct instance *instance = link->instance;
    enum MHD_Result result = MHD_YES;
    (void)pthread_mutex_lock(&engine->lock);
    if (link->waiting) {
        link->waiting = false;
        /* Resumed: it has a call, or another connection took its place, or all is over. */
        if (instance->state == INSTANCE_BUSY && instance->current != NULL && instance->waiting == NULL &&
            !instance->gone && instance->waiting_link == (uint64_t)(uintptr_t)link) {
            link->handing = call_ref(instance->current);
        } else {
            result = MHD_NO;
        }
        (void)pthread_mutex_unlock(&engine->lock);
        return link->handing != NULL ? hand_out(link, connection) : result;
    }
    enum instance_state was = instance->state;
    if (instance_step(instance, INSTANCE_NEXT) != ACT_OFFER) {
        (void)pthread_mutex_unlock(&engine->lock);
        return reply_state(connection, was, INSTANCE_NEXT);
    }
    int64_t now_ns = clock_mono_ns();
    if (was == INSTANCE_STARTING) {
        instance->init_us = (now_ns - instance->spawn_ns) / 1000;
        instance->deadline_ns = 0;
        instance->fleet->starting--;
        instance->fleet->crashes = 0;
    }
    struct MHD_Connection *replaced = instance->waiting;
    instance->waiting = NULL;
    struct call *call = NULL;
    if (was != INSTANCE_IDLE) {
        call = fleet_next(engine, instance, now_ns);
    }
    if (call != NULL) {
        link->handing = call_ref(call);
    } else {
        instance->waiting = connection;
        instance->waiting_link = (uint64_t)(uintptr_t)link;
        link->waiting = true;
        MHD_suspend_connection(connection);
    }
    if (replaced != NULL) {
        runtime_api_resume(replaced);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    return link->handing != NULL ? hand_out(link, connection) : MHD_YES;
}

/* ---- response, error ---- */

/* Take the call this reply is for, or say why not. */
static struct call *take_call(struct link *link, struct MHD_Connection *connection, enum MHD_Result *refused)
{
    struct engine *engine = link->api->engine;
    struct instance *instance = link->instance;
    struct call *call = NULL;
    (void)pthread_mutex_lock(&engine->lock);
    enum instance_state was = instance->state;
    bool mine =
        instance->current != NULL && strcmp(instance->current->id_text, link->id) == 0 && instance->current->handed;
    bool known = was == INSTANCE_BUSY || strcmp(instance->last_id, link->id) == 0;
    if (mine && instance_step(instance, INSTANCE_ANSWER) == ACT_FINISH) {
        int64_t now_ns = clock_mono_ns();
        call = instance_detach(instance);
        (void)pthread_mutex_unlock(&engine->lock);
        call_measure(call, instance, now_ns);
        instance_tail(engine, instance, NULL);
        return call;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    *refused = known || was == INSTANCE_IDLE || was == INSTANCE_ANSWERED
                   ? reply_error(connection, MHD_HTTP_BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
                   : reply_state(connection, was, INSTANCE_ANSWER);
    return NULL;
}

static void move_body(struct link *link, struct call *call)
{
    buf_free(&call->answer);
    call->answer = link->body;
    link->body = (struct buf){0};
}

static void copy_header(struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *name, char *target,
                        size_t room)
{
    const char *value = MHD_lookup_connection_value(connection, kind, name);
    if (value != NULL) {
        (void)snprintf(target, room, "%s", value);
    }
}

/* A stream that failed says so in its trailers. */
static void read_trailers(struct MHD_Connection *connection, struct call *call)
{
    const char *type = MHD_lookup_connection_value(connection, MHD_FOOTER_KIND, "Lambda-Runtime-Function-Error-Type");
    const char *body = MHD_lookup_connection_value(connection, MHD_FOOTER_KIND, "Lambda-Runtime-Function-Error-Body");
    if (type == NULL && body == NULL) {
        return;
    }
    call->status = USAGE_ERROR;
    call->function_error = true;
    (void)snprintf(call->error_type, sizeof call->error_type, "%s", type != NULL ? type : "Runtime.Unknown");
    struct buf decoded = {0};
    if (body != NULL && base64_decode(body, strlen(body), &decoded) == 0 && buf_ok(&decoded)) {
        buf_clear(&call->answer);
        buf_append(&call->answer, decoded.data, decoded.length);
    }
    buf_free(&decoded);
}

static enum MHD_Result on_reply(struct link *link, struct MHD_Connection *connection)
{
    enum MHD_Result refused = MHD_NO;
    if (link->bad_mode) {
        return reply_error(connection, MHD_HTTP_BAD_REQUEST, "InvalidFunctionResponseMode",
                           "Invalid function response mode");
    }
    struct call *call = take_call(link, connection, &refused);
    if (call == NULL) {
        return refused;
    }
    bool too_large = link->too_large;
    call->streamed = link->streaming;
    call->response_bytes = link->body_bytes;
    if (too_large) {
        call->status = USAGE_ERROR;
        call_error_document(call, "Function.ResponseSizeTooLarge",
                            "Response payload size exceeded maximum allowed payload size (%d bytes).",
                            INVOKE_RESPONSE_BYTES_MAX);
    } else {
        move_body(link, call);
        copy_header(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE, call->content_type,
                    sizeof call->content_type);
        call->status = USAGE_OK;
        if (link->route == ROUTE_ERROR) {
            call->status = USAGE_ERROR;
            call->function_error = true;
            copy_header(connection, MHD_HEADER_KIND, "Lambda-Runtime-Function-Error-Type", call->error_type,
                        sizeof call->error_type);
        }
        if (link->streaming) {
            read_trailers(connection, call);
        }
    }
    call_over(call);
    if (too_large) {
        char message[120];
        (void)snprintf(message, sizeof message, "Exceeded maximum allowed payload size (%d bytes).",
                       INVOKE_RESPONSE_BYTES_MAX);
        return reply_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, "RequestEntityTooLarge", message);
    }
    return MHD_queue_response(connection, MHD_HTTP_ACCEPTED, link->api->ok);
}

static enum MHD_Result on_init_error(struct link *link, struct MHD_Connection *connection)
{
    struct engine *engine = link->api->engine;
    struct instance *instance = link->instance;
    (void)pthread_mutex_lock(&engine->lock);
    enum instance_state was = instance->state;
    bool failed = instance_step(instance, INSTANCE_INIT_ERROR) == ACT_FAIL;
    if (failed) {
        instance->init_error = link->body;
        link->body = (struct buf){0};
        copy_header(connection, MHD_HEADER_KIND, "Lambda-Runtime-Function-Error-Type", instance->init_error_type,
                    sizeof instance->init_error_type);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (!failed) {
        return reply_state(connection, was, INSTANCE_INIT_ERROR);
    }
    enum MHD_Result queued = MHD_queue_response(connection, MHD_HTTP_ACCEPTED, link->api->ok);
    /* It ends by itself now; lifecycle.c tells the caller with this document. If it does not, the limit of
     * initialisation ends it. */
    return queued;
}

/* ---- a request ---- */

static void parse(struct link *link, const char *url, const char *method)
{
    link->route = ROUTE_NONE;
    link->id[0] = '\0';
    if (!text_starts(url, BASE)) {
        return;
    }
    const char *at = url + sizeof BASE - 1;
    bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    if (strcmp(at, "invocation/next") == 0) {
        link->route = strcmp(method, MHD_HTTP_METHOD_GET) == 0 ? ROUTE_NEXT : ROUTE_NONE;
    } else if (strcmp(at, "init/error") == 0) {
        link->route = post ? ROUTE_INIT_ERROR : ROUTE_NONE;
    } else if (text_starts(at, "invocation/")) {
        at += sizeof "invocation/" - 1;
        const char *slash = strchr(at, '/');
        if (slash == NULL || (size_t)(slash - at) >= sizeof link->id || !post) {
            return;
        }
        memcpy(link->id, at, (size_t)(slash - at));
        link->id[slash - at] = '\0';
        link->route = strcmp(slash, "/response") == 0 ? ROUTE_RESPONSE
                      : strcmp(slash, "/error") == 0  ? ROUTE_ERROR
                                                      : ROUTE_NONE;
    }
}

static void begin(struct link *link, struct MHD_Connection *connection, const char *url, const char *method)
{
    link->open = true;
    link->body_bytes = 0;
    link->streaming = link->too_large = link->bad_mode = link->waiting = false;
    buf_clear(&link->body);
    parse(link, url, method);
    if (link->route != ROUTE_RESPONSE) {
        return;
    }
    const char *mode =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Lambda-Runtime-Function-Response-Mode");
    if (mode == NULL) {
        return;
    }
    link->streaming = strcmp(mode, "streaming") == 0;
    link->bad_mode = !link->streaming;
    struct engine *engine = link->api->engine;
    (void)pthread_mutex_lock(&engine->lock);
    struct call *call = link->instance->current;
    if (link->streaming && call != NULL && call->stream && call->on_chunk != NULL &&
        strcmp(call->id_text, link->id) == 0) {
        link->streamed = call_ref(call);
    }
    (void)pthread_mutex_unlock(&engine->lock);
}

/* To who waits for it now. The whole is kept, too: a repeated idempotency key gets it. */
static void give_piece(struct link *link, const char *bytes, size_t length)
{
    struct call *call = link->streamed;
    (void)pthread_mutex_lock(&call->deliver);
    if (!call->over && !link->too_large && link->body_bytes <= INVOKE_STREAM_BYTES_MAX) {
        const struct invoke_piece piece = {
            .request_id = call->id, .version = call->fleet->function.version, .bytes = bytes, .length = length};
        call->on_chunk(&piece, call->ctx);
    }
    (void)pthread_mutex_unlock(&call->deliver);
}

static void take_bytes(struct link *link, const char *bytes, size_t length)
{
    link->body_bytes += length;
    if (link->streamed != NULL) {
        give_piece(link, bytes, length);
    }
    size_t most = link->streamed != NULL          ? INVOKE_STREAM_BYTES_MAX
                  : link->route == ROUTE_RESPONSE ? INVOKE_RESPONSE_BYTES_MAX
                                                  : ENGINE_ERROR_BYTES_MAX;
    if (link->too_large || link->body.length + length > most) {
        link->too_large = true;
        return;
    }
    buf_append(&link->body, bytes, length);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *bytes, size_t *length, void **request)
{
    (void)cls;
    (void)version;
    struct link *link = *request;
    if (link == NULL) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        link = info != NULL ? info->socket_context : NULL;
        if (link == NULL) {
            return MHD_NO;
        }
        begin(link, connection, url, method);
        *request = link;
        return MHD_YES; /* an answer this early would close the connection */
    }
    if (*length > 0) {
        take_bytes(link, bytes, *length);
        *length = 0;
        return MHD_YES;
    }
    switch (link->route) {
    case ROUTE_NEXT:
        return on_next(link, connection);
    case ROUTE_RESPONSE:
    case ROUTE_ERROR:
        return on_reply(link, connection);
    case ROUTE_INIT_ERROR:
        return on_init_error(link, connection);
    case ROUTE_NONE:
        break;
    }
    return reply_error(connection, MHD_HTTP_NOT_FOUND, "NotFound", "No such path");
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **request,
                         enum MHD_RequestTerminationCode code)
{
    (void)cls;
    (void)connection;
    (void)code;
    struct link *link = *request;
    if (link != NULL) {
        link->open = false;
        call_unref(link->streamed);
        link->streamed = NULL;
        if (link->body.capacity > 65536) {
            buf_free(&link->body);
        }
        *request = NULL;
    }
}

/* ---- connections ---- */

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct runtime_api *api = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        struct link *link = calloc(1, sizeof *link);
        CHECK(link != NULL && info != NULL);
        link->api = api;
        (void)pthread_mutex_lock(&api->lock);
        link->instance = api->by_fd[info->connect_fd];
        api->by_fd[info->connect_fd] = NULL;
        (void)pthread_mutex_unlock(&api->lock);
        CHECK(link->instance != NULL);
        *context = link;
        return;
    }
    struct link *link = *context;
    if (link == NULL) {
        return;
    }
    struct engine *engine = api->engine;
    struct instance *instance = link->instance;
    (void)pthread_mutex_lock(&engine->lock);
    instance->connections--;
    if (instance->waiting == connection) {
        instance->waiting = NULL;
    }
    bool last = instance->connections == 0 && instance->gone;
    instance_release(engine, instance);
    (void)pthread_mutex_unlock(&engine->lock);
    if (last) {
        loop_poke(engine);
    }
    instance_unref(instance);
    call_unref(link->streamed);
    call_unref(link->handing);
    buf_free(&link->body);
    free(link);
    *context = NULL;
}

void runtime_api_serve(struct runtime_api *api, struct instance *instance, int fd)
{
    const struct sockaddr_in nobody = {.sin_family = AF_INET};
    if ((size_t)fd >= api->by_fd_count) {
        (void)close(fd);
        return;
    }
    (void)pthread_mutex_lock(&api->engine->lock);
    instance->connections++;
    (void)pthread_mutex_unlock(&api->engine->lock);
    instance_ref(instance);
    (void)pthread_mutex_lock(&api->lock);
    api->by_fd[fd] = instance;
    (void)pthread_mutex_unlock(&api->lock);
    if (MHD_add_connection(api->daemon, fd, (const struct sockaddr *)&nobody, sizeof nobody) != MHD_YES) {
        /* The descriptor is closed already. */
        (void)pthread_mutex_lock(&api->lock);
        api->by_fd[fd] = NULL;
        (void)pthread_mutex_unlock(&api->lock);
        (void)pthread_mutex_lock(&api->engine->lock);
        instance->connections--;
        (void)pthread_mutex_unlock(&api->engine->lock);
        instance_unref(instance);
    }
}

void runtime_api_resume(struct MHD_Connection *connection)
{
    MHD_resume_connection(connection);
}

int runtime_api_open(struct engine *engine, struct runtime_api **api, struct err *err)
{
    struct rlimit files = {.rlim_cur = 1024};
    struct runtime_api *made = calloc(1, sizeof *made);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    if (made == NULL) {
        return err_set(err, ERR_SYSTEM, "runtime API: out of memory");
    }
    made->engine = engine;
    made->by_fd_count = files.rlim_cur > 1048576 ? 1048576 : files.rlim_cur;
    made->by_fd = calloc(made->by_fd_count, sizeof(struct instance *));
    (void)pthread_mutex_init(&made->lock, NULL);
    static const char OK[] = "{\"status\":\"OK\"}";
    made->ok = MHD_create_response_from_buffer(sizeof OK - 1, (void *)(uintptr_t)OK, MHD_RESPMEM_PERSISTENT);
    unsigned flags = MHD_USE_EPOLL | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    if (made->by_fd != NULL && made->ok != NULL) {
        (void)MHD_add_response_header(made->ok, MHD_HTTP_HEADER_CONTENT_TYPE, JSON);
        made->daemon = MHD_start_daemon(
            flags, 0, NULL, NULL, on_request, made, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)RUNTIME_API_THREADS,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)RUNTIME_API_MEMORY_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
            MHD_OPTION_CONNECTION_LIMIT, (unsigned)made->by_fd_count, MHD_OPTION_NOTIFY_CONNECTION, on_connection, made,
            MHD_OPTION_NOTIFY_COMPLETED, on_completed, made, MHD_OPTION_END);
    }
    if (made->daemon == NULL) {
        runtime_api_close(&made);
        return err_set(err, ERR_SYSTEM, "runtime API: the server does not start");
    }
    *api = made;
    return 0;
}

void runtime_api_close(struct runtime_api **api)
{
    struct runtime_api *self = *api;
    *api = NULL;
    if (self == NULL) {
        return;
    }
    if (self->daemon != NULL) {
        MHD_stop_daemon(self->daemon);
    }
    if (self->ok != NULL) {
        MHD_destroy_response(self->ok);
    }
    (void)pthread_mutex_destroy(&self->lock);
    free(self->by_fd);
    free(self);
}
