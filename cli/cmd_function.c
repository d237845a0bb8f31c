/* cmd_function.c - farthing function.
 * Length: small subcommands that share how a function is named, read and printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/package.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

const char cmd_function_help[] =
    "farthing function list ACCOUNT\n"
    "farthing function deploy DIR|ZIP --account ACCOUNT [OPTIONS]   makes it, or changes what is there\n"
    "farthing function show ACCOUNT/FUNCTION[:QUALIFIER]\n"
    "farthing function publish ACCOUNT/FUNCTION [--description TEXT]\n"
    "farthing function versions ACCOUNT/FUNCTION\n"
    "farthing function alias ACCOUNT/FUNCTION NAME VERSION\n"
    "farthing function url ACCOUNT/FUNCTION[:ALIAS] [--public|--signed] [--stream] [--allow-origin ORIGIN] [--remove]\n"
    "farthing function delete ACCOUNT/FUNCTION[:VERSION]\n"
    "\n"
    "  --account ACCOUNT   whose (FARTHING_ACCOUNT)\n"
    "  --name NAME         the function's name (the name of DIR or ZIP)\n"
    "  --runtime RUNTIME   provided, nodejs or python (found out from the files)\n"
    "  --handler HANDLER   index.handler, lambda_function.lambda_handler, ... (found out from the files)\n"
    "  --memory MIB        128 to 10240 (128)\n"
    "  --timeout SECONDS   1 to 900 (3)\n"
    "  --ephemeral MIB     size of /tmp, 512 to 10240 (512)\n"
    "  --env KEY=VALUE     environment of the function; may be repeated; replaces what was set\n"
    "  --layer NAME[:N]    a layer of the account (its newest version); may be repeated, in order; replaces what was "
    "set\n"
    "  --no-layers         none any more\n"
    "  --tag KEY=VALUE     printed on bills; may be repeated; replaces what was set\n"
    "  --description TEXT\n"
    "  --reserved N        concurrency only this function may use\n"
    "  --network MODE      none or host, where the operator allows it (none)\n"
    "  --public            url: everybody may call it over HTTP\n"
    "  --signed            url: only who signs with a key of the account (AWS_IAM)\n"
    "  --stream            url: the answer is sent as it comes\n"
    "  --allow-origin URL  url: pages from there may call it, too; may be repeated, * is everywhere\n"
    "  --remove            url: nobody may call it any more\n"
    "\n"
    "Examples:\n"
    "  farthing function deploy examples/node-hello --account demo --memory 256 --env GREETING=Hello\n"
    "  farthing function deploy build/resize.zip --account demo --runtime provided\n"
    "  farthing function deploy examples/node-hello --account demo --layer deps --layer tools:2\n"
    "  farthing function url demo/hello --public\n"
    "  farthing function list demo\n";

static const char *const HEADS[] = {"~NAME",      "VERSION",      "RUNTIME",   "?HANDLER", ">MEMORY MIB",
                                    ">TIMEOUT S", "?>CODE BYTES", "?MODIFIED", NULL};

static void print_functions(const cJSON *items)
{
    char text[64], time[64];
    struct table table;
    const cJSON *item = NULL;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "name", text));
        table_text(&table, cli_text(item, "version", text));
        table_text(&table, cli_text(item, "runtime", text));
        table_text(&table, cli_text(item, "handler", text));
        table_i64(&table, cli_i64(item, "memory_mb"));
        table_i64(&table, cli_i64(item, "timeout_s"));
        table_i64(&table, cli_i64(cJSON_GetObjectItemCaseSensitive(item, "code"), "bytes"));
        cli_time(cli_text(item, "modified_at", text), time);
        table_text(&table, time);
    }
    table_print(&table, stdout);
    table_free(&table);
}

static int list_at(struct cli *cli, const char *path, const char *nothing, struct err *err)
{
    const cJSON *items = NULL;

    if (cli_list(cli, path, &items, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts(nothing);
        return 0;
    }
    print_functions(items);
    return 0;
}

static int function_list(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/functions", cli->words.items[0]);
        rc = list_at(cli, buf_text(&path), "No functions yet. Make one: farthing function deploy DIR --account ACCOUNT",
                     err);
    }
    buf_free(&path);
    return rc;
}

struct deploy_words {
    const char *account, *name, *runtime, *handler, *description, *network;
    int64_t memory, timeout, reserved, ephemeral;
    struct arg_list env, tags, layers;
    bool no_layers;
};

static int put_pairs(struct json_writer *writer, const char *member, const char *option, const struct arg_list *list,
                     struct err *err)
{
    char name[256];

    if (list->count == 0) {
        return 0;
    }
    json_open_object(writer, member);
    for (int i = 0; i < list->count; i++) {
        const char *equals = strchr(list->items[i], '=');
        if (equals == NULL || equals == list->items[i] || equals - list->items[i] >= (int)sizeof name) {
            return err_field(err, option, "--%s is \"%.80s\"; it must be KEY=VALUE", option, list->items[i]);
        }
        (void)snprintf(name, sizeof name, "%.*s", (int)(equals - list->items[i]), list->items[i]);
        json_put_text(writer, name, equals + 1);
    }
    json_close_object(writer);
    return 0;
}

static void put_text(struct json_writer *writer, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        json_put_text(writer, name, value);
    }
}

static void put_number(struct json_writer *writer, const char *name, int64_t value)
{
    if (value != INT64_MIN) {
        json_put_i64(writer, name, value);
    }
}

static int put_layers(struct json_writer *writer, const struct deploy_words *words, struct err *err)
{
    if (words->no_layers && words->layers.count > 0) {
        return err_field(err, "no-layers", "--layer and --no-layers: it is one or the other");
    }
    if (words->no_layers || words->layers.count > 0) {
        json_open_array(writer, "layers");
        for (int i = 0; i < words->layers.count; i++) {
            json_put_text(writer, NULL, words->layers.items[i]);
        }
        json_close_array(writer);
    }
    return 0;
}

static int deploy_body(const struct deploy_words *words, const struct package *package, bool create, struct buf *body,
                       struct err *err)
{
    struct json_writer writer;
    struct buf code = {0};
    int rc = -1;

    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    if (create) {
        json_put_text(&writer, "name", words->name != NULL ? words->name : package->name);
    }
    put_text(&writer, "runtime", words->runtime != NULL ? words->runtime : package->runtime);
    put_text(&writer, "handler", words->handler != NULL ? words->handler : package->handler);
    put_text(&writer, "description", words->description);
    put_text(&writer, "network", words->network);
    put_number(&writer, "memory_mb", words->memory);
    put_number(&writer, "timeout_s", words->timeout);
    put_number(&writer, "ephemeral_storage_mb", words->ephemeral);
    put_number(&writer, "reserved_concurrency", words->reserved);
    if (put_pairs(&writer, "environment", "env", &words->env, err) == 0 &&
        put_pairs(&writer, "tags", "tag", &words->tags, err) == 0 && put_layers(&writer, words, err) == 0) {
        base64_encode(package->zip.data, package->zip.length, &code);
        json_put_text(&writer, "code", buf_text(&code));
        json_close_object(&writer);
        rc = buf_ok(body) && buf_ok(&code) ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
    }
    buf_free(&code);
    return rc;
}

static int print_deployed(const struct cli *cli, bool created)
{
    char name[64], version[64], runtime[64], handler[64];

    if (cli->json) {
        return cli_print_json(cli);
    }
    (void)printf("%s %s (%s, %s, %s, %lld MiB, %lld s, %lld bytes of code)\n", created ? "created" : "updated",
                 cli_text(cli->tree, "name", name), cli_text(cli->tree, "version", version),
                 cli_text(cli->tree, "runtime", runtime), cli_text(cli->tree, "handler", handler),
                 (long long)cli_i64(cli->tree, "memory_mb"), (long long)cli_i64(cli->tree, "timeout_s"),
                 (long long)cli_i64(cJSON_GetObjectItemCaseSensitive(cli->tree, "code"), "bytes"));
    return 0;
}

/* Create; when it is there, change it. */
static int deploy_send(struct cli *cli, const struct deploy_words *words, const struct package *package,
                       struct err *err)
{
    struct buf path = {0}, body = {0};
    const char *name = words->name != NULL ? words->name : package->name;
    struct rest_call look = {.method = "GET", .problem_is_answer = true};
    bool create = false;
    int rc = -1;

