#include "engine/layer_row.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"

static int read_layer(const cJSON *item, struct function_layer *layer, struct err *err)
{
    const char *name = NULL;
    const char *hex = NULL;
    int64_t version = 0;
    if (json_get_text(item, "/layers", "name", true, &name, err) != 0 ||
        json_get_text(item, "/layers", "sha256", true, &hex, err) != 0 ||
        json_get_i64(item, "/layers", "version", true, 1, INT32_MAX, &version, err) != 0 ||
        json_get_i64(item, "/layers", "bytes", true, 0, INT64_MAX, &layer->bytes, err) != 0 ||
        json_get_i64(item, "/layers", "unzipped", true, 0, INT64_MAX, &layer->unzipped_bytes, err) != 0) {
        return -1;
    }
    layer->version = (int)version;
    if (text_copy(layer->name, sizeof layer->name, name) != 0 || strlen(hex) != SHA256_HEX_BYTES - 1 ||
        hex_decode(hex, layer->sha256, SHA256_BYTES) != 0) {
        return err_set(err, ERR_SYSTEM, "layers of the function cannot be read");
    }
    return 0;
}

int layer_row_read(const char *json, struct function *function, struct err *err)
{
    cJSON *tree = NULL;
    const cJSON *item = NULL;
    int rc = 0;
    function->layer_count = 0;
    if (strcmp(json, "[]") == 0) { /* most have none */
        return 0;
    }
    if (json_parse(json, strlen(json), &tree, err) != 0) {
        return -1;
    }
    if (cJSON_GetArraySize(tree) > FUNCTION_LAYERS_MAX) {
        rc = err_set(err, ERR_SYSTEM, "the function has more than %d layers", FUNCTION_LAYERS_MAX);
        goto out;
    }
    cJSON_ArrayForEach(item, tree)
    {
        if (read_layer(item, &function->layers[function->layer_count], err) != 0) {
            rc = -1;
            goto out;
        }
        function->layer_count++;
    }
out:
    cJSON_Delete(tree);
    return rc;
}

void layer_row_write(const struct function *function, struct buf *json)
{
    struct json_writer writer;
    char hex[SHA256_HEX_BYTES];
    json_writer_init(&writer, json);
    json_open_array(&writer, NULL);
    for (int i = 0; i < function->layer_count; i++) {
        const struct function_layer *layer = &function->layers[i];
        json_open_object(&writer, NULL);
        json_put_text(&writer, "name", layer->name);
        json_put_i64(&writer, "version", layer->version);
        hex_encode(layer->sha256, SHA256_BYTES, hex);
        json_put_text(&writer, "sha256", hex);
        json_put_i64(&writer, "bytes", layer->bytes);
        json_put_i64(&writer, "unzipped", layer->unzipped_bytes);
        json_close_object(&writer);
    }
    json_close_array(&writer);
}
