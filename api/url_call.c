/* url_call.c - a request to a function's URL: who may call, the event, the answer. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/auth.h"
#include "api/function_url.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "api/pieces.h"
#include "api/server.h"
#include "api/sigv4.h"
#include "common/err.h"
#include "common/log.h"
#include "engine/engine.h"

const struct route FUNCTION_URL_ROUTE = {
    HTTP_OTHER,           "",  SCOPE_NONE, ROUTE_INLINE | ROUTE_QUIET | ROUTE_URL, INVOKE_REQUEST_BYTES_MAX, "*",
    function_url_handler, NULL};

struct url_call {
    struct request *request;
    bool stream;
    struct pieces *pieces; /* NULL: the answer comes whole */
    struct buf head;       /* the beginning of a streamed answer while its prelude is not all there */
    bool malformed;
};

bool function_url_asked(struct request *request)
{
    if (!function_urls_host(api_urls(request->api), request_header(request, "Host"), request->url_id)) {
        return false;
    }
    request->route = &FUNCTION_URL_ROUTE;
    return true;
}

void function_url_error(struct request *request, int status, const char *text)
{
    struct json_writer writer;
    reply_reset(&request->reply);
    request->reply.status = status;
    request->reply.content_type = "application/json";
    json_writer_init(&writer, &request->reply.body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "Message", text);
    json_close_object(&writer);
    if (status == 503) {
        reply_header(&request->reply, "Retry-After", "1");
    }
    if (request->url != NULL) {
        url_cors_headers(request);
    }
}

/* ---- who ---- */

static int refuse(struct err *err)
{
    (void)err_set(err, ERR_INVALID, "Forbidden");
    return err_slug(err, "forbidden");
}

static int check_signature(struct request *request, struct err *err)
{
    struct auth *auth = api_auth(request->api);
    struct auth_key key;
    struct err local = {0};
    const char *authorization = request_header(request, "Authorization");
    const char *bearer = auth_bearer_text(authorization);
    if (bearer == NULL && !sigv4_is(authorization)) {
        return refuse(err);
    }
    int rc = bearer != NULL ? auth_bearer(auth, request->pg, bearer, &key, &local)
                            : sigv4_verify(request, auth, request->pg, &key, &local);
    if (rc > 0) {
        return rc;
    }
    if (rc < 0 && local.code != ERR_INVALID) {
        *err = local;
        return -1;
    }
    if (rc < 0 || key.caller.account_id != request->url->account_id || key.caller.scope < SCOPE_ACCOUNT) {
        return refuse(err);
    }
    request->caller = key.caller;
    return 0;
}

static int find_url(struct request *request, struct function_url *url, struct err *err)
{
    struct function_urls *urls = api_urls(request->api);
    if (function_urls_known(urls, request->url_id, url)) {
        return 0;
    }
    if (request->pg == NULL) {
        return AUTH_ASK;
    }
    if (function_url_find(request->pg, request->url_id, url, err) != 0) {
        return -1;
    }
    function_urls_learn(urls, url);
    return 0;
}

int function_url_caller(struct request *request, struct err *err)
{
    if (request->url == NULL) {
        struct function_url url;
        int rc = find_url(request, &url, err);
        if (rc != 0) {
            return rc;
        }
        request->url = malloc(sizeof *request->url);
        if (request->url == NULL) {
            function_url_free(&url);
            return err_set(err, ERR_SYSTEM, "out of memory");
        }
        *request->url = url;
        request->account_id = url.account_id;
        request->account_suspended = url.suspended;
        memcpy(request->account_name, url.account_name, sizeof request->account_name);
    }
    return request->url->iam && !url_cors_preflight(request) ? check_signature(request, err) : 0;
}

/* ---- the answer ---- */

static void failed(struct request *request, const struct err *why)
{
    LOG(LOG_LEVEL_INFO, "url.bad_answer", LF_STR("function", request->url->function), LF_STR("error", why->text),
        LF_STR("request_id", request->id_text));
    function_url_error(request, 502, "Internal Server Error");
}

static void raw_answer(struct reply *reply, const struct invoke_result *result)
{
    reply->status = 200;
    reply->content_type =
        result->content_type == NULL || reply_header_add(reply, "Content-Type", result->content_type) != 0
            ? "application/octet-stream"
            : NULL;
    buf_append(&reply->body, result->payload, result->payload_length);
}

/* A whole answer, streamed by the function or not. */
static void whole_answer(struct url_call *call, const struct invoke_result *result)
{
    struct request *request = call->request;
    struct reply *reply = &request->reply;
    struct err err = {0};
    int rc = 0;
    if (result->content_type != NULL && strcmp(result->content_type, URL_PRELUDE_TYPE) == 0) {
        size_t prelude = url_prelude_length(result->payload, result->payload_length);
        rc = prelude == 0 ? err_set(&err, ERR_INVALID, "the prelude does not end")
                          : url_prelude_read(result->payload, prelude, reply, &err);
        buf_append(&reply->body, (const char *)result->payload + prelude,
                   rc == 0 ? result->payload_length - prelude : 0);
    } else if (call->stream) {
        raw_answer(reply, result);
    } else {
        rc = url_answer_read(result->payload, result->payload_length, reply, &err);
    }
    if (rc != 0) {
        failed(request, &err);
        return;
    }
    if (reply->status == 204 || reply->status == 304) {
        buf_clear(&reply->body);
    }
    url_cors_headers(request);
}

