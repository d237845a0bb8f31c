/* Lambda's CreateFunction, ListFunctions, GetFunction, Update*, DeleteFunction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/function.h"

struct lambda_input {
    cJSON *tree;
    const char *name;
    struct function_change change;
    struct buf zip;
    struct lambda_layers layers;
    char *environment, *tags;
    bool publish;
};

static void input_init(struct lambda_input *input)
{
    memset(input, 0, sizeof *input);
    input->change.memory_mib = input->change.timeout_s = input->change.ephemeral_mib = -1;
    input->change.arch = input->change.network = -1;
}

static void input_free(struct lambda_input *input)
{
    free(input->environment);
    free(input->tags);
    buf_free(&input->zip);
    cJSON_Delete(input->tree);
}

static void number_of(const cJSON *object, const char *name, int *value)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (cJSON_IsNumber(item)) {
        *value = item->valueint < 0 ? 0 : item->valueint;
    }
}

/* A flat object of strings as text; anything else in it is an error. */
static int flat_of(const cJSON *object, const char *what, char **text, struct err *err)
{
    const cJSON *item;
    if (!cJSON_IsObject(object)) {
        return 0;
    }
    cJSON_ArrayForEach(item, object)
    {
        if (!cJSON_IsString(item)) {
            char message[120];
            (void)snprintf(message, sizeof message, "The values of %s are to be strings.", what);
            return lambda_parameter(err, message);
        }
    }
    *text = cJSON_PrintUnformatted(object);
    return *text != NULL ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

#define SETTINGS "Runtime Role Handler Description Timeout MemorySize Environment EphemeralStorage Layers"
#define CODE "ZipFile ImageUri S3Bucket S3Key S3ObjectVersion"
#define CREATE_MEMBERS SETTINGS " FunctionName Code Publish Tags Architectures"
#define CODE_MEMBERS CODE " Publish DryRun RevisionId Architectures"
#define CONFIGURATION_MEMBERS SETTINGS " RevisionId"

static int code_of(struct lambda_input *input, const cJSON *code, struct err *err)
{
    const char *zip = lambda_text(code, "ZipFile");
    if (lambda_text(code, "ImageUri") != NULL || lambda_text(code, "S3Bucket") != NULL) {
        return lambda_parameter(err, "Only code in ZipFile is supported here.");
    }
    if (zip == NULL) {
        return 0;
    }
    if (base64_decode(zip, strlen(zip), &input->zip) != 0) {
        return lambda_parameter(err,
                                "Could not unzip uploaded file. Please check your file, then try to upload again.");
    }
    input->change.zip = input->zip.data;
    input->change.zip_length = input->zip.length;
    return 0;
}

static int settings_of(const struct request *request, struct lambda_input *input, struct err *err)
{
    const cJSON *tree = input->tree;
    struct function_change *c = &input->change;
    const cJSON *arches = cJSON_GetObjectItemCaseSensitive(tree, "Architectures");
    c->runtime = lambda_text(tree, "Runtime");
    c->handler = lambda_text(tree, "Handler");
    c->description = lambda_text(tree, "Description");
    c->role = lambda_text(tree, "Role");
    c->expected_revision = lambda_text(tree, "RevisionId");
    number_of(tree, "MemorySize", &c->memory_mib);
    number_of(tree, "Timeout", &c->timeout_s);
    number_of(cJSON_GetObjectItemCaseSensitive(tree, "EphemeralStorage"), "Size", &c->ephemeral_mib);
    input->publish = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "Publish"));
    if (cJSON_GetArraySize(arches) > 0) {
        const char *arch = cJSON_GetStringValue(cJSON_GetArrayItem(arches, 0));
        if (arch == NULL || (strcmp(arch, "x86_64") != 0 && strcmp(arch, "arm64") != 0)) {
            return lambda_parameter(err, "Architectures is one of x86_64 and arm64.");
        }
        c->arch = strcmp(arch, "arm64") == 0 ? ARCH_ARM64 : ARCH_X86_64;
    }
    const cJSON *environment = cJSON_GetObjectItemCaseSensitive(tree, "Environment");
    if (flat_of(cJSON_GetObjectItemCaseSensitive(environment, "Variables"), "Environment", &input->environment, err) !=
            0 ||
        flat_of(cJSON_GetObjectItemCaseSensitive(tree, "Tags"), "Tags", &input->tags, err) != 0 ||
        lambda_layers_read(request, tree, &input->layers, c, err) != 0) {
        return -1;
    }
    c->environment_json = input->environment;
    c->tags_json = input->tags;
    return 0;
}

