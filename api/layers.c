/* /v1/accounts/{a}/layers: publish, list, read, delete. */
#include "api/layers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"

#define WORD_BYTES_MAX 40

/* ---- shared ---- */

int layer_words_text(const cJSON *array, int most, char *text, size_t room)
{
    struct buf json = {0};
    struct json_writer writer;
    const cJSON *item = NULL;
    int count = 0;
    bool fine = array == NULL || cJSON_IsNull(array) || cJSON_IsArray(array);
    json_writer_init(&writer, &json);
    json_open_array(&writer, NULL);
    cJSON_ArrayForEach(item, array)
    {
        const char *word = cJSON_GetStringValue(item);
        size_t length = word != NULL ? strlen(word) : 0;
        fine = fine && ++count <= most && length > 0 && length <= WORD_BYTES_MAX &&
               strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
        if (fine) {
            json_put_text(&writer, NULL, word);
        }
    }
    json_close_array(&writer);
    int rc = fine && text_copy(text, room, buf_text(&json)) == 0 ? 0 : -1;
    buf_free(&json);
    return rc;
}

static int input_add(const char *word, struct function_layer layers[LAYERS_READ_MAX], struct function_change *change,
                     struct err *err)
{
    change->relayer = true;
    change->layers = layers;
    if (change->layer_count == LAYERS_READ_MAX) {
        return 0; /* too many already */
    }
    return layer_word_read(word, "/layers", &layers[change->layer_count++], err);
}

