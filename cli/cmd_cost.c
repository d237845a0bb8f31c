#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_cost_help[] =
    "farthing cost ACCOUNT [--month YYYY-MM] [--by version|day|tag:KEY] [--memory]\n"
    "              [--under BOOK] [--grain MS] [--init yes|no] [--resize FUNCTION=MB]\n"
    "\n"
    "What the month costs so far, where it is heading, and which function it comes from.\n"
    "\n"
    "  --by WHAT     by version, day, or the value of a tag, in place of by function\n"
    "  --memory      memory paid for and used, what would be enough, and what that saves when\n"
    "                durations stay as they are\n"
    "\n"
    "What the same use would cost otherwise, one or several of:\n"
    "\n"
    "  --under BOOK  under another price book\n"
    "  --grain MS    with durations rounded up to steps of MS milliseconds; every record of the\n"
    "                month is rounded again, so it takes about a second for a million calls\n"
    "  --init yes|no with initialisation billed, or not billed\n"
    "  --resize FUNCTION=MB\n"
    "                with other memory for one function, and durations as they were\n"
    "\n"
    "Examples:\n"
    "  farthing cost acme\n"
    "  farthing cost acme --month 2026-10 --json | jq -r .total\n"
    "  farthing cost acme --by tag:team\n"
    "  farthing cost acme --memory --under aws-us-east-1\n"
    "  farthing cost acme --month 2026-10 --grain 100 --init no\n"
    "  farthing cost acme --resize hello=512\n";

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

/* "under aws, with steps of 100 ms, without initialisation, with 512 MB for hello " */
static void print_question(const cJSON *what_if)
{
    char text[80];
    const cJSON *init = cJSON_GetObjectItemCaseSensitive(what_if, "init");
    const cJSON *resize = cJSON_GetObjectItemCaseSensitive(what_if, "resize");
    (void)printf("under %s", cli_text(what_if, "price_book", text));
    if (cJSON_HasObjectItem(what_if, "grain_ms")) {
        (void)printf(", with steps of %lld ms", (long long)cli_i64(what_if, "grain_ms"));
    }
    if (init != NULL) {
        (void)printf(", %s initialisation", cJSON_IsTrue(init) ? "with" : "without");
    }
    if (resize != NULL) {
        (void)printf(", with %lld MB for %s", (long long)cli_i64(resize, "memory_mb"),
                     cli_text(resize, "function", text));
    }
}

static void print_what_if(const cJSON *what_if)
{
    char usage[64], currency[64], now[64], difference[64];
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(what_if, "records");
    print_question(what_if);
    (void)printf(" the usage would cost %s %s (now %s, difference %s)\n", cli_text(what_if, "usage", usage),
                 cli_text(what_if, "currency", currency), cli_text(what_if, "usage_now", now),
                 cli_text(what_if, "difference", difference));
    if (records != NULL && cli_i64(records, "as_billed") == 0) {
        (void)printf("rounded again from all %s records of the month\n", cli_text(records, "rounded", now));
    } else if (records != NULL) {
        (void)printf("rounded again from %s records; %s more are no longer kept and count as they were billed\n",
                     cli_text(records, "rounded", now), cli_text(records, "as_billed", difference));
    }
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

/* yes and no in the words of the API. */
static int init_word(const char **init, struct err *err)
{
    if (*init == NULL) {
        return 0;
    }
    if (strcmp(*init, "yes") != 0 && strcmp(*init, "no") != 0) {
        return err_field(err, "init", "--init is \"%.40s\"; it is yes or no", *init);
    }
    *init = strcmp(*init, "yes") == 0 ? "true" : "false";
    return 0;
}

static int cost(struct cli *cli, struct err *err)
{
    const char *month = NULL, *under = NULL, *by = NULL, *grain = NULL, *init = NULL, *resize = NULL;
    bool memory = false;
    struct buf path = {0};
    const struct arg args[] = {
        A_TEXT("month", &month), A_TEXT("by", &by),         A_TEXT("under", &under),   A_TEXT("grain", &grain),
        A_TEXT("init", &init),   A_TEXT("resize", &resize), A_FLAG("memory", &memory), A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0 && init_word(&init, err) == 0) {
        rest_path(&path, "/v1/accounts/{}/cost", cli->words.items[0]);
        rest_query(&path, "month", month);
        rest_query(&path, "by", by);
        rest_query(&path, "under", under);
        rest_query(&path, "grain", grain);
        rest_query(&path, "init", init);
        rest_query(&path, "resize", resize);
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
