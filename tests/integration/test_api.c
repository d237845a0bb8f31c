/*
 * A little over 500 lines: the tables of bad input and the walk over all routes share one node.
 *
 * Goal:   no key reaches another account by any route; bad input is a 4xx problem that names its field; the conventions
 * hold. Method: a whole node in this process on a fresh database, asked over HTTP with libcurl. The tenancy test walks
 * the route table, so a new route is in it on the day it is written.
 * Length: one node serves all of it, and starting it is the slow part.
 */
#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/http.h"
#include "api/node.h"
#include "api/server.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "tests/support/pgtest.h"

#define ADMIN "far_00112233445566778899aabbccddeeff0011223344556677"

static struct node *node;
static char data_dir[] = "/tmp/farthing-api-test-XXXXXX";
static char key_a[80], key_b[80], read_b[80];

struct answer {
    long status;
    struct buf body, headers;
};

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    buf_append(ctx, bytes, size * count);
    return size * count;
}

static void answer_free(struct answer *answer)
{
    buf_free(&answer->body);
    buf_free(&answer->headers);
}

/* header: one more header line or NULL. body NULL: none. */
static struct answer ask(const char *key, const char *method, const char *path, const char *header, const char *body,
                         size_t length)
{
    struct answer answer = {0};
    char url[1024], authorization[160];
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    ck_assert_ptr_nonnull(curl);
    (void)snprintf(url, sizeof url, "%s%s", node_url(node), path);
    (void)snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", key != NULL ? key : "");
    headers = curl_slist_append(headers, key != NULL ? authorization : "X-None: 1");
    headers = curl_slist_append(headers, "Expect:");
    if (header != NULL) {
        headers = curl_slist_append(headers, header);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.headers);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    ck_assert_msg(curl_easy_perform(curl) == CURLE_OK, "%s %s got no answer", method, path);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer;
}

static struct answer ask_json(const char *key, const char *method, const char *path, const char *body)
{
    return ask(key, method, path, body != NULL ? "Content-Type: application/json" : NULL, body,
               body != NULL ? strlen(body) : 0);
}

static void text_of(const struct answer *answer, const char *name, char *text, size_t size)
{
    cJSON *tree = cJSON_Parse(buf_text(&answer->body));
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(tree, name));
    ck_assert_msg(value != NULL, "no %s in %s", name, buf_text(&answer->body));
    (void)snprintf(text, size, "%s", value);
    cJSON_Delete(tree);
}

static void make_key(const char *account, const char *scope, char key[80])
{
    char path[100], body[60];
    (void)snprintf(path, sizeof path, "/v1/accounts/%s/keys", account);
    (void)snprintf(body, sizeof body, "{\"scope\":\"%s\"}", scope);
    struct answer answer = ask_json(ADMIN, "POST", path, body);
    ck_assert_int_eq((int)answer.status, 201);
    text_of(&answer, "key", key, 80);
    answer_free(&answer);
}

static void node_up(void)
{
    struct err err = {0};
    ck_assert_ptr_nonnull(mkdtemp(data_dir));
    log_level_set(LOG_LEVEL_ERROR);
    const struct node_options options = {.data_dir = data_dir,
                                         .listen = "127.0.0.1:0",
                                         .database = pgtest_database(),
                                         .sandbox = "none",
                                         .spool_bytes_max = 64 * 1024 * 1024,
                                         .admin_key = ADMIN};
    ck_assert_msg(node_open(&options, &node, &err) == 0, "%s", err.text);
    static const char *const names[] = {"{\"name\":\"aaa\"}", "{\"name\":\"bbb\"}"};
    for (int i = 0; i < 2; i++) {
        struct answer answer = ask_json(ADMIN, "POST", "/v1/accounts", names[i]);
        ck_assert_msg(answer.status == 201, "%s", buf_text(&answer.body));
        answer_free(&answer);
    }
    make_key("aaa", "account", key_a);
    make_key("bbb", "account", key_b);
    make_key("bbb", "read", read_b);
}

static void node_down(void)
{
    node_close(&node);
    (void)fs_remove_tree(data_dir, NULL);
}

static const char *method_name(enum http_method method)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"};
    return names[method];
}

