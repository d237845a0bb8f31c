/*
 * bench/bill_csv.c - bills as CSV against COPY ... TO of the same rows.
 *
 * A PostgreSQL of its own (fsync on). Records and rollups of one account are made by SQL; the layouts records and focus
 * are written to nowhere, and their rows, stored once as a table of text, are copied out with COPY ... TO STDOUT
 * (FORMAT csv) to nowhere. Both take turns; rows show medians: rows a second with those of COPY as baseline, megabytes
 * a second, and the most memory of its own (RssAnon) this program had while it wrote, with that after the first
 * hundredth as baseline: it must not grow with rows. A line beside them says the peak of all its memory (VmHWM).
 *
 * Then the same for the files of many accounts (focus, summary, aws), where each account is a bill of its own: 20
 * functions, 5 days, so about 200 rows of FOCUS, 43 of summary and 5 of AWS's layout an account.
 *
 *     bench_bill_csv [million rows [accounts [records|focus]]]
 *
 * 1 and 200 when not given, 0 leaves one out. From 5 million rows on there is one round: 10 million take minutes. FOCUS
 * has two rows where records have one.
 */
#include "billing/price_book.h"
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "reports/report.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3
#define ROWS_MANY 5000000
#define ACCOUNT INT64_C(100000000001)
#define GOAL_PER_CENT 50
#define LOOK_BYTES (16 * 1024 * 1024)

static const struct month OCTOBER = {2026, 10};

struct bench {
    struct pg *pg, *owner;
    enum report_layout layout;
    bool all; /* accounts in one file */
    int rounds;
    int64_t bytes, rows;
    int64_t first_kib, most_kib; /* of this program */
    bool loading;                /* the rows also go into the table */
};

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench_bill_csv: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

/* "RssAnon:", "VmHWM:" of this program, in KiB. */
static int64_t own_kib(const char *what)
{
    char line[160];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0) {
            kib = strtol(line + strlen(what), NULL, 10);
        }
    }
    (void)fclose(status);
    return kib;
}

/* The peak is counted from here on. */
static void forget_peak(void)
{
    FILE *refs = fopen("/proc/self/clear_refs", "w");
    if (refs != NULL) {
        (void)fputs("5", refs);
        (void)fclose(refs);
    }
}

static int on_bytes(const void *bytes, size_t length, void *ctx, struct err *err)
{
    struct bench *bench = ctx;
    const char *at = bytes;
    int64_t before = bench->bytes;
    bench->bytes += (int64_t)length;
    for (const char *end = at + length; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        bench->rows++; /* no field of these files has a line break */
    }
    if (before / LOOK_BYTES != bench->bytes / LOOK_BYTES || before == 0) {
        int64_t kib = own_kib("RssAnon:");
        bench->first_kib = bench->first_kib == 0 ? kib : bench->first_kib;
        bench->most_kib = kib > bench->most_kib ? kib : bench->most_kib;
    }
    return bench->loading ? pg_copy_in_put(bench->owner, bytes, length, err) : 0;
}

/* A report to nowhere, or into the table; microseconds. */
static int64_t write_report(struct bench *bench)
{
    const struct report_options options = {.layout = bench->layout};
    struct err err = {0};
    int64_t started_us = clock_mono_us();
    bench->bytes = 0;
    bench->rows = -1; /* the header */
    must(bench->all ? report_all(bench->pg, OCTOBER, &options, on_bytes, bench, &err)
                    : report_bill(bench->pg, ACCOUNT, OCTOBER, &options, on_bytes, bench, &err),
         &err);
    return clock_mono_us() - started_us;
}

static int64_t copy_out(struct bench *bench)
{
    static const struct pg_stmt COPY_OUT = {
        .name = "bench.copy_out", .sql = "COPY bill_rows TO STDOUT (FORMAT csv)", .expect = PG_ANY_ROWS};
    struct err err = {0};
    int64_t started_us = clock_mono_us();
    bench->bytes = 0;
    bench->rows = 0;
    must(pg_copy_out(bench->owner, &COPY_OUT, on_bytes, bench, &err), &err);
    return clock_mono_us() - started_us;
}

