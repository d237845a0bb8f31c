/* .../functions/{f}/versions and /aliases */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/functions.h"
#include "api/handlers.h"
#include "api/http.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/engine.h"
#include "engine/function.h"

#define WEIGHT_DECIMALS_MAX 6

int version_create_handler(struct request *request, struct err *err)
{
    static const char *const names[] = {"description", NULL};
    const char *description = "";
    struct function version;
    struct json_writer writer;
    cJSON *tree = NULL;
    int rc = request->body.length > 0 ? request_json(request, names, &tree, err) : 0;
    if (rc == 0 && tree != NULL) {
        rc = json_get_text(tree, "", "description", false, &description, err);
    }
    if (rc == 0) {
        rc =
            function_publish(request->pg, request->account_id, request_param(request, "f"), description, &version, err);
    }
    if (rc == 0) {
        (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%s:%d", version.name, version.version);
        reply_json_begin(request, &writer);
        function_members(&writer, request, &version, NULL);
        rc = reply_json_end(request, 201, &writer, err);
    }
    cJSON_Delete(tree);
    return rc;
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
};

static int on_version(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    function_members(&list->writer, list->request, function, tags_json);
    json_close_object(&list->writer);
    return 0;
}

int version_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.request = request};
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (function_list_versions(request->pg, request->account_id, request_param(request, "f"), on_version, &list, err) !=
        0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

static void alias_members(struct json_writer *writer, const struct function_alias *alias)
{
    char version[16];
    char revision[UUID_TEXT_BYTES];
    json_put_text(writer, "name", alias->name);
    function_version_text(alias->version, version);
    json_put_text(writer, "version", version);
    if (alias->second_version >= 0) {
        char weight[16];
        function_version_text(alias->second_version, version);
        (void)snprintf(weight, sizeof weight, "%d.%06d", alias->second_weight_ppm / 1000000,
                       alias->second_weight_ppm % 1000000);
        json_put_text(writer, "second_version", version);
        json_put_text(writer, "second_weight", weight);
    }
    json_put_text(writer, "description", alias->description);
    uuid_format(&alias->revision, revision);
    json_put_text(writer, "revision", revision);
}

static int alias_reply(struct request *request, int status, const struct function_alias *alias, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    alias_members(&writer, alias);
    return reply_json_end(request, status, &writer, err);
}

static int on_alias(const struct function_alias *alias, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    alias_members(&list->writer, alias);
    json_close_object(&list->writer);
    return 0;
}

int alias_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.request = request};
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (alias_list(request->pg, request->account_id, request_param(request, "f"), on_alias, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

int alias_get_handler(struct request *request, struct err *err)
{
    struct function_alias alias;
    if (alias_get(request->pg, request->account_id, request_param(request, "f"), request_param(request, "alias"),
                  &alias, err) != 0) {
        return -1;
    }
    return alias_reply(request, 200, &alias, err);
}

/* "0.25" in millionths: digits only, at most six decimals. */
static int weight_parse(const char *text, int *ppm, struct err *err)
{
    int value = 0;
    int decimals = -1;
    const char *at = text;
    for (; *at != '\0' && decimals < WEIGHT_DECIMALS_MAX && value <= 1000000; at++) {
        if (*at == '.' && decimals < 0) {
            decimals = 0;
        } else if (*at >= '0' && *at <= '9') {
            value = value * 10 + (*at - '0');
            decimals += decimals >= 0;
        } else {
            break;
        }
    }
    for (int i = decimals < 0 ? 0 : decimals; i < WEIGHT_DECIMALS_MAX && value <= 1000000; i++) {
        value *= 10;
    }
    if (*at != '\0' || text[0] == '\0' || value > 1000000) {
        return err_field(err, "/second_weight", "second_weight is \"%.20s\"; it is a decimal from 0 to 1", text);
    }
    *ppm = value;
    return 0;
}

static int version_parse(const char *text, const char *field, int *version, struct err *err)
{
    int64_t number = 0;
    if (strcmp(text, "$LATEST") == 0) {
        *version = FUNCTION_VERSION_LATEST;
        return 0;
    }
    if (text_i64(text, field, 1, INT32_MAX, &number, err) != 0) {
        return -1;
    }
    *version = (int)number;
    return 0;
}

static int alias_read(const struct request *request, const cJSON *tree, struct function_alias *alias, struct err *err)
{
    const char *version = NULL, *second = NULL, *weight = "0", *description = "";
    memset(alias, 0, sizeof *alias);
    alias->second_version = -1;
    if (json_get_text(tree, "", "version", true, &version, err) != 0 ||
        json_get_text(tree, "", "second_version", false, &second, err) != 0 ||
        json_get_text(tree, "", "second_weight", false, &weight, err) != 0 ||
        json_get_text(tree, "", "description", false, &description, err) != 0 ||
        version_parse(version, "/version", &alias->version, err) != 0 ||
        (second != NULL && (version_parse(second, "/second_version", &alias->second_version, err) != 0 ||
                            weight_parse(weight, &alias->second_weight_ppm, err) != 0))) {
        return -1;
    }
    if (text_copy(alias->description, sizeof alias->description, description) != 0) {
        return err_field(err, "/description", "description is longer than %zu bytes", sizeof alias->description - 1);
    }
    if (text_copy(alias->name, sizeof alias->name, request_param(request, "alias")) != 0) {
        return err_field(err, "alias", "the name is longer than %zu bytes", sizeof alias->name - 1);
    }
    return 0;
}

/* Made when it is not there, changed when it is. */
int alias_put_handler(struct request *request, struct err *err)
{
    static const char *const names[] = {"version", "second_version", "second_weight", "description", NULL};
    const char *function = request_param(request, "f");
    struct function_alias alias, stored;
    struct err missing = {0};
    cJSON *tree = NULL;
    int rc = request_json(request, names, &tree, err);
    if (rc == 0) {
        rc = alias_read(request, tree, &alias, err);
    }
    cJSON_Delete(tree);
    if (rc != 0) {
        return -1;
    }
    bool create = alias_get(request->pg, request->account_id, function, alias.name, &stored, &missing) != 0;
    if (create && missing.code != ERR_NOT_FOUND) {
        *err = missing;
        return -1;
    }
    if (alias_put(request->pg, request->account_id, function, &alias, create, NULL, &stored, err) != 0) {
        return -1;
    }
    (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%s:%.60s", function, alias.name);
    struct engine *engine = api_get_options(request->api)->engine;
    if (engine != NULL) {
        engine_function_changed(engine, request->account_id, function);
    }
    return alias_reply(request, create ? 201 : 200, &stored, err);
}

int alias_delete_handler(struct request *request, struct err *err)
{
    const char *function = request_param(request, "f");
    if (alias_delete(request->pg, request->account_id, function, request_param(request, "alias"), err) != 0) {
        return -1;
    }
    (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%s:%.60s", function,
                   request_param(request, "alias"));
    return reply_empty(request, 204);
}
