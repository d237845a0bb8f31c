#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

const char cmd_key_help[] =
    "farthing key list [ACCOUNT]          without an account: the admin keys\n"
    "farthing key create ACCOUNT [--scope account|read] [--name TEXT] [--expires TIME] [--aws]\n"
    "farthing key create --scope admin [--name TEXT] [--expires TIME]\n"
    "farthing key revoke [ACCOUNT] KEY_ID\n"
    "farthing key whoami                  what the key in use may do\n"
    "\n"
    "  --scope SCOPE   account: everything of the account; read: look only; admin: everything\n"
    "  --name TEXT     a note, to recognise it\n"
    "  --expires TIME  RFC 3339, or a date; never when left out\n"
    "  --aws           also an AWS access key pair, for the AWS SDKs and CLI (--endpoint-url)\n"
    "  --quiet         print only the key, for scripts\n"
    "\n"
    "A key is shown once and never again.\n"
    "\n"
    "Examples:\n"
    "  farthing key create acme --name laptop\n"
    "  export FARTHING_KEY=$(farthing key create acme --scope read --quiet)\n"
    "  farthing key revoke acme key_7\n";

static void keys_path(struct buf *path, const char *account)
{
    if (account != NULL) {
        rest_path(path, "/v1/accounts/{}/keys", account);
    } else {
        buf_puts(path, "/v1/keys");
    }
}

static void print_keys(const cJSON *items)
{
    static const char *const HEADS[] = {"ID",        "SCOPE",    "STARTS WITH", "~NAME", "?CREATED",
                                        "LAST USED", "?EXPIRES", "?REVOKED",    NULL};
    static const char *const TIMES[] = {"created_at", "last_used_at", "expires_at", "revoked_at"};
    char text[64], time[64];
    struct table table;
    const cJSON *item = NULL;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "id|key_id", text));
        table_text(&table, cli_text(item, "scope", text));
        table_text(&table, cli_text(item, "prefix", text));
        table_text(&table, cli_text(item, "name", text));
        for (size_t i = 0; i < 4; i++) {
            cli_time(cli_text(item, TIMES[i], text), time);
            table_text(&table, time);
        }
    }
    table_print(&table, stdout);
    table_free(&table);
}

static int key_list(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    const cJSON *items = NULL;
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 0, 1, "[ACCOUNT]", err) != 0) {
        goto out;
    }
    keys_path(&path, cli->words.count == 1 ? cli->words.items[0] : NULL);
    if (cli_list(cli, buf_text(&path), &items, err) != 0) {
        goto out;
    }
    rc = 0;
    if (cli->json) {
        rc = cli_print_json(cli);
    } else if (cJSON_GetArraySize(items) == 0) {
        (void)printf("No keys yet. Make one: farthing key create %s\n",
                     cli->words.count == 1 ? cli->words.items[0] : "ACCOUNT");
    } else {
        print_keys(items);
    }
out:
    buf_free(&path);
    return rc;
}

struct key_words {
    const char *scope, *name, *expires;
    bool aws, quiet;
};

static void key_body(const struct key_words *words, struct buf *body)
{
    struct json_writer writer;

    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    if (words->scope != NULL) {
        json_put_text(&writer, "scope", words->scope);
    }
    if (words->name != NULL) {
        json_put_text(&writer, "name", words->name);
    }
    if (words->expires != NULL) {
        json_put_text(&writer, "expires_at", words->expires);
    }
    if (words->aws) {
        json_put_bool(&writer, "sigv4", true);
    }
    json_close_object(&writer);
}

static int key_print(const struct cli *cli, const struct key_words *words)
{
    char text[64], id[64];
    const cJSON *sigv4 = cJSON_GetObjectItemCaseSensitive(cli->tree, "sigv4");
    const cJSON *pair = cJSON_IsObject(sigv4) ? sigv4 : cli->tree;

    if (cli->json) {
        return cli_print_json(cli);
    }
    (void)printf("%s\n", cli_text(cli->tree, "key|secret", text));
    if (words->quiet) {
        return 0;
    }
    (void)fprintf(stderr, "This is the only time the key is shown. Its id is %s (to revoke it).\n",
                  cli_text(cli->tree, "id|key_id", id));
    if (words->aws) {
        (void)printf("export AWS_ACCESS_KEY_ID=%s\n",
                     cli_text(pair, "access_key_id|aws_access_key_id|sigv4_access_key_id", text));
        (void)printf("export AWS_SECRET_ACCESS_KEY=%s\n",
                     cli_text(pair, "secret_access_key|aws_secret_access_key|sigv4_secret_access_key", text));
        (void)printf("export AWS_ENDPOINT_URL_LAMBDA=%s\n", rest_url(cli->rest));
    }
    return 0;
}

static int key_create(struct cli *cli, struct err *err)
{
    struct key_words words = {0};
    struct buf path = {0}, body = {0};
    const struct arg args[] = {A_TEXT("scope", &words.scope),     A_TEXT("name", &words.name),
                               A_TEXT("expires", &words.expires), A_FLAG("aws", &words.aws),
                               A_FLAG("quiet", &words.quiet),     A_END};
    int rc = -1;

    if (cli_args(cli, args, 0, 1, "ACCOUNT", err) != 0) {
        goto out;
    }
    if (cli->words.count == 0 && !text_equal(words.scope, "admin")) {
        (void)err_set(err, ERR_INVALID, "say which account, or --scope admin for a key to everything");
        goto out;
    }
    keys_path(&path, cli->words.count == 1 ? cli->words.items[0] : NULL);
    key_body(&words, &body);
    rc = cli_call(cli, "POST", buf_text(&path), buf_text(&body), err) == 0 ? key_print(cli, &words) : -1;
out:
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static int key_revoke(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 2, "[ACCOUNT] KEY_ID", err) == 0) {
        keys_path(&path, cli->words.count == 2 ? cli->words.items[0] : NULL);
        rest_path(&path, "/{}", cli->words.items[cli->words.count - 1]);
        rc = cli_call(cli, "DELETE", buf_text(&path), NULL, err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        (void)printf("%s is revoked; it stops working within a second.\n", cli->words.items[cli->words.count - 1]);
    }
    buf_free(&path);
    return rc;
}

static int key_whoami(struct cli *cli, struct err *err)
{
    const struct arg args[] = {A_END};
    char id[64], scope[64], account[64];

    if (cli_args(cli, args, 0, 0, "", err) != 0 || cli_call(cli, "GET", "/v1/key", NULL, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    const cJSON *nested = cJSON_GetObjectItemCaseSensitive(cli->tree, "account");
    const char *name = cJSON_IsObject(nested) ? cli_text(nested, "name|id", account)
                                              : cli_text(cli->tree, "account_name|account|account_id", account);
    (void)printf("%s: scope %s, %s%s\n", cli_text(cli->tree, "id|key_id", id), cli_text(cli->tree, "scope", scope),
                 name[0] != '\0' ? "account " : "all accounts", name);
    return 0;
}

int cmd_key(int argc, char **argv)
{
    static const struct sub SUBS[] = {
        {"list", key_list}, {"create", key_create}, {"revoke", key_revoke}, {"whoami", key_whoami}, {NULL, NULL}};
    return cli_run_sub("key", SUBS, argc, argv);
}
