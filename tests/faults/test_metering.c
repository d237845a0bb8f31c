/*
 * Goal:   whatever is killed, cut, flipped, full or set to another time: every record whose emit returned 0 is in
 *         PostgreSQL exactly once, and the rollups are the sums of the records.
 * Method: one seed makes a schedule of faults for each round. Emitters (threads of child processes), the aggregator (a
 *         child process), a keeper that closes, seals and drops days meanwhile, the database (our own, fsync on), a
 *         proxy that cuts connections around COMMIT, two small disks (one of the spool, one of the tables) and a clock
 *         that all of them follow run at the same time. What emit answered is written to shared memory beside it:
 *         intent before, confirmed after. A round ends with an undisturbed aggregator_flush; then confirmed <= stored
 *         <= intent is checked record by record. Of each bit that was flipped the slot is known: its record is stored,
 *         or there is a hole at exactly this slot, and there are no holes of damage but these.
 *
 * Length: the simulated world and its judge are read together or not at all.
 *
 * Long runs: test_metering --rounds N [--seed S]; a failure prints the seed of its round. FARTHING_KEEP=1 keeps the
 * files of a failure.
 */
#include "common/calendar.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/aggregator.h"
#include "metering/hook.h"
#include "metering/seal.h"
#include "metering/spool.h"
#include "metering/usage.h"
#include "schema/migrate.h"
#include "schema/partition.h"
#include "schema/pg.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fault_disk.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/fault_server.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS_DEFAULT 4
#define STEPS_MIN 5
#define STEPS_MAX 12
#define THREADS 4
#define RECORDS_MAX 8000 /* a thread */
#define EMITTERS_MAX 16  /* a round, one after another */
#define FLIPS_MAX 4096   /* a round */
#define LATE_DAYS 6
#define SPOOL_DISK_MIB 16
#define TABLE_DISK_MIB 1024
#define HOUR_US INT64_C(3600000000)
#define FLUSH_MS 120000
#define DAY_US INT64_C(1763856000000000)

enum emitted { NEVER, INTENT, CONFIRMED };

/* Everything the processes share. */
struct shared {
    struct fault_server server;
    _Atomic int cut_next;            /* enum fault_cut */
    _Atomic int64_t clock_offset_us; /* wall clock against the real one */
    _Atomic uint64_t full;           /* how often emit said FULL */
    _Atomic uint64_t stored;         /* by aggregators of rounds */
    _Atomic uint64_t kept;           /* how often the keeper got through its list */
    uint8_t emitted[EMITTERS_MAX][THREADS][RECORDS_MAX];
};

/* A slot that was flipped, and whose record it holds. */
struct flip {
    uint64_t producer, epoch, sequence;
    uint8_t emitter, thread;
    uint32_t n;
    bool hole;
};

static struct flip flips[FLIPS_MAX];
static size_t flip_count;
static uint64_t died_alone;
static bool disks;
static char tables[100];
static struct shared *shared;
static char dir[64];
static char spool[100];
static char proxy_dir[100];
static char through_proxy[200];
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

/* ---- the emitter: a process with threads ---- */

struct emitter {
    struct farthing_hook *hook;
    unsigned number;
    unsigned thread;
};

/* Most on one day; some late by days; some now, by a clock that is stepped. */
static uint32_t scatter(unsigned emitter, unsigned thread, uint32_t n)
{
    return (n * 2654435761u) ^ (emitter * 40503u + thread);
}

static int64_t start_of(uint32_t x)
{
    int64_t second_us = (int64_t)(x % 86400) * 1000000;
    switch (x / 86400 % 16) {
    case 0:
        return DAY_US - (int64_t)(1 + x % LATE_DAYS) * CALENDAR_DAY_US + second_us;
    case 1:
    case 2:
        return clock_wall_us();
    default:
        return DAY_US + second_us;
    }
}

