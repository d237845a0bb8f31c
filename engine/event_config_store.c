/* event_config_store.c - see event_config.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "common/uuid.h"
#include "engine/event_config.h"
#include "engine/function_row.h"
#include "schema/pg.h"

#define DESTINATION_EVENT "dev.farthing.invocation.destination"

#define COLUMNS                                                                                                        \
    "qualifier, coalesce(retries_max, -1)::int8 AS retries_max, coalesce(age_max_s, -1)::int8 AS age_max_s, "          \
    "on_success, on_failure, modified_at "
#define FROM "FROM event_invoke_config WHERE account_id = $1::int8 AND function_id = $2::int8 "

static const struct pg_stmt GET = {
    .name = "event_config.get",
    .sql = "SELECT " COLUMNS FROM "AND qualifier = $3::text",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt LIST = {
    .name = "event_config.list",
    .sql = "SELECT " COLUMNS FROM "ORDER BY qualifier COLLATE \"C\"",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt PUT = {
    .name = "event_config.put",
    .sql =
        "INSERT INTO event_invoke_config (account_id, function_id, qualifier, retries_max, age_max_s, on_success, "
        "on_failure) VALUES ($1::int8, $2::int8, $3::text, nullif($4::int4, -1), nullif($5::int4, -1), $6::text, "
        "$7::text) ON CONFLICT (account_id, function_id, qualifier) DO UPDATE SET retries_max = excluded.retries_max, "
        "age_max_s = excluded.age_max_s, on_success = excluded.on_success, on_failure = excluded.on_failure, "
        "modified_at = now()",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt DELETE = {
    .name = "event_config.delete",
    .sql = "DELETE FROM event_invoke_config WHERE account_id = $1::int8 AND function_id = $2::int8 "
           "AND qualifier = $3::text",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt WEBHOOK = {
    .name = "destination.webhook",
    .sql = "SELECT webhook_id FROM webhook WHERE account_id = $1::int8 AND (url = $2::text OR 'wh_' || webhook_id = "
           "$2::text) ORDER BY webhook_id LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt DELIVER = {
    .name = "destination.deliver",
    .sql = "INSERT INTO webhook_delivery (account_id, delivery_id, webhook_id, event_type, body) "
           "VALUES ($1::int8, $2::uuid, $3::int8, $4::text, $5::bytea)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt QUEUE = {
    .name = "destination.queue",
    .sql = "INSERT INTO async_event (account_id, function_id, qualifier, request_id, payload, hops) "
           "VALUES ($1::int8, $2::int8, $3::text, $4::uuid, $5::bytea, $6::int4)",
    .expect = PG_NO_ROWS,
};

struct reading {
    struct event_config *config;
    bool found;
    event_config_row_fn *on_row;
    void *ctx;
};

static void to_config(const struct pg_row *row, struct event_config *config)
{
    *config = (struct event_config){
        .retries_max = (int)pg_get_i64(row, "retries_max"),
        .age_max_s = (int)pg_get_i64(row, "age_max_s"),
        .modified_us = pg_get_time(row, "modified_at"),
    };
    (void)text_copy(config->qualifier, sizeof config->qualifier, pg_get_text(row, "qualifier"));
    (void)text_copy(config->on_success, sizeof config->on_success, pg_get_text(row, "on_success"));
    (void)text_copy(config->on_failure, sizeof config->on_failure, pg_get_text(row, "on_failure"));
}

static int read_config(const struct pg_row *row, void *ctx, struct err *err)
{
    struct reading *reading = ctx;
    struct event_config config;
    to_config(row, &config);
    reading->found = true;
    if (reading->config != NULL) {
        *reading->config = config;
        return 0;
    }
    return reading->on_row(&config, reading->ctx, err);
}

static const char *plain(const char *qualifier)
{
    return qualifier == NULL || qualifier[0] == '\0' ? "$LATEST" : qualifier;
}

int event_config_of(struct pg *pg, int64_t account_id, int64_t function_id, const char *qualifier,
                    struct event_config *config, struct err *err)
{
    struct event_config found;
    struct reading reading = {.config = &found};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_TEXT(plain(qualifier)),
                                      PG_P_END};
    if (pg_run(pg, &GET, params, read_config, &reading, NULL, err) != 0) {
        return -1;
    }
    *config = reading.found ? found : (struct event_config){.retries_max = -1, .age_max_s = -1};
    return 0;
}

static int not_configured(struct err *err, const char *function)
{
    return err_set(err, ERR_NOT_FOUND, "The function %s doesn't have an EventInvokeConfig", function);
}

int event_config_get(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                     struct event_config *config, struct err *err)
{
    struct event_config found = {.qualifier = ""};
    int64_t function_id = 0;
    if (function_find_id(pg, account_id, function, &function_id, err) != 0 ||
        event_config_of(pg, account_id, function_id, qualifier, &found, err) != 0) {
        return -1;
    }
    if (found.qualifier[0] == '\0') {
        return not_configured(err, function);
    }
    *config = found;
    return 0;
}

static int read_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "webhook_id");
    return 0;
}

static int find_webhook(struct pg *pg, int64_t account_id, const char *destination, int64_t *webhook_id,
                        struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(destination), PG_P_END};
    *webhook_id = 0;
    return pg_run(pg, &WEBHOOK, params, read_id, webhook_id, NULL, err);
}

static int check_destination(struct pg *pg, int64_t account_id, const char *function, const char *destination,
                             struct err *err)
{
    char name[65];
    char qualifier[129];
    struct function found;
    int64_t webhook_id = 0;
    if (destination[0] == '\0') {
        return 0;
    }
    if (destination_function(destination, account_id, name, qualifier)) {
        if (strcmp(name, function) == 0) {
            return err_field(err, "/destination", "The destination of %s is itself: it would never end", function);
        }
        if (function_get(pg, account_id, name, qualifier, &found, err) == 0) {
            return 0;
        }
        return err->code == ERR_NOT_FOUND
                   ? err_field(err, "/destination", "The destination %.160s does not exist", destination)
                   : -1;
    }
    if (find_webhook(pg, account_id, destination, &webhook_id, err) != 0) {
        return -1;
    }
    return webhook_id != 0
               ? 0
               : err_field(err, "/destination",
                           "The destination %.120s is neither a function nor a webhook of this account", destination);
}

static int check_config(struct pg *pg, int64_t account_id, const char *function, const struct event_config *config,
                        struct err *err)
{
    if (config->retries_max < -1 || config->retries_max > EVENT_RETRIES_MAX) {
        return err_field(err, "/retries", "MaximumRetryAttempts is %d, not from 0 to %d", config->retries_max,
                         EVENT_RETRIES_MAX);
    }
    if (config->age_max_s != -1 && (config->age_max_s < EVENT_AGE_S_MIN || config->age_max_s > EVENT_AGE_S_MAX)) {
        return err_field(err, "/age", "MaximumEventAgeInSeconds is %d, not from %d to %d", config->age_max_s,
                         EVENT_AGE_S_MIN, EVENT_AGE_S_MAX);
    }
    if (check_destination(pg, account_id, function, config->on_success, err) != 0) {
        return -1;
    }
    return check_destination(pg, account_id, function, config->on_failure, err);
}

int event_config_put(struct pg *pg, int64_t account_id, const char *function, const struct event_config *config,
                     struct event_config *stored, struct err *err)
{
    struct function found;
    if (function_get(pg, account_id, function, config->qualifier, &found, err) != 0 ||
        check_config(pg, account_id, function, config, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_I64(found.function_id),
                                      PG_P_TEXT(plain(config->qualifier)),
                                      PG_P_I64(config->retries_max),
                                      PG_P_I64(config->age_max_s),
                                      PG_P_TEXT(config->on_success),
                                      PG_P_TEXT(config->on_failure),
                                      PG_P_END};
    if (pg_run(pg, &PUT, params, NULL, NULL, NULL, err) != 0) {
        return -1;
    }
    return event_config_of(pg, account_id, found.function_id, config->qualifier, stored, err);
}

int event_config_delete(struct pg *pg, int64_t account_id, const char *function, const char *qualifier, struct err *err)
{
    int64_t function_id = 0;
    int64_t affected = 0;
    if (function_find_id(pg, account_id, function, &function_id, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_TEXT(plain(qualifier)),
                                      PG_P_END};
    if (pg_run(pg, &DELETE, params, NULL, NULL, &affected, err) != 0) {
        return -1;
    }
    return affected > 0 ? 0 : not_configured(err, function);
}

int event_config_list(struct pg *pg, int64_t account_id, const char *function, event_config_row_fn *on_row, void *ctx,
                      struct err *err)
{
    struct reading reading = {.on_row = on_row, .ctx = ctx};
    int64_t function_id = 0;
    if (function_find_id(pg, account_id, function, &function_id, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_END};
    return pg_run(pg, &LIST, params, read_config, &reading, NULL, err);
}

/* ---- sending ---- */

