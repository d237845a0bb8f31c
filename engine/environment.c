/* environment.c - what a runtime finds in its environment, and how it is started. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/json.h"
#include "common/text.h"
#include "engine/engine_internal.h"

static void put(struct buf *texts, uint32_t *count, const char *name, const char *value)
{
    buf_puts(texts, name);
    buf_putc(texts, '=');
    buf_puts(texts, value);
    buf_putc(texts, '\0');
    (*count)++;
}

static int put_own(struct buf *texts, uint32_t *count, const char *json, struct err *err)
{
    cJSON *tree = NULL;
    if (json == NULL || json[0] == '\0') {
        return 0;
    }
    if (json_parse(json, strlen(json), &tree, err) != 0) {
        return -1;
    }
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, tree)
    {
        if (cJSON_IsString(item)) {
            put(texts, count, item->string, item->valuestring);
        }
    }
    cJSON_Delete(tree);
    return 0;
}

/* Lambda gives every function the keys of its role, and AWS's SDKs do not start without keys. Roles mean nothing here:
 * these have the right form and open nothing, neither at AWS nor at this node. */
static void put_keys(struct buf *texts, uint32_t *count)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[16 + 30 + 96];
    char id[21] = "ASIA";
    struct buf text = {0};
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < 16; i++) {
        id[4 + i] = letters[random[i] % 32];
    }
    put(texts, count, "AWS_ACCESS_KEY_ID", id);
    base64_encode(random + 16, 30, &text);
    put(texts, count, "AWS_SECRET_ACCESS_KEY", buf_text(&text));
    buf_clear(&text);
    base64_encode(random + 46, 96, &text);
    put(texts, count, "AWS_SESSION_TOKEN", buf_text(&text));
    buf_free(&text);
}

int environment_build(struct engine *engine, const struct function *function, const char *json, struct buf *texts,
                      uint32_t *count, struct err *err)
{
    char text[300];
    char version[16] = "$LATEST";
    if (function->version != FUNCTION_VERSION_LATEST) {
        (void)snprintf(version, sizeof version, "%d", function->version);
    }
    if (put_own(texts, count, json, err) != 0) {
        return -1;
    }
    put(texts, count, "AWS_LAMBDA_FUNCTION_NAME", function->name);
    put(texts, count, "AWS_LAMBDA_FUNCTION_VERSION", version);
    (void)snprintf(text, sizeof text, "%d", function->memory_mib);
    put(texts, count, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", text);
    put(texts, count, "AWS_LAMBDA_INITIALIZATION_TYPE",
        function->provisioned > 0 ? "provisioned-concurrency" : "on-demand");
    (void)snprintf(text, sizeof text, "/aws/lambda/%s", function->name);
    put(texts, count, "AWS_LAMBDA_LOG_GROUP_NAME", text);
    put(texts, count, "AWS_REGION", engine->region);
    put(texts, count, "AWS_DEFAULT_REGION", engine->region);
    put_keys(texts, count);
    put(texts, count, "_HANDLER", function->handler);
    put(texts, count, "LAMBDA_RUNTIME_DIR", engine->isolated ? "/var/runtime" : engine->image_dir);
    if (!text_starts(function->runtime, "provided")) {
        (void)snprintf(text, sizeof text, "AWS_Lambda_%s", function->runtime);
        put(texts, count, "AWS_EXECUTION_ENV", text);
    }
    put(texts, count, "LANG", "en_US.UTF-8");
    put(texts, count, "TZ", ":UTC");
    put(texts, count, "AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR");
    put(texts, count, "AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000");
    if (json == NULL || strstr(json, "\"PATH\"") == NULL) {
        put(texts, count, "PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin");
    }
    if (json == NULL || strstr(json, "\"LD_LIBRARY_PATH\"") == NULL) {
        put(texts, count, "LD_LIBRARY_PATH", "/var/task:/var/task/lib:/opt/lib");
    }
    return buf_ok(texts) ? 0 : err_set(err, ERR_SYSTEM, "environment: out of memory");
}

void environment_argv(const struct engine *engine, const struct function *function, const char *code_dir,
                      char texts[2][4200], const char *argv[5])
{
    const char *task = engine->isolated ? "/var/task" : code_dir;
    const char *runtime = engine->isolated ? "/var/runtime" : engine->image_dir;
    if (text_starts(function->runtime, "nodejs")) {
        (void)snprintf(texts[0], 4200, "%s/nodejs.mjs", runtime);
        argv[0] = "/usr/bin/node";
        argv[1] = texts[0];
        argv[2] = NULL;
    } else if (text_starts(function->runtime, "python")) {
        (void)snprintf(texts[0], 4200, "%s/python.py", runtime);
        argv[0] = "/usr/bin/python3";
        argv[1] = texts[0];
        argv[2] = NULL;
    } else {
        (void)snprintf(texts[0], 4200, "%s/bootstrap", task);
        argv[0] = texts[0];
        argv[1] = NULL;
    }
}

void engine_arn(const struct engine *engine, int64_t account_id, const char *name, const char *qualifier, char *text,
                size_t room)
{
    bool plain = qualifier == NULL || qualifier[0] == '\0';
    (void)snprintf(text, room, "arn:aws:lambda:%s:%012lld:function:%s%s%s", engine->region, (long long)account_id, name,
                   plain ? "" : ":", plain ? "" : qualifier);
}
