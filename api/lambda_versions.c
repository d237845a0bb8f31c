/* Lambda's versions, aliases and concurrency.
 * Length: versions, aliases and concurrency are one AWS vocabulary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/functions.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/function.h"
#include "engine/quota.h"

#define UNRESERVED_MIN 100

static int body_read(struct request *request, cJSON **tree, struct err *err)
{
    struct err local = {0};
    if (request->body.length == 0) {
        *tree = cJSON_CreateObject();
        return *tree != NULL ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (json_parse(buf_text(&request->body), request->body.length, tree, &local) != 0) {
        (void)err_set(err, ERR_INVALID, "Could not parse request body into json: %.300s", local.text);
        return err_slug(err, "InvalidRequestContentException");
    }
    return 0;
}

static int parameter(struct err *err, const char *text)
{
    (void)err_set(err, ERR_INVALID, "%s", text);
    return err_slug(err, "InvalidParameterValueException");
}

static const char *text_of(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int lambda_version_create_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function version;
    cJSON *tree = NULL;
    int rc = lambda_target(request, &target, err);
    if (rc == 0) {
        rc = body_read(request, &tree, err);
    }
    if (rc == 0) {
        rc = function_publish(request->pg, request->account_id, target.name, text_of(tree, "Description"), &version,
                              err);
        if (rc != 0) {
            rc = lambda_not_found(request, &target, err);
        }
    }
    if (rc == 0) {
        rc = lambda_configuration_reply(request, 201, &version, LAMBDA_READY, true, err);
    }
    cJSON_Delete(tree);
    return rc;
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
    const char *function;
};

static int on_version(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)tags_json;
    json_open_object(&list->writer, NULL);
    enum scope scope = list->request->caller.scope;
    list->request->caller.scope = SCOPE_READ; /* without variables */
    int rc = lambda_configuration(list->request, &list->writer, function, LAMBDA_READY, true, err);
    list->request->caller.scope = scope;
    json_close_object(&list->writer);
    return rc;
}

int lambda_version_list_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct list_ctx list = {.request = request};
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "Versions");
    if (function_list_versions(request->pg, request->account_id, target.name, on_version, &list, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "NextMarker");
    return reply_json_end(request, 200, &list.writer, err);
}

/* ---- aliases ---- */

static void alias_members(const struct request *request, struct json_writer *writer, const char *function,
                          const struct function_alias *alias)
{
    char arn[LAMBDA_ARN_BYTES];
    char version[16];
    char revision[UUID_TEXT_BYTES];
    lambda_arn(request, function, alias->name, arn);
    json_put_text(writer, "AliasArn", arn);
    json_put_text(writer, "Name", alias->name);
    function_version_text(alias->version, version);
    json_put_text(writer, "FunctionVersion", version);
    json_put_text(writer, "Description", alias->description);
    if (alias->second_version >= 0) {
        char weight[16];
        function_version_text(alias->second_version, version);
        (void)snprintf(weight, sizeof weight, "%d.%06d", alias->second_weight_ppm / 1000000,
                       alias->second_weight_ppm % 1000000);
        json_open_object(writer, "RoutingConfig");
        json_open_object(writer, "AdditionalVersionWeights");
        json_put_raw(writer, version, weight);
        json_close_object(writer);
        json_close_object(writer);
    }
    uuid_format(&alias->revision, revision);
    json_put_text(writer, "RevisionId", revision);
}

static int alias_reply(struct request *request, int status, const char *function, const struct function_alias *alias,
                       struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    alias_members(request, &writer, function, alias);
    return reply_json_end(request, status, &writer, err);
}

static int version_number(const char *text, int *version, struct err *err)
{
    int64_t number = 0;
    if (strcmp(text, "$LATEST") == 0) {
        *version = FUNCTION_VERSION_LATEST;
        return 0;
    }
    if (text_i64(text, "FunctionVersion", 1, INT32_MAX, &number, NULL) != 0) {
        return parameter(err, "FunctionVersion is a version number or $LATEST.");
    }
    *version = (int)number;
    return 0;
}

static int weights_read(const cJSON *tree, struct function_alias *alias, struct err *err)
{
    const cJSON *routing = cJSON_GetObjectItemCaseSensitive(tree, "RoutingConfig");
    const cJSON *weights = cJSON_GetObjectItemCaseSensitive(routing, "AdditionalVersionWeights");
    if (routing == NULL) {
        return 0;
    }
    alias->second_version = -1;
    if (cJSON_GetArraySize(weights) == 0) {
        return 0;
    }
    if (cJSON_GetArraySize(weights) > 1) {
        return parameter(err, "Number of items in AdditionalVersionWeights cannot be greater than 1");
    }
    const cJSON *item = cJSON_GetArrayItem(weights, 0);
    if (!cJSON_IsNumber(item) || item->valuedouble < 0.0 || item->valuedouble > 1.0) {
        return parameter(err, "The weight of a version is a number from 0.0 to 1.0.");
    }
    alias->second_weight_ppm = (int)(item->valuedouble * 1000000.0 + 0.5);
    return version_number(item->string, &alias->second_version, err);
}

