/*
 * Goal:   whatever is killed, cut, flipped or full: every record whose emit returned 0 is in PostgreSQL exactly once,
 * and the rollups are the sums of the records. Method: one seed makes a schedule of faults for each round. Emitters
 * (threads of child processes), the aggregator (a child process), the database (our own, fsync on) and a proxy that
 * cuts connections around COMMIT run at the same time. What emit answered is written to shared memory beside it: intent
 * before, confirmed after. A round ends with an undisturbed aggregator_flush; then confirmed <= stored <= intent is
 * checked record by record, and what flipped bits destroyed must be found as holes.
 *
 * Length: the simulated world and its judge are read together or not at all.
 *
 * Long runs: test_metering --rounds N
 * [--seed S]; a failure prints the seed of its round.
 */
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/spool.h"
#include "schema/embedded.h"
#include "schema/migrate.h"
#include "schema/pg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_DEFAULT 4
#define STEPS_MIN 5
#define STEPS_MAX 12
#define THREADS 4
#define RECORDS_MAX 30000 /* a thread */
#define EMITTERS_MAX 16   /* a round, one after another */
#define PROXY_LINKS_MAX 32
#define FLUSH_MS 120000
#define DAY_US INT64_C(1763856000000000)

enum emitted { NEVER, INTENT, CONFIRMED };

/* Everything the processes share. */
struct shared {
    _Atomic int cut_next; /* 0 no; 1 before COMMIT is sent on; 2 after it was sent on, before the answer; 3 now */
    char server[108];     /* socket of the real server */
    char conninfo[256];   /* the same for libpq */
    _Atomic uint64_t server_starts;
    _Atomic bool server_stop;
    _Atomic uint64_t full; /* how often emit said FULL */
    uint8_t emitted[EMITTERS_MAX][THREADS][RECORDS_MAX];
};

