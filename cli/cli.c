#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cmd.h"
#include "cli/table.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

#define PAGES_MAX 10000

static enum cmd_exit exit_of(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
        return CMD_USAGE;
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_LIMIT:
        return CMD_FAILED;
    case ERR_RETRY:
    case ERR_UNCERTAIN:
        return CMD_UNAVAILABLE;
    case ERR_NONE:
    case ERR_SYSTEM:
        return CMD_INTERNAL;
    }
    return CMD_INTERNAL;
}

int cmd_fail(const char *command, const struct err *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "%sfarthing %s:%s %s\n", color(stderr, COLOR_RED), command, color(stderr, COLOR_NONE),
                  err->text);
    return exit_of(err->code);
}

int cli_run(const char *command, cli_fn *fn, int argc, char **argv)
{
    struct cli cli = {.command = command, .argc = argc, .argv = argv};
    struct err err = {0};
    int rc = fn(&cli, &err);

    if (rc == -1) {
        rc = cmd_fail(command, &err);
    }
    if (fflush(stdout) != 0 && rc == CMD_OK) {
        (void)fprintf(stderr, "farthing %s: the output cannot be written\n", command);
        rc = CMD_INTERNAL;
    }
    cJSON_Delete(cli.tree);
    rest_answer_free(&cli.answer);
    rest_close(&cli.rest);
    return rc;
}

static const char *nearest_sub(const struct sub *subs, const char *word)
{
    for (; subs->name != NULL; subs++) {
        if (args_distance(subs->name, word) <= (strlen(word) < 4 ? 1 : 2)) {
            return subs->name;
        }
    }
    return NULL;
}

int cli_run_sub(const char *command, const struct sub *subs, int argc, char **argv)
{
    char full[64];
    const struct sub *all = subs;
    const char *near = NULL;

    if (argc >= 2) {
        for (; subs->name != NULL; subs++) {
            if (strcmp(subs->name, argv[1]) == 0) {
                (void)snprintf(full, sizeof full, "%s %s", command, subs->name);
                return cli_run(full, subs->run, argc - 1, argv + 1);
            }
        }
        near = nearest_sub(all, argv[1]);
    }
    if (near != NULL) {
        (void)fprintf(stderr, "farthing %s: \"%s\" is not known; did you mean \"%s\"?\n", command, argv[1], near);
    } else {
        (void)fprintf(stderr, "farthing %s: say which:", command);
        for (subs = all; subs->name != NULL; subs++) {
            (void)fprintf(stderr, " %s", subs->name);
        }
        (void)fprintf(stderr, "; see `farthing %s --help`\n", command);
    }
    return CMD_USAGE;
}

static int connect_node(struct cli *cli, struct err *err)
{
    char data_dir[4096];
    struct rest_options options = {.url = cli->url, .key = cli->key};

    if (cli_data_dir(cli->data_dir, data_dir, NULL) == 0) {
        options.data_dir = data_dir;
    }
    return rest_open(&options, &cli->rest, err);
}

int cli_args(struct cli *cli, const struct arg *args, int min, int max, const char *what, struct err *err)
{
    const struct arg common[] = {A_FLAG("json", &cli->json), A_TEXT("url", &cli->url), A_TEXT("key", &cli->key),
                                 A_TEXT("data-dir", &cli->data_dir), A_END};

    if (args_parse(cli->argc, cli->argv, args, common, &cli->words, err) != 0) {
        return -1;
    }
    if (cli->words.count < min || cli->words.count > max) {
        char main_word[32];
        (void)snprintf(main_word, sizeof main_word, "%.*s", (int)strcspn(cli->command, " "), cli->command);
        return err_set(err, ERR_INVALID, "%s: it is `farthing %s%s%s`; see `farthing %s --help`",
                       cli->words.count < min ? "something is missing" : "there are too many words", cli->command,
                       what[0] != '\0' ? " " : "", what, main_word);
    }
    return connect_node(cli, err);
}

