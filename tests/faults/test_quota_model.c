/*
 * Goal:   a blocking monthly limit is never exceeded by a single unit, whatever crashes, and at rest it can be used up.
 * Method: a seeded model of 2 to 20 nodes drives the real lease code (engine/lease.c) against the real SQL, in virtual
 * time: random load, crashes between any two steps, lost requests and lost replies, nodes cut off from the database,
 * skewed clocks, ingest that lags, limits that change. The model keeps its own count of what every call consumed. Run:
 * faults_quota_model [--rounds N] [--seed S]; a failing seed is printed and repeats the run exactly.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"
#include "common/err.h"
#include "engine/lease_store.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#define NODES_MAX 20
#define CALLS_MAX 64
#define RECORDS_MAX 20000
#define STEPS 400
#define ACCOUNT_BASE INT64_C(200000000000)
#define NAME "gb_seconds_per_month"
#define MS INT64_C(1000000)

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static int64_t between(int64_t low, int64_t high)
{
    return low + (int64_t)(next_random() % (uint64_t)(high - low + 1));
}

static bool chance(int per_mille)
{
    return between(0, 999) < per_mille;
}

struct call {
    int64_t worst, cost, ends_ms;
};

struct node {
    struct pool pool;
    struct lease_key key;
    bool alive;
    int64_t back_ms;  /* dead: when it starts again */
    int64_t cut_ms;   /* cannot reach the database until then */
    int64_t stall_ms; /* nothing of its spool is stored until then */
    int64_t skew_us;
    int64_t busy; /* chance of a call a step, per mille */
    struct call calls[CALLS_MAX];
    int running;
    /* Spool: records of all epochs in order. */
    int64_t costs[RECORDS_MAX];
    int64_t emitted_us[RECORDS_MAX];
    int64_t epochs[RECORDS_MAX], sequences[RECORDS_MAX];
    int64_t cursor_epoch, cursor_last;
    int records, ingested;
    int epoch_start; /* first record of the running epoch */
    int64_t epoch;   /* of the writer */
};

struct model {
    struct pg *pg;
    int64_t account_id;
    int count;
    struct node *nodes;
    int64_t now_ms;
    int64_t limit, bound; /* bound: what may be consumed at most */
    int64_t consumed;     /* the model's own count: every record ever emitted */
    int64_t unit;         /* size of calls */
    int64_t most_running;
};

static uint64_t seed;
static int64_t period_us;

_Noreturn static void broken(const struct model *model, const char *what)
{
    (void)fprintf(
        stderr, "seed %" PRIu64 ": %s (t=%" PRId64 " ms, consumed %" PRId64 ", limit %" PRId64 ", bound %" PRId64 ")\n",
        seed, what, model->now_ms, model->consumed, model->limit, model->bound);
    exit(EXIT_FAILURE);
}

static void must(const struct model *model, int rc, const struct err *err)
{
    if (rc != 0) {
        broken(model, err->text);
    }
}

static int64_t db_now_us(const struct model *model)
{
    return period_us + CALENDAR_DAY_US + model->now_ms * 1000;
}

/* ---- the database's side: ingest ---- */

