/*
 * Goal:   receivers of OpenFaaS's function_usage get every invocation once, in batches of that shape, signed as they
 *         expect; webhooks for all events get none; what is not yet known to be complete waits.
 * Method: records put in by SQL, the feed run by hand, and the sender calling a receiver in this process that checks
 * the signature with its own HMAC.
 */
#include "api/usage_feed.h"
#include "api/webhook_sender.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void script(struct pg *pg, const char *sql)
{
    struct err err = {0};
    int rc = pg_script(pg, sql, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static const char WORLD[] =
    "SELECT usage_partition_ensure('2026-10-01', '2026-10-31');"
    "INSERT INTO account (account_id, name) VALUES (100000000001, 'acme'), (100000000002, 'other');"
    "INSERT INTO function (account_id, function_id, name) VALUES (100000000001, 1, 'env');"
    "INSERT INTO producer_cursor (producer_id, epoch, last_sequence, complete_through) "
    "VALUES (1, 1, 0, '2026-10-02 00:00+00');"
    "INSERT INTO usage_record SELECT 100000000000 + 1 + n % 2, '2026-10-01 00:00+00'::timestamptz + n * interval "
    "'1 minute', 1, md5(n::text)::uuid, 3798 + n, 0, 0, 0, 1, n, 4, 20, 0, 1, 512, 1, 1, 1, 1, 0, 0 "
    "FROM generate_series(1, 2900) n";

static struct pg *open_world(int port, const char **conninfo)
{
    struct pg *pg = NULL;
    char url[64];
    struct err err = {0};
    char sql[600];
    *conninfo = pgtest_database();
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/usage", port);
    ck_assert_int_eq(pg_open(*conninfo, &pg, &err), 0);
    script(pg, WORLD);
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO webhook (account_id, url, secret, events, created_at) VALUES "
                   "(100000000001, '%s', 'key', '{function_usage}', '2026-09-01'), (100000000001, '%s', 'key', '{}', "
                   "'2026-09-01')",
                   url, url);
    script(pg, sql);
    return pg;
}

START_TEST(each_invocation_is_in_one_batch)
{
    const char *conninfo = NULL;
    struct pg *pg = open_world(1, &conninfo);
    struct err err = {0};
    int64_t queued = -1;
    ck_assert_msg(usage_feed_run(pg, &queued, &err) == 0, "%s", err.text);
    ck_assert_int_eq(queued, 719); /* of account 1, before the second of October */
    ck_assert_int_eq(usage_feed_run(pg, &queued, &err), 0);
    ck_assert_int_eq(queued, 0);
    script(pg, "UPDATE producer_cursor SET complete_through = '2026-11-01'");
    ck_assert_int_eq(usage_feed_run(pg, &queued, &err), 0);
    ck_assert_int_eq(queued, 1450 - 719);
    script(
        pg,
        "DO $$ BEGIN "
        "ASSERT (SELECT sum(json_array_length(convert_from(body, 'UTF8')::json)) FROM webhook_delivery) = 1450, 'all';"
        "ASSERT (SELECT count(DISTINCT e ->> 'started') FROM webhook_delivery, "
        "json_array_elements(convert_from(body, 'UTF8')::json) e) = 1450, 'once';"
        "ASSERT (SELECT count(*) FROM webhook_delivery WHERE event_type <> 'function_usage') = 0, 'type';"
        "ASSERT (SELECT count(DISTINCT webhook_id) FROM webhook_delivery) = 1, 'asked for';"
        "ASSERT (SELECT (convert_from(body, 'UTF8')::json -> 0)::jsonb FROM webhook_delivery ORDER BY created_at LIMIT "
        "1)"
        " = '{\"event\": \"function_usage\", \"namespace\": \"acme\", \"function_name\": \"env\", \"started\": "
        "\"2026-10-01T00:02:00.000000Z\", \"duration\": 3800000, \"memory_bytes\": 20971520}'::jsonb, 'shape';"
        "END $$");
    pg_close(&pg);
}
END_TEST

static int listen_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, length), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* One request, headers and body; answered with 200. */
static void receive(int listener, char *bytes, size_t size, char **body)
{
    size_t length = 0;
    size_t wanted = SIZE_MAX;
    int fd = accept(listener, NULL, NULL);
    ck_assert_int_ge(fd, 0);
    *body = NULL;
    while (length < wanted) {
        ssize_t got = read(fd, bytes + length, size - 1 - length);
        ck_assert_int_gt(got, 0);
        length += (size_t)got;
        bytes[length] = '\0';
        char *end = strstr(bytes, "\r\n\r\n");
        if (end == NULL || *body != NULL) {
            continue;
        }
        const char *size_header = strcasestr(bytes, "content-length:");
        ck_assert_ptr_nonnull(size_header);
        *body = end + 4;
        wanted = (size_t)(*body - bytes) + strtoull(size_header + 15, NULL, 10);
        if (strcasestr(bytes, "expect: 100-continue") != NULL) {
            ck_assert_int_eq(write(fd, "HTTP/1.1 100 Continue\r\n\r\n", 25), 25);
        }
    }
    static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    ck_assert_int_eq(write(fd, OK, sizeof OK - 1), (ssize_t)sizeof OK - 1);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(the_call_is_one_of_openfaas)
{
    int port = 0;
    int listener = listen_somewhere(&port);
    const char *conninfo = NULL;
    struct pg *pg = open_world(port, &conninfo);
    struct webhook_sender *sender = NULL;
    struct err err = {0};
    char *bytes = malloc(1 << 20);
    char *body = NULL;
    uint8_t mac[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    char header[160];
    cJSON *tree = NULL;
    const struct webhook_sender_options options = {.conninfo = conninfo, .allow_private = true};
    ck_assert_ptr_nonnull(bytes);
    ck_assert_msg(webhook_sender_start(&options, &sender, &err) == 0, "%s", err.text);
    receive(listener, bytes, 1 << 20, &body);
    hmac_sha256("key", 3, body, strlen(body), mac);
    hex_encode(mac, sizeof mac, hex);
    (void)snprintf(header, sizeof header, "X-Openfaas-Signature-256: sha256=%s\r\n", hex);
    ck_assert_ptr_nonnull(strstr(bytes, header));
    ck_assert_ptr_nonnull(strstr(bytes, "X-Openfaas-Event: function_usage\r\n"));
    ck_assert_ptr_nonnull(strstr(bytes, "X-Openfaas-Delivery: "));
    ck_assert_ptr_nonnull(strstr(bytes, "Content-Type: application/json\r\n"));
    ck_assert_int_eq(json_parse(body, strlen(body), &tree, &err), 0);
    ck_assert_int_eq(cJSON_GetArraySize(tree), 719);
    cJSON_Delete(tree);
    webhook_sender_stop(&sender);
    free(bytes);
    ck_assert_int_eq(close(listener), 0);
    pg_close(&pg);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("usage_feed");
    TCase *tcase = tcase_create("usage_feed");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, each_invocation_is_in_one_batch);
    tcase_add_test(tcase, the_call_is_one_of_openfaas);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