static void make_record(unsigned emitter, unsigned thread, uint32_t n, struct usage_record *record)
{
    uint32_t x = scatter(emitter, thread, n);
    *record = (struct usage_record){
        .kind = USAGE_KIND_INVOCATION,
        .status = (uint8_t)(x % 11 == 0 ? 1 + x % 5 : 0),
        .account_id = account,
        .function_id = 1 + x % 37,
        .started_us = start_of(x),
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
            fault_nap_ms(2);
        }
        CHECK(code == FARTHING_HOOK_OK);
        __atomic_store_n(&emitted[n], CONFIRMED, __ATOMIC_SEQ_CST);
        if (n % 32 == 31) {
            fault_nap_ms(1); /* the spool is to be full at times, not all the time */
        }
    }
    return NULL;
}

static pid_t start_emitter(unsigned number)
{
    pid_t pid = fault_fork();
    if (pid != 0) {
        return pid;
    }
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    pthread_t threads[THREADS];
    struct emitter emitters[THREADS];
    const struct farthing_hook_options options = {.dir = spool,
                                                  .segment_records = 512,
                                                  .spool_bytes_max = UINT64_C(4) << 20,
                                                  .sync_interval_ms = 5,
                                                  .node_id = 1};
    while (farthing_hook_open(&options, &hook, &err) != 0) {
        must(disks ? 0 : -1, &err);
        fault_nap_ms(2); /* the disk is full, or its segments are the ones of the emitter before */
    }
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
    pid_t pid = fault_fork();
    if (pid != 0) {
        return pid;
    }
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    int null = open("/dev/null", O_WRONLY);
    (void)dup2(null, STDERR_FILENO); /* faults are what its log is about */
    const struct aggregator_options options = {
        .spool_dir = spool, .conninfo = through_proxy, .batch_records_max = 700, .idle_wait_ms = 2};
    must(aggregator_start(&options, &aggregator, &err), &err);
    struct aggregator_stats stats;
    for (uint64_t before = 0;; before = stats.records) {
        fault_nap_ms(2);
        aggregator_stats(aggregator, &stats);
        atomic_fetch_add(&shared->stored, stats.records - before);
    }
}

/* ---- flipped bits ---- */

/* Flip a bit of a random published slot of this segment, if it is of this round. Any bit: the slot stays published. */
static void flip_in(int fd, uint64_t producer, uint64_t epoch)
{
    struct usage_record slot;
    off_t at = (off_t)(SPOOL_PAGE_BYTES + draw(512) * USAGE_RECORD_BYTES);
    if (flip_count == FLIPS_MAX || pread(fd, &slot, sizeof slot, at) != (ssize_t)sizeof slot ||
        slot_check(&slot, slot.sequence) != SLOT_GOOD || slot.account_id != account) {
        return;
    }
    struct flip *flip = &flips[flip_count++];
    *flip = (struct flip){.producer = producer,
                          .epoch = epoch,
                          .sequence = slot.sequence,
                          .emitter = slot.request_id[0],
                          .thread = slot.request_id[1]};
    memcpy(&flip->n, slot.request_id + 2, sizeof flip->n);
    uint64_t bit = draw(8 * USAGE_RECORD_BYTES);
    uint8_t *bytes = (uint8_t *)&slot;
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    CHECK(pwrite(fd, bytes + bit / 8, 1, at + (off_t)(bit / 8)) == 1);
}

static void flip_producer(const char *name, uint64_t producer)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%.16s", spool, name);
    DIR *segments = opendir(path);
    for (struct dirent *s = segments != NULL ? readdir(segments) : NULL; s != NULL; s = readdir(segments)) {
        uint64_t epoch;
        uint64_t first;
        if (!spool_segment_parse(s->d_name, &epoch, &first) || draw(3) != 0) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/%.16s/%.29s", spool, name, s->d_name);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
            flip_in(fd, producer, epoch);
            (void)close(fd);
        }
    }
    if (segments != NULL) {
        (void)closedir(segments);
    }
}

