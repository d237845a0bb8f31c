/* .../functions/{f}/url and /urls: the addresses of a function. */
#include <stdio.h>
#include <string.h>

#include "api/function_url.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/server.h"
#include "common/err.h"
#include "common/text.h"

static const char *qualifier_of(const struct request *request)
{
    const char *qualifier = request_query(request, "qualifier");
    return qualifier != NULL ? qualifier : "";
}

static void members(const struct request *request, struct json_writer *writer, const struct function_url *url)
{
    struct buf text = {0};
    function_url_text(api_urls(request->api), url->id, &text);
    json_put_text(writer, "url", buf_text(&text));
    buf_free(&text);
    json_put_text(writer, "function", url->function);
    if (url->qualifier[0] != '\0') {
        json_put_text(writer, "qualifier", url->qualifier);
    }
    json_put_text(writer, "authorization", url->iam ? "aws_iam" : "none");
    json_put_text(writer, "mode", url->stream ? "response_stream" : "buffered");
    json_open_object(writer, "cors");
    url_cors_write(url, writer);
    json_close_object(writer);
    json_put_time(writer, "created_at", url->created_us);
    json_put_time(writer, "modified_at", url->modified_us);
}

static int url_reply(struct request *request, int status, const struct function_url *url, struct err *err)
{
    struct json_writer writer;
    (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%s%s%.50s", url->function,
                   url->qualifier[0] != '\0' ? ":" : "", url->qualifier);
    reply_json_begin(request, &writer);
    members(request, &writer, url);
    return reply_json_end(request, status, &writer, err);
}

static int url_of(struct request *request, struct function_url *url, struct err *err)
{
    int rc = function_url_get(request->pg, request->account_id, request_param(request, "f"), qualifier_of(request), url,
                              err);
    return rc != 0 && err->code == ERR_NOT_FOUND ? err_slug(err, "not_found") : rc;
}

int url_get_handler(struct request *request, struct err *err)
{
    struct function_url url;
    if (url_of(request, &url, err) != 0) {
        return -1;
    }
    int rc = url_reply(request, 200, &url, err);
    function_url_free(&url);
    return rc;
}

static int word_read(const cJSON *tree, const char *name, const char *first, const char *second, bool required,
                     bool *is_second, struct err *err)
{
    char pointer[32];
    const char *text = first;
    if (json_get_text(tree, "", name, required, &text, err) != 0) {
        return -1;
    }
    if (strcmp(text, first) != 0 && strcmp(text, second) != 0) {
        (void)snprintf(pointer, sizeof pointer, "/%s", name);
        return err_field(err, pointer, "%s is \"%.40s\"; it is %s or %s", name, text, first, second);
    }
    *is_second = strcmp(text, second) == 0;
    return 0;
}

static int body_read(struct request *request, struct function_url *url, struct err *err)
{
    static const char *const NAMES[] = {"authorization", "mode", "cors", NULL};
    cJSON *tree = NULL;
    if (request_json(request, NAMES, &tree, err) != 0) {
        return -1;
    }
    const cJSON *cors = cJSON_GetObjectItemCaseSensitive(tree, "cors");
    buf_clear(&url->cors);
    /* Who may call is to be said: nobody opens a function to everybody by leaving something out. */
    int rc = word_read(tree, "authorization", "none", "aws_iam", true, &url->iam, err);
    if (rc == 0) {
        rc = word_read(tree, "mode", "buffered", "response_stream", false, &url->stream, err);
    }
    if (rc == 0 && cors != NULL) {
        rc = url_cors_read(cors, true, &url->cors, err);
    }
    cJSON_Delete(tree);
    return rc;
}

static int qualifier_check(const char *qualifier, struct err *err)
{
    bool number = qualifier[0] != '\0' && strspn(qualifier, "0123456789") == strlen(qualifier);
    return number || strcmp(qualifier, "$LATEST") == 0
               ? err_field(err, "qualifier", "qualifier is \"%.20s\"; a URL is of an alias, or of $LATEST without one",
                           qualifier)
               : 0;
}

/* Made when it is not there, changed as a whole when it is; its address stays. */
int url_put_handler(struct request *request, struct err *err)
{
    struct function_url url = {.iam = false};
    struct err missing = {0};
    const char *qualifier = qualifier_of(request);
    if (qualifier_check(qualifier, err) != 0) {
        return -1;
    }
    bool create =
        function_url_get(request->pg, request->account_id, request_param(request, "f"), qualifier, &url, &missing) != 0;
    if (create && (missing.slug == NULL || strcmp(missing.slug, "url_not_found") != 0)) {
        *err = missing;
        return -1;
    }
    int rc = body_read(request, &url, err);
    if (rc == 0 && create && text_copy(url.qualifier, sizeof url.qualifier, qualifier) != 0) {
        rc = err_field(err, "qualifier", "qualifier is longer than %zu bytes", sizeof url.qualifier - 1);
    }
    if (rc == 0) {
        rc = create ? function_url_create(request->pg, request->account_id, request_param(request, "f"), &url, err)
                    : function_url_change(request->pg, &url, err);
    }
    if (rc == 0) {
        function_urls_forget(api_urls(request->api), url.id);
        rc = url_reply(request, create ? 201 : 200, &url, err);
    }
    function_url_free(&url);
    return rc;
}

int url_delete_handler(struct request *request, struct err *err)
{
    struct function_url url;
    if (url_of(request, &url, err) != 0) {
        return -1;
    }
    int rc = function_url_delete(request->pg, &url, err);
    function_urls_forget(api_urls(request->api), url.id);
    (void)text_copy(request->audit_subject, sizeof request->audit_subject, url.function);
    function_url_free(&url);
    return rc != 0 ? -1 : reply_empty(request, 204);
}

struct list_ctx {
    struct request *request;
    struct json_writer writer;
};

static int on_url(const struct function_url *url, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    members(list->request, &list->writer, url);
    json_close_object(&list->writer);
    return 0;
}

int url_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.request = request};
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (function_url_list(request->pg, request->account_id, request_param(request, "f"), on_url, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}
