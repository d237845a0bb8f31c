/*
 * cold_start.c - the first answer of a new instance against a bare start of the same runtime process, and from no
 * instance to 200.
 *
 * Method:  a bare start is a process without sandbox, cgroup or node that is started and asks a listener of ours for
 * its first event: what any engine pays. A cold call goes straight into the engine, to a function that has no instance;
 * its target and code are there already (a dry run). Both take turns; medians. Scale-out: 200 calls at once of a
 * function without instances, against 200 bare starts at once. A call there works for BENCH_WORK_MS, so that each of
 * them needs an instance of its own; that time is taken off. Usage: bench_cold_start DATABASE NAME FOLDER RUNTIME
 * HANDLER ROUNDS SCALE_OUT PROGRAM [ARGUMENT...]      ROUNDS may be 0, SCALE_OUT too
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/engine.h"
#include "metering/hook.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#define ACCOUNT INT64_C(100000000001)
#define ROUNDS_MAX 200
#define AT_ONCE_MAX 200

struct bench {
    char **argv; /* of the program */
    struct engine *engine;
    int listener, port;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int answered, failed, cold;

static void on_done(const struct invoke_result *result, void *ctx)
{
    (void)ctx;
    (void)pthread_mutex_lock(&lock);
    answered++;
    cold += (result->record.flags & USAGE_FLAG_COLD) != 0 ? 1 : 0;
    failed += (result->outcome != INVOKE_DONE && result->outcome != INVOKE_ACCEPTED) || result->function_error != NULL;
    (void)pthread_cond_signal(&changed);
    (void)pthread_mutex_unlock(&lock);
}

/* Microseconds until all of them are answered. */
static int64_t invoke(struct bench *bench, const char *name, enum invoke_type type, int count)
{
    struct err err = {0};
    const struct invoke_request request = {.account_id = ACCOUNT,
                                           .function = name,
                                           .type = type,
                                           .payload = "{\"hello\":\"world\"}",
                                           .payload_length = sizeof "{\"hello\":\"world\"}" - 1};
    answered = cold = 0;
    int64_t start_ns = clock_mono_ns();
    for (int i = 0; i < count; i++) {
        CHECK(engine_invoke(bench->engine, &request, on_done, NULL, NULL, &err) == 0);
    }
    (void)pthread_mutex_lock(&lock);
    while (answered < count) {
        (void)pthread_cond_wait(&changed, &lock);
    }
    (void)pthread_mutex_unlock(&lock);
    return (clock_mono_ns() - start_ns) / 1000;
}

/* Microseconds until all of count processes have asked for their first event. */
static int64_t bare(struct bench *bench, int count)
{
    pid_t pids[AT_ONCE_MAX];
    int fds[AT_ONCE_MAX];
    char text[4096];
    int64_t start_ns = clock_mono_ns();
    for (int i = 0; i < count; i++) {
        CHECK(posix_spawn(&pids[i], bench->argv[0], NULL, NULL, bench->argv, environ) == 0);
    }
    for (int i = 0; i < count; i++) {
        size_t used = 0;
        fds[i] = accept(bench->listener, NULL, NULL);
        CHECK(fds[i] >= 0);
        text[0] = '\0';
        while (strstr(text, "\r\n\r\n") == NULL && used < sizeof text - 1) {
            ssize_t got = recv(fds[i], text + used, sizeof text - 1 - used, 0);
            CHECK(got > 0);
            used += (size_t)got;
            text[used] = '\0';
        }
    }
    int64_t took_us = (clock_mono_ns() - start_ns) / 1000;
    for (int i = 0; i < count; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
        (void)close(fds[i]);
    }
    return took_us;
}

static void listen_here(struct bench *bench, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char text[64];
    bench->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(bench->listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
          listen(bench->listener, AT_ONCE_MAX) == 0 &&
          getsockname(bench->listener, (struct sockaddr *)&address, &length) == 0);
    (void)snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(address.sin_port));
    (void)setenv("AWS_LAMBDA_RUNTIME_API", text, 1);
    (void)setenv("LAMBDA_TASK_ROOT", argv[3], 1);
    (void)setenv("_HANDLER", argv[5], 1);
}

static int make_functions(const char *database, char **argv, int count, struct err *err)
{
    struct buf zip = {0};
    struct pg *pg = NULL;
    struct function function;
    struct migrate_report report;
    char name[64];
    int rc = migrate_run(database, &report, err) != 0 || code_pack_dir(argv[3], &zip, err) != 0 ||
                     pg_open(database, &pg, err) != 0
                 ? -1
                 : 0;
    for (int i = 0; rc == 0 && i < count; i++) {
        const struct function_change change = {.runtime = argv[4],
                                               .handler = argv[5],
                                               .zip = zip.data,
                                               .zip_length = zip.length,
                                               .memory_mib = 128,
                                               .timeout_s = 30,
                                               .ephemeral_mib = -1,
                                               .arch = -1,
                                               .network = -1};
        (void)snprintf(name, sizeof name, "cold-%s-%d", argv[2], i);
        (void)function_delete(pg, ACCOUNT, name, NULL, NULL);
        rc = function_create(pg, ACCOUNT, name, &change, &function, err);
    }
    pg_close(&pg);
    buf_free(&zip);
    return rc;
}