/* Only while the aggregator is down, and only slots that are whole: the writer leaves those alone. */
static void flip_bits(void)
{
    DIR *producers = opendir(spool);
    for (struct dirent *p = producers != NULL ? readdir(producers) : NULL; p != NULL; p = readdir(producers)) {
        uint64_t id;
        if (spool_producer_parse(p->d_name, &id)) {
            flip_producer(p->d_name, id);
        }
    }
    if (producers != NULL) {
        (void)closedir(producers);
    }
}

/* ---- the keeper: a process that closes, seals and drops days while records arrive ---- */

static void keep(struct pg *pg)
{
    struct err err = {0};
    struct seal_result result;
    bool changed;
    int64_t gone_us = DAY_US - 3 * LATE_DAYS * CALENDAR_DAY_US;
    int64_t late_us = DAY_US - (int64_t)(1 + draw(LATE_DAYS)) * CALENDAR_DAY_US;
    if (partition_ensure(pg, gone_us, gone_us + CALENDAR_DAY_US, &err) == 0 &&
        partition_close(pg, draw(4) == 0 ? DAY_US : late_us, &changed, &err) == 0 &&
        seal_days(pg, late_us, late_us + CALENDAR_DAY_US, &result, &err) == 0 &&
        partition_drop(pg, gone_us, &changed, &err) == 0) {
        atomic_fetch_add(&shared->kept, 1);
    }
}

static pid_t start_keeper(void)
{
    pid_t pid = fault_fork();
    if (pid != 0) {
        return pid;
    }
    struct pg *pg = NULL;
    struct err err = {0};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)dup2(null, STDERR_FILENO);
    for (;;) {
        if (pg_open_owner(shared->server.conninfo, &pg, &err) == 0) {
            keep(pg);
        }
        pg_close(&pg);
        fault_nap_ms(draw(300));
    }
}

/* ---- a round ---- */

struct round {
    pid_t emitter, aggregator, keeper, proxy;
    unsigned emitters;
};

/* Only we may have ended it, or it is done. */
static void end_child(pid_t *pid)
{
    int status = 0;
    if (*pid > 0) {
        if (waitpid(*pid, &status, WNOHANG) == 0) {
            (void)kill(*pid, SIGKILL);
            (void)waitpid(*pid, NULL, 0);
        } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            (void)printf("a child died by itself (status %d); ", status);
            died_alone++;
        }
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
        flip_bits();
    }
    fault_nap_ms(draw(50));
    round->aggregator = start_aggregator();
}

static void room_again(void)
{
    if (disks) {
        fault_disk_grow(spool, SPOOL_DISK_MIB);
        fault_disk_grow(tables, TABLE_DISK_MIB);
    }
}

/* Sometimes again and again while it recovers; once it is back the schedule goes on. */
static void kill_server(void)
{
    uint64_t starts = atomic_load(&shared->server.starts);
    room_again(); /* it would not come up without */
    if (fault_server_kill(&shared->server, draw(3) == 0 ? (unsigned)draw(400) : 0)) {
        fault_server_await(&shared->server, starts);
    }
}

/* Hours forward or backward, or right again; at most two days off. */
static void step_clock(void)
{
    int64_t offset_us = atomic_load(&shared->clock_offset_us) + ((int64_t)draw(49) - 24) * HOUR_US;
    bool right = draw(4) == 0 || offset_us > 48 * HOUR_US || offset_us < -48 * HOUR_US;
    atomic_store(&shared->clock_offset_us, right ? 0 : offset_us);
}

static void fill_disk(void)
{
    if (disks) {
        fault_disk_fill(draw(2) == 0 ? spool : tables, (unsigned)draw(300));
    }
}

/* Faults are to strike an ingest that moves: mostly wait until it did, for a while. */
static void await_progress(void)
{
    uint64_t goal = atomic_load(&shared->stored) + draw(2500);
    int64_t until_us = clock_mono_us() + (draw(4) != 0 ? 500000 : 0);
    while (atomic_load(&shared->stored) < goal && clock_mono_us() < until_us) {
        fault_nap_ms(1);
    }
    fault_nap_ms(draw(30));
}

