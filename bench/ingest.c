/*
 * bench/ingest.c - records into PostgreSQL exactly once, with rollups, against a raw binary COPY of the same rows.
 *
 * A PostgreSQL of its own (fsync on) in a temporary folder. Each round stores ROUND_RECORDS from a spool twice: by COPY
 * alone, a transaction a batch, and by ingest_batch (COPY, rollup, cursor). Rounds alternate; medians are printed, one
 * JSON line a row. Keys: 400 and 4,000 functions, called evenly (each batch touches nearly all of them).
 *
 * peer_*: the same against one INSERT a record on one connection, as systems do that have no spool in front of their
 * database: a unique key against doubling, without and with the sum of its account and function.
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
#include "metering/ingest_turns.h"
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
#define INSERTS 3000
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
    struct ingest_turns *turns;
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

/* The same on two connections in turn, as the aggregator does when it is behind. */
static int64_t run_turns(struct bench *bench)
{
    struct err err = {0};
    struct spool_batch batch;
    struct ingest_cursor cursor;
    bool stored;
    const struct ingest_state state = {.complete_through_us = clock_wall_us()};
    must(ingest_cursor_read(bench->pg, bench->producer_id, 0, 1, &cursor, &err), &err);
    int64_t started_us = clock_mono_us();
    spool_reader_seek(bench->reader, 1, 0);
    for (;;) {
        must(spool_reader_next(bench->reader, bench->batch, &batch, &err), &err);
        if (batch.first == batch.end) {
            break;
        }
        must(ingest_turns_put(bench->turns, &batch, &state, &cursor, &stored, &err), &err);
    }
    must(ingest_turns_wait(bench->turns, &cursor, &stored, &err), &err);
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

static int64_t print_row(const struct bench *bench, unsigned keys, const char *how, uint64_t records, int64_t took_us,
                         int64_t copy_us)
{
    int64_t value = (int64_t)records * 1000000 / took_us;
    int64_t baseline = (int64_t)records * 1000000 / copy_us;
    int64_t permille = value * 1000 / baseline;
    (void)printf("{\"name\":\"ingest_vs_copy_%zuk%s%s\",\"value\":%" PRId64
                 ",\"unit\":\"records/s\",\"baseline\":%" PRId64 ",\"ratio\":%" PRId64 ".%03" PRId64
                 ",\"goal\":0.6,\"met\":%s}\n",
                 bench->batch / 1000, keys == 4000 ? "" : "_400_keys", how, value, baseline, permille / 1000,
                 permille % 1000, permille >= 600 ? "true" : "false");
    (void)fflush(stdout);
    return value;
}

/* The rate of ingest. */
static int64_t run_rows(struct bench *bench, uint64_t records, int rounds, unsigned keys)
{
    int64_t copy_us[ROUNDS_MAX];
    int64_t ingest_us[ROUNDS_MAX];
    int64_t turns_us[ROUNDS_MAX];
    static const char RESET[] = "TRUNCATE bench_raw; TRUNCATE usage_record; DELETE FROM producer_cursor; CHECKPOINT;";
    struct err err = {0};
    for (int round = 0; round < rounds; round++) {
        must(pg_script(bench->pg, RESET, &err), &err);
        copy_us[round] = run_copy(bench);
        ingest_us[round] = run_ingest(bench);
        must(pg_script(bench->pg, RESET, &err), &err);
        turns_us[round] = run_turns(bench);
    }
    int64_t copied_us = median(copy_us, rounds);
    (void)print_row(bench, keys, "_one_connection", records, median(ingest_us, rounds), copied_us);
    return print_row(bench, keys, "", records, median(turns_us, rounds), copied_us);
}
/* What a system without a spool does: each record by itself, a unique key against doubling, its sum in the same commit.
 */
static int64_t run_inserts(struct bench *bench, bool sums)
{
    static const struct pg_stmt RECORD = {
        .name = "bench.insert",
        .sql =
            "INSERT INTO bench_unique SELECT $1::int8, now(), $2::int8, gen_random_uuid(), 1000, 0, 100, 10, 1, "
            "$3::int8, 1, 128, 1000, 0, 512, 1, 1, 0, 1, 0, 0 ON CONFLICT (account_id, request_id, attempt) DO NOTHING",
        .expect = PG_NO_ROWS};
    static const struct pg_stmt RECORD_AND_SUM = {
        .name = "bench.insert_and_sum",
        .sql = "WITH r AS (INSERT INTO bench_unique SELECT $1::int8, now(), $2::int8, gen_random_uuid(), 1000, 0, 100, "
               "10, 1, $3::int8, 1, 128, 1000, 0, 512, 1, 1, 0, 1, 0, 0 "
               "ON CONFLICT (account_id, request_id, attempt) DO NOTHING RETURNING account_id, function_id, billed_ms) "
               "INSERT INTO bench_sum AS s SELECT account_id, function_id, 1, billed_ms FROM r "
               "ON CONFLICT (account_id, function_id) DO UPDATE "
               "SET invocations = s.invocations + 1, billed_ms = s.billed_ms + excluded.billed_ms",
        .expect = PG_NO_ROWS};
    struct err err = {0};
    int64_t started_us = clock_mono_us();
    for (int64_t i = 0; i < INSERTS; i++) {
        const struct pg_param params[] = {PG_P_I64(100000000001 + i % 100), PG_P_I64(i % 400), PG_P_I64(i), PG_P_END};
        must(pg_run(bench->pg, sums ? &RECORD_AND_SUM : &RECORD, params, NULL, NULL, NULL, &err), &err);
    }
    return clock_mono_us() - started_us;
}

/* Ours, as fast as it was last measured, against the peer; a commit a record on one connection. */
static void run_peers(struct bench *bench, int64_t ingest_rate)
{
    static const char *const NAMES[] = {"peer_insert_unique", "peer_insert_unique_and_sum"};
    struct err err = {0};
    must(pg_script(bench->pg,
                   "CREATE TABLE bench_unique (LIKE usage_record); "
                   "CREATE UNIQUE INDEX ON bench_unique (account_id, request_id, attempt); "
                   "CREATE TABLE bench_sum (account_id int8, function_id int8, invocations int8, billed_ms int8, "
                   "PRIMARY KEY (account_id, function_id))",
                   &err),
         &err);
    for (int sums = 0; sums < 2; sums++) {
        int64_t rate = INT64_C(1000000) * INSERTS / run_inserts(bench, sums == 1);
        int64_t permille = ingest_rate * 1000 / rate;
        (void)printf("{\"name\":\"%s\",\"what\":\"our ingest (4,000 keys, 50,000 a batch) against an INSERT a "
                     "record with a unique key%s\",\"value\":%" PRId64 ",\"unit\":\"records/s\",\"baseline\":%" PRId64
                     ",\"ratio\":%" PRId64 ".%03" PRId64 ",\"goal\":10,\"met\":%s}\n",
                     NAMES[sums], sums == 1 ? " and its sum" : "", ingest_rate, rate, permille / 1000, permille % 1000,
                     permille >= 10000 ? "true" : "false");
    }
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
    must(ingest_turns_new(embedded_conninfo(server), &bench.turns, &err), &err);
    int64_t rate = 0;
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
            rate = run_rows(&bench, records, rounds, KEYS[k]);
        }
        spool_reader_close(&bench.reader);
    }
    run_peers(&bench, rate);
    ingest_turns_free(&bench.turns);
    ingest_free(&bench.ingest);
    pg_close(&bench.pg);
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    return EXIT_SUCCESS;
}
