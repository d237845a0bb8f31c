#include "engine/async_store.h"

#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "engine/function_row.h"
#include "engine/quota.h"
#include "schema/pg.h"

static const struct pg_stmt PUT = {
    .name = "event.put",
    .sql = "INSERT INTO async_event (account_id, function_id, qualifier, request_id, payload, client_context) "
           "VALUES ($1::int8, $2::int8, $3::text, $4::uuid, $5::bytea, $6::text)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt WAITING = {
    .name = "event.waiting",
    .sql = "SELECT count(*)::int8 AS waiting FROM async_event WHERE account_id = $1::int8",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt TAKE = {
    .name = "event.take",
    .sql = "WITH due AS (SELECT account_id, event_id FROM async_event WHERE due_at <= now() "
           "AND (owned_until IS NULL OR owned_until < now()) ORDER BY due_at LIMIT $3::int8 FOR UPDATE SKIP LOCKED) "
           "UPDATE async_event e SET owner_node = $1::int8, runs = e.runs + 1, owned_until = now() + "
           "make_interval(secs => $2::int4) "
           "FROM due, function f WHERE e.account_id = due.account_id AND e.event_id = due.event_id "
           "AND f.account_id = e.account_id AND f.function_id = e.function_id "
           "RETURNING e.account_id, e.event_id, e.function_id, f.name, e.qualifier, e.request_id, e.attempt::int8 AS "
           "attempt, "
           "e.throttles::int8 AS throttles, e.hops::int8 AS hops, e.runs::int8 AS runs, e.payload, e.client_context, "
           "e.accepted_at",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt REMOVE = {
    .name = "event.remove",
    .sql = "DELETE FROM async_event WHERE account_id = $1::int8 AND event_id = $2::int8",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt AGAIN = {
    .name = "event.again",
    .sql = "UPDATE async_event SET attempt = $3::int4, throttles = $4::int4, due_at = now() + make_interval(secs => "
           "$5::int4), "
           "owner_node = NULL, owned_until = NULL WHERE account_id = $1::int8 AND event_id = $2::int8",
    .expect = PG_NO_ROWS,
};

/* The oldest of those that wait because there was no room. */
static const struct pg_stmt NEXT = {
    .name = "event.next",
    .sql = "UPDATE async_event SET due_at = now() WHERE account_id = $1::int8 AND event_id = (SELECT event_id FROM "
           "async_event WHERE account_id = $1::int8 AND function_id = $2::int8 AND throttles > 0 AND owner_node IS "
           "NULL AND due_at > now() ORDER BY event_id LIMIT 1 FOR UPDATE SKIP LOCKED)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt RELEASE_DEAD = {
    .name = "event.release_dead",
    .sql = "UPDATE async_event SET owner_node = NULL, owned_until = NULL WHERE owner_node IN (SELECT node_id FROM node "
           "WHERE seen_at < now() - make_interval(secs => $1::int4))",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt RELEASE = {
    .name = "event.release",
    .sql = "UPDATE async_event SET owner_node = NULL, owned_until = NULL WHERE owner_node = $1::int8",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt DISABLED = {
    .name = "event.disabled",
    .sql = "SELECT count(*)::int8 AS waiting FROM function WHERE account_id = $1::int8 AND function_id = $2::int8 "
           "AND reserved_concurrency = 0",
    .expect = PG_ONE_ROW,
};

void async_event_free(struct async_event *event)
{
    buf_free(&event->payload);
    buf_free(&event->client_context);
}

static int read_waiting(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "waiting");
    return 0;
}

static int check_room(struct pg *pg, int64_t account_id, struct err *err)
{
    struct quota_status status;
    int64_t waiting = 0;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    if (quota_get(pg, account_id, QUOTA_ASYNC_QUEUE, &status, err) != 0) {
        return -1;
    }
    if (!status.quota.set || status.quota.action != QUOTA_BLOCK) {
        return 0;
    }
    if (pg_run(pg, &WAITING, params, read_waiting, &waiting, NULL, err) != 0) {
        return -1;
    }
    if (waiting >= status.quota.limit_units) {
        (void)err_set(err, ERR_LIMIT, "quota async_queue is %s; %lld events wait", status.quota.limit_text,
                      (long long)waiting);
        return err_slug(err, "quota_exceeded");
    }
    return 0;
}

int async_store_put(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                    const struct uuid *request_id, const void *payload, size_t length, const char *client_context,
                    int64_t *function_id, struct err *err)
{
    struct function found;
    if (function_get(pg, account_id, function, qualifier, &found, err) != 0 || check_room(pg, account_id, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_I64(found.function_id),
                                      PG_P_TEXT(qualifier),
                                      PG_P_UUID(request_id->bytes),
                                      PG_P_BYTES(payload, length),
                                      PG_P_TEXT(client_context != NULL ? client_context : ""),
                                      PG_P_END};
    if (pg_run(pg, &PUT, params, NULL, NULL, NULL, err) != 0) {
        return err_wrap(err, "queue an event for %s", function);
    }
    *function_id = found.function_id;
    return 0;
}

struct taking {
    struct async_event *events;
    int count, most;
};

static int read_event(const struct pg_row *row, void *ctx, struct err *err)
{
    struct taking *taking = ctx;
    size_t length = 0;
    if (taking->count >= taking->most) {
        return err_set(err, ERR_SYSTEM, "more events than asked for");
    }
    struct async_event *event = &taking->events[taking->count];
    *event = (struct async_event){
        .account_id = pg_get_i64(row, "account_id"),
        .event_id = pg_get_i64(row, "event_id"),
        .function_id = pg_get_i64(row, "function_id"),
        .attempt = (int)pg_get_i64(row, "attempt"),
        .throttles = (int)pg_get_i64(row, "throttles"),
        .hops = (int)pg_get_i64(row, "hops"),
        .runs = (int)pg_get_i64(row, "runs"),
        .accepted_us = pg_get_time(row, "accepted_at"),
    };
    (void)text_copy(event->function, sizeof event->function, pg_get_text(row, "name"));
    (void)text_copy(event->qualifier, sizeof event->qualifier, pg_get_text(row, "qualifier"));
    memcpy(event->request_id.bytes, pg_get_bytes(row, "request_id", &length), sizeof event->request_id.bytes);
    const void *payload = pg_get_bytes(row, "payload", &length);
    buf_append(&event->payload, payload, length);
    buf_puts(&event->client_context, pg_get_text(row, "client_context"));
    taking->count++;
    return 0;
}

int async_store_take(struct pg *pg, int64_t node_id, int owned_s, int most, struct async_event *events, int *count,
                     struct err *err)
{
    struct taking taking = {.events = events, .most = most};
    const struct pg_param params[] = {PG_P_I64(node_id), PG_P_I64(owned_s), PG_P_I64(most), PG_P_END};
    if (pg_run(pg, &TAKE, params, read_event, &taking, NULL, err) != 0) {
        while (taking.count > 0) {
            async_event_free(&events[--taking.count]);
        }
        return -1;
    }
    *count = taking.count;
    return 0;
}

int async_store_release(struct pg *pg, int64_t node_id, int64_t *released, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(node_id), PG_P_END};
    return pg_run(pg, &RELEASE, params, NULL, NULL, released, err);
}

int async_store_release_dead(struct pg *pg, int dead_s, int64_t *released, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(dead_s), PG_P_END};
    return pg_run(pg, &RELEASE_DEAD, params, NULL, NULL, released, err);
}

static int again(struct pg *pg, const struct async_event *event, int attempt, int throttles, int64_t wait_s,
                 struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(event->account_id), PG_P_I64(event->event_id), PG_P_I64(attempt),
                                      PG_P_I64(throttles),         PG_P_I64(wait_s),          PG_P_END};
    return pg_run(pg, &AGAIN, params, NULL, NULL, NULL, err);
}

struct settling {
    const struct async_event *event;
    const struct async_end *end;
    struct async_settled *settled;
};

static int tell(struct pg *pg, const struct settling *settling, enum event_end how, const char *destination,
                struct err *err)
{
    const struct async_event *event = settling->event;
    const struct async_end *end = settling->end;
    bool ran = end->outcome == ASYNC_SUCCEEDED || end->outcome == ASYNC_FAILED;
    struct buf text = {0};
    struct destination_sent *told = &settling->settled->told;
    int rc = 0;
    if (destination[0] == '\0') {
        return 0;
    }
    if (event->hops >= EVENT_HOPS_MAX) {
        LOG(LOG_LEVEL_WARN, "event.loop_stopped", LF_STR("function", event->function),
            LF_STR("destination", destination));
        return 0;
    }
    const struct destination_record record = {.end = how,
                                              .at_us = clock_wall_us(),
                                              .request_id = &event->request_id,
                                              .function_arn = end->function_arn,
                                              .invoke_count = event->attempt + (ran ? 1 : 0),
                                              .request = event->payload.data,
                                              .request_length = event->payload.length,
                                              .ran = ran,
                                              .version = end->version,
                                              .failed = end->outcome == ASYNC_FAILED,
                                              .response = end->response,
                                              .response_length = end->response_length};
    destination_record_put(&record, &text);
    rc = buf_ok(&text) ? destination_send(pg, event->account_id, destination, &text, event->hops + 1, told, err)
                       : err_set(err, ERR_SYSTEM, "destination: out of memory");
    buf_free(&text);
    if (rc == 0 && !told->sent) {
        LOG(LOG_LEVEL_WARN, "event.no_destination", LF_STR("function", event->function),
            LF_STR("destination", destination));
    }
    return rc;
}

/* It leaves the queue; whoever takes it out, and nobody else, tells its destination. */
static int leave(struct pg *pg, const struct settling *settling, enum event_end how, const char *destination,
                 struct err *err)
{
    const struct async_event *event = settling->event;
    const struct pg_param params[] = {PG_P_I64(event->account_id), PG_P_I64(event->event_id), PG_P_END};
    int64_t affected = 0;
    if (pg_run(pg, &REMOVE, params, NULL, NULL, &affected, err) != 0) {
        return -1;
    }
    settling->settled->dropped = affected > 0 && settling->end->outcome != ASYNC_SUCCEEDED;
    return affected == 0 ? 0 : tell(pg, settling, how, destination, err);
}

/* One that had to wait for room has run: there is room for the next that waits, which would come much later by itself.
 */
static int bring_next(struct pg *pg, const struct settling *settling, struct err *err)
{
    const struct async_event *event = settling->event;
    bool ran = settling->end->outcome == ASYNC_SUCCEEDED || settling->end->outcome == ASYNC_FAILED;
    const struct pg_param params[] = {PG_P_I64(event->account_id), PG_P_I64(event->function_id), PG_P_END};
    return ran && event->throttles > 0 ? pg_run(pg, &NEXT, params, NULL, NULL, NULL, err) : 0;
}

/* It could not run now. A function that is reserved nothing runs nothing: its events do not wait for that to change. */
static int throttled(struct pg *pg, const struct settling *settling, const struct event_config *config, int64_t left_s,
                     struct err *err)
{
    const struct async_event *event = settling->event;
    const struct pg_param params[] = {PG_P_I64(event->account_id), PG_P_I64(event->function_id), PG_P_END};
    int64_t wait_s = event->throttles < 8 ? INT64_C(1) << event->throttles : 300;
    int64_t disabled = 0;
    if (pg_run(pg, &DISABLED, params, read_waiting, &disabled, NULL, err) != 0) {
        return -1;
    }
    if (disabled > 0) {
        return leave(pg, settling, EVENT_ZERO_RESERVED, config->on_failure, err);
    }
    if (left_s <= 0) {
        return leave(pg, settling, EVENT_AGE_EXCEEDED, config->on_failure, err);
    }
    return again(pg, event, event->attempt, event->throttles + 1, wait_s < left_s ? wait_s : left_s, err);
}

static int settle_body(struct pg *pg, void *ctx, struct err *err)
{
    const struct settling *settling = ctx;
    const struct async_event *event = settling->event;
    struct event_config config;
    if (bring_next(pg, settling, err) != 0 ||
        event_config_of(pg, event->account_id, event->function_id, event->qualifier, &config, err) != 0) {
        return -1;
    }
    int64_t age_s = config.age_max_s >= 0 ? config.age_max_s : EVENT_AGE_S_MAX;
    int64_t left_s = age_s - (clock_wall_us() - event->accepted_us) / 1000000;
    int64_t wait_s = 0;
    *settling->settled = (struct async_settled){0}; /* of this try */
    switch (settling->end->outcome) {
    case ASYNC_SUCCEEDED:
        return leave(pg, settling, EVENT_SUCCESS, config.on_success, err);
    case ASYNC_GONE:
        return leave(pg, settling, EVENT_SUCCESS, "", err);
    case ASYNC_FAILED:
        wait_s = INT64_C(60) * (event->attempt + 1);
        if (event->attempt >= (config.retries_max >= 0 ? config.retries_max : EVENT_RETRIES_MAX)) {
            return leave(pg, settling, EVENT_RETRIES_EXHAUSTED, config.on_failure, err);
        }
        return wait_s >= left_s ? leave(pg, settling, EVENT_AGE_EXCEEDED, config.on_failure, err)
                                : again(pg, event, event->attempt + 1, 0, wait_s, err);
    case ASYNC_THROTTLED:
        return throttled(pg, settling, &config, left_s, err);
    }
    return 0;
}

int async_store_settle(struct pg *pg, const struct async_event *event, const struct async_end *end,
                       struct async_settled *settled, struct err *err)
{
    struct settling settling = {.event = event, .end = end, .settled = settled};
    return pg_tx_at(pg, PG_READ_COMMITTED, settle_body, &settling, err);
}
