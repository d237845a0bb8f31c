/*
 * Goal:   three real nodes on one PostgreSQL, under full load, killed with SIGKILL at random: the month's total never
 * exceeds a blocking limit by a single MB*ms, and at rest a small caller can use at least 99 % of it. Method: each node
 * is a process of its own with the real hook, spool, aggregator and admission; the functions are threads that emit a
 *         record of a random cost. The total is read from usage_hourly, which nothing of admission writes.
 * Run:    faults_quota_kill [--seconds N] [--seed S]
 */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/uuid.h"
#include "engine/admission.h"
#include "engine/quota.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define NODES 3
#define THREADS 8
#define ACCOUNT INT64_C(100000000001)
#define LIMIT_TEXT                                                                                                     \
    "200" /* GB-seconds: 1,600 worst cases of the smallest calls, reached while nodes are being killed                 \
           */
#define SETTLE_MS 20000

static _Atomic int stopping; /* lock-free: the signal handler may set it, threads read it */

static void on_term(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

_Noreturn static void give_up(const char *what, const struct err *err)
{
    (void)fprintf(stderr, "%s: %s\n", what, err != NULL ? err->text : "");
    exit(EXIT_FAILURE);
}

/* ---- a node ---- */

struct member {
    struct admission *admission;
    struct farthing_hook *hook;
    int64_t node_id;
    int memory_mib;
    _Atomic int refused_in_row;
};

static void post(void *ctx)
{
    (void)sem_post(ctx);
}

static int ask(struct member *member, const struct admission_request *request, struct admission_ticket *ticket)
{
    struct admission_refusal refusal;
    for (;;) {
        sem_t answered;
        (void)sem_init(&answered, 0, 0);
        int rc = admission_reserve(member->admission, request, ticket, &refusal, post, &answered);
        if (rc != 2) {
            return rc;
        }
        while (sem_wait(&answered) != 0) {
        }
        (void)sem_destroy(&answered);
    }
}

static void *caller_main(void *ctx)
{
    struct member *member = ctx;
    unsigned seed = (unsigned)clock_mono_ns();
    while (!stopping) {
        struct admission_request request = {.account_id = ACCOUNT,
                                            .function_id = 1,
                                            .memory_mib = member->memory_mib,
                                            .timeout_s = 1,
                                            .reserved_concurrency = -1,
                                            .now_us = clock_wall_us()};
        struct admission_ticket ticket;
        if (ask(member, &request, &ticket) != 0) {
            atomic_fetch_add(&member->refused_in_row, 1);
            const struct timespec span = {.tv_nsec = 2000000};
            (void)nanosleep(&span, NULL); /* lint: the pace of a refused caller */
            continue;
        }
        atomic_store(&member->refused_in_row, 0);
        uint32_t cost_ms = 1 + (uint32_t)rand_r(&seed) % (rand_r(&seed) % 50 == 0 ? 1000 : 50);
        struct usage_record record = {.kind = USAGE_KIND_INVOCATION,
                                      .account_id = ACCOUNT,
                                      .function_id = 1,
                                      .started_us = request.now_us,
                                      .duration_us = (uint64_t)cost_ms * 1000,
                                      .billed_ms = cost_ms,
                                      .memory_mib = (uint32_t)member->memory_mib,
                                      .ephemeral_mib = 512,
                                      .billed_requests = 1,
                                      .node_id = (uint32_t)member->node_id,
                                      .attempt = 1};
        struct uuid id;
        uuid_random(&id);
        memcpy(record.request_id, id.bytes, sizeof record.request_id);
        const struct timespec span = {.tv_nsec = 500000};
        (void)nanosleep(&span, NULL); /* lint: the call runs for so long */
        while (farthing_hook_emit(member->hook, &record) == FARTHING_HOOK_FULL) {
            (void)nanosleep(&span, NULL); /* lint: the spool is full until the aggregator has read */
        }
        admission_settle(member->admission, &ticket, &record);
    }
    return NULL;
}

static int node_main(const char *conninfo, const char *dir, int node, int threads, int memory_mib)
{
    struct member member = {.node_id = node + 1, .memory_mib = memory_mib};
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    pthread_t callers[THREADS];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGTERM, on_term);
    log_level_set(LOG_LEVEL_ERROR);
    const struct farthing_hook_options hook = {
        .dir = dir, .node_id = (uint32_t)node + 1, .spool_bytes_max = 64 << 20, .segment_records = 4096};
    const struct aggregator_options aggregate = {.spool_dir = dir, .conninfo = conninfo, .node_id = node + 1};
    if (farthing_hook_open(&hook, &member.hook, &err) != 0) {
        give_up("hook", &err);
    }
    const struct admission_options options = {.conninfo = conninfo, .node_id = node + 1, .hook = member.hook};
    if (aggregator_start(&aggregate, &aggregator, &err) != 0 ||
        admission_open(&options, &member.admission, &err) != 0) {
        give_up("node", &err);
    }
    for (int i = 0; i < threads; i++) {
        (void)pthread_create(&callers[i], NULL, caller_main, &member);
    }
    /* A small caller alone works until it was refused for a while; the others until they are stopped. */
    while (!stopping && (threads > 1 || atomic_load(&member.refused_in_row) < 2000)) {
        const struct timespec span = {.tv_nsec = 20000000};
        (void)nanosleep(&span, NULL); /* lint: until a signal or the threads end it */
    }
    stopping = 1;
    for (int i = 0; i < threads; i++) {
        (void)pthread_join(callers[i], NULL);
    }
    if (aggregator_flush(aggregator, SETTLE_MS, &err) != 0) {
        give_up("flush", &err);
    }
    admission_close(&member.admission);
    aggregator_stop(&aggregator, true);
    farthing_hook_close(&member.hook);
    return EXIT_SUCCESS;
}