/* The pattern with a for {a} and something for the others. */
static void fill(const char *pattern, const char *a, char path[512])
{
    size_t used = 0;
    for (const char *p = pattern; *p != '\0';) {
        if (*p != '{') {
            path[used++] = *p++;
            continue;
        }
        const char *with = strncmp(p, "{a}", 3) == 0       ? a
                           : strncmp(p, "{month}", 7) == 0 ? "2026-01"
                           : strncmp(p, "{quota}", 7) == 0 ? "concurrency"
                                                           : "thing";
        used += (size_t)snprintf(path + used, 512 - used, "%s", with);
        p += strcspn(p, "}") + 1;
    }
    path[used] = '\0';
}

/* What differs between two refusals must not tell anything: only the names the client sent and the request id. */
static void same_refusal(const struct answer *one, const struct answer *other, const char *path)
{
    char code[64], code_other[64], detail[300], detail_other[300];
    text_of(one, "code", code, sizeof code);
    text_of(other, "code", code_other, sizeof code_other);
    text_of(one, "detail", detail, sizeof detail);
    text_of(other, "detail", detail_other, sizeof detail_other);
    ck_assert_str_eq(code, code_other);
    ck_assert_msg(strcmp(detail, detail_other) == 0, "%s: \"%s\" is not \"%s\"", path, detail, detail_other);
}

START_TEST(foreign_accounts_are_not_there)
{
    const char *const keys[] = {key_b, read_b};
    int walked = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if (strstr(route->pattern, "{a}") == NULL) {
            continue;
        }
        for (int i = 0; i < 2; i++) {
            char path[512], nowhere[512], by_id[512];
            fill(route->pattern, "aaa", path);
            fill(route->pattern, "nobody-at-all", nowhere);
            fill(route->pattern, "acct_100000000001", by_id);
            const char *body = route->body_bytes_max > 0 ? "{}" : NULL;
            struct answer foreign = ask_json(keys[i], method_name(route->method), path, body);
            struct answer missing = ask_json(keys[i], method_name(route->method), nowhere, body);
            struct answer number = ask_json(keys[i], method_name(route->method), by_id, body);
            ck_assert_msg(foreign.status == 404, "%s %s: %ld", method_name(route->method), path, foreign.status);
            ck_assert_int_eq((int)missing.status, 404);
            ck_assert_int_eq((int)number.status, 404);
            same_refusal(&foreign, &missing, path);
            same_refusal(&foreign, &number, path);
            answer_free(&foreign);
            answer_free(&missing);
            answer_free(&number);
        }
        walked++;
    }
    ck_assert_int_ge(walked, 30);
}
END_TEST

START_TEST(scopes_hold)
{
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        char path[512];
        bool lambda = (route->flags & ROUTE_LAMBDA) != 0;
        fill(route->pattern, "bbb", path);
        const char *body = route->body_bytes_max > 0 ? "{}" : NULL;
        struct answer none = ask_json(NULL, method_name(route->method), path, body);
        if (route->scope != SCOPE_NONE) {
            ck_assert_msg(none.status == (lambda ? 403 : 401), "%s %s without a key: %ld", method_name(route->method),
                          path, none.status);
        }
        answer_free(&none);
        if (route->scope > SCOPE_READ) {
            struct answer read = ask_json(read_b, method_name(route->method), path, body);
            ck_assert_msg(read.status == 403, "%s %s with a read key: %ld", method_name(route->method), path,
                          read.status);
            answer_free(&read);
        }
        if (route->scope == SCOPE_ADMIN) {
            struct answer account = ask_json(key_b, method_name(route->method), path, body);
            ck_assert_msg(account.status == 403, "%s %s with an account key: %ld", method_name(route->method), path,
                          account.status);
            answer_free(&account);
        }
    }
}
END_TEST

