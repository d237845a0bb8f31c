/*
 * bench/hook.c - the cost of an emit against memcpy + CRC-32C of the same 128 bytes, 1 to 8 threads.
 *
 * What counts is the CPU time of the emitting threads, page faults included: other load on the machine and the wait for
 * pages at rates no runtime reaches do not. The spool is in a temporary folder without group sync. Threads of the
 * baseline write into memory of their own of the same size. Rounds alternate; medians are printed, one JSON line a row.
 *
 *     bench_hook [records a thread] [rounds]
 */
#include "metering/hook.h"
#include "common/check.h"
#include "common/err.h"
#include "common/fs.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 32
#define THREADS_MAX 8

struct work {
    struct farthing_hook *hook; /* NULL: the baseline */
    struct usage_record *copies;
    uint64_t records;
    pthread_barrier_t *barrier;
    int64_t cpu_ns;
};

static struct usage_record sample(void)
{
    return (struct usage_record){.kind = USAGE_KIND_INVOCATION,
                                 .account_id = 100000000001,
                                 .function_id = 5,
                                 .started_us = INT64_C(1763856000000000),
                                 .duration_us = 1500,
                                 .billed_ms = 2,
                                 .memory_mib = 128,
                                 .billed_requests = 1,
                                 .attempt = 1};
}

static int64_t thread_cpu_ns(void)
{
    struct timespec at;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at) == 0);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

static void *work_main(void *arg)
{
    struct work *work = arg;
    struct usage_record record = sample();
    (void)pthread_barrier_wait(work->barrier);
    int64_t started_ns = thread_cpu_ns();
    for (uint64_t i = 0; i < work->records; i++) {
        record.duration_us = 1000 + i;
        if (work->hook != NULL) {
            CHECK(farthing_hook_emit(work->hook, &record) == FARTHING_HOOK_OK);
        } else {
            struct usage_record *copy = &work->copies[i];
            record.crc32c = crc32c(0, (const uint8_t *)&record + 4, sizeof record - 4);
            memcpy(copy, &record, sizeof record);
        }
    }
    work->cpu_ns = thread_cpu_ns() - started_ns;
    return NULL;
}

/* Nanoseconds of CPU a record, in thousandths. */
static int64_t run(bool emit, unsigned threads, uint64_t records)
{
    struct work works[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    pthread_barrier_t barrier;
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    CHECK(mkdtemp(dir) != NULL && pthread_barrier_init(&barrier, NULL, threads + 1) == 0);
    const struct farthing_hook_options options = {.dir = dir, .sync_interval_ms = UINT32_MAX};
    if (emit && farthing_hook_open(&options, &hook, &err) != 0) {
        (void)fprintf(stderr, "bench_hook: %s\n", err.text);
        exit(EXIT_FAILURE);
    }
    for (unsigned t = 0; t < threads; t++) {
        works[t] = (struct work){.hook = hook, .records = records, .barrier = &barrier};
        if (!emit) {
            works[t].copies = malloc(records * sizeof *works[t].copies);
            CHECK(works[t].copies != NULL);
            memset(works[t].copies, 1, records * sizeof *works[t].copies);
        }
        CHECK(pthread_create(&ids[t], NULL, work_main, &works[t]) == 0);
    }
    (void)pthread_barrier_wait(&barrier);
    int64_t cpu_ns = 0;
    for (unsigned t = 0; t < threads; t++) {
        (void)pthread_join(ids[t], NULL);
        cpu_ns += works[t].cpu_ns;
    }
    for (unsigned t = 0; t < threads; t++) {
        free(works[t].copies);
    }
    farthing_hook_close(&hook);
    (void)pthread_barrier_destroy(&barrier);
    (void)fs_remove_tree(dir, NULL);
    return cpu_ns * 1000 / (int64_t)(records * threads); /* thousandths */
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5;
    CHECK(rounds > 0 && rounds <= ROUNDS_MAX);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads *= 2) {
        int64_t emit_ps[ROUNDS_MAX];
        int64_t base_ps[ROUNDS_MAX];
        for (int i = 0; i < rounds; i++) {
            base_ps[i] = run(false, threads, records / threads);
            emit_ps[i] = run(true, threads, records / threads);
        }
        qsort(emit_ps, (size_t)rounds, sizeof *emit_ps, compare);
        qsort(base_ps, (size_t)rounds, sizeof *base_ps, compare);
        int64_t emit = emit_ps[rounds / 2];
        int64_t base = base_ps[rounds / 2];
        int64_t ratio = emit * 1000 / base;
        char name[32] = "hook_emit";
        if (threads > 1) {
            (void)snprintf(name, sizeof name, "hook_emit_%u_threads", threads);
        }
        (void)printf("{\"name\":\"%s\",\"value\":%" PRId64 ".%03" PRId64 ",\"unit\":\"ns\",\"baseline\":%" PRId64
                     ".%03" PRId64 ",\"ratio\":%" PRId64 ".%03" PRId64 ",\"goal\":3,\"met\":%s}\n",
                     name, emit / 1000, emit % 1000, base / 1000, base % 1000, ratio / 1000, ratio % 1000,
                     ratio <= 3000 ? "true" : "false");
        (void)fflush(stdout);
    }
    return EXIT_SUCCESS;
}
