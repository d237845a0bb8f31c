/* runtime_api.c - Lambda's Runtime API: what each request means, and what it is answered. */
#include "engine/runtime_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/text.h"
#include "engine/engine_internal.h"
#include "engine/extensions.h"
#include "engine/meter.h"
#include "engine/runtime_internal.h"

#define BASE "/2018-06-01/runtime/"

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 202:
        return "Accepted";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    default:
        return "HTTP Version Not Supported";
    }
}

void runtime_api_reply(struct link *link, int status, const char *headers, const char *text)
{
    struct buf reply = {0};
    buf_printf(&reply, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%s%sContent-Length: %zu\r\n\r\n", status,
               reason(status), headers, link->ended ? "Connection: close\r\n" : "", strlen(text));
    buf_puts(&reply, text);
    if (buf_ok(&reply)) {
        link_write_ahead(link, reply.data, reply.length);
    }
    buf_free(&reply);
}

void runtime_api_error(struct link *link, int status, const char *type, const char *message)
{
    struct buf text = {0};
    buf_puts(&text, "{\"errorMessage\":");
    json_quote(&text, message, strlen(message));
    buf_puts(&text, ",\"errorType\":");
    json_quote(&text, type, strlen(type));
    buf_putc(&text, '}');
    runtime_api_reply(link, status, "", buf_text(&text));
    buf_free(&text);
}

/* On the way of every call: no memory is asked for. */
static void reply_accepted(struct link *link)
{
    static const char TEXT[] = "{\"status\":\"OK\"}";
    char reply[200];
    int length = snprintf(reply, sizeof reply,
                          "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
                          link->ended ? "Connection: close\r\n" : "", sizeof TEXT - 1, TEXT);
    link_write_ahead(link, reply, (size_t)length);
}

static void reply_state(struct link *link, enum instance_state state, enum instance_event event)
{
    char message[300];
    (void)snprintf(message, sizeof message,
                   "State transition from %s to %s failed for runtime. Error: State transition is not allowed",
                   instance_state_name(state), instance_event_name(event));
    runtime_api_error(link, 403, "InvalidStateTransition", message);
}

/* ---- next ---- */

/* Values come from clients: none may end its line. */
static void add_header(struct buf *head, const char *name, const char *value)
{
    if (value[0] != '\0' && strpbrk(value, "\r\n") == NULL) {
        buf_puts(head, name);
        buf_puts(head, ": ");
        buf_puts(head, value);
        buf_puts(head, "\r\n");
    }
}

