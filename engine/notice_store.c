/* notice_store.c - see notice.h. */
#include <stdio.h>
#include <string.h>

#include "common/calendar.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/notice.h"
#include "engine/quota.h"
#include "schema/pg.h"

static const struct pg_stmt NOTICE_FIRE = {
    .name = "notice.fire",
    .sql = "SELECT quota_notices_fire($1::int8, $2::text::date, $3::int8, $4::int8, $5::int8, $6::int8)::int8 AS fired",
    .expect = PG_ONE_ROW,
};

static int read_i64(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "fired");
    return 0;
}

int notice_fire(struct pg *pg, const struct notice_look *look, int *fired, struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    int64_t count = 0;
    calendar_format_day(look->month_us, period);
    const struct pg_param params[] = {
        PG_P_I64(look->account_id),
        PG_P_TEXT(period),
        look->spent_picos < 0 ? PG_P_NULL(PG_T_I64) : PG_P_I64(look->spent_picos),
        PG_P_I64(look->refused_need[0]),
        PG_P_I64(look->refused_need[1]),
        PG_P_I64(look->refused_need[2]),
        PG_P_END,
    };
    if (pg_run(pg, &NOTICE_FIRE, params, read_i64, &count, NULL, err) != 0) {
        return err_wrap(err, "thresholds of account %lld", (long long)look->account_id);
    }
    *fired = (int)count;
    return 0;
}

/* ---- deliveries ---- */