int cli_function_word(const char *word, const char *account, char names[3][128], struct err *err)
{
    const char *slash = strchr(word, '/');
    const char *function = slash != NULL ? slash + 1 : word;
    const char *colon = strchr(function, ':');
    size_t account_length = slash != NULL ? (size_t)(slash - word) : 0;
    size_t length = colon != NULL ? (size_t)(colon - function) : strlen(function);

    if (slash == NULL) {
        account = account != NULL ? account : getenv("FARTHING_ACCOUNT");
        if (account == NULL || account[0] == '\0') {
            return err_field(err, "function", "\"%s\" names no account; write ACCOUNT/%s or set FARTHING_ACCOUNT", word,
                             word);
        }
        word = account;
        account_length = strlen(account);
    }
    if (account_length == 0 || account_length > 127 || length == 0 || length > 127 ||
        (colon != NULL && strlen(colon + 1) > 127)) {
        return err_field(err, "function", "\"%s\" is not ACCOUNT/FUNCTION", word);
    }
    (void)snprintf(names[0], 128, "%.*s", (int)account_length, word);
    (void)snprintf(names[1], 128, "%.*s", (int)length, function);
    (void)snprintf(names[2], 128, "%s", colon != NULL ? colon + 1 : "");
    return 0;
}

static bool is_json(const struct rest_answer *answer)
{
    char type[128];

    rest_header(answer, "content-type", type, sizeof type);
    return strstr(type, "json") != NULL && strstr(type, "ndjson") == NULL;
}

int cli_call(struct cli *cli, const char *method, const char *path, const char *body, struct err *err)
{
    struct rest_call call = {
        .method = method, .path = path, .body = body, .body_length = body != NULL ? strlen(body) : 0};

    cJSON_Delete(cli->tree);
    cli->tree = NULL;
    if (rest_run(cli->rest, &call, &cli->answer, err) != 0) {
        return -1;
    }
    if (cli->answer.body.length > 0 && is_json(&cli->answer)) {
        cli->tree = cJSON_ParseWithLength(cli->answer.body.data, cli->answer.body.length);
        if (cli->tree == NULL) {
            return err_set(err, ERR_SYSTEM, "%s answered with something that is not JSON; is it a Farthing node?",
                           rest_url(cli->rest));
        }
    }
    return 0;
}

static cJSON *items_of(const cJSON *object)
{
    cJSON *items = cJSON_GetObjectItemCaseSensitive(object, "items");

    return cJSON_IsArray(items) ? items : NULL;
}

/* The address of the next page: "next" is a path, an address or a cursor. */
static bool next_path(const struct cli *cli, const char *path, struct buf *next)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cli->tree, "next"));
    const char *v1 = text != NULL ? strstr(text, "/v1/") : NULL;

    buf_clear(next);
    if (text == NULL || text[0] == '\0') {
        return false;
    }
    if (v1 != NULL) {
        buf_puts(next, v1);
    } else {
        buf_puts(next, path);
        rest_query(next, "cursor", text);
    }
    return buf_ok(next);
}

/* Move the items of the page in cli->tree to the end of all. */
static void append_items(cJSON *all, cJSON *page)
{
    cJSON *item = NULL;

    while (page != NULL && (item = cJSON_DetachItemFromArray(page, 0)) != NULL) {
        (void)cJSON_AddItemToArray(all, item);
    }
}

int cli_list(struct cli *cli, const char *path, const cJSON **items, struct err *err)
{
    struct buf next = {0};
    cJSON *first = NULL, *array = NULL;
    int rc = -1;

    if (cli_call(cli, "GET", path, NULL, err) != 0) {
        goto out;
    }
    if (!cJSON_IsObject(cli->tree) || (array = items_of(cli->tree)) == NULL) {
        (void)err_set(err, ERR_SYSTEM, "the node's answer to %s is no list", path);
        goto out;
    }
    for (int pages = 1; pages < PAGES_MAX && next_path(cli, path, &next); pages++) {
        if (first == NULL) {
            first = cli->tree;
        } else {
            cJSON_Delete(cli->tree);
        }
        cli->tree = NULL;
        if (cli_call(cli, "GET", buf_text(&next), NULL, err) != 0) {
            goto out;
        }
        append_items(array, items_of(cli->tree));
    }
    if (first != NULL) {
        char *text = NULL;
        cJSON_Delete(cli->tree);
        cli->tree = first;
        first = NULL;
        (void)cJSON_ReplaceItemInObjectCaseSensitive(cli->tree, "next", cJSON_CreateNull());
        text = cJSON_PrintUnformatted(cli->tree); /* what --json prints */
        buf_clear(&cli->answer.body);
        buf_puts(&cli->answer.body, text != NULL ? text : "{}");
        cJSON_free(text);
    }
    if (items != NULL) {
        *items = array;
    }
    rc = 0;
out:
    cJSON_Delete(first);
    buf_free(&next);
    return rc;
}

