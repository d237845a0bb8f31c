/* alias_store.c - names for versions, optionally split over two (table function_alias). */
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/function_row.h"
#include "schema/pg.h"

#define COLUMNS                                                                                                        \
    "a.name, a.version::int8 AS version, a.second_version::int8 AS second_version, a.second_weight_ppm::int8 AS "      \
    "second_weight_ppm, "                                                                                              \
    "a.description, a.revision "
#define FROM                                                                                                           \
    "FROM function f JOIN function_alias a ON a.account_id = f.account_id AND a.function_id = f.function_id "          \
    "WHERE f.account_id = $1::int8 AND f.name = $2::text AND f.deleted_at IS NULL "

static const struct pg_stmt GET = {
    .name = "alias.get",
    .sql = "SELECT " COLUMNS FROM "AND a.name = $3::text",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt LIST = {
    .name = "alias.list",
    .sql = "SELECT " COLUMNS FROM "ORDER BY a.name COLLATE \"C\"",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt INSERT = {
    .name = "alias.insert",
    .sql = "INSERT INTO function_alias (account_id, function_id, name, version, second_version, second_weight_ppm, "
           "description) "
           "VALUES ($1::int8, $2::int8, $3::text, $4::int4, nullif($5::int4, -1), nullif($6::int4, -1), $7::text)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt UPDATE = {
    .name = "alias.update",
    .sql = "UPDATE function_alias SET version = $4::int4, second_version = nullif($5::int4, -1), "
           "second_weight_ppm = nullif($6::int4, -1), description = $7::text, revision = gen_random_uuid() "
           "WHERE account_id = $1::int8 AND function_id = $2::int8 AND name = $3::text",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt DELETE = {
    .name = "alias.delete",
    .sql = "DELETE FROM function_alias WHERE account_id = $1::int8 AND function_id = $2::int8 AND name = $3::text",
    .expect = PG_NO_ROWS,
};

static void to_alias(const struct pg_row *row, struct function_alias *alias)
{
    size_t length = 0;
    *alias = (struct function_alias){
        .version = (int)pg_get_i64(row, "version"),
        .second_version = (int)pg_get_i64_or(row, "second_version", -1),
        .second_weight_ppm = (int)pg_get_i64_or(row, "second_weight_ppm", 0),
    };
    (void)text_copy(alias->name, sizeof alias->name, pg_get_text(row, "name"));
    (void)text_copy(alias->description, sizeof alias->description, pg_get_text(row, "description"));
    memcpy(alias->revision.bytes, pg_get_bytes(row, "revision", &length), sizeof alias->revision.bytes);
}

struct one {
    struct function_alias alias;
    bool found;
};

static int read_one(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    struct one *one = ctx;
    one->found = true;
    to_alias(row, &one->alias);
    return 0;
}

int alias_get(struct pg *pg, int64_t account_id, const char *function, const char *name, struct function_alias *alias,
              struct err *err)
{
    struct one one = {.found = false};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(function), PG_P_TEXT(name), PG_P_END};
    if (pg_run(pg, &GET, params, read_one, &one, NULL, err) != 0) {
        return -1;
    }
    if (!one.found) {
        (void)err_set(err, ERR_NOT_FOUND, "function %s has no alias %s", function, name);
        return err_slug(err, "alias_not_found");
    }
    *alias = one.alias;
    return 0;
}

static int check_alias(const struct function_alias *alias, struct err *err)
{
    size_t length = strlen(alias->name);
    if (length == 0 || strspn(alias->name, "0123456789") == length ||
        strspn(alias->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != length) {
        return err_field(err, "/name", "'%s' is not a name for an alias: letters, digits, - and _, not only digits",
                         alias->name);
    }
    if (alias->second_version >= 0 && (alias->second_weight_ppm < 0 || alias->second_weight_ppm > 1000000)) {
        return err_field(err, "/weight", "the weight is not between 0 and 1");
    }
    if (alias->second_version == 0 || (alias->second_version > 0 && alias->version == 0)) {
        return err_field(err, "/version", "$LATEST is not supported for an alias pointing to more than 1 version");
    }
    return 0;
}

struct putting {
    int64_t account_id;
    const char *function, *expected_revision;
    const struct function_alias *alias;
    bool create;
    struct function_alias stored;
};

static int check_before(struct pg *pg, const struct putting *putting, struct err *err)
{
    struct function_alias before;
    char revision[UUID_TEXT_BYTES];
    if (putting->create) {
        return 0;
    }
    if (alias_get(pg, putting->account_id, putting->function, putting->alias->name, &before, err) != 0) {
        return -1;
    }
    uuid_format(&before.revision, revision);
    if (putting->expected_revision != NULL && strcmp(putting->expected_revision, revision) != 0) {
        (void)err_set(err, ERR_CONFLICT,
                      "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias "
                      "API to retrieve the "
                      "latest Revision Id");
        return err_slug(err, "precondition_failed");
    }
    return 0;
}

static int put_body(struct pg *pg, void *ctx, struct err *err)
{
    struct putting *putting = ctx;
    const struct function_alias *alias = putting->alias;
    struct function function;
    struct function version;
    if (function_row_lock(pg, putting->account_id, putting->function, &function, err) != 0 ||
        function_row_get(pg, putting->account_id, putting->function, alias->version, &version, err) != 0 ||
        (alias->second_version >= 0 &&
         function_row_get(pg, putting->account_id, putting->function, alias->second_version, &version, err) != 0) ||
        check_before(pg, putting, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {
        PG_P_I64(putting->account_id),   PG_P_I64(function.function_id),
        PG_P_TEXT(alias->name),          PG_P_I64(alias->version),
        PG_P_I64(alias->second_version), PG_P_I64(alias->second_version >= 0 ? alias->second_weight_ppm : -1),
        PG_P_TEXT(alias->description),   PG_P_END};
    if (pg_run(pg, putting->create ? &INSERT : &UPDATE, params, NULL, NULL, NULL, err) != 0) {
        return err_wrap(err, "alias %s of %s", alias->name, putting->function);
    }
    return alias_get(pg, putting->account_id, putting->function, alias->name, &putting->stored, err);
}

int alias_put(struct pg *pg, int64_t account_id, const char *function, const struct function_alias *alias, bool create,
              const char *expected_revision, struct function_alias *stored, struct err *err)
{
    struct putting putting = {.account_id = account_id,
                              .function = function,
                              .expected_revision = expected_revision,
                              .alias = alias,
                              .create = create};
    if (check_alias(alias, err) != 0 || pg_tx_at(pg, PG_READ_COMMITTED, put_body, &putting, err) != 0) {
        return -1;
    }
    *stored = putting.stored;
    return 0;
}

int alias_delete(struct pg *pg, int64_t account_id, const char *function, const char *name, struct err *err)
{
    int64_t function_id = 0;
    int64_t affected = 0;
    if (function_find_id(pg, account_id, function, &function_id, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_TEXT(name), PG_P_END};
    if (pg_run(pg, &DELETE, params, NULL, NULL, &affected, err) != 0) {
        return -1;
    }
    return affected == 1 ? 0 : err_set(err, ERR_NOT_FOUND, "function %s has no alias %s", function, name);
}

struct listing {
    alias_row_fn *on_row;
    void *ctx;
};

static int read_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;
    struct function_alias alias;
    to_alias(row, &alias);
    return listing->on_row(&alias, listing->ctx, err);
}

int alias_list(struct pg *pg, int64_t account_id, const char *function, alias_row_fn *on_row, void *ctx,
               struct err *err)
{
    struct listing listing = {.on_row = on_row, .ctx = ctx};
    int64_t function_id = 0;
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(function), PG_P_END};
    if (function_find_id(pg, account_id, function, &function_id, err) != 0) {
        return -1;
    }
    return pg_run(pg, &LIST, params, read_listed, &listing, NULL, err);
}