static struct shared *shared;
static char dir[64];
static char spool[100];
static char proxy_dir[100];
static char through_proxy[200];
static pid_t server_process;
static int64_t account;
static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static void must(int rc, const struct err *err)
{
    if (rc != 0) {
        (void)fprintf(stderr, "faults_metering: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

static void nap_ms(uint64_t ms)
{
    (void)poll(NULL, 0, (int)ms);
}

/* ---- the emitter: a process with threads ---- */

struct emitter {
    struct farthing_hook *hook;
    unsigned number;
    unsigned thread;
};

static void make_record(unsigned emitter, unsigned thread, uint32_t n, struct usage_record *record)
{
    uint32_t x = (n * 2654435761u) ^ (emitter * 40503u + thread);
    *record = (struct usage_record){
        .kind = USAGE_KIND_INVOCATION,
        .status = (uint8_t)(x % 11 == 0 ? 1 + x % 5 : 0),
        .account_id = account,
        .function_id = 1 + x % 37,
        .started_us = DAY_US + (int64_t)(x % 86400) * 1000000,
        .duration_us = x % 3000000,
        .billed_ms = x % 3000,
        .memory_mib = 128u << (x % 4),
        .peak_kib = x % 100000,
        .billed_requests = 1,
        .attempt = 1,
    };
    record->request_id[0] = (uint8_t)emitter;
    record->request_id[1] = (uint8_t)thread;
    memcpy(record->request_id + 2, &n, sizeof n);
}

static void *emit_thread(void *arg)
{
    const struct emitter *self = arg;
    uint8_t *emitted = shared->emitted[self->number][self->thread];
    for (uint32_t n = 0; n < RECORDS_MAX; n++) {
        struct usage_record record;
        int code;
        make_record(self->number, self->thread, n, &record);
        __atomic_store_n(&emitted[n], INTENT, __ATOMIC_SEQ_CST);
        while ((code = farthing_hook_emit(self->hook, &record)) == FARTHING_HOOK_FULL) {
            atomic_fetch_add(&shared->full, 1);
            nap_ms(2);
        }
        CHECK(code == FARTHING_HOOK_OK);
        __atomic_store_n(&emitted[n], CONFIRMED, __ATOMIC_SEQ_CST);
        if (n % 256 == 255) {
            nap_ms(1);
        }
    }
    return NULL;
}

static pid_t fork_child(void)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

static pid_t start_emitter(unsigned number)
{
    pid_t pid = fork_child();
    if (pid != 0) {
        return pid;
    }
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    pthread_t threads[THREADS];
    struct emitter emitters[THREADS];
    const struct farthing_hook_options options = {.dir = spool,
                                                  .segment_records = 1024,
                                                  .spool_bytes_max = UINT64_C(8) << 20,
                                                  .sync_interval_ms = 5,
                                                  .node_id = 1};
    must(farthing_hook_open(&options, &hook, &err), &err);
    for (unsigned t = 0; t < THREADS; t++) {
        emitters[t] = (struct emitter){hook, number, t};
        CHECK(pthread_create(&threads[t], NULL, emit_thread, &emitters[t]) == 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        (void)pthread_join(threads[t], NULL);
    }
    farthing_hook_close(&hook);
    _exit(0);
}

/* ---- the aggregator: a process ---- */

static pid_t start_aggregator(void)
{
    pid_t pid = fork_child();
    if (pid != 0) {
        return pid;
    }
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO); /* faults are what its log is about */
    const struct aggregator_options options = {
        .spool_dir = spool, .conninfo = through_proxy, .batch_records_max = 3000, .idle_wait_ms = 2};
    must(aggregator_start(&options, &aggregator, &err), &err);
    for (;;) {
        (void)pause();
    }
}

/* ---- the proxy: a process that cuts around COMMIT ---- */

struct proxy_link {
    int client, server;
};

static int connect_server(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(name.sun_path, shared->server, sizeof name.sun_path);
    if (connect(fd, (const struct sockaddr *)(const void *)&name, sizeof name) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void hang_up(struct proxy_link *link)
{
    (void)close(link->client);
    (void)close(link->server);
    link->client = -1;
}

/* Forward one piece; false: the link is over. */
static bool forward(struct proxy_link *link, bool up)
{
    char bytes[65536];
    ssize_t got = read(up ? link->client : link->server, bytes, sizeof bytes);
    bool commit = up && got > 0 && memmem(bytes, (size_t)got, "COMMIT", 6) != NULL;
    int cut = commit ? atomic_exchange(&shared->cut_next, 0) : atomic_load(&shared->cut_next);
    if (got <= 0 || (commit && cut == 1)) {
        return false;
    }
    if (!commit && cut == 3 && atomic_exchange(&shared->cut_next, 0) == 3) {
        return false;
    }
    for (ssize_t sent = 0; sent < got;) {
        ssize_t part = send(up ? link->server : link->client, bytes + sent, (size_t)(got - sent), MSG_NOSIGNAL);
        if (part <= 0) {
            return false;
        }
        sent += part;
    }
    if (commit && cut == 2) {
        nap_ms(draw(3)); /* the server may or may not have finished */
        return false;
    }
    return true;
}

static int listen_proxy(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%.80s/.s.PGSQL.5432", proxy_dir);
    CHECK(bind(fd, (const struct sockaddr *)(const void *)&name, sizeof name) == 0 && listen(fd, 16) == 0);
    return fd;
}

static void proxy_accept(int listener, struct proxy_link *links)
{
    int client = accept(listener, NULL, NULL);
    int upstream = client >= 0 ? connect_server() : -1;
    for (int i = 0; upstream >= 0 && i < PROXY_LINKS_MAX; i++) {
        if (links[i].client < 0) {
            links[i] = (struct proxy_link){client, upstream};
            return;
        }
    }
    (void)close(client);
    if (upstream >= 0) {
        (void)close(upstream);
    }
}

static pid_t start_proxy(void)
{
    int listener = listen_proxy();
    pid_t pid = fork_child();
    if (pid != 0) {
        (void)close(listener);
        return pid;
    }
    struct proxy_link links[PROXY_LINKS_MAX];
    for (int i = 0; i < PROXY_LINKS_MAX; i++) {
        links[i].client = -1;
    }
    for (;;) {
        struct pollfd polled[2 * PROXY_LINKS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
        for (int i = 0; i < PROXY_LINKS_MAX; i++) {
            polled[1 + 2 * i] = (struct pollfd){.fd = links[i].client, .events = POLLIN};
            polled[2 + 2 * i] = (struct pollfd){.fd = links[i].client < 0 ? -1 : links[i].server, .events = POLLIN};
        }
        (void)poll(polled, 2 * PROXY_LINKS_MAX + 1, -1);
        for (int i = 0; i < PROXY_LINKS_MAX; i++) {
            bool ok = true;
            if (polled[1 + 2 * i].revents != 0) {
                ok = forward(&links[i], true);
            }
            if (ok && polled[2 + 2 * i].revents != 0) {
                ok = forward(&links[i], false);
            }
            if (!ok) {
                hang_up(&links[i]);
            }
        }
        if (polled[0].revents != 0) {
            proxy_accept(listener, links);
        }
    }
}

/* ---- the database ---- */

/* A process of its own owns it, so that no other child holds its lock; it starts it again whenever it was killed. */
static void serve_database(void)
{
    char path[120];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    const struct embedded_options options = {.dir = path};
    while (!atomic_load(&shared->server_stop)) {
        struct embedded *server = NULL;
        must(embedded_open(&options, &server, &err), &err);
        const char *host = strstr(embedded_conninfo(server), "host='");
        CHECK(host != NULL);
        host += 6;
        (void)snprintf(shared->conninfo, sizeof shared->conninfo, "%s", embedded_conninfo(server));
        (void)snprintf(shared->server, sizeof shared->server, "%.*s/.s.PGSQL.5432", (int)strcspn(host, "'"), host);
        atomic_fetch_add(&shared->server_starts, 1);
        while (embedded_alive(server) && !atomic_load(&shared->server_stop)) {
            nap_ms(5);
        }
        embedded_close(&server);
    }
    _exit(0);
}

static void await_server(uint64_t starts)
{
    while (atomic_load(&shared->server_starts) <= starts) {
        CHECK(waitpid(server_process, NULL, WNOHANG) == 0);
        nap_ms(5);
    }
}

static void kill_server(void)
{
    char path[200];
    char line[32] = "";
    uint64_t starts = atomic_load(&shared->server_starts);
    (void)snprintf(path, sizeof path, "%s/postgresql/data/postmaster.pid", dir);
    FILE *file = fopen(path, "re");
    CHECK(file != NULL && fgets(line, sizeof line, file) != NULL);
    (void)fclose(file);
    CHECK(kill((pid_t)strtol(line, NULL, 10), SIGKILL) == 0);
    await_server(starts);
}

/* ---- flipped bits ---- */

/* Flip a bit of a random published slot of a random segment. Only while the aggregator is down, and only slots that are
 * whole: the writer leaves those alone. */
static void flip_bit(void)
{
    char pattern[256];
    DIR *producers = opendir(spool);
    for (struct dirent *p = producers != NULL ? readdir(producers) : NULL; p != NULL; p = readdir(producers)) {
        uint64_t id;
        if (!spool_producer_parse(p->d_name, &id)) {
            continue;
        }
        (void)snprintf(pattern, sizeof pattern, "%s/%.16s", spool, p->d_name);
        DIR *segments = opendir(pattern);
        for (struct dirent *s = segments != NULL ? readdir(segments) : NULL; s != NULL; s = readdir(segments)) {
            uint64_t epoch;
            uint64_t first;
            if (!spool_segment_parse(s->d_name, &epoch, &first) || draw(3) != 0) {
                continue;
            }
            (void)snprintf(pattern, sizeof pattern, "%s/%.16s/%.29s", spool, p->d_name, s->d_name);
            int fd = open(pattern, O_RDWR | O_CLOEXEC);
            struct usage_record slot;
            off_t at = (off_t)(SPOOL_PAGE_BYTES + draw(1024) * USAGE_RECORD_BYTES);
            if (fd >= 0 && pread(fd, &slot, sizeof slot, at) == (ssize_t)sizeof slot &&
                slot_check(&slot, slot.sequence) == SLOT_GOOD) {
                uint64_t bit = draw(8 * USAGE_RECORD_BYTES - 64) + 64; /* the first word would unpublish it */
                ((uint8_t *)&slot)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
                CHECK(pwrite(fd, (uint8_t *)&slot + bit / 8, 1, at + (off_t)(bit / 8)) == 1);
            }
            if (fd >= 0) {
                (void)close(fd);
            }
        }
        if (segments != NULL) {
            (void)closedir(segments);
        }
    }
    if (producers != NULL) {
        (void)closedir(producers);
    }
}

/* ---- a round ---- */

struct round {
    pid_t emitter, aggregator, proxy;
    unsigned emitters;
};

static void end_child(pid_t *pid)
{
    if (*pid > 0) {
        (void)kill(*pid, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
        *pid = 0;
    }
}

static void next_emitter(struct round *round)
{
    end_child(&round->emitter);
    if (round->emitters < EMITTERS_MAX) {
        round->emitter = start_emitter(round->emitters++);
    }
}

static void next_aggregator(struct round *round, bool flip)
{
    end_child(&round->aggregator);
    if (flip) {
        flip_bit();
    }
    nap_ms(draw(50));
    round->aggregator = start_aggregator();
}

static void step(struct round *round)
{
    nap_ms(draw(120));
    switch (draw(9)) {
    case 0:
    case 1:
        next_emitter(round);
        break;
    case 2:
        next_aggregator(round, false);
        break;
    case 3:
        next_aggregator(round, true);
        break;
    case 4:
        if (draw(2) == 0) {
            kill_server();
        }
        break;
    case 5:
        atomic_store(&shared->cut_next, 1);
        break;
    case 6:
    case 7:
        atomic_store(&shared->cut_next, 2);
        break;
    default:
        atomic_store(&shared->cut_next, 3);
        break;
    }
}

/* ---- the verdict ---- */

struct verdict {
    uint64_t stored, foreign, twice;
    uint8_t *seen;
};

static int on_id(const struct pg_row *row, void *ctx, struct err *err)
{
    struct verdict *verdict = ctx;
    size_t length;
    uint32_t n;
    const uint8_t *id = pg_get_bytes(row, "request_id", &length);
    (void)err;
    CHECK(id != NULL && length == 16);
    memcpy(&n, id + 2, sizeof n);
    if (id[0] >= EMITTERS_MAX || id[1] >= THREADS || n >= RECORDS_MAX || shared->emitted[id[0]][id[1]][n] == NEVER) {
        verdict->foreign++;
        return 0;
    }
    uint8_t *seen = &verdict->seen[((size_t)id[0] * THREADS + id[1]) * RECORDS_MAX + n];
    verdict->twice += *seen;
    *seen = 1;
    verdict->stored++;
    return 0;
}

static int on_count(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "n");
    return 0;
}

static int64_t count(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params)
{
    int64_t n = -1;
    struct err err = {0};
    must(pg_run(pg, stmt, params, on_count, &n, NULL, &err), &err);
    return n;
}

static const struct pg_stmt IDS = {.name = "test.ids",
                                   .sql = "SELECT request_id FROM usage_record WHERE account_id = $1::int8",
                                   .expect = PG_ANY_ROWS};
static const struct pg_stmt DAMAGED = {
    .name = "test.damaged",
    .sql = "SELECT coalesce(sum(slots), 0)::int8 AS n FROM spool_hole WHERE reason = 'damaged'",
    .expect = PG_ONE_ROW};
static const struct pg_stmt MISSING = {
    .name = "test.missing",
    .sql = "SELECT count(*) AS n FROM spool_hole WHERE reason NOT IN ('damaged', 'unwritten')",
    .expect = PG_ONE_ROW};
static const struct pg_stmt ROLLUP_DIFFERENCES = {
    .name = "test.rollup_differences",
    .sql = "WITH r AS (SELECT account_id, date_trunc('hour', started_at) AS hour, function_id, version, memory_mib, "
           "count(*) AS invocations, count(*) FILTER (WHERE status <> 0) AS errors, sum(billed_ms)::int8 AS billed_ms, "
           "sum(billed_ms::int8 * memory_mib)::int8 AS mb_ms, sum(duration_us)::int8 AS duration_us, "
           "max(peak_kib)::int8 AS peak FROM usage_record WHERE account_id = $1::int8 GROUP BY 1, 2, 3, 4, 5), "
           "h AS (SELECT account_id, hour, function_id, version, memory_mib, invocations, errors, billed_ms, mb_ms, "
           "duration_us, peak_kib_max AS peak FROM usage_hourly WHERE account_id = $1::int8) "
           "SELECT count(*) AS n FROM ((SELECT * FROM r EXCEPT SELECT * FROM h) UNION ALL "
           "(SELECT * FROM h EXCEPT SELECT * FROM r)) d",
    .expect = PG_ONE_ROW};

static bool judge(int64_t damaged_before, int64_t *damaged_after)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct verdict verdict = {.seen = calloc((size_t)EMITTERS_MAX * THREADS, RECORDS_MAX)};
    const struct pg_param params[] = {PG_P_I64(account), PG_P_END};
    uint64_t confirmed = 0;
    int64_t lost = 0;
    CHECK(verdict.seen != NULL);
    must(pg_open(shared->conninfo, &pg, &err), &err);
    must(pg_stream(pg, &IDS, params, on_id, &verdict, &err), &err);
    const uint8_t *emitted = &shared->emitted[0][0][0];
    for (size_t i = 0; i < (size_t)EMITTERS_MAX * THREADS * RECORDS_MAX; i++) {
        confirmed += emitted[i] == CONFIRMED;
        lost += emitted[i] == CONFIRMED && verdict.seen[i] == 0;
    }
    *damaged_after = count(pg, &DAMAGED, NULL);
    int64_t missing = count(pg, &MISSING, NULL);
    int64_t differences = count(pg, &ROLLUP_DIFFERENCES, params);
    pg_close(&pg);
    free(verdict.seen);
    int64_t damaged = *damaged_after - damaged_before;
    (void)printf("%" PRIu64 " confirmed, %" PRIu64 " stored, %" PRId64 " damaged by us, %" PRId64 " lost, %" PRIu64
                 " twice, %" PRIu64 " foreign, %" PRId64 " wrong sums, spool full %" PRIu64 " times\n",
                 confirmed, verdict.stored, damaged, lost, verdict.twice, verdict.foreign, differences,
                 (uint64_t)atomic_load(&shared->full));
    /* A damaged slot may be one whose emit had not returned: lost is what is confirmed and not there. */
    return lost <= damaged && verdict.twice == 0 && verdict.foreign == 0 && differences == 0 && missing == 0 &&
           (damaged > 0 || lost == 0);
}

static bool run_round(uint64_t seed, int64_t *damaged)
{
    struct round round = {0};
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    memset(shared->emitted, 0, sizeof shared->emitted);
    atomic_store(&shared->cut_next, 0);
    account++;
    round.proxy = start_proxy();
    round.aggregator = start_aggregator();
    next_emitter(&round);
    for (uint64_t steps = STEPS_MIN + draw(STEPS_MAX - STEPS_MIN + 1); steps > 0; steps--) {
        step(&round);
    }
    end_child(&round.emitter);
    end_child(&round.aggregator);
    end_child(&round.proxy);
    (void)fs_remove_tree(proxy_dir, NULL);
    must(fs_make_dirs(proxy_dir, 0700, &err), &err);
    const struct aggregator_options options = {.spool_dir = spool, .conninfo = shared->conninfo};
    must(aggregator_start(&options, &aggregator, &err), &err);
    must(aggregator_flush(aggregator, FLUSH_MS, &err), &err);
    aggregator_stop(&aggregator, true);
    int64_t before = *damaged;
    return judge(before, damaged);
}

int main(int argc, char **argv)
{
    long rounds = ROUNDS_DEFAULT;
    uint64_t seed = 1;
    struct err err = {0};
    struct migrate_report migrated;
    int64_t damaged = 0;
    bool good = true;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0) {
            rounds = strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        }
    }
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-faults-XXXXXX");
    CHECK(mkdtemp(dir) != NULL && chmod(dir, 0711) == 0);
    (void)snprintf(spool, sizeof spool, "%s/spool", dir);
    (void)snprintf(proxy_dir, sizeof proxy_dir, "%s/proxy", dir);
    must(fs_make_dirs(proxy_dir, 0700, &err), &err);
    (void)snprintf(through_proxy, sizeof through_proxy, "host='%s' dbname=farthing user=farthing", proxy_dir);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    account = 100000000000;
    server_process = fork_child();
    if (server_process == 0) {
        serve_database();
    }
    await_server(0);
    must(migrate_run(shared->conninfo, &migrated, &err), &err);
    for (long i = 0; i < rounds && good; i++) {
        (void)printf("seed %" PRIu64 ": ", seed);
        good = run_round(seed, &damaged);
        if (!good) {
            (void)printf("FAILED with seed %" PRIu64 "\n", seed);
        }
        seed++;
    }
    atomic_store(&shared->server_stop, true);
    (void)waitpid(server_process, NULL, 0);
    if (good || getenv("FARTHING_KEEP") == NULL) {
        (void)fs_remove_tree(dir, NULL);
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
