/* layer_store.c - layers and their versions (tables layer, layer_version; packages: code_store.c). */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/code_store.h"
#include "engine/layer.h"
#include "engine/layer_row.h"
#include "schema/pg.h"

#define COLUMNS                                                                                                        \
    "account_id, name, version::int8 AS version, description, license, runtimes::text AS runtimes, "                   \
    "architectures::text AS architectures, code_sha256, code_bytes, unzipped_bytes, created_at "
#define FITS                                                                                                           \
    "($3::text IS NULL OR runtimes @> jsonb_build_array($3::text)) "                                                   \
    "AND ($4::text IS NULL OR architectures @> jsonb_build_array($4::text)) "

static const struct pg_stmt NUMBER = {
    .name = "layer.number",
    .sql = "INSERT INTO layer (account_id, name, next_version) VALUES ($1::int8, $2::text, 2) ON CONFLICT (account_id, "
           "name) "
           "DO UPDATE SET next_version = layer.next_version + 1 RETURNING (next_version - 1)::int8 AS version",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt INSERT = {
    .name = "layer.insert",
    .sql = "INSERT INTO layer_version (account_id, name, version, description, license, runtimes, architectures, "
           "code_sha256, code_bytes, unzipped_bytes) VALUES ($1::int8, $2::text, $3::int4, $4::text, $5::text, "
           "$6::jsonb, $7::jsonb, $8::bytea, $9::int8, $10::int8)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt GET = {
    .name = "layer.get",
    .sql = "SELECT " COLUMNS "FROM layer_version WHERE account_id = $1::int8 AND name = $2::text "
           "AND ($3::int4 = 0 OR version = $3::int4) ORDER BY version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt HOLD = {
    .name = "layer.hold",
    .sql = "SELECT " COLUMNS "FROM layer_version WHERE account_id = $1::int8 AND name = $2::text "
           "AND ($3::int4 = 0 OR version = $3::int4) ORDER BY version DESC LIMIT 1 FOR SHARE",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt LIST = {
    .name = "layer.list",
    .sql = "SELECT DISTINCT ON (name COLLATE \"C\") " COLUMNS "FROM layer_version WHERE account_id = $1::int8 "
           "AND name COLLATE \"C\" > $2::text COLLATE \"C\" AND " FITS
           "ORDER BY name COLLATE \"C\", layer_version.version DESC LIMIT $5::int8",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt LIST_VERSIONS = {
    .name = "layer.list_versions",
    .sql = "SELECT " COLUMNS "FROM layer_version WHERE account_id = $1::int8 AND name = $2::text AND " FITS
           "AND version < $5::int4 ORDER BY layer_version.version DESC LIMIT $6::int8",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt REMOVE = {
    .name = "layer.remove",
    .sql = "DELETE FROM layer_version WHERE account_id = $1::int8 AND name = $2::text AND version = $3::int4",
    .expect = PG_NO_ROWS,
};

/* ---- names ---- */

int layer_name_check(const char *name, const char *field, struct err *err)
{
    size_t length = strlen(name);
    if (length == 0 || length >= LAYER_NAME_BYTES ||
        strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != length) {
        return err_field(err, field, "'%.80s' is not a name for a layer: 1 to %d letters, digits, '-' and '_'", name,
                         LAYER_NAME_BYTES - 1);
    }
    return 0;
}

int layer_word_read(const char *word, const char *field, struct function_layer *layer, struct err *err)
{
    size_t length = strcspn(word, ":");
    int64_t version = 0;
    *layer = (struct function_layer){.version = 0};
    if (length >= sizeof layer->name) {
        return layer_name_check(word, field, err);
    }
    memcpy(layer->name, word, length);
    if (layer_name_check(layer->name, field, err) != 0 ||
        (word[length] == ':' && text_i64(word + length + 1, field, 1, INT32_MAX, &version, err) != 0)) {
        return -1;
    }
    layer->version = (int)version;
    return 0;
}

/* ---- reading ---- */

static void to_version(const struct pg_row *row, struct layer_version *version)
{
    size_t length = 0;
    *version = (struct layer_version){
        .account_id = pg_get_i64(row, "account_id"),
        .version = (int)pg_get_i64(row, "version"),
        .bytes = pg_get_i64(row, "code_bytes"),
        .unzipped_bytes = pg_get_i64(row, "unzipped_bytes"),
        .created_us = pg_get_time(row, "created_at"),
    };
    (void)text_copy(version->name, sizeof version->name, pg_get_text(row, "name"));
    (void)text_copy(version->description, sizeof version->description, pg_get_text(row, "description"));
    (void)text_copy(version->license, sizeof version->license, pg_get_text(row, "license"));
    (void)text_copy(version->runtimes_json, sizeof version->runtimes_json, pg_get_text(row, "runtimes"));
    (void)text_copy(version->architectures_json, sizeof version->architectures_json, pg_get_text(row, "architectures"));
    const void *digest = pg_get_bytes(row, "code_sha256", &length);
    memcpy(version->sha256, digest, length < SHA256_BYTES ? length : SHA256_BYTES);
}

struct one {
    struct layer_version version;
    bool found;
};

static int read_one(const struct pg_row *row, void *ctx, struct err *err)
{
    struct one *one = ctx;
    (void)err;
    one->found = true;
    to_version(row, &one->version);
    return 0;
}

static int find(struct pg *pg, const struct pg_stmt *statement, int64_t account_id, const char *name, int number,
                struct one *one, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_I64(number), PG_P_END};
    return pg_run(pg, statement, params, read_one, one, NULL, err);
}

int layer_get(struct pg *pg, int64_t account_id, const char *name, int number, struct layer_version *version,
              struct err *err)
{
    struct one one = {.found = false};
    if (find(pg, &GET, account_id, name, number, &one, err) != 0) {
        return -1;
    }
    if (!one.found) {
        return number == 0 ? err_set(err, ERR_NOT_FOUND, "layer %s does not exist", name)
                           : err_set(err, ERR_NOT_FOUND, "layer %s has no version %d", name, number);
    }
    *version = one.version;
    return 0;
}

struct listing {
    layer_version_fn *on_row;
    void *ctx;
};

static int read_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;
    struct layer_version version;
    to_version(row, &version);
    return listing->on_row(&version, listing->ctx, err);
}

int layer_list(struct pg *pg, int64_t account_id, const struct layer_filter *filter, const char *after_name, int limit,
               layer_version_fn *on_row, void *ctx, struct err *err)
{
    struct listing listing = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TEXT(after_name != NULL ? after_name : ""),
                                      PG_P_TEXT(filter->runtime),
                                      PG_P_TEXT(filter->architecture),
                                      PG_P_I64(limit),
                                      PG_P_END};
    return pg_run(pg, &LIST, params, read_listed, &listing, NULL, err);
}

int layer_list_versions(struct pg *pg, int64_t account_id, const char *name, const struct layer_filter *filter,
                        int before, int limit, layer_version_fn *on_row, void *ctx, struct err *err)
{
    struct listing listing = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TEXT(name),
                                      PG_P_TEXT(filter->runtime),
                                      PG_P_TEXT(filter->architecture),
                                      PG_P_I64(before),
                                      PG_P_I64(limit),
                                      PG_P_END};
    return pg_run(pg, &LIST_VERSIONS, params, read_listed, &listing, NULL, err);
}

