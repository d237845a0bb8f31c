/*
 * bench/hook.c - the cost of an emit against memcpy + CRC-32C of the same 128 bytes, 1 to 8 threads.
 *
 * hook_emit_cpu*, hook_emit_wall*: what an emitting thread pays at PACED_RATE records a second over all threads, in
 * bursts of BURST with pauses between them, so that the hook's background thread has the pages there first. cpu is the
 * CPU time of all bursts by records; wall is the median burst by its records. The baseline runs at the same pace. This
 * is ten times the rate of a busy node, and what the goal is about.
 * hook_emit*: without pauses: CPU time of the emitting threads, page faults they take because they outrun the
 * background thread included. No runtime reaches these rates; here it shows what a burst longer than the pages ahead
 * costs.
 *
 * The spool is in a temporary folder without group sync. Threads of the baseline write into memory of their own of the
 * same size, already touched. Rounds alternate; medians are printed, one JSON line a row.
 *
 *     bench_hook [records a thread] [rounds]
 */
#include "metering/hook.h"
#include "common/check.h"
#include "common/clock.h"
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
#define BURST 64
#define PACED_RATE 200000
#define PACED_RECORDS 200000

struct work {
    struct farthing_hook *hook; /* NULL: the baseline */
    struct usage_record *copies;
    uint64_t records;
    int64_t pause_ns; /* between the starts of two bursts; 0: one burst of all records */
    pthread_barrier_t *barrier;
    int64_t cpu_ns;
    int64_t *bursts_ns; /* wall time of each burst */
    size_t burst_count;
};

struct cost {
    int64_t cpu_ps, wall_ps; /* a record, in thousandths of a nanosecond */
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

static void burst(struct work *work, struct usage_record *record, uint64_t from, uint64_t to)
{
    int64_t cpu_ns = thread_cpu_ns();
    int64_t wall_ns = clock_mono_ns();
    for (uint64_t i = from; i < to; i++) {
        record->duration_us = 1000 + i;
        if (work->hook != NULL) {
            CHECK(farthing_hook_emit(work->hook, record) == FARTHING_HOOK_OK);
        } else {
            record->crc32c = crc32c(0, (const uint8_t *)record + 4, sizeof *record - 4);
            memcpy(&work->copies[i], record, sizeof *record);
        }
    }
    work->bursts_ns[work->burst_count++] = clock_mono_ns() - wall_ns;
    work->cpu_ns += thread_cpu_ns() - cpu_ns;
}

static void *work_main(void *arg)
{
    struct work *work = arg;
    struct usage_record record = sample();
    (void)pthread_barrier_wait(work->barrier);
    int64_t due_ns = clock_mono_ns();
    uint64_t step = work->pause_ns != 0 ? BURST : work->records;
    for (uint64_t i = 0; i + step <= work->records; i += step) {
        burst(work, &record, i, i + step);
        due_ns += work->pause_ns;
        const struct timespec until = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};
        if (work->pause_ns != 0) {
            (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        }
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

static void work_begin(struct work *work, bool emit)
{
    work->bursts_ns = calloc(work->records / BURST + 1, sizeof *work->bursts_ns);
    CHECK(work->bursts_ns != NULL);
    if (!emit) {
        work->copies = malloc(work->records * sizeof *work->copies);
        CHECK(work->copies != NULL);
        memset(work->copies, 1, work->records * sizeof *work->copies);
    }
}

static struct cost run(bool emit, bool paced, unsigned threads, uint64_t records)
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
    int64_t pause_ns = paced ? (int64_t)threads * BURST * 1000000000 / PACED_RATE : 0;
    for (unsigned t = 0; t < threads; t++) {
        works[t] = (struct work){.hook = hook, .records = records, .pause_ns = pause_ns, .barrier = &barrier};
        work_begin(&works[t], emit);
        CHECK(pthread_create(&ids[t], NULL, work_main, &works[t]) == 0);
    }
    (void)pthread_barrier_wait(&barrier);
    struct cost cost = {0};
    uint64_t done = 0;
    for (unsigned t = 0; t < threads; t++) {
        (void)pthread_join(ids[t], NULL);
        uint64_t step = paced ? BURST : records;
        done += works[t].burst_count * step;
        cost.cpu_ps += works[t].cpu_ns;
        /* The mean of the threads' medians: threads of one run do not differ. */
        cost.wall_ps += median(works[t].bursts_ns, works[t].burst_count) * 1000 / (int64_t)(step * threads);
        free(works[t].bursts_ns);
        free(works[t].copies);
    }
    cost.cpu_ps = cost.cpu_ps * 1000 / (int64_t)done;
    farthing_hook_close(&hook);
    (void)pthread_barrier_destroy(&barrier);
    (void)fs_remove_tree(dir, NULL);
    return cost;
}

static void print_row(const char *what, unsigned threads, int64_t emit, int64_t base)
{
    int64_t ratio = emit * 1000 / base;
    char name[40];
    (void)snprintf(name, sizeof name, threads > 1 ? "%s_%u_threads" : "%s", what, threads);
    (void)printf("{\"name\":\"%s\",\"value\":%" PRId64 ".%03" PRId64 ",\"unit\":\"ns\",\"baseline\":%" PRId64
                 ".%03" PRId64 ",\"ratio\":%" PRId64 ".%03" PRId64 ",\"goal\":3,\"met\":%s}\n",
                 name, emit / 1000, emit % 1000, base / 1000, base % 1000, ratio / 1000, ratio % 1000,
                 ratio <= 3000 ? "true" : "false");
    (void)fflush(stdout);
}

static void rounds_of(bool paced, unsigned threads, uint64_t records, int rounds)
{
    int64_t emit_cpu[ROUNDS_MAX], emit_wall[ROUNDS_MAX];
    int64_t base_cpu[ROUNDS_MAX], base_wall[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        struct cost base = run(false, paced, threads, records / threads);
        struct cost emit = run(true, paced, threads, records / threads);
        base_cpu[i] = base.cpu_ps;
        base_wall[i] = base.wall_ps;
        emit_cpu[i] = emit.cpu_ps;
        emit_wall[i] = emit.wall_ps;
    }
    size_t count = (size_t)rounds;
    print_row(paced ? "hook_emit_cpu" : "hook_emit", threads, median(emit_cpu, count), median(base_cpu, count));
    if (paced) {
        print_row("hook_emit_wall", threads, median(emit_wall, count), median(base_wall, count));
    }
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 5;
    CHECK(rounds > 0 && rounds <= ROUNDS_MAX);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads *= 2) {
        rounds_of(true, threads, PACED_RECORDS, rounds);
    }
    for (unsigned threads = 1; threads <= THREADS_MAX; threads *= 2) {
        rounds_of(false, threads, records, rounds);
    }
    return EXIT_SUCCESS;
}
