#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_cost_help[] =
    "farthing cost ACCOUNT [--month YYYY-MM] [--by version|day|tag:KEY] [--under BOOK] [--memory]\n"
    "\n"
    "What the month costs so far, where it is heading, and which function it comes from.\n"
    "\n"
    "  --by WHAT     by version, day, or the value of a tag, in place of by function\n"
    "  --under BOOK  what the same use would cost under another price book\n"
    "  --memory      memory paid for and used, what would be enough, and what that saves when\n"
    "                durations stay as they are\n"
    "\n"
    "Examples:\n"
    "  farthing cost acme\n"
    "  farthing cost acme --month 2026-10 --json | jq -r .total\n"
    "  farthing cost acme --by tag:team\n"
    "  farthing cost acme --memory --under aws-us-east-1\n";

/* "hello:3", "2026-10-05", "team-a". */
static void print_what(struct table *table, const cJSON *item)
{
    char name[80], version[64], both[160];
    const cJSON *of = cJSON_GetObjectItemCaseSensitive(item, "version");
    if (of != NULL) {
        (void)snprintf(both, sizeof both, "%s:%s", cli_text(item, "function", name),
                       cli_text(item, "version", version));
        table_text(table, both);
    } else {
        table_text(table, cli_text(item, "function|day|value", name));
    }
}

static void print_parts(const cJSON *items, const char *head)
{
    const char *const HEADS[] = {head, ">INVOCATIONS", ">GB-S", ">COST", ">PER MILLION", NULL};
    char text[64];
    const cJSON *item = NULL;
    struct table table;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        print_what(&table, item);
        table_i64(&table, cli_i64(item, "invocations"));
        table_text(&table, cli_text(item, "gb_seconds", text));
        table_text(&table, cli_text(item, "amount|cost|exact_amount", text));
        table_text(&table, cli_text(item, "per_million|cost_per_million", text));
    }
    table_print(&table, stdout);
    table_free(&table);
}

static void print_memory(const cJSON *items)
{
    static const char *const HEADS[] = {"FUNCTION", ">PAID FOR", ">USED AT MOST", ">ON AVERAGE", ">ENOUGH",
                                        ">SAVES",   NULL};
    char text[64], size[32];
    const cJSON *item = NULL;
    struct table table;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "function", text));
        kib_format(cli_i64(item, "memory_mb") * 1024, size);
        table_text(&table, size);
        kib_format(cli_i64(item, "peak_max_kib"), size);
        table_text(&table, size);
        kib_format(cli_i64(item, "peak_mean_kib"), size);
        table_text(&table, size);
        kib_format(cli_i64(item, "needed_mb") * 1024, size);
        table_text(&table, size);
        table_text(&table, cli_text(item, "saving", text));
    }
    table_print(&table, stdout);
    table_free(&table);
}

static void print_what_if(const cJSON *what_if)
{
    char book[64], usage[64], currency[64], now[64], difference[64];
    (void)printf("under %s the usage would cost %s %s (now %s, difference %s)\n", cli_text(what_if, "price_book", book),
                 cli_text(what_if, "usage", usage), cli_text(what_if, "currency", currency),
                 cli_text(what_if, "usage_now", now), cli_text(what_if, "difference", difference));
}

static void print_cost(const cJSON *tree)
{
    char total[64], currency[64], expected[64], low[64], high[64], through[64], time[64];
    const cJSON *forecast = cJSON_GetObjectItemCaseSensitive(tree, "forecast");
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "functions");

    (void)printf("%s%s %s%s so far\n", color(stdout, COLOR_BOLD), cli_text(tree, "total|month_to_date|cost", total),
                 cli_text(tree, "currency", currency), color(stdout, COLOR_NONE));
    if (cJSON_IsObject(forecast)) {
        (void)printf("%s expected at month end (between %s and %s)\n",
                     cli_text(forecast, "expected|total|amount", expected), cli_text(forecast, "low", low),
                     cli_text(forecast, "high", high));
    }
    const cJSON *by = cJSON_GetObjectItemCaseSensitive(tree, "by");
    if (cJSON_GetArraySize(by != NULL ? by : items) > 0) {
        const cJSON *first = cJSON_GetArrayItem(by, 0);
        print_parts(by != NULL ? by : items, cJSON_HasObjectItem(first, "day")   ? "DAY"
                                             : cJSON_HasObjectItem(first, "tag") ? "TAG"
                                                                                 : "FUNCTION");
    }
    items = cJSON_GetObjectItemCaseSensitive(tree, "memory");
    if (cJSON_GetArraySize(items) > 0) {
        print_memory(items);
    }
    if (cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(tree, "what_if"))) {
        print_what_if(cJSON_GetObjectItemCaseSensitive(tree, "what_if"));
    }
    cli_time(cli_text(tree, "complete_through", through), time);
    (void)printf("%scomplete through %s UTC%s\n", color(stdout, COLOR_DIM), time, color(stdout, COLOR_NONE));
}

static int cost(struct cli *cli, struct err *err)
{
    const char *month = NULL, *under = NULL, *by = NULL;
    bool memory = false;
    struct buf path = {0};
    const struct arg args[] = {A_TEXT("month", &month), A_TEXT("by", &by), A_TEXT("under", &under),
                               A_FLAG("memory", &memory), A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/cost", cli->words.items[0]);
        rest_query(&path, "month", month);
        rest_query(&path, "by", by);
        rest_query(&path, "under", under);
        rest_query(&path, "memory", memory ? "true" : NULL);
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        print_cost(cli->tree);
    }
    buf_free(&path);
    return rc;
}

int cmd_cost(int argc, char **argv)
{
    return cli_run("cost", cost, argc, argv);
}