static const struct {
    const char *method, *path, *type, *body;
    int status;
    const char *has; /* in the problem */
} BAD[] = {
    {"GET", "/v1/accounts/nobody", NULL, NULL, 404, "nobody"},
    {"POST", "/v1/accounts", "application/json", "{", 400, "invalid_json"},
    {"POST", "/v1/accounts", "application/json", "[]", 400, "JSON object"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"UPPER\"}", 400, "#/name"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"aaa\"}", 409, "#/name"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"x\",\"colour\":1}", 400, "colour"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"x\",\"name\":\"y\"}", 400, "name"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"x\",\"currency\":\"EUR\"}", 400, "#/currency"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"x\",\"price_book\":\"none\"}", 400, "#/price_book"},
    {"POST", "/v1/accounts", "application/json", "{\"name\":\"x\",\"tags\":{\"a\":\"=1+1\"}}", 400, "#/tags"},
    {"POST", "/v1/accounts", "text/plain", "{}", 415, "unsupported_media_type"},
    {"POST", "/v1/accounts", "application/json", "", 400, "empty"},
    {"PUT", "/v1/accounts/aaa/quotas/concurrency", "application/json", "{\"limit\":\"-1\"}", 400, "#/limit"},
    {"PUT", "/v1/accounts/aaa/quotas/concurrency", "application/json", "{\"limit\":-1}", 400, "#/limit"},
    {"PUT", "/v1/accounts/aaa/quotas/concurrency", "application/json", "{\"limit\":1.5}", 400, "#/limit"},
    {"PUT", "/v1/accounts/aaa/quotas/concurrency", "application/json", "{}", 400, "#/limit"},
    {"PUT", "/v1/accounts/aaa/quotas/concurrency", "application/json", "{\"limit\":\"1\",\"action\":\"x\"}", 400,
     "#/action"},
    {"PUT", "/v1/accounts/aaa/quotas/concurrency", "application/json", "{\"limit\":\"1\",\"thresholds\":[50,0]}", 400,
     "#/thresholds/1"},
    {"PUT", "/v1/accounts/aaa/quotas/unheard-of", "application/json", "{\"limit\":\"1\"}", 404, "unheard-of"},
    {"GET", "/v1/accounts/aaa/bills/2026-13", NULL, NULL, 400, "month"},
    {"GET", "/v1/accounts/aaa/bills/last", NULL, NULL, 400, "month"},
    {"GET", "/v1/accounts/aaa/bills/2999-01", NULL, NULL, 400, ""},
    {"GET", "/v1/accounts/aaa/bills/2026-01?layout=poem", NULL, NULL, 400, "layout"},
    {"GET", "/v1/accounts/aaa/usage?from=yesterday", NULL, NULL, 400, "from"},
    {"GET", "/v1/accounts/aaa/usage?from=2026-02-01&to=2026-01-01", NULL, NULL, 400, "to"},
    {"GET", "/v1/accounts/aaa/usage?granularity=eon", NULL, NULL, 400, "granularity"},
    {"GET", "/v1/accounts/aaa/usage?group_by=colour", NULL, NULL, 400, "group_by"},
    {"GET", "/v1/accounts/aaa/usage?format=xml", NULL, NULL, 400, "format"},
    {"GET", "/v1/accounts/aaa/usage?month=2026-01&month=2026-02", NULL, NULL, 400, "month"},
    {"GET", "/v1/accounts?colour=1", NULL, NULL, 400, "colour"},
    {"GET", "/v1/accounts?limit=0", NULL, NULL, 400, "limit"},
    {"GET", "/v1/accounts?cursor=abc", NULL, NULL, 400, "cursor"},
    {"POST", "/v1/accounts/aaa/functions", "application/json", "{\"name\":\"f\",\"runtime\":\"nodejs\"}", 400,
     "#/code"},
    {"POST", "/v1/accounts/aaa/functions", "application/json", "{\"name\":\"f\",\"code\":\"%%%\"}", 400, "#/code"},
    {"POST", "/v1/accounts/aaa/functions", "application/json",
     "{\"name\":\"f\",\"runtime\":\"nodejs\",\"handler\":\"a.b\",\"code\":\"bm8gemlw\"}", 400, "#/code"},
    {"POST", "/v1/accounts/aaa/functions", "application/json", "{\"name\":\"../f\",\"code\":\"eA==\"}", 400, "#/name"},
    {"POST", "/v1/accounts/aaa/functions?name=f&runtime=nodejs&handler=a.b&memory_mb=64", "application/zip", "PK", 400,
     ""},
    {"POST", "/v1/accounts/aaa/functions", "text/html", "x", 415, "Content-Type"},
    {"POST", "/v1/accounts/aaa/functions/none/invocations", "application/json", "{}", 404, "none"},
    {"POST", "/v1/accounts/aaa/functions/none/invocations?type=maybe", "application/json", "{}", 400, "type"},
    {"GET", "/v1/accounts/aaa/functions/none/logs", NULL, NULL, 404, ""},
    {"POST", "/v1/accounts/aaa/keys", "application/json", "{\"scope\":\"admin\"}", 400, "#/scope"},
    {"POST", "/v1/accounts/aaa/keys", "application/json", "{\"expires_at\":\"2001-01-01\"}", 400, "#/expires_at"},
    {"DELETE", "/v1/accounts/aaa/keys/key_999999", NULL, NULL, 404, ""},
    {"POST", "/v1/accounts/aaa/webhooks", "application/json", "{\"url\":\"ftp://x\"}", 400, "#/url"},
    {"POST", "/v1/events", "application/cloudevents+json", "{\"specversion\":\"1.0\",\"id\":\"1\"}", 400, "source"},
    {"POST", "/v1/events", "application/cloudevents-batch+json", "{}", 400, "array"},
    {"POST", "/v1/events", "text/csv", "1", 415, ""},
    {"PUT", "/v1/price-books/default", "application/json", "{}", 400, "errors"},
    {"GET", "/v1/accounts/%zz", NULL, NULL, 400, "escape"},
    {"GET", "/v1/nothing", NULL, NULL, 404, "not_found"},
    {"BREW", "/v1/accounts", NULL, NULL, 405, "method_not_allowed"},
    {"DELETE", "/v1/accounts", NULL, NULL, 405, "method_not_allowed"},
};

