/* Lambda's Invoke, InvokeAsync and InvokeWithResponseStream. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/functions.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "api/pieces.h"
#include "api/server.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "engine/engine.h"

#define CLIENT_CONTEXT_BYTES_MAX 3583

struct lambda_call {
    struct request *request;
    struct lambda_target target;
    struct pieces *stream; /* NULL: the answer comes whole */
    bool old_async;
};

static void done_reply(struct lambda_call *call, const struct invoke_result *result)
{
    struct request *request = call->request;
    struct reply *reply = &request->reply;
    char version[16];
    function_version_text(result->version, version);
    reply->status = 200;
    reply_header(reply, "X-Amz-Executed-Version", version);
    if (call->stream != NULL) {
        request->reply.content_type = "application/vnd.amazon.eventstream";
        lambda_stream_end(&request->reply.body, result, true);
        return;
    }
    reply->content_type = "application/json";
    buf_append(&reply->body, result->payload, result->payload_length);
    reply_header(reply, "x-amzn-Remapped-Content-Length", "0");
    if (result->function_error != NULL) {
        reply_header(reply, "X-Amz-Function-Error", result->function_error);
    }
    if (result->log_tail_length > 0) {
        struct buf tail = {0};
        base64_encode(result->log_tail, result->log_tail_length, &tail);
        reply_header(reply, "X-Amz-Log-Result", buf_text(&tail));
        buf_free(&tail);
    }
}

static void failed_reply(struct lambda_call *call, const struct err *error)
{
    struct err err = *error;
    (void)lambda_not_found(call->request, &call->target, &err);
    lambda_error_reply(call->request, &err);
}

static void on_invoked(const struct invoke_result *result, void *ctx)
{
    struct lambda_call *call = ctx;
    struct request *request = call->request;
    if (pieces_begun(call->stream)) {
        lambda_stream_finish(call->stream, result);
        pieces_unref(call->stream);
        free(call);
        return;
    }
    request->pg = NULL;
    uuid_format(&result->request_id, request->id_text); /* the id AWS's clients show is that of the invocation */
    switch (result->outcome) {
    case INVOKE_DONE:
        done_reply(call, result);
        break;
    case INVOKE_ACCEPTED:
        (void)reply_empty(request, result->record.kind == 0 &&
                                           request_header(request, "X-Amz-Invocation-Type") != NULL &&
                                           strcmp(request_header(request, "X-Amz-Invocation-Type"), "DryRun") == 0
                                       ? 204
                                       : 202);
        break;
    case INVOKE_REFUSED:
        lambda_refusal_reply(request, &result->refusal);
        break;
    case INVOKE_FAILED:
        failed_reply(call, result->error);
        break;
    }
    if (call->old_async && request->reply.status == 202) {
        buf_puts(&request->reply.body, "{\"Status\":202}");
        request->reply.content_type = "application/json";
    }
    request_finish(request);
    pieces_unref(call->stream);
    free(call);
}

static void on_piece(const struct invoke_piece *piece, void *ctx)
{
    struct lambda_call *call = ctx;
    lambda_stream_piece(call->stream, call->request, piece);
}

static int type_read(const struct request *request, enum invoke_type *type, struct err *err)
{
    const char *text = request_header(request, "X-Amz-Invocation-Type");
    if (text == NULL || strcmp(text, "RequestResponse") == 0) {
        *type = INVOKE_SYNC;
    } else if (strcmp(text, "Event") == 0) {
        *type = INVOKE_EVENT;
    } else if (strcmp(text, "DryRun") == 0) {
        *type = INVOKE_DRY_RUN;
    } else {
        (void)err_set(
            err, ERR_INVALID,
            "1 validation error detected: Value '%.60s' at 'invocationType' failed to satisfy constraint: Member "
            "must satisfy enum value set: [Event, RequestResponse, DryRun]",
            text);
        return err_slug(err, "ValidationException");
    }
    return 0;
}

/* Payloads are JSON on these routes, as Lambda's are. */
static int payload_check(const struct request *request, struct err *err)
{
    cJSON *tree = NULL;
    struct err local = {0};
    if (request->body.length == 0) {
        return 0;
    }
    if (json_parse(buf_text(&request->body), request->body.length, &tree, &local) != 0) {
        (void)err_set(err, ERR_INVALID, "Could not parse request body into json: %.300s", local.text);
        return err_slug(err, "InvalidRequestContentException");
    }
    cJSON_Delete(tree);
    return 0;
}

