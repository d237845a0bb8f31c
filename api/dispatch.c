/* What happens around every handler: route, caller, account, scope, body, idempotency, audit, log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/audit_store.h"
#include "api/auth.h"
#include "api/function_url.h"
#include "api/http.h"
#include "api/idempotency.h"
#include "api/server.h"
#include "api/sigv4.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

static enum http_method method_of(const char *name)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            return (enum http_method)i;
        }
    }
    return HTTP_OTHER;
}

static bool refuse_method(struct request *request, unsigned allowed)
{
    char allow[80];
    router_allow_text(allowed, allow);
    if (request->method == HTTP_OPTIONS) {
        (void)reply_empty(request, 204);
    } else {
        char text[160];
        (void)snprintf(text, sizeof text, "%s is not possible here; allowed: %s", request->method_name, allow);
        problem_status(request, 405, "method_not_allowed", text);
    }
    reply_header(&request->reply, "Allow", allow);
    return false;
}

/* Length and framing of the body, before a byte of it is read. */
static bool body_acceptable(struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    const char *coding = request_header(request, "Transfer-Encoding");
    if (length != NULL && coding != NULL) {
        problem_status(request, 400, "invalid", "Content-Length and Transfer-Encoding exclude each other");
        return false;
    }
    bool has_body = coding != NULL || (length != NULL && strcmp(length, "0") != 0);
    if (has_body && (request->route->flags & ROUTE_JSON) != 0 && !request_media_type_is(request, "application/json")) {
        problem_status(request, 415, "unsupported_media_type", "Content-Type is to be application/json");
        reply_header(&request->reply, "Accept", "application/json");
        return false;
    }
    if (length == NULL) {
        return true;
    }
    char *end = NULL;
    unsigned long long declared = strtoull(length, &end, 10);
    if (*end != '\0' || declared <= request->route->body_bytes_max) {
        return true;
    }
    /* A client that waits for 100-continue hears it now; the others are heard out first (server.c). */
    if (request_header(request, "Expect") == NULL && declared <= 64u * 1024 * 1024) {
        return true;
    }
    char text[160];
    (void)snprintf(text, sizeof text, "the body has %s bytes; the most here is %zu", length,
                   request->route->body_bytes_max);
    problem_status(request, 413, "body_too_large", text);
    return false;
}

static void ask_for_key(struct request *request)
{
    problem_status(request, 401, "unauthorized", "send a key: Authorization: Bearer far_...");
}

static bool accepts_work(struct request *request)
{
    if (!api_stopping(request->api) || (request->route->flags & ROUTE_NO_PG) != 0) {
        return true;
    }
    problem_status(request, 503, "shutting_down", "this node is stopping; ask another or again in a moment");
    reply_header(&request->reply, "Connection", "close");
    return false;
}

bool dispatch_headers(struct request *request)
{
    unsigned allowed = 0;
    struct err err = {0};
    request->method = method_of(request->method_name);
    if (function_url_asked(request)) {
        return accepts_work(request) && body_acceptable(request);
    }
    if (request_parse_query(request, &err) != 0) {
        problem_reply(request, &err);
        return false;
    }
    if (router_match(request, &request->route, &allowed) != 0) {
        problem_status(request, 400, "invalid", "the path has a bad percent escape");
        return false;
    }
    if (request->route == NULL) {
        if (allowed != 0) {
            return refuse_method(request, allowed);
        }
        problem_status(request, 404, "not_found", "there is nothing at this address");
        return false;
    }
    const char *authorization = request_header(request, "Authorization");
    if (request->route->scope != SCOPE_NONE && auth_bearer_text(authorization) == NULL &&
        !((request->route->flags & ROUTE_LAMBDA) != 0 && sigv4_is(authorization))) {
        ask_for_key(request);
        return false;
    }
    return accepts_work(request) && body_acceptable(request);
}

/* ---- who, which account, may they ---- */

