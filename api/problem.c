#include "api/http.h"

#include <stdio.h>
#include <string.h>

#include "api/function_url.h"
#include "api/lambda.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/admission.h"

#define PROBLEM_BASE "urn:farthing:problem:"
#define PROBLEM_QUOTA "https://iana.org/assignments/http-problem-types#quota-exceeded"

struct problem_word {
    const char *slug;
    int status;
    const char *title;
};

/* The stable words of the API (docs/api.md lists them). */
static const struct problem_word WORDS[] = {
    {"invalid", 400, "The request breaks a rule"},
    {"invalid_json", 400, "The body is not valid JSON"},
    {"unauthorized", 401, "A valid key is needed"},
    {"forbidden", 403, "This key may not do that"},
    {"not_found", 404, "There is no such thing"},
    {"method_not_allowed", 405, "This address does not know that method"},
    {"not_acceptable", 406, "No representation fits the Accept header"},
    {"conflict", 409, "It exists already, or it changed meanwhile"},
    {"idempotency_in_progress", 409, "The first request with this key is still running"},
    {"precondition_failed", 412, "It was changed by somebody else"},
    {"stale_version", 412, "It was changed by somebody else"},
    {"body_too_large", 413, "The body is too large"},
    {"code_too_large", 413, "The package is too large"},
    {"uri_too_long", 414, "The address is too long"},
    {"unsupported_media_type", 415, "The body has a media type that is not known here"},
    {"idempotency_mismatch", 422, "The same Idempotency-Key came with another request"},
    {"quota_exceeded", 429, "A quota of the account says no"},
    {"limit", 429, "A limit says no"},
    {"retry", 503, "Not possible right now"},
    {"uncertain", 503, "It may or may not have happened"},
    {"overloaded", 503, "The node has too much to do"},
    {"shutting_down", 503, "The node is stopping"},
    {"not_implemented", 501, "Not part of this version"},
    {"system", 500, "A defect of the program"},
};
#define WORD_COUNT (sizeof WORDS / sizeof WORDS[0])

static const struct problem_word *word_find(const char *slug)
{
    for (size_t i = 0; slug != NULL && i < WORD_COUNT; i++) {
        if (strcmp(WORDS[i].slug, slug) == 0) {
            return &WORDS[i];
        }
    }
    return NULL;
}

static int status_of_code(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
        return 400;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_LIMIT:
        return 429;
    case ERR_RETRY:
    case ERR_UNCERTAIN:
        return 503;
    case ERR_NONE:
    case ERR_SYSTEM:
        return 500;
    }
    return 500;
}

int problem_http_status(const struct err *err)
{
    const struct problem_word *word = word_find(err->slug);
    return word != NULL ? word->status : status_of_code(err->code);
}

const char *http_status_text(int status)
{
    for (size_t i = 0; i < WORD_COUNT; i++) {
        if (WORDS[i].status == status) {
            return WORDS[i].title;
        }
    }
    return "Error";
}

/* What every answer keeps when it becomes a problem: nothing; what callers may rely on: these headers. */
static void problem_begin(struct request *request, int status)
{
    reply_reset(&request->reply);
    request->reply.status = status;
    request->reply.content_type = "application/problem+json";
    reply_header(&request->reply, "Cache-Control", "no-store");
    if (status == 401) {
        reply_header(&request->reply, "WWW-Authenticate", "Bearer realm=\"farthing\"");
    }
    if (status == 503) {
        reply_header(&request->reply, "Retry-After", "1");
    }
}

static void problem_members(struct request *request, struct json_writer *writer, const char *type, const char *title,
                            int status, const char *code, const char *detail)
{
    json_put_text(writer, "type", type);
    json_put_text(writer, "title", title);
    json_put_i64(writer, "status", status);
    json_put_text(writer, "detail", detail);
    json_put_text(writer, "instance", request->path != NULL ? request->path : "/");
    json_put_text(writer, "code", code);
    json_put_text(writer, "request_id", request->id_text);
}

static void problem_write(struct request *request, int status, const char *code, const char *detail, const char *field)
{
    char type[128];
    struct json_writer writer;
    const struct problem_word *word = word_find(code);
    problem_begin(request, status);
    (void)snprintf(type, sizeof type, PROBLEM_BASE "%s", code);
    for (char *at = type; *at != '\0'; at++) {
        *at = *at == '_' ? '-' : *at;
    }
    json_writer_init(&writer, &request->reply.body);
    json_open_object(&writer, NULL);
    problem_members(request, &writer, type, word != NULL ? word->title : http_status_text(status), status, code,
                    detail);
    if (field != NULL && field[0] != '\0') {
        json_open_array(&writer, "errors");
        json_open_object(&writer, NULL);
        if (field[0] == '/') {
            char pointer[ERR_FIELD_BYTES_MAX + 2];
            (void)snprintf(pointer, sizeof pointer, "#%s", strcmp(field, "/") == 0 ? "" : field);
            json_put_text(&writer, "pointer", pointer);
        } else {
            json_put_text(&writer, "parameter", field);
        }
        json_put_text(&writer, "detail", detail);
        json_close_object(&writer);
        json_close_array(&writer);
    }
    json_close_object(&writer);
    buf_putc(&request->reply.body, '\n');
}

