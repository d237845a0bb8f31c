/*
 * Goal:   what another runtime reports is billed by the policy of its day: steps of 100 ms until December 2020,
 * initialisation from August 2025, large asynchronous events as several requests, /tmp, streamed bytes, provisioned
 * concurrency. Method: a node, events over HTTP, the month's cost read back; quantities and amounts worked out by hand.
 */
#include <check.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "api/node.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "tests/support/pgtest.h"

#define ADMIN "far_00112233445566778899aabbccddeeff0011223344556677"

static struct node *node;
static char data_dir[] = "/tmp/farthing-golden-events-XXXXXX";

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

static cJSON *ask(const char *method, const char *path, const char *body)
{
    struct buf answer = {0};
    char url[256];
    long status = 0;
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Authorization: Bearer " ADMIN);
    headers = curl_slist_append(headers, "Content-Type: application/cloudevents+json");
    (void)snprintf(url, sizeof url, "%s%s", node_url(node), path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    ck_assert_int_eq(curl_easy_perform(curl), CURLE_OK);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    ck_assert_msg(status / 100 == 2, "%s %s: %ld %s", method, path, status, buf_text(&answer));
    cJSON *tree = cJSON_Parse(buf_text(&answer));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    buf_free(&answer);
    return tree;
}

static const struct {
    const char *day, *data;
    const char *requests, *meter, *quantity, *exact; /* requests and one meter more; in own units */
} EVENTS[] = {
    {"2020-11-30", "\"duration_ms\":1,\"memory_mb\":1024", "1", "compute_x86_64", "102400", "0"},
    {"2020-12-01", "\"duration_ms\":1,\"memory_mb\":1024", "1", "compute_x86_64", "1024", "0"},
    {"2020-12-01", "\"duration_ms\":\"1.001\",\"memory_mb\":1024", "1", "compute_x86_64", "2048", "0"},
    {"2025-07-31", "\"duration_ms\":100.2,\"init_ms\":300.5,\"memory_mb\":1024", "1", "compute_x86_64", "103424", "0"},
    {"2025-08-01", "\"duration_ms\":100.2,\"init_ms\":300.5,\"memory_mb\":1024", "1", "compute_x86_64", "410624", "0"},
    {"2026-10-01", "\"duration_ms\":1,\"memory_mb\":128,\"async\":true,\"event_bytes\":262144", "1", "compute_x86_64",
     "128", "0"},
    {"2026-10-01", "\"duration_ms\":1,\"memory_mb\":128,\"async\":true,\"event_bytes\":262145", "2", "compute_x86_64",
     "128", "0"},
    {"2026-10-01", "\"duration_ms\":1,\"memory_mb\":128,\"async\":true,\"event_bytes\":1048576", "13", "compute_x86_64",
     "128", "0"},
    {"2026-10-01", "\"duration_ms\":1,\"memory_mb\":128,\"event_bytes\":1048576", "1", "compute_x86_64", "128", "0"},
    /* 600 s x 9728 MB above 512: 5700 GB-s x 0.0000000309 */
    {"2026-10-01", "\"duration_ms\":600000,\"memory_mb\":128,\"ephemeral_storage_mb\":10240", "1", "ephemeral_storage",
     "5836800000", "0.00017613"},
    /* 6 MiB are free, then 1 GB x 0.008 */
    {"2026-10-01", "\"duration_ms\":1,\"memory_mb\":128,\"streamed\":true,\"response_bytes\":1080033280", "1",
     "streamed_bytes", "1073741824", "0.008"},
    /* 100 ms x 1024 MB; its initialisation is paid with the capacity: 0.1 GB-s x 0.0000097222 */
    {"2026-10-01", "\"duration_ms\":100,\"init_ms\":50,\"memory_mb\":1024,\"provisioned\":true", "1",
     "provisioned_compute_x86_64", "102400", "0.00000097222"},
    {"2026-10-01", "\"duration_ms\":100,\"memory_mb\":1024,\"arch\":\"arm64\"", "1", "compute_arm64", "102400", "0"},
};

static const cJSON *line_of(const cJSON *cost, const char *meter)
{
    const cJSON *line = NULL;
    cJSON_ArrayForEach(line, cJSON_GetObjectItem(cost, "lines"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(line, "meter")), meter) == 0) {
            return line;
        }
    }
    return NULL;
}

START_TEST(an_event_is_billed_by_its_day)
{
    char event[600];
    char path[200];
    const cJSON *line = NULL;
    (void)snprintf(event, sizeof event,
                   "{\"specversion\":\"1.0\",\"id\":\"%d\",\"source\":\"golden\",\"type\":\"dev.farthing.invocation\","
                   "\"subject\":\"row%d/f\",\"time\":\"%sT10:00:00Z\",\"data\":{%s}}",
                   _i, _i, EVENTS[_i].day, EVENTS[_i].data);
    cJSON_Delete(ask("POST", "/v1/events", event));
    (void)snprintf(path, sizeof path, "/v1/accounts/row%d/cost?month=%.7s", _i, EVENTS[_i].day);
    cJSON *cost = ask("GET", path, NULL);
    while ((line = line_of(cost, EVENTS[_i].meter)) == NULL) { /* until it is stored; the case has a time limit */
        cJSON_Delete(cost);
        cost = ask("GET", path, NULL);
    }
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(line, "quantity")), EVENTS[_i].quantity);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(line, "exact_amount")), EVENTS[_i].exact);
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(line_of(cost, "requests"), "quantity")),
                     EVENTS[_i].requests);
    cJSON_Delete(cost);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("integration/golden_events");
    TCase *tcase = tcase_create("golden_events");
    tcase_add_unchecked_fixture(tcase, node_up, node_down);
    tcase_set_timeout(tcase, 300);
    tcase_add_loop_test(tcase, an_event_is_billed_by_its_day, 0, sizeof EVENTS / sizeof EVENTS[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
