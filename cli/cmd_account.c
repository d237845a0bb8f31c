#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_account_help[] =
    "farthing account list\n"
    "farthing account create NAME [--display-name TEXT] [--currency CODE] [--price-book NAME]\n"
    "farthing account show ACCOUNT\n"
    "farthing account set ACCOUNT [--display-name TEXT] [--price-book NAME]\n"
    "farthing account suspend ACCOUNT     nothing runs, bills go on\n"
    "farthing account resume ACCOUNT\n"
    "farthing account close ACCOUNT       history only\n"
    "farthing account credits ACCOUNT     credits and prepaid money, in the order of use\n"
    "farthing account credit ACCOUNT AMOUNT --reason TEXT [--currency CODE] [--expires DATE] [--prepaid]\n"
    "\n"
    "  ACCOUNT             a name, or acct_100000000001\n"
    "  --display-name TEXT what bills print\n"
    "  --currency CODE     ISO 4217; must be that of the price book (USD)\n"
    "  --price-book NAME   who rates this account (default)\n"
    "  --reason TEXT       printed on the invoice that uses the credit\n"
    "  --expires DATE      it pays for months that began before this; without it, for ever\n"
    "  --prepaid           money paid in advance: it is used after tax, a credit before\n"
    "\n"
    "Examples:\n"
    "  farthing account create acme --display-name \"Acme Ltd\"\n"
    "  farthing account credit acme 50.00 --reason welcome --expires 2027-01-01\n"
    "  farthing account list --json | jq -r '.items[].name'\n";

static int print_accounts(const cJSON *items)
{
    static const char *const HEADS[] = {"ID", "~NAME", "STATE", "?CURRENCY", "?PRICE BOOK", "?CREATED", NULL};
    char text[64], time[64];
    struct table table;
    const cJSON *item = NULL;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "id|account_id", text));
        table_text(&table, cli_text(item, "name", text));
        table_text(&table, cli_text(item, "state", text));
        table_text(&table, cli_text(item, "currency", text));
        table_text(&table, cli_text(item, "price_book", text));
        cli_time(cli_text(item, "created_at", text), time);
        table_text(&table, time);
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

static int account_list(struct cli *cli, struct err *err)
{
    const cJSON *items = NULL;
    const struct arg args[] = {A_END};

    if (cli_args(cli, args, 0, 0, "", err) != 0 || cli_list(cli, "/v1/accounts?limit=1000", &items, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("No accounts yet. Make one: farthing account create NAME");
        return 0;
    }
    return print_accounts(items);
}

static int print_account(const struct cli *cli)
{
    static const char *const ROWS[][2] = {
        {"id", "id|account_id"},   {"name", "name"},         {"display name", "display_name"},
        {"state", "state"},        {"currency", "currency"}, {"price book", "price_book"},
        {"created", "created_at"},
    };
    char text[64];
    char time[64];

    if (cli->json) {
        return cli_print_json(cli);
    }
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const char *value = cli_text(cli->tree, ROWS[i][1], text);
        bool at = strstr(ROWS[i][1], "_at") != NULL;
        cli_time(value, time);
        (void)printf("%-13s %s%s\n", ROWS[i][0], at ? time : value[0] != '\0' ? value : "-", at ? " UTC" : "");
    }
    return 0;
}

struct account_words {
    const char *name, *display_name, *currency, *price_book, *state;
};

static int account_send(struct cli *cli, const char *method, const char *path, const struct account_words *words,
                        struct err *err)
{
    struct buf body = {0};
    struct json_writer writer;
    int rc = 0;

    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    const char *const members[][2] = {{"name", words->name},
                                      {"display_name", words->display_name},
                                      {"currency", words->currency},
                                      {"price_book", words->price_book},
                                      {"state", words->state}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i][1] != NULL) {
            json_put_text(&writer, members[i][0], members[i][1]);
        }
    }
    json_close_object(&writer);
    rc = cli_call(cli, method, path, buf_text(&body), err);
    buf_free(&body);
    return rc != 0 ? -1 : print_account(cli);
}

static int account_create(struct cli *cli, struct err *err)
{
    struct account_words words = {0};
    const struct arg args[] = {A_TEXT("display-name", &words.display_name), A_TEXT("currency", &words.currency),
                               A_TEXT("price-book", &words.price_book), A_END};

    if (cli_args(cli, args, 1, 1, "NAME", err) != 0) {
        return -1;
    }
    words.name = cli->words.items[0];
    return account_send(cli, "POST", "/v1/accounts", &words, err);
}

