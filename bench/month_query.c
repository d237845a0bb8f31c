/*
 * bench/month_query.c - a month's usage of one account, and the memory of the node, as raw records pile up.
 *
 * A PostgreSQL of its own (fsync on); hook and aggregator in this process, as in a node. Records sweep over a month of
 * ACCOUNTS accounts with FUNCTIONS functions each, a SWEEP at a time, so that the rollup is whole after the first sweep
 * and only raw records grow after it. After sweeps the month of one account is asked for QUERIES times by hour and
 * function. Rows: p50 and p99 of the query, with those after the first sweep as baseline; memory of the node that is
 * its own (RssAnon), and records stored a second since the row before, likewise; and the disk and the WAL of it all.
 *
 *     bench_month_query [million records]      (5 when not given; 30 and more tell more and take minutes)
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/daily.h"
#include "metering/hook.h"
#include "metering/usage.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS 25
#define FUNCTIONS 4
#define ACCOUNT INT64_C(100000000001)
#define QUERIES 200
#define SWEEP UINT64_C(1000000)
#define GOAL_US 10000
#define DRAIN_MS 600000

struct bench {
    struct pg *pg, *owner;
    struct farthing_hook *hook;
    struct aggregator *aggregator;
    int64_t from_us, to_us;
    uint64_t records;
    uint64_t random;
    int64_t stored_us; /* time spent emitting and storing */
};

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench_month_query: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

static uint64_t next_random(struct bench *bench)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random;
}

static void emit_one(struct bench *bench, uint64_t n)
{
    uint64_t r = next_random(bench);
    int64_t month_us = bench->to_us - bench->from_us;
    struct usage_record record = {
        .kind = USAGE_KIND_INVOCATION,
        .account_id = ACCOUNT + (int64_t)(r % ACCOUNTS),
        .function_id = (int64_t)(r % (ACCOUNTS * FUNCTIONS)) + 1,
        .started_us = bench->from_us + (int64_t)n * (month_us / (int64_t)SWEEP),
        .duration_us = 1000 + r % 50000,
        .billed_ms = 51,
        .memory_mib = 128,
        .ephemeral_mib = 512,
        .billed_requests = 1,
        .attempt = 1,
    };
    uint64_t id[2] = {r, bench->records};
    memcpy(record.request_id, id, sizeof id);
    int code = farthing_hook_emit(bench->hook, &record);
    while (code == FARTHING_HOOK_FULL) {
        (void)poll(NULL, 0, 5); /* as an engine would: no new work until the aggregator has caught up */
        code = farthing_hook_emit(bench->hook, &record);
    }
    CHECK(code == FARTHING_HOOK_OK);
    bench->records++;
}

static void sweep(struct bench *bench)
{
    struct err err = {0};
    int64_t started_us = clock_mono_us();
    for (uint64_t n = 0; n < SWEEP; n++) {
        emit_one(bench, n);
    }
    must(aggregator_flush(bench->aggregator, DRAIN_MS, &err), &err);
    bench->stored_us += clock_mono_us() - started_us;
}

static int count_row(const struct usage_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx += row->sums.invocations;
    return 0;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* In order of length. */
static void time_queries(struct bench *bench, int64_t took_us[QUERIES])
{
    struct err err = {0};
    struct usage_query query = {
        .account_id = ACCOUNT, .from_us = bench->from_us, .to_us = bench->to_us, .group_by = USAGE_GROUP_FUNCTION};
    for (int i = 0; i < QUERIES; i++) {
        int64_t counted = 0;
        struct usage_freshness freshness;
        query.account_id = ACCOUNT + i % ACCOUNTS;
        int64_t started_us = clock_mono_us();
        must(usage_query_run(bench->pg, &query, count_row, &counted, &freshness, &err), &err);
        took_us[i] = clock_mono_us() - started_us;
        CHECK(counted > 0);
    }
    qsort(took_us, QUERIES, sizeof *took_us, compare);
}

static int64_t own_kib(void)
{
    char line[160];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "RssAnon:", 8) == 0) {
            kib = strtol(line + 8, NULL, 10);
        }
    }
    (void)fclose(status);
    return kib;
}

static int take_i64(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "value");
    return 0;
}

static int64_t ask(struct bench *bench, const struct pg_stmt *stmt)
{
    struct err err = {0};
    int64_t value = 0;
    must(pg_run(bench->owner, stmt, NULL, take_i64, &value, NULL, &err), &err);
    return value;
}

static void print_row(const char *name, const char *what, int64_t value, const char *unit, int64_t baseline,
                      const char *goal, bool met)
{
    int64_t permille = baseline > 0 ? value * 1000 / baseline : 0;
    (void)printf("{\"name\":\"%s\",\"what\":\"%s\",\"value\":%" PRId64 ",\"unit\":\"%s\",\"baseline\":%" PRId64
                 ",\"ratio\":%" PRId64 ".%03" PRId64 ",\"goal\":\"%s\",\"met\":%s}\n",
                 name, what, value, unit, baseline, permille / 1000, permille % 1000, goal, met ? "true" : "false");
    (void)fflush(stdout);
}

