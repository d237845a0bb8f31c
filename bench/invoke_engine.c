/*
 * invoke_engine.c - warm calls of one function straight into the engine, 32 at a time: what the engine itself can do.
 * FARTHING_BENCH_ADMISSION=1: every call passes admission with limits on concurrency, requests and GB-seconds.
 * Usage: bench_invoke_engine DATABASE FOLDER RUNTIME HANDLER [SECONDS [AT_ONCE [metered 0|1]]]     prints one line of
 * JSON
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/admission.h"
#include "engine/engine.h"
#include "engine/quota.h"
#include "metering/hook.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#define ACCOUNT INT64_C(100000000001)
#define AT_ONCE_MAX 512

static struct engine *engine;
static _Atomic int64_t calls, failures, in_flight;
static _Atomic bool stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

static void again(void);

static void on_done(const struct invoke_result *result, void *ctx)
{
    (void)ctx;
    if (result->outcome != INVOKE_DONE || result->function_error != NULL) {
        atomic_fetch_add(&failures, 1);
    }
    atomic_fetch_add(&calls, 1);
    if (!atomic_load(&stop)) {
        again();
    } else if (atomic_fetch_sub(&in_flight, 1) == 1) {
        (void)pthread_mutex_lock(&lock);
        (void)pthread_cond_signal(&ended);
        (void)pthread_mutex_unlock(&lock);
    }
}

static void again(void)
{
    static const char EVENT[] = "{\"hello\":\"world\"}";
    struct err err = {0};
    const struct invoke_request request = {
        .account_id = ACCOUNT, .function = "bench", .payload = EVENT, .payload_length = sizeof EVENT - 1};
    if (engine_invoke(engine, &request, on_done, NULL, NULL, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static int make_function(const char *database, char **argv, struct err *err)
{
    struct buf zip = {0};
    struct pg *pg = NULL;
    struct function function;
    struct migrate_report report;
    if (migrate_run(database, &report, err) != 0 || code_pack_dir(argv[2], &zip, err) != 0 ||
        pg_open(database, &pg, err) != 0) {
        return -1;
    }
    (void)function_delete(pg, ACCOUNT, "bench", NULL, NULL);
    const struct function_change change = {.runtime = argv[3],
                                           .handler = argv[4],
                                           .zip = zip.data,
                                           .zip_length = zip.length,
                                           .memory_mib = 256,
                                           .timeout_s = 30,
                                           .ephemeral_mib = -1,
                                           .arch = -1,
                                           .network = -1};
    int rc = function_create(pg, ACCOUNT, "bench", &change, &function, err);
    buf_free(&zip);
    pg_close(&pg);
    return rc;
}

static int limits_set(const char *database, struct err *err)
{
    static const struct {
        enum quota_kind kind;
        const char *limit;
    } rows[] = {{QUOTA_CONCURRENCY, "100000"},
                {QUOTA_REQUESTS_PER_MONTH, "100000000000"},
                {QUOTA_GB_SECONDS_PER_MONTH, "100000000000"}};
    struct pg *pg = NULL;
    int rc = pg_open(database, &pg, err);
    for (size_t i = 0; rc == 0 && i < sizeof rows / sizeof rows[0]; i++) {
        struct quota quota = {.kind = rows[i].kind, .action = QUOTA_BLOCK};
        struct quota stored;
        (void)snprintf(quota.limit_text, sizeof quota.limit_text, "%s", rows[i].limit);
        rc = quota_put(pg, ACCOUNT, &quota, -1, &stored, err);
    }
    pg_close(&pg);
    return rc;
}

/* Processor time of the whole process so far. */
static int64_t process_cpu_ns(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char spool[64];
    struct err err = {0};
    struct farthing_hook *hook = NULL;
    if (argc < 5 || mkdtemp(dir) == NULL) {
        (void)fprintf(stderr, "usage: %s DATABASE FOLDER RUNTIME HANDLER [SECONDS [AT_ONCE [METERED]]]\n", argv[0]);
        return 2;
    }
    int seconds = argc > 5 ? (int)strtol(argv[5], NULL, 10) : 5;
    int at_once = argc > 6 ? (int)strtol(argv[6], NULL, 10) : 32;
    bool metered = argc <= 7 || (int)strtol(argv[7], NULL, 10) != 0;
    (void)chmod(dir, 0755);
    (void)snprintf(spool, sizeof spool, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = spool, .node_id = 1};
    if (make_function(argv[1], argv, &err) != 0 || (metered && farthing_hook_open(&hook_options, &hook, &err) != 0)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct admission *admission = NULL;
    const char *wanted = getenv("FARTHING_BENCH_ADMISSION");
    bool admitted = wanted != NULL && strcmp(wanted, "1") == 0;
    const struct admission_options admission_options = {
        .conninfo = argv[1], .hook = hook, .node_id = 800000 + getpid() % 1000};
    if (admitted && (limits_set(argv[1], &err) != 0 || admission_open(&admission_options, &admission, &err) != 0)) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const struct engine_options options = {.data_dir = dir,
                                           .conninfo = argv[1],
                                           .hook = hook,
                                           .admission = admission,
                                           .node_id = 800000 + getpid() % 1000};
    if (engine_open(&options, &engine, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    atomic_store(&in_flight, at_once);
    for (int i = 0; i < at_once; i++) {
        again();
    }
    (void)sleep(2); /* instances start */
    int64_t before = atomic_load(&calls);
    int64_t start_ns = clock_mono_ns();
    int64_t cpu_ns = process_cpu_ns();
    (void)sleep((unsigned)seconds);
    cpu_ns = process_cpu_ns() - cpu_ns;
    int64_t done = atomic_load(&calls) - before;
    int64_t took_ns = clock_mono_ns() - start_ns;
    (void)pthread_mutex_lock(&lock);
    atomic_store(&stop, true);
    while (atomic_load(&in_flight) > 0) {
        (void)pthread_cond_wait(&ended, &lock);
    }
    (void)pthread_mutex_unlock(&lock);
    struct admission_stats stats = {0};
    if (admission != NULL) {
        admission_stats(admission, &stats);
    }
    (void)printf("{\"runtime\":\"%s\",\"at_once\":%d,\"metered\":%s,\"calls_per_s\":%lld,\"cpu_ns_per_call\":%lld,"
                 "\"lease_requests\":%lld,\"failures\":%lld}\n",
                 argv[3], at_once, metered ? "true" : "false", (long long)(done * 1000000000 / took_ns),
                 (long long)(done > 0 ? cpu_ns / done : 0), (long long)stats.lease_requests,
                 (long long)atomic_load(&failures));
    engine_close(&engine, 1000);
    admission_close(&admission);
    farthing_hook_close(&hook);
    (void)fs_remove_tree(dir, NULL);
    return 0;
}
