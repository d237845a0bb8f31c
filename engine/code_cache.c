/* code_cache.c - unpacked packages on this node, by content. */
#include <stdio.h>
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
