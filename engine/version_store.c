/* version_store.c - reading functions, publishing versions, aliases (tables function_version, function_alias). */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/function_row.h"
#include "engine/layer_row.h"
#include "schema/pg.h"

#define COLUMNS                                                                                                        \
    "f.account_id, f.function_id, f.name, v.version, v.runtime, v.handler, v.arch::int8 AS arch, v.memory_mib::int8 "  \
    "AS memory_mib, "                                                                                                  \
    "v.timeout_s::int8 AS timeout_s, v.ephemeral_mib::int8 AS ephemeral_mib, v.network, v.description, v.role, "       \
    "v.code_sha256, "                                                                                                  \
    "v.code_bytes, v.provisioned::int8 AS provisioned, f.reserved_concurrency::int8 AS reserved_concurrency, "         \
    "v.revision, "                                                                                                     \
    "v.modified_at, f.created_at, v.version::int8 AS version_number, f.tags::text AS tags, v.layers::text AS layers "
#define FROM                                                                                                           \
    "FROM function f JOIN function_version v ON v.account_id = f.account_id AND v.function_id = f.function_id "        \
    "WHERE f.account_id = $1::int8 AND f.deleted_at IS NULL "

static const struct pg_stmt ROW_GET = {
    .name = "function.row_get",
    .sql = "SELECT " COLUMNS FROM "AND f.name = $2::text AND v.version = $3::int4",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt ROW_LOCK = {
    .name = "function.row_lock",
    .sql = "SELECT " COLUMNS FROM "AND f.name = $2::text AND v.version = 0 FOR UPDATE",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt LIST = {
    .name = "function.list",
    .sql = "SELECT " COLUMNS FROM
           "AND (f.name COLLATE \"C\", v.version) > ($2::text COLLATE \"C\", $5::int4) AND ($3::bool OR v.version = 0) "
           "ORDER BY f.name COLLATE \"C\", v.version LIMIT $4::int8",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt LIST_VERSIONS = {
    .name = "function.list_versions",
    .sql = "SELECT " COLUMNS FROM "AND f.name = $2::text ORDER BY v.version",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt LAST_VERSION = {
    .name = "function.last_version",
    .sql = "SELECT " COLUMNS FROM "AND f.name = $2::text AND v.version > 0 ORDER BY v.version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt SAME = {
    .name = "function.same",
    .sql = "SELECT (a.runtime, a.handler, a.arch, a.memory_mib, a.timeout_s, a.ephemeral_mib, a.role, a.network, "
           "a.code_sha256, a.layers) "
           "IS NOT DISTINCT FROM (b.runtime, b.handler, b.arch, b.memory_mib, b.timeout_s, b.ephemeral_mib, b.role, "
           "b.network, "
           "b.code_sha256, b.layers) AND a.environment IS NOT DISTINCT FROM b.environment AS same FROM "
           "function_version a, "
           "function_version b "
           "WHERE a.account_id = $1::int8 AND a.function_id = $2::int8 AND a.version = 0 AND b.account_id = $1::int8 "
           "AND b.function_id = $2::int8 AND b.version = $3::int4",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt PUBLISH = {
    .name = "function.publish",
    .sql =
        "WITH number AS (UPDATE function SET next_version = next_version + 1 WHERE account_id = $1::int8 AND "
        "function_id = $2::int8 "
        "RETURNING next_version - 1 AS version) "
        "INSERT INTO function_version (account_id, function_id, version, runtime, handler, arch, memory_mib, "
        "timeout_s, ephemeral_mib, "
        "description, role, environment, network, code_sha256, code_bytes, layers) "
        "SELECT v.account_id, v.function_id, number.version, v.runtime, v.handler, v.arch, v.memory_mib, v.timeout_s, "
        "v.ephemeral_mib, "
        "coalesce($3::text, v.description), v.role, v.environment, v.network, v.code_sha256, v.code_bytes, "
        "v.layers "
        "FROM function_version v, number WHERE v.account_id = $1::int8 AND v.function_id = $2::int8 AND v.version = 0 "
        "RETURNING version::int8 AS version",
    .expect = PG_ONE_ROW,
};

/* What changed last, $LATEST or the newest version: publishing twice without a change gives the same version. */
static int to_function(const struct pg_row *row, struct function *function, struct err *err)
{
    size_t length = 0;
    *function = (struct function){
        .account_id = pg_get_i64(row, "account_id"),
        .function_id = pg_get_i64(row, "function_id"),
        .version = (int)pg_get_i64(row, "version_number"),
        .arch = (enum function_arch)pg_get_i64(row, "arch"),
        .memory_mib = (int)pg_get_i64(row, "memory_mib"),
        .timeout_s = (int)pg_get_i64(row, "timeout_s"),
        .ephemeral_mib = (int)pg_get_i64(row, "ephemeral_mib"),
        .network = strcmp(pg_get_text(row, "network"), "host") == 0 ? NETWORK_HOST : NETWORK_NONE,
        .code_bytes = pg_get_i64(row, "code_bytes"),
        .provisioned = (int)pg_get_i64(row, "provisioned"),
        .reserved_concurrency = (int)pg_get_i64_or(row, "reserved_concurrency", -1),
        .modified_us = pg_get_time(row, "modified_at"),
        .created_us = pg_get_time(row, "created_at"),
    };
    (void)text_copy(function->name, sizeof function->name, pg_get_text(row, "name"));
    (void)text_copy(function->runtime, sizeof function->runtime, pg_get_text(row, "runtime"));
    (void)text_copy(function->handler, sizeof function->handler, pg_get_text(row, "handler"));
    (void)text_copy(function->description, sizeof function->description, pg_get_text(row, "description"));
    (void)text_copy(function->role, sizeof function->role, pg_get_text(row, "role"));
    const void *digest = pg_get_bytes(row, "code_sha256", &length);
    memcpy(function->code_sha256, digest, length < SHA256_BYTES ? length : SHA256_BYTES);
    const void *revision = pg_get_bytes(row, "revision", &length);
    memcpy(function->revision.bytes, revision, sizeof function->revision.bytes);
    return layer_row_read(pg_get_text(row, "layers"), function, err);
}

struct one {
    struct function *function;
    bool found;
};

static int read_one(const struct pg_row *row, void *ctx, struct err *err)
{
    struct one *one = ctx;
    one->found = true;
    return to_function(row, one->function, err);
}

int function_row_get(struct pg *pg, int64_t account_id, const char *name, int version, struct function *function,
                     struct err *err)
{
    struct function found;
    struct one one = {.function = &found};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_I64(version), PG_P_END};
    if (pg_run(pg, &ROW_GET, params, read_one, &one, NULL, err) != 0) {
        return -1;
    }
    if (!one.found) {
        return err_set(err, ERR_NOT_FOUND,
                       version == 0 ? "function %s does not exist" : "function %s has no version %d", name, version);
    }
    *function = found;
    return 0;
}

int function_row_lock(struct pg *pg, int64_t account_id, const char *name, struct function *function, struct err *err)
{
    struct one one = {.function = function};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_END};
    if (pg_run(pg, &ROW_LOCK, params, read_one, &one, NULL, err) != 0) {
        return -1;
    }
    return one.found ? 0 : err_set(err, ERR_NOT_FOUND, "function %s does not exist", name);
}

int function_get(struct pg *pg, int64_t account_id, const char *name, const char *qualifier, struct function *function,
                 struct err *err)
{
    struct function_alias alias;
    int64_t number = 0;
    if (qualifier == NULL || qualifier[0] == '\0' || strcmp(qualifier, "$LATEST") == 0) {
        return function_row_get(pg, account_id, name, FUNCTION_VERSION_LATEST, function, err);
    }
    if (strspn(qualifier, "0123456789") == strlen(qualifier)) {
        if (text_i64(qualifier, "qualifier", 1, INT32_MAX, &number, err) != 0) {
            return -1;
        }
        return function_row_get(pg, account_id, name, (int)number, function, err);
    }
    if (alias_get(pg, account_id, name, qualifier, &alias, err) != 0) {
        return -1;
    }
    return function_row_get(pg, account_id, name, alias.version, function, err);
}

struct listing {
    function_row_fn *on_row;
    void *ctx;
    int64_t count;
};

static int read_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct listing *listing = ctx;
    struct function function;
    listing->count++;
    if (to_function(row, &function, err) != 0) {
        return -1;
    }
    return listing->on_row(&function, pg_get_text(row, "tags"), listing->ctx, err);
}

int function_list(struct pg *pg, int64_t account_id, bool all_versions, const char *after_name, int after_version,
                  int limit, function_row_fn *on_row, void *ctx, struct err *err)
{
    struct listing listing = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id),    PG_P_TEXT(after_name != NULL ? after_name : ""),
                                      PG_P_BOOL(all_versions), PG_P_I64(limit > 0 ? limit : 10000),
                                      PG_P_I64(after_version), PG_P_END};
    return pg_run(pg, &LIST, params, read_listed, &listing, NULL, err);
}

