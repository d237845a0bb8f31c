#include "api/audit_store.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt AUDIT_PUT = {
    .name = "audit.put",
    .sql = "INSERT INTO audit_log (key_id, account_id, action, subject, detail) "
           "VALUES (nullif($1::int8, 0), nullif($2::int8, 0), $3::text, $4::text, $5::jsonb)",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt AUDIT_LIST = {
    .name = "audit.list",
    .sql =
        "SELECT audit_id, at, coalesce(key_id, 0) AS key_id, coalesce(account_id, 0) AS account_id, action, subject, "
        "detail::text AS detail FROM audit_log WHERE ($1::int8 = 0 OR account_id = $1::int8) "
        "AND ($2::int8 = 0 OR audit_id < $2::int8) ORDER BY audit_id DESC LIMIT $3::int8",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt IDEMPOTENCY_CLAIM = {
    .name = "idempotency.claim",
    .sql = "INSERT INTO idempotency_key AS k (account_id, key, request_sha256, status, body) "
           "VALUES ($1::int8, $2::text, $3::bytea, 0, '') ON CONFLICT (account_id, key) DO UPDATE SET "
           "request_sha256 = excluded.request_sha256, status = 0, body = '', headers = '{}', created_at = now() "
           "WHERE (k.status = 0 AND k.created_at < now() - interval '5 minutes') "
           "OR k.created_at < now() - interval '24 hours'",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt IDEMPOTENCY_GET = {
    .name = "idempotency.get",
    .sql = "SELECT request_sha256, status, headers::text AS headers, body FROM idempotency_key "
           "WHERE account_id = $1::int8 AND key = $2::text",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt IDEMPOTENCY_END = {
    .name = "idempotency.end",
    .sql = "UPDATE idempotency_key SET status = $3::int4, headers = $4::jsonb, body = $5::bytea "
           "WHERE account_id = $1::int8 AND key = $2::text",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt IDEMPOTENCY_DROP = {
    .name = "idempotency.drop",
    .sql = "DELETE FROM idempotency_key WHERE account_id = $1::int8 AND key = $2::text",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt IDEMPOTENCY_EXPIRE = {
    .name = "idempotency.expire",
    .sql = "DELETE FROM idempotency_key WHERE created_at < now() - interval '24 hours'",
    .expect = PG_NO_ROWS,
};

int audit_store_put(struct pg *pg, const struct audit_row *row, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(row->key_id),   PG_P_I64(row->account_id), PG_P_TEXT(row->action),
                                      PG_P_TEXT(row->subject), PG_P_TEXT(row->detail),    PG_P_END};
    return pg_run(pg, &AUDIT_PUT, params, NULL, NULL, NULL, err);
}

struct list_ctx {
    audit_row_fn *on_row;
    void *ctx;
};

static int on_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    struct audit_row audit = {.audit_id = pg_get_i64(row, "audit_id"),
                              .at_us = pg_get_time(row, "at"),
                              .key_id = pg_get_i64(row, "key_id"),
                              .account_id = pg_get_i64(row, "account_id"),
                              .action = pg_get_text(row, "action"),
                              .subject = pg_get_text(row, "subject"),
                              .detail = pg_get_text(row, "detail")};
    return list->on_row(&audit, list->ctx, err);
}

int audit_store_list(struct pg *pg, int64_t account_id, int64_t before, int64_t limit, audit_row_fn *on_row, void *ctx,
                     struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(before), PG_P_I64(limit), PG_P_END};
    return pg_run(pg, &AUDIT_LIST, params, on_listed, &list, NULL, err);
}

struct kept {
    const uint8_t *request;
    bool found, same;
    int status;
    struct buf *headers, *sealed;
};

static int on_kept(const struct pg_row *row, void *ctx, struct err *err)
{
    struct kept *kept = ctx;
    size_t length = 0;
    (void)err;
    const void *digest = pg_get_bytes(row, "request_sha256", &length);
    kept->found = true;
    kept->same = length == SHA256_BYTES && memcmp(digest, kept->request, SHA256_BYTES) == 0;
    kept->status = (int)pg_get_i64(row, "status");
    buf_puts(kept->headers, pg_get_text(row, "headers"));
    const void *body = pg_get_bytes(row, "body", &length);
    buf_append(kept->sealed, body, length);
    return 0;
}

int idempotency_store_begin(struct pg *pg, int64_t account_id, const char *key, const uint8_t request[SHA256_BYTES],
                            enum idempotency *result, int *status, struct buf *headers, struct buf *sealed,
                            struct err *err)
{
    const struct pg_param claim[] = {PG_P_I64(account_id), PG_P_TEXT(key), PG_P_BYTES(request, SHA256_BYTES), PG_P_END};
    const struct pg_param by[] = {PG_P_I64(account_id), PG_P_TEXT(key), PG_P_END};
    struct kept kept = {.request = request, .headers = headers, .sealed = sealed};
    int64_t claimed = 0;
    if (pg_run(pg, &IDEMPOTENCY_CLAIM, claim, NULL, NULL, &claimed, err) != 0) {
        return -1;
    }
    if (claimed == 1) {
        *result = IDEMPOTENCY_FRESH;
        return 0;
    }
    if (pg_run(pg, &IDEMPOTENCY_GET, by, on_kept, &kept, NULL, err) != 0) {
        return -1;
    }
    if (!kept.found) { /* dropped between the two statements: the client asks again */
        *result = IDEMPOTENCY_RUNNING;
    } else if (!kept.same) {
        *result = IDEMPOTENCY_MISMATCH;
    } else {
        *result = kept.status == 0 ? IDEMPOTENCY_RUNNING : IDEMPOTENCY_REPLAY;
    }
    *status = kept.status;
    return 0;
}

int idempotency_store_end(struct pg *pg, int64_t account_id, const char *key, int status, const char *headers,
                          const void *sealed, size_t length, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id),       PG_P_TEXT(key), PG_P_I64(status), PG_P_TEXT(headers),
                                      PG_P_BYTES(sealed, length), PG_P_END};
    return pg_run(pg, &IDEMPOTENCY_END, params, NULL, NULL, NULL, err);
}

int idempotency_store_drop(struct pg *pg, int64_t account_id, const char *key, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(key), PG_P_END};
    return pg_run(pg, &IDEMPOTENCY_DROP, params, NULL, NULL, NULL, err);
}

int idempotency_store_expire(struct pg *pg, struct err *err)
{
    return pg_run(pg, &IDEMPOTENCY_EXPIRE, NULL, NULL, NULL, NULL, err);
}