static void step(struct round *round)
{
    await_progress();
    if (draw(2) == 0) {
        room_again();
    }
    switch (draw(12)) {
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
        atomic_store(&shared->cut_next, FAULT_CUT_BEFORE_COMMIT);
        break;
    case 6:
    case 7:
        atomic_store(&shared->cut_next, FAULT_CUT_AFTER_COMMIT_SENT);
        break;
    case 8:
        atomic_store(&shared->cut_next, FAULT_CUT_NOW);
        break;
    case 9:
    case 10:
        fill_disk();
        break;
    default:
        step_clock();
        break;
    }
}

/* ---- the verdict ---- */

struct verdict {
    uint64_t stored, foreign, twice, changed;
    uint8_t *seen;
};

/* Is it what was emitted? */
static bool unchanged(const struct pg_row *row, uint8_t emitter, uint8_t thread, uint32_t n)
{
    struct usage_record made;
    make_record(emitter, thread, n, &made);
    return pg_get_i64(row, "function_id") == made.function_id && pg_get_i64(row, "billed_ms") == made.billed_ms &&
           pg_get_i64(row, "duration_us") == (int64_t)made.duration_us &&
           pg_get_i64(row, "peak_kib") == made.peak_kib && pg_get_i64(row, "memory_mib") == made.memory_mib &&
           pg_get_i64(row, "status") == made.status &&
           (scatter(emitter, thread, n) / 86400 % 16 - 1 < 2 || pg_get_time(row, "started_at") == made.started_us);
}

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
    verdict->changed += !unchanged(row, id[0], id[1], n);
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

static const struct pg_stmt IDS = {
    .name = "test.ids",
    .sql = "SELECT request_id, function_id, billed_ms::int8 AS billed_ms, duration_us::int8 AS duration_us, "
           "peak_kib::int8 AS peak_kib, memory_mib::int8 AS memory_mib, status::int8 AS status, started_at "
           "FROM usage_record WHERE account_id = $1::int8",
    .expect = PG_ANY_ROWS};
static const struct pg_stmt DAMAGED = {
    .name = "test.damaged",
    .sql = "SELECT producer_id, epoch, sequence + i AS sequence FROM spool_hole, generate_series(0, slots - 1) AS i "
           "WHERE reason = 'damaged'",
    .expect = PG_ANY_ROWS};
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

static int on_damage(const struct pg_row *row, void *ctx, struct err *err)
{
    uint64_t *unknown = ctx;
    uint64_t producer = (uint64_t)pg_get_i64(row, "producer_id");
    uint64_t epoch = (uint64_t)pg_get_i64(row, "epoch");
    uint64_t sequence = (uint64_t)pg_get_i64(row, "sequence");
    (void)err;
    for (size_t i = 0; i < flip_count; i++) {
        if (flips[i].producer == producer && flips[i].epoch == epoch && flips[i].sequence == sequence) {
            flips[i].hole = true;
            return 0;
        }
    }
    ++*unknown;
    return 0;
}

/* Each flipped slot is stored (it was before) or a hole, never both and never neither. What is excused is marked seen.
 */
static uint64_t judge_flips(struct pg *pg, uint8_t *seen, uint64_t *holes)
{
    struct err err = {0};
    uint64_t wrong = 0;
    must(pg_stream(pg, &DAMAGED, NULL, on_damage, &wrong, &err), &err);
    for (size_t i = 0; i < flip_count; i++) {
        const struct flip *flip = &flips[i];
        uint8_t *stored = &seen[((size_t)flip->emitter * THREADS + flip->thread) * RECORDS_MAX + flip->n];
        wrong += (*stored != 0) == flip->hole;
        *holes += flip->hole;
        *stored = 1;
    }
    return wrong;
}

