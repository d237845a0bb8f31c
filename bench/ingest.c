/*
 * bench/ingest.c - records into PostgreSQL exactly once, with rollups, against a raw binary COPY of the same rows.
 *
 * A PostgreSQL of its own (fsync on) in a temporary folder. Each round stores ROUND_RECORDS from a spool twice: by COPY
 * alone, a transaction a batch, and by ingest_batch (COPY, rollup, cursor). Rounds alternate; medians are printed, one
 * JSON line a row. Keys: 400 and 4,000 functions, called evenly (each batch touches nearly all of them).
 *
 *     bench_ingest [records a round] [rounds] [only this number of keys]
 */
#include "metering/ingest.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/uuid.h"
#include "metering/hook.h"
#include "metering/ingest_store.h"
#include "metering/rows.h"
#include "metering/spool_reader.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS_MAX 64
#define HOUR_US INT64_C(1763856000000000)

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench_ingest: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Fill one producer's spool; *producer_id says which. */
static void fill_spool(const char *dir, uint64_t records, unsigned keys, uint64_t *producer_id)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    uint64_t epoch;
    uint64_t state = 88172645463325252u + keys;
    const struct farthing_hook_options options = {.dir = dir, .sync_interval_ms = UINT32_MAX};
    must(farthing_hook_open(&options, &hook, &err), &err);
    farthing_hook_identity(hook, producer_id, &epoch);
    for (uint64_t i = 0; i < records; i++) {
        uint64_t r = next_random(&state);
        uint64_t function = r % keys;
        struct usage_record record = {
            .kind = USAGE_KIND_INVOCATION,
            .status = r % 97 == 0 ? USAGE_ERROR : USAGE_OK,
            .account_id = (int64_t)(100000000001 + function / 4),
            .function_id = (int64_t)function + 1,
            .started_us = HOUR_US + (int64_t)(i * 3600000000 / records),
            .duration_us = 1000 + (next_random(&state) % (1000 + function * 50)),
            .cpu_us = r % 5000,
            .response_bytes = r % 3000,
            .memory_mib = 256,
            .peak_kib = (uint32_t)(r % 200000),
            .ephemeral_mib = 512,
            .billed_requests = 1,
            .attempt = 1,
        };
        uint64_t id[2] = {next_random(&state), next_random(&state)};
        memcpy(record.request_id, id, sizeof id);
        record.billed_ms = (uint32_t)((record.duration_us + 999) / 1000);
        CHECK(farthing_hook_emit(hook, &record) == FARTHING_HOOK_OK);
    }
    farthing_hook_close(&hook);
}

struct bench {
    struct pg *pg;
    struct spool_reader *reader;
    struct ingest *ingest;
    uint64_t producer_id;
    size_t batch;
};

static int64_t run_copy(struct bench *bench)
{
    static const struct pg_stmt RAW_COPY = {
        .name = "bench.raw_copy", .sql = "COPY bench_raw FROM STDIN (FORMAT binary)", .expect = PG_NO_ROWS};
    struct err err = {0};
    struct spool_batch batch;
    struct buf out = {0};
    int64_t started_us = clock_mono_us();
    spool_reader_seek(bench->reader, 1, 0);
    for (;;) {
        must(spool_reader_next(bench->reader, bench->batch, &batch, &err), &err);
        if (batch.first == batch.end) {
            break;
        }
        must(pg_begin(bench->pg, PG_READ_COMMITTED, &err), &err);
        must(pg_copy_in_begin(bench->pg, &RAW_COPY, &err), &err);
        rows_copy_head(&out);
        for (size_t i = 0; i < batch.record_count; i++) {
            rows_put_record(&out, batch.records[i], bench->producer_id, batch.epoch);
            if (out.length > 262144) {
                must(pg_copy_in_put(bench->pg, out.data, out.length, &err), &err);
                buf_clear(&out);
            }
        }
        rows_copy_tail(&out);
        must(pg_copy_in_put(bench->pg, out.data, out.length, &err), &err);
        buf_clear(&out);
        must(pg_copy_in_end(bench->pg, NULL, &err), &err);
        must(pg_commit(bench->pg, &err), &err);
    }
    buf_free(&out);
    return clock_mono_us() - started_us;
}

