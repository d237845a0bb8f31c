/*
 * Goal:   a threshold fires exactly once however many nodes look at once, and its event arrives signed, with retries
 * and a log. Method: many connections fire the same thresholds together; the sender delivers to a listener of this test
 * on 127.0.0.1.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/webhook_sender.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/node_key.h"
#include "engine/notice.h"
#include "engine/quota.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define ACCOUNT INT64_C(100000000001)
#define THREADS 8
#define SECRET "0123456789abcdef"
#define REQUEST_BYTES 8192
#define WAIT_NS INT64_C(30000000000)

static const char *database;
static struct pg *pg;
static int64_t month_us;

static void run_sql(const char *sql)
{
    struct err err = {0};
    ck_assert_msg(pg_script(pg, sql, &err) == 0, "%s", err.text);
}

static void setup(void)
{
    struct err err = {0};
    int64_t to_us = 0;
    database = pgtest_database();
    ck_assert_msg(pg_open(database, &pg, &err) == 0, "%s", err.text);
    month_range(month_of(clock_wall_us()), &month_us, &to_us);
    struct quota quota = {
        .kind = QUOTA_REQUESTS_PER_MONTH, .limit_text = "1000", .thresholds = {50, 80, 100}, .threshold_count = 3};
    struct quota stored;
    ck_assert_int_eq(quota_put(pg, ACCOUNT, &quota, -1, &stored, &err), 0);
}

static void teardown(void)
{
    pg_close(&pg);
}

static void used(int64_t invocations)
{
    char sql[1024];
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO usage_hourly AS u (account_id, hour, function_id, version, memory_mib, arch, provisioned, "
        "invocations,"
        " billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts, billed_ms, mb_ms,"
        " storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes, peak_kib_sum, peak_kib_max, "
        "latency)"
        " VALUES (%lld, date_trunc('hour', now()), 1, 0, 128, 0, 0, %lld, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "
        "0, 0, 0, 0)"
        " ON CONFLICT (account_id, hour, function_id, version, memory_mib, arch, provisioned)"
        " DO UPDATE SET invocations = excluded.invocations",
        (long long)ACCOUNT, (long long)invocations);
    run_sql(sql);
}

static _Atomic int fired_in_all;

static void *fire_main(void *ctx)
{
    struct pg *own = NULL;
    struct err err = {0};
    int fired = 0;
    const struct notice_look look = {.account_id = ACCOUNT, .month_us = month_us, .spent_picos = -1};
    (void)ctx;
    ck_assert_int_eq(pg_open(database, &own, &err), 0);
    ck_assert_msg(notice_fire(own, &look, &fired, &err) == 0, "%s", err.text);
    atomic_fetch_add(&fired_in_all, fired);
    pg_close(&own);
    return NULL;
}

static int fire_everywhere(void)
{
    pthread_t threads[THREADS];
    atomic_store(&fired_in_all, 0);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fire_main, NULL), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    return atomic_load(&fired_in_all);
}

static int count_notice(const struct notice *notice, void *ctx, struct err *err)
{
    (void)err;
    ck_assert_str_eq(notice->quota, "requests_per_month");
    ck_assert_int_eq(notice->period_us, month_us);
    ++*(int *)ctx;
    return 0;
}

START_TEST(fires_once)
{
    struct err err = {0};
    int count = 0;
    int fired = 0;
    ck_assert_int_eq(fire_everywhere(), 0);
    used(499);
    ck_assert_int_eq(fire_everywhere(), 0);
    used(500);
    ck_assert_int_eq(fire_everywhere(), 1);
    ck_assert_int_eq(fire_everywhere(), 0);
    used(900);
    ck_assert_int_eq(fire_everywhere(), 1);
    /* 999 used, and the next call no longer fits: the limit is reached. */
    used(999);
    const struct notice_look look = {
        .account_id = ACCOUNT, .month_us = month_us, .spent_picos = -1, .refused_need = {2, 0, 0}};
    ck_assert_int_eq(notice_fire(pg, &look, &fired, &err), 0);
    ck_assert_int_eq(fired, 1);
    ck_assert_int_eq(fire_everywhere(), 0);
    ck_assert_int_eq(notice_list(pg, ACCOUNT, 10, count_notice, &count, &err), 0);
    ck_assert_int_eq(count, 3);
}
END_TEST

struct listener {
    int fd;
    int port;
    _Atomic int answers; /* HTTP status to give */
    _Atomic int calls;
    char last[REQUEST_BYTES];
    pthread_mutex_t lock;
    pthread_t thread;
};