/* ---- the judge ---- */

struct world {
    const char *conninfo;
    char base[64];
    pid_t pids[NODES];
};

static void spawn(struct world *world, int node, int threads, int memory_mib)
{
    char number[16];
    char count[16];
    char memory[16];
    char dir[96];
    (void)snprintf(number, sizeof number, "%d", node);
    (void)snprintf(count, sizeof count, "%d", threads);
    (void)snprintf(memory, sizeof memory, "%d", memory_mib);
    (void)snprintf(dir, sizeof dir, "%s/%d", world->base, node);
    world->pids[node] = fork();
    if (world->pids[node] == 0) {
        (void)execl("/proc/self/exe", "node", "--node", world->conninfo, dir, number, count, memory, (char *)NULL);
        _exit(127);
    }
}

static int reap(struct world *world, int node, int signal_number)
{
    int status = 0;
    if (signal_number != 0) {
        (void)kill(world->pids[node], signal_number);
    }
    (void)waitpid(world->pids[node], &status, 0);
    return status;
}

static const struct pg_stmt TOTAL = {
    .name = "kill.total",
    .sql =
        "SELECT coalesce(sum(mb_ms), 0)::int8 AS total, coalesce(sum(invocations), 0)::int8 AS calls FROM usage_hourly"
        " WHERE account_id = $1::int8",
    .expect = PG_ONE_ROW,
};

struct total {
    int64_t mb_ms, calls;
};

static int read_total(const struct pg_row *row, void *ctx, struct err *err)
{
    struct total *total = ctx;
    (void)err;
    total->mb_ms = pg_get_i64(row, "total");
    total->calls = pg_get_i64(row, "calls");
    return 0;
}

static struct total total_of(struct pg *pg)
{
    const struct pg_param params[] = {PG_P_I64(ACCOUNT), PG_P_END};
    struct total total = {0};
    struct err err = {0};
    if (pg_run(pg, &TOTAL, params, read_total, &total, NULL, &err) != 0) {
        give_up("total", &err);
    }
    return total;
}

static int64_t set_limit(struct pg *pg)
{
    struct quota quota = {.kind = QUOTA_GB_SECONDS_PER_MONTH, .limit_text = LIMIT_TEXT, .threshold_count = 0};
    struct quota stored;
    struct err err = {0};
    if (quota_put(pg, ACCOUNT, &quota, -1, &stored, &err) != 0) {
        give_up("quota", &err);
    }
    return stored.limit_units;
}

static int judge(struct pg *pg, struct world *world, int seconds, unsigned seed)
{
    int64_t limit = set_limit(pg);
    int64_t until_ns = clock_mono_ns() + seconds * INT64_C(1000000000);
    int kills = 0;
    for (int i = 0; i < NODES; i++) {
        spawn(world, i, THREADS, 128 << i);
    }
    while (clock_mono_ns() < until_ns) {
        const struct timespec span = {.tv_nsec = 100000000 + rand_r(&seed) % 700000000};
        (void)nanosleep(&span, NULL); /* lint: the random moment of the kill */
        int node = (int)((unsigned)rand_r(&seed) % NODES);
        (void)reap(world, node, SIGKILL);
        spawn(world, node, THREADS, 128 << node);
        kills++;
    }
    const struct timespec calm = {.tv_sec = 3}; /* the last one killed is up again and listens to SIGTERM */
    (void)nanosleep(&calm, NULL);               /* lint: no event tells that a handler is set */
    for (int i = 0; i < NODES; i++) {
        if (reap(world, i, SIGTERM) != 0) {
            give_up("a node did not stop cleanly", NULL);
        }
    }
    struct total loaded = total_of(pg);
    /* At rest: what dead runs held comes back once their spools are in; one small caller uses it up. */
    spawn(world, 0, 1, 64);
    if (reap(world, 0, 0) != 0) {
        give_up("the small caller failed", NULL);
    }
    struct total rest = total_of(pg);
    printf("%d kills, %" PRId64 " calls; limit %" PRId64 " MB*ms, used %" PRId64 " under load (%.3f %%), %" PRId64
           " at rest (%.3f %%)\n",
           kills, rest.calls, limit, loaded.mb_ms, 100.0 * (double)loaded.mb_ms / (double)limit, rest.mb_ms,
           100.0 * (double)rest.mb_ms / (double)limit);
    if (rest.mb_ms > limit) {
        give_up("the limit was exceeded", NULL);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int seconds = 10;
    unsigned seed = 1;
    struct world world = {.base = "/tmp/farthing-quota-kill-XXXXXX"};
    struct pg *pg = NULL;
    struct err err = {0};
    if (argc == 7 && strcmp(argv[1], "--node") == 0) {
        return node_main(argv[2], argv[3], (int)strtol(argv[4], NULL, 10), (int)strtol(argv[5], NULL, 10),
                         (int)strtol(argv[6], NULL, 10));
    }
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seconds") == 0) {
            seconds = (int)strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = (unsigned)strtoul(argv[i + 1], NULL, 10);
        }
    }
    world.conninfo = pgtest_database();
    if (mkdtemp(world.base) == NULL || pg_open(world.conninfo, &pg, &err) != 0) {
        give_up("setup", &err);
    }
    int rc = judge(pg, &world, seconds, seed);
    pg_close(&pg);
    (void)fs_remove_tree(world.base, &err);
    return rc;
}