START_TEST(bad_input)
{
    char type[100];
    (void)snprintf(type, sizeof type, "Content-Type: %s", BAD[_i].type != NULL ? BAD[_i].type : "");
    struct answer answer = ask(ADMIN, BAD[_i].method, BAD[_i].path, BAD[_i].type != NULL ? type : NULL, BAD[_i].body,
                               BAD[_i].body != NULL ? strlen(BAD[_i].body) : 0);
    ck_assert_msg(answer.status == BAD[_i].status, "%s %s: %ld %s", BAD[_i].method, BAD[_i].path, answer.status,
                  buf_text(&answer.body));
    ck_assert_ptr_nonnull(strstr(buf_text(&answer.headers), "application/problem+json"));
    ck_assert_msg(strstr(buf_text(&answer.body), BAD[_i].has) != NULL, "%s is not in %s", BAD[_i].has,
                  buf_text(&answer.body));
    answer_free(&answer);
}
END_TEST

START_TEST(large_bodies)
{
    size_t length = 7 * 1024 * 1024;
    char *body = malloc(length);
    ck_assert_ptr_nonnull(body);
    memset(body, ' ', length);
    struct answer small = ask(ADMIN, "POST", "/v1/accounts", "Content-Type: application/json", body, 300 * 1024);
    struct answer invoke =
        ask(ADMIN, "POST", "/v1/accounts/aaa/functions/f/invocations", "Content-Type: application/json", body, length);
    struct answer chunked = ask(ADMIN, "POST", "/v1/accounts", "Transfer-Encoding: chunked", body, 300 * 1024);
    ck_assert_int_eq((int)small.status, 413);
    ck_assert_int_eq((int)invoke.status, 413);
    ck_assert_int_ge((int)chunked.status, 400);
    ck_assert_ptr_nonnull(strstr(buf_text(&small.body), "body_too_large"));
    answer_free(&small);
    answer_free(&invoke);
    answer_free(&chunked);
    free(body);
}
END_TEST

START_TEST(creates_happen_once)
{
    static const char header[] = "Content-Type: application/json\r\nIdempotency-Key: \"k-1\"";
    static const char body[] = "{\"name\":\"once\"}";
    static const char other[] = "{\"name\":\"twice\"}";
    struct answer first = ask(ADMIN, "POST", "/v1/accounts", header, body, strlen(body));
    struct answer second = ask(ADMIN, "POST", "/v1/accounts", header, body, strlen(body));
    struct answer third = ask(ADMIN, "POST", "/v1/accounts", header, other, strlen(other));
    ck_assert_int_eq((int)first.status, 201);
    ck_assert_int_eq((int)second.status, 201);
    ck_assert_str_eq(buf_text(&first.body), buf_text(&second.body));
    ck_assert_ptr_nonnull(strstr(buf_text(&second.headers), "Idempotency-Replayed: true"));
    ck_assert_int_eq((int)third.status, 422);
    answer_free(&first);
    answer_free(&second);
    answer_free(&third);
}
END_TEST