/* What stands at one number of records. */
struct point {
    int64_t p50_us, p99_us, kib, rate;
};

static void print_point(const struct point *now, const struct point *first, uint64_t million)
{
    char name[48];
    (void)snprintf(name, sizeof name, "usage_query_p50_%" PRIu64 "m", million);
    print_row(name, "a month of an account by function, p50, against the same after 1 million records", now->p50_us,
              "us", first->p50_us, "", true);
    (void)snprintf(name, sizeof name, "usage_query_p99_%" PRIu64 "m", million);
    print_row(name, "a month of an account by function, p99, against the same after 1 million records", now->p99_us,
              "us", first->p99_us, "10 ms", now->p99_us < GOAL_US);
    (void)snprintf(name, sizeof name, "node_memory_%" PRIu64 "m", million);
    print_row(name, "memory of hook and aggregator, against the same after 1 million records", now->kib, "KiB",
              first->kib, "flat", now->kib < first->kib * 2);
    (void)snprintf(name, sizeof name, "ingest_behind_%" PRIu64 "m", million);
    print_row(name, "records stored while the hook is full, since the row before, against the first million", now->rate,
              "records/s", first->rate, "", true);
}

static struct point measure(struct bench *bench, uint64_t records_before, int64_t stored_before_us)
{
    int64_t took_us[QUERIES];
    struct err err = {0};
    struct daily_result summed;
    must(daily_run(bench->pg, 0, NULL, NULL, &summed, &err), &err); /* as a node does by itself */
    must(pg_script(bench->owner, "VACUUM (ANALYZE) usage_hourly, usage_daily, usage_day", &err), &err); /* autovacuum */
    time_queries(bench, took_us);
    return (struct point){.p50_us = took_us[QUERIES / 2],
                          .p99_us = took_us[QUERIES * 99 / 100],
                          .kib = own_kib(),
                          .rate = (int64_t)(bench->records - records_before) * 1000000 /
                                  (bench->stored_us - stored_before_us)};
}

static void run(struct bench *bench, uint64_t millions)
{
    static const struct pg_stmt HEAP = {
        .name = "bench.heap",
        .sql = "SELECT sum(pg_relation_size(inhrelid))::int8 AS value FROM pg_inherits "
               "WHERE inhparent = 'usage_record'::regclass",
        .expect = PG_ONE_ROW,
    };
    static const struct pg_stmt WAL = {
        .name = "bench.wal",
        .sql = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8 AS value",
        .expect = PG_ONE_ROW,
    };
    int64_t wal = ask(bench, &WAL);
    struct point first = {0};
    uint64_t records_before = 0;
    int64_t stored_before_us = 0;
    for (uint64_t million = 1; million <= millions; million++) {
        sweep(bench);
        if (million != 1 && million != millions && million % 10 != 0) {
            continue;
        }
        struct point now = measure(bench, records_before, stored_before_us);
        first = million == 1 ? now : first;
        print_point(&now, &first, million);
        records_before = bench->records;
        stored_before_us = bench->stored_us;
    }
    int64_t count = (int64_t)bench->records;
    print_row("ingest_heap_bytes", "bytes of heap a record", ask(bench, &HEAP) / count, "B", 0, "", true);
    print_row("ingest_wal_bytes", "bytes of WAL a record, rollups included", (ask(bench, &WAL) - wal) / count, "B", 0,
              "", true);
    print_row("ingest_behind", "records/s stored by the aggregator while the hook is full",
              count * 1000000 / bench->stored_us, "records/s", 0, "", true);
}

int main(int argc, char **argv)
{
    uint64_t millions = argc > 1 ? strtoull(argv[1], NULL, 10) : 5;
    struct bench bench = {.random = 88172645463325252u};
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct migrate_report migrated;
    struct err err = {0};
    CHECK(millions > 0 && mkdtemp(dir) != NULL);
    month_range(month_of(clock_wall_us()), &bench.from_us, &bench.to_us);
    /* Last month, which is over on every day of this one. */
    month_range(month_of(bench.from_us - 1), &bench.from_us, &bench.to_us);
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    must(pg_open(embedded_conninfo(server), &bench.pg, &err), &err);
    must(pg_open_owner(embedded_conninfo(server), &bench.owner, &err), &err);
    (void)snprintf(path, sizeof path, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = path, .spool_bytes_max = UINT64_C(256) << 20};
    must(farthing_hook_open(&hook_options, &bench.hook, &err), &err);
    const struct aggregator_options aggregator_options = {.spool_dir = path, .conninfo = embedded_conninfo(server)};
    must(aggregator_start(&aggregator_options, &bench.aggregator, &err), &err);
    run(&bench, millions);
    farthing_hook_close(&bench.hook);
    aggregator_stop(&bench.aggregator, true);
    pg_close(&bench.pg);
    pg_close(&bench.owner);
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    return EXIT_SUCCESS;
}
