/* /v1/accounts/{a}/functions: create, list, read, change, delete. Code comes as a zip: base64 in JSON, or as the body.
 */
#include "api/functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/layers.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "engine/engine.h"
#include "engine/function.h"

#define TAGS_BYTES_MAX 8192

void function_version_text(int version, char text[16])
{
    if (version == FUNCTION_VERSION_LATEST) {
        (void)snprintf(text, 16, "$LATEST");
    } else {
        (void)snprintf(text, 16, "%d", version);
    }
}

void function_members(struct json_writer *writer, const struct request *request, const struct function *function,
                      const char *tags_json)
{
    char id[ID_TEXT_BYTES];
    char version[16];
    char hex[SHA256_HEX_BYTES];
    char revision[UUID_TEXT_BYTES];
    (void)request;
    id_format("fn", function->function_id, id);
    json_put_text(writer, "id", id);
    json_put_text(writer, "name", function->name);
    id_format("acct", function->account_id, id);
    json_put_text(writer, "account", id);
    function_version_text(function->version, version);
    json_put_text(writer, "version", version);
    json_put_text(writer, "runtime", function->runtime);
    json_put_text(writer, "handler", function->handler);
    json_put_text(writer, "architecture", function->arch == ARCH_ARM64 ? "arm64" : "x86_64");
    json_put_i64(writer, "memory_mb", function->memory_mib);
    json_put_i64(writer, "timeout_s", function->timeout_s);
    json_put_i64(writer, "ephemeral_storage_mb", function->ephemeral_mib);
    json_put_text(writer, "network", function->network == NETWORK_HOST ? "host" : "none");
    json_put_text(writer, "description", function->description);
    json_open_object(writer, "code");
    hex_encode(function->code_sha256, SHA256_BYTES, hex);
    json_put_text(writer, "sha256", hex);
    json_put_i64(writer, "bytes", function->code_bytes);
    json_close_object(writer);
    layer_function_member(writer, function);
    if (function->reserved_concurrency < 0) {
        json_put_null(writer, "reserved_concurrency");
    } else {
        json_put_i64(writer, "reserved_concurrency", function->reserved_concurrency);
    }
    json_put_i64(writer, "provisioned_concurrency", function->provisioned);
    json_put_raw(writer, "tags", tags_json != NULL && tags_json[0] != '\0' ? tags_json : "{}");
    uuid_format(&function->revision, revision);
    json_put_text(writer, "revision", revision);
    json_put_time(writer, "created_at", function->created_us);
    json_put_time(writer, "modified_at", function->modified_us);
}

static int function_reply(struct request *request, int status, const struct function *function, struct err *err)
{
    struct json_writer writer;
    struct buf tags = {0};
    struct buf environment = {0};
    char etag[UUID_TEXT_BYTES + 2];
    char revision[UUID_TEXT_BYTES];
    int rc = function_tags_get(request->pg, request->account_id, function->name, &tags, err);
    if (rc == 0 && request->caller.scope >= SCOPE_ACCOUNT) {
        rc = function_environment_get(request->pg, request->account_id, function->name, function->version, &environment,
                                      err);
    }
    if (rc == 0) {
        reply_json_begin(request, &writer);
        function_members(&writer, request, function, buf_text(&tags));
        if (environment.length > 0) {
            json_put_raw(&writer, "environment", buf_text(&environment));
        }
        uuid_format(&function->revision, revision);
        (void)snprintf(etag, sizeof etag, "\"%s\"", revision);
        reply_header(&request->reply, "ETag", etag);
        rc = reply_json_end(request, status, &writer, err);
    }
    buf_free(&tags);
    buf_free(&environment);
    return rc;
}

/* ---- what a client may say about a function ---- */

struct function_input {
    const char *name;
    struct function_change change;
    int64_t reserved; /* -2: not said */
    int64_t provisioned;
    struct function_layer layers[LAYERS_READ_MAX];
    char *environment, *tags;
    struct buf zip;
    cJSON *tree;
};