static int suspended(struct err *err)
{
    (void)err_set(err, ERR_INVALID, "The account is suspended.");
    return err_slug(err, "AccessDeniedException");
}

static int client_context_check(const char *context, struct err *err)
{
    struct buf text = {0};
    cJSON *tree = NULL;
    int rc = 0;
    if (strlen(context) > CLIENT_CONTEXT_BYTES_MAX) {
        (void)err_set(err, ERR_INVALID, "Client context must be no more than %d bytes.", CLIENT_CONTEXT_BYTES_MAX);
        rc = err_slug(err, "InvalidRequestContentException");
    } else if (base64_decode(context, strlen(context), &text) != 0 ||
               json_parse(buf_text(&text), text.length, &tree, NULL) != 0 || !cJSON_IsObject(tree)) {
        (void)err_set(err, ERR_INVALID, "Client context must be a valid Base64-encoded JSON object.");
        rc = err_slug(err, "InvalidRequestContentException");
    }
    cJSON_Delete(tree);
    buf_free(&text);
    return rc;
}

/* The headers of an invocation that ask for something: known here, and well formed. */
static int headers_check(const struct request *request, struct err *err)
{
    const char *log_type = request_header(request, "X-Amz-Log-Type");
    const char *context = request_header(request, "X-Amz-Client-Context");
    if (request_header(request, "X-Amz-Tenant-Id") != NULL) {
        return lambda_parameter(err, "The invoked function is not enabled with tenancy configuration: TenantId is not "
                                     "supported here.");
    }
    if (request_header(request, "X-Amz-Durable-Execution-Name") != NULL) {
        return lambda_parameter(err, "DurableExecutionName is not supported here.");
    }
    if (log_type != NULL && strcmp(log_type, "Tail") != 0 && strcmp(log_type, "None") != 0) {
        (void)err_set(err, ERR_INVALID,
                      "1 validation error detected: Value '%.60s' at 'logType' failed to satisfy constraint: Member "
                      "must satisfy enum value set: [Tail, None]",
                      log_type);
        return err_slug(err, "ValidationException");
    }
    return context != NULL ? client_context_check(context, err) : 0;
}

static int start(struct request *request, enum invoke_type type, bool stream, bool old_async, struct err *err)
{
    struct engine *engine = api_get_options(request->api)->engine;
    const char *log_type = request_header(request, "X-Amz-Log-Type");
    const char *context = request_header(request, "X-Amz-Client-Context");
    if (engine == NULL) {
        return err_set(err, ERR_RETRY, "This node runs no functions.");
    }
    if (request->account_suspended) {
        return suspended(err);
    }
    if (headers_check(request, err) != 0) {
        return -1;
    }
    struct lambda_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    *call = (struct lambda_call){.request = request, .stream = stream ? pieces_new() : NULL, .old_async = old_async};
    if (payload_check(request, err) != 0 || lambda_target(request, &call->target, err) != 0) {
        pieces_unref(call->stream);
        free(call);
        return -1;
    }
    const struct invoke_request invoke = {.account_id = request->account_id,
                                          .function = call->target.name,
                                          .qualifier =
                                              call->target.qualifier[0] != '\0' ? call->target.qualifier : NULL,
                                          .type = type,
                                          .payload = buf_text(&request->body),
                                          .payload_length = request->body.length,
                                          .stream = call->stream != NULL,
                                          .log_tail = log_type != NULL && strcmp(log_type, "Tail") == 0,
                                          .client_context = context,
                                          .trace_id = request_header(request, "X-Amzn-Trace-Id"),
                                          .idempotency_key = request_header(request, "amz-sdk-invocation-id")};
    request_suspend(request);
    if (engine_invoke(engine, &invoke, on_invoked, call->stream != NULL ? on_piece : NULL, call, err) == 0) {
        return HANDLER_LATER;
    }
    (void)lambda_not_found(request, &call->target, err);
    pieces_unref(call->stream);
    free(call);
    return -1;
}

int lambda_invoke_handler(struct request *request, struct err *err)
{
    enum invoke_type type = INVOKE_SYNC;
    if (type_read(request, &type, err) != 0) {
        return -1;
    }
    return start(request, type, false, false, err);
}

int lambda_invoke_async_handler(struct request *request, struct err *err)
{
    return start(request, INVOKE_EVENT, false, true, err);
}

int lambda_invoke_stream_handler(struct request *request, struct err *err)
{
    return start(request, INVOKE_SYNC, true, false, err);
}