static void *listen_main(void *ctx)
{
    struct listener *listener = ctx;
    for (;;) {
        int fd = accept(listener->fd, NULL, NULL);
        if (fd < 0) {
            return NULL;
        }
        char request[REQUEST_BYTES] = "";
        size_t length = 0;
        const char *body = NULL;
        while (length + 1 < sizeof request) {
            ssize_t got = read(fd, request + length, sizeof request - 1 - length);
            if (got <= 0) {
                break;
            }
            length += (size_t)got;
            request[length] = '\0';
            body = strstr(request, "\r\n\r\n");
            const char *size = strcasestr(request, "Content-Length: ");
            if (body != NULL && size != NULL && strlen(body + 4) >= strtoul(size + 16, NULL, 10)) {
                break;
            }
        }
        char answer[128];
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                       atomic_load(&listener->answers));
        (void)!write(fd, answer, strlen(answer));
        (void)close(fd);
        pthread_mutex_lock(&listener->lock);
        memcpy(listener->last, request, sizeof request);
        pthread_mutex_unlock(&listener->lock);
        atomic_fetch_add(&listener->calls, 1);
    }
}

static void listener_open(struct listener *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener->fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener->fd, 16), 0);
    ck_assert_int_eq(getsockname(listener->fd, (struct sockaddr *)&address, &length), 0);
    listener->port = ntohs(address.sin_port);
    pthread_mutex_init(&listener->lock, NULL);
    ck_assert_int_eq(pthread_create(&listener->thread, NULL, listen_main, listener), 0);
}

static void listener_close(struct listener *listener)
{
    (void)shutdown(listener->fd, SHUT_RDWR);
    ck_assert_int_eq(pthread_join(listener->thread, NULL), 0);
    (void)close(listener->fd);
}

struct log {
    int count, attempts, last_status;
    bool delivered, gave_up;
    char error[200];
};

static int read_log(const struct notice_log *entry, void *ctx, struct err *err)
{
    struct log *log = ctx;
    (void)err;
    log->count++;
    log->attempts = entry->attempts;
    log->last_status = entry->last_status;
    log->delivered = entry->delivered_us != 0;
    log->gave_up = entry->gave_up_us != 0;
    (void)snprintf(log->error, sizeof log->error, "%s", entry->last_error);
    return 0;
}

static struct log wait_log(int attempts)
{
    struct log log = {0};
    struct err err = {0};
    int64_t until_ns = clock_mono_ns() + WAIT_NS;
    do {
        log = (struct log){0};
        ck_assert_int_eq(notice_log_list(pg, ACCOUNT, 0, 10, read_log, &log, &err), 0);
    } while (log.attempts < attempts && clock_mono_ns() < until_ns);
    ck_assert_int_eq(log.attempts, attempts);
    return log;
}

static void add_webhook(int port)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO webhook (account_id, url, secret) VALUES (%lld, 'http://127.0.0.1:%d/hook', '%s')",
                   (long long)ACCOUNT, port, SECRET);
    run_sql(sql);
}

START_TEST(delivers_signed_with_retry)
{
    static struct listener listener;
    struct webhook_sender *sender = NULL;
    struct err err = {0};
    listener_open(&listener);
    add_webhook(listener.port);
    used(600);
    ck_assert_int_eq(fire_everywhere(), 1);
    const struct webhook_sender_options options = {.conninfo = database, .allow_private = true};
    atomic_store(&listener.answers, 500);
    ck_assert_int_eq(webhook_sender_start(&options, &sender, &err), 0);
    struct log log = wait_log(1);
    ck_assert(!log.delivered);
    ck_assert_int_eq(log.last_status, 500);
    ck_assert_str_eq(log.error, "the receiver answered 500");
    atomic_store(&listener.answers, 204);
    run_sql("UPDATE webhook_delivery SET due_at = now()"); /* the backoff is over */
    log = wait_log(2);
    ck_assert(log.delivered);
    webhook_sender_stop(&sender);
    listener_close(&listener);
    ck_assert_int_eq(atomic_load(&listener.calls), 2);
    const char *signature = strstr(listener.last, "Farthing-Signature: t=");
    const char *body = strstr(listener.last, "\r\n\r\n");
    ck_assert_ptr_nonnull(signature);
    ck_assert_ptr_nonnull(body);
    char expected[NOTICE_SIGNATURE_BYTES + 32];
    notice_sign(SECRET, strlen(SECRET), strtoll(signature + 22, NULL, 10), body + 4, strlen(body + 4), expected);
    ck_assert_int_eq(strncmp(signature + 20, expected, strlen(expected)), 0);
    ck_assert_ptr_nonnull(strstr(body, "\"threshold\" : 50"));
    ck_assert_ptr_nonnull(strstr(body, "\"used\" : \"600\""));
    ck_assert_ptr_nonnull(strstr(body, "\"specversion\" : \"1.0\""));
}
END_TEST