int function_list_versions(struct pg *pg, int64_t account_id, const char *name, function_row_fn *on_row, void *ctx,
                           struct err *err)
{
    struct listing listing = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_END};
    if (pg_run(pg, &LIST_VERSIONS, params, read_listed, &listing, NULL, err) != 0) {
        return -1;
    }
    return listing.count > 0 ? 0 : err_set(err, ERR_NOT_FOUND, "function %s does not exist", name);
}

/* ---- publish ---- */

struct publishing {
    int64_t account_id;
    const char *name, *description, *expected_revision, *expected_sha256;
    struct function version;
};

static int read_same(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(bool *)ctx = pg_get_bool(row, "same");
    return 0;
}

static int read_version(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "version");
    return 0;
}

static int check_code(const struct function *latest, const char *expected, struct err *err)
{
    struct buf now = {0};
    int rc = 0;
    base64_encode(latest->code_sha256, SHA256_BYTES, &now);
    if (expected != NULL && strcmp(expected, buf_text(&now)) != 0) {
        rc = err_field(err, "/code_sha256",
                       "CodeSHA256 (%.80s) is different from current CodeSHA256 in $LATEST (%s). Please try again with "
                       "the CodeSHA256 in $LATEST.",
                       expected, buf_text(&now));
    }
    buf_free(&now);
    return rc;
}