static int not_yours(struct err *err)
{
    (void)err_set(err, ERR_NOT_FOUND, "there is no such account");
    return err_at(err, "account");
}

static int identify(struct request *request, struct err *err)
{
    struct auth *auth = api_auth(request->api);
    struct auth_key key;
    const char *authorization = request_header(request, "Authorization");
    const char *bearer = auth_bearer_text(authorization);
    int rc = bearer != NULL ? auth_bearer(auth, request->pg, bearer, &key, err)
                            : sigv4_verify(request, auth, request->pg, &key, err);
    if (rc == 0) {
        request->caller = key.caller;
        request->account_suspended = key.suspended;
    }
    return rc;
}

/* The account a route is about: from the path, or on AWS routes that of the key. */
static int find_account(struct request *request, struct err *err)
{
    struct caller *caller = &request->caller;
    const char *text = request_param(request, "a");
    bool lambda = (request->route->flags & ROUTE_LAMBDA) != 0;
    if (lambda && caller->account_id == 0) {
        (void)err_set(err, ERR_INVALID, "AWS operations need the key of an account, this is an admin key");
        return err_slug(err, "forbidden");
    }
    if (!lambda && text[0] == '\0') {
        return 0;
    }
    if (caller->account_id != 0) {
        char own[40];
        (void)snprintf(own, sizeof own, "acct_%lld", (long long)caller->account_id);
        if (!lambda && strcmp(text, own) != 0 && strcmp(text, caller->account_name) != 0) {
            return not_yours(err);
        }
        request->account_id = caller->account_id;
        (void)snprintf(request->account_name, sizeof request->account_name, "%s", caller->account_name);
        return 0;
    }
    struct auth_account account;
    int rc = auth_account(api_auth(request->api), request->pg, text, &account, err);
    if (rc == 0) {
        request->account_id = account.account_id;
        request->account_suspended = account.suspended;
        (void)snprintf(request->account_name, sizeof request->account_name, "%s", account.name);
    }
    return rc;
}

static bool word_in(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; *at != '\0';) {
        size_t next = strcspn(at, " ");
        if (next == length && strncmp(at, word, length) == 0) {
            return true;
        }
        at += next;
        at += *at == ' ';
    }
    return false;
}

static int check_query(const struct request *request, struct err *err)
{
    const char *names = request->route->query;
    for (int i = 0; i < request->query_count && strcmp(names, "*") != 0; i++) {
        if (request_query(request, request->query[i].name) != request->query[i].value) {
            return err_field(err, request->query[i].name, "%.60s is given twice", request->query[i].name);
        }
        if (!word_in(names, request->query[i].name)) {
            return err_field(err, request->query[i].name, "\"%.60s\" is not a parameter here%s%.120s",
                             request->query[i].name, names[0] != '\0' ? "; known: " : "", names);
        }
    }
    return 0;
}

static int check_caller(struct request *request, struct err *err)
{
    if ((request->route->flags & ROUTE_URL) != 0) {
        return function_url_caller(request, err);
    }
    if (request->route->scope == SCOPE_NONE) {
        return 0;
    }
    int rc = identify(request, err);
    if (rc != 0) {
        return rc;
    }
    if (request->caller.account_id != 0 && request_wall_in(request, err) != 0) {
        return -1;
    }
    rc = find_account(request, err);
    if (rc != 0) {
        return rc;
    }
    if (request->caller.scope < request->route->scope) {
        (void)err_set(err, ERR_INVALID, "this needs a key of scope %s",
                      request->route->scope == SCOPE_ADMIN ? "admin" : "account");
        return err_slug(err, "forbidden");
    }
    return 0;
}

/* ---- run ---- */

