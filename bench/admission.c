/*
 * admission.c - what one admission decision costs in memory, and how many lease requests a second PostgreSQL takes.
 *
 * Prints one JSON line a number: {"name","value","unit","baseline","ratio","goal","met"}. A round times reserve and
 * settle together and an empty loop with the same calls to nothing, alternately; the medians of the rounds are printed.
 * --database URL adds leases per second (one row, many rows) on a migrated database; without it only memory is
 * measured.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "engine/admission.h"
#include "engine/admission_internal.h"
#include "engine/lease_store.h"
#include "schema/pg.h"

#define ROUNDS 9
#define CALLS 1000000
#define ACCOUNT INT64_C(100000000001)
#define ACCOUNTS 1000
#define THREADS 4
#define LEASE_SECONDS 2

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
        bench_leases(argv[2], "leases_one_row_1", 1, true);
        bench_leases(argv[2], "leases_one_row_4", 4, true);
        bench_leases(argv[2], "leases_many_rows_1", 1, false);
        bench_leases(argv[2], "leases_many_rows_4", 4, false);
    }
    return EXIT_SUCCESS;
}