/* Our errors name our own fields; the class is what matters to AWS clients. */
static int translate(struct request *request, const char *name, struct err *err)
{
    struct lambda_target target = {.qualifier = ""};
    (void)text_copy(target.name, sizeof target.name, name);
    if (lambda_changed_meanwhile(err)) {
        return -1;
    }
    if (err->code == ERR_CONFLICT) {
        (void)err_set(err, ERR_CONFLICT, "Function already exist: %.64s", name);
        return err_slug(err, "ResourceConflictException");
    }
    if (strcmp(err->field, "/layers") == 0) {
        return err_slug(err, "InvalidParameterValueException");
    }
    if (err->code == ERR_LIMIT && strcmp(err->field, "/code") == 0) {
        return err_slug(err, "CodeStorageExceededException");
    }
    return lambda_not_found(request, &target, err);
}

static int create(struct request *request, struct lambda_input *input, struct function *function, struct err *err)
{
    struct lambda_target target;
    input->name = lambda_text(input->tree, "FunctionName");
    if (input->name == NULL) {
        return lambda_parameter(err, "FunctionName is missing.");
    }
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(input->tree, "Code");
    if (lambda_target_parse(request, input->name, &target, err) != 0 || code_of(input, code, err) != 0 ||
        lambda_members_check(code, CODE, err) != 0 || lambda_members_check(input->tree, CREATE_MEMBERS, err) != 0 ||
        settings_of(request, input, err) != 0) {
        return -1;
    }
    if (input->change.zip_length == 0) {
        return lambda_parameter(err, "Please provide a source for function code.");
    }
    if (function_create(request->pg, request->account_id, target.name, &input->change, function, err) != 0) {
        return translate(request, target.name, err);
    }
    if (input->publish && function_publish(request->pg, request->account_id, target.name, input->change.description,
                                           function, err) != 0) {
        return -1;
    }
    lambda_changed(request, target.name);
    return 0;
}

int lambda_create_handler(struct request *request, struct err *err)
{
    struct lambda_input input;
    struct function function;
    input_init(&input);
    int rc = lambda_body(request, &input.tree, err);
    if (rc == 0) {
        rc = create(request, &input, &function, err);
    }
    if (rc == 0) {
        rc = lambda_configuration_reply(request, 201, &function, LAMBDA_CREATING, input.publish, err);
    }
    input_free(&input);
    return rc;
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
    int64_t left;
    char last[80];
    bool more, all;
};

static int on_function(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)tags_json;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    /* Without variables: a list would need one more statement a function. */
    enum scope scope = list->request->caller.scope;
    list->request->caller.scope = SCOPE_READ;
    int rc = lambda_configuration(list->request, &list->writer, function, LAMBDA_READY, list->all, err);
    list->request->caller.scope = scope;
    json_close_object(&list->writer);
    (void)snprintf(list->last, sizeof list->last, "%s:%d", function->name, function->version);
    return rc;
}

