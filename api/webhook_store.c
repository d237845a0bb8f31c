#include "api/webhook_store.h"

#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt WEBHOOK_PUT = {
    .name = "webhook.put",
    .sql = "INSERT INTO webhook (account_id, url, secret, events) SELECT $1::int8, $2::text, $3::bytea, $4::text[] "
           "WHERE (SELECT count(*) FROM webhook WHERE account_id = $1::int8) < $5::int8 RETURNING webhook_id",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt WEBHOOK_LIST = {
    .name = "webhook.list",
    .sql = "SELECT webhook_id, url, array_to_string(events, ',') AS events, enabled, created_at FROM webhook "
           "WHERE account_id = $1::int8 AND ($2::int8 = 0 OR webhook_id = $2::int8) ORDER BY webhook_id",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt WEBHOOK_DELETE = {
    .name = "webhook.delete",
    .sql = "DELETE FROM webhook WHERE account_id = $1::int8 AND webhook_id = $2::int8",
    .expect = PG_NO_ROWS,
};

static int on_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "webhook_id");
    return 0;
}

int webhook_store_put(struct pg *pg, int64_t account_id, const char *url, const void *sealed, size_t length,
                      const char *events, int64_t *webhook_id, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(url),         PG_P_BYTES(sealed, length),
                                      PG_P_TEXT(events),    PG_P_I64(WEBHOOKS_MAX), PG_P_END};
    int64_t id = 0;
    if (pg_run(pg, &WEBHOOK_PUT, params, on_id, &id, NULL, err) != 0) {
        return -1;
    }
    if (id == 0) {
        return err_set(err, ERR_LIMIT, "an account has at most %d webhooks", WEBHOOKS_MAX);
    }
    *webhook_id = id;
    return 0;
}

struct list_ctx {
    webhook_row_fn *on_row;
    void *ctx;
};

static int on_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    const struct webhook_row webhook = {.webhook_id = pg_get_i64(row, "webhook_id"),
                                        .url = pg_get_text(row, "url"),
                                        .events = pg_get_text(row, "events"),
                                        .enabled = pg_get_bool(row, "enabled"),
                                        .created_us = pg_get_time(row, "created_at")};
    return list->on_row(&webhook, list->ctx, err);
}

int webhook_store_list(struct pg *pg, int64_t account_id, int64_t webhook_id, webhook_row_fn *on_row, void *ctx,
                       struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(webhook_id), PG_P_END};
    return pg_run(pg, &WEBHOOK_LIST, params, on_listed, &list, NULL, err);
}

int webhook_store_delete(struct pg *pg, int64_t account_id, int64_t webhook_id, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(webhook_id), PG_P_END};
    int64_t affected = 0;
    if (pg_run(pg, &WEBHOOK_DELETE, params, NULL, NULL, &affected, err) != 0) {
        return -1;
    }
    return affected > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such webhook");
}