START_TEST(inner_addresses_are_refused)
{
    static struct listener listener;
    struct webhook_sender *sender = NULL;
    struct err err = {0};
    struct uuid id;
    listener_open(&listener);
    add_webhook(listener.port);
    ck_assert_int_eq(notice_test(pg, ACCOUNT, 999, &id, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_int_eq(notice_test(pg, ACCOUNT, 1, &id, &err), 0);
    const struct webhook_sender_options options = {.conninfo = database};
    ck_assert_int_eq(webhook_sender_start(&options, &sender, &err), 0);
    struct log log = wait_log(1);
    ck_assert_str_eq(log.error, "the address lies inside the operator's network");
    webhook_sender_stop(&sender);
    listener_close(&listener);
    ck_assert_int_eq(atomic_load(&listener.calls), 0);
}
END_TEST

/* Sealed by a key that this node does not have: an attempt that failed, with the reason, and so never without end. */
START_TEST(a_secret_that_cannot_be_opened_is_a_failed_attempt)
{
    static const uint8_t other_key[NODE_KEY_BYTES] = {1};
    static const uint8_t node_key[NODE_KEY_BYTES] = {2};
    struct webhook_sender *sender = NULL;
    struct err err = {0};
    struct uuid id;
    char aad[WEBHOOK_AAD_BYTES];
    struct buf sealed = {0};
    webhook_aad(ACCOUNT, aad);
    ck_assert_int_eq(node_key_seal(other_key, aad, SECRET, strlen(SECRET), &sealed, &err), 0);
    char sql[1024];
    char hex[400];
    ck_assert_uint_lt(2 * sealed.length, sizeof hex);
    hex_encode(sealed.data, sealed.length, hex);
    (void)snprintf(sql, sizeof sql,
                   "INSERT INTO webhook (account_id, url, secret) VALUES (%lld, 'http://127.0.0.1:1/', '\\x%s')",
                   (long long)ACCOUNT, hex);
    run_sql(sql);
    buf_free(&sealed);
    ck_assert_int_eq(notice_test(pg, ACCOUNT, 1, &id, &err), 0);
    const struct webhook_sender_options options = {.conninfo = database, .node_key = node_key, .allow_private = true};
    ck_assert_int_eq(webhook_sender_start(&options, &sender, &err), 0);
    for (int attempt = 1; attempt <= NOTICE_ATTEMPTS_MAX; attempt++) {
        struct log log = wait_log(attempt);
        ck_assert(!log.delivered);
        ck_assert_ptr_nonnull(strstr(log.error, "cannot be opened with this node's key"));
        ck_assert_int_eq(log.gave_up, attempt == NOTICE_ATTEMPTS_MAX);
        run_sql("UPDATE webhook_delivery SET due_at = now()"); /* the backoff is over */
    }
    webhook_sender_stop(&sender);
}
END_TEST

START_TEST(gives_up)
{
    struct err err = {0};
    struct uuid id;
    add_webhook(1);
    ck_assert_int_eq(notice_test(pg, ACCOUNT, 1, &id, &err), 0);
    for (int i = 0; i < NOTICE_ATTEMPTS_MAX; i++) {
        ck_assert_int_eq(notice_finish(pg, ACCOUNT, &id, 0, "refused", &err), 0);
    }
    struct log log = wait_log(NOTICE_ATTEMPTS_MAX);
    ck_assert(log.gave_up);
    ck_assert_int_eq(notice_backoff_s(1), 5);
    ck_assert_int_eq(notice_backoff_s(3), 20);
    ck_assert_int_eq(notice_backoff_s(100), 21600);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quota_notices");
    TCase *tcase = tcase_create("notices");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, fires_once);
    tcase_add_test(tcase, delivers_signed_with_retry);
    tcase_add_test(tcase, inner_addresses_are_refused);
    tcase_add_test(tcase, gives_up);
    tcase_add_test(tcase, a_secret_that_cannot_be_opened_is_a_failed_attempt);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