    rest_path(&path, "/v1/accounts/{}/functions/{}", words->account, name);
    look.path = buf_text(&path);
    if (rest_run(cli->rest, &look, &cli->answer, err) == 0) {
        create = cli->answer.status == 404;
        rc = deploy_body(words, package, create, &body, err);
    }
    if (rc == 0 && create) {
        buf_clear(&path);
        rest_path(&path, "/v1/accounts/{}/functions", words->account);
    }
    if (rc == 0) {
        rc = cli_call(cli, create ? "POST" : "PATCH", buf_text(&path), buf_text(&body), err);
    }
    if (rc == 0) {
        rc = print_deployed(cli, create);
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static int function_deploy(struct cli *cli, struct err *err)
{
    struct deploy_words words = {.account = getenv("FARTHING_ACCOUNT"),
                                 .memory = INT64_MIN,
                                 .timeout = INT64_MIN,
                                 .reserved = INT64_MIN,
                                 .ephemeral = INT64_MIN};
    struct package package = {0};
    const struct arg args[] = {
        A_TEXT("account", &words.account),
        A_TEXT("name", &words.name),
        A_TEXT("runtime", &words.runtime),
        A_TEXT("handler", &words.handler),
        A_TEXT("description", &words.description),
        A_TEXT("network", &words.network),
        A_NUMBER("memory", &words.memory, INT32_MIN, INT32_MAX), /* the node says what is too much */
        A_NUMBER("timeout", &words.timeout, INT32_MIN, INT32_MAX),
        A_NUMBER("ephemeral", &words.ephemeral, INT32_MIN, INT32_MAX),
        A_NUMBER("reserved", &words.reserved, -1, INT32_MAX),
        A_MANY("env", &words.env),
        A_MANY("tag", &words.tags),
        A_MANY("layer", &words.layers),
        A_FLAG("no-layers", &words.no_layers),
        A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "DIR|ZIP", err) != 0) {
        return -1;
    }
    if (words.account == NULL || words.account[0] == '\0') {
        return err_field(err, "account", "say whose function it is: --account, or FARTHING_ACCOUNT");
    }
    if (package_read(cli->words.items[0], &package, err) == 0) {
        rc = deploy_send(cli, &words, &package, err);
    }
    package_free(&package);
    return rc;
}

/* One word ACCOUNT/FUNCTION, a call at its path with tail, into cli->tree. */
static int function_call(struct cli *cli, const struct arg *args, const char *method, const char *tail,
                         const char *body, bool qualified, struct err *err)
{
    char names[3][128];
    struct buf path = {0};
    int rc = -1;

    if (cli->rest == NULL && cli_args(cli, args, 1, 1, "ACCOUNT/FUNCTION", err) != 0) {
        return -1;
    }
    if (cli_function_word(cli->words.items[0], NULL, names, err) == 0) {
        rest_path(&path, "/v1/accounts/{}/functions/{}", names[0], names[1]);
        buf_puts(&path, tail);
        rest_query(&path, "qualifier", qualified && names[2][0] != '\0' ? names[2] : NULL);
        rc = cli_call(cli, method, buf_text(&path), body, err);
    }
    buf_free(&path);
    return rc;
}

static int function_show(struct cli *cli, struct err *err)
{
    static const char *const ROWS[][3] = {{"id", "id", ""},
                                          {"name", "name", ""},
                                          {"version", "version", ""},
                                          {"runtime", "runtime", ""},
                                          {"handler", "handler", ""},
                                          {"architecture", "architecture", ""},
                                          {"memory", "memory_mb", " MiB"},
                                          {"time limit", "timeout_s", " s"},
                                          {"ephemeral storage", "ephemeral_storage_mb", " MiB"},
                                          {"network", "network", ""},
                                          {"description", "description", ""},
                                          {"reserved concurrency", "reserved_concurrency", ""},
                                          {"provisioned concurrency", "provisioned_concurrency", ""},
                                          {"created", "created_at", " UTC"},
                                          {"modified", "modified_at", " UTC"}};
    char time[64];
    char text[64];
    const cJSON *pair = NULL;
    const struct arg args[] = {A_END};

    if (function_call(cli, args, "GET", "", NULL, true, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const char *value = cli_text(cli->tree, ROWS[i][1], text);
        bool at = strstr(ROWS[i][1], "_at") != NULL;
        cli_time(value, time);
        (void)printf("%-23s %s%s\n", ROWS[i][0],
                     at                 ? time
                     : value[0] != '\0' ? value
                                        : "-",
                     value[0] != '\0' ? ROWS[i][2] : "");
    }
    cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(cli->tree, "layers"))
    {
        (void)printf("%-23s %s:%lld\n", "layer", cli_text(pair, "name", text), (long long)cli_i64(pair, "version"));
    }
    cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(cli->tree, "environment"))
    {
        (void)printf("%-23s %s=%s\n", "environment", pair->string, cJSON_IsString(pair) ? pair->valuestring : "");
    }
    return 0;
}