int lambda_list_handler(struct request *request, struct err *err)
{
    const char *versions = request_query(request, "FunctionVersion");
    struct list_ctx list = {.request = request, .all = versions != NULL && strcmp(versions, "ALL") == 0};
    struct lambda_page page;
    char after[65] = "";
    int64_t after_version = -1;
    if (lambda_page_begin(request, &page, err) != 0) {
        return -1;
    }
    const char *colon = strchr(page.marker, ':');
    if (page.marker[0] != '\0' && (colon == NULL || (size_t)(colon - page.marker) >= sizeof after ||
                                   text_i64(colon + 1, "Marker", 0, INT32_MAX, &after_version, NULL) != 0)) {
        return lambda_parameter(err, "Marker is not one of this list.");
    }
    if (colon != NULL) {
        memcpy(after, page.marker, (size_t)(colon - page.marker));
    }
    list.left = page.left;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "Functions");
    if (function_list(request->pg, request->account_id, list.all, after, (int)after_version, (int)page.left + 1,
                      on_function, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_text(&list.writer, "NextMarker", list.more ? list.last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

int lambda_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function function;
    struct json_writer writer;
    struct buf tags = {0};
    if (lambda_target(request, &target, err) != 0 || lambda_function(request, &target, &function, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    json_open_object(&writer, "Configuration");
    int rc = lambda_configuration(request, &writer, &function, LAMBDA_READY, target.qualifier[0] != '\0', err);
    json_close_object(&writer);
    if (rc == 0) {
        rc = function_tags_get(request->pg, request->account_id, target.name, &tags, err);
    }
    if (rc == 0) {
        char location[LAMBDA_LOCATION_BYTES];
        lambda_package_location(request, function.code_sha256, location);
        json_open_object(&writer, "Code");
        json_put_text(&writer, "RepositoryType", "S3");
        json_put_text(&writer, "Location", location);
        json_close_object(&writer);
        json_put_raw(&writer, "Tags", tags.length > 0 ? buf_text(&tags) : "{}");
        if (function.reserved_concurrency >= 0) {
            json_open_object(&writer, "Concurrency");
            json_put_i64(&writer, "ReservedConcurrentExecutions", function.reserved_concurrency);
            json_close_object(&writer);
        }
        rc = reply_json_end(request, 200, &writer, err);
    }
    buf_free(&tags);
    return rc;
}

int lambda_configuration_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function function;
    if (lambda_target(request, &target, err) != 0 || lambda_function(request, &target, &function, err) != 0) {
        return -1;
    }
    return lambda_configuration_reply(request, 200, &function, LAMBDA_READY, target.qualifier[0] != '\0', err);
}

static int update(struct request *request, struct lambda_input *input, struct function *function, struct err *err)
{
    struct lambda_target target;
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (function_update(request->pg, request->account_id, target.name, &input->change, function, err) != 0) {
        return translate(request, target.name, err);
    }
    if (input->change.dry_run) {
        return 0;
    }
    if (input->publish && function_publish(request->pg, request->account_id, target.name, NULL, function, err) != 0) {
        return -1;
    }
    lambda_changed(request, target.name);
    return 0;
}

static int update_handler(struct request *request, bool code, struct err *err)
{
    struct lambda_input input;
    struct function function;
    input_init(&input);
    int rc = lambda_body(request, &input.tree, err);
    if (rc == 0) {
        rc = lambda_members_check(input.tree, code ? CODE_MEMBERS : CONFIGURATION_MEMBERS, err);
    }
    if (rc == 0) {
        rc = settings_of(request, &input, err);
    }
    if (rc == 0 && code) {
        input.change.dry_run = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(input.tree, "DryRun"));
        rc = code_of(&input, input.tree, err);
        if (rc == 0 && input.change.zip_length == 0) {
            rc = lambda_parameter(err, "Please provide a source for function code.");
        }
    }
    if (rc == 0) {
        rc = update(request, &input, &function, err);
    }
    if (rc == 0) {
        rc = lambda_configuration_reply(request, 200, &function, input.change.dry_run ? LAMBDA_READY : LAMBDA_UPDATING,
                                        input.publish && !input.change.dry_run, err);
    }
    input_free(&input);
    return rc;
}

int lambda_configuration_put_handler(struct request *request, struct err *err)
{
    return update_handler(request, false, err);
}

int lambda_code_put_handler(struct request *request, struct err *err)
{
    return update_handler(request, true, err);
}

int lambda_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    const char *qualifier = target.qualifier[0] != '\0' ? target.qualifier : NULL;
    if (qualifier != NULL && strcmp(qualifier, "$LATEST") != 0 &&
        strspn(qualifier, "0123456789") != strlen(qualifier)) {
        return lambda_parameter(err, "Deletion of aliases is not currently supported. DeleteAlias deletes them.");
    }
    if (function_delete(request->pg, request->account_id, target.name, qualifier, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    lambda_changed(request, target.name);
    return reply_empty(request, 204);
}