static void audit(struct request *request)
{
    struct err err = {0};
    const char *detail = request->audit_detail.length > 0 ? buf_text(&request->audit_detail) : "{}";
    const struct audit_row row = {.key_id = request->caller.key_id,
                                  .account_id = request->account_id,
                                  .action = request->route->action,
                                  .subject = request->audit_subject,
                                  .detail = detail};
    if (audit_store_put(request->pg, &row, &err) != 0) {
        LOG(LOG_LEVEL_ERROR, "audit.lost", LF_STR("action", row.action), LF_STR("subject", row.subject),
            LF_I64("key_id", row.key_id), LF_STR("error", err.text));
    }
}

static enum dispatch_result run_handler(struct request *request)
{
    struct err err = {0};
    struct idempotency_run idempotency = {0};
    int rc = check_query(request, &err);
    if (rc == 0 && request_is_encoded(request)) {
        rc = request_inflate(request, &err);
    }
    if (rc == 0 && (request->route->flags & ROUTE_IDEMPOTENT) != 0 && request->pg != NULL) {
        rc = idempotency_begin(request, &idempotency, &err);
        if (rc == 0 && idempotency.replayed) {
            return DISPATCH_DONE;
        }
    }
    struct answer_run kept = {.answers = NULL};
    if (rc == 0 && (request->route->flags & ROUTE_KEPT) != 0 &&
        answers_begin(api_answers(request->api), request, &kept)) {
        return DISPATCH_DONE;
    }
    bool audited = (request->route->flags & ROUTE_AUDIT) != 0;
    if (rc == 0 && audited) {
        audit_before(request);
    }
    if (rc == 0) {
        rc = request->route->handler(request, &err);
    }
    answers_end(request, &kept, rc == 0);
    if (rc == HANDLER_LATER) {
        return DISPATCH_LATER;
    }
    if (rc != 0) {
        problem_reply(request, &err);
        if (request->reply.status >= 500) {
            LOG(LOG_LEVEL_WARN, "request.failed", LF_STR("path", request->path), LF_STR("error", err.text),
                LF_STR("request_id", request->id_text));
        }
    } else if (audited && request->reply.status < 300) {
        audit_after(request);
        audit(request);
    }
    idempotency_end(request, &idempotency);
    return DISPATCH_DONE;
}

static enum dispatch_result run(struct request *request)
{
    struct err err = {0};
    int rc = check_caller(request, &err);
    if (rc > 0) {
        return DISPATCH_WORKER;
    }
    if (rc < 0) {
        problem_reply(request, &err);
        return DISPATCH_DONE;
    }
    return run_handler(request);
}

/* On the HTTP thread: an answer that is kept needs nothing but its stamp. */
static enum dispatch_result run_kept(struct request *request)
{
    struct err err = {0};
    int rc = check_caller(request, &err);
    if (rc < 0) {
        problem_reply(request, &err);
        return DISPATCH_DONE;
    }
    bool waits = rc == 0 && check_query(request, &err) == 0 && answers_wait(api_answers(request->api), request);
    return waits ? DISPATCH_LATER : DISPATCH_WORKER;
}

enum dispatch_result dispatch_inline(struct request *request)
{
    if ((request->route->flags & ROUTE_KEPT) != 0 && !request_is_encoded(request)) {
        return run_kept(request);
    }
    if ((request->route->flags & ROUTE_INLINE) == 0 || request_is_encoded(request)) {
        return DISPATCH_WORKER;
    }
    return run(request);
}

enum dispatch_result dispatch_worker(struct request *request)
{
    enum dispatch_result result = run(request);
    CHECK(result != DISPATCH_WORKER); /* with a connection nothing has to be asked again */
    return result;
}

void dispatch_log(struct request *request)
{
    bool quiet = request->route != NULL && (request->route->flags & ROUTE_QUIET) != 0 && request->reply.status < 500;
    LOG(quiet ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "request.done", LF_STR("method", request->method_name),
        LF_STR("path", request->path), LF_I64("status", request->reply.status),
        LF_I64("duration_us", clock_mono_us() - request->started_mono_us), LF_I64("key_id", request->caller.key_id),
        LF_STR("request_id", request->id_text));
}
