/*
 * close.c - invoices a second of a month close: accounts with 3 functions each, two workers, fsync on.
 *
 * Usage: bench_close [ACCOUNTS...]  (1000 10000 100000 when none are named)
 */
#include "billing/close.h"
#include "billing/price_book.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define GOAL INT64_C(15000)

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "bench close: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

static void fill(const char *conninfo, int64_t accounts)
{
    struct pg *pg = NULL;
    struct err err = {0};
    char sql[1200];
    must(pg_open_owner(conninfo, &pg, &err), &err);
    must(price_book_seed(pg, &err), &err);
    (void)snprintf(
        sql, sizeof sql,
        "TRUNCATE account, usage_hourly, invoice_document, invoice_line, invoice_series, invoice_park;"
        "INSERT INTO account (account_id, name) SELECT 100000000000 + n, 'a' || n FROM generate_series(1, "
        "%" PRId64 ") n;"
        "INSERT INTO usage_hourly SELECT 100000000000 + n, '2026-10-05 10:00+00', f, 0, 1536, 0, 0, 1000000, "
        "1000000, 0, 0, 0, 0, 0, 0, 0, 120000000, 184320000000, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
        "FROM generate_series(1, %" PRId64 ") n, generate_series(1, 3) f;"
        "ANALYZE account; ANALYZE usage_hourly; CHECKPOINT",
        accounts, accounts);
    must(pg_script(pg, sql, &err), &err);
    pg_close(&pg);
}

static void work(const char *conninfo)
{
    const char *batch = getenv("BENCH_CLOSE_BATCH");
    const struct close_options options = {
        .month = {2026, 10}, .skip_seal = true, .batch = batch != NULL ? (int)strtol(batch, NULL, 10) : 0};
    struct close_result result = {0};
    struct pg *pg = NULL;
    struct err err = {0};
    must(pg_open(conninfo, &pg, &err), &err);
    must(close_month(pg, &options, &result, &err), &err);
    pg_close(&pg);
}

static void run(const char *conninfo, int64_t accounts)
{
    pid_t pids[WORKERS];
    fill(conninfo, accounts);
    int64_t start_us = clock_wall_us();
    for (int i = 0; i < WORKERS; i++) {
        pids[i] = fork();
        CHECK(pids[i] >= 0);
        if (pids[i] == 0) {
            work(conninfo);
            _exit(EXIT_SUCCESS);
        }
    }
    for (int i = 0; i < WORKERS; i++) {
        int status = 0;
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
    }
    int64_t rate = accounts * 1000000 / (clock_wall_us() - start_us + 1);
    (void)printf("{\"name\":\"month_close_%" PRId64 "\",\"value\":%" PRId64
                 ",\"unit\":\"invoices/s\",\"baseline\":null,\"ratio\":null,\"goal\":%" PRId64 ",\"met\":%s}\n",
                 accounts, rate, GOAL, rate >= GOAL ? "true" : "false");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static const int64_t SIZES[] = {1000, 10000, 100000};
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char path[64];
    struct embedded *server = NULL;
    struct migrate_report migrated;
    struct err err = {0};
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    must(embedded_open(&options, &server, &err), &err);
    must(migrate_run(embedded_conninfo(server), &migrated, &err), &err);
    for (int i = 1; i < argc; i++) {
        run(embedded_conninfo(server), strtoll(argv[i], NULL, 10));
    }
    for (size_t i = 0; argc == 1 && i < sizeof SIZES / sizeof SIZES[0]; i++) {
        run(embedded_conninfo(server), SIZES[i]);
    }
    embedded_close(&server);
    (void)fs_remove_tree(dir, NULL);
    return EXIT_SUCCESS;
}
