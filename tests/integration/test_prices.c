/*
 * Goal:   a price book that breaks a rule is refused whole over HTTP, every error with its pointer, and the version
 * before stays in force; one that is too big never gets as far as the reader.
 * Method: a whole node on a fresh database; every refusal is followed by asking which version holds.
 */
#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/node.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "tests/support/pgtest.h"

#define ADMIN "far_00112233445566778899aabbccddeeff0011223344556677"

static struct node *node;
static char data_dir[] = "/tmp/farthing-prices-test-XXXXXX";

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
}

static void node_down(void)
{
    node_close(&node);
    (void)fs_remove_tree(data_dir, NULL);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    buf_append(ctx, bytes, size * count);
    return size * count;
}

/* The answer is a JSON tree of the caller; NULL when the server closed the connection on a body it does not want. */
static long ask(const char *method, const char *path, const char *body, size_t length, cJSON **tree)
{
    struct buf answer = {0};
    char url[256];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Authorization: Bearer " ADMIN);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    (void)snprintf(url, sizeof url, "%s%s", node_url(node), path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    }
    (void)curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    *tree = cJSON_Parse(buf_text(&answer));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    buf_free(&answer);
    return status;
}

static int version_in_force(void)
{
    cJSON *tree = NULL;
    ck_assert_int_eq((int)ask("GET", "/v1/price-books/shop", NULL, 0, &tree), 200);
    cJSON *requests =
        cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "document"), "meters"), "requests");
    ck_assert_ptr_nonnull(requests);
    int version = cJSON_GetObjectItem(tree, "version")->valueint;
    cJSON_Delete(tree);
    return version;
}

static bool points_at(const cJSON *tree, const char *pointer)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(tree, "errors"))
    {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(item, "pointer"));
        if (text != NULL && strcmp(text, pointer) == 0) {
            return cJSON_GetStringValue(cJSON_GetObjectItem(item, "detail")) != NULL;
        }
    }
    return false;
}

#define BANDS(x) "{\"currency\":\"USD\",\"meters\":{\"requests\":{\"bands\":[" x "]}}}"

static const struct {
    const char *json;
    const char *pointers[4];
} BAD[] = {
    {BANDS("{\"up_to\":\"10\",\"price\":\"1\"},{\"up_to\":\"5\",\"price\":\"1\"},{\"price\":\"1\"}"),
     {"#/meters/requests/bands/1/up_to"}},
    {BANDS("{\"price\":\"-1\"}"), {"#/meters/requests/bands/0/price"}},
    {BANDS("{\"up_to\":\"10\",\"price\":\"1\"}"), {"#/meters/requests/bands"}},
    {"{\"currency\":\"USD\",\"meters\":{\"coffee\":{\"bands\":[{\"price\":\"1\"}]}}}", {"#/meters/coffee"}},
    {"{\"currency\":\"USD\",\"meters\":{},\"policy\":[{\"from\":\"2026-02-30\",\"grain_ms\":1,\"bill_init\":true}]}",
     {"#/policy/0/from"}},
    /* all of it at once: every error is there, not only the first */
    {"{\"currency\":\"usd\",\"meters\":{\"coffee\":{\"bands\":[]},\"requests\":{\"bands\":[{\"price\":\"-1\"}]}},"
     "\"colour\":1}",
     {"#/currency", "#/meters/coffee", "#/meters/requests/bands/0/price", "#/colour"}},
};

START_TEST(bad_books_are_refused_whole)
{
    static const char GOOD[] = BANDS("{\"price\":\"0.5\"}");
    cJSON *tree = NULL;
    ck_assert_int_eq((int)ask("PUT", "/v1/price-books/shop", GOOD, strlen(GOOD), &tree), 200);
    cJSON_Delete(tree);
    int before = version_in_force();
    ck_assert_int_eq((int)ask("PUT", "/v1/price-books/shop", BAD[_i].json, strlen(BAD[_i].json), &tree), 400);
    for (int i = 0; i < 4 && BAD[_i].pointers[i] != NULL; i++) {
        ck_assert_msg(points_at(tree, BAD[_i].pointers[i]), "no %s", BAD[_i].pointers[i]);
    }
    cJSON_Delete(tree);
    ck_assert_int_eq(version_in_force(), before);
}
END_TEST

/* A version holds from the first instant of a month. */
START_TEST(bad_dates_of_a_version)
{
    static const char GOOD[] = BANDS("{\"price\":\"0.25\"}");
    static const char *const DATES[] = {"2026-12-02", "2026-02-30", "soon", "2026-12-01T00:00:01Z"};
    int before = version_in_force();
    for (size_t i = 0; i < sizeof DATES / sizeof DATES[0]; i++) {
        char path[100];
        cJSON *tree = NULL;
        (void)snprintf(path, sizeof path, "/v1/price-books/shop?effective_from=%s", DATES[i]);
        ck_assert_int_eq((int)ask("PUT", path, GOOD, strlen(GOOD), &tree), 400);
        ck_assert_ptr_nonnull(strstr(cJSON_GetStringValue(cJSON_GetObjectItem(tree, "detail")), "effective_from"));
        cJSON_Delete(tree);
    }
    ck_assert_int_eq(version_in_force(), before);
}
END_TEST

/* Ten megabytes of JSON: refused by size, before it is read. */
START_TEST(big_books_are_refused)
{
    struct buf body = {0};
    cJSON *tree = NULL;
    int before = version_in_force();
    buf_puts(&body, "{\"currency\":\"USD\",\"meters\":{\"requests\":{\"bands\":[{\"price\":\"1\"}");
    while (body.length < 10 * 1024 * 1024) {
        buf_puts(&body, ",{\"up_to\":\"1\",\"price\":\"1\"}");
    }
    buf_puts(&body, "]}}}");
    long status = ask("PUT", "/v1/price-books/shop", body.data, body.length, &tree);
    ck_assert_int_eq((int)status, 413);
    cJSON_Delete(tree);
    ck_assert_int_eq(version_in_force(), before);
    buf_free(&body);
}
END_TEST

int main(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    Suite *suite = suite_create("integration/prices");
    TCase *tcase = tcase_create("prices");
    tcase_add_unchecked_fixture(tcase, node_up, node_down);
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, bad_books_are_refused_whole, 0, sizeof BAD / sizeof BAD[0]);
    tcase_add_test(tcase, bad_dates_of_a_version);
    tcase_add_test(tcase, big_books_are_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    curl_global_cleanup();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