static int by_value(const void *a, const void *b)
{
    const int64_t *left = a;
    const int64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static void row(const char *name, const char *function, int64_t value_us, int64_t baseline_us, bool goal)
{
    (void)printf("{\"name\":\"%s_%s\",\"value\":%.2f,\"unit\":\"ms\",\"baseline\":%.2f,\"ratio\":%.3f,", name, function,
                 (double)value_us / 1000, (double)baseline_us / 1000, (double)value_us / (double)baseline_us);
    if (goal) {
        (void)printf("\"goal\":\"bare + 15 ms\",\"met\":%s}\n", value_us <= baseline_us + 15000 ? "true" : "false");
    } else {
        (void)printf("\"goal\":\"\",\"met\":null}\n");
    }
}

static void scale_out(struct bench *bench, const char *function, int rounds, int at_once)
{
    char name[64];
    const char *work = getenv("BENCH_WORK_MS");
    int64_t work_us = work != NULL ? strtoll(work, NULL, 10) * 1000 : 0;
    (void)snprintf(name, sizeof name, "cold-%s-%d", function, rounds);
    (void)invoke(bench, name, INVOKE_DRY_RUN, 1);
    int64_t alone_us = bare(bench, at_once);
    int64_t all_us = invoke(bench, name, INVOKE_SYNC, at_once) - work_us;
    (void)printf("%d calls at once of %s ran on %d new instances\n", at_once, function, cold);
    (void)snprintf(name, sizeof name, "%s_%d", function, at_once);
    row("scale_out", name, all_us, alone_us, false);
}

static void measure(struct bench *bench, const char *function, int rounds)
{
    static int64_t with[ROUNDS_MAX];
    static int64_t without[ROUNDS_MAX];
    char name[64];
    for (int i = 0; i < rounds; i++) {
        (void)snprintf(name, sizeof name, "cold-%s-%d", function, i);
        (void)invoke(bench, name, INVOKE_DRY_RUN, 1);
        without[i] = bare(bench, 1);
        with[i] = invoke(bench, name, INVOKE_SYNC, 1);
        CHECK(cold == 1);
    }
    qsort(with, (size_t)rounds, sizeof with[0], by_value);
    qsort(without, (size_t)rounds, sizeof without[0], by_value);
    row("cold_start", function, with[rounds / 2], without[rounds / 2], true);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/farthing-bench-XXXXXX";
    char spool[64];
    struct err err = {0};
    struct farthing_hook *hook = NULL;
    struct bench bench = {.listener = -1};
    if (argc < 9 || mkdtemp(dir) == NULL) {
        (void)fprintf(stderr, "usage: %s DATABASE NAME FOLDER RUNTIME HANDLER ROUNDS AT_ONCE PROGRAM...\n", argv[0]);
        return 2;
    }
    int rounds = (int)strtol(argv[6], NULL, 10);
    int at_once = (int)strtol(argv[7], NULL, 10);
    CHECK(rounds >= 0 && rounds <= ROUNDS_MAX && at_once <= AT_ONCE_MAX);
    bench.argv = argv + 8;
    (void)chmod(dir, 0755);
    (void)snprintf(spool, sizeof spool, "%s/spool", dir);
    const struct farthing_hook_options hook_options = {.dir = spool, .node_id = 1};
    const struct engine_options options = {.data_dir = dir,
                                           .conninfo = argv[1],
                                           .hook = NULL,
                                           .node_id = 800000 + getpid() % 1000,
                                           .instances_max = AT_ONCE_MAX + ROUNDS_MAX + 1};
    struct engine_options mine = options;
    listen_here(&bench, argv);
    if (make_functions(argv[1], argv, rounds + 1, &err) != 0 || farthing_hook_open(&hook_options, &hook, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    mine.hook = hook;
    if (engine_open(&mine, &bench.engine, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    if (rounds > 0) {
        measure(&bench, argv[2], rounds);
    }
    if (at_once > 0) {
        scale_out(&bench, argv[2], rounds, at_once);
    }
    engine_close(&bench.engine, 1000);
    farthing_hook_close(&hook);
    (void)fs_remove_tree(dir, NULL);
    if (failed > 0) {
        (void)fprintf(stderr, "%d calls failed\n", failed);
    }
    return failed == 0 ? 0 : 1;
}
