/* Lambda's tags. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "common/err.h"
#include "engine/function.h"

static int target_of(const struct request *request, struct lambda_target *target, struct err *err)
{
    return lambda_target_parse(request, request_param(request, "arn"), target, err);
}

static int tags_get(struct request *request, const struct lambda_target *target, struct buf *json, struct err *err)
{
    if (function_tags_get(request->pg, request->account_id, target->name, json, err) != 0) {
        return lambda_not_found(request, target, err);
    }
    return 0;
}

int lambda_tags_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct buf json = {0};
    struct json_writer writer;
    int rc = target_of(request, &target, err);
    if (rc == 0) {
        rc = tags_get(request, &target, &json, err);
    }
    if (rc == 0) {
        reply_json_begin(request, &writer);
        json_put_raw(&writer, "Tags", json.length > 0 ? buf_text(&json) : "{}");
        rc = reply_json_end(request, 200, &writer, err);
    }
    buf_free(&json);
    return rc;
}

static int tags_put(struct request *request, const struct lambda_target *target, const cJSON *tags, struct err *err)
{
    struct function_change change = {.memory_mib = -1, .timeout_s = -1, .ephemeral_mib = -1, .arch = -1, .network = -1};
    struct function function;
    char *text = cJSON_PrintUnformatted(tags);
    if (text == NULL) {
        return err_set(err, ERR_SYSTEM, "out of memory");
    }
    change.tags_json = text;
    int rc = function_update(request->pg, request->account_id, target->name, &change, &function, err);
    free(text);
    return rc == 0 ? reply_empty(request, 204) : lambda_not_found(request, target, err);
}

static int tags_tree(struct request *request, const struct lambda_target *target, cJSON **tags, struct err *err)
{
    struct buf json = {0};
    int rc = tags_get(request, target, &json, err);
    if (rc == 0) {
        rc = json_parse(json.length > 0 ? buf_text(&json) : "{}", json.length > 0 ? json.length : 2, tags, err);
    }
    buf_free(&json);
    return rc;
}

static int merge(cJSON *tags, const cJSON *added, struct err *err)
{
    const cJSON *item;
    if (!cJSON_IsObject(added)) {
        (void)err_set(err, ERR_INVALID, "Tags is to be an object of strings.");
        return err_slug(err, "InvalidParameterValueException");
    }
    cJSON_ArrayForEach(item, added)
    {
        if (!cJSON_IsString(item)) {
            (void)err_set(err, ERR_INVALID, "The values of Tags are to be strings.");
            return err_slug(err, "InvalidParameterValueException");
        }
        cJSON_DeleteItemFromObjectCaseSensitive(tags, item->string);
        if (cJSON_AddStringToObject(tags, item->string, item->valuestring) == NULL) {
            return err_set(err, ERR_SYSTEM, "out of memory");
        }
    }
    return 0;
}

int lambda_tags_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    cJSON *body = NULL;
    cJSON *tags = NULL;
    int rc = target_of(request, &target, err);
    if (rc == 0) {
        rc = request_json(request, NULL, &body, err);
    }
    if (rc == 0) {
        rc = tags_tree(request, &target, &tags, err);
    }
    if (rc == 0) {
        rc = merge(tags, cJSON_GetObjectItemCaseSensitive(body, "Tags"), err);
    }
    if (rc == 0) {
        rc = tags_put(request, &target, tags, err);
    }
    cJSON_Delete(body);
    cJSON_Delete(tags);
    return rc;
}

int lambda_tags_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    cJSON *tags = NULL;
    int rc = target_of(request, &target, err);
    if (rc == 0) {
        rc = tags_tree(request, &target, &tags, err);
    }
    for (int i = 0; i < request->query_count && rc == 0; i++) {
        if (strcmp(request->query[i].name, "tagKeys") == 0) {
            cJSON_DeleteItemFromObjectCaseSensitive(tags, request->query[i].value);
        }
    }
    if (rc == 0) {
        rc = tags_put(request, &target, tags, err);
    }
    cJSON_Delete(tags);
    return rc;
}
