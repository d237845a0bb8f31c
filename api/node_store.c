#include "api/node_store.h"

#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt NODE_PUT = {
    .name = "node.put",
    .sql =
        "INSERT INTO node (name, address, version) VALUES ($1::text, $2::text, $3::text) "
        "ON CONFLICT (name) DO UPDATE SET address = excluded.address, version = excluded.version, started_at = now(), "
        "seen_at = now() RETURNING node_id",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt NODE_BEAT = {
    .name = "node.beat",
    .sql = "UPDATE node SET address = $2::text, status = $3::jsonb, seen_at = now() WHERE node_id = $1::int8",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt NODE_LIST = {
    .name = "node.list",
    .sql = "SELECT node_id, name, address, version, started_at, seen_at, status::text AS status FROM node ORDER BY "
           "node_id",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt ADMIN_KEY = {
    .name = "node.admin_key",
    .sql = "INSERT INTO api_key (scope, name, prefix, secret_sha256) VALUES ('admin', 'first admin key', $2::text, "
           "$1::bytea) "
           "ON CONFLICT (secret_sha256) DO NOTHING",
    .expect = PG_NO_ROWS,
};

static int on_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "node_id");
    return 0;
}

int node_store_put(struct pg *pg, const char *name, const char *address, const char *version, int64_t *node_id,
                   struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(name), PG_P_TEXT(address), PG_P_TEXT(version), PG_P_END};
    return pg_run(pg, &NODE_PUT, params, on_id, node_id, NULL, err);
}

int node_store_beat(struct pg *pg, int64_t node_id, const char *address, const char *status, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(node_id), PG_P_TEXT(address), PG_P_TEXT(status), PG_P_END};
    return pg_run(pg, &NODE_BEAT, params, NULL, NULL, NULL, err);
}

struct list_ctx {
    node_row_fn *on_row;
    void *ctx;
};

static int on_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    const struct node_row node = {.node_id = pg_get_i64(row, "node_id"),
                                  .name = pg_get_text(row, "name"),
                                  .address = pg_get_text(row, "address"),
                                  .version = pg_get_text(row, "version"),
                                  .started_us = pg_get_time(row, "started_at"),
                                  .seen_us = pg_get_time(row, "seen_at"),
                                  .status = pg_get_text(row, "status")};
    return list->on_row(&node, list->ctx, err);
}

int node_store_list(struct pg *pg, node_row_fn *on_row, void *ctx, struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    return pg_run(pg, &NODE_LIST, NULL, on_listed, &list, NULL, err);
}

int node_store_admin_key(struct pg *pg, const uint8_t digest[SHA256_BYTES], const char *prefix, struct err *err)
{
    const struct pg_param params[] = {PG_P_BYTES(digest, SHA256_BYTES), PG_P_TEXT(prefix), PG_P_END};
    return pg_run(pg, &ADMIN_KEY, params, NULL, NULL, NULL, err);
}
