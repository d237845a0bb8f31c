#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_webhook_help[] =
    "farthing webhook list ACCOUNT\n"
    "farthing webhook add ACCOUNT URL [--event TYPE]...\n"
    "farthing webhook remove ACCOUNT WEBHOOK\n"
    "farthing webhook test ACCOUNT WEBHOOK         send a test event now\n"
    "farthing webhook log ACCOUNT WEBHOOK          what was sent, and what came of it\n"
    "\n"
    "  --event TYPE  only events of this type, as dev.farthing.quota.threshold; may be repeated (all)\n"
    "  --quiet       add: print only the secret, for scripts\n"
    "\n"
    "A webhook hears of crossed thresholds as CloudEvents. Its secret is shown once; with it the receiver checks the\n"
    "header Farthing-Signature: t=SECONDS,v1=HEX, the HMAC-SHA256 of \"SECONDS.\" and the body.\n"
    "\n"
    "Examples:\n"
    "  farthing webhook add acme https://example.com/farthing\n"
    "  farthing webhook test acme wh_1\n"
    "  farthing webhook log acme wh_1\n";

static int print_list(struct cli *cli, const cJSON *items)
{
    static const char *const HEADS[] = {"ID", "~URL", "~EVENTS", "ENABLED", "?CREATED", NULL};
    char text[64], time[64];
    struct table table;
    const cJSON *item = NULL, *event = NULL;

    if (cli->json) {
        return cli_print_json(cli);
    }
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("No webhooks yet. Make one: farthing webhook add ACCOUNT URL");
        return 0;
    }
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        struct buf events = {0};
        cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(item, "events"))
        {
            buf_puts(&events, events.length > 0 ? " " : "");
            buf_puts(&events, cJSON_IsString(event) ? event->valuestring : "");
        }
        table_text(&table, cli_text(item, "id", text));
        table_text(&table, cli_text(item, "url", text));
        table_text(&table, events.length > 0 ? buf_text(&events) : "all");
        table_text(&table, cli_bool(item, "enabled") ? "yes" : "no");
        cli_time(cli_text(item, "created_at", text), time);
        table_text(&table, time);
        buf_free(&events);
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

static int webhook_list(struct cli *cli, struct err *err)
{
    const struct arg args[] = {A_END};
    const cJSON *items = NULL;
    struct buf path = {0};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/webhooks", cli->words.items[0]);
        rc = cli_list(cli, buf_text(&path), &items, err);
    }
    rc = rc == 0 ? print_list(cli, items) : -1;
    buf_free(&path);
    return rc;
}

static int webhook_add(struct cli *cli, struct err *err)
{
    struct arg_list events = {0};
    bool quiet = false;
    const struct arg args[] = {A_MANY("event", &events), A_FLAG("quiet", &quiet), A_END};
    struct buf path = {0}, body = {0};
    struct json_writer writer;
    char id[64], secret[64];
    int rc = -1;

    if (cli_args(cli, args, 2, 2, "ACCOUNT URL", err) != 0) {
        return -1;
    }
    json_writer_init(&writer, &body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "url", cli->words.items[1]);
    json_open_array(&writer, "events");
    for (int i = 0; i < events.count; i++) {
        json_put_text(&writer, NULL, events.items[i]);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    rest_path(&path, "/v1/accounts/{}/webhooks", cli->words.items[0]);
    rc = cli_call(cli, "POST", buf_text(&path), buf_text(&body), err);
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        (void)printf("%s\n", cli_text(cli->tree, "secret", secret));
        if (!quiet) {
            (void)fprintf(stderr, "This is the only time the secret is shown. The webhook is %s.\n",
                          cli_text(cli->tree, "id", id));
        }
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

/* ACCOUNT WEBHOOK and what follows in the path. */
static int one(struct cli *cli, const char *method, const char *more, struct err *err)
{
    const struct arg args[] = {A_END};
    struct buf path = {0};
    int rc = -1;

    if (cli_args(cli, args, 2, 2, "ACCOUNT WEBHOOK", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/webhooks", cli->words.items[0]);
        rest_path(&path, "/{}", cli->words.items[1]);
        buf_puts(&path, more);
        rc = cli_call(cli, method, buf_text(&path), NULL, err);
    }
    buf_free(&path);
    return rc;
}

static int webhook_remove(struct cli *cli, struct err *err)
{
    if (one(cli, "DELETE", "", err) != 0) {
        return -1;
    }
    if (!cli->json) {
        (void)printf("%s is removed, what waited for it too.\n", cli->words.items[1]);
    }
    return 0;
}

static int webhook_test(struct cli *cli, struct err *err)
{
    char id[64];

    if (one(cli, "POST", "/test", err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    (void)printf("Event %s is on its way. What came of it: farthing webhook log %s %s\n", cli_text(cli->tree, "id", id),
                 cli->words.items[0], cli->words.items[1]);
    return 0;
}

static const char *state_of(const cJSON *item, char text[64])
{
    if (cli_text(item, "delivered_at", text)[0] != '\0') {
        return "delivered";
    }
    if (cli_text(item, "gave_up_at", text)[0] != '\0') {
        return "given up";
    }
    return cli_i64(item, "attempts") > 0 ? "trying again" : "waiting";
}

static int webhook_log(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"CREATED", "~EVENT",    "STATE",       "?>TRIES",
                                        ">STATUS", "?NEXT TRY", "~LAST ERROR", NULL};
    char text[64], time[64];
    struct table table;
    const cJSON *item = NULL;

    if (one(cli, "GET", "/deliveries", err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(cli->tree, "items");
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("Nothing was sent yet.");
        return 0;
    }
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        const char *state = state_of(item, text);
        bool over = strcmp(state, "delivered") == 0 || strcmp(state, "given up") == 0;
        cli_time(cli_text(item, "created_at", text), time);
        table_text(&table, time);
        table_text(&table, cli_text(item, "event_type", text));
        table_text(&table, state);
        table_i64(&table, cli_i64(item, "attempts"));
        table_text(&table, cli_i64(item, "last_status") > 0 ? cli_text(item, "last_status", text) : NULL);
        cli_time(over ? "" : cli_text(item, "due_at", text), time);
        table_text(&table, time);
        table_text(&table, cli_text(item, "last_error", text));
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

int cmd_webhook(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"list", webhook_list}, {"add", webhook_add}, {"remove", webhook_remove},
                                      {"test", webhook_test}, {"log", webhook_log}, {NULL, NULL}};
    return cli_run_sub("webhook", SUBS, argc, argv);
}