static int function_publish(struct cli *cli, struct err *err)
{
    const char *description = NULL;
    const struct arg args[] = {A_TEXT("description", &description), A_END};
    struct buf body = {0};
    struct json_writer writer;
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT/FUNCTION", err) != 0) {
        return -1;
    }
    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    put_text(&writer, "description", description);
    json_close_object(&writer);
    if (function_call(cli, args, "POST", "/versions", buf_text(&body), false, err) == 0) {
        char version[64];
        rc = cli->json ? cli_print_json(cli) : printf("version %s\n", cli_text(cli->tree, "version", version)) < 0;
    }
    buf_free(&body);
    return rc;
}

static int function_versions(struct cli *cli, struct err *err)
{
    char names[3][128];
    struct buf path = {0};
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT/FUNCTION", err) == 0 &&
        cli_function_word(cli->words.items[0], NULL, names, err) == 0) {
        rest_path(&path, "/v1/accounts/{}/functions/{}/versions", names[0], names[1]);
        rc =
            list_at(cli, buf_text(&path), "No versions yet. Make one: farthing function publish ACCOUNT/FUNCTION", err);
    }
    buf_free(&path);
    return rc;
}

static int function_alias(struct cli *cli, struct err *err)
{
    char names[3][128];
    struct buf path = {0}, body = {0};
    struct json_writer writer;
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 3, 3, "ACCOUNT/FUNCTION NAME VERSION", err) == 0 &&
        cli_function_word(cli->words.items[0], NULL, names, err) == 0) {
        rest_path(&path, "/v1/accounts/{}/functions/{}/aliases/{}", names[0], names[1], cli->words.items[1]);
        json_writer_init(&writer, &body);
        json_open_object(&writer, NULL);
        json_put_text(&writer, "version", cli->words.items[2]);
        json_close_object(&writer);
        rc = cli_call(cli, "PUT", buf_text(&path), buf_text(&body), err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        (void)printf("%s/%s:%s is version %s\n", names[0], names[1], cli->words.items[1], cli->words.items[2]);
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static int function_delete(struct cli *cli, struct err *err)
{
    const struct arg args[] = {A_END};

    if (function_call(cli, args, "DELETE", "", NULL, true, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    (void)printf("%s is deleted; what it used stays on the bill.\n", cli->words.items[0]);
    return 0;
}

struct url_words {
    bool public, is_signed, stream, remove;
    struct arg_list origins;
};

static int url_body(const struct url_words *words, struct buf *body, struct err *err)
{
    struct json_writer writer;
    if (words->public && words->is_signed) {
        return err_field(err, "public", "--public and --signed: it is one or the other");
    }
    if (!words->public && !words->is_signed) {
        return err_field(err, "public", "--public or --signed: who may call it is to be said");
    }
    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "authorization", words->public ? "none" : "aws_iam");
    json_put_text(&writer, "mode", words->stream ? "response_stream" : "buffered");
    if (words->origins.count > 0) {
        json_open_object(&writer, "cors");
        json_open_array(&writer, "allow_origins");
        for (int i = 0; i < words->origins.count; i++) {
            json_put_text(&writer, NULL, words->origins.items[i]);
        }
        json_close_array(&writer);
        json_open_array(&writer, "allow_methods");
        json_put_text(&writer, NULL, "*");
        json_close_array(&writer);
        json_open_array(&writer, "allow_headers");
        json_put_text(&writer, NULL, "*");
        json_close_array(&writer);
        json_close_object(&writer);
    }
    json_close_object(&writer);
    return 0;
}

static void url_print(const struct cli *cli)
{
    char url[64];
    char who[64];
    char mode[64];
    const cJSON *full = cJSON_GetObjectItemCaseSensitive(cli->tree, "url");
    bool open = strcmp(cli_text(cli->tree, "authorization", who), "none") == 0;
    bool stream = strcmp(cli_text(cli->tree, "mode", mode), "response_stream") == 0;
    (void)printf("%s\n", cJSON_IsString(full) ? full->valuestring : cli_text(cli->tree, "url", url));
    (void)printf("%s%s\n", open ? "everybody may call it" : "only who signs with a key of the account may call it",
                 stream ? "; the answer is sent as it comes" : "");
}

static int function_url(struct cli *cli, struct err *err)
{
    struct url_words words = {0};
    const struct arg args[] = {A_FLAG("public", &words.public),        A_FLAG("signed", &words.is_signed),
                               A_FLAG("stream", &words.stream),        A_FLAG("remove", &words.remove),
                               A_MANY("allow-origin", &words.origins), A_END};
    struct buf body = {0};
    if (cli_args(cli, args, 1, 1, "ACCOUNT/FUNCTION", err) != 0) {
        return -1;
    }
    bool change = words.public || words.is_signed || words.stream || words.origins.count > 0;
    int rc = change && words.remove ? err_field(err, "remove", "--remove goes with no other option")
             : change               ? url_body(&words, &body, err)
                                    : 0;
    if (rc == 0) {
        rc = function_call(cli, args,
                           change         ? "PUT"
                           : words.remove ? "DELETE"
                                          : "GET",
                           "/url", change ? buf_text(&body) : NULL, true, err);
    }
    buf_free(&body);
    if (rc != 0 || cli->json) {
        return rc != 0 ? -1 : cli_print_json(cli);
    }
    if (words.remove) {
        (void)printf("%s has no URL any more.\n", cli->words.items[0]);
    } else {
        url_print(cli);
    }
    return 0;
}

int cmd_function(int argc, char **argv)
{
    static const struct sub SUBS[] = {
        {"list", function_list},       {"deploy", function_deploy},     {"show", function_show},
        {"publish", function_publish}, {"versions", function_versions}, {"alias", function_alias},
        {"url", function_url},         {"delete", function_delete},     {NULL, NULL}};
    return cli_run_sub("function", SUBS, argc, argv);
}