int layer_input_read(const cJSON *tree, struct function_layer layers[LAYERS_READ_MAX], struct function_change *change,
                     struct err *err)
{
    const cJSON *array = NULL;
    const cJSON *item = NULL;
    if (json_get_array(tree, "", "layers", false, &array, err) != 0) {
        return -1;
    }
    change->relayer = array != NULL;
    cJSON_ArrayForEach(item, array)
    {
        if (!cJSON_IsString(item)) {
            return err_field(err, "/layers", "layers is an array of words NAME or NAME:VERSION");
        }
        if (input_add(item->valuestring, layers, change, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int layer_input_words(const char *words, struct function_layer layers[LAYERS_READ_MAX], struct function_change *change,
                      struct err *err)
{
    char word[LAYER_NAME_BYTES + 16];
    change->relayer = words != NULL;
    while (words != NULL && *words != '\0') {
        size_t length = strcspn(words, ",");
        (void)snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : (int)sizeof word, words);
        if (input_add(word, layers, change, err) != 0) {
            return -1;
        }
        words += length + (words[length] == ',');
    }
    return 0;
}

void layer_function_member(struct json_writer *writer, const struct function *function)
{
    json_open_array(writer, "layers");
    for (int i = 0; i < function->layer_count; i++) {
        json_open_object(writer, NULL);
        json_put_text(writer, "name", function->layers[i].name);
        json_put_i64(writer, "version", function->layers[i].version);
        json_put_i64(writer, "bytes", function->layers[i].bytes);
        json_put_i64(writer, "unzipped_bytes", function->layers[i].unzipped_bytes);
        json_close_object(writer);
    }
    json_close_array(writer);
}

/* ---- documents ---- */

static void members(struct json_writer *writer, const struct layer_version *version)
{
    char hex[SHA256_HEX_BYTES];
    json_put_text(writer, "name", version->name);
    json_put_i64(writer, "version", version->version);
    json_put_text(writer, "description", version->description);
    json_put_text(writer, "license", version->license);
    json_put_raw(writer, "runtimes", version->runtimes_json);
    json_put_raw(writer, "architectures", version->architectures_json);
    json_open_object(writer, "code");
    hex_encode(version->sha256, SHA256_BYTES, hex);
    json_put_text(writer, "sha256", hex);
    json_put_i64(writer, "bytes", version->bytes);
    json_put_i64(writer, "unzipped_bytes", version->unzipped_bytes);
    json_close_object(writer);
    json_put_time(writer, "created_at", version->created_us);
}

static int version_reply(struct request *request, int status, const struct layer_version *version, struct err *err)
{
    struct json_writer writer;
    reply_json_begin(request, &writer);
    members(&writer, version);
    return reply_json_end(request, status, &writer, err);
}

/* ---- publish ---- */

struct input {
    struct layer_change change;
    char runtimes[LAYER_WORDS_BYTES], architectures[64];
    struct buf zip;
    cJSON *tree;
};

static int words_of(const cJSON *tree, const char *name, int most, char *text, size_t room, struct err *err)
{
    char field[64];
    if (layer_words_text(cJSON_GetObjectItemCaseSensitive(tree, name), most, text, room) == 0) {
        return 0;
    }
    (void)snprintf(field, sizeof field, "/%s", name);
    return err_field(err, field, "%s is an array of at most %d words", name, most);
}

static int tree_read(const struct request *request, struct input *input, struct err *err)
{
    static const char *const names[] = {"description", "license", "runtimes", "architectures", "code", NULL};
    const char *code = NULL;
    struct layer_change *change = &input->change;
    if (request_json(request, names, &input->tree, err) != 0 ||
        json_get_text(input->tree, "", "description", false, &change->description, err) != 0 ||
        json_get_text(input->tree, "", "license", false, &change->license, err) != 0 ||
        json_get_text(input->tree, "", "code", true, &code, err) != 0 ||
        words_of(input->tree, "runtimes", LAYER_RUNTIMES_MAX, input->runtimes, sizeof input->runtimes, err) != 0 ||
        words_of(input->tree, "architectures", LAYER_ARCHITECTURES_MAX, input->architectures,
                 sizeof input->architectures, err) != 0) {
        return -1;
    }
    if (base64_decode(code, strlen(code), &input->zip) != 0) {
        return err_field(err, "/code", "code is not base64 (a zip in the standard alphabet, with padding)");
    }
    change->runtimes_json = input->runtimes;
    change->architectures_json = input->architectures;
    change->zip = input->zip.data;
    change->zip_length = input->zip.length;
    return 0;
}

/* A zip as the body: what there is to say about it is in the query. */
static int input_read(const struct request *request, struct input *input, struct err *err)
{
    if (request_media_type_is(request, "application/json")) {
        return tree_read(request, input, err);
    }
    if (!request_media_type_is(request, "application/zip") &&
        !request_media_type_is(request, "application/octet-stream")) {
        (void)err_set(err, ERR_INVALID, "Content-Type is to be application/json or application/zip");
        return err_slug(err, "unsupported_media_type");
    }
    input->change.description = request_query(request, "description");
    input->change.license = request_query(request, "license");
    input->change.zip = buf_text(&request->body);
    input->change.zip_length = request->body.length;
    return 0;
}

int layer_publish_handler(struct request *request, struct err *err)
{
    struct input input = {.runtimes = ""};
    struct layer_version version;
    int rc = input_read(request, &input, err);
    if (rc == 0) {
        rc = layer_publish(request->pg, request->account_id, request_param(request, "layer"), &input.change, &version,
                           err);
    }
    if (rc == 0) {
        char location[300];
        (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%.100s:%d", version.name,
                       version.version);
        (void)snprintf(location, sizeof location, "/v1/accounts/acct_%lld/layers/%s/versions/%d",
                       (long long)request->account_id, version.name, version.version);
        reply_header(&request->reply, "Location", location);
        rc = version_reply(request, 201, &version, err);
    }
    cJSON_Delete(input.tree);
    buf_free(&input.zip);
    return rc;
}

/* ---- lists ---- */

struct list_ctx {
    struct json_writer writer;
    int64_t left;
    char last[LAYER_NAME_BYTES];
    bool more, by_version;
};

static int on_version(const struct layer_version *version, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (list->left-- == 0) {
        list->more = true;
        return 0;
    }
    json_open_object(&list->writer, NULL);
    members(&list->writer, version);
    json_close_object(&list->writer);
    if (list->by_version) {
        (void)snprintf(list->last, sizeof list->last, "%d", version->version);
    } else {
        (void)text_copy(list->last, sizeof list->last, version->name);
    }
    return 0;
}

int layer_list_handler(struct request *request, struct err *err)
{
    static const struct layer_filter all = {NULL, NULL};
    struct list_ctx list = {.more = false};
    struct page page;
    if (page_get(request, &page, err) != 0) {
        return -1;
    }
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (layer_list(request->pg, request->account_id, &all, page.after, (int)page.limit + 1, on_version, &list, err) !=
        0) {
        return -1;
    }
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? list.last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

int layer_version_list_handler(struct request *request, struct err *err)
{
    static const struct layer_filter all = {NULL, NULL};
    struct list_ctx list = {.by_version = true};
    struct layer_version newest;
    struct page page;
    const char *name = request_param(request, "layer");
    int64_t before = INT32_MAX;
    if (page_get(request, &page, err) != 0 ||
        (page.after[0] != '\0' && text_i64(page.after, "cursor", 1, INT32_MAX, &before, err) != 0) ||
        layer_get(request->pg, request->account_id, name, 0, &newest, err) != 0) { /* is there one at all? */
        return -1;
    }
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (layer_list_versions(request->pg, request->account_id, name, &all, (int)before, (int)page.limit + 1, on_version,
                            &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? list.last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

/* ---- one ---- */

/* A version nobody can have is one that is not there. */
static int number_of(const struct request *request, int *number, struct err *err)
{
    int64_t value = 0;
    const char *text = request_param(request, "version");
    if (text_i64(text, "version", 1, INT32_MAX, &value, NULL) != 0) {
        return err_set(err, ERR_NOT_FOUND, "layer %.140s has no version %.20s", request_param(request, "layer"), text);
    }
    *number = (int)value;
    return 0;
}

static int version_of(struct request *request, struct layer_version *version, struct err *err)
{
    int number = 0;
    if (number_of(request, &number, err) != 0) {
        return -1;
    }
    return layer_get(request->pg, request->account_id, request_param(request, "layer"), number, version, err);
}

int layer_get_handler(struct request *request, struct err *err)
{
    struct layer_version version;
    return version_of(request, &version, err) != 0 ? -1 : version_reply(request, 200, &version, err);
}

int layer_code_get_handler(struct request *request, struct err *err)
{
    struct layer_version version;
    char disposition[220];
    if (version_of(request, &version, err) != 0 ||
        function_code_get(request->pg, request->account_id, version.sha256, &request->reply.body, err) != 0) {
        return -1;
    }
    (void)snprintf(disposition, sizeof disposition, "attachment; filename=\"%s-%d.zip\"", version.name,
                   version.version);
    reply_header(&request->reply, "Content-Disposition", disposition);
    request->reply.status = 200;
    request->reply.content_type = "application/zip";
    request->reply.encoded = true; /* it is compressed already */
    return 0;
}

int layer_delete_handler(struct request *request, struct err *err)
{
    int number = 0;
    const char *name = request_param(request, "layer");
    if (number_of(request, &number, err) != 0 ||
        layer_delete(request->pg, request->account_id, name, number, err) != 0) {
        return -1;
    }
    (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%.100s:%d", name, number);
    return reply_empty(request, 204);
}