static void event_head(struct engine *engine, const struct call *call, struct buf *head)
{
    char text[400];
    buf_puts(head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    add_header(head, "Lambda-Runtime-Aws-Request-Id", call->id_text);
    (void)snprintf(text, sizeof text, "%" PRId64, call_deadline_ms(call));
    add_header(head, "Lambda-Runtime-Deadline-Ms", text);
    engine_arn(engine, call->account_id, call->fleet->function.name, call->qualifier, text, sizeof text);
    add_header(head, "Lambda-Runtime-Invoked-Function-Arn", text);
    if (call->trace_id != NULL) {
        add_header(head, "Lambda-Runtime-Trace-Id", call->trace_id);
    } else {
        call_trace(call, text, sizeof text);
        add_header(head, "Lambda-Runtime-Trace-Id", text);
    }
    if (call->client_context != NULL) {
        struct buf decoded = {0};
        if (base64_decode(call->client_context, strlen(call->client_context), &decoded) == 0) {
            add_header(head, "Lambda-Runtime-Client-Context", buf_text(&decoded));
        }
        buf_free(&decoded);
    }
    (void)snprintf(text, sizeof text, "Content-Length: %zu\r\n\r\n", call->payload.length);
    buf_puts(head, text);
}

/* The clock of the bill starts here. */
static void hand_out(struct link *link, struct call *call)
{
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    int64_t timeout_ns = (int64_t)call->fleet->function.timeout_s * 1000000000;
    struct buf head = {0};

    meter_begin(instance->sandbox.meter);
    instance_tail(engine, instance, call);
    call_log_start(call);
    call->started_us = clock_wall_us();
    event_head(engine, call, &head);
    (void)pthread_mutex_lock(&engine->lock);
    bool current = instance->current == call && buf_ok(&head);
    if (current) {
        call->handed = true;
        call->handed_ns = clock_mono_ns();
        instance->deadline_ns = call->handed_ns + timeout_ns;
        extensions_invoke(engine, instance, call);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (current) {
        link_write(link, head.data, head.length, call);
    } else { /* it has ended meanwhile */
        instance_tail(engine, instance, NULL);
        runtime_api_drop(link);
        call_unref(call);
    }
    buf_free(&head);
}

void runtime_api_hand_out(struct link *link, struct call *call)
{
    hand_out(link, call);
    link_unref(link);
}

struct call *instance_offer(struct engine *engine, struct instance *instance, int64_t now_ns)
{
    enum instance_state was = instance->state;
    (void)instance_step(instance, INSTANCE_NEXT);
    if (was == INSTANCE_STARTING) {
        instance->init_us = (now_ns - instance->spawn_ns) / 1000;
        instance->deadline_ns = 0;
        instance->fleet->starting--;
        instance->fleet->crashes = 0;
    }
    return was != INSTANCE_IDLE ? fleet_next(engine, instance, now_ns) : NULL;
}

static void on_next(struct link *link)
{
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    link_park(link); /* an event may come as soon as the lock is given back */
    (void)pthread_mutex_lock(&engine->lock);
    enum instance_state was = instance->state;
    if (instance_table(was, INSTANCE_NEXT)->action != ACT_OFFER) {
        (void)pthread_mutex_unlock(&engine->lock);
        link_unpark(link);
        reply_state(link, was, INSTANCE_NEXT);
        return;
    }
    struct link *replaced = instance->waiting;
    bool alone = instance->extensions == NULL || was == INSTANCE_IDLE;
    struct call *call = NULL;
    instance->waiting = NULL;
    if (alone) {
        call = instance_offer(engine, instance, clock_mono_ns());
    }
    if (call != NULL) {
        (void)call_ref(call);
    } else {
        instance->waiting = link;
    }
    if (replaced != NULL && replaced != link) {
        runtime_api_drop(replaced);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (call != NULL) {
        hand_out(link, call);
    } else if (!alone) {
        extensions_settle(engine, instance);
    }
}

/* ---- response, error ---- */

static void move_body(struct link *link, struct call *call)
{
    buf_free(&call->answer);
    call->answer = link->body;
    link->body = (struct buf){0};
}

static void copy_header(const struct link *link, const char *name, char *target, size_t room)
{
    const char *value = http_field(&link->head.fields, name);
    if (value != NULL) {
        (void)snprintf(target, room, "%s", value);
    }
}

/* A stream that failed says so in its trailers. */
static void read_trailers(const struct link *link, struct call *call)
{
    const char *type = http_field(&link->framing.trailers, "Lambda-Runtime-Function-Error-Type");
    const char *body = http_field(&link->framing.trailers, "Lambda-Runtime-Function-Error-Body");
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

/* What the runtime said, as the call's answer. */
static void take_answer(struct link *link, struct call *call)
{
    call->streamed = link->streaming;
    call->response_bytes = link->body_bytes;
    if (link->too_large) {
        call->status = USAGE_ERROR;
        call_error_document(call, "Function.ResponseSizeTooLarge",
                            "Response payload size exceeded maximum allowed payload size (%d bytes).",
                            INVOKE_RESPONSE_BYTES_MAX);
        return;
    }
    move_body(link, call);
    copy_header(link, "Content-Type", call->content_type, sizeof call->content_type);
    call->status = USAGE_OK;
    if (link->route == ROUTE_ERROR) {
        call->status = USAGE_ERROR;
        call->function_error = true;
        copy_header(link, "Lambda-Runtime-Function-Error-Type", call->error_type, sizeof call->error_type);
    }
    if (link->streaming) {
        read_trailers(link, call);
    }
}

/* Take the call this reply is for, or say why not. With extensions it stays with its instance: it is answered here and
 * over when they are done. */
static struct call *take_call(struct link *link, bool *stays)
{
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    struct call *call = NULL;
    (void)pthread_mutex_lock(&engine->lock);
    enum instance_state was = instance->state;
    bool mine =
        instance->current != NULL && strcmp(instance->current->id_text, link->id) == 0 && instance->current->handed;
    bool known = was == INSTANCE_BUSY || strcmp(instance->last_id, link->id) == 0;
    if (mine && instance_step(instance, INSTANCE_ANSWER) == ACT_FINISH) {
        int64_t now_ns = clock_mono_ns();
        *stays = instance->extensions != NULL;
        if (*stays) {
            take_answer(link, instance->current);
            instance->current->answered = true;
        } else {
            call = instance_detach(instance);
        }
        (void)pthread_mutex_unlock(&engine->lock);
        if (!*stays) {
            call_measure(call, instance, now_ns);
            instance_tail(engine, instance, NULL);
        }
        return call;
    }
    (void)pthread_mutex_unlock(&engine->lock);
    *stays = false;
    if (known || was == INSTANCE_IDLE || was == INSTANCE_ANSWERED) {
        runtime_api_error(link, 400, "InvalidRequestID", "Invalid request ID");
    } else {
        reply_state(link, was, INSTANCE_ANSWER);
    }
    return NULL;
}

static void on_reply(struct link *link)
{
    bool stays = false;
    bool too_large = link->too_large;
    if (link->bad_mode) {
        runtime_api_error(link, 400, "InvalidFunctionResponseMode", "Invalid function response mode");
        return;
    }
    struct call *call = take_call(link, &stays);
    if (call != NULL) {
        take_answer(link, call);
        call_over(call);
    } else if (!stays) {
        return;
    }
    if (too_large) {
        char message[120];
        (void)snprintf(message, sizeof message, "Exceeded maximum allowed payload size (%d bytes).",
                       INVOKE_RESPONSE_BYTES_MAX);
        runtime_api_error(link, 413, "RequestEntityTooLarge", message);
        return;
    }
    reply_accepted(link);
}

static void on_init_error(struct link *link)
{
    struct engine *engine = link->engine;
    struct instance *instance = link->instance;
    (void)pthread_mutex_lock(&engine->lock);
    enum instance_state was = instance->state;
    bool failed = instance_step(instance, INSTANCE_INIT_ERROR) == ACT_FAIL;
    if (failed) {
        instance->init_error = link->body;
        link->body = (struct buf){0};
        copy_header(link, "Lambda-Runtime-Function-Error-Type", instance->init_error_type,
                    sizeof instance->init_error_type);
    }
    (void)pthread_mutex_unlock(&engine->lock);
    if (!failed) {
        reply_state(link, was, INSTANCE_INIT_ERROR);
        return;
    }
    reply_accepted(link);
    /* It ends by itself now; lifecycle.c tells the caller with this document. If it does not, the limit of
     * initialisation ends it. */
}

/* ---- a request ---- */

static void parse(struct link *link, const char *url, const char *method)
{
    link->route = ROUTE_NONE;
    link->id[0] = '\0';
    if (!text_starts(url, BASE)) {
        link->route = extension_route(url, method);
        return;
    }
    const char *at = url + sizeof BASE - 1;
    bool post = strcmp(method, "POST") == 0;
    if (strcmp(at, "invocation/next") == 0) {
        link->route = strcmp(method, "GET") == 0 ? ROUTE_NEXT : ROUTE_NONE;
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

void runtime_api_begin(struct link *link)
{
    link->body_bytes = 0;
    link->streaming = link->too_large = link->bad_mode = false;
    buf_clear(&link->body);
    parse(link, link->head.target, link->head.method);
    if (link->route != ROUTE_RESPONSE) {
        return;
    }
    const char *mode = http_field(&link->head.fields, "Lambda-Runtime-Function-Response-Mode");
    if (mode == NULL) {
        return;
    }
    link->streaming = strcmp(mode, "streaming") == 0;
    link->bad_mode = !link->streaming;
    struct engine *engine = link->engine;
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
        const struct invoke_piece piece = {.request_id = call->id,
                                           .version = call->fleet->function.version,
                                           .content_type = http_field(&link->head.fields, "Content-Type"),
                                           .bytes = bytes,
                                           .length = length};
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

void runtime_api_bytes(struct link *link, const char *bytes, size_t length)
{
    take_bytes(link, bytes, length);
}

void runtime_api_act(struct link *link)
{
    switch (link->route) {
    case ROUTE_NEXT:
        on_next(link);
        return;
    case ROUTE_RESPONSE:
    case ROUTE_ERROR:
        on_reply(link);
        return;
    case ROUTE_INIT_ERROR:
        on_init_error(link);
        return;
    case ROUTE_EXTENSION_REGISTER:
    case ROUTE_EXTENSION_NEXT:
    case ROUTE_EXTENSION_INIT_ERROR:
    case ROUTE_EXTENSION_EXIT_ERROR:
    case ROUTE_TELEMETRY:
    case ROUTE_LOGS:
        extension_api_act(link);
        return;
    case ROUTE_NONE:
        break;
    }
    runtime_api_error(link, 404, "NotFound", "No such path");
}

void runtime_api_refuse(struct link *link, int status)
{
    link_last(link);
    runtime_api_error(link, status, "InvalidRequest", "This is no request of the Runtime API");
}
