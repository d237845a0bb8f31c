#include "engine/code_store.h"

#include "common/buf.h"
#include "common/err.h"
#include "engine/function_row.h"
#include "engine/quota.h"
#include "schema/pg.h"

static const struct pg_stmt LOCK = {
    .name = "code.lock",
    .sql = "SELECT account_id FROM account WHERE account_id = $1::int8 FOR NO KEY UPDATE",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt USE = {
    .name = "code.use",
    .sql = "SELECT coalesce(sum(octet_length(zip)), 0)::int8 AS bytes FROM code_blob WHERE account_id = $1::int8 "
           "AND sha256 <> $2::bytea",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt PUT = {
    .name = "code.put",
    .sql = "INSERT INTO code_blob (account_id, sha256, zip, unzipped_bytes) VALUES ($1::int8, $2::bytea, $3::bytea, "
           "$4::int8) ON CONFLICT DO NOTHING",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt GET = {
    .name = "code.get",
    .sql = "SELECT zip FROM code_blob WHERE account_id = $1::int8 AND sha256 = $2::bytea",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt UNZIPPED = {
    .name = "code.unzipped",
    .sql = "SELECT unzipped_bytes FROM code_blob WHERE account_id = $1::int8 AND sha256 = $2::bytea",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt SWEEP = {
    .name = "code.sweep",
    .sql = "DELETE FROM code_blob b WHERE b.account_id = $1::int8 "
           "AND NOT EXISTS (SELECT 1 FROM function_version v WHERE v.account_id = $1::int8 AND (v.code_sha256 = "
           "b.sha256 "
           "OR v.layers @> jsonb_build_array(jsonb_build_object('sha256', encode(b.sha256, 'hex'))))) "
           "AND NOT EXISTS (SELECT 1 FROM layer_version l WHERE l.account_id = $1::int8 AND l.code_sha256 = b.sha256)",
    .expect = PG_NO_ROWS,
};

int code_store_lock(struct pg *pg, int64_t account_id, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &LOCK, params, NULL, NULL, NULL, err);
}

static int read_bytes(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "bytes");
    return 0;
}

int code_store_room(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], size_t length,
                    struct err *err)
{
    int64_t bytes = 0;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_BYTES(digest, SHA256_BYTES), PG_P_END};
    if (pg_run(pg, &USE, params, read_bytes, &bytes, NULL, err) != 0) {
        return -1;
    }
    return function_row_limit(pg, account_id, QUOTA_CODE_BYTES, bytes + (int64_t)length, "/code", err);
}

int code_store_put(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], const void *zip,
                   size_t length, int64_t unzipped_bytes, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_BYTES(digest, SHA256_BYTES), PG_P_BYTES(zip, length),
                                      PG_P_I64(unzipped_bytes), PG_P_END};
    return pg_run(pg, &PUT, params, NULL, NULL, NULL, err);
}

int code_store_sweep(struct pg *pg, int64_t account_id, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &SWEEP, params, NULL, NULL, NULL, err);
}

static int read_unzipped(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64_or(row, "unzipped_bytes", -1);
    return 0;
}

int code_store_unzipped(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], int64_t *unzipped_bytes,
                        struct err *err)
{
    struct buf zip = {0};
    int64_t known = -1;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_BYTES(digest, SHA256_BYTES), PG_P_END};
    if (pg_run(pg, &UNZIPPED, params, read_unzipped, &known, NULL, err) != 0) {
        return -1;
    }
    if (known >= 0) {
        *unzipped_bytes = known;
        return 0;
    }
    /* Stored before sizes were. */
    int rc = function_code_get(pg, account_id, digest, &zip, err);
    if (rc == 0) {
        rc = code_measure(zip.data, zip.length, unzipped_bytes, err);
    }
    buf_free(&zip);
    return rc;
}

struct getting {
    struct buf *zip;
    bool found;
};

static int read_zip(const struct pg_row *row, void *ctx, struct err *err)
{
    struct getting *getting = ctx;
    size_t length = 0;
    const void *bytes = pg_get_bytes(row, "zip", &length);
    (void)err;
    getting->found = true;
    buf_append(getting->zip, bytes, length);
    return 0;
}

int function_code_get(struct pg *pg, int64_t account_id, const uint8_t digest[SHA256_BYTES], struct buf *zip,
                      struct err *err)
{
    struct getting getting = {.zip = zip};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_BYTES(digest, SHA256_BYTES), PG_P_END};
    if (pg_run(pg, &GET, params, read_zip, &getting, NULL, err) != 0) {
        return -1;
    }
    return getting.found ? 0 : err_set(err, ERR_NOT_FOUND, "the package is not there");
}