static int account_change(struct cli *cli, const char *state, struct err *err)
{
    struct account_words words = {.state = state};
    struct buf path = {0};
    int rc = -1;
    const struct arg args[] = {A_TEXT("display-name", &words.display_name), A_TEXT("price-book", &words.price_book),
                               A_END};

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}", cli->words.items[0]);
        rc = account_send(cli, "PATCH", buf_text(&path), &words, err);
    }
    buf_free(&path);
    return rc;
}

static int account_set(struct cli *cli, struct err *err)
{
    return account_change(cli, NULL, err);
}

static int account_suspend(struct cli *cli, struct err *err)
{
    return account_change(cli, "suspended", err);
}

static int account_resume(struct cli *cli, struct err *err)
{
    return account_change(cli, "active", err);
}

static int account_close(struct cli *cli, struct err *err)
{
    return account_change(cli, "closed", err);
}

static int account_show(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}", cli->words.items[0]);
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err) == 0 ? print_account(cli) : -1;
    }
    buf_free(&path);
    return rc;
}

static int account_credits(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"ID", "KIND", ">GRANTED", ">LEFT", "CURRENCY", "EXPIRES", "~REASON", NULL};
    const cJSON *items = NULL, *item = NULL;
    char text[64], time[64];
    struct buf path = {0};
    struct table table;
    const struct arg args[] = {A_END};
    int rc = cli_args(cli, args, 1, 1, "ACCOUNT", err);
    if (rc == 0) {
        rest_path(&path, "/v1/accounts/{}/credits", cli->words.items[0]);
        rc = cli_list(cli, buf_text(&path), &items, err);
    }
    buf_free(&path);
    if (rc != 0 || cli->json) {
        return rc != 0 ? rc : cli_print_json(cli);
    }
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("No credits. Grant one: farthing account credit ACCOUNT AMOUNT --reason TEXT");
        return 0;
    }
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "reason"));
        table_text(&table, cli_text(item, "id", text));
        table_text(&table, cli_text(item, "kind", text));
        table_text(&table, cli_text(item, "amount", text));
        table_text(&table, cli_text(item, "left", text));
        table_text(&table, cli_text(item, "currency", text));
        cli_time(cli_text(item, "expires_at", text), time);
        table_text(&table, time);
        table_text(&table, reason != NULL ? reason : "");
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

struct credit_words {
    const char *reason, *currency, *expires;
    bool prepaid;
};

static void credit_body(const struct credit_words *words, const char *amount, struct buf *body)
{
    struct json_writer writer;
    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "kind", words->prepaid ? "prepaid" : "credit");
    json_put_text(&writer, "currency", words->currency);
    json_put_text(&writer, "amount", amount);
    if (words->expires != NULL) {
        json_put_text(&writer, "expires_at", words->expires);
    }
    json_put_text(&writer, "reason", words->reason != NULL ? words->reason : "");
    json_close_object(&writer);
}

static int account_credit(struct cli *cli, struct err *err)
{
    struct credit_words words = {.currency = "USD"};
    struct buf path = {0};
    struct buf body = {0};
    char text[64], amount[64];
    const struct arg args[] = {A_TEXT("reason", &words.reason), A_TEXT("currency", &words.currency),
                               A_TEXT("expires", &words.expires), A_FLAG("prepaid", &words.prepaid), A_END};
    int rc = cli_args(cli, args, 2, 2, "ACCOUNT AMOUNT --reason TEXT", err);
    if (rc == 0) {
        rest_path(&path, "/v1/accounts/{}/credits", cli->words.items[0]);
        credit_body(&words, cli->words.items[1], &body);
        rc = cli_call(cli, "POST", buf_text(&path), buf_text(&body), err);
    }
    buf_free(&path);
    buf_free(&body);
    if (rc != 0 || cli->json) {
        return rc != 0 ? rc : cli_print_json(cli);
    }
    (void)printf("%s: %s %s for %s\n", cli_text(cli->tree, "id", text), cli_text(cli->tree, "amount", amount),
                 words.currency, cli->words.items[0]);
    return 0;
}

int cmd_account(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"list", account_list},       {"create", account_create},
                                      {"show", account_show},       {"set", account_set},
                                      {"suspend", account_suspend}, {"resume", account_resume},
                                      {"close", account_close},     {"credits", account_credits},
                                      {"credit", account_credit},   {NULL, NULL}};
    return cli_run_sub("account", SUBS, argc, argv);
}
