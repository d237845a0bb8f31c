/* Lambda's PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, ListLayers, ListLayerVersions,
 * DeleteLayerVersion; Layers of functions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/lambda.h"
#include "api/layers.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

/* "arn:aws:lambda:REGION:ACCOUNT:layer:" */
static void arn_prefix(const struct request *request, char prefix[LAMBDA_ARN_BYTES])
{
    (void)snprintf(prefix, LAMBDA_ARN_BYTES, "arn:aws:lambda:%.64s:%lld:layer:", api_get_options(request->api)->region,
                   (long long)request->account_id);
}

static int invalid_arn(const char *text, struct err *err)
{
    (void)err_set(err, ERR_INVALID,
                  "1 validation error detected: Value '%.140s' at 'layers' failed to satisfy constraint: Member must "
                  "satisfy regular expression pattern for ARNs of layer versions",
                  text);
    return err_slug(err, "ValidationException");
}

/* A name, or an ARN with (version above 0) or without a version. Another account's is refused, be there one or not. */
static int layer_parse(const struct request *request, const char *text, struct function_layer *layer, struct err *err)
{
    const char *rest = text;
    char own[32];
    if (text_starts(text, "arn:")) {
        for (int i = 0; i < 4 && rest != NULL; i++) {
            rest = strchr(rest, ':');
            rest = rest != NULL ? rest + 1 : NULL;
        }
        const char *mark = rest != NULL ? strstr(rest, ":layer:") : NULL;
        if (mark == NULL || strcspn(rest, ":") != (size_t)(mark - rest)) {
            return invalid_arn(text, err);
        }
        (void)snprintf(own, sizeof own, "%lld", (long long)request->account_id);
        if ((size_t)(mark - rest) != strlen(own) || strncmp(rest, own, strlen(own)) != 0) {
            (void)err_set(err, ERR_INVALID,
                          "You are not authorized to perform: lambda:GetLayerVersion on resource: %.300s because no "
                          "resource-based policy allows the lambda:GetLayerVersion action",
                          text);
            return err_slug(err, "AccessDeniedException");
        }
        rest = mark + strlen(":layer:");
    }
    return layer_word_read(rest, "", layer, NULL) == 0 ? 0 : invalid_arn(text, err);
}

int lambda_layers_read(const struct request *request, const cJSON *tree, struct lambda_layers *read,
                       struct function_change *change, struct err *err)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(tree, "Layers");
    const cJSON *item = NULL;
    if (array == NULL || cJSON_IsNull(array)) {
        return 0;
    }
    if (!cJSON_IsArray(array)) {
        return lambda_parameter(err, "Layers is an array of ARNs.");
    }
    arn_prefix(request, read->prefix);
    change->relayer = true;
    change->layers = read->layers;
    change->layer_prefix = read->prefix;
    cJSON_ArrayForEach(item, array)
    {
        const char *text = cJSON_GetStringValue(item);
        if (change->layer_count == LAYERS_READ_MAX) {
            return 0; /* too many; the store says so */
        }
        struct function_layer *layer = &read->layers[change->layer_count++];
        if (text == NULL || !text_starts(text, "arn:")) {
            return invalid_arn(text != NULL ? text : "", err);
        }
        if (layer_parse(request, text, layer, err) != 0) {
            return -1;
        }
        if (layer->version == 0) {
            return invalid_arn(text, err);
        }
    }
    return 0;
}