static void input_init(struct function_input *input)
{
    memset(input, 0, sizeof *input);
    input->reserved = -2;
    input->change.memory_mib = input->change.timeout_s = input->change.ephemeral_mib = -1;
    input->change.arch = input->change.network = -1;
}

static void input_free(struct function_input *input)
{
    free(input->environment);
    free(input->tags);
    buf_free(&input->zip);
    cJSON_Delete(input->tree);
}

static int word_of(const char *text, const char *const words[], const char *field, int *value, struct err *err)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i;
            return 0;
        }
    }
    return err_field(err, field, "%s is \"%.40s\"; it is %s or %s", field + 1, text, words[0], words[1]);
}

static int words_read(struct function_input *input, const char *arch, const char *network, struct err *err)
{
    static const char *const arches[] = {"x86_64", "arm64", NULL};
    static const char *const networks[] = {"none", "host", NULL};
    if (arch != NULL && word_of(arch, arches, "/architecture", &input->change.arch, err) != 0) {
        return -1;
    }
    return network == NULL ? 0 : word_of(network, networks, "/network", &input->change.network, err);
}

/* Whole numbers of any size are read here; function_check says what is out of range, naming the field. */
static int number_read(const cJSON *tree, const char *name, int *value, struct err *err)
{
    int64_t number = *value;
    if (json_get_i64(tree, "", name, false, INT32_MIN, INT32_MAX, &number, err) != 0) {
        return -1;
    }
    if (cJSON_GetObjectItemCaseSensitive(tree, name) != NULL && number < 0) {
        char field[ERR_FIELD_BYTES_MAX];
        (void)snprintf(field, sizeof field, "/%.50s", name);
        return err_field(err, field, "%s is %lld; it cannot be negative", name, (long long)number);
    }
    *value = (int)number;
    return 0;
}

static int code_read(struct function_input *input, const char *code, struct err *err)
{
    if (code == NULL) {
        return 0;
    }
    if (base64_decode(code, strlen(code), &input->zip) != 0) {
        return err_field(err, "/code", "code is not base64 (a zip in the standard alphabet, with padding)");
    }
    input->change.zip = input->zip.data;
    input->change.zip_length = input->zip.length;
    return 0;
}

static int tree_read(struct function_input *input, struct err *err)
{
    const cJSON *tree = input->tree;
    struct function_change *c = &input->change;
    const char *code = NULL, *arch = NULL, *network = NULL;
    if (json_get_text(tree, "", "name", false, &input->name, err) != 0 ||
        json_get_text(tree, "", "runtime", false, &c->runtime, err) != 0 ||
        json_get_text(tree, "", "handler", false, &c->handler, err) != 0 ||
        json_get_text(tree, "", "description", false, &c->description, err) != 0 ||
        json_get_text(tree, "", "architecture", false, &arch, err) != 0 ||
        json_get_text(tree, "", "network", false, &network, err) != 0 ||
        json_get_text(tree, "", "code", false, &code, err) != 0 ||
        number_read(tree, "memory_mb", &c->memory_mib, err) != 0 ||
        number_read(tree, "timeout_s", &c->timeout_s, err) != 0 ||
        number_read(tree, "ephemeral_storage_mb", &c->ephemeral_mib, err) != 0 ||
        json_get_i64(tree, "", "reserved_concurrency", false, -1, INT32_MAX, &input->reserved, err) != 0 ||
        json_flat_text(tree, "environment", 2 * FUNCTION_ENVIRONMENT_BYTES_MAX, &input->environment, err) != 0 ||
        json_flat_text(tree, "tags", TAGS_BYTES_MAX, &input->tags, err) != 0 ||
        layer_input_read(tree, input->layers, c, err) != 0 || words_read(input, arch, network, err) != 0) {
        return -1;
    }
    c->environment_json = input->environment;
    c->tags_json = input->tags;
    return code_read(input, code, err);
}

static const char *const MEMBERS[] = {"name",
                                      "runtime",
                                      "handler",
                                      "memory_mb",
                                      "timeout_s",
                                      "environment",
                                      "tags",
                                      "code",
                                      "description",
                                      "architecture",
                                      "network",
                                      "ephemeral_storage_mb",
                                      "reserved_concurrency",
                                      "layers",
                                      NULL};