static bool judge(uint64_t amid)
{
    struct pg *pg = NULL;
    struct err err = {0};
    struct verdict verdict = {.seen = calloc((size_t)EMITTERS_MAX * THREADS, RECORDS_MAX)};
    struct usage_freshness freshness;
    const struct pg_param params[] = {PG_P_I64(account), PG_P_END};
    uint64_t confirmed = 0;
    uint64_t lost = 0;
    uint64_t holes = 0;
    CHECK(verdict.seen != NULL);
    must(pg_open(shared->server.conninfo, &pg, &err), &err);
    must(pg_stream(pg, &IDS, params, on_id, &verdict, &err), &err);
    uint64_t wrong_holes = judge_flips(pg, verdict.seen, &holes);
    const uint8_t *emitted = &shared->emitted[0][0][0];
    for (size_t i = 0; i < (size_t)EMITTERS_MAX * THREADS * RECORDS_MAX; i++) {
        confirmed += emitted[i] == CONFIRMED;
        lost += emitted[i] == CONFIRMED && verdict.seen[i] == 0;
    }
    int64_t missing = count(pg, &MISSING, NULL);
    int64_t differences = count(pg, &ROLLUP_DIFFERENCES, params);
    must(usage_freshness_get(pg, &freshness, &err), &err);
    pg_close(&pg);
    free(verdict.seen);
    (void)printf("%" PRIu64 " confirmed, %" PRIu64 " stored, %" PRIu64 " of them amid it, %zu flipped, %" PRIu64
                 " holes of these; ",
                 confirmed, verdict.stored, amid, flip_count, holes);
    (void)printf("%" PRIu64 " lost, %" PRIu64 " twice, %" PRIu64 " foreign, %" PRIu64 " changed, %" PRIu64
                 " wrong holes, %" PRId64 " other holes, %" PRId64 " wrong sums, %" PRId64 " pending, %" PRIu64
                 " died; so far: kept %" PRIu64 ", full %" PRIu64 ", starts %" PRIu64 " and %" PRIu64 " failed\n",
                 lost, verdict.twice, verdict.foreign, verdict.changed, wrong_holes, missing, differences,
                 freshness.late_pending, died_alone, (uint64_t)atomic_load(&shared->kept),
                 (uint64_t)atomic_load(&shared->full), (uint64_t)atomic_load(&shared->server.starts),
                 (uint64_t)atomic_load(&shared->server.failed_starts));
    (void)fflush(stdout);
    return wrong_holes == 0 && lost == 0 && died_alone == 0 && verdict.twice == 0 && verdict.foreign == 0 &&
           verdict.changed == 0 && differences == 0 && missing == 0 && freshness.late_pending == 0;
}

/* Tables as empty as at the start, all days open. */
static void clear_tables(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    must(pg_open_owner(shared->server.conninfo, &pg, &err), &err);
    must(pg_script(pg,
                   "DO $$ DECLARE day regclass; BEGIN "
                   "FOR day IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage_record'::regclass LOOP "
                   "EXECUTE 'DROP TABLE ' || day; END LOOP; END $$;"
                   "TRUNCATE usage_hourly, usage_seal; TRUNCATE spool_hole;",
                   &err),
         &err);
    /* Mostly as in life, where days are there ahead of time; sometimes ingest has to make them. */
    if (draw(4) != 0) {
        must(partition_ensure(pg, DAY_US - LATE_DAYS * CALENDAR_DAY_US, DAY_US + CALENDAR_DAY_US, &err), &err);
        must(partition_ensure(pg, clock_wall_us() - 3 * CALENDAR_DAY_US, clock_wall_us() + 4 * CALENDAR_DAY_US, &err),
             &err);
    }
    pg_close(&pg);
}

