/* usage_feed_store.c - see usage_feed.h. */
#include "api/usage_feed.h"

#include <stdlib.h>

#include "common/err.h"
#include "metering/usage.h"
#include "schema/pg.h"

static const struct pg_stmt FEED_BEGIN = {
    .name = "usage_feed.begin",
    .sql = "INSERT INTO usage_feed (account_id, webhook_id, started_at) SELECT w.account_id, w.webhook_id, w.created_at"
           " FROM webhook w WHERE $1::text = ANY (w.events) ON CONFLICT DO NOTHING",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt FEED_LIST = {
    .name = "usage_feed.list",
    .sql = "SELECT account_id, webhook_id FROM usage_feed JOIN webhook w USING (account_id, webhook_id) "
           "WHERE w.enabled AND $1::text = ANY (w.events) ORDER BY 1, 2 LIMIT $2::int8",
    .expect = PG_ANY_ROWS,
};
/* The members of a record and their units are OpenFaaS's: nanoseconds, bytes of configured memory. */
static const struct pg_stmt FEED_STEP = {
    .name = "usage_feed.step",
    .sql =
        "WITH feed AS (SELECT * FROM usage_feed WHERE account_id = $1::int8 AND webhook_id = $2::int8"
        " FOR UPDATE SKIP LOCKED),"
        " batch AS (SELECT r.started_at, r.request_id, r.attempt, r.function_id, r.duration_us, r.memory_mib"
        " FROM feed f JOIN usage_record r ON r.account_id = $1::int8 AND r.started_at >= f.started_at"
        " AND r.started_at < $3::timestamptz AND"
        " (r.started_at, r.request_id, r.attempt) > (f.started_at, f.request_id, f.attempt)"
        " ORDER BY r.started_at, r.request_id, r.attempt LIMIT $4::int8),"
        " last AS (SELECT * FROM batch ORDER BY started_at DESC, request_id DESC, attempt DESC LIMIT 1),"
        " queued AS (INSERT INTO webhook_delivery (account_id, delivery_id, webhook_id, event_type, body)"
        " SELECT $1::int8, gen_random_uuid(), $2::int8, $5::text, convert_to(json_agg(json_build_object("
        "'event', $5::text, 'namespace', a.name, 'function_name', coalesce(f.name, 'fn_' || b.function_id),"
        " 'started', to_char(b.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
        " 'duration', b.duration_us * 1000, 'memory_bytes', b.memory_mib::int8 * 1048576)"
        " ORDER BY b.started_at, b.request_id, b.attempt)::text, 'UTF8')"
        " FROM batch b JOIN account a ON a.account_id = $1::int8"
        " LEFT JOIN function f ON f.account_id = $1::int8 AND f.function_id = b.function_id HAVING count(*) > 0),"
        " moved AS (UPDATE usage_feed u SET started_at = l.started_at, request_id = l.request_id, attempt = l.attempt"
        " FROM last l WHERE u.account_id = $1::int8 AND u.webhook_id = $2::int8)"
        " SELECT count(*)::int8 AS invocations FROM batch",
    .expect = PG_ONE_ROW,
};

struct feeds {
    int count;
    struct {
        int64_t account_id, webhook_id;
    } items[USAGE_FEED_HOOKS_MAX];
};

static int take_feed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct feeds *feeds = ctx;
    (void)err;
    feeds->items[feeds->count].account_id = pg_get_i64(row, "account_id");
    feeds->items[feeds->count++].webhook_id = pg_get_i64(row, "webhook_id");
    return 0;
}

static int take_count(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "invocations");
    return 0;
}

static int run_one(struct pg *pg, int64_t account_id, int64_t webhook_id, int64_t through_us, int64_t *queued,
                   struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id),        PG_P_I64(webhook_id),
                                      PG_P_TIME(through_us),       PG_P_I64(USAGE_FEED_BATCH_MAX),
                                      PG_P_TEXT(USAGE_FEED_EVENT), PG_P_END};
    int64_t count = 0;
    do {
        if (pg_run(pg, &FEED_STEP, params, take_count, &count, NULL, err) != 0) {
            return err_wrap(err, "usage for webhook wh_%lld", (long long)webhook_id);
        }
        *queued += count;
    } while (count == USAGE_FEED_BATCH_MAX);
    return 0;
}

int usage_feed_run(struct pg *pg, int64_t *queued, struct err *err)
{
    const struct pg_param begin[] = {PG_P_TEXT(USAGE_FEED_EVENT), PG_P_END};
    const struct pg_param list[] = {PG_P_TEXT(USAGE_FEED_EVENT), PG_P_I64(USAGE_FEED_HOOKS_MAX), PG_P_END};
    struct usage_freshness freshness = {0};
    struct feeds *feeds = calloc(1, sizeof *feeds);
    int rc = feeds != NULL ? 0 : err_set(err, ERR_SYSTEM, "usage feed: out of memory");
    *queued = 0;
    if (rc == 0 && (pg_run(pg, &FEED_BEGIN, begin, NULL, NULL, NULL, err) != 0 ||
                    pg_run(pg, &FEED_LIST, list, take_feed, feeds, NULL, err) != 0 ||
                    (feeds->count > 0 && usage_freshness_get(pg, &freshness, err) != 0))) {
        rc = -1;
    }
    for (int i = 0; rc == 0 && i < feeds->count; i++) {
        rc = run_one(pg, feeds->items[i].account_id, feeds->items[i].webhook_id, freshness.complete_through_us, queued,
                     err);
    }
    free(feeds);
    return rc;
}