static int publish_body(struct pg *pg, void *ctx, struct err *err)
{
    struct publishing *publishing = ctx;
    struct function latest;
    struct function last;
    struct one one = {.function = &last};
    bool same = false;
    int64_t number = 0;
    if (function_row_lock(pg, publishing->account_id, publishing->name, &latest, err) != 0 ||
        function_row_revision(&latest, publishing->expected_revision, err) != 0 ||
        check_code(&latest, publishing->expected_sha256, err) != 0) {
        return -1;
    }
    const struct pg_param named[] = {PG_P_I64(publishing->account_id), PG_P_TEXT(publishing->name), PG_P_END};
    if (pg_run(pg, &LAST_VERSION, named, read_one, &one, NULL, err) != 0) {
        return -1;
    }
    if (one.found) {
        const struct pg_param params[] = {PG_P_I64(publishing->account_id), PG_P_I64(latest.function_id),
                                          PG_P_I64(last.version), PG_P_END};
        if (pg_run(pg, &SAME, params, read_same, &same, NULL, err) != 0) {
            return -1;
        }
    }
    if (same) {
        publishing->version = last;
        return 0;
    }
    const struct pg_param params[] = {PG_P_I64(publishing->account_id), PG_P_I64(latest.function_id),
                                      PG_P_TEXT(publishing->description), PG_P_END};
    if (pg_run(pg, &PUBLISH, params, read_version, &number, NULL, err) != 0) {
        return err_wrap(err, "publish %s", publishing->name);
    }
    return function_row_get(pg, publishing->account_id, publishing->name, (int)number, &publishing->version, err);
}

int function_publish(struct pg *pg, int64_t account_id, const char *name, const char *description,
                     struct function *version, struct err *err)
{
    return function_publish_if(pg, account_id, name, description, NULL, NULL, version, err);
}

int function_publish_if(struct pg *pg, int64_t account_id, const char *name, const char *description,
                        const char *expected_revision, const char *expected_sha256, struct function *version,
                        struct err *err)
{
    struct publishing publishing = {.account_id = account_id,
                                    .name = name,
                                    .description = description,
                                    .expected_revision = expected_revision,
                                    .expected_sha256 = expected_sha256};
    if (pg_tx_at(pg, PG_READ_COMMITTED, publish_body, &publishing, err) != 0) {
        return -1;
    }
    *version = publishing.version;
    return 0;
}