static bool run_round(uint64_t seed)
{
    struct round round = {0};
    struct aggregator *aggregator = NULL;
    struct err err = {0};
    random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    memset(shared->emitted, 0, sizeof shared->emitted);
    atomic_store(&shared->cut_next, FAULT_CUT_NONE);
    atomic_store(&shared->clock_offset_us, 0);
    atomic_store(&shared->stored, 0);
    flip_count = 0;
    account++;
    clear_tables();
    round.proxy = fault_proxy_start(proxy_dir, shared->server.socket, &shared->cut_next);
    round.aggregator = start_aggregator();
    round.keeper = draw(2) == 0 ? start_keeper() : 0;
    next_emitter(&round);
    for (uint64_t steps = STEPS_MIN + draw(STEPS_MAX - STEPS_MIN + 1); steps > 0; steps--) {
        step(&round);
    }
    end_child(&round.emitter);
    end_child(&round.aggregator);
    end_child(&round.keeper);
    end_child(&round.proxy);
    room_again();
    uint64_t amid = atomic_load(&shared->stored);
    (void)fs_remove_tree(proxy_dir, NULL);
    must(fs_make_dirs(proxy_dir, 0700, &err), &err);
    const struct aggregator_options options = {.spool_dir = spool, .conninfo = shared->server.conninfo};
    must(aggregator_start(&options, &aggregator, &err), &err);
    must(aggregator_flush(aggregator, FLUSH_MS, &err), &err);
    aggregator_stop(&aggregator, true);
    return judge(amid);
}

/* The tables go to a disk of their own: a full one must stop the ingest, not the server's log of changes. */
static void move_tables(void)
{
    char script[400];
    struct stat data;
    struct pg *pg = NULL;
    struct err err = {0};
    (void)snprintf(script, sizeof script, "%s/postgresql/data", dir);
    CHECK(stat(script, &data) == 0 && chown(tables, data.st_uid, data.st_gid) == 0);
    must(pg_open_owner(shared->server.conninfo, &pg, &err), &err);
    (void)snprintf(script, sizeof script, "CREATE TABLESPACE small LOCATION '%s'", tables);
    must(pg_script(pg, script, &err), &err);
    must(pg_script(pg, "GRANT CREATE ON TABLESPACE small TO PUBLIC", &err), &err);
    must(pg_script(pg, "ALTER DATABASE farthing SET default_tablespace = small", &err), &err);
    pg_close(&pg);
}

static void make_world(void)
{
    struct err err = {0};
    struct migrate_report migrated;
    char path[120];
    const char *why = "";
    disks = fault_disk_prepare(&why);
    if (!disks) {
        (void)printf("full disks are left out: no mounts for this user (%s)\n", why);
    }
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-faults-XXXXXX");
    CHECK(mkdtemp(dir) != NULL && chmod(dir, 0711) == 0);
    (void)snprintf(spool, sizeof spool, "%s/spool", dir);
    (void)snprintf(proxy_dir, sizeof proxy_dir, "%s/proxy", dir);
    (void)snprintf(tables, sizeof tables, "%s/tables", dir);
    must(fs_make_dirs(proxy_dir, 0700, &err), &err);
    must(fs_make_dirs(spool, 0700, &err), &err);
    must(fs_make_dirs(tables, 0755, &err), &err);
    (void)snprintf(through_proxy, sizeof through_proxy, "host='%s' dbname=farthing user=farthing", proxy_dir);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    fake_clock_follow(&shared->clock_offset_us);
    account = 100000000000;
    if (disks) {
        fault_disk_mount(spool, SPOOL_DISK_MIB);
        fault_disk_mount(tables, TABLE_DISK_MIB);
    }
    (void)snprintf(path, sizeof path, "%s/postgresql", dir);
    fault_server_start(&shared->server, path);
    if (disks) {
        move_tables();
    }
    must(migrate_run(shared->server.conninfo, &migrated, &err), &err);
}

int main(int argc, char **argv)
{
    long rounds = ROUNDS_DEFAULT;
    uint64_t seed = 1;
    bool good = true;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0) {
            rounds = strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = strtoull(argv[i + 1], NULL, 10);
        }
    }
    make_world();
    for (long i = 0; i < rounds && good; i++) {
        (void)printf("seed %" PRIu64 ": ", seed);
        good = run_round(seed);
        if (!good) {
            (void)printf("FAILED with seed %" PRIu64 "\n", seed);
        }
        seed++;
    }
    fault_server_stop(&shared->server);
    if (disks) {
        fault_disk_unmount(spool);
        fault_disk_unmount(tables);
    }
    if (good || getenv("FARTHING_KEEP") == NULL) {
        (void)fs_remove_tree(dir, NULL);
    }
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