/* What the body says, on top of what alias holds. */
static int alias_read(const cJSON *tree, struct function_alias *alias, struct err *err)
{
    const char *version = text_of(tree, "FunctionVersion");
    const char *description = text_of(tree, "Description");
    if (version != NULL && version_number(version, &alias->version, err) != 0) {
        return -1;
    }
    if (description != NULL && text_copy(alias->description, sizeof alias->description, description) != 0) {
        return parameter(err, "Description is too long.");
    }
    return weights_read(tree, alias, err);
}

static int alias_error(const struct request *request, const struct lambda_target *target, const char *name,
                       struct err *err)
{
    struct lambda_target full = *target;
    if (err->slug != NULL && strcmp(err->slug, "precondition_failed") == 0) {
        (void)err_set(
            err, ERR_CONFLICT,
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
            "retrieve the latest Revision Id");
        return err_slug(err, "PreconditionFailedException");
    }
    (void)text_copy(full.qualifier, sizeof full.qualifier, name);
    return lambda_not_found(request, &full, err);
}

static int alias_write(struct request *request, const struct lambda_target *target, const char *name, bool create,
                       struct function_alias *stored, struct err *err)
{
    struct function_alias alias = {.second_version = -1};
    cJSON *tree = NULL;
    int rc = body_read(request, &tree, err);
    if (rc == 0 && create) {
        name = text_of(tree, "Name");
        rc = name != NULL ? 0 : parameter(err, "Name is missing.");
    }
    if (rc == 0 && !create && alias_get(request->pg, request->account_id, target->name, name, &alias, err) != 0) {
        rc = alias_error(request, target, name, err);
    }
    if (rc == 0 && text_copy(alias.name, sizeof alias.name, name) != 0) {
        rc = parameter(err, "Name is too long.");
    }
    if (rc == 0) {
        rc = alias_read(tree, &alias, err);
    }
    if (rc == 0 && alias_put(request->pg, request->account_id, target->name, &alias, create,
                             text_of(tree, "RevisionId"), stored, err) != 0) {
        rc = alias_error(request, target, name, err);
    }
    cJSON_Delete(tree);
    if (rc == 0) {
        lambda_changed(request, target->name);
    }
    return rc;
}

int lambda_alias_create_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_alias stored;
    if (lambda_target(request, &target, err) != 0 || alias_write(request, &target, NULL, true, &stored, err) != 0) {
        return -1;
    }
    return alias_reply(request, 201, target.name, &stored, err);
}

int lambda_alias_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_alias stored;
    if (lambda_target(request, &target, err) != 0 ||
        alias_write(request, &target, request_param(request, "alias"), false, &stored, err) != 0) {
        return -1;
    }
    return alias_reply(request, 200, target.name, &stored, err);
}

int lambda_alias_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_alias alias;
    const char *name = request_param(request, "alias");
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (alias_get(request->pg, request->account_id, target.name, name, &alias, err) != 0) {
        return alias_error(request, &target, name, err);
    }
    return alias_reply(request, 200, target.name, &alias, err);
}

int lambda_alias_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct err local = {0};
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (alias_delete(request->pg, request->account_id, target.name, request_param(request, "alias"), &local) != 0 &&
        local.code != ERR_NOT_FOUND) { /* deleting what is not there is fine for AWS */
        *err = local;
        return -1;
    }
    lambda_changed(request, target.name);
    return reply_empty(request, 204);
}

static int on_alias(const struct function_alias *alias, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    alias_members(list->request, &list->writer, list->function, alias);
    json_close_object(&list->writer);
    return 0;
}

int lambda_alias_list_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct list_ctx list = {.request = request, .function = target.name};
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "Aliases");
    if (alias_list(request->pg, request->account_id, target.name, on_alias, &list, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    json_close_array(&list.writer);
    return reply_json_end(request, 200, &list.writer, err);
}

/* ---- concurrency ---- */

struct sum_ctx {
    int64_t functions, code_bytes, reserved;
    const char *except;
};

static int on_sum(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct sum_ctx *sum = ctx;
    (void)tags_json;
    (void)err;
    sum->functions++;
    sum->code_bytes += function->code_bytes;
    if (function->reserved_concurrency > 0 && (sum->except == NULL || strcmp(sum->except, function->name) != 0)) {
        sum->reserved += function->reserved_concurrency;
    }
    return 0;
}

static int account_sums(struct request *request, struct sum_ctx *sum, int64_t *limit, struct err *err)
{
    struct quota_status status;
    if (function_list(request->pg, request->account_id, false, "", INT32_MAX, on_sum, sum, err) != 0 ||
        quota_get(request->pg, request->account_id, QUOTA_CONCURRENCY, &status, err) != 0) {
        return -1;
    }
    *limit = status.quota.set ? status.quota.limit_units : 1000;
    return 0;
}

static int reserved_read(struct request *request, const char *member, int *value, struct err *err)
{
    cJSON *tree = NULL;
    if (body_read(request, &tree, err) != 0) {
        return -1;
    }
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, member);
    bool fine = cJSON_IsNumber(item) && item->valueint >= 0;
    *value = fine ? item->valueint : 0;
    cJSON_Delete(tree);
    return fine ? 0 : parameter(err, "The number of concurrent executions is missing or negative.");
}

