#include "tests/support/api_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/node.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "tests/support/pgtest.h"

static struct {
    struct node *node;
    char dir[64];
    const char *database;
} up;

static void must(int ok, const char *what, const char *detail)
{
    if (!ok) {
        (void)fprintf(stderr, "%s: %s\n", what, detail);
        abort();
    }
}

void api_node_up(void)
{
    api_node_up_with(UINT64_C(64) * 1024 * 1024, 0);
}

void api_node_up_with(uint64_t spool_bytes_max, int ready_lag_s)
{
    struct err err = {0};
    (void)snprintf(up.dir, sizeof up.dir, "/tmp/farthing-api-test-XXXXXX");
    must(mkdtemp(up.dir) != NULL, "mkdtemp", up.dir);
    log_level_set(LOG_LEVEL_ERROR);
    up.database = pgtest_database();
    const struct node_options options = {.data_dir = up.dir,
                                         .listen = "127.0.0.1:0",
                                         .database = up.database,
                                         .sandbox = "none",
                                         .head_wait_s = 2,
                                         .spool_bytes_max = spool_bytes_max,
                                         .ready_lag_s = ready_lag_s,
                                         .admin_key = API_TEST_ADMIN};
    must(node_open(&options, &up.node, &err) == 0, "node", err.text);
}

void api_node_down(void)
{
    node_close(&up.node);
    (void)fs_remove_tree(up.dir, NULL);
}

const char *api_test_database(void)
{
    return up.database;
}

const char *api_node_url(void)
{
    return node_url(up.node);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    buf_append(ctx, bytes, size * count);
    return size * count;
}

struct api_answer api_ask_as(const char *authorization, const char *method, const char *path, const char *header,
                             const char *body, size_t length)
{
    struct api_answer answer = {0};
    char url[2048], line[600];
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    must(curl != NULL, "curl", "out of memory");
    (void)snprintf(url, sizeof url, "%s%s", node_url(up.node), path);
    (void)snprintf(line, sizeof line, "Authorization: %s", authorization != NULL ? authorization : "");
    headers = curl_slist_append(headers, authorization != NULL ? line : "X-None: 1");
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
    must(curl_easy_perform(curl) == CURLE_OK, "no answer", url);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return answer;
}

struct api_answer api_ask(const char *key, const char *method, const char *path, const char *body)
{
    char authorization[200];
    (void)snprintf(authorization, sizeof authorization, "Bearer %s", key != NULL ? key : "");
    return api_ask_as(key != NULL ? authorization : NULL, method, path,
                      body != NULL ? "Content-Type: application/json" : NULL, body, body != NULL ? strlen(body) : 0);
}

void api_answer_free(struct api_answer *answer)
{
    buf_free(&answer->body);
    buf_free(&answer->headers);
}

void api_text(const struct api_answer *answer, const char *path, char *text, size_t size)
{
    cJSON *tree = cJSON_Parse(buf_text(&answer->body));
    const cJSON *at = tree;
    for (const char *name = path; at != NULL && *name != '\0';) {
        char part[64];
        size_t length = strcspn(name, ".");
        (void)snprintf(part, sizeof part, "%.*s", (int)length, name);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, (int)strtol(part, NULL, 10))
                               : cJSON_GetObjectItemCaseSensitive(at, part);
        name += length + (name[length] == '.');
    }
    must(cJSON_IsString(at), path, buf_text(&answer->body));
    (void)snprintf(text, size, "%s", cJSON_GetStringValue(at));
    cJSON_Delete(tree);
}

void api_make(const char *method, const char *path, const char *body, const char *member, char *text, size_t size)
{
    struct api_answer answer = api_ask(API_TEST_ADMIN, method, path, body);
    must(answer.status < 300, path, buf_text(&answer.body));
    if (member != NULL) {
        api_text(&answer, member, text, size);
    }
    api_answer_free(&answer);
}

const char *api_method_name(enum http_method method)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"};
    return names[method];
}