static int queue_event(struct pg *pg, const struct function *function, const char *qualifier, const struct buf *record,
                       int hops, struct err *err)
{
    struct uuid id;
    uuid_random(&id);
    const struct pg_param params[] = {PG_P_I64(function->account_id),
                                      PG_P_I64(function->function_id),
                                      PG_P_TEXT(qualifier),
                                      PG_P_UUID(id.bytes),
                                      PG_P_BYTES(record->data, record->length),
                                      PG_P_I64(hops),
                                      PG_P_END};
    return pg_run(pg, &QUEUE, params, NULL, NULL, NULL, err);
}

/* A webhook hears CloudEvents: the record is their data. */
static int queue_delivery(struct pg *pg, int64_t account_id, int64_t webhook_id, const struct buf *record,
                          struct err *err)
{
    struct uuid id;
    char id_text[UUID_TEXT_BYTES];
    char at[CALENDAR_TEXT_BYTES];
    struct buf body = {0};
    uuid_random(&id);
    uuid_format(&id, id_text);
    calendar_format_us(clock_wall_us(), at);
    buf_printf(&body,
               "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/v1/accounts/acct_%" PRId64 "\",\"type\":\"%s\","
               "\"time\":\"%s\",\"datacontenttype\":\"application/json\",\"data\":",
               id_text, account_id, DESTINATION_EVENT, at);
    buf_append(&body, record->data, record->length);
    buf_putc(&body, '}');
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_UUID(id.bytes),
                                      PG_P_I64(webhook_id),
                                      PG_P_TEXT(DESTINATION_EVENT),
                                      PG_P_BYTES(body.data, body.length),
                                      PG_P_END};
    int rc = buf_ok(&body) ? pg_run(pg, &DELIVER, params, NULL, NULL, NULL, err)
                           : err_set(err, ERR_SYSTEM, "destination: out of memory");
    buf_free(&body);
    return rc;
}

int destination_send(struct pg *pg, int64_t account_id, const char *destination, const struct buf *record, int hops,
                     struct destination_sent *sent, struct err *err)
{
    char name[65];
    char qualifier[129];
    struct function function;
    int64_t webhook_id = 0;
    *sent = (struct destination_sent){0};
    if (destination_function(destination, account_id, name, qualifier)) {
        struct err missing = {0};
        if (function_get(pg, account_id, name, qualifier, &function, &missing) != 0) {
            if (missing.code == ERR_NOT_FOUND) {
                return 0;
            }
            *err = missing;
            return -1;
        }
        sent->sent = true;
        sent->function_id = function.function_id;
        (void)text_copy(sent->function, sizeof sent->function, function.name);
        return queue_event(pg, &function, qualifier, record, hops, err);
    }
    if (find_webhook(pg, account_id, destination, &webhook_id, err) != 0) {
        return -1;
    }
    sent->sent = webhook_id != 0;
    return sent->sent ? queue_delivery(pg, account_id, webhook_id, record, err) : 0;
}
