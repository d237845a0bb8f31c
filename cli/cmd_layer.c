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

const char cmd_layer_help[] =
    "farthing layer publish DIR|ZIP --account ACCOUNT [OPTIONS]   makes the next version\n"
    "farthing layer list ACCOUNT\n"
    "farthing layer show ACCOUNT/LAYER[:VERSION]                  without a version: all of them\n"
    "farthing layer delete ACCOUNT/LAYER:VERSION                  functions that use it go on\n"
    "\n"
    "  --account ACCOUNT   whose (FARTHING_ACCOUNT)\n"
    "  --name NAME         the layer's name (the name of DIR or ZIP)\n"
    "  --runtime RUNTIME   what it is meant for, as nodejs20.x; may be repeated; a note to people\n"
    "  --arch ARCH         x86_64 or arm64; may be repeated; a note to people\n"
    "  --license TEXT\n"
    "  --description TEXT\n"
    "\n"
    "The files of a layer are seen below /opt of the functions that have it: programs in bin, libraries in lib,\n"
    "modules in nodejs/node_modules and python. A function has at most five layers; of two files with the same\n"
    "path the later layer's is seen.\n"
    "\n"
    "Examples:\n"
    "  farthing layer publish build/deps --account demo --runtime nodejs20.x\n"
    "  farthing function deploy examples/node-hello --account demo --layer deps --layer tools:2\n"
    "  farthing layer show demo/deps:1\n"
    "  farthing layer delete demo/deps:1\n";

static const char *words_text(const cJSON *array, struct buf *text)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, array)
    {
        buf_puts(text, text->length > 0 ? " " : "");
        buf_puts(text, cJSON_IsString(item) ? item->valuestring : "");
    }
    return buf_text(text);
}

static void print_layers(const cJSON *items)
{
    static const char *const HEADS[] = {"~NAME",           ">VERSION",     "?RUNTIMES",  ">ZIP BYTES",
                                        ">UNPACKED BYTES", "?DESCRIPTION", "?PUBLISHED", NULL};
    char text[64], time[64];
    struct table table;
    const cJSON *item = NULL;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        struct buf runtimes = {0};
        const cJSON *code = cJSON_GetObjectItemCaseSensitive(item, "code");
        table_text(&table, cli_text(item, "name", text));
        table_i64(&table, cli_i64(item, "version"));
        table_text(&table, words_text(cJSON_GetObjectItemCaseSensitive(item, "runtimes"), &runtimes));
        table_i64(&table, cli_i64(code, "bytes"));
        table_i64(&table, cli_i64(code, "unzipped_bytes"));
        table_text(&table, cli_text(item, "description", text));
        cli_time(cli_text(item, "created_at", text), time);
        table_text(&table, time);
        buf_free(&runtimes);
    }
    table_print(&table, stdout);
    table_free(&table);
}

static int list_at(struct cli *cli, const char *path, struct err *err)
{
    const cJSON *items = NULL;

    if (cli_list(cli, path, &items, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("No layers yet. Make one: farthing layer publish DIR --account ACCOUNT");
        return 0;
    }
    print_layers(items);
    return 0;
}

static int layer_list(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/layers", cli->words.items[0]);
        rc = list_at(cli, buf_text(&path), err);
    }
    buf_free(&path);
    return rc;
}

/* ---- publish ---- */

struct publish_words {
    const char *account, *name, *description, *license;
    struct arg_list runtimes, architectures;
};

static void put_words(struct json_writer *writer, const char *name, const struct arg_list *list)
{
    if (list->count == 0) {
        return;
    }
    json_open_array(writer, name);
    for (int i = 0; i < list->count; i++) {
        json_put_text(writer, NULL, list->items[i]);
    }
    json_close_array(writer);
}

static int publish_send(struct cli *cli, const struct publish_words *words, const struct package *package,
                        struct err *err)
{
    struct buf path = {0}, body = {0}, code = {0};
    struct json_writer writer;
    char name[160], version[64];
    int rc = -1;

    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    if (words->description != NULL) {
        json_put_text(&writer, "description", words->description);
    }
    if (words->license != NULL) {
        json_put_text(&writer, "license", words->license);
    }
    put_words(&writer, "runtimes", &words->runtimes);
    put_words(&writer, "architectures", &words->architectures);
    base64_encode(package->zip.data, package->zip.length, &code);
    json_put_text(&writer, "code", buf_text(&code));
    json_close_object(&writer);
    (void)snprintf(name, sizeof name, "%s", words->name != NULL ? words->name : package->name);
    rest_path(&path, "/v1/accounts/{}/layers/{}/versions", words->account, name);
    if (!buf_ok(&body) || !buf_ok(&code)) {
        rc = err_set(err, ERR_SYSTEM, "out of memory");
    } else {
        rc = cli_call(cli, "POST", buf_text(&path), buf_text(&body), err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        const cJSON *made = cJSON_GetObjectItemCaseSensitive(cli->tree, "code");
        (void)printf("published %s:%s (%lld bytes, %lld unpacked)\n", name, cli_text(cli->tree, "version", version),
                     (long long)cli_i64(made, "bytes"), (long long)cli_i64(made, "unzipped_bytes"));
    }
    buf_free(&path);
    buf_free(&body);
    buf_free(&code);
    return rc;
}

static int layer_publish(struct cli *cli, struct err *err)
{
    struct publish_words words = {.account = getenv("FARTHING_ACCOUNT")};
    struct package package = {0};
    const struct arg args[] = {A_TEXT("account", &words.account),
                               A_TEXT("name", &words.name),
                               A_TEXT("description", &words.description),
                               A_TEXT("license", &words.license),
                               A_MANY("runtime", &words.runtimes),
                               A_MANY("arch", &words.architectures),
                               A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "DIR|ZIP", err) != 0) {
        return -1;
    }
    if (words.account == NULL || words.account[0] == '\0') {
        return err_field(err, "account", "say whose layer it is: --account, or FARTHING_ACCOUNT");
    }
    if (package_read(cli->words.items[0], &package, err) == 0) {
        rc = publish_send(cli, &words, &package, err);
    }
    package_free(&package);
    return rc;
}

