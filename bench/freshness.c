/*
 * bench/freshness.c - from an emit to the moment the usage query says so, at 5,000 records/s.
 *
 * A PostgreSQL of its own (fsync on), hook and aggregator in this process. One thread emits at the rate; the main
 * thread asks for the month's usage again and again and notes how old the newest counted record is. Baseline: 300 ms.
 *
 *     bench_freshness [records/s] [seconds]
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/usage.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define ACCOUNT INT64_C(100000000001)
#define FUNCTIONS 100
#define GOAL_MS 300

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench_freshness: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

struct emitter {
    struct farthing_hook *hook;
    uint64_t rate, count;
    int64_t *emitted_us; /* when record n was emitted */
};

static void *emit_main(void *arg)
{
    struct emitter *self = arg;
    int64_t started_us = clock_mono_us();
    for (uint64_t n = 0; n < self->count; n++) {
        int64_t due_us = started_us + (int64_t)(n * 1000000 / self->rate);
        while (clock_mono_us() < due_us) {
            (void)poll(NULL, 0, 1);
        }
        const struct usage_record record = {.kind = USAGE_KIND_INVOCATION,
                                            .account_id = ACCOUNT,
                                            .function_id = (int64_t)(n % FUNCTIONS) + 1,
                                            .started_us = clock_wall_us(),
                                            .duration_us = 1000 + n % 5000,
                                            .billed_ms = 6,
                                            .memory_mib = 128,
                                            .billed_requests = 1,
                                            .attempt = 1};
        self->emitted_us[n] = clock_mono_us();
        CHECK(farthing_hook_emit(self->hook, &record) == FARTHING_HOOK_OK);
    }
    return NULL;
}

static int keep_count(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(uint64_t *)ctx = (uint64_t)row->sums.invocations;
    return 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Fills visible_us[n] with how long record n took to be counted. */
static void watch(struct pg *pg, const struct emitter *emitter, int64_t *visible_us)
{
    struct err err = {0};
    int64_t from_us;
    int64_t to_us;
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    const struct usage_query query = {.account_id = ACCOUNT, .from_us = from_us, .to_us = to_us};
    for (uint64_t seen = 0; seen < emitter->count;) {
        uint64_t counted = 0;
        must(usage_query_run(pg, &query, keep_count, &counted, NULL, &err), &err);
        int64_t now_us = clock_mono_us();
        for (; seen < counted; seen++) {
            visible_us[seen] = now_us - emitter->emitted_us[seen];
        }
    }
}

static void print_row(const char *name, int64_t value_us)
{
    (void)printf("{\"name\":\"%s\",\"value\":%" PRId64 ",\"unit\":\"ms\",\"baseline\":%d,\"ratio\":%" PRId64
                 ".%03" PRId64 ",\"goal\":1,\"met\":%s}\n",
                 name, value_us / 1000, GOAL_MS, value_us / 1000 / GOAL_MS, value_us / GOAL_MS % 1000,
                 value_us < GOAL_MS * 1000 ? "true" : "false");
}

int main(int argc, char **argv)
{
    struct emitter emitter = {.rate = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000};
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct aggregator *aggregator = NULL;
    struct pg *pg = NULL;
    struct err err = {0};
    struct migrate_report migrated;
    pthread_t thread;
    emitter.count = emitter.rate * seconds;
    emitter.emitted_us = calloc(emitter.count, sizeof *emitter.emitted_us);
    int64_t *visible_us = calloc(emitter.count, sizeof *visible_us);
    CHECK(emitter.emitted_us != NULL && visible_us != NULL && emitter.count > 0 && mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    must(pg_open(embedded_conninfo(server), &pg, &err), &err);
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = path};
    must(farthing_hook_open(&hook_options, &emitter.hook, &err), &err);
    const struct aggregator_options aggregator_options = {.spool_dir = path, .conninfo = embedded_conninfo(server)};
    must(aggregator_start(&aggregator_options, &aggregator, &err), &err);
    CHECK(pthread_create(&thread, NULL, emit_main, &emitter) == 0);
    watch(pg, &emitter, visible_us);
    (void)pthread_join(thread, NULL);
    qsort(visible_us, emitter.count, sizeof *visible_us, compare);
    print_row("freshness_p50", visible_us[emitter.count / 2]);
    print_row("freshness_p99", visible_us[emitter.count * 99 / 100]);
    farthing_hook_close(&emitter.hook);
    aggregator_stop(&aggregator, true);
    pg_close(&pg);
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    free(emitter.emitted_us);
    free(visible_us);
    return EXIT_SUCCESS;
}
