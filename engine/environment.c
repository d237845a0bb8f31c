/* environment.c - what a runtime finds in its environment, and how it is started. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static bool has_own(const char *json, const char *quoted_name)
{
    return json != NULL && strstr(json, quoted_name) != NULL;
}

/* Where programs, libraries and modules of layers are found, as on Lambda; what a function sets itself stands. */
static void put_paths(struct buf *texts, uint32_t *count, const struct function *function, const char *json,
                      const char *opt)
{
    char text[4 * ENGINE_PATH_BYTES];
    if (!has_own(json, "\"PATH\"")) {
        (void)snprintf(text, sizeof text, "/usr/local/bin:/usr/bin:/bin:%s/bin", opt);
        put(texts, count, "PATH", text);
    }
    if (!has_own(json, "\"LD_LIBRARY_PATH\"")) {
        (void)snprintf(text, sizeof text, "/var/task:/var/task/lib:%s/lib", opt);
        put(texts, count, "LD_LIBRARY_PATH", text);
    }
    if (function->layer_count == 0) {
        return;
    }
    if (text_starts(function->runtime, "nodejs") && !has_own(json, "\"NODE_PATH\"")) {
        const char *release = function->runtime + strlen("nodejs"); /* "", or "22.x" */
        size_t digits = strspn(release, "0123456789");
        (void)snprintf(text, sizeof text, "%s/nodejs/node%.*s/node_modules:%s/nodejs/node_modules", opt,
                       digits > 0 ? (int)digits : 2, digits > 0 ? release : "20", opt);
        put(texts, count, "NODE_PATH", text);
    }
    if (text_starts(function->runtime, "python") && !has_own(json, "\"PYTHONPATH\"")) {
        (void)snprintf(text, sizeof text, "%s/python", opt);
        put(texts, count, "PYTHONPATH", text);
    }
}

int environment_build(struct engine *engine, const struct function *function, const char *json, const char *opt_dir,
                      struct buf *texts, uint32_t *count, struct err *err)
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
    put_paths(texts, count, function, json, engine->isolated || opt_dir[0] == '\0' ? "/opt" : opt_dir);
    return buf_ok(texts) ? 0 : err_set(err, ERR_SYSTEM, "environment: out of memory");
}

/* A program that starts the runtime in its own way, as many layers bring one. */
static const char *wrapper_of(const struct fleet *fleet)
{
    static const char name[] = "AWS_LAMBDA_EXEC_WRAPPER=";
    const char *at = fleet->environment.data;
    for (uint32_t i = 0; i < fleet->environment_count; i++) {
        if (text_starts(at, name) && at[sizeof name - 1] != '\0') {
            return at + sizeof name - 1;
        }
        at += strlen(at) + 1;
    }
    return NULL;
}

void environment_argv(const struct engine *engine, const struct fleet *fleet, char texts[2][4200], const char *argv[5])
{
    const struct function *function = &fleet->function;
    const char *task = engine->isolated ? "/var/task" : fleet->code_dir;
    const char *runtime = engine->isolated ? "/var/runtime" : engine->image_dir;
    const char *wrapper = wrapper_of(fleet);
    int count = 0;
    if (text_starts(function->runtime, "nodejs") || text_starts(function->runtime, "python")) {
        bool node = text_starts(function->runtime, "nodejs");
        if (wrapper != NULL) {
            argv[count++] = wrapper;
        }
        (void)snprintf(texts[0], 4200, "%s/%s", runtime, node ? "nodejs.mjs" : "python.py");
        argv[count++] = node ? "/usr/bin/node" : "/usr/bin/python3";
    } else {
        (void)snprintf(texts[1], 4200, "%s/bootstrap", fleet->code_dir);
        bool in_layer = fleet->opt_dir[0] != '\0' && access(texts[1], F_OK) != 0;
        const char *opt = engine->isolated ? "/opt" : fleet->opt_dir;
        (void)snprintf(texts[0], 4200, "%s/bootstrap", in_layer ? opt : task);
    }
    argv[count++] = texts[0];
    argv[count] = NULL;
}

void engine_arn(const struct engine *engine, int64_t account_id, const char *name, const char *qualifier, char *text,
                size_t room)
{
    bool plain = qualifier == NULL || qualifier[0] == '\0';
    (void)snprintf(text, room, "arn:aws:lambda:%s:%012lld:function:%s%s%s", engine->region, (long long)account_id, name,
                   plain ? "" : ":", plain ? "" : qualifier);
}