static const struct pg_stmt INGEST_USAGE = {
    .name = "model.usage",
    .sql = "INSERT INTO usage_hourly AS u (account_id, hour, function_id, version, memory_mib, arch, provisioned, "
           "invocations,"
           " billed_requests, errors, timeouts, ooms, init_errors, killed, throttles, cold_starts, billed_ms, mb_ms,"
           " storage_mb_ms, streamed_bytes, duration_us, init_us, cpu_us, response_bytes, peak_kib_sum, peak_kib_max, "
           "latency)"
           " VALUES ($1::int8, date_trunc('hour', $2::timestamptz), 1, 0, 128, 0, 0, $3::int8, $3::int8, 0, 0, 0, 0, "
           "0, 0, 0, 0,"
           " $4::int8, 0, 0, 0, 0, 0, 0, 0, 0, 0)"
           " ON CONFLICT (account_id, hour, function_id, version, memory_mib, arch, provisioned)"
           " DO UPDATE SET invocations = u.invocations + excluded.invocations, mb_ms = u.mb_ms + excluded.mb_ms",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt INGEST_CURSOR = {
    .name = "model.cursor",
    .sql = "INSERT INTO producer_cursor (producer_id, epoch, last_sequence, node_id, complete_through)"
           " VALUES ($1::int8, $2::int8, $3::int8, $4::int8, $5::timestamptz) ON CONFLICT (producer_id)"
           " DO UPDATE SET epoch = excluded.epoch, last_sequence = excluded.last_sequence,"
           " complete_through = excluded.complete_through",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt SET_LIMIT = {
    .name = "model.limit",
    .sql = "INSERT INTO quota (account_id, name, limit_text, limit_units, updated_at) VALUES ($1::int8, $2::text, '', "
           "$3::int8,"
           " $4::timestamptz) ON CONFLICT (account_id, name) DO UPDATE SET limit_units = excluded.limit_units,"
           " updated_at = excluded.updated_at",
    .expect = PG_NO_ROWS,
};

/* Store the next records of a spool, with the cursor, in one transaction. */
static void ingest(struct model *model, struct node *node, int most)
{
    struct err err = {0};
    int upto = node->ingested + most < node->records ? node->ingested + most : node->records;
    int64_t sum = 0;
    for (int i = node->ingested; i < upto; i++) {
        sum += node->costs[i];
    }
    bool caught_up = upto == node->records;
    int64_t through_us = (caught_up ? db_now_us(model) : node->emitted_us[upto]) + node->skew_us;
    must(model, pg_begin(model->pg, PG_READ_COMMITTED, &err), &err);
    if (upto > node->ingested) {
        const struct pg_param usage[] = {PG_P_I64(model->account_id), PG_P_TIME(db_now_us(model)),
                                         PG_P_I64(upto - node->ingested), PG_P_I64(sum), PG_P_END};
        must(model, pg_run(model->pg, &INGEST_USAGE, usage, NULL, NULL, NULL, &err), &err);
    }
    /* As the aggregator does: the epoch moves with a record, complete_through also without. */
    if (upto > node->ingested) {
        node->cursor_epoch = node->epochs[upto - 1];
        node->cursor_last = node->sequences[upto - 1];
    }
    const struct pg_param cursor[] = {PG_P_I64(node->key.producer_id), PG_P_I64(node->cursor_epoch),
                                      PG_P_I64(node->cursor_last),     PG_P_I64(node->key.node_id),
                                      PG_P_TIME(through_us),           PG_P_END};
    must(model, pg_run(model->pg, &INGEST_CURSOR, cursor, NULL, NULL, NULL, &err), &err);
    must(model, pg_commit(model->pg, &err), &err);
    node->ingested = upto;
}

/* ---- a node ---- */

static uint64_t emitted(void *ctx)
{
    const struct node *node = ctx;
    return (uint64_t)(node->records - node->epoch_start);
}

static void node_start(struct model *model, struct node *node)
{
    memset(&node->pool, 0, sizeof node->pool);
    pool_reset(&node->pool, 1);
    atomic_store(&node->pool.bounded, true);
    node->running = 0;
    node->alive = true;
    node->epoch++;
    node->epoch_start = node->records;
    node->key.epoch = node->epoch;
    node->key.holder = (int64_t)(next_random() >> 1);
    struct err err = {0};
    must(
        model,
        lease_store_forget_runs(model->pg, node->key.node_id, node->key.holder, db_now_us(model) + node->skew_us, &err),
        &err);
}

static void node_die(struct model *model, struct node *node)
{
    node->alive = false;
    node->running = 0; /* running calls leave no record: nothing of them is billed */
    node->back_ms = model->now_ms + between(1, 40000);
}

static void node_call(struct model *model, struct node *node)
{
    if (node->running == CALLS_MAX || node->records + CALLS_MAX >= RECORDS_MAX) {
        return;
    }
    int64_t worst = chance(50) ? model->unit * between(10, 100) : between(1, model->unit);
    if (!pool_take(&node->pool, worst, model->now_ms * MS)) {
        if (model->now_ms * MS >= atomic_load(&node->pool.refuse_until_ns) ||
            worst < atomic_load(&node->pool.refuse_need)) {
            pool_demand(&node->pool, worst);
        }
        return;
    }
    atomic_store(&node->pool.touched_ns, model->now_ms * MS);
    node->calls[node->running++] =
        (struct call){worst, chance(200) ? worst : between(0, worst), model->now_ms + between(0, 3000)};
}

static void node_emit(struct model *model, struct node *node, int64_t cost)
{
    node->emitted_us[node->records] = db_now_us(model);
    node->epochs[node->records] = node->epoch;
    node->sequences[node->records] = node->records - node->epoch_start;
    node->costs[node->records++] = cost;
    model->consumed += cost;
}

static void node_finish(struct model *model, struct node *node)
{
    for (int i = 0; i < node->running; i++) {
        struct call call = node->calls[i];
        if (call.ends_ms > model->now_ms) {
            continue;
        }
        node->calls[i--] = node->calls[--node->running];
        node_emit(model, node, call.cost);
        if (chance(5)) {
            node_die(model, node); /* after emit, before settle */
            return;
        }
        pool_give(&node->pool, call.worst, call.cost);
    }
}

static enum lease_outcome node_pump(struct model *model, struct node *node, bool faults)
{
    struct lease_request request;
    struct lease_answer answer;
    struct err err = {0};
    int64_t sent_ns = model->now_ms * MS;
    if (!lease_plan(&node->pool, sent_ns, 5000, emitted, node, &request)) {
        return LEASE_DONE;
    }
    if (faults && (model->now_ms < node->cut_ms || chance(40))) {
        return LEASE_WAIT; /* the request is lost */
    }
    must(model, lease_store_renew(model->pg, &node->key, &request, db_now_us(model), &answer, &err), &err);
    if (faults && chance(40)) {
        return LEASE_WAIT; /* the reply is lost */
    }
    if (faults && chance(5)) {
        node_die(model, node);
        return LEASE_WAIT;
    }
    model->now_ms += faults ? between(0, 20) : 1;
    return lease_apply(&node->pool, &answer, sent_ns, model->now_ms * MS);
}

/* ---- checks ---- */

/* What nodes may still consume without asking again. */
static int64_t committed(const struct model *model)
{
    int64_t sum = model->consumed;
    for (int i = 0; i < model->count; i++) {
        const struct node *node = &model->nodes[i];
        if (node->alive) {
            int64_t free = atomic_load(&node->pool.free);
            sum += free > 0 ? free : 0;
            /* A request in doubt may have brought units whose answer is still to come. */
            sum += node->pool.lease.in_doubt ? node->pool.lease.request.want + node->pool.lease.request.need : 0;
            for (int j = 0; j < node->running; j++) {
                sum += node->calls[j].worst;
            }
        }
    }
    return sum;
}

static void set_limit(struct model *model, int64_t limit)
{
    struct err err = {0};
    int64_t now = committed(model);
    const struct pg_param params[] = {PG_P_I64(model->account_id), PG_P_TEXT(NAME), PG_P_I64(limit),
                                      PG_P_TIME(db_now_us(model)), PG_P_END};
    must(model, pg_run(model->pg, &SET_LIMIT, params, NULL, NULL, NULL, &err), &err);
    model->limit = limit;
    model->bound = limit > now ? limit : now;
    for (int i = 0; i < model->count; i++) {
        lease_return(&model->nodes[i].pool);
        atomic_store(&model->nodes[i].pool.refuse_until_ns, 0);
    }
}

static void check(const struct model *model)
{
    if (model->consumed > model->bound) {
        broken(model, "the limit was exceeded");
    }
}

static void step(struct model *model)
{
    model->now_ms += chance(10) ? between(1, 30000) : between(0, 100);
    for (int i = 0; i < model->count; i++) {
        struct node *node = &model->nodes[i];
        if (!node->alive) {
            if (model->now_ms >= node->back_ms) {
                node_start(model, node);
            }
        } else {
            if (between(0, 999) < node->busy) {
                node_call(model, node);
            }
            node_finish(model, node);
            check(model);
            if (node->alive && chance(500)) {
                (void)node_pump(model, node, true);
            }
            if (node->alive && chance(3)) {
                node_die(model, node);
            }
            if (chance(5)) {
                node->cut_ms = model->now_ms + between(1, 30000);
            }
        }
        if (chance(5)) {
            node->stall_ms = model->now_ms + between(1, 90000);
        }
        if (model->now_ms >= node->stall_ms && chance(100)) {
            ingest(model, node, (int)between(0, 50));
        }
    }
    if (chance(5)) {
        set_limit(model, between(model->consumed / 2, model->consumed + model->unit * 300));
    }
}

/* Everybody is back, nothing runs, everything is stored; then one small caller uses what is left. */
static void at_rest(struct model *model)
{
    model->now_ms += 100000;
    for (int i = 0; i < model->count; i++) {
        struct node *node = &model->nodes[i];
        if (!node->alive) {
            node_start(model, node);
        }
        model->now_ms += 5000;
        node_finish(model, node);
        if (!node->alive) {
            node_start(model, node);
        }
        node->cut_ms = 0;
    }
    check(model);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < model->count; i++) {
            struct node *node = &model->nodes[i];
            for (int j = 0; j < 3; j++) {
                (void)node_pump(model, node, false);
            }
            while (node->ingested < node->records) {
                ingest(model, node, 1000);
            }
            ingest(model, node, 0);
        }
        model->now_ms += 2000;
    }
    struct node *node = &model->nodes[0];
    int64_t limit = model->consumed + model->unit * 50;
    set_limit(model, limit);
    for (int tries = 0; tries < 200 && model->consumed < limit;) {
        if (node->records + 1 >= RECORDS_MAX) {
            return;
        }
        int64_t cost = model->unit / 10 > 0 ? model->unit / 10 : 1;
        if (pool_take(&node->pool, cost, model->now_ms * MS)) {
            atomic_store(&node->pool.touched_ns, model->now_ms * MS);
            node_emit(model, node, cost);
            pool_give(&node->pool, cost, cost);
            check(model);
            tries = 0;
            continue;
        }
        tries++;
        pool_demand(&node->pool, cost);
        (void)node_pump(model, node, false);
        model->now_ms += 30;
        ingest(model, node, 1000);
        for (int i = 1; i < model->count && tries % 5 == 0; i++) {
            lease_return(&model->nodes[i].pool); /* what the want notification does */
            (void)node_pump(model, &model->nodes[i], false);
        }
    }
    if (limit - model->consumed > model->unit * 50 / 100 && limit - model->consumed >= model->unit / 10) {
        broken(model, "more than 1 % of what was left could not be used");
    }
}

