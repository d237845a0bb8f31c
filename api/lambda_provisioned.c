/* Lambda's provisioned concurrency: asked for, and what of it is there on this node. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/functions.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "common/calendar.h"
#include "common/err.h"
#include "engine/engine.h"
#include "engine/function.h"

#define FAILED_STARTS 3 /* in a row; then it is said, and tried on */

static int provisioned_target(const struct request *request, struct lambda_target *target, struct err *err)
{
    if (lambda_target(request, target, err) != 0) {
        return -1;
    }
    if (target->qualifier[0] == '\0' || strcmp(target->qualifier, "$LATEST") == 0) {
        return lambda_parameter(err,
                                "Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
    }
    return 0;
}

static void put_config(const struct request *request, struct json_writer *writer,
                       const struct function_provisioned *config)
{
    struct engine *engine = api_get_options(request->api)->engine;
    struct engine_provisioned there = {0};
    char modified[CALENDAR_TEXT_BYTES];
    if (engine != NULL) {
        engine_provisioned(engine, request->account_id, config->function_id, config->version, &there);
    }
    bool ready = there.allocated >= config->instances;
    bool failed = !ready && there.crashes >= FAILED_STARTS;
    calendar_format(config->since_us, modified);
    (void)snprintf(modified + 19, sizeof modified - 19, "+0000");
    json_put_i64(writer, "RequestedProvisionedConcurrentExecutions", config->instances);
    json_put_i64(writer, "AvailableProvisionedConcurrentExecutions", there.available);
    json_put_i64(writer, "AllocatedProvisionedConcurrentExecutions", there.allocated);
    json_put_text(writer, "Status", ready ? "READY" : failed ? "FAILED" : "IN_PROGRESS");
    if (failed) {
        json_put_text(writer, "StatusReason", "FUNCTION_ERROR_INIT_FAILURE");
    }
    json_put_text(writer, "LastModified", modified);
}

int lambda_provisioned_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct json_writer writer;
    int wanted = 0;
    if (provisioned_target(request, &target, err) != 0 ||
        lambda_concurrency_read(request, "ProvisionedConcurrentExecutions", 1, &wanted, err) != 0) {
        return -1;
    }
    if (function_set_provisioned(request->pg, request->account_id, target.name, target.qualifier, wanted, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    lambda_changed(request, target.name);
    if (api_get_options(request->api)->engine != NULL) {
        engine_prepare(api_get_options(request->api)->engine, request->account_id, target.name, target.qualifier);
    }
    reply_json_begin(request, &writer);
    json_put_i64(&writer, "RequestedProvisionedConcurrentExecutions", wanted);
    json_put_i64(&writer, "AvailableProvisionedConcurrentExecutions", 0);
    json_put_i64(&writer, "AllocatedProvisionedConcurrentExecutions", 0);
    json_put_text(&writer, "Status", "IN_PROGRESS");
    return reply_json_end(request, 202, &writer, err);
}

static int take_one(const struct function_provisioned *config, void *ctx)
{
    *(struct function_provisioned *)ctx = *config;
    return 0;
}

struct list_ctx {
    struct request *request;
    const char *function;
    struct json_writer writer;
    struct lambda_page page;
};

static int on_config(const struct function_provisioned *config, void *ctx)
{
    struct list_ctx *list = ctx;
    char key[16];
    char version[16];
    char arn[LAMBDA_ARN_BYTES];
    (void)snprintf(key, sizeof key, "%010d", config->version);
    (void)snprintf(version, sizeof version, "%d", config->version);
    if (!lambda_page_take(&list->page, key)) {
        return 0;
    }
    lambda_arn(list->request, list->function, version, arn);
    json_open_object(&list->writer, NULL);
    json_put_text(&list->writer, "FunctionArn", arn);
    put_config(list->request, &list->writer, config);
    json_close_object(&list->writer);
    return 0;
}

static int list_all(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function function;
    struct list_ctx list = {.request = request};
    if (lambda_target(request, &target, err) != 0 || lambda_function(request, &target, &function, err) != 0 ||
        lambda_page_begin(request, &list.page, err) != 0) {
        return -1;
    }
    list.function = target.name;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "ProvisionedConcurrencyConfigs");
    if (function_list_provisioned(request->pg, request->account_id, function.function_id, -1, on_config, &list, err) !=
        0) {
        return -1;
    }
    json_close_array(&list.writer);
    lambda_page_end(&list.page, &list.writer);
    return reply_json_end(request, 200, &list.writer, err);
}

int lambda_provisioned_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function function;
    struct function_provisioned config = {0};
    struct json_writer writer;
    const char *list = request_query(request, "List");
    if (list != NULL && strcmp(list, "ALL") == 0) {
        return list_all(request, err);
    }
    if (provisioned_target(request, &target, err) != 0 || lambda_function(request, &target, &function, err) != 0 ||
        function_list_provisioned(request->pg, request->account_id, function.function_id, function.version, take_one,
                                  &config, err) != 0) {
        return -1;
    }
    if (config.instances == 0) {
        (void)err_set(err, ERR_NOT_FOUND, "No Provisioned Concurrency Config found for this function");
        return err_slug(err, "ProvisionedConcurrencyConfigNotFoundException");
    }
    reply_json_begin(request, &writer);
    put_config(request, &writer, &config);
    return reply_json_end(request, 200, &writer, err);
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
