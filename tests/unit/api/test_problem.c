/* Goal: errors become problems with the right status, code and pointer; Accept is weighed; cursors are bound to their
 * list. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/auth.h"
#include "api/http.h"
#include "api/json_text.h"
#include "common/err.h"

static struct request *made(const char *uri)
{
    struct request *request = calloc(1, sizeof *request);
    struct err err = {0};
    ck_assert_ptr_nonnull(request);
    reply_init(&request->reply);
    ck_assert_int_eq(request_parse_uri(request, uri, &err), 0);
    return request;
}

static const struct {
    enum err_code code;
    const char *slug, *field;
    int status;
    const char *has;
} PROBLEMS[] = {
    {ERR_INVALID, NULL, "/memory_mb", 400, "\"pointer\":\"#/memory_mb\""},
    {ERR_INVALID, NULL, "from", 400, "\"parameter\":\"from\""},
    {ERR_NOT_FOUND, NULL, "", 404, "\"code\":\"not_found\""},
    {ERR_CONFLICT, NULL, "", 409, "\"code\":\"conflict\""},
    {ERR_CONFLICT, "stale_version", "", 412, "\"code\":\"stale_version\""},
    {ERR_INVALID, "unauthorized", "", 401, "urn:farthing:problem:unauthorized"},
    {ERR_INVALID, "not_acceptable", "", 406, "urn:farthing:problem:not-acceptable"},
    {ERR_LIMIT, NULL, "", 429, "\"status\":429"},
    {ERR_RETRY, NULL, "", 503, "\"status\":503"},
    {ERR_UNCERTAIN, NULL, "", 503, "\"code\":\"uncertain\""},
    {ERR_SYSTEM, NULL, "", 500, "\"status\":500"},
    {ERR_INVALID, "a_word_nobody_listed", "", 400, "\"code\":\"a_word_nobody_listed\""},
};

START_TEST(problems)
{
    struct request *request = made("/v1/x");
    struct err err = {.code = PROBLEMS[_i].code, .slug = PROBLEMS[_i].slug, .text = "a \"sentence\""};
    (void)snprintf(err.field, sizeof err.field, "%s", PROBLEMS[_i].field);
    problem_reply(request, &err);
    ck_assert_int_eq(request->reply.status, PROBLEMS[_i].status);
    ck_assert_str_eq(request->reply.content_type, "application/problem+json");
    ck_assert_ptr_nonnull(strstr(buf_text(&request->reply.body), PROBLEMS[_i].has));
    cJSON *tree = cJSON_Parse(buf_text(&request->reply.body));
    ck_assert_ptr_nonnull(tree);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(tree, "detail")), "a \"sentence\"");
    cJSON_Delete(tree);
    request_free(request);
}
END_TEST

static const struct {
    const char *accept, *type;
    bool fits;
} ACCEPTS[] = {
    {NULL, "text/csv", true},
    {"*/*", "text/csv", true},
    {"text/*;q=0.5", "text/csv", true},
    {"text/*", "application/json", false},
    {"application/json", "text/csv", false},
    {"text/csv;q=0", "text/csv", false},
    {"text/csv;q=0, */*", "text/csv", false},
    {"application/json;q=0.1, text/csv", "application/json", true},
    {"TEXT/CSV", "text/csv", true},
};

START_TEST(accepts)
{
    ck_assert_int_eq(request_accepts(ACCEPTS[_i].accept, ACCEPTS[_i].type), ACCEPTS[_i].fits);
}
END_TEST

