/*
 * admission.c - what one admission decision costs in memory, and how many lease requests a second PostgreSQL takes.
 *
 * Prints one JSON line a number: {"name","value","unit","baseline","ratio","goal","met"}. A round times reserve and
 * settle together and an empty loop with the same calls to nothing, alternately; the medians of the rounds are printed.
 * Then what a caller waits with leases from a real database, and leases a second (one row, many rows): on a server of
 * its own with fsync, or on the migrated database of --database URL.
 */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/admission.h"
#include "engine/admission_internal.h"
#include "engine/lease_store.h"
#include "engine/quota.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#define ROUNDS 9
#define CALLS 1000000
#define ACCOUNT INT64_C(100000000001)
#define ACCOUNTS 1000
#define THREADS 4
#define LEASE_SECONDS 2
#define LATENCY_CALLS 200000

static struct admission *admission;
static int64_t now_us;
static _Atomic int64_t sink;

/* Processor time of this thread: a busy machine slows everything down, but not this number. */
static int64_t cpu_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median(int64_t *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static void print(const char *name, double value, const char *unit, double baseline, const char *goal, const char *met)
{
    printf("{\"name\":\"%s\",\"value\":%.1f,\"unit\":\"%s\",\"baseline\":%.1f,\"ratio\":%.2f,\"goal\":\"%s\",\"met\":%"
           "s}\n",
           name, value, unit, baseline, baseline > 0 ? value / baseline : 0.0, goal, met);
}

static void decide(int64_t calls, int64_t first_account, int64_t accounts)
{
    struct usage_record record = {.started_us = now_us, .billed_ms = 3, .memory_mib = 128};
    for (int64_t i = 0; i < calls; i++) {
        struct admission_request request = {.account_id = first_account + i % accounts,
                                            .function_id = 1,
                                            .memory_mib = 128,
                                            .timeout_s = 3,
                                            .reserved_concurrency = -1,
                                            .now_us = now_us};
        struct admission_ticket ticket;
        struct admission_refusal refusal;
        if (admission_reserve(admission, &request, &ticket, &refusal, NULL, NULL) == 0) {
            admission_settle(admission, &ticket, &record);
        }
    }
}

static void nothing(int64_t calls)
{
    for (int64_t i = 0; i < calls; i++) {
        atomic_store_explicit(&sink, i, memory_order_relaxed);
    }
}

static int64_t timed_decide(int64_t first_account, int64_t accounts)
{
    int64_t begun_ns = cpu_ns();
    decide(CALLS, first_account, accounts);
    return cpu_ns() - begun_ns;
}

static void bench_memory(const char *name, int64_t first_account, int64_t accounts)
{
    int64_t ours[ROUNDS];
    int64_t empty[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        int64_t begun_ns = cpu_ns();
        nothing(CALLS);
        empty[i] = cpu_ns() - begun_ns;
        ours[i] = timed_decide(first_account, accounts);
    }
    double per_call = (double)median(ours, ROUNDS) / CALLS;
    print(name, per_call, "ns", (double)median(empty, ROUNDS) / CALLS, "under 200", per_call < 200 ? "true" : "false");
}

static void *thread_main(void *ctx)
{
    decide(CALLS, *(int64_t *)ctx, 1);
    return NULL;
}

/* Nanoseconds of one thread a call while all of them work. */
static void bench_threads(const char *name, bool shared)
{
    int64_t ours[ROUNDS];
    int64_t accounts[THREADS];
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t threads[THREADS];
        int64_t begun_ns = clock_mono_ns();
        for (int t = 0; t < THREADS; t++) {
            accounts[t] = ACCOUNT + (shared ? 0 : t);
            if (pthread_create(&threads[t], NULL, thread_main, &accounts[t]) != 0) {
                exit(EXIT_FAILURE);
            }
        }
        for (int t = 0; t < THREADS; t++) {
            (void)pthread_join(threads[t], NULL);
        }
        ours[i] = clock_mono_ns() - begun_ns;
    }
    print(name, (double)median(ours, ROUNDS) / CALLS, "ns", 0, "", "null");
}

struct leaser {
    const char *conninfo;
    int64_t account_id;
    int64_t accounts;
    int64_t done;
};