void lambda_layers_member(const struct request *request, struct json_writer *writer, const struct function *function)
{
    char prefix[LAMBDA_ARN_BYTES];
    char arn[2 * LAMBDA_ARN_BYTES];
    if (function->layer_count == 0) {
        return;
    }
    arn_prefix(request, prefix);
    json_open_array(writer, "Layers");
    for (int i = 0; i < function->layer_count; i++) {
        json_open_object(writer, NULL);
        (void)snprintf(arn, sizeof arn, "%s%s:%d", prefix, function->layers[i].name, function->layers[i].version);
        json_put_text(writer, "Arn", arn);
        json_put_i64(writer, "CodeSize", function->layers[i].bytes);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* ---- documents ---- */

static void list_members(const struct request *request, struct json_writer *writer, const struct layer_version *version)
{
    char prefix[LAMBDA_ARN_BYTES];
    char arn[2 * LAMBDA_ARN_BYTES];
    char created[LAMBDA_TIME_BYTES];
    arn_prefix(request, prefix);
    (void)snprintf(arn, sizeof arn, "%s%s:%d", prefix, version->name, version->version);
    lambda_time(version->created_us, created);
    json_put_text(writer, "LayerVersionArn", arn);
    json_put_i64(writer, "Version", version->version);
    json_put_text(writer, "Description", version->description);
    json_put_text(writer, "CreatedDate", created);
    if (strcmp(version->runtimes_json, "[]") != 0) {
        json_put_raw(writer, "CompatibleRuntimes", version->runtimes_json);
    }
    if (strcmp(version->architectures_json, "[]") != 0) {
        json_put_raw(writer, "CompatibleArchitectures", version->architectures_json);
    }
    if (version->license[0] != '\0') {
        json_put_text(writer, "LicenseInfo", version->license);
    }
}

static int version_reply(struct request *request, int status, const struct layer_version *version, struct err *err)
{
    struct json_writer writer;
    struct buf digest = {0};
    char location[LAMBDA_LOCATION_BYTES];
    char prefix[LAMBDA_ARN_BYTES];
    char arn[2 * LAMBDA_ARN_BYTES];
    arn_prefix(request, prefix);
    (void)snprintf(arn, sizeof arn, "%s%s", prefix, version->name);
    base64_encode(version->sha256, SHA256_BYTES, &digest);
    lambda_package_location(request, version->sha256, location);
    reply_json_begin(request, &writer);
    json_open_object(&writer, "Content");
    json_put_text(&writer, "Location", location);
    json_put_text(&writer, "CodeSha256", buf_text(&digest));
    json_put_i64(&writer, "CodeSize", version->bytes);
    json_close_object(&writer);
    json_put_text(&writer, "LayerArn", arn);
    list_members(request, &writer, version);
    buf_free(&digest);
    return reply_json_end(request, status, &writer, err);
}

/* ---- publish ---- */

#define MEMBERS "LayerName Description Content CompatibleRuntimes CompatibleArchitectures LicenseInfo"
#define CONTENT_MEMBERS "ZipFile S3Bucket S3Key S3ObjectVersion"

struct input {
    cJSON *tree;
    struct layer_change change;
    char runtimes[LAYER_WORDS_BYTES], architectures[64];
    struct buf zip;
};

static int content_of(struct input *input, struct err *err)
{
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(input->tree, "Content");
    const char *zip = lambda_text(content, "ZipFile");
    if (lambda_text(content, "S3Bucket") != NULL) {
        return lambda_parameter(err, "Only a layer in ZipFile is supported here.");
    }
    if (lambda_members_check(content, CONTENT_MEMBERS, err) != 0) {
        return -1;
    }
    if (zip == NULL || base64_decode(zip, strlen(zip), &input->zip) != 0 || input->zip.length == 0) {
        return lambda_parameter(err,
                                "Could not unzip uploaded file. Please check your file, then try to upload again.");
    }
    input->change.zip = input->zip.data;
    input->change.zip_length = input->zip.length;
    return 0;
}

static int input_read(struct input *input, struct err *err)
{
    if (lambda_members_check(input->tree, MEMBERS, err) != 0) {
        return -1;
    }
    input->change.description = lambda_text(input->tree, "Description");
    input->change.license = lambda_text(input->tree, "LicenseInfo");
    if (layer_words_text(cJSON_GetObjectItemCaseSensitive(input->tree, "CompatibleRuntimes"), LAYER_RUNTIMES_MAX,
                         input->runtimes, sizeof input->runtimes) != 0) {
        return lambda_parameter(err, "CompatibleRuntimes is a list of at most 15 runtimes.");
    }
    if (layer_words_text(cJSON_GetObjectItemCaseSensitive(input->tree, "CompatibleArchitectures"),
                         LAYER_ARCHITECTURES_MAX, input->architectures, sizeof input->architectures) != 0) {
        return lambda_parameter(err, "CompatibleArchitectures is a list of at most 2 architectures.");
    }
    input->change.runtimes_json = input->runtimes;
    input->change.architectures_json = input->architectures;
    return content_of(input, err);
}

static int publish(struct request *request, struct input *input, struct layer_version *version, struct err *err)
{
    struct function_layer layer;
    if (layer_parse(request, request_param(request, "layer"), &layer, err) != 0 || input_read(input, err) != 0) {
        return -1;
    }
    if (layer_publish(request->pg, request->account_id, layer.name, &input->change, version, err) != 0) {
        return err->code == ERR_LIMIT ? err_slug(err, "CodeStorageExceededException") : -1;
    }
    return 0;
}

int lambda_layer_publish_handler(struct request *request, struct err *err)
{
    struct input input = {.runtimes = ""};
    struct layer_version version;
    int rc = lambda_body(request, &input.tree, err);
    if (rc == 0) {
        rc = publish(request, &input, &version, err);
    }
    if (rc == 0) {
        rc = version_reply(request, 201, &version, err);
    }
    cJSON_Delete(input.tree);
    buf_free(&input.zip);
    return rc;
}

/* ---- one ---- */

static int get(struct request *request, const struct function_layer *layer, struct err *err)
{
    struct layer_version version;
    if (layer_get(request->pg, request->account_id, layer->name, layer->version, &version, err) != 0) {
        return err->code == ERR_NOT_FOUND ? err_set(err, ERR_NOT_FOUND, "The resource you requested does not exist.")
                                          : -1;
    }
    return version_reply(request, 200, &version, err);
}

/* The layer of the path and its version. */
static int path_layer(const struct request *request, struct function_layer *layer, struct err *err)
{
    int64_t number = 0;
    if (layer_parse(request, request_param(request, "layer"), layer, err) != 0) {
        return -1;
    }
    if (text_i64(request_param(request, "version"), "VersionNumber", 1, INT32_MAX, &number, err) != 0) {
        return err_slug(err, "InvalidParameterValueException");
    }
    layer->version = (int)number;
    return 0;
}

int lambda_layer_get_handler(struct request *request, struct err *err)
{
    struct function_layer layer;
    return path_layer(request, &layer, err) != 0 ? -1 : get(request, &layer, err);
}

/* Deleting what is not there is no error, as at AWS. */
int lambda_layer_delete_handler(struct request *request, struct err *err)
{
    struct function_layer layer;
    if (path_layer(request, &layer, err) != 0) {
        return -1;
    }
    if (layer_delete(request->pg, request->account_id, layer.name, layer.version, err) != 0 &&
        err->code != ERR_NOT_FOUND) {
        return -1;
    }
    return reply_empty(request, 204);
}

/* ---- lists ---- */

struct list_ctx {
    const struct request *request;
    struct json_writer writer;
    int64_t left;
    char last[LAYER_NAME_BYTES];
    bool more, by_version;
};

static int on_version(const struct layer_version *version, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    char prefix[LAMBDA_ARN_BYTES];
    char arn[2 * LAMBDA_ARN_BYTES];
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    if (list->by_version) {
        list_members(list->request, &list->writer, version);
        (void)snprintf(list->last, sizeof list->last, "%d", version->version);
    } else {
        arn_prefix(list->request, prefix);
        (void)snprintf(arn, sizeof arn, "%s%s", prefix, version->name);
        json_put_text(&list->writer, "LayerName", version->name);
        json_put_text(&list->writer, "LayerArn", arn);
        json_open_object(&list->writer, "LatestMatchingVersion");
        list_members(list->request, &list->writer, version);
        json_close_object(&list->writer);
        (void)text_copy(list->last, sizeof list->last, version->name);
    }
    json_close_object(&list->writer);
    return 0;
}

static int list_begin(struct request *request, struct list_ctx *list, struct lambda_page *page,
                      struct layer_filter *filter, const char *member, struct err *err)
{
    *list = (struct list_ctx){.request = request};
    if (lambda_page_begin(request, page, err) != 0) {
        return -1;
    }
    *filter = (struct layer_filter){.runtime = request_query(request, "CompatibleRuntime"),
                                    .architecture = request_query(request, "CompatibleArchitecture")};
    list->left = page->left;
    reply_json_begin(request, &list->writer);
    json_open_array(&list->writer, member);
    return 0;
}

static int list_end(struct request *request, struct list_ctx *list, struct err *err)
{
    json_close_array(&list->writer);
    json_put_text(&list->writer, "NextMarker", list->more ? list->last : NULL);
    return reply_json_end(request, 200, &list->writer, err);
}

/* GetLayerVersionByArn has the path of ListLayers. */
static int get_by_arn(struct request *request, struct err *err)
{
    struct function_layer layer;
    const char *arn = request_query(request, "Arn");
    if (arn == NULL || !text_starts(arn, "arn:")) {
        return invalid_arn(arn != NULL ? arn : "", err);
    }
    if (layer_parse(request, arn, &layer, err) != 0) {
        return -1;
    }
    return layer.version == 0 ? invalid_arn(arn, err) : get(request, &layer, err);
}

int lambda_layer_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list;
    struct lambda_page page;
    struct layer_filter filter;
    if (request_query(request, "find") != NULL) {
        return get_by_arn(request, err);
    }
    if (list_begin(request, &list, &page, &filter, "Layers", err) != 0 ||
        layer_list(request->pg, request->account_id, &filter, page.marker, (int)page.left + 1, on_version, &list,
                   err) != 0) {
        return -1;
    }
    return list_end(request, &list, err);
}

int lambda_layer_version_list_handler(struct request *request, struct err *err)
{
    struct function_layer layer;
    struct list_ctx list;
    struct lambda_page page;
    struct layer_filter filter;
    int64_t before = INT32_MAX;
    if (layer_parse(request, request_param(request, "layer"), &layer, err) != 0 ||
        list_begin(request, &list, &page, &filter, "LayerVersions", err) != 0) {
        return -1;
    }
    list.by_version = true;
    if (page.marker[0] != '\0' && text_i64(page.marker, "Marker", 1, INT32_MAX, &before, err) != 0) {
        return err_slug(err, "InvalidParameterValueException");
    }
    if (layer_list_versions(request->pg, request->account_id, layer.name, &filter, (int)before, (int)page.left + 1,
                            on_version, &list, err) != 0) {
        return -1;
    }
    return list_end(request, &list, err);
}