START_TEST(cursor_goes_around)
{
    struct request *first = made("/v1/accounts?limit=2");
    struct json_writer writer;
    struct page page;
    struct err err = {0};
    reply_json_begin(first, &writer);
    page_put(first, &writer, "key with \xc3\xa4 & more");
    ck_assert_int_eq(reply_json_end(first, 200, &writer, &err), 0);
    cJSON *tree = cJSON_Parse(buf_text(&first->reply.body));
    const char *next = cJSON_GetStringValue(cJSON_GetObjectItem(tree, "next"));
    ck_assert_ptr_nonnull(next);
    ck_assert_ptr_nonnull(strstr(reply_header_get(&first->reply, "Link"), next));

    struct request *second = made(next);
    ck_assert_int_eq(page_get(second, &page, &err), 0);
    ck_assert_int_eq((int)page.limit, 2);
    ck_assert_str_eq(page.after, "key with \xc3\xa4 & more");

    char elsewhere[300];
    (void)snprintf(elsewhere, sizeof elsewhere, "/v1/keys%s", strchr(next, '?'));
    struct request *third = made(elsewhere);
    ck_assert_int_eq(page_get(third, &page, &err), -1);
    ck_assert_str_eq(err.field, "cursor");
    cJSON_Delete(tree);
    request_free(first);
    request_free(second);
    request_free(third);
}
END_TEST

START_TEST(limits_of_pages)
{
    static const struct {
        const char *uri;
        int rc, limit;
    } rows[] = {{"/x", 0, PAGE_LIMIT_DEFAULT}, {"/x?limit=5000", 0, PAGE_LIMIT_MAX},
                {"/x?limit=0", -1, 0},         {"/x?limit=-1", -1, 0},
                {"/x?limit=a", -1, 0},         {"/x?cursor=!!", -1, 0}};
    struct page page;
    struct err err = {0};
    struct request *request = made(rows[_i].uri);
    ck_assert_int_eq(page_get(request, &page, &err), rows[_i].rc);
    if (rows[_i].rc == 0) {
        ck_assert_int_eq((int)page.limit, rows[_i].limit);
    }
    request_free(request);
}
END_TEST

START_TEST(bearer_texts)
{
    ck_assert_str_eq(auth_bearer_text("Bearer far_abc"), "far_abc");
    ck_assert_str_eq(auth_bearer_text("bearer   far_abc"), "far_abc");
    ck_assert_ptr_null(auth_bearer_text(NULL));
    ck_assert_ptr_null(auth_bearer_text(""));
    ck_assert_ptr_null(auth_bearer_text("Basic far_abc"));
    ck_assert_ptr_null(auth_bearer_text("Bearer abc"));
}
END_TEST

START_TEST(new_keys_differ)
{
    char a[AUTH_KEY_BYTES], b[AUTH_KEY_BYTES];
    auth_new_key(a);
    auth_new_key(b);
    ck_assert_uint_eq(strlen(a), AUTH_KEY_BYTES - 1);
    ck_assert_ptr_nonnull(auth_bearer_text("Bearer far_"));
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(gb_seconds)
{
    static const struct {
        int64_t mb_ms;
        const char *text;
    } rows[] = {
        {0, "0"}, {1024000, "1"}, {1, "0.0000009765625"}, {512000, "0.5"}, {INT64_MAX, "9007199254740.9919990234375"}};
    char text[GB_SECONDS_TEXT_BYTES];
    gb_seconds_text(rows[_i].mb_ms, text);
    ck_assert_str_eq(text, rows[_i].text);
}
END_TEST

START_TEST(headers_are_safe)
{
    struct reply reply;
    reply_init(&reply);
    reply_header(&reply, "X", "a\r\nSet-Cookie: b");
    ck_assert_str_eq(reply_header_get(&reply, "x"), "a  Set-Cookie: b");
    reply_header(&reply, "X", "c");
    ck_assert_int_eq(reply.header_count, 1);
    ck_assert_str_eq(reply_header_get(&reply, "X"), "c");
    reply_free(&reply);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("problem");
    TCase *tcase = tcase_create("problem");
    tcase_add_loop_test(tcase, problems, 0, (int)(sizeof PROBLEMS / sizeof PROBLEMS[0]));
    tcase_add_loop_test(tcase, accepts, 0, (int)(sizeof ACCEPTS / sizeof ACCEPTS[0]));
    tcase_add_test(tcase, cursor_goes_around);
    tcase_add_loop_test(tcase, limits_of_pages, 0, 6);
    tcase_add_test(tcase, bearer_texts);
    tcase_add_test(tcase, new_keys_differ);
    tcase_add_loop_test(tcase, gb_seconds, 0, 5);
    tcase_add_test(tcase, headers_are_safe);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