/* ---- one ---- */

/* ACCOUNT/LAYER[:VERSION] as a path; without a version that of all of them. */
static int layer_path(struct cli *cli, bool version_needed, struct buf *path, bool *all, struct err *err)
{
    char names[3][128];
    const struct arg args[] = {A_END};

    if (cli_args(cli, args, 1, 1, "ACCOUNT/LAYER", err) != 0 ||
        cli_function_word(cli->words.items[0], NULL, names, err) != 0) {
        return -1;
    }
    *all = names[2][0] == '\0';
    if (*all && version_needed) {
        return err_field(err, "version", "say which version: %s/%s:VERSION", names[0], names[1]);
    }
    if (*all) {
        rest_path(path, "/v1/accounts/{}/layers/{}/versions", names[0], names[1]);
    } else {
        rest_path(path, "/v1/accounts/{}/layers/{}/versions/{}", names[0], names[1], names[2]);
    }
    return 0;
}

static void print_one(const cJSON *tree)
{
    static const char *const ROWS[][2] = {
        {"name", "name"}, {"version", "version"}, {"description", "description"}, {"license", "license"}};
    char text[64], time[64];
    struct buf runtimes = {0}, architectures = {0};
    const cJSON *code = cJSON_GetObjectItemCaseSensitive(tree, "code");
    const char *runtime_words = words_text(cJSON_GetObjectItemCaseSensitive(tree, "runtimes"), &runtimes);
    const char *arch_words = words_text(cJSON_GetObjectItemCaseSensitive(tree, "architectures"), &architectures);
    const cJSON *digest = cJSON_GetObjectItemCaseSensitive(code, "sha256");

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(tree, ROWS[i][1]);
        const char *value = cJSON_IsString(member) ? member->valuestring : cli_text(tree, ROWS[i][1], text);
        (void)printf("%-23s %s\n", ROWS[i][0], value[0] != '\0' ? value : "-");
    }
    (void)printf("%-23s %s\n", "meant for", runtime_words[0] != '\0' ? runtime_words : "-");
    (void)printf("%-23s %s\n", "architectures", arch_words[0] != '\0' ? arch_words : "-");
    (void)printf("%-23s %lld bytes\n", "zip", (long long)cli_i64(code, "bytes"));
    (void)printf("%-23s %lld bytes\n", "unpacked", (long long)cli_i64(code, "unzipped_bytes"));
    (void)printf("%-23s %s\n", "sha256", cJSON_IsString(digest) ? digest->valuestring : "-");
    cli_time(cli_text(tree, "created_at", text), time);
    (void)printf("%-23s %s UTC\n", "published", time);
    buf_free(&runtimes);
    buf_free(&architectures);
}

static int layer_show(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    bool all = false;
    int rc = layer_path(cli, false, &path, &all, err);

    if (rc == 0 && all) {
        rc = list_at(cli, buf_text(&path), err);
    } else if (rc == 0) {
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
        if (rc == 0 && cli->json) {
            rc = cli_print_json(cli);
        } else if (rc == 0) {
            print_one(cli->tree);
        }
    }
    buf_free(&path);
    return rc;
}

static int layer_delete(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    bool all = false;
    int rc = layer_path(cli, true, &path, &all, err);

    if (rc == 0) {
        rc = cli_call(cli, "DELETE", buf_text(&path), NULL, err);
    }
    buf_free(&path);
    if (rc != 0 || cli->json) {
        return rc != 0 ? -1 : cli_print_json(cli);
    }
    (void)printf("%s is deleted; functions that use it go on.\n", cli->words.items[0]);
    return 0;
}

int cmd_layer(int argc, char **argv)
{
    static const struct sub SUBS[] = {
        {"publish", layer_publish}, {"list", layer_list}, {"show", layer_show}, {"delete", layer_delete}, {NULL, NULL}};
    return cli_run_sub("layer", SUBS, argc, argv);
}
