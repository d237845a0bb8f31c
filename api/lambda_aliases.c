/* Lambda's aliases: names for versions, optionally weighted over two. */
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
        return lambda_parameter(err, "FunctionVersion is a version number or $LATEST.");
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
        return lambda_parameter(err, "Number of items in AdditionalVersionWeights cannot be greater than 1");
    }
    const cJSON *item = cJSON_GetArrayItem(weights, 0);
    if (!cJSON_IsNumber(item) || item->valuedouble < 0.0 || item->valuedouble > 1.0) {
        return lambda_parameter(err, "The weight of a version is a number from 0.0 to 1.0.");
    }
    alias->second_weight_ppm = (int)(item->valuedouble * 1000000.0 + 0.5);
    return version_number(item->string, &alias->second_version, err);
}

/* What the body says, on top of what alias holds. */
static int alias_read(const cJSON *tree, struct function_alias *alias, struct err *err)
{
    const char *version = lambda_text(tree, "FunctionVersion");
    const char *description = lambda_text(tree, "Description");
    if (version != NULL && version_number(version, &alias->version, err) != 0) {
        return -1;
    }
    if (description != NULL && text_copy(alias->description, sizeof alias->description, description) != 0) {
        return lambda_parameter(err, "Description is too long.");
    }
    return weights_read(tree, alias, err);
}

static int alias_error(const struct request *request, const struct lambda_target *target, const char *name,
                       struct err *err)
{
    struct lambda_target full = *target;
    if (lambda_changed_meanwhile(err)) {
        return -1;
    }
    (void)text_copy(full.qualifier, sizeof full.qualifier, name);
    if (err->code == ERR_CONFLICT) {
        char arn[LAMBDA_ARN_BYTES];
        lambda_arn(request, target->name, name, arn);
        (void)err_set(err, ERR_CONFLICT, "Alias already exists: %s", arn);
        return err_slug(err, "ResourceConflictException");
    }
    return lambda_not_found(request, &full, err);
}

static int alias_write(struct request *request, const struct lambda_target *target, const char *name, bool create,
                       struct function_alias *stored, struct err *err)
{
    struct function_alias alias = {.second_version = -1};
    cJSON *tree = NULL;
    int rc = lambda_body(request, &tree, err);
    if (rc == 0 && create) {
        name = lambda_text(tree, "Name");
        rc = name != NULL ? 0 : lambda_parameter(err, "Name is missing.");
    }
    if (rc == 0 && !create && alias_get(request->pg, request->account_id, target->name, name, &alias, err) != 0) {
        rc = alias_error(request, target, name, err);
    }
    if (rc == 0 && text_copy(alias.name, sizeof alias.name, name) != 0) {
        rc = lambda_parameter(err, "Name is too long.");
    }
    if (rc == 0) {
        rc = alias_read(tree, &alias, err);
    }
    if (rc == 0 && alias_put(request->pg, request->account_id, target->name, &alias, create,
                             lambda_text(tree, "RevisionId"), stored, err) != 0) {
        char version[16]; /* the alias was there or is new: what is missing is what it is to point to */
        function_version_text(alias.version, version);
        rc = alias_error(request, target, err->code == ERR_NOT_FOUND ? version : name, err);
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

struct list_ctx {
    struct request *request;
    struct json_writer writer;
    struct lambda_page page;
    const char *function;
    int version; /* -1: all */
};

static int on_alias(const struct function_alias *alias, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    bool wanted = list->version < 0 || alias->version == list->version || alias->second_version == list->version;
    if (!wanted || !lambda_page_take(&list->page, alias->name)) {
        return 0;
    }
    json_open_object(&list->writer, NULL);
    alias_members(list->request, &list->writer, list->function, alias);
    json_close_object(&list->writer);
    return 0;
}

int lambda_alias_list_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct list_ctx list = {.request = request, .function = target.name, .version = -1};
    const char *version = request_query(request, "FunctionVersion");
    if (lambda_target(request, &target, err) != 0 || lambda_page_begin(request, &list.page, err) != 0 ||
        (version != NULL && version_number(version, &list.version, err) != 0)) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "Aliases");
    if (alias_list(request->pg, request->account_id, target.name, on_alias, &list, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    json_close_array(&list.writer);
    lambda_page_end(&list.page, &list.writer);
    return reply_json_end(request, 200, &list.writer, err);
}