/* ---- publish ---- */

struct publishing {
    int64_t account_id;
    const char *name;
    const struct layer_change *change;
    uint8_t digest[SHA256_BYTES];
    int64_t unzipped_bytes;
    struct layer_version version;
};

static int read_number(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "version");
    return 0;
}

static int publish_body(struct pg *pg, void *ctx, struct err *err)
{
    struct publishing *self = ctx;
    const struct layer_change *change = self->change;
    int64_t number = 0;
    const struct pg_param named[] = {PG_P_I64(self->account_id), PG_P_TEXT(self->name), PG_P_END};
    if (code_store_lock(pg, self->account_id, err) != 0 ||
        code_store_room(pg, self->account_id, self->digest, change->zip_length, err) != 0 ||
        code_store_put(pg, self->account_id, self->digest, change->zip, change->zip_length, self->unzipped_bytes,
                       err) != 0 ||
        pg_run(pg, &NUMBER, named, read_number, &number, NULL, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(self->account_id),
                                      PG_P_TEXT(self->name),
                                      PG_P_I64(number),
                                      PG_P_TEXT(change->description != NULL ? change->description : ""),
                                      PG_P_TEXT(change->license != NULL ? change->license : ""),
                                      PG_P_TEXT(change->runtimes_json != NULL ? change->runtimes_json : "[]"),
                                      PG_P_TEXT(change->architectures_json != NULL ? change->architectures_json : "[]"),
                                      PG_P_BYTES(self->digest, SHA256_BYTES),
                                      PG_P_I64(change->zip_length),
                                      PG_P_I64(self->unzipped_bytes),
                                      PG_P_END};
    if (pg_run(pg, &INSERT, params, NULL, NULL, NULL, err) != 0) {
        return err_wrap(err, "publish layer %s", self->name);
    }
    return layer_get(pg, self->account_id, self->name, (int)number, &self->version, err);
}

static int check_text(const char *text, size_t room, const char *field, struct err *err)
{
    if (text != NULL && strlen(text) >= room) {
        return err_field(err, field, "%s is longer than %zu bytes", field + 1, room - 1);
    }
    if (text != NULL && !text_utf8(text, strlen(text))) {
        return err_field(err, field, "%s is not valid UTF-8", field + 1);
    }
    return 0;
}

int layer_publish(struct pg *pg, int64_t account_id, const char *name, const struct layer_change *change,
                  struct layer_version *version, struct err *err)
{
    struct publishing self = {.account_id = account_id, .name = name, .change = change};
    if (layer_name_check(name, "/name", err) != 0 ||
        check_text(change->description, sizeof self.version.description, "/description", err) != 0 ||
        check_text(change->license, sizeof self.version.license, "/license", err) != 0 ||
        check_text(change->runtimes_json, sizeof self.version.runtimes_json, "/runtimes", err) != 0 ||
        check_text(change->architectures_json, sizeof self.version.architectures_json, "/architectures", err) != 0) {
        return -1;
    }
    if (change->zip == NULL || change->zip_length == 0) {
        return err_field(err, "/code", "a layer needs a package");
    }
    if (code_measure(change->zip, change->zip_length, &self.unzipped_bytes, err) != 0) {
        return -1;
    }
    sha256(change->zip, change->zip_length, self.digest);
    if (pg_tx_at(pg, PG_READ_COMMITTED, publish_body, &self, err) != 0) {
        return -1;
    }
    *version = self.version;
    return 0;
}

/* ---- delete ---- */

struct deleting {
    int64_t account_id;
    const char *name;
    int number;
};

static int delete_body(struct pg *pg, void *ctx, struct err *err)
{
    const struct deleting *self = ctx;
    int64_t gone = 0;
    const struct pg_param params[] = {PG_P_I64(self->account_id), PG_P_TEXT(self->name), PG_P_I64(self->number),
                                      PG_P_END};
    if (code_store_lock(pg, self->account_id, err) != 0 || pg_run(pg, &REMOVE, params, NULL, NULL, &gone, err) != 0) {
        return -1;
    }
    if (gone == 0) {
        return err_set(err, ERR_NOT_FOUND, "layer %s has no version %d", self->name, self->number);
    }
    return code_store_sweep(pg, self->account_id, err);
}

int layer_delete(struct pg *pg, int64_t account_id, const char *name, int number, struct err *err)
{
    struct deleting self = {.account_id = account_id, .name = name, .number = number};
    return pg_tx_at(pg, PG_READ_COMMITTED, delete_body, &self, err);
}

/* ---- layers of a function ---- */

static int attach_one(struct pg *pg, const struct function_change *change, int at, struct function *function,
                      struct err *err)
{
    const struct function_layer *wanted = &change->layers[at];
    const char *prefix = change->layer_prefix != NULL ? change->layer_prefix : "";
    struct one one = {.found = false};
    if (find(pg, &HOLD, function->account_id, wanted->name, wanted->version, &one, err) != 0) {
        return -1;
    }
    if (!one.found && wanted->version == 0) {
        return err_field(err, "/layers", "layer %s does not exist", wanted->name);
    }
    if (!one.found) {
        return err_field(err, "/layers", "Layer version %s%s:%d does not exist.", prefix, wanted->name,
                         wanted->version);
    }
    for (int i = 0; i < at; i++) {
        if (strcmp(function->layers[i].name, wanted->name) == 0) {
            return err_field(err, "/layers",
                             "Two different versions of the same layer are not allowed to be referenced in the same "
                             "function. %s%s:%d and %s%s:%d are versions of the same layer.",
                             prefix, wanted->name, function->layers[i].version, prefix, wanted->name,
                             one.version.version);
        }
    }
    struct function_layer *layer = &function->layers[at];
    *layer = (struct function_layer){
        .version = one.version.version, .bytes = one.version.bytes, .unzipped_bytes = one.version.unzipped_bytes};
    memcpy(layer->name, one.version.name, sizeof layer->name);
    memcpy(layer->sha256, one.version.sha256, SHA256_BYTES);
    function->layer_count = at + 1;
    return 0;
}

int layer_row_attach(struct pg *pg, const struct function_change *change, struct function *function, struct err *err)
{
    if (!change->relayer) {
        return 0;
    }
    if (change->layer_count > FUNCTION_LAYERS_MAX) {
        return err_field(err, "/layers", "Cannot reference more than %d layers.", FUNCTION_LAYERS_MAX);
    }
    function->layer_count = 0;
    for (int i = 0; i < change->layer_count; i++) {
        if (attach_one(pg, change, i, function, err) != 0) {
            return -1;
        }
    }
    return 0;
}
