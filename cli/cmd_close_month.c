#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

#define POLL_MS 200

const char cmd_close_month_help[] =
    "farthing close-month YYYY-MM [--dry-run] [--accounts LIST [--reissue]] [--workers N] [--grace HOURS]\n"
    "                            [--no-wait]\n"
    "\n"
    "Issues the invoices of a month that is over. It waits for nothing: while records of the month may still arrive "
    "it\n"
    "says so and stops. Days are sealed, records are compared with rollups, each account is rated and gets the next\n"
    "number. It can be stopped or killed at any moment and started again: no gap in the numbers, no invoice twice.\n"
    "Accounts that fail a check are parked and named; the next close looks at them again.\n"
    "\n"
    "  --dry-run        rate everything, issue nothing, say what the totals would be\n"
    "  --accounts LIST  only these, by name or id, with commas between\n"
    "  --reissue        where the invoice of the month was credited, issue another (with --accounts)\n"
    "  --workers N      connections side by side, 1 to 16 (1)\n"
    "  --grace HOURS    not before this long after the month's end (0)\n"
    "  --no-wait        start it and return; the same command shows how far it is\n"
    "\n"
    "A node closes months by itself with `farthing serve --close-months`.\n"
    "\n"
    "Examples:\n"
    "  farthing close-month 2026-10 --dry-run\n"
    "  farthing close-month 2026-10 --workers 2\n"
    "  farthing close-month 2026-10 --accounts acme,globex --json\n";

struct close_words {
    const char *accounts;
    int64_t workers, grace;
    bool dry_run, no_wait, reissue;
};

static void put_accounts(struct json_writer *writer, const char *list)
{
    json_open_array(writer, "accounts");
    while (*list != '\0') {
        char word[128];
        size_t length = strcspn(list, ",");
        (void)snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), list);
        if (length > 0) {
            json_put_text(writer, NULL, word);
        }
        list += length;
        list += *list == ',';
    }
    json_close_array(writer);
}

static int start(struct cli *cli, const struct close_words *words, const char *path, struct err *err)
{
    struct buf body = {0};
    struct json_writer writer;
    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    json_put_bool(&writer, "dry_run", words->dry_run);
    if (words->reissue) {
        json_put_bool(&writer, "reissue", true);
    }
    if (words->workers > 0) {
        json_put_i64(&writer, "workers", words->workers);
    }
    json_put_i64(&writer, "grace_hours", words->grace);
    if (words->accounts != NULL) {
        put_accounts(&writer, words->accounts);
    }
    json_close_object(&writer);
    int rc = cli_call(cli, "POST", path, buf_text(&body), err);
    buf_free(&body);
    return rc;
}

static bool running(const struct cli *cli)
{
    char text[64];
    return strcmp(cli_text(cli->tree, "state", text), "running") == 0;
}

static int wait_for_end(struct cli *cli, const char *path, const char *month, struct err *err)
{
    struct progress progress = {0};
    const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
    int rc = 0;
    progress_start(&progress, month, cli_i64(cli->tree, "accounts"), 0);
    while (rc == 0 && running(cli)) {
        progress_update(&progress, cli_i64(cli->tree, "looked_at"));
        (void)nanosleep(&pause, NULL); /* lint: between two questions to the node; nothing is synchronised by it */
        rc = cli_call(cli, "GET", path, NULL, err);
    }
    if (rc == 0) {
        char text[64];
        bool failed = strcmp(cli_text(cli->tree, "state", text), "failed") == 0;
        progress_end(&progress, cli_i64(cli->tree, failed ? "looked_at" : "accounts")); /* some have nothing to bill */
    }
    return rc;
}

static void print_parked(const cJSON *parked)
{
    static const char *const HEADS[] = {"PARKED", "~WHY", NULL};
    char text[64];
    const cJSON *item = NULL;
    struct table table;
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, parked)
    {
        const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "reason"));
        table_text(&table, cli_text(item, "name", text));
        table_text(&table, why != NULL ? why : "");
    }
    table_print(&table, stdout);
    table_free(&table);
}

static int print_end(const struct cli *cli, const char *month, struct err *err)
{
    char text[64];
    const cJSON *item = NULL;
    const char *state = cli_text(cli->tree, "state", text);
    if (strcmp(state, "failed") == 0) {
        const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cli->tree, "error"));
        return err_set(err, ERR_RETRY, "%s is not closed: %s", month, why != NULL ? why : "the node does not say why");
    }
    if (strcmp(state, "running") == 0) {
        (void)printf("%s is being closed: %lld of %lld accounts looked at\n", month,
                     (long long)cli_i64(cli->tree, "looked_at"), (long long)cli_i64(cli->tree, "accounts"));
        return 0;
    }
    bool dry = cli_bool(cli->tree, "dry_run");
    (void)printf("%s: %lld invoice%s %s", month, (long long)cli_i64(cli->tree, "issued"),
                 cli_i64(cli->tree, "issued") == 1 ? "" : "s", dry ? "would be issued" : "issued now");
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(cli->tree, "totals"))
    {
        char currency[64];
        (void)printf(", %s %s", cli_text(item, "total", text), cli_text(item, "currency", currency));
    }
    (void)printf("; %lld in all, %lld account%s parked\n", (long long)cli_i64(cli->tree, "invoices"),
                 (long long)cli_i64(cli->tree, "parked"), cli_i64(cli->tree, "parked") == 1 ? "" : "s");
    const cJSON *parked = cJSON_GetObjectItemCaseSensitive(cli->tree, "parked_accounts");
    if (cJSON_GetArraySize(parked) > 0) {
        print_parked(parked);
    }
    return cJSON_GetArraySize(parked) > 0 ? CMD_FAILED : CMD_OK;
}

static int close_month(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    struct close_words words = {.workers = 0};
    const struct arg args[] = {A_FLAG("dry-run", &words.dry_run),
                               A_TEXT("accounts", &words.accounts),
                               A_NUMBER("workers", &words.workers, 1, 16),
                               A_NUMBER("grace", &words.grace, 0, 2000),
                               A_FLAG("no-wait", &words.no_wait),
                               A_FLAG("reissue", &words.reissue),
                               A_END};
    int rc = cli_args(cli, args, 1, 1, "YYYY-MM", err);
    if (rc == 0) {
        rest_path(&path, "/v1/months/{}/close", cli->words.items[0]);
        rc = start(cli, &words, buf_text(&path), err);
    }
    if (rc != 0 && cli->answer.status == 409) {
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err); /* somebody else's is shown */
    }
    if (rc == 0 && !words.no_wait) {
        rc = wait_for_end(cli, buf_text(&path), cli->words.items[0], err);
    }
    if (rc == 0) {
        rc = cli->json ? cli_print_json(cli) : print_end(cli, cli->words.items[0], err);
    }
    buf_free(&path);
    return rc;
}

int cmd_close_month(int argc, char **argv)
{
    return cli_run("close-month", close_month, argc, argv);
}
