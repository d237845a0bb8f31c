/* function_store.c - functions and their $LATEST (tables function, function_version). Versions:
 * version_store.c.
 * Length: every write of a function checks limits, code and settings and changes several rows in one transaction; the
 * statements stand beside the one place that runs them. */
#include "engine/function_store.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/text.h"
#include "engine/code_store.h"
#include "engine/function_row.h"
#include "engine/layer_row.h"
#include "engine/node_key.h"
#include "engine/quota.h"
#include "schema/pg.h"

#define TAGS_MAX 50

static uint8_t store_key[NODE_KEY_BYTES]; /* set once at start, like the log level */
static bool store_key_known;

void function_store_key_set(const uint8_t key[32])
{
    memcpy(store_key, key, sizeof store_key);
    store_key_known = true;
}

static const struct pg_stmt FUNCTION_FIND = {
    .name = "function.find",
    .sql = "SELECT function_id FROM function WHERE account_id = $1::int8 AND name = $2::text AND deleted_at IS NULL",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt FUNCTION_USE = {
    .name = "function.use",
    .sql = "SELECT count(*)::int8 AS functions FROM function WHERE account_id = $1::int8 AND deleted_at IS NULL "
           "AND origin = 'farthing'",
    .expect = PG_ONE_ROW,
};

/* A function that only another runtime reported moves here and keeps its usage. No row: it is here already. */
static const struct pg_stmt FUNCTION_INSERT = {
    .name = "function.insert",
    .sql = "INSERT INTO function (account_id, function_id, name, tags) "
           "VALUES ($1::int8, nextval('function_id_seq'), $2::text, $3::jsonb) "
           "ON CONFLICT (account_id, name) WHERE deleted_at IS NULL "
           "DO UPDATE SET origin = 'farthing', tags = excluded.tags WHERE function.origin = 'external' "
           "RETURNING function_id",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt FUNCTION_TAGS_SET = {
    .name = "function.tags_set",
    .sql = "UPDATE function SET tags = $3::jsonb WHERE account_id = $1::int8 AND function_id = $2::int8",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt VERSION_INSERT = {
    .name = "function.version_insert",
    .sql = "INSERT INTO function_version (account_id, function_id, version, runtime, handler, arch, memory_mib, "
           "timeout_s, "
           "ephemeral_mib, description, role, environment, network, code_sha256, code_bytes, layers) VALUES ($1::int8, "
           "$2::int8, 0, $3::text, "
           "$4::text, $5::int2, $6::int4, $7::int4, $8::int4, $9::text, $10::text, $11::bytea, $12::text, $13::bytea, "
           "$14::int8, $15::jsonb)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt LATEST_UPDATE = {
    .name = "function.latest_update",
    .sql =
        "UPDATE function_version SET runtime = $3::text, handler = $4::text, arch = $5::int2, memory_mib = $6::int4, "
        "timeout_s = $7::int4, ephemeral_mib = $8::int4, description = $9::text, role = $10::text, "
        "environment = CASE WHEN $16::bool THEN $11::bytea ELSE environment END, network = $12::text, "
        "code_sha256 = $13::bytea, code_bytes = $14::int8, layers = $15::jsonb, revision = gen_random_uuid(), "
        "modified_at = now() "
        "WHERE account_id = $1::int8 AND function_id = $2::int8 AND version = 0",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt FUNCTION_BURY = {
    .name = "function.bury",
    .sql = "UPDATE function SET deleted_at = now() WHERE account_id = $1::int8 AND function_id = $2::int8",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt ALIASES_OF = {
    .name = "function.aliases_of",
    .sql = "SELECT string_agg(name, ', ' ORDER BY name) AS names FROM function_alias WHERE account_id = $1::int8 AND "
           "function_id = $2::int8 AND $3::int4 IN (version, second_version) HAVING count(*) > 0",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt ALIASES_DROP = {
    .name = "function.aliases_drop",
    .sql = "DELETE FROM function_alias WHERE account_id = $1::int8 AND function_id = $2::int8",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt VERSIONS_DROP = {
    .name = "function.versions_drop",
    .sql = "WITH gone AS (DELETE FROM function_version WHERE account_id = $1::int8 AND function_id = $2::int8 "
           "AND ($3::int4 < 0 OR version = $3::int4) RETURNING account_id, function_id, version) "
           "UPDATE provisioned_period p SET ends_at = clock_timestamp() FROM gone g WHERE p.account_id = g.account_id "
           "AND p.function_id = g.function_id AND p.version = g.version AND p.ends_at IS NULL",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt TAGS_GET = {
    .name = "function.tags_get",
    .sql = "SELECT tags::text AS tags FROM function WHERE account_id = $1::int8 AND name = $2::text AND deleted_at IS "
           "NULL",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt ENVIRONMENT_GET = {
    .name = "function.environment_get",
    .sql = "SELECT v.environment FROM function f JOIN function_version v ON v.account_id = f.account_id "
           "AND v.function_id = f.function_id WHERE f.account_id = $1::int8 AND f.name = $2::text AND f.deleted_at IS "
           "NULL "
           "AND v.version = $3::int4",
    .expect = PG_MAYBE_ROW,
};

/* ---- flat objects of strings ---- */

static int flat_object(const char *text, const char *field, int most, cJSON **tree, struct err *err)
{
    int count = 0;
    if (json_parse(text, strlen(text), tree, err) != 0) {
        return err_field(err, field, "%s is not JSON", field + 1);
    }
    const cJSON *item = NULL;
    bool flat = cJSON_IsObject(*tree);
    cJSON_ArrayForEach(item, *tree)
    {
        flat = flat && cJSON_IsString(item);
        count++;
    }
    if (!flat || count > most) {
        cJSON_Delete(*tree);
        *tree = NULL;
        return err_field(err, field, "%s is not a flat object of at most %d strings", field + 1, most);
    }
    return 0;
}

static int check_tags(const char *json, struct err *err)
{
    cJSON *tree = NULL;
    int rc = 0;
    if (flat_object(json, "/tags", TAGS_MAX, &tree, err) != 0) {
        return -1;
    }
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, tree)
    {
        if (rc == 0 && (name_check_text(item->string, 128, "/tags", err) != 0 ||
                        (item->valuestring[0] != '\0' && name_check_text(item->valuestring, 256, "/tags", err) != 0))) {
            rc = -1;
        }
    }
    cJSON_Delete(tree);
    return rc;
}

static bool reserved_name(const char *name)
{
    static const char *const NAMES[] = {"_HANDLER",
                                        "_X_AMZN_TRACE_ID",
                                        "AWS_DEFAULT_REGION",
                                        "AWS_REGION",
                                        "AWS_EXECUTION_ENV",
                                        "AWS_LAMBDA_FUNCTION_NAME",
                                        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                                        "AWS_LAMBDA_FUNCTION_VERSION",
                                        "AWS_LAMBDA_INITIALIZATION_TYPE",
                                        "AWS_LAMBDA_LOG_GROUP_NAME",
                                        "AWS_LAMBDA_LOG_STREAM_NAME",
                                        "AWS_ACCESS_KEY",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_LAMBDA_RUNTIME_API",
                                        "LAMBDA_TASK_ROOT",
                                        "LAMBDA_RUNTIME_DIR"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int check_variable(const cJSON *item, struct err *err)
{
    const char *name = item->string;
    size_t length = strlen(name);
    if (length == 0 || (name[0] >= '0' && name[0] <= '9') ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != length) {
        return err_field(err, "/environment", "'%.60s' is not a name for a variable", name);
    }
    if (reserved_name(name)) {
        (void)err_field(err, "/environment",
                        "Lambda was unable to configure your environment variables because the environment variables "
                        "you have provided "
                        "contains reserved keys that are currently not supported for modification. Reserved keys used "
                        "in this request: %s",
                        name);
        return err_slug(err, "reserved_variable");
    }
    return 0;
}

static int check_environment(const char *json, struct err *err)
{
    cJSON *tree = NULL;
    size_t bytes = 0;
    int rc = 0;
    if (flat_object(json, "/environment", 256, &tree, err) != 0) {
        return -1;
    }
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, tree)
    {
        bytes += strlen(item->string) + strlen(item->valuestring);
        if (rc == 0) {
            rc = check_variable(item, err);
        }
    }
    cJSON_Delete(tree);
    if (rc == 0 && bytes > FUNCTION_ENVIRONMENT_BYTES_MAX) {
        rc = err_field(err, "/environment", "the variables have %zu bytes; at most %d are allowed", bytes,
                       FUNCTION_ENVIRONMENT_BYTES_MAX);
    }
    return rc;
}

static void environment_aad(int64_t account_id, int64_t function_id, char text[64])
{
    (void)snprintf(text, 64, "function %lld/%lld", (long long)account_id, (long long)function_id);
}

static int seal(int64_t account_id, int64_t function_id, const char *json, struct buf *sealed, struct err *err)
{
    char aad[64];
    if (strcmp(json, "{}") == 0) {
        return 0;
    }
    if (!store_key_known) {
        return err_set(err, ERR_SYSTEM, "the node key is not loaded: variables cannot be stored");
    }
    environment_aad(account_id, function_id, aad);
    return node_key_seal(store_key, aad, json, strlen(json), sealed, err);
}

/* ---- settings ---- */

struct writing {
    const struct function_change *change;
    struct function function; /* as it will be */
    const char *name;
    bool fresh;
    int64_t unzipped_bytes; /* of change->zip */
};

static int copy_text(char *target, size_t room, const char *text, const char *field, struct err *err)
{
    if (text != NULL && text_copy(target, room, text) != 0) {
        return err_field(err, field, "%s is longer than %zu bytes", field + 1, room - 1);
    }
    return 0;
}

static int apply(struct writing *writing, struct err *err)
{
    struct function *function = &writing->function;
    const struct function_change *change = writing->change;
    if (copy_text(function->runtime, sizeof function->runtime, change->runtime, "/runtime", err) != 0 ||
        copy_text(function->handler, sizeof function->handler, change->handler, "/handler", err) != 0 ||
        copy_text(function->description, sizeof function->description, change->description, "/description", err) != 0 ||
        copy_text(function->role, sizeof function->role, change->role, "/role", err) != 0) {
        return -1;
    }
    function->memory_mib = change->memory_mib >= 0 ? change->memory_mib : function->memory_mib;
    function->timeout_s = change->timeout_s >= 0 ? change->timeout_s : function->timeout_s;
    function->ephemeral_mib = change->ephemeral_mib >= 0 ? change->ephemeral_mib : function->ephemeral_mib;
    if (change->arch >= 0) {
        function->arch = (enum function_arch)change->arch;
    }
    if (change->network >= 0) {
        function->network = (enum function_network)change->network;
    }
    if (change->zip != NULL) {
        if (code_measure(change->zip, change->zip_length, &writing->unzipped_bytes, err) != 0) {
            return -1;
        }
        sha256(change->zip, change->zip_length, function->code_sha256);
        function->code_bytes = (int64_t)change->zip_length;
    }
    if ((change->tags_json != NULL && check_tags(change->tags_json, err) != 0) ||
        (change->environment_json != NULL && check_environment(change->environment_json, err) != 0)) {
        return -1;
    }
    return function_check(function, err);
}

/* ---- limits of the account ---- */

static int read_functions(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "functions");
    return 0;
}

int function_row_limit(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t wanted, const char *field,
                       struct err *err)
{
    struct quota_status status;
    if (quota_get(pg, account_id, kind, &status, err) != 0) {
        return -1;
    }
    if (status.quota.set && status.quota.action == QUOTA_BLOCK && wanted > status.quota.limit_units) {
        (void)err_field(err, field, "quota %s is %s; this needs %lld", quota_name(kind), status.quota.limit_text,
                        (long long)wanted);
        if (err != NULL) {
            err->code = ERR_LIMIT;
        }
        return err_slug(err, "quota_exceeded");
    }
    return 0;
}

static int check_limits(struct pg *pg, const struct writing *writing, struct err *err)
{
    const struct function *function = &writing->function;
    const struct function_change *change = writing->change;
    int64_t functions = 0;
    const struct pg_param params[] = {PG_P_I64(function->account_id), PG_P_END};
    if (pg_run(pg, &FUNCTION_USE, params, read_functions, &functions, NULL, err) != 0 ||
        function_row_limit(pg, function->account_id, QUOTA_MEMORY_MB, function->memory_mib, "/memory_mb", err) != 0 ||
        (writing->fresh &&
         function_row_limit(pg, function->account_id, QUOTA_FUNCTIONS, functions + 1, "/name", err) != 0)) {
        return -1;
    }
    return change->zip == NULL
               ? 0
               : code_store_room(pg, function->account_id, function->code_sha256, change->zip_length, err);
}

/* The limit for what a package holds is one for the function and its layers together. */
static int check_unzipped(struct pg *pg, const struct writing *writing, struct err *err)
{
    const struct function *function = &writing->function;
    int64_t total = writing->unzipped_bytes;
    if (function->layer_count == 0 || (writing->change->zip == NULL && !writing->change->relayer)) {
        return 0;
    }
    if (writing->change->zip == NULL &&
        code_store_unzipped(pg, function->account_id, function->code_sha256, &total, err) != 0) {
        return -1;
    }
    for (int i = 0; i < function->layer_count; i++) {
        total += function->layers[i].unzipped_bytes;
    }
    if (total > FUNCTION_UNZIPPED_BYTES_MAX) {
        (void)err_field(err, "/layers",
                        "Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual "
                        "size is %lld bytes.",
                        FUNCTION_UNZIPPED_BYTES_MAX, (long long)total);
        return err_slug(err, "code_too_large");
    }
    return 0;
}

/* ---- create, update ---- */

/* Tags and reserved concurrency belong to the function, not to a version: they make no new revision of $LATEST, and its
 * instances go on. */
static bool of_version(const struct function_change *change)
{
    bool elsewhere = change->tags_json != NULL || change->reserve;
    return !elsewhere || change->relayer || change->runtime != NULL || change->handler != NULL ||
           change->description != NULL || change->role != NULL || change->environment_json != NULL ||
           change->zip != NULL || change->memory_mib >= 0 || change->timeout_s >= 0 || change->ephemeral_mib >= 0 ||
           change->arch >= 0 || change->network >= 0;
}

static int read_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "function_id");
    return 0;
}

int function_find_id(struct pg *pg, int64_t account_id, const char *name, int64_t *function_id, struct err *err)
{
    *function_id = 0;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_END};
    if (pg_run(pg, &FUNCTION_FIND, params, read_id, function_id, NULL, err) != 0) {
        return -1;
    }
    if (*function_id == 0) {
        return err_set(err, ERR_NOT_FOUND, "function %s does not exist", name);
    }
    return 0;
}

static int put_version(struct pg *pg, const struct writing *writing, struct err *err)
{
    const struct function *f = &writing->function;
    const struct function_change *change = writing->change;
    struct buf sealed = {0};
    struct buf layers = {0};
    if (change->environment_json != NULL &&
        seal(f->account_id, f->function_id, change->environment_json, &sealed, err) != 0) {
        buf_free(&sealed);
        return -1;
    }
    layer_row_write(f, &layers);
    const struct pg_param params[] = {
        PG_P_I64(f->account_id),
        PG_P_I64(f->function_id),
        PG_P_TEXT(f->runtime),
        PG_P_TEXT(f->handler),
        PG_P_I64(f->arch),
        PG_P_I64(f->memory_mib),
        PG_P_I64(f->timeout_s),
        PG_P_I64(f->ephemeral_mib),
        PG_P_TEXT(f->description),
        PG_P_TEXT(f->role),
        sealed.length > 0 ? PG_P_BYTES(sealed.data, sealed.length) : PG_P_NULL(PG_T_BYTES),
        PG_P_TEXT(f->network == NETWORK_HOST ? "host" : "none"),
        PG_P_BYTES(f->code_sha256, SHA256_BYTES),
        PG_P_I64(f->code_bytes),
        PG_P_TEXT(buf_text(&layers)),
        writing->fresh ? PG_P_END : PG_P_BOOL(change->environment_json != NULL),
        PG_P_END,
    };
    int rc = pg_run(pg, writing->fresh ? &VERSION_INSERT : &LATEST_UPDATE, params, NULL, NULL, NULL, err);
    buf_free(&sealed);
    buf_free(&layers);
    return rc;
}

static int put_code(struct pg *pg, const struct writing *writing, struct err *err)
{
    const struct function_change *change = writing->change;
    return change->zip == NULL ? 0
                               : code_store_put(pg, writing->function.account_id, writing->function.code_sha256,
                                                change->zip, change->zip_length, writing->unzipped_bytes, err);
}

/* What must not change meanwhile: the account's reservations, and its packages. */
static int lock_account(struct pg *pg, int64_t account_id, const struct function_change *change, struct err *err)
{
    if (change->reserve && function_row_account_lock(pg, account_id, err) != 0) {
        return -1;
    }
    return change->zip != NULL || change->relayer ? code_store_lock(pg, account_id, err) : 0;
}

static int create_body(struct pg *pg, void *ctx, struct err *err)
{
    struct writing *writing = ctx;
    struct function *f = &writing->function;
    const struct function_change *change = writing->change;
    const struct pg_param params[] = {PG_P_I64(f->account_id), PG_P_TEXT(f->name),
                                      PG_P_TEXT(change->tags_json != NULL ? change->tags_json : "{}"), PG_P_END};
    if (lock_account(pg, f->account_id, change, err) != 0 || layer_row_attach(pg, change, f, err) != 0 ||
        check_limits(pg, writing, err) != 0 || check_unzipped(pg, writing, err) != 0 ||
        put_code(pg, writing, err) != 0) {
        return -1;
    }
    int64_t rows = 0;
    if (pg_run(pg, &FUNCTION_INSERT, params, read_id, &f->function_id, &rows, err) != 0) {
        return -1;
    }
    if (rows == 0) {
        (void)err_field(err, "/name", "function %s exists already", f->name);
        if (err != NULL) {
            err->code = ERR_CONFLICT;
        }
        return -1;
    }
    if (put_version(pg, writing, err) != 0 ||
        (change->reserve && function_row_reserve(pg, f->account_id, f->function_id, change->reserved, err) != 0)) {
        return -1;
    }
    return function_row_get(pg, f->account_id, f->name, FUNCTION_VERSION_LATEST, f, err);
}

int function_create(struct pg *pg, int64_t account_id, const char *name, const struct function_change *change,
                    struct function *function, struct err *err)
{
    struct writing writing = {.change = change, .fresh = true};
    struct function *f = &writing.function;
    *f = (struct function){.account_id = account_id,
                           .runtime = "provided",
                           .handler = "",
                           .memory_mib = FUNCTION_MEMORY_MIB_MIN,
                           .timeout_s = 3,
                           .ephemeral_mib = FUNCTION_EPHEMERAL_MIB_MIN,
                           .reserved_concurrency = -1};
    if (name_check_function(name, "/name", err) != 0) {
        return -1;
    }
    (void)snprintf(f->name, sizeof f->name, "%s", name);
    if (change->zip == NULL) {
        return err_field(err, "/code", "a function needs a package");
    }
    if (apply(&writing, err) != 0 || pg_tx_at(pg, PG_READ_COMMITTED, create_body, &writing, err) != 0) {
        return -1;
    }
    *function = *f;
    return 0;
}

int function_row_revision(const struct function *function, const char *expected, struct err *err)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(&function->revision, text);
    if (expected != NULL && strcmp(expected, text) != 0) {
        (void)err_set(err, ERR_CONFLICT,
                      "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias "
                      "API to retrieve the "
                      "latest Revision Id");
        return err_slug(err, "precondition_failed");
    }
    return 0;
}

static int update_body(struct pg *pg, void *ctx, struct err *err)
{
    struct writing *writing = ctx;
    struct function *f = &writing->function;
    const struct function_change *change = writing->change;
    int64_t account_id = f->account_id;
    if (lock_account(pg, account_id, change, err) != 0 ||
        function_row_lock(pg, account_id, writing->name, f, err) != 0 ||
        function_row_revision(f, change->expected_revision, err) != 0 || apply(writing, err) != 0 ||
        layer_row_attach(pg, change, f, err) != 0 || check_limits(pg, writing, err) != 0 ||
        check_unzipped(pg, writing, err) != 0) {
        return -1;
    }
    if (change->dry_run) {
        return 0;
    }
    if (put_code(pg, writing, err) != 0 || (of_version(change) && put_version(pg, writing, err) != 0) ||
        (change->reserve && function_row_reserve(pg, account_id, f->function_id, change->reserved, err) != 0)) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(f->function_id), PG_P_TEXT(change->tags_json),
                                      PG_P_END};
    if ((change->tags_json != NULL && pg_run(pg, &FUNCTION_TAGS_SET, params, NULL, NULL, NULL, err) != 0) ||
        ((change->zip != NULL || change->relayer) && code_store_sweep(pg, account_id, err) != 0)) {
        return -1;
    }
    return function_row_get(pg, account_id, writing->name, FUNCTION_VERSION_LATEST, f, err);
}

int function_update(struct pg *pg, int64_t account_id, const char *name, const struct function_change *change,
                    struct function *function, struct err *err)
{
    struct writing writing = {.change = change, .name = name};
    writing.function.account_id = account_id;
    if (pg_tx_at(pg, PG_READ_COMMITTED, update_body, &writing, err) != 0) {
        return -1;
    }
    *function = writing.function;
    return 0;
}

/* ---- delete ---- */

struct deleting {
    int64_t account_id;
    const char *name;
    int version; /* -1: all */
};

static int read_aliases(const struct pg_row *row, void *ctx, struct err *err)
{
    struct err *in_use = ctx;
    (void)err;
    (void)err_set(in_use, ERR_CONFLICT, "Unable to delete version because the following aliases reference it: [%s]",
                  pg_get_text(row, "names"));
    return 0;
}

static int delete_body(struct pg *pg, void *ctx, struct err *err)
{
    const struct deleting *deleting = ctx;
    struct function found;
    if (code_store_lock(pg, deleting->account_id, err) != 0 ||
        function_row_lock(pg, deleting->account_id, deleting->name, &found, err) != 0) {
        return -1;
    }
    if (deleting->version >= 0 &&
        function_row_get(pg, deleting->account_id, deleting->name, deleting->version, &found, err) != 0) {
        return -1;
    }
    const struct pg_param both[] = {PG_P_I64(deleting->account_id), PG_P_I64(found.function_id), PG_P_END};
    const struct pg_param versions[] = {PG_P_I64(deleting->account_id), PG_P_I64(found.function_id),
                                        PG_P_I64(deleting->version), PG_P_END};
    struct err in_use = {0};
    if (deleting->version >= 0 && pg_run(pg, &ALIASES_OF, versions, read_aliases, &in_use, NULL, err) != 0) {
        return -1;
    }
    if (in_use.code != ERR_NONE) {
        return err_set(err, in_use.code, "%s", in_use.text);
    }
    if ((deleting->version < 0 && (pg_run(pg, &ALIASES_DROP, both, NULL, NULL, NULL, err) != 0 ||
                                   pg_run(pg, &FUNCTION_BURY, both, NULL, NULL, NULL, err) != 0)) ||
        pg_run(pg, &VERSIONS_DROP, versions, NULL, NULL, NULL, err) != 0) {
        return err_wrap(err, "delete function %s", deleting->name);
    }
    return code_store_sweep(pg, deleting->account_id, err);
}

int function_delete(struct pg *pg, int64_t account_id, const char *name, const char *qualifier, struct err *err)
{
    struct deleting deleting = {.account_id = account_id, .name = name, .version = -1};
    int64_t number = 0;
    if (qualifier != NULL && qualifier[0] != '\0') {
        if (strcmp(qualifier, "$LATEST") == 0) {
            return err_field(err, "qualifier", "$LATEST version cannot be deleted without deleting the function.");
        }
        if (text_i64(qualifier, "qualifier", 1, INT32_MAX, &number, err) != 0) {
            return -1;
        }
        deleting.version = (int)number;
    }
    return pg_tx_at(pg, PG_READ_COMMITTED, delete_body, &deleting, err);
}

/* ---- single things ---- */

struct text_ctx {
    struct buf *out;
    const char *column;
    bool found;
};

static int read_text(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    struct text_ctx *text = ctx;
    buf_puts(text->out, pg_get_text_or(row, text->column, ""));
    text->found = true;
    return 0;
}

static int read_bytes(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    struct text_ctx *text = ctx;
    size_t length = 0;
    text->found = true;
    if (!pg_is_null(row, text->column)) {
        const void *bytes = pg_get_bytes(row, text->column, &length);
        buf_append(text->out, bytes, length);
    }
    return 0;
}

int function_tags_get(struct pg *pg, int64_t account_id, const char *name, struct buf *tags_json, struct err *err)
{
    struct text_ctx ctx = {.out = tags_json, .column = "tags"};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_END};
    if (pg_run(pg, &TAGS_GET, params, read_text, &ctx, NULL, err) != 0) {
        return -1;
    }
    return ctx.found ? 0 : err_set(err, ERR_NOT_FOUND, "function %s does not exist", name);
}

int function_environment_get(struct pg *pg, int64_t account_id, const char *name, int version, struct buf *json,
                             struct err *err)
{
    struct buf sealed = {0};
    struct text_ctx ctx = {.out = &sealed, .column = "environment"};
    char aad[64];
    int64_t function_id = 0;
    int rc = -1;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_I64(version), PG_P_END};
    if (function_find_id(pg, account_id, name, &function_id, err) != 0 ||
        pg_run(pg, &ENVIRONMENT_GET, params, read_bytes, &ctx, NULL, err) != 0) {
        goto out;
    }
    if (!ctx.found) {
        (void)err_set(err, ERR_NOT_FOUND, "function %s has no version %d", name, version);
        goto out;
    }
    if (sealed.length == 0) {
        buf_puts(json, "{}");
        rc = 0;
        goto out;
    }
    if (!store_key_known) {
        (void)err_set(err, ERR_SYSTEM, "the node key is not loaded: variables cannot be read");
        goto out;
    }
    environment_aad(account_id, function_id, aad);
    rc = node_key_open(store_key, aad, sealed.data, sealed.length, json, err);
out:
    buf_free(&sealed);
    return rc;
}