static bool is_url(const struct request *request)
{
    return request->route != NULL && (request->route->flags & ROUTE_URL) != 0;
}

static bool is_lambda(const struct request *request)
{
    return request->route != NULL && (request->route->flags & ROUTE_LAMBDA) != 0;
}

void problem_reply(struct request *request, const struct err *err)
{
    if (is_lambda(request)) {
        lambda_error_reply(request, err);
        return;
    }
    if (is_url(request)) {
        int status = problem_http_status(err);
        function_url_error(request, status, status == 404 ? "Not Found" : err->text);
        return;
    }
    const char *code = err->slug != NULL ? err->slug : err_code_name(err->code);
    problem_write(request, problem_http_status(err), code, err->text, err->field);
}

void problem_status(struct request *request, int status, const char *code, const char *detail)
{
    if (is_lambda(request)) {
        lambda_status_reply(request, status, code, detail);
        return;
    }
    if (is_url(request)) {
        function_url_error(request, status, detail);
        return;
    }
    /* The body as a whole is what is wrong; "#" is its pointer. */
    problem_write(request, status, code, detail, strcmp(code, "body_too_large") == 0 ? "/" : NULL);
}

void problem_body_too_large(struct request *request)
{
    char text[160];
    size_t most = request->route->body_bytes_max;
    if ((request->route->flags & ROUTE_LAMBDA) != 0) {
        bool invoke = strstr(request->path, "/invo") != NULL || strstr(request->path, "-invocations") != NULL;
        const char *operation = strstr(request->path, "/code") != NULL ? "UpdateFunctionCode" : "CreateFunction";
        (void)snprintf(text, sizeof text, "Request must be smaller than %zu bytes for the %s operation", most,
                       invoke ? "InvokeFunction" : operation);
    } else {
        (void)snprintf(text, sizeof text, "the body is larger than the %zu bytes allowed here", most);
    }
    problem_status(request, 413, "body_too_large", text);
}

void problem_refusal(struct request *request, const struct admission_refusal *refusal)
{
    struct json_writer writer;
    char text[CALENDAR_TEXT_BYTES];
    const char *quota = quota_name(refusal->quota);
    bool capacity = refusal->reason == USAGE_REFUSED_CAPACITY;
    problem_begin(request, capacity ? 503 : 429);
    reply_header_i64(&request->reply, "Retry-After", refusal->retry_after_s > 0 ? refusal->retry_after_s : 1);
    json_writer_init(&writer, &request->reply.body);
    json_open_object(&writer, NULL);
    problem_members(
        request, &writer,
        capacity ? "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity" : PROBLEM_QUOTA,
        capacity ? "The node has no room right now" : "Request cannot be satisfied as assigned quota has been exceeded",
        capacity ? 503 : 429, capacity ? "overloaded" : "quota_exceeded", refusal->detail);
    json_put_text(&writer, "reason", usage_refusal_name(refusal->reason));
    if (refusal->limit_text[0] != '\0') {
        json_open_array(&writer, "violated-policies");
        json_put_text(&writer, NULL, quota);
        json_close_array(&writer);
        json_put_text(&writer, "limit", refusal->limit_text);
        json_put_text(&writer, "used", refusal->used_text);
        json_put_text(&writer, "held", refusal->held_text);
    }
    if (refusal->resets_at_us != 0) {
        char value[128];
        int64_t left_s = (refusal->resets_at_us - clock_wall_us()) / 1000000;
        calendar_format(refusal->resets_at_us, text);
        json_put_text(&writer, "resets_at", text);
        (void)snprintf(value, sizeof value, "\"%s\";r=0;t=%lld", quota, (long long)(left_s > 0 ? left_s : 1));
        reply_header(&request->reply, "RateLimit", value);
        (void)snprintf(value, sizeof value, "\"%s\";q=%lld", quota, (long long)refusal->limit);
        reply_header(&request->reply, "RateLimit-Policy", value);
    } else {
        char value[128];
        json_put_null(&writer, "resets_at");
        (void)snprintf(value, sizeof value, "\"%s\";r=0;t=1", quota);
        reply_header(&request->reply, "RateLimit", value);
    }
    json_close_object(&writer);
    buf_putc(&request->reply.body, '\n');
}