static void done(struct url_call *call, const struct invoke_result *result)
{
    struct request *request = call->request;
    if (result->function_error != NULL) {
        bool late = result->record.status == USAGE_TIMEOUT;
        function_url_error(request, late ? 504 : 502, late ? "Endpoint request timed out" : "Internal Server Error");
    } else if (call->malformed) {
        function_url_error(request, 502, "Internal Server Error");
    } else {
        whole_answer(call, result);
    }
}

static void not_run(struct request *request, const struct err *why)
{
    int status = problem_http_status(why);
    function_url_error(request, status, status == 404 ? "Not Found" : why->text);
}

static void on_invoked(const struct invoke_result *result, void *ctx)
{
    struct url_call *call = ctx;
    struct request *request = call->request;
    if (pieces_begun(call->pieces)) {
        pieces_end(call->pieces, result->outcome != INVOKE_DONE || result->function_error != NULL);
    } else {
        request->pg = NULL;
        uuid_format(&result->request_id, request->id_text);
        switch (result->outcome) {
        case INVOKE_DONE:
            done(call, result);
            break;
        case INVOKE_REFUSED:
            lambda_refusal_reply(request, &result->refusal);
            url_cors_headers(request);
            break;
        case INVOKE_FAILED:
            not_run(request, result->error);
            break;
        case INVOKE_ACCEPTED: /* not of a synchronous call */
            function_url_error(request, 500, "Internal Server Error");
            break;
        }
        request_finish(request);
    }
    pieces_unref(call->pieces);
    buf_free(&call->head);
    free(call);
}

/* ---- streamed ---- */

static void begin(struct url_call *call, const struct invoke_piece *piece)
{
    struct request *request = call->request;
    int status = request->reply.status;
    const char *type = request->reply.content_type;
    request->pg = NULL;
    uuid_format(&piece->request_id, request->id_text);
    url_cors_headers(request);
    pieces_begin(call->pieces, request, type);
    request->reply.status = status;
    request_finish(request);
}

/* With a prelude the answer begins once all of it is there. */
static void begin_with_prelude(struct url_call *call, const struct invoke_piece *piece)
{
    struct err err = {0};
    buf_append(&call->head, piece->bytes, piece->length);
    size_t prelude = url_prelude_length(buf_text(&call->head), call->head.length);
    if (prelude == 0 && call->head.length <= URL_PRELUDE_BYTES_MAX) {
        return;
    }
    if (prelude == 0) {
        (void)err_set(&err, ERR_INVALID, "the prelude is longer than %d bytes", URL_PRELUDE_BYTES_MAX);
    }
    if (prelude == 0 || url_prelude_read(call->head.data, prelude, &call->request->reply, &err) != 0) {
        call->malformed = true; /* said when the call is over */
        failed(call->request, &err);
        return;
    }
    pieces_put(call->pieces, call->head.data + prelude, call->head.length - prelude);
    begin(call, piece);
}

static void on_piece(const struct invoke_piece *piece, void *ctx)
{
    struct url_call *call = ctx;
    if (call->malformed) {
        return;
    }
    if (pieces_begun(call->pieces)) {
        pieces_put(call->pieces, piece->bytes, piece->length);
    } else if (piece->content_type != NULL && strcmp(piece->content_type, URL_PRELUDE_TYPE) == 0) {
        begin_with_prelude(call, piece);
    } else {
        struct reply *reply = &call->request->reply;
        reply->status = 200;
        reply->content_type =
            piece->content_type == NULL || reply_header_add(reply, "Content-Type", piece->content_type) != 0
                ? "application/octet-stream"
                : NULL;
        pieces_put(call->pieces, piece->bytes, piece->length);
        begin(call, piece);
    }
}

/* ---- the call ---- */

static int start(struct request *request, struct engine *engine, const struct buf *event, struct err *err)
{
    const struct function_url *url = request->url;
    struct url_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    *call = (struct url_call){.request = request, .stream = url->stream, .pieces = url->stream ? pieces_new() : NULL};
    const struct invoke_request invoke = {.account_id = url->account_id,
                                          .function = url->function,
                                          .qualifier = url->qualifier[0] != '\0' ? url->qualifier : NULL,
                                          .type = INVOKE_SYNC,
                                          .payload = buf_text(event),
                                          .payload_length = event->length,
                                          .stream = call->pieces != NULL,
                                          .trace_id = request_header(request, "X-Amzn-Trace-Id")};
    request_suspend(request);
    if (engine_invoke(engine, &invoke, on_invoked, call->pieces != NULL ? on_piece : NULL, call, err) == 0) {
        return HANDLER_LATER;
    }
    pieces_unref(call->pieces);
    free(call);
    return -1;
}

int function_url_handler(struct request *request, struct err *err)
{
    const struct api_options *options = api_get_options(request->api);
    struct buf event = {0};
    if (url_cors_preflight(request)) {
        url_cors_preflight_reply(request);
        return 0;
    }
    if (options->engine == NULL) {
        return err_set(err, ERR_RETRY, "this node runs no functions");
    }
    if (request->account_suspended) {
        if (options->admission != NULL) {
            admission_count_refusal(options->admission, request->account_id, request->url->function_id,
                                    USAGE_REFUSED_SUSPENDED);
        }
        return refuse(err);
    }
    url_event_write(request, &event);
    int rc = -1;
    if (!buf_ok(&event)) {
        (void)err_set(err, ERR_SYSTEM, "out of memory");
    } else if (event.length > INVOKE_REQUEST_BYTES_MAX) {
        (void)err_set(err, ERR_INVALID, "the request as an event has %zu bytes; the most is %d", event.length,
                      INVOKE_REQUEST_BYTES_MAX);
        (void)err_slug(err, "body_too_large");
    } else {
        rc = start(request, options->engine, &event, err);
    }
    buf_free(&event);
    return rc;
}