static void run(struct pg *pg, uint64_t round_seed, int64_t round)
{
    struct model model = {.pg = pg, .account_id = ACCOUNT_BASE + round};
    seed = round_seed;
    random_state = round_seed * UINT64_C(0xD1342543DE82EF95) + 1;
    model.count = (int)between(2, NODES_MAX);
    model.unit = between(1, 3000);
    model.nodes = calloc((size_t)model.count, sizeof *model.nodes);
    if (model.nodes == NULL) {
        broken(&model, "out of memory");
    }
    set_limit(&model, model.unit * between(20, 800));
    for (int i = 0; i < model.count; i++) {
        struct node *node = &model.nodes[i];
        node->key = (struct lease_key){.account_id = model.account_id,
                                       .name = NAME,
                                       .period_us = period_us,
                                       .node_id = round * NODES_MAX + i + 1,
                                       .producer_id = (int64_t)(next_random() >> 1) + 1,
                                       .default_limit = LEASE_NO_DEFAULT};
        node->cursor_last = -1;
        node->skew_us = between(-5000000, 5000000);
        node->busy = chance(300) ? 10 : between(100, 1000);
        node_start(&model, node);
    }
    for (int i = 0; i < STEPS; i++) {
        step(&model);
    }
    at_rest(&model);
    free(model.nodes);
}

int main(int argc, char **argv)
{
    int64_t rounds = 20;
    uint64_t first = 1;
    struct pg *pg = NULL;
    struct err err = {0};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--rounds") == 0) {
            rounds = strtoll(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
        }
    }
    if (calendar_parse("2026-11-01", "period", &period_us, &err) != 0 || pg_open(pgtest_database(), &pg, &err) != 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    for (int64_t i = 0; i < rounds; i++) {
        run(pg, first + (uint64_t)i, i);
    }
    printf("%" PRId64 " rounds from seed %" PRIu64 ": no limit exceeded\n", rounds, first);
    pg_close(&pg);
    return EXIT_SUCCESS;
}