int cli_print_json(const struct cli *cli)
{
    const struct buf *body = &cli->answer.body;

    if (body->length == 0) {
        (void)puts("{}");
        return 0;
    }
    (void)fwrite(body->data, 1, body->length, stdout);
    if (body->data[body->length - 1] != '\n') {
        (void)putchar('\n');
    }
    return 0;
}

static const cJSON *find(const cJSON *object, const char *names)
{
    char name[64];

    while (*names != '\0') {
        size_t length = strcspn(names, "|");
        (void)snprintf(name, sizeof name, "%.*s", (int)length, names);
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        if (item != NULL && !cJSON_IsNull(item)) {
            return item;
        }
        names += length;
        names += *names == '|';
    }
    return NULL;
}

const char *cli_text(const cJSON *object, const char *names, char text[64])
{
    const cJSON *item = find(object, names);

    text[0] = '\0';
    if (cJSON_IsString(item)) {
        return item->valuestring;
    }
    if (cJSON_IsNumber(item)) {
        (void)snprintf(text, 64, "%.17g", item->valuedouble);
    } else if (cJSON_IsBool(item)) {
        (void)snprintf(text, 64, "%s", cJSON_IsTrue(item) ? "yes" : "no");
    }
    return text;
}

int64_t cli_i64(const cJSON *object, const char *names)
{
    char text[64];
    int64_t value = 0;

    return text_i64(cli_text(object, names, text), "", INT64_MIN, INT64_MAX, &value, NULL) == 0 ? value : 0;
}

bool cli_bool(const cJSON *object, const char *names)
{
    return cJSON_IsTrue(find(object, names)) != 0;
}

int cli_data_dir(const char *given, char path[4096], struct err *err)
{
    const char *dir = given != NULL ? given : getenv("FARTHING_DATA_DIR");
    const char *home = getenv("XDG_DATA_HOME");
    int length = 0;

    if (dir != NULL && dir[0] != '\0') {
        length = snprintf(path, 4096, "%s", dir);
    } else if (geteuid() == 0) {
        length = snprintf(path, 4096, "/var/lib/farthing");
    } else if (home != NULL && home[0] == '/') {
        length = snprintf(path, 4096, "%s/farthing", home);
    } else if ((home = getenv("HOME")) != NULL && home[0] == '/') {
        length = snprintf(path, 4096, "%s/.local/share/farthing", home);
    } else {
        return err_field(err, "data-dir", "there is no HOME: say where to keep data (--data-dir)");
    }
    return length < 4096 ? 0 : err_field(err, "data-dir", "the path is too long");
}

void cli_month_now(char month[40])
{
    month_format(month_of(clock_wall_us()), month);
}

void cli_time(const char *rfc3339, char text[64])
{
    if (rfc3339[0] == '\0') {
        (void)snprintf(text, 64, "-");
        return;
    }
    (void)snprintf(text, 64, "%.19s", rfc3339);
    if (strlen(text) > 10 && text[10] == 'T') {
        text[10] = ' ';
    }
}

void cli_gb_s(int64_t mb_ms, char text[48])
{
    int64_t thousandths = mb_ms / 1024 + (mb_ms % 1024 >= 512);
    char whole[32];

    number_format(thousandths / 1000, whole);
    (void)snprintf(text, 48, "%s.%03lld", whole, (long long)(thousandths % 1000));
}