static const struct pg_stmt NOTICE_TAKE = {
    .name = "notice.take",
    .sql = "WITH due AS (SELECT d.account_id, d.delivery_id FROM webhook_delivery d JOIN webhook w USING (account_id, "
           "webhook_id)"
           " WHERE d.delivered_at IS NULL AND d.gave_up_at IS NULL AND d.due_at <= clock_timestamp() AND w.enabled"
           " ORDER BY d.due_at LIMIT $1::int8 FOR UPDATE OF d SKIP LOCKED)"
           " UPDATE webhook_delivery d SET due_at = clock_timestamp() + $2::int8 * interval '1 millisecond'"
           " FROM due, webhook w WHERE d.account_id = due.account_id AND d.delivery_id = due.delivery_id"
           " AND w.account_id = d.account_id AND w.webhook_id = d.webhook_id"
           " RETURNING d.account_id, d.webhook_id, d.delivery_id, d.event_type, w.url, w.secret, d.body, "
           "d.attempts::int8 AS attempts",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt NOTICE_FINISH = {
    .name = "notice.finish",
    .sql = "UPDATE webhook_delivery SET attempts = attempts + 1, last_status = nullif($3::int8, 0)::int4, last_error = "
           "$4::text,"
           " delivered_at = CASE WHEN $3::int8 BETWEEN 200 AND 299 THEN clock_timestamp() END,"
           " gave_up_at = CASE WHEN $3::int8 NOT BETWEEN 200 AND 299 AND attempts + 1 >= $5::int8 THEN "
           "clock_timestamp() END,"
           " due_at = clock_timestamp() + least(21600, 5 * 2 ^ least(attempts, 20)) * interval '1 second'"
           " WHERE account_id = $1::int8 AND delivery_id = $2::uuid AND delivered_at IS NULL",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt NOTICE_TEST = {
    .name = "notice.test",
    .sql =
        "INSERT INTO webhook_delivery (account_id, delivery_id, webhook_id, event_type, body)"
        " SELECT w.account_id, $3::uuid, w.webhook_id, $4::text, convert_to(json_build_object('specversion', '1.0',"
        " 'id', $3::uuid, 'source', '/v1/accounts/acct_' || w.account_id, 'type', $4::text,"
        " 'time', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
        " 'datacontenttype', 'application/json',"
        " 'data', json_build_object('account', 'acct_' || w.account_id, 'message', 'This is a test.'))::text, 'UTF8')"
        " FROM webhook w WHERE w.account_id = $1::int8 AND w.webhook_id = $2::int8",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt NOTICE_LIST = {
    .name = "notice.list",
    .sql = "SELECT name, period::timestamptz AS period, threshold::int8 AS threshold, fired_at, used_text, limit_text"
           " FROM quota_notice WHERE account_id = $1::int8 ORDER BY fired_at DESC, name, threshold DESC LIMIT $2::int8",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt NOTICE_LOG = {
    .name = "notice.log",
    .sql = "SELECT webhook_id, delivery_id, event_type, last_error, attempts::int8 AS attempts,"
           " coalesce(last_status, 0)::int8 AS last_status, created_at, due_at, delivered_at, gave_up_at FROM "
           "webhook_delivery"
           " WHERE account_id = $1::int8 AND ($2::int8 = 0 OR webhook_id = $2::int8)"
           " ORDER BY created_at DESC, delivery_id LIMIT $3::int8",
    .expect = PG_ANY_ROWS,
};

struct take {
    notice_delivery_fn *on_delivery;
    void *ctx;
};

static void read_uuid(const struct pg_row *row, struct uuid *uuid)
{
    size_t length = 0;
    const void *bytes = pg_get_bytes(row, "delivery_id", &length);
    memcpy(uuid->bytes, bytes, sizeof uuid->bytes);
}

static int read_delivery(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct take *take = ctx;
    struct notice_delivery delivery = {
        .account_id = pg_get_i64(row, "account_id"),
        .webhook_id = pg_get_i64(row, "webhook_id"),
        .event_type = pg_get_text(row, "event_type"),
        .url = pg_get_text(row, "url"),
        .attempts = (int)pg_get_i64(row, "attempts"),
    };
    read_uuid(row, &delivery.delivery_id);
    delivery.secret = pg_get_bytes(row, "secret", &delivery.secret_length);
    delivery.body = pg_get_bytes(row, "body", &delivery.body_length);
    return take->on_delivery(&delivery, take->ctx, err);
}

int notice_take(struct pg *pg, int limit, notice_delivery_fn *on_delivery, void *ctx, struct err *err)
{
    struct take take = {on_delivery, ctx};
    const struct pg_param params[] = {PG_P_I64(limit), PG_P_I64(NOTICE_OWNED_MS), PG_P_END};
    return pg_run(pg, &NOTICE_TAKE, params, read_delivery, &take, NULL, err);
}

int notice_finish(struct pg *pg, int64_t account_id, const struct uuid *delivery_id, int status, const char *error,
                  struct err *err)
{
    const struct pg_param params[] = {
        PG_P_I64(account_id), PG_P_UUID(delivery_id->bytes), PG_P_I64(status),
        PG_P_TEXT(error),     PG_P_I64(NOTICE_ATTEMPTS_MAX), PG_P_END,
    };
    return pg_run(pg, &NOTICE_FINISH, params, NULL, NULL, NULL, err);
}

int notice_test(struct pg *pg, int64_t account_id, int64_t webhook_id, struct uuid *delivery_id, struct err *err)
{
    struct uuid id;
    int64_t queued = 0;
    uuid_random(&id);
    const struct pg_param params[] = {
        PG_P_I64(account_id), PG_P_I64(webhook_id), PG_P_UUID(id.bytes), PG_P_TEXT(NOTICE_EVENT_TEST), PG_P_END,
    };
    if (pg_run(pg, &NOTICE_TEST, params, NULL, NULL, &queued, err) != 0) {
        return -1;
    }
    if (queued == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no webhook wh_%lld", (long long)webhook_id);
    }
    *delivery_id = id;
    return 0;
}

struct notices {
    notice_fn *on_notice;
    notice_log_fn *on_entry;
    void *ctx;
};

static int read_notice(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct notices *self = ctx;
    struct notice notice = {
        .period_us = pg_get_time(row, "period"),
        .threshold = (int)pg_get_i64(row, "threshold"),
        .fired_us = pg_get_time(row, "fired_at"),
    };
    if (text_copy(notice.quota, sizeof notice.quota, pg_get_text(row, "name")) != 0 ||
        text_copy(notice.used_text, sizeof notice.used_text, pg_get_text(row, "used_text")) != 0 ||
        text_copy(notice.limit_text, sizeof notice.limit_text, pg_get_text(row, "limit_text")) != 0) {
        return err_set(err, ERR_SYSTEM, "a notice is longer than it can be");
    }
    return self->on_notice(&notice, self->ctx, err);
}

int notice_list(struct pg *pg, int64_t account_id, int limit, notice_fn *on_notice, void *ctx, struct err *err)
{
    struct notices self = {.on_notice = on_notice, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(limit), PG_P_END};
    return pg_run(pg, &NOTICE_LIST, params, read_notice, &self, NULL, err);
}

static int read_log(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct notices *self = ctx;
    struct notice_log entry = {
        .webhook_id = pg_get_i64(row, "webhook_id"),
        .event_type = pg_get_text(row, "event_type"),
        .last_error = pg_get_text(row, "last_error"),
        .attempts = (int)pg_get_i64(row, "attempts"),
        .last_status = (int)pg_get_i64(row, "last_status"),
        .created_us = pg_get_time(row, "created_at"),
        .due_us = pg_get_time(row, "due_at"),
        .delivered_us = pg_get_time_or(row, "delivered_at", 0),
        .gave_up_us = pg_get_time_or(row, "gave_up_at", 0),
    };
    read_uuid(row, &entry.delivery_id);
    return self->on_entry(&entry, self->ctx, err);
}

int notice_log_list(struct pg *pg, int64_t account_id, int64_t webhook_id, int limit, notice_log_fn *on_entry,
                    void *ctx, struct err *err)
{
    struct notices self = {.on_entry = on_entry, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(webhook_id), PG_P_I64(limit), PG_P_END};
    return pg_run(pg, &NOTICE_LOG, params, read_log, &self, NULL, err);
}
