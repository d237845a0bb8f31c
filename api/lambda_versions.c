/* Lambda's versions. */
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

int lambda_version_create_handler(struct request *request, struct err *err)
{
    struct lambda_target target;
    struct function version;
    cJSON *tree = NULL;
    int rc = lambda_target(request, &target, err);
    if (rc == 0) {
        rc = lambda_body(request, &tree, err);
    }
    if (rc == 0) {
        rc = lambda_members_check(tree, "Description RevisionId CodeSha256", err);
    }
    if (rc == 0) {
        rc = function_publish_if(request->pg, request->account_id, target.name, lambda_text(tree, "Description"),
                                 lambda_text(tree, "RevisionId"), lambda_text(tree, "CodeSha256"), &version, err);
        if (rc != 0 && !lambda_changed_meanwhile(err)) {
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
    struct lambda_page page;
};

static int on_version(const struct function *function, const char *tags_json, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    char key[16];
    (void)tags_json;
    (void)snprintf(key, sizeof key, "%010d", function->version);
    if (!lambda_page_take(&list->page, key)) {
        return 0;
    }
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
    if (lambda_target(request, &target, err) != 0 || lambda_page_begin(request, &list.page, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "Versions");
    if (function_list_versions(request->pg, request->account_id, target.name, on_version, &list, err) != 0) {
        return lambda_not_found(request, &target, err);
    }
    json_close_array(&list.writer);
    lambda_page_end(&list.page, &list.writer);
    return reply_json_end(request, 200, &list.writer, err);
}
