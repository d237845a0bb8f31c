/* code_cache.c - unpacked packages on this node, by content. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/engine_internal.h"

int code_cache_get(struct engine *engine, struct pg *pg, const struct function *function, char dir[ENGINE_PATH_BYTES],
                   struct err *err)
{
    char hex[SHA256_HEX_BYTES];
    char key[SHA256_HEX_BYTES + 32];
    struct buf zip = {0};
    struct stat found;
    int rc = -1;

    /* By account too: what one account may read must not depend on what another uploaded. */
    hex_encode(function->code_sha256, SHA256_BYTES, hex);
    (void)snprintf(key, sizeof key, "%lld-%s", (long long)function->account_id, hex);
    (void)snprintf(dir, ENGINE_PATH_BYTES, "%.3900s/%s", engine->code_dir, key);
    if (stat(dir, &found) == 0) {
        return 0;
    }
    if (function_code_get(pg, function->account_id, function->code_sha256, &zip, err) != 0 ||
        code_unpack(zip.data, zip.length, dir, err) != 0) {
        (void)err_wrap(err, "code of function %s", function->name);
        goto out;
    }
    rc = 0;
out:
    buf_free(&zip);
    return rc;
}

struct fetching {
    struct pg *pg;
    const struct function *function;
};

static int fetch_layer(void *ctx, int at, struct buf *zip, struct err *err)
{
    const struct fetching *fetching = ctx;
    const struct function *function = fetching->function;
    if (function_code_get(fetching->pg, function->account_id, function->layers[at].sha256, zip, err) != 0) {
        return err_wrap(err, "layer %s:%d", function->layers[at].name, function->layers[at].version);
    }
    return 0;
}

int code_cache_layers(struct engine *engine, struct pg *pg, const struct function *function,
                      char dir[ENGINE_PATH_BYTES], struct err *err)
{
    struct fetching fetching = {.pg = pg, .function = function};
    uint8_t all[FUNCTION_LAYERS_MAX * SHA256_BYTES];
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    struct stat found;

    dir[0] = '\0';
    if (function->layer_count == 0) {
        return 0;
    }
    /* The same layers in the same order are the same folder, whatever function has them. */
    for (int i = 0; i < function->layer_count; i++) {
        memcpy(all + (size_t)i * SHA256_BYTES, function->layers[i].sha256, SHA256_BYTES);
    }
    sha256(all, (size_t)function->layer_count * SHA256_BYTES, digest);
    hex_encode(digest, SHA256_BYTES, hex);
    (void)snprintf(dir, ENGINE_PATH_BYTES, "%.3900s/%lld-opt-%s", engine->code_dir, (long long)function->account_id,
                   hex);
    if (stat(dir, &found) == 0) {
        return 0;
    }
    if (code_unpack_over(fetch_layer, &fetching, function->layer_count, dir, err) != 0) {
        return err_wrap(err, "layers of function %s", function->name);
    }
    return 0;
}