static int query_number(const struct request *request, const char *name, int *value, struct err *err)
{
    int64_t number = *value;
    if (request_query_i64(request, name, 0, INT32_MAX, &number, err) != 0) {
        return -1;
    }
    *value = (int)number;
    return 0;
}

/* A zip as the body: the settings are in the query; env.NAME=value and tag.NAME=value. */
static int flat_from_query(const struct request *request, const char *prefix, char **text, struct err *err)
{
    struct buf json = {0};
    struct json_writer writer;
    size_t length = strlen(prefix);
    int count = 0;
    json_writer_init(&writer, &json);
    json_open_object(&writer, NULL);
    for (int i = 0; i < request->query_count; i++) {
        if (strncmp(request->query[i].name, prefix, length) == 0) {
            json_put_text(&writer, request->query[i].name + length, request->query[i].value);
            count++;
        }
    }
    json_close_object(&writer);
    if (count > 0 && buf_ok(&json)) {
        *text = json.data;
        return 0;
    }
    buf_free(&json);
    return count == 0 ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static int zip_read(const struct request *request, struct function_input *input, struct err *err)
{
    struct function_change *c = &input->change;
    int reserved = -2;
    input->name = request_query(request, "name");
    c->runtime = request_query(request, "runtime");
    c->handler = request_query(request, "handler");
    c->description = request_query(request, "description");
    if (query_number(request, "memory_mb", &c->memory_mib, err) != 0 ||
        query_number(request, "timeout_s", &c->timeout_s, err) != 0 ||
        query_number(request, "ephemeral_storage_mb", &c->ephemeral_mib, err) != 0 ||
        query_number(request, "reserved_concurrency", &reserved, err) != 0 ||
        words_read(input, request_query(request, "architecture"), request_query(request, "network"), err) != 0 ||
        layer_input_words(request_query(request, "layers"), input->layers, c, err) != 0 ||
        flat_from_query(request, "env.", &input->environment, err) != 0 ||
        flat_from_query(request, "tag.", &input->tags, err) != 0) {
        return -1;
    }
    input->reserved = reserved;
    c->environment_json = input->environment;
    c->tags_json = input->tags;
    c->zip = buf_text(&request->body);
    c->zip_length = request->body.length;
    return 0;
}

static int input_read(const struct request *request, struct function_input *input, struct err *err)
{
    if (request_media_type_is(request, "application/zip") ||
        request_media_type_is(request, "application/octet-stream")) {
        return zip_read(request, input, err);
    }
    if (!request_media_type_is(request, "application/json")) {
        (void)err_set(err, ERR_INVALID, "Content-Type is to be application/json or application/zip");
        return err_slug(err, "unsupported_media_type");
    }
    return request_json(request, MEMBERS, &input->tree, err) != 0 ? -1 : tree_read(input, err);
}

static void changed(struct request *request, const char *name)
{
    struct engine *engine = api_get_options(request->api)->engine;
    if (engine != NULL) {
        engine_function_changed(engine, request->account_id, name);
    }
    (void)text_copy(request->audit_subject, sizeof request->audit_subject, name);
}

/* ---- handlers ---- */

static int create(struct request *request, struct function_input *input, struct function *function, struct err *err)
{
    if (input->name == NULL) {
        return err_field(err, "/name", "name is missing");
    }
    if (name_check_function(input->name, "/name", err) != 0) {
        return -1;
    }
    if (input->change.zip_length == 0) {
        return err_field(err, "/code", "code is missing: a zip");
    }
    input->change.reserve = input->reserved >= 0;
    input->change.reserved = (int)input->reserved;
    return function_create(request->pg, request->account_id, input->name, &input->change, function, err);
}

int function_create_handler(struct request *request, struct err *err)
{
    struct function_input input;
    struct function function;
    input_init(&input);
    int rc = input_read(request, &input, err);
    if (rc == 0) {
        rc = create(request, &input, &function, err);
    }
    if (rc == 0) {
        char location[160];
        changed(request, function.name);
        (void)snprintf(location, sizeof location, "/v1/accounts/acct_%lld/functions/%s", (long long)request->account_id,
                       function.name);
        reply_header(&request->reply, "Location", location);
        rc = function_reply(request, 201, &function, err);
    }
    input_free(&input);
    return rc;
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
    int64_t left;
    char last[80];
    bool more;
};

static int on_function(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    function_members(&list->writer, list->request, function, tags_json);
    json_close_object(&list->writer);
    (void)text_copy(list->last, sizeof list->last, function->name);
    return 0;
}

int function_list_handler(struct request *request, struct err *err)
{
    struct page page;
    struct list_ctx list = {.request = request};
    if (page_get(request, &page, err) != 0) {
        return -1;
    }
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (function_list(request->pg, request->account_id, false, page.after, INT32_MAX, (int)page.limit + 1, on_function,
                      &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? list.last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

int function_get_handler(struct request *request, struct err *err)
{
    struct function function;
    if (function_get(request->pg, request->account_id, request_param(request, "f"), request_query(request, "qualifier"),
                     &function, err) != 0) {
        return -1;
    }
    return function_reply(request, 200, &function, err);
}

/* The revision in If-Match, without its quotes. */
static const char *expected_revision(const struct request *request, char text[UUID_TEXT_BYTES])
{
    const char *sent = request_header(request, "If-Match");
    if (sent == NULL || strcmp(sent, "*") == 0) {
        return NULL;
    }
    (void)snprintf(text, UUID_TEXT_BYTES, "%.*s", UUID_TEXT_BYTES - 1, sent[0] == '"' ? sent + 1 : sent);
    text[strcspn(text, "\"")] = '\0';
    return text;
}

static int change(struct request *request, struct function_input *input, struct err *err)
{
    const char *name = request_param(request, "f");
    struct function function;
    char revision[UUID_TEXT_BYTES];
    input->change.expected_revision = expected_revision(request, revision);
    if (input->name != NULL && strcmp(input->name, name) != 0) {
        return err_field(err, "/name", "a function cannot be renamed");
    }
    input->change.reserve = input->reserved >= -1;
    input->change.reserved = (int)input->reserved;
    if (function_update(request->pg, request->account_id, name, &input->change, &function, err) != 0) {
        return -1;
    }
    changed(request, name);
    return function_reply(request, 200, &function, err);
}

int function_patch_handler(struct request *request, struct err *err)
{
    struct function_input input;
    input_init(&input);
    int rc = request_json(request, MEMBERS, &input.tree, err);
    if (rc == 0) {
        rc = tree_read(&input, err);
    }
    if (rc == 0) {
        rc = change(request, &input, err);
    }
    input_free(&input);
    return rc;
}

int function_code_put_handler(struct request *request, struct err *err)
{
    struct function_input input;
    input_init(&input);
    int rc = input_read(request, &input, err);
    if (rc == 0 && input.change.zip_length == 0) {
        rc = err_field(err, "/code", "code is missing: a zip");
    }
    if (rc == 0) {
        rc = change(request, &input, err);
    }
    input_free(&input);
    return rc;
}

int function_code_get_handler(struct request *request, struct err *err)
{
    struct function function;
    char disposition[128];
    if (function_get(request->pg, request->account_id, request_param(request, "f"), request_query(request, "qualifier"),
                     &function, err) != 0) {
        return -1;
    }
    if (function_code_get(request->pg, request->account_id, function.code_sha256, &request->reply.body, err) != 0) {
        return -1;
    }
    (void)snprintf(disposition, sizeof disposition, "attachment; filename=\"%s.zip\"", function.name);
    reply_header(&request->reply, "Content-Disposition", disposition);
    request->reply.status = 200;
    request->reply.content_type = "application/zip";
    request->reply.encoded = true; /* it is compressed already */
    return 0;
}

int function_delete_handler(struct request *request, struct err *err)
{
    const char *name = request_param(request, "f");
    if (function_delete(request->pg, request->account_id, name, request_query(request, "qualifier"), err) != 0) {
        return -1;
    }
    changed(request, name);
    return reply_empty(request, 204);
}
