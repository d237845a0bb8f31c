/* Lambda's concurrency: reserved, and the numbers of the account. */
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

struct sum_ctx {
    int64_t functions, code_bytes, reserved;
};

static int on_sum(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct sum_ctx *sum = ctx;
    (void)tags_json;
    (void)err;
    sum->functions++;
    sum->code_bytes += function->code_bytes;
    if (function->reserved_concurrency > 0) {
        sum->reserved += function->reserved_concurrency;
    }
    return 0;
}

static int account_sums(struct request *request, struct sum_ctx *sum, int64_t *limit, struct err *err)
{
    struct quota_status status;
    if (function_list(request->pg, request->account_id, false, "", -1, INT32_MAX, on_sum, sum, err) != 0 ||
        quota_get(request->pg, request->account_id, QUOTA_CONCURRENCY, &status, err) != 0) {
        return -1;
    }
    *limit = status.quota.set ? status.quota.limit_units : 1000;
    return 0;
}

int lambda_concurrency_read(struct request *request, const char *member, int least, int *value, struct err *err)
{
    cJSON *tree = NULL;
    if (lambda_body(request, &tree, err) != 0) {
        return -1;
    }
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(tree, member);
    bool fine = cJSON_IsNumber(item) && item->valueint >= least;
    *value = fine ? item->valueint : 0;
    cJSON_Delete(tree);
    char text[120];
    (void)snprintf(text, sizeof text, "%s is missing, or less than %d.", member, least);
    return fine ? 0 : lambda_parameter(err, text);
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
    if (lambda_target(request, &target, err) != 0 ||
        lambda_concurrency_read(request, "ReservedConcurrentExecutions", 0, &reserved, err) != 0) {
        return -1;
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

int lambda_account_settings_handler(struct request *request, struct err *err)
{
    struct sum_ctx sum = {0};
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
