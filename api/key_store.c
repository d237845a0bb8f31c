#include "api/key_store.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "schema/pg.h"

#define KEY_COLUMNS                                                                                                    \
    "k.key_id, coalesce(k.account_id, 0) AS account_id, coalesce(a.name, '') AS account_name, "                        \
    "coalesce(a.state, 'active') <> 'active' AS suspended, k.scope, k.name, k.prefix, "                                \
    "coalesce(k.sigv4_id, '') AS sigv4_id, k.sigv4_secret, k.created_at, k.expires_at, k.revoked_at, k.last_used_at "

static const struct pg_stmt KEY_PUT = {
    .name = "key.put",
    .sql = "INSERT INTO api_key (account_id, scope, name, prefix, secret_sha256, sigv4_id, sigv4_secret, expires_at) "
           "VALUES ($1::int8, $2::text, $3::text, $4::text, $5::bytea, $6::text, $7::bytea, $8::timestamptz) "
           "RETURNING key_id",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt KEY_FIND = {
    .name = "key.find",
    .sql = "SELECT " KEY_COLUMNS "FROM api_key k LEFT JOIN account a ON a.account_id = k.account_id "
           "WHERE k.secret_sha256 = $1::bytea",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt KEY_FIND_SIGV4 = {
    .name = "key.find_sigv4",
    .sql = "SELECT " KEY_COLUMNS "FROM api_key k LEFT JOIN account a ON a.account_id = k.account_id "
           "WHERE k.sigv4_id = $1::text",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt KEY_LIST = {
    .name = "key.list",
    .sql = "SELECT " KEY_COLUMNS "FROM api_key k LEFT JOIN account a ON a.account_id = k.account_id "
           "WHERE k.account_id IS NOT DISTINCT FROM nullif($1::int8, 0) AND k.key_id > $2::int8 "
           "ORDER BY k.key_id LIMIT $3::int8",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt KEY_REVOKE = {
    .name = "key.revoke",
    .sql = "UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) "
           "WHERE key_id = $2::int8 AND account_id IS NOT DISTINCT FROM nullif($1::int8, 0)",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt KEY_USED = {
    .name = "key.used",
    .sql = "UPDATE api_key SET last_used_at = now() WHERE key_id = ANY ($1::int8[]) "
           "AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt EPOCH_GET = {
    .name = "auth_epoch.get", .sql = "SELECT epoch FROM auth_epoch WHERE one = 1", .expect = PG_ONE_ROW};
static const struct pg_stmt EPOCH_MOVE = {
    .name = "auth_epoch.move",
    .sql = "UPDATE auth_epoch SET epoch = epoch + 1 WHERE one = 1",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt EPOCH_NOTIFY = {
    .name = "auth_epoch.notify", .sql = "SELECT pg_notify('" AUTH_CHANNEL "', '')", .expect = PG_ONE_ROW};

static int read_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "key_id");
    return 0;
}

int key_store_put(struct pg *pg, const struct key_new *key, int64_t *key_id, struct err *err)
{
    const struct pg_param params[] = {
        key->account_id == 0 ? PG_P_NULL(PG_T_I64) : PG_P_I64(key->account_id),
        PG_P_TEXT(key->scope),
        PG_P_TEXT(key->name),
        PG_P_TEXT(key->prefix),
        PG_P_BYTES(key->secret_sha256, SHA256_BYTES),
        PG_P_TEXT(key->sigv4_id),
        key->sigv4_id == NULL ? PG_P_NULL(PG_T_BYTES) : PG_P_BYTES(key->sigv4_sealed, key->sigv4_sealed_length),
        key->expires_us == 0 ? PG_P_NULL(PG_T_TIME) : PG_P_TIME(key->expires_us),
        PG_P_END,
    };
    return pg_run(pg, &KEY_PUT, params, read_id, key_id, NULL, err);
}

struct find_ctx {
    struct key_row *row;
    struct buf *sealed;
    bool found;
};

static void read_row(const struct pg_row *row, struct key_row *key)
{
    memset(key, 0, sizeof *key);
    key->key_id = pg_get_i64(row, "key_id");
    key->account_id = pg_get_i64(row, "account_id");
    (void)text_copy(key->account_name, sizeof key->account_name, pg_get_text(row, "account_name"));
    key->account_suspended = pg_get_bool(row, "suspended");
    (void)text_copy(key->scope, sizeof key->scope, pg_get_text(row, "scope"));
    (void)text_copy(key->name, sizeof key->name, pg_get_text(row, "name"));
    (void)text_copy(key->prefix, sizeof key->prefix, pg_get_text(row, "prefix"));
    (void)text_copy(key->sigv4_id, sizeof key->sigv4_id, pg_get_text(row, "sigv4_id"));
    key->created_us = pg_get_time(row, "created_at");
    key->expires_us = pg_get_time_or(row, "expires_at", 0);
    key->revoked_us = pg_get_time_or(row, "revoked_at", 0);
    key->last_used_us = pg_get_time_or(row, "last_used_at", 0);
}

static int on_found(const struct pg_row *row, void *ctx, struct err *err)
{
    struct find_ctx *find = ctx;
    (void)err;
    find->found = true;
    read_row(row, find->row);
    if (!pg_is_null(row, "sigv4_secret")) {
        size_t length = 0;
        const void *bytes = pg_get_bytes(row, "sigv4_secret", &length);
        buf_append(find->sealed, bytes, length);
    }
    return 0;
}

static int find_by(struct pg *pg, const struct pg_stmt *stmt, struct pg_param by, struct key_row *row,
                   struct buf *sealed, struct err *err)
{
    struct find_ctx find = {.row = row, .sealed = sealed};
    const struct pg_param params[] = {by, PG_P_END};
    if (pg_run(pg, stmt, params, on_found, &find, NULL, err) != 0) {
        return -1;
    }
    return find.found ? 0 : err_set(err, ERR_NOT_FOUND, "no such key");
}

int key_store_find(struct pg *pg, const uint8_t digest[SHA256_BYTES], struct key_row *row, struct buf *sealed,
                   struct err *err)
{
    return find_by(pg, &KEY_FIND, PG_P_BYTES(digest, SHA256_BYTES), row, sealed, err);
}

int key_store_find_sigv4(struct pg *pg, const char *access_key_id, struct key_row *row, struct buf *sealed,
                         struct err *err)
{
    return find_by(pg, &KEY_FIND_SIGV4, PG_P_TEXT(access_key_id), row, sealed, err);
}

struct list_ctx {
    key_row_fn *on_row;
    void *ctx;
};

static int on_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    struct key_row key;
    read_row(row, &key);
    return list->on_row(&key, list->ctx, err);
}

int key_store_list(struct pg *pg, int64_t account_id, int64_t after, int64_t limit, key_row_fn *on_row, void *ctx,
                   struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(after), PG_P_I64(limit), PG_P_END};
    return pg_run(pg, &KEY_LIST, params, on_listed, &list, NULL, err);
}

int key_store_touch(struct pg *pg, struct err *err)
{
    if (pg_run(pg, &EPOCH_MOVE, NULL, NULL, NULL, NULL, err) != 0) {
        return -1;
    }
    return pg_run(pg, &EPOCH_NOTIFY, NULL, NULL, NULL, NULL, err);
}

struct revoke_ctx {
    int64_t account_id, key_id;
};

static int revoke_body(struct pg *pg, void *ctx, struct err *err)
{
    const struct revoke_ctx *revoke = ctx;
    const struct pg_param params[] = {PG_P_I64(revoke->account_id), PG_P_I64(revoke->key_id), PG_P_END};
    int64_t affected = 0;
    if (pg_run(pg, &KEY_REVOKE, params, NULL, NULL, &affected, err) != 0) {
        return -1;
    }
    if (affected == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no key key_%lld", (long long)revoke->key_id);
    }
    return key_store_touch(pg, err);
}

int key_store_revoke(struct pg *pg, int64_t account_id, int64_t key_id, struct err *err)
{
    struct revoke_ctx revoke = {.account_id = account_id, .key_id = key_id};
    return pg_tx_at(pg, PG_READ_COMMITTED, revoke_body, &revoke, err);
}

int key_store_used(struct pg *pg, const char *ids, struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(ids), PG_P_END};
    return pg_run(pg, &KEY_USED, params, NULL, NULL, NULL, err);
}

static int read_epoch(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "epoch");
    return 0;
}

int key_store_epoch(struct pg *pg, int64_t *epoch, struct err *err)
{
    return pg_run(pg, &EPOCH_GET, NULL, read_epoch, epoch, NULL, err);
}