START_TEST(etags_and_conditions)
{
    struct answer put = ask_json(ADMIN, "PUT", "/v1/accounts/aaa/quotas/requests_per_month", "{\"limit\":\"10\"}");
    ck_assert_msg(put.status == 200, "%s", buf_text(&put.body));
    ck_assert_ptr_nonnull(strstr(buf_text(&put.headers), "ETag: \"r"));
    struct answer stale =
        ask(ADMIN, "PUT", "/v1/accounts/aaa/quotas/requests_per_month",
            "Content-Type: application/json\r\nIf-Match: \"r99\"", "{\"limit\":\"20\"}", strlen("{\"limit\":\"20\"}"));
    ck_assert_int_eq((int)stale.status, 412);
    ck_assert_ptr_nonnull(strstr(buf_text(&stale.body), "stale_version"));
    struct answer account = ask_json(ADMIN, "GET", "/v1/accounts/aaa", NULL);
    ck_assert_int_eq((int)account.status, 200);
    struct answer same = ask(ADMIN, "GET", "/v1/accounts/aaa", "If-None-Match: \"r1\"", NULL, 0);
    ck_assert_int_eq((int)same.status, 304);
    ck_assert_uint_eq(same.body.length, 0);
    struct answer head = ask(ADMIN, "HEAD", "/v1/accounts/aaa", NULL, NULL, 0);
    ck_assert_int_eq((int)head.status, 200);
    struct answer not_known = ask(ADMIN, "GET", "/v1/accounts/aaa/usage", "Accept: image/png", NULL, 0);
    ck_assert_int_eq((int)not_known.status, 406);
    answer_free(&put);
    answer_free(&stale);
    answer_free(&account);
    answer_free(&same);
    answer_free(&head);
    answer_free(&not_known);
}
END_TEST

START_TEST(revoked_keys_stop)
{
    char key[80], id[40], path[100];
    struct answer made = ask_json(ADMIN, "POST", "/v1/accounts/aaa/keys", "{}");
    text_of(&made, "key", key, sizeof key);
    text_of(&made, "id", id, sizeof id);
    struct answer before = ask_json(key, "GET", "/v1/accounts/aaa", NULL);
    ck_assert_int_eq((int)before.status, 200);
    (void)snprintf(path, sizeof path, "/v1/accounts/aaa/keys/%s", id);
    struct answer foreign = ask_json(key_b, "DELETE", path, NULL);
    ck_assert_int_eq((int)foreign.status, 404);
    struct answer gone = ask_json(ADMIN, "DELETE", path, NULL);
    ck_assert_int_eq((int)gone.status, 204);
    struct answer after = ask_json(key, "GET", "/v1/accounts/aaa", NULL);
    ck_assert_int_eq((int)after.status, 401);
    struct answer log = ask_json(ADMIN, "GET", "/v1/accounts/aaa/audit-log", NULL);
    ck_assert_ptr_nonnull(strstr(buf_text(&log.body), "key.revoke"));
    ck_assert_ptr_null(strstr(buf_text(&log.body), key));
    answer_free(&made);
    answer_free(&before);
    answer_free(&foreign);
    answer_free(&gone);
    answer_free(&after);
    answer_free(&log);
}
END_TEST

