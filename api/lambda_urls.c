/* Lambda's function URL configurations. */
#include <stdio.h>
#include <string.h>

#include "api/function_url.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "api/server.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/text.h"

static void put_time(struct json_writer *writer, const char *name, int64_t at_us)
{
    char text[CALENDAR_TEXT_BYTES];
    calendar_format_us(at_us, text);
    json_put_text(writer, name, text);
}

static void url_members(const struct request *request, struct json_writer *writer, const struct function_url *url,
                        bool modified)
{
    char arn[LAMBDA_ARN_BYTES];
    struct buf text = {0};
    lambda_arn(request, url->function, url->qualifier, arn);
    function_url_text(api_urls(request->api), url->id, &text);
    json_put_text(writer, "FunctionUrl", buf_text(&text));
    buf_free(&text);
    json_put_text(writer, "FunctionArn", arn);
    json_put_text(writer, "AuthType", url->iam ? "AWS_IAM" : "NONE");
    if (url->cors.length > 0) {
        json_put_raw(writer, "Cors", buf_text(&url->cors));
    }
    put_time(writer, "CreationTime", url->created_us);
    if (modified) {
        put_time(writer, "LastModifiedTime", url->modified_us);
    }
    json_put_text(writer, "InvokeMode", url->stream ? "RESPONSE_STREAM" : "BUFFERED");
}

/* An alias or nothing: a URL cannot point to one version for ever. */
static int url_target(const struct request *request, struct lambda_target *target, struct err *err)
{
    if (lambda_target(request, target, err) != 0) {
        return -1;
    }
    const char *qualifier = target->qualifier;
    if (qualifier[0] != '\0' &&
        (strcmp(qualifier, "$LATEST") == 0 || strspn(qualifier, "0123456789") == strlen(qualifier))) {
        (void)err_set(err, ERR_INVALID,
                      "1 validation error detected: Value '%.120s' at 'qualifier' failed to satisfy constraint: Member "
                      "must satisfy regular expression pattern: ((?!^\\d+$)^[0-9a-zA-Z-_]+$)",
                      qualifier);
        return err_slug(err, "ValidationException");
    }
    return 0;
}

/* One of two words; absent: *second stays. */
static int word_read(const cJSON *tree, const char *name, const char *first, const char *second, bool required,
                     bool *is_second, struct err *err)
{
    const char *text = lambda_text(tree, name);
    if (cJSON_GetObjectItemCaseSensitive(tree, name) == NULL && !required) {
        return 0;
    }
    if (text == NULL || (strcmp(text, first) != 0 && strcmp(text, second) != 0)) {
        (void)err_set(err, ERR_INVALID,
                      "1 validation error detected: Value '%.60s' at '%s' failed to satisfy constraint: Member must "
                      "satisfy enum value set: [%s, %s]",
                      text != NULL ? text : "null", name, first, second);
        return err_slug(err, "ValidationException");
    }
    *is_second = strcmp(text, second) == 0;
    return 0;
}

/* What the body says, on top of what url holds. */
static int url_read(struct request *request, bool create, struct function_url *url, struct err *err)
{
    cJSON *tree = NULL;
    if (lambda_body(request, &tree, err) != 0) {
        return -1;
    }
    const cJSON *cors = cJSON_GetObjectItemCaseSensitive(tree, "Cors");
    int rc = word_read(tree, "AuthType", "NONE", "AWS_IAM", create, &url->iam, err);
    if (rc == 0) {
        rc = word_read(tree, "InvokeMode", "BUFFERED", "RESPONSE_STREAM", false, &url->stream, err);
    }
    if (rc == 0 && cors != NULL && url_cors_read(cors, false, &url->cors, err) != 0) {
        rc = err_slug(err, "InvalidParameterValueException");
    }
    cJSON_Delete(tree);
    return rc;
}

static int url_error(const struct request *request, const struct lambda_target *target, struct err *err)
{
    if (err->slug != NULL && strcmp(err->slug, "url_not_found") == 0) {
        return err_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.");
    }
    if (err->code == ERR_CONFLICT) {
        char arn[LAMBDA_ARN_BYTES];
        lambda_arn(request, target->name, target->qualifier, arn);
        return err_set(err, ERR_CONFLICT,
                       "Failed to create function url config for [functionArn = %.200s]. Error message:  "
                       "FunctionUrlConfig exists for this Lambda function",
                       arn);
    }
    return lambda_not_found(request, target, err);
}

static int url_reply(struct request *request, int status, const struct function_url *url, struct err *err)
{
    struct json_writer writer;
    (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%s%s%.50s", url->function,
                   url->qualifier[0] != '\0' ? ":" : "", url->qualifier);
    reply_json_begin(request, &writer);
    url_members(request, &writer, url, status != 201);
    return reply_json_end(request, status, &writer, err);
}

int lambda_url_create_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_url url = {.iam = false};
    if (url_target(request, &target, err) != 0) {
        return -1;
    }
    (void)text_copy(url.qualifier, sizeof url.qualifier, target.qualifier);
    int rc = url_read(request, true, &url, err);
    if (rc == 0 && function_url_create(request->pg, request->account_id, target.name, &url, err) != 0) {
        rc = url_error(request, &target, err);
    }
    if (rc == 0) {
        rc = url_reply(request, 201, &url, err);
    }
    function_url_free(&url);
    return rc;
}

/* The URL of the target; function_url_free it. */
static int url_of(struct request *request, struct lambda_target *target, struct function_url *url, struct err *err)
{
    if (url_target(request, target, err) != 0) {
        return -1;
    }
    if (function_url_get(request->pg, request->account_id, target->name, target->qualifier, url, err) != 0) {
        return url_error(request, target, err);
    }
    return 0;
}

int lambda_url_get_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_url url;
    if (url_of(request, &target, &url, err) != 0) {
        return -1;
    }
    int rc = url_reply(request, 200, &url, err);
    function_url_free(&url);
    return rc;
}

int lambda_url_put_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_url url;
    if (url_of(request, &target, &url, err) != 0) {
        return -1;
    }
    int rc = url_read(request, false, &url, err);
    if (rc == 0 && function_url_change(request->pg, &url, err) != 0) {
        rc = url_error(request, &target, err);
    }
    if (rc == 0) {
        function_urls_forget(api_urls(request->api), url.id);
        rc = url_reply(request, 200, &url, err);
    }
    function_url_free(&url);
    return rc;
}

int lambda_url_delete_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function_url url;
    if (url_of(request, &target, &url, err) != 0) {
        return -1;
    }
    int rc = function_url_delete(request->pg, &url, err);
    function_urls_forget(api_urls(request->api), url.id);
    function_url_free(&url);
    return rc != 0 ? -1 : reply_empty(request, 204);
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
    struct lambda_page page;
};

static int on_url(const struct function_url *url, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    /* Marker "" is before all of them, so the unqualified one gets a key, too. */
    if (lambda_page_take(&list->page, url->qualifier[0] != '\0' ? url->qualifier : "$LATEST")) {
        json_open_object(&list->writer, NULL);
        url_members(list->request, &list->writer, url, true);
        json_close_object(&list->writer);
    }
    return 0;
}

int lambda_url_list_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct list_ctx list = {.request = request};
    if (lambda_target(request, &target, err) != 0 || lambda_page_begin(request, &list.page, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "FunctionUrlConfigs");
    if (function_url_list(request->pg, request->account_id, target.name, on_url, &list, err) != 0) {
        return url_error(request, &target, err);
    }
    json_close_array(&list.writer);
    lambda_page_end(&list.page, &list.writer);
    return reply_json_end(request, 200, &list.writer, err);
}