/* The file as a table of text, to copy out again. */
static void load_rows(struct bench *bench, int columns)
{
    static const struct pg_stmt COPY_IN = {
        .name = "bench.copy_in", .sql = "COPY bill_rows FROM STDIN (FORMAT csv, HEADER)", .expect = PG_NO_ROWS};
    struct err err = {0};
    char sql[2048] = "DROP TABLE IF EXISTS bill_rows; CREATE UNLOGGED TABLE bill_rows (c0 text";
    int64_t rows = 0;
    for (int i = 1; i < columns; i++) {
        size_t length = strlen(sql);
        (void)snprintf(sql + length, sizeof sql - length, ", c%d text", i);
    }
    (void)strncat(sql, ")", sizeof sql - strlen(sql) - 1);
    must(pg_script(bench->owner, sql, &err), &err);
    must(pg_copy_in_begin(bench->owner, &COPY_IN, &err), &err);
    bench->loading = true;
    (void)write_report(bench);
    bench->loading = false;
    must(pg_copy_in_end(bench->owner, &rows, &err), &err);
    must(pg_script(bench->owner, "VACUUM ANALYZE bill_rows", &err), &err);
    CHECK(rows == bench->rows);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_row(const char *name, int64_t value, const char *unit, int64_t baseline, const char *goal, bool met)
{
    int64_t per_cent = baseline > 0 ? value * 100 / baseline : 0;
    (void)printf("{\"name\":\"%s\",\"value\":%" PRId64 ",\"unit\":\"%s\",\"baseline\":%" PRId64 ",\"ratio\":%" PRId64
                 ".%02" PRId64 ",\"goal\":\"%s\",\"met\":%s}\n",
                 name, value, unit, baseline, per_cent / 100, per_cent % 100, goal, met ? "true" : "false");
    (void)fflush(stdout);
}

static void measure(struct bench *bench, const char *name, enum report_layout layout, int columns)
{
    int64_t ours_us[ROUNDS];
    int64_t copy_us[ROUNDS];
    char row[64];
    bench->layout = layout;
    load_rows(bench, columns);
    bench->first_kib = bench->most_kib = 0;
    int64_t peak_kib = 0;
    for (int i = 0; i < bench->rounds; i++) {
        forget_peak();
        ours_us[i] = write_report(bench);
        peak_kib = own_kib("VmHWM:") > peak_kib ? own_kib("VmHWM:") : peak_kib;
        copy_us[i] = copy_out(bench);
    }
    qsort(ours_us, (size_t)bench->rounds, sizeof *ours_us, compare);
    qsort(copy_us, (size_t)bench->rounds, sizeof *copy_us, compare);
    int64_t took = ours_us[bench->rounds / 2];
    int64_t took_copy = copy_us[bench->rounds / 2];
    (void)snprintf(row, sizeof row, "bill_csv_vs_copy_%s", name);
    print_row(row, bench->rows * 1000000 / took, "rows/s", bench->rows * 1000000 / took_copy, "0.5x",
              took_copy * 100 / took >= GOAL_PER_CENT);
    (void)snprintf(row, sizeof row, "bill_csv_bytes_%s", name);
    print_row(row, bench->bytes / took, "MB/s", bench->bytes / took_copy, "", true);
    (void)snprintf(row, sizeof row, "bill_csv_memory_%s", name);
    print_row(row, bench->most_kib, "KiB", bench->first_kib, "constant", bench->most_kib < bench->first_kib + 4 * 1024);
    (void)printf("%s: %" PRId64 " rows, %" PRId64 " bytes, peak memory %" PRId64 " KiB, %" PRId64 " ms against %" PRId64
                 " ms of COPY\n",
                 name, bench->rows, bench->bytes, peak_kib, took / 1000, took_copy / 1000);
}

static void fill_accounts(struct bench *bench, int64_t accounts)
{
    struct err err = {0};
    char sql[2048];
    (void)snprintf(
        sql, sizeof sql,
        "TRUNCATE usage_hourly, usage_record; DELETE FROM function; DELETE FROM account;"
        "INSERT INTO account (account_id, name, display_name) SELECT a, 'account-' || a, 'Account ' || a "
        "FROM generate_series(%" PRId64 ", %" PRId64 " - 1) a;"
        "INSERT INTO function (account_id, function_id, name) SELECT account_id, "
        "(account_id - %" PRId64 ") * 20 + n, 'function-' || n FROM account, generate_series(1, 20) n;"
        "INSERT INTO usage_hourly SELECT account_id, '2026-10-01 00:00+00'::timestamptz + d * interval "
        "'5 days', function_id, 1, 128, 0, 0, 70, 70, 0, 0, 0, 0, 0, 0, 0, 1, 900077 + function_id %% 100003, "
        "0, 0, 0, 0, 0, 0, 0, 0, 0 FROM function, generate_series(0, 4) d;"
        "ANALYZE account; ANALYZE function; ANALYZE usage_hourly",
        ACCOUNT, ACCOUNT + accounts, ACCOUNT);
    must(pg_script(bench->owner, sql, &err), &err);
}

static void fill(struct bench *bench, int64_t rows)
{
    struct err err = {0};
    char sql[4096];
    (void)snprintf(sql, sizeof sql,
                   "SELECT usage_partition_ensure('2026-10-01', '2026-10-31');"
                   "INSERT INTO account (account_id, name, display_name) VALUES (%" PRId64 ", 'acme', 'Acme');"
                   "INSERT INTO function (account_id, function_id, name) SELECT %" PRId64
                   ", n, 'function-' || n FROM generate_series(1, 1350) n;"
                   "INSERT INTO usage_record SELECT %" PRId64
                   ", '2026-10-01 00:00+00'::timestamptz + n * (interval '31 days' / %" PRId64 "), 1 + n %% 1350, "
                   "md5(n::text)::uuid, 1000 + n %% 50000, 0, 900, 512, 1, n, 51, 128, 60000, 1, 512, 1, 1, 1, 1, 0, 0 "
                   "FROM generate_series(0, %" PRId64 " - 1) n;"
                   /* Requests and compute, each with a free band: about two rows of FOCUS a row of the rollup. */
                   "INSERT INTO usage_hourly SELECT %" PRId64
                   ", '2026-10-01 00:00+00'::timestamptz + (n %% 31) * interval '1 day', 1 + (n / 31) %% 1350, "
                   "1 + n / 41850, 128, 0, 0, 7000 + n %% 997, 7000 + n %% 997, 0, 0, 0, 0, 0, 0, 0, 1, "
                   "900000077 + n %% 100003, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM generate_series(0, %" PRId64 " / 2) n;"
                   "ANALYZE usage_record; ANALYZE usage_hourly",
                   ACCOUNT, ACCOUNT, ACCOUNT, rows, rows, ACCOUNT, rows);
    must(pg_script(bench->owner, sql, &err), &err);
}

int main(int argc, char **argv)
{
    int64_t rows = (int64_t)((argc > 1 ? strtod(argv[1], NULL) : 1) * 1000000);
    int64_t accounts = argc > 2 ? strtoll(argv[2], NULL, 10) : 200;
    const char *only = argc > 3 ? argv[3] : "";
    struct bench bench = {.rounds = rows >= ROWS_MANY ? 1 : ROUNDS};
    struct embedded *server = NULL;
    struct migrate_report migrated;
    struct err err = {0};
    char path[] = "/tmp/farthing-bench-XXXXXX";

    CHECK(rows >= 0 && accounts >= 0 && mkdtemp(path) != NULL);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    must(pg_open(embedded_conninfo(server), &bench.pg, &err), &err);
    must(pg_open_owner(embedded_conninfo(server), &bench.owner, &err), &err);
    must(price_book_seed(bench.pg, &err), &err);
    if (rows > 0) {
        fill(&bench, rows);
        if (strcmp(only, "focus") != 0) {
            measure(&bench, "records", REPORT_RECORDS, 24);
        }
        if (strcmp(only, "records") != 0) {
            measure(&bench, "focus", REPORT_FOCUS, 65 + 6);
        }
    }
    if (accounts > 0) {
        bench.all = true;
        fill_accounts(&bench, accounts);
        measure(&bench, "all_focus", REPORT_FOCUS, 65 + 6);
        measure(&bench, "all_summary", REPORT_SUMMARY, 19);
        measure(&bench, "all_aws", REPORT_AWS, 29);
    }
    pg_close(&bench.pg);
    pg_close(&bench.owner);
    embedded_close(&server);
    (void)fs_remove_tree(path, NULL);
    return EXIT_SUCCESS;
}
