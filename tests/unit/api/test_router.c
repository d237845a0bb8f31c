/* Goal: every address finds its route, its parameters are decoded, and nothing else is found. Method: requests without
 * a connection. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/server.h"
#include "common/err.h"

static struct request *made(enum http_method method, const char *uri)
{
    struct request *request = calloc(1, sizeof *request);
    struct err err = {0};
    ck_assert_ptr_nonnull(request);
    reply_init(&request->reply);
    request->method = method;
    ck_assert_int_eq(request_parse_uri(request, uri, &err), 0);
    return request;
}

static const struct {
    enum http_method method;
    const char *uri;
    handler_fn *handler;
    const char *a, *f;
} FOUND[] = {
    {HTTP_GET, "/v1/accounts", account_list_handler, "", ""},
    {HTTP_GET, "/v1/accounts/", account_list_handler, "", ""},
    {HTTP_HEAD, "/v1/accounts/demo", account_get_handler, "demo", ""},
    {HTTP_POST, "/v1/accounts/demo/functions/hello/invocations?log=tail", invocation_create_handler, "demo", "hello"},
    {HTTP_GET, "/v1/accounts/acct_100000000001/functions/a%2Db/logs", log_handler, "acct_100000000001", "a-b"},
    {HTTP_PUT, "/v1/accounts/demo/quotas/concurrency", quota_put_handler, "demo", ""},
    {HTTP_GET, "/v1/bills/2026-10", bill_all_handler, "", ""},
    {HTTP_POST, "/2015-03-31/functions/arn%3Aaws%3Alambda%3Alocal%3A1%3Afunction%3Af/invocations",
     lambda_invoke_handler, "", "arn:aws:lambda:local:1:function:f"},
    {HTTP_GET, "/2015-03-31/functions/", lambda_list_handler, "", ""},
    {HTTP_GET, "/2099-01-01/anything/at/all", lambda_unsupported_handler, "", ""},
};

START_TEST(finds)
{
    const struct route *route = NULL;
    unsigned allowed = 0;
    struct request *request = made(FOUND[_i].method, FOUND[_i].uri);
    ck_assert_int_eq(router_match(request, &route, &allowed), 0);
    ck_assert_ptr_nonnull(route);
    ck_assert(route->handler == FOUND[_i].handler);
    ck_assert_str_eq(request_param(request, "a"), FOUND[_i].a);
    ck_assert_str_eq(request_param(request, "f"), FOUND[_i].f);
    request_free(request);
}
END_TEST

static const struct {
    enum http_method method;
    const char *uri;
    const char *allow; /* "": 404 */
} LOST[] = {
    {HTTP_GET, "/v1", ""},
    {HTTP_GET, "/v1/accountsx", ""},
    {HTTP_GET, "/v1/accounts//keys", ""},
    {HTTP_GET, "/v1/accounts/a/b", ""},
    {HTTP_GET, "/..%2f..%2fetc/passwd", ""},
    {HTTP_DELETE, "/v1/accounts", "GET, HEAD, POST, OPTIONS"},
    {HTTP_OPTIONS, "/v1/accounts/x/quotas/y", "GET, HEAD, PUT, DELETE, OPTIONS"},
};

START_TEST(loses)
{
    const struct route *route = NULL;
    unsigned allowed = 0;
    char text[80] = "";
    struct request *request = made(LOST[_i].method, LOST[_i].uri);
    ck_assert_int_eq(router_match(request, &route, &allowed), 0);
    ck_assert_ptr_null(route);
    if (allowed != 0) {
        router_allow_text(allowed, text);
    }
    ck_assert_str_eq(text, LOST[_i].allow);
    request_free(request);
}
END_TEST

START_TEST(bad_escape_in_path)
{
    static const char *const uris[] = {"/v1/accounts/%zz", "/v1/accounts/a%", "/v1/accounts/a%00b", "/v1/accounts/%4"};
    const struct route *route = NULL;
    unsigned allowed = 0;
    struct request *request = made(HTTP_GET, uris[_i]);
    ck_assert_int_eq(router_match(request, &route, &allowed), -1);
    request_free(request);
}
END_TEST

START_TEST(query_is_decoded)
{
    struct request *request = made(HTTP_GET, "/v1/usage?from=2026-11-01T00%3A00%3A00Z&group_by=a+b&empty&x=");
    ck_assert_str_eq(request_query(request, "from"), "2026-11-01T00:00:00Z");
    ck_assert_str_eq(request_query(request, "group_by"), "a b");
    ck_assert_str_eq(request_query(request, "empty"), "");
    ck_assert_str_eq(request_query(request, "x"), "");
    ck_assert_ptr_null(request_query(request, "y"));
    request_free(request);
}
END_TEST

START_TEST(bad_uri)
{
    static const char *const uris[] = {"/v1/usage?a=%g0", "/v1/usage?%00=1",
                                       "/?1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3&4&5&6&7&8&9&0&1&2&3&4"};
    struct err err = {0};
    struct request *request = calloc(1, sizeof *request);
    reply_init(&request->reply);
    ck_assert_int_eq(request_parse_uri(request, uris[_i], &err), -1);
    ck_assert_int_eq((int)err.code, (int)ERR_INVALID);
    request_free(request);
}
END_TEST

/* Every route must be reachable: no earlier pattern may take its requests. */
START_TEST(no_route_is_shadowed)
{
    for (const struct route *at = router_table(); at->pattern != NULL; at++) {
        char uri[256] = "";
        size_t used = 0;
        for (const char *p = at->pattern; *p != '\0';) {
            if (*p == '{') {
                uri[used++] = 'x';
                p += strcspn(p, "}") + 1;
            } else {
                uri[used++] = *p++;
            }
        }
        const struct route *route = NULL;
        unsigned allowed = 0;
        struct request *request = made(at->method, uri);
        ck_assert_int_eq(router_match(request, &route, &allowed), 0);
        ck_assert_msg(route == at, "%s is taken by another route", at->pattern);
        request_free(request);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("router");
    TCase *tcase = tcase_create("router");
    tcase_add_loop_test(tcase, finds, 0, (int)(sizeof FOUND / sizeof FOUND[0]));
    tcase_add_loop_test(tcase, loses, 0, (int)(sizeof LOST / sizeof LOST[0]));
    tcase_add_loop_test(tcase, bad_escape_in_path, 0, 4);
    tcase_add_test(tcase, query_is_decoded);
    tcase_add_loop_test(tcase, bad_uri, 0, 3);
    tcase_add_test(tcase, no_route_is_shadowed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