static void *lease_main(void *ctx)
{
    struct leaser *leaser = ctx;
    struct pg *pg = NULL;
    struct err err = {0};
    if (pg_open(leaser->conninfo, &pg, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return NULL;
    }
    struct lease_key key = {.name = "requests_per_month",
                            .period_us = 1793491200000000,
                            .node_id = 1,
                            .default_limit = LEASE_UNITS_MAX / 4};
    key.holder = (int64_t)(uintptr_t)leaser;
    int64_t until_ns = clock_mono_ns() + LEASE_SECONDS * INT64_C(1000000000);
    for (int64_t i = 0; clock_mono_ns() < until_ns; i++) {
        struct lease_request request = {.sequence = i / leaser->accounts + 1, .need = 1, .want = 1};
        struct lease_answer answer;
        key.account_id = leaser->account_id + i % leaser->accounts;
        if (lease_store_renew(pg, &key, &request, LEASE_STORE_NOW, &answer, &err) != 0) {
            (void)fprintf(stderr, "%s\n", err.text);
            break;
        }
        leaser->done++;
    }
    pg_close(&pg);
    return NULL;
}

static void bench_leases(const char *conninfo, const char *name, int connections, bool one_row)
{
    pthread_t threads[8];
    struct leaser leasers[8];
    int64_t done = 0;
    for (int i = 0; i < connections; i++) {
        leasers[i] = (struct leaser){conninfo, ACCOUNT + (one_row ? 0 : i * ACCOUNTS), one_row ? 1 : ACCOUNTS, 0};
        if (pthread_create(&threads[i], NULL, lease_main, &leasers[i]) != 0) {
            exit(EXIT_FAILURE);
        }
    }
    for (int i = 0; i < connections; i++) {
        (void)pthread_join(threads[i], NULL);
        done += leasers[i].done;
    }
    print(name, (double)done / LEASE_SECONDS, "requests/s", 0, "", "null");
}

/* ---- what a caller waits, with leases from a real database ---- */

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

static void call_once(struct admission *live)
{
    const struct usage_record record = {.started_us = clock_wall_us(), .billed_ms = 3, .memory_mib = 128};
    const struct admission_request request = {.account_id = ACCOUNT,
                                              .function_id = 1,
                                              .memory_mib = 128,
                                              .timeout_s = 3,
                                              .reserved_concurrency = -1,
                                              .now_us = record.started_us};
    struct admission_ticket ticket;
    struct admission_refusal refusal;
    for (;;) {
        sem_t answered;
        (void)sem_init(&answered, 0, 0);
        int rc = admission_reserve(live, &request, &ticket, &refusal, post, &answered);
        if (rc == 0) {
            admission_settle(live, &ticket, &record);
        }
        if (rc != 2) {
            (void)sem_destroy(&answered);
            return;
        }
        while (sem_wait(&answered) != 0) {
        }
        (void)sem_destroy(&answered);
    }
}

/* Every call waits as long as it has to, also for a new lease: the first ones and those that used the lease up. */
static void bench_latency(const char *conninfo)
{
    int64_t *took = calloc(LATENCY_CALLS, sizeof *took);
    struct admission *live = NULL;
    struct pg *pg = NULL;
    struct err err = {0};
    const struct admission_options options = {.conninfo = conninfo, .node_id = 1};
    static const char *const limits[] = {"1000000000", "1000000000"};
    bool fine = took != NULL && pg_open(conninfo, &pg, &err) == 0;
    for (int i = 0; fine && i < 2; i++) {
        struct quota quota = {.kind = (enum quota_kind)(QUOTA_REQUESTS_PER_MONTH + i)};
        struct quota stored;
        (void)snprintf(quota.limit_text, sizeof quota.limit_text, "%s", limits[i]);
        fine = quota_put(pg, ACCOUNT, &quota, -1, &stored, &err) == 0;
    }
    if (!fine || admission_open(&options, &live, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(EXIT_FAILURE);
    }
    for (int i = 0; i < LATENCY_CALLS; i++) {
        int64_t begun_ns = clock_mono_ns();
        call_once(live);
        took[i] = clock_mono_ns() - begun_ns;
    }
    qsort(took, LATENCY_CALLS, sizeof *took, by_value);
    print("admission_added_p50", (double)took[LATENCY_CALLS / 2], "ns", 0, "", "null");
    print("admission_added_p99", (double)took[LATENCY_CALLS / 100 * 99], "ns", 0, "", "null");
    print("admission_added_p9999", (double)took[LATENCY_CALLS / 10000 * 9999], "ns", 0, "", "null");
    admission_close(&live);
    pg_close(&pg);
    free(took);
}

static void bench_database(const char *conninfo)
{
    bench_latency(conninfo);
    bench_leases(conninfo, "leases_one_row_1", 1, true);
    bench_leases(conninfo, "leases_one_row_4", 4, true);
    bench_leases(conninfo, "leases_many_rows_1", 1, false);
    bench_leases(conninfo, "leases_many_rows_4", 4, false);
}

/* A server of its own, with fsync, as a node has it. */
static int own_database(void)
{
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct migrate_report report = {0};
    struct err err = {0};
    if (mkdtemp(dir) == NULL || chmod(dir, 0711) != 0) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    int rc = embedded_open(&options, &server, &err);
    if (rc == 0) {
        rc = migrate_run(embedded_conninfo(server), &report, &err);
    }
    if (rc == 0) {
        bench_database(embedded_conninfo(server));
    } else {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    return rc;
}

int main(int argc, char **argv)
{
    struct admission_options options = {.default_concurrency = 1000};
    struct err err = {0};
    if (admission_open(&options, &admission, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    now_us = clock_wall_us();
    for (int64_t i = 0; i < ACCOUNTS; i++) {
        admission_limit_set(admission, ACCOUNT + i, QUOTA_REQUESTS_PER_SECOND, 1000000000);
        admission_limit_set(admission, ACCOUNT + i, QUOTA_REQUESTS_PER_MONTH, LEASE_UNITS_MAX / 4);
        admission_limit_set(admission, ACCOUNT + i, QUOTA_GB_SECONDS_PER_MONTH, LEASE_UNITS_MAX / 4);
    }
    bench_memory("admission", ACCOUNT, 1);
    bench_memory("admission_1000_accounts", ACCOUNT, ACCOUNTS);
    bench_threads("admission_4_threads_own_account", false);
    bench_threads("admission_4_threads_one_account", true);
    admission_close(&admission);
    if (argc == 3 && strcmp(argv[1], "--database") == 0) {
        bench_database(argv[2]);
        return EXIT_SUCCESS;
    }
    return own_database() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