static int64_t run_ingest(struct bench *bench)
{
    struct err err = {0};
    struct spool_batch batch;
    struct ingest_cursor cursor;
    const struct ingest_state state = {.complete_through_us = clock_wall_us()};
    must(ingest_cursor_read(bench->pg, bench->producer_id, 0, 1, &cursor, &err), &err);
    int64_t started_us = clock_mono_us();
    spool_reader_seek(bench->reader, 1, 0);
    for (;;) {
        must(spool_reader_next(bench->reader, bench->batch, &batch, &err), &err);
        if (batch.first == batch.end) {
            break;
        }
        must(ingest_batch(bench->ingest, bench->pg, &batch, &state, &cursor, &err), &err);
    }
    return clock_mono_us() - started_us;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t median(int64_t *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void run_rows(struct bench *bench, uint64_t records, int rounds, unsigned keys)
{
    int64_t copy_us[ROUNDS_MAX];
    int64_t ingest_us[ROUNDS_MAX];
    struct err err = {0};
    for (int round = 0; round < rounds; round++) {
        must(pg_script(bench->pg, "TRUNCATE bench_raw; TRUNCATE usage_record; DELETE FROM producer_cursor; CHECKPOINT;",
                       &err),
             &err);
        copy_us[round] = run_copy(bench);
        ingest_us[round] = run_ingest(bench);
    }
    int64_t value = (int64_t)records * 1000000 / median(ingest_us, rounds);
    int64_t baseline = (int64_t)records * 1000000 / median(copy_us, rounds);
    int64_t permille = value * 1000 / baseline;
    (void)printf("{\"name\":\"ingest_vs_copy_%zuk%s\",\"value\":%" PRId64
                 ",\"unit\":\"records/s\",\"baseline\":%" PRId64 ",\"ratio\":%" PRId64 ".%03" PRId64
                 ",\"goal\":0.6,\"met\":%s}\n",
                 bench->batch / 1000, keys == 4000 ? "" : "_400_keys", value, baseline, permille / 1000,
                 permille % 1000, permille >= 600 ? "true" : "false");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : 400000;
    int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 3;
    unsigned only = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct err err = {0};
    struct bench bench = {0};
    CHECK(rounds > 0 && rounds <= ROUNDS_MAX && mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    struct migrate_report migrated;
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    must(pg_open_owner(embedded_conninfo(server), &bench.pg, &err), &err);
    must(
        pg_script(bench.pg,
                  "CREATE TABLE bench_raw (LIKE usage_record) PARTITION BY RANGE (started_at);"
                  "CREATE TABLE bench_raw_day PARTITION OF bench_raw FOR VALUES FROM ('2025-11-23') TO ('2025-11-24');",
                  &err),
        &err);
    must(ingest_new(&bench.ingest, &err), &err);
    static const unsigned KEYS[] = {400, 4000};
    static const size_t BATCHES[] = {10000, 50000};
    for (int k = 0; k < 2; k++) {
        if (only != 0 && KEYS[k] != only) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/spool%d", dir, k);
        fill_spool(path, records, KEYS[k], &bench.producer_id);
        must(spool_reader_open(path, bench.producer_id, false, &bench.reader, &err), &err);
        for (int b = 0; b < 2; b++) {
            bench.batch = BATCHES[b];
            run_rows(&bench, records, rounds, KEYS[k]);
        }
        spool_reader_close(&bench.reader);
    }
    ingest_free(&bench.ingest);
    pg_close(&bench.pg);
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    return EXIT_SUCCESS;
}