static int reserved_reply(struct request *request, int reserved, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    if (reserved >= 0) {
        json_put_i64(&writer, "ReservedConcurrentExecutions", reserved);
    }
    return reply_json_end(request, 200, &writer, err);
}

int lambda_concurrency_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    int reserved = 0;
    int64_t limit = 0;
    if (lambda_target(request, &target, err) != 0 ||
        reserved_read(request, "ReservedConcurrentExecutions", &reserved, err) != 0) {
        return -1;
    }
    struct sum_ctx sum = {.except = target.name};
    if (account_sums(request, &sum, &limit, err) != 0) {
        return -1;
    }
    int64_t floor = limit < UNRESERVED_MIN ? 0 : UNRESERVED_MIN;
    if (limit - sum.reserved - reserved < floor) {
        char text[200];
        (void)snprintf(
            text, sizeof text,
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            "below its minimum value of [%lld].",
            (long long)floor);
        return parameter(err, text);
    }
    if (function_set_reserved(request->pg, request->account_id, target.name, reserved, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    lambda_changed(request, target.name);
    return reserved_reply(request, reserved, err);
}

int lambda_concurrency_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function function;
    if (lambda_target(request, &target, err) != 0 || lambda_function(request, &target, &function, err) != 0) {
        return -1;
    }
    return reserved_reply(request, function.reserved_concurrency, err);
}

int lambda_concurrency_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (function_set_reserved(request->pg, request->account_id, target.name, -1, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    lambda_changed(request, target.name);
    return reply_empty(request, 204);
}

static int provisioned_reply(struct request *request, int status, int provisioned, const char *state, struct err *err)
{
    struct json_writer writer;
    bool ready = strcmp(state, "READY") == 0;
    reply_json_begin(request, &writer);
    json_put_i64(&writer, "RequestedProvisionedConcurrentExecutions", provisioned);
    json_put_i64(&writer, "AvailableProvisionedConcurrentExecutions", ready ? provisioned : 0);
    json_put_i64(&writer, "AllocatedProvisionedConcurrentExecutions", ready ? provisioned : 0);
    json_put_text(&writer, "Status", state);
    return reply_json_end(request, status, &writer, err);
}

static int provisioned_target(const struct request *request, struct lambda_target *target, struct err *err)
{
    if (lambda_target(request, target, err) != 0) {
        return -1;
    }
    if (target->qualifier[0] == '\0' || strcmp(target->qualifier, "$LATEST") == 0) {
        return parameter(err, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
    }
    return 0;
}

int lambda_provisioned_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    int wanted = 0;
    if (provisioned_target(request, &target, err) != 0 ||
        reserved_read(request, "ProvisionedConcurrentExecutions", &wanted, err) != 0) {
        return -1;
    }
    if (function_set_provisioned(request->pg, request->account_id, target.name, target.qualifier, wanted, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    lambda_changed(request, target.name);
    return provisioned_reply(request, 202, wanted, "IN_PROGRESS", err);
}

int lambda_provisioned_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function function;
    if (provisioned_target(request, &target, err) != 0 || lambda_function(request, &target, &function, err) != 0) {
        return -1;
    }
    if (function.provisioned == 0) {
        (void)err_set(err, ERR_NOT_FOUND, "No Provisioned Concurrency Config found for this function");
        return err_slug(err, "ProvisionedConcurrencyConfigNotFoundException");
    }
    return provisioned_reply(request, 200, function.provisioned, "READY", err);
}

int lambda_provisioned_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    if (provisioned_target(request, &target, err) != 0) {
        return -1;
    }
    if (function_set_provisioned(request->pg, request->account_id, target.name, target.qualifier, 0, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    lambda_changed(request, target.name);
    return reply_empty(request, 204);
}

int lambda_account_settings_handler(struct request *request, struct err *err)
{
    struct sum_ctx sum = {.except = NULL};
    struct json_writer writer;
    int64_t limit = 0;
    if (account_sums(request, &sum, &limit, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    json_open_object(&writer, "AccountLimit");
    json_put_i64(&writer, "TotalCodeSize", INT64_C(80530636800));
    json_put_i64(&writer, "CodeSizeUnzipped", FUNCTION_UNZIPPED_BYTES_MAX);
    json_put_i64(&writer, "CodeSizeZipped", FUNCTION_ZIP_BYTES_MAX);
    json_put_i64(&writer, "ConcurrentExecutions", limit);
    json_put_i64(&writer, "UnreservedConcurrentExecutions", limit - sum.reserved);
    json_close_object(&writer);
    json_open_object(&writer, "AccountUsage");
    json_put_i64(&writer, "TotalCodeSize", sum.code_bytes);
    json_put_i64(&writer, "FunctionCount", sum.functions);
    json_close_object(&writer);
    return reply_json_end(request, 200, &writer, err);
}
