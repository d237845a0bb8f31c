/* Reading AWS's bodies, and lists page by page: Marker, MaxItems, NextMarker. */
#include <stdlib.h>
#include <string.h>

#include "api/http.h"
#include "api/lambda.h"
#include "common/err.h"
#include "common/text.h"

int lambda_body(struct request *request, cJSON **tree, struct err *err)
{
    struct err local = {0};
    if (request->body.length == 0) {
        *tree = cJSON_CreateObject();
        return *tree != NULL ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
    }
    if (json_parse(buf_text(&request->body), request->body.length, tree, &local) != 0 || !cJSON_IsObject(*tree)) {
        cJSON_Delete(*tree); /* it may be JSON, but no object */
        *tree = NULL;
        (void)err_set(err, ERR_INVALID, "Could not parse request body into json: %.300s", local.text);
        return err_slug(err, "InvalidRequestContentException");
    }
    return 0;
}

int lambda_parameter(struct err *err, const char *text)
{
    (void)err_set(err, ERR_INVALID, "%s", text);
    return err_slug(err, "InvalidParameterValueException");
}

const char *lambda_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
}

int lambda_page_begin(const struct request *request, struct lambda_page *page, struct err *err)
{
    const char *marker = request_query(request, "Marker");
    *page = (struct lambda_page){.left = LAMBDA_PAGE_MAX, .marker = marker != NULL ? marker : ""};
    if (request_query_i64(request, "MaxItems", 1, 10000, &page->left, err) != 0) {
        return err_slug(err, "InvalidParameterValueException");
    }
    page->left = page->left > LAMBDA_PAGE_MAX ? LAMBDA_PAGE_MAX : page->left;
    return 0;
}

bool lambda_page_take(struct lambda_page *page, const char *key)
{
    if (page->more || strcmp(key, page->marker) <= 0) {
        return false;
    }
    if (page->left == 0) {
        page->more = true;
        return false;
    }
    page->left--;
    (void)text_copy(page->last, sizeof page->last, key);
    return true;
}

void lambda_page_end(const struct lambda_page *page, struct json_writer *writer)
{
    json_put_text(writer, "NextMarker", page->more ? page->last : NULL);
}

bool lambda_changed_meanwhile(struct err *err)
{
    if (err->slug == NULL || strcmp(err->slug, "precondition_failed") != 0) {
        return false;
    }
    (void)err_set(
        err, ERR_CONFLICT,
        "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
        "retrieve the latest Revision Id");
    (void)err_slug(err, "PreconditionFailedException");
    return true;
}