START_TEST(events_count_once)
{
    static const char batch[] =
        "[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/h\",\"type\":\"t\",\"subject\":\"ext/img\","
        "\"time\":\"2026-01-02T03:04:05Z\",\"data\":{\"duration_ms\":\"1.0001\",\"memory_mb\":512}},"
        "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/h\",\"type\":\"t\",\"subject\":\"ext/img\","
        "\"time\":\"2026-01-02T03:04:05Z\",\"data\":{\"duration_ms\":\"1.0001\",\"memory_mb\":512}},"
        "{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"/h\",\"type\":\"t\",\"subject\":\"ext/img\","
        "\"data\":{\"duration_ms\":-5,\"memory_mb\":512}}]";
    static const char type[] = "Content-Type: application/cloudevents-batch+json";
    struct answer first = ask(ADMIN, "POST", "/v1/events", type, batch, strlen(batch));
    ck_assert_msg(first.status == 207, "%ld %s", first.status, buf_text(&first.body));
    ck_assert_ptr_nonnull(strstr(buf_text(&first.body), "\"accepted\":1,\"duplicates\":1,\"rejected_count\":1"));
    ck_assert_ptr_nonnull(strstr(buf_text(&first.body), "#/2/data/duration_ms"));
    struct answer again = ask(ADMIN, "POST", "/v1/events", type, batch, strlen(batch));
    ck_assert_ptr_nonnull(strstr(buf_text(&again.body), "\"accepted\":0,\"duplicates\":2"));
    struct answer foreign = ask(key_b, "POST", "/v1/events", type, batch, strlen(batch));
    ck_assert_int_eq((int)foreign.status, 422);
    answer_free(&first);
    answer_free(&again);
    answer_free(&foreign);
}
END_TEST

START_TEST(open_pages)
{
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics", "/openapi.json"};
    struct answer answer = ask(NULL, "GET", paths[_i], NULL, NULL, 0);
    ck_assert_msg(answer.status == 200, "%s: %ld %s", paths[_i], answer.status, buf_text(&answer.body));
    ck_assert_ptr_nonnull(strstr(buf_text(&answer.headers), "X-Content-Type-Options: nosniff"));
    answer_free(&answer);
}
END_TEST

/* Every native route is in the OpenAPI document, and the document names nothing else. */
START_TEST(document_and_routes_agree)
{
    struct answer answer = ask(NULL, "GET", "/openapi.json", NULL, NULL, 0);
    cJSON *tree = cJSON_Parse(buf_text(&answer.body));
    ck_assert_ptr_nonnull(tree);
    const cJSON *paths = cJSON_GetObjectItem(tree, "paths");
    int routes = 0;
    int operations = 0;
    for (const struct route *route = router_table(); route->pattern != NULL; route++) {
        if ((route->flags & ROUTE_LAMBDA) != 0) {
            continue;
        }
        char method[16] = "";
        for (size_t i = 0; method_name(route->method)[i] != '\0'; i++) {
            method[i] = (char)(method_name(route->method)[i] | 0x20);
        }
        const cJSON *path = cJSON_GetObjectItemCaseSensitive(paths, route->pattern);
        ck_assert_msg(cJSON_GetObjectItemCaseSensitive(path, method) != NULL, "%s %s is not described", method,
                      route->pattern);
        routes++;
    }
    const cJSON *path;
    const cJSON *operation;
    cJSON_ArrayForEach(path, paths)
    {
        cJSON_ArrayForEach(operation, path)
        {
            operations += strcmp(operation->string, "parameters") != 0;
        }
    }
    ck_assert_int_eq(routes, operations);
    cJSON_Delete(tree);
    answer_free(&answer);
}
END_TEST

START_TEST(one_node_a_directory)
{
    struct err err = {0};
    struct node *second = NULL;
    const struct node_options options = {
        .data_dir = data_dir, .listen = "127.0.0.1:0", .database = pgtest_database(), .admin_key = ADMIN};
    ck_assert_int_eq(node_open(&options, &second, &err), -1);
    ck_assert_int_eq((int)err.code, (int)ERR_CONFLICT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api");
    TCase *tcase = tcase_create("api");
    tcase_set_timeout(tcase, 120);
    tcase_add_unchecked_fixture(tcase, node_up, node_down);
    tcase_add_test(tcase, foreign_accounts_are_not_there);
    tcase_add_test(tcase, scopes_hold);
    tcase_add_loop_test(tcase, bad_input, 0, (int)(sizeof BAD / sizeof BAD[0]));
    tcase_add_test(tcase, large_bodies);
    tcase_add_test(tcase, creates_happen_once);
    tcase_add_test(tcase, etags_and_conditions);
    tcase_add_test(tcase, revoked_keys_stop);
    tcase_add_test(tcase, events_count_once);
    tcase_add_loop_test(tcase, open_pages, 0, 4);
    tcase_add_test(tcase, document_and_routes_agree);
    tcase_add_test(tcase, one_node_a_directory);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK); /* the node's threads live in this process */
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
