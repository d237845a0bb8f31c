/* Lambda's event-invoke configuration: retries, age and destinations of asynchronous invocations. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/event_config.h"

static void put_destination(struct json_writer *writer, const char *name, const char *destination)
{
    json_open_object(writer, name);
    if (destination[0] != '\0') {
        json_put_text(writer, "Destination", destination);
    }
    json_close_object(writer);
}

static void config_members(const struct request *request, struct json_writer *writer, const char *function,
                           const struct event_config *config)
{
    char arn[LAMBDA_ARN_BYTES];
    char modified[40];
    lambda_arn(request, function, config->qualifier, arn);
    (void)snprintf(modified, sizeof modified, "%" PRId64 ".%03d", config->modified_us / 1000000,
                   (int)(config->modified_us / 1000 % 1000));
    json_put_raw(writer, "LastModified", modified);
    json_put_text(writer, "FunctionArn", arn);
    if (config->retries_max >= 0) {
        json_put_i64(writer, "MaximumRetryAttempts", config->retries_max);
    }
    if (config->age_max_s >= 0) {
        json_put_i64(writer, "MaximumEventAgeInSeconds", config->age_max_s);
    }
    json_open_object(writer, "DestinationConfig");
    put_destination(writer, "OnSuccess", config->on_success);
    put_destination(writer, "OnFailure", config->on_failure);
    json_close_object(writer);
}

static int number(const cJSON *tree, const char *name, int *value, struct err *err)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, name);
    if (item == NULL || cJSON_IsNull(item)) {
        return 0;
    }
    if (!cJSON_IsNumber(item) || item->valueint < 0) {
        char text[100];
        (void)snprintf(text, sizeof text, "%s is to be a number from 0 on.", name);
        return lambda_parameter(err, text);
    }
    *value = item->valueint;
    return 0;
}

static int destination(const cJSON *tree, const char *name, char text[DESTINATION_BYTES], struct err *err)
{
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(tree, "DestinationConfig");
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(all, name);
    const char *given = lambda_text(one, "Destination");
    if (one == NULL) {
        return 0;
    }
    if (text_copy(text, DESTINATION_BYTES, given != NULL ? given : "") != 0) {
        return lambda_parameter(err, "A destination has at most 511 characters.");
    }
    return 0;
}

static int event_error(const struct request *request, const struct lambda_target *target, struct err *err)
{
    if (err->code == ERR_INVALID) {
        return err_slug(err, "InvalidParameterValueException");
    }
    if (err->code == ERR_NOT_FOUND && strstr(err->text, "EventInvokeConfig") != NULL) {
        char arn[LAMBDA_ARN_BYTES];
        lambda_arn(request, target->name, target->qualifier[0] != '\0' ? target->qualifier : "$LATEST", arn);
        return err_set(err, ERR_NOT_FOUND, "The function %.300s doesn't have an EventInvokeConfig", arn);
    }
    return lambda_not_found(request, target, err);
}

/* config holds what was there before, or nothing; what the body names goes on top. */
static int config_write(struct request *request, const struct lambda_target *target, struct event_config *config,
                        struct err *err)
{
    cJSON *tree = NULL;
    struct event_config stored;
    struct json_writer writer;
    int rc = lambda_body(request, &tree, err);
    if (rc == 0 && (number(tree, "MaximumRetryAttempts", &config->retries_max, err) != 0 ||
                    number(tree, "MaximumEventAgeInSeconds", &config->age_max_s, err) != 0 ||
                    destination(tree, "OnSuccess", config->on_success, err) != 0 ||
                    destination(tree, "OnFailure", config->on_failure, err) != 0)) {
        rc = -1;
    }
    cJSON_Delete(tree);
    (void)text_copy(config->qualifier, sizeof config->qualifier, target->qualifier);
    if (rc != 0) {
        return rc;
    }
    if (event_config_put(request->pg, request->account_id, target->name, config, &stored, err) != 0) {
        return event_error(request, target, err);
    }
    reply_json_begin(request, &writer);
    config_members(request, &writer, target->name, &stored);
    return reply_json_end(request, 200, &writer, err);
}

int lambda_event_config_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct event_config config = {.retries_max = -1, .age_max_s = -1};
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    return config_write(request, &target, &config, err);
}

int lambda_event_config_update_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct event_config config;
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (event_config_get(request->pg, request->account_id, target.name, target.qualifier, &config, err) != 0) {
        return event_error(request, &target, err);
    }
    return config_write(request, &target, &config, err);
}

int lambda_event_config_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct event_config config;
    struct json_writer writer;
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (event_config_get(request->pg, request->account_id, target.name, target.qualifier, &config, err) != 0) {
        return event_error(request, &target, err);
    }
    reply_json_begin(request, &writer);
    config_members(request, &writer, target.name, &config);
    return reply_json_end(request, 200, &writer, err);
}

int lambda_event_config_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    if (lambda_target(request, &target, err) != 0) {
        return -1;
    }
    if (event_config_delete(request->pg, request->account_id, target.name, target.qualifier, err) != 0) {
        return event_error(request, &target, err);
    }
    return reply_empty(request, 204);
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
    struct lambda_page page;
    const char *function;
};

static int on_config(const struct event_config *config, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (lambda_page_take(&list->page, config->qualifier)) {
        json_open_object(&list->writer, NULL);
        config_members(list->request, &list->writer, list->function, config);
        json_close_object(&list->writer);
    }
    return 0;
}

int lambda_event_config_list_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct list_ctx list = {.request = request, .function = target.name};
    if (lambda_target(request, &target, err) != 0 || lambda_page_begin(request, &list.page, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "FunctionEventInvokeConfigs");
    if (event_config_list(request->pg, request->account_id, target.name, on_config, &list, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    json_close_array(&list.writer);
    lambda_page_end(&list.page, &list.writer);
    return reply_json_end(request, 200, &list.writer, err);
}
