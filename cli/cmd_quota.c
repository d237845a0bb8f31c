#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

const char cmd_quota_help[] =
    "farthing quota show ACCOUNT\n"
    "farthing quota set ACCOUNT NAME=LIMIT... [--action block|notify] [--threshold PERCENT]... [--dry-run]\n"
    "farthing quota remove ACCOUNT NAME...\n"
    "farthing quota notices ACCOUNT       thresholds that were crossed\n"
    "\n"
    "With --default instead of ACCOUNT: the operator's limits for accounts that have none of their own.\n"
    "\n"
    "  concurrency            running invocations at once\n"
    "  requests_per_second    calls a second\n"
    "  requests_per_month     calls in a UTC month\n"
    "  gb_seconds_per_month   GB-seconds in a UTC month\n"
    "  spend_per_month        money in a UTC month, in the account's currency\n"
    "  memory_mb              memory of one function\n"
    "  functions              how many functions\n"
    "  code_bytes             stored code\n"
    "  async_queue            queued events\n"
    "\n"
    "  --action ACTION      block: refuse (default); notify: only tell\n"
    "  --threshold PERCENT  where a notice is sent; may be repeated (50, 80, 100)\n"
    "  --dry-run            change nothing; say what the limit would have refused last month\n"
    "\n"
    "Examples:\n"
    "  farthing quota set acme concurrency=50 spend_per_month=200.00 --action block\n"
    "  farthing quota set acme concurrency=50 spend_per_month=200.00 --dry-run\n"
    "  farthing quota show acme\n"
    "  farthing quota remove acme concurrency\n";

#define QUOTA_BAR_MIN 6
#define QUOTA_BAR_MAX 40
#define QUOTA_ROWS_MAX 32

/* Decimal text as a whole number of its thousandths: bars need proportions, not exactness. */
static int64_t thousandths(const char *text)
{
    int64_t value = 0;
    int decimals = -1;

    for (; *text != '\0' && value < INT64_MAX / 100; text++) {
        if (*text == '.') {
            decimals = 0;
        } else if (*text >= '0' && *text <= '9' && decimals < 3) {
            value = value * 10 + (*text - '0');
            decimals += decimals >= 0;
        }
    }
    for (int i = decimals > 0 ? decimals : 0; i < 3; i++) {
        value *= 10;
    }
    return value;
}

/* One row of `quota show` as text. */
struct quota_row {
    char name[64], used[32], held[32], available[32], limit[32], action[32], resets[64];
    int64_t used_parts, held_parts, limit_parts; /* for the bar */
    bool limited;
};

struct quota_widths {
    int name, used, held, available, limit, bar;
};

/* For people: three decimals at most, money as it is; --json has all of them. */
static void shorten(const char *text, char shown[32])
{
    char full[64];
    quantity_format(text, 3, full);
    (void)snprintf(shown, 32, "%.31s", full);
}

static void row_read(const cJSON *item, struct quota_row *row)
{
    char text[64];
    const char *limit = cli_text(item, "limit", text);
    *row = (struct quota_row){.limited = limit[0] != '\0', .limit_parts = thousandths(limit)};
    shorten(row->limited ? limit : "no limit", row->limit);
    (void)snprintf(row->name, sizeof row->name, "%s", cli_text(item, "name", text));
    const char *used = cli_text(item, "used", text);
    row->used_parts = thousandths(used);
    shorten(used, row->used);
    const char *held = cli_text(item, "held", text);
    row->held_parts = thousandths(held);
    shorten(row->limited ? held : "", row->held);
    shorten(cli_text(item, "available", text), row->available);
    (void)snprintf(row->action, sizeof row->action, "%s%s", row->limited ? cli_text(item, "action", text) : "",
                   cli_bool(item, "inherited") ? ", default" : "");
    cli_time(cli_text(item, "resets_at", text), row->resets);
}

static void widen(int *width, const char *text)
{
    *width = (int)strlen(text) > *width ? (int)strlen(text) : *width;
}

/* The bar gets what the numbers leave. */
static void widths_read(const struct quota_row *rows, int count, int columns, struct quota_widths *widths)
{
    *widths = (struct quota_widths){.name = 5, .used = 4, .held = 4, .available = 9, .limit = 5};
    int action = 6;
    for (int i = 0; i < count; i++) {
        widen(&widths->name, rows[i].name);
        widen(&widths->used, rows[i].used);
        widen(&widths->held, rows[i].held);
        widen(&widths->available, rows[i].available);
        widen(&widths->limit, rows[i].limit);
        widen(&action, rows[i].action);
    }
    int rest = columns - widths->name - widths->used - widths->held - widths->available - widths->limit - action - 12;
    widths->bar = rest < QUOTA_BAR_MIN ? QUOTA_BAR_MIN : rest > QUOTA_BAR_MAX ? QUOTA_BAR_MAX : rest;
}

static void row_print(const struct quota_row *row, const struct quota_widths *widths)
{
    (void)printf("%s%-*s%s  ", color(stdout, COLOR_BOLD), widths->name, row->name, color(stdout, COLOR_NONE));
    if (row->limited) {
        bar_print(stdout, row->used_parts, row->held_parts, row->limit_parts, widths->bar);
    } else {
        (void)printf("%*s", widths->bar, "");
    }
    (void)printf("  %*s  %*s  %*s  %s%*s%s  %s\n", widths->used, row->used, widths->held, row->held, widths->available,
                 row->available, color(stdout, row->limited ? COLOR_NONE : COLOR_DIM), widths->limit, row->limit,
                 color(stdout, COLOR_NONE), row->action);
}

static void print_quotas(const cJSON *items)
{
    struct quota_row rows[QUOTA_ROWS_MAX];
    struct quota_widths widths;
    const cJSON *item = NULL;
    const char *resets = "-";
    bool limited = false;
    int count = 0;

    cJSON_ArrayForEach(item, items)
    {
        if (count < QUOTA_ROWS_MAX) {
            row_read(item, &rows[count]);
            limited = limited || rows[count].limited;
            resets = rows[count].resets[0] != '-' ? rows[count].resets : resets;
            count++;
        }
    }
    widths_read(rows, count, table_columns(stdout), &widths);
    (void)printf("%-*s  %*s  %*s  %*s  %*s  %*s  %s\n", widths.name, "QUOTA", widths.bar, "", widths.used, "USED",
                 widths.held, "HELD", widths.available, "AVAILABLE", widths.limit, "LIMIT", "ACTION");
    for (int i = 0; i < count; i++) {
        row_print(&rows[i], &widths);
    }
    if (limited) {
        (void)puts("█ used  ▒ held for running calls and the next ones  ░ available");
    }
    if (resets[0] != '-') {
        (void)printf("Monthly limits start again on %.10s (UTC).\n", resets);
    }
}

static void quotas_path(struct buf *path, const char *account, const char *name)
{
    if (account != NULL) {
        rest_path(path, "/v1/accounts/{}/quotas", account);
    } else {
        buf_puts(path, "/v1/quotas");
    }
    if (name != NULL) {
        rest_path(path, "/{}", name);
    }
}

static int show(struct cli *cli, const char *account, struct err *err)
{
    struct buf path = {0};
    const cJSON *items = NULL;
    int rc = -1;

    quotas_path(&path, account, NULL);
    rc = cli_list(cli, buf_text(&path), &items, err);
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        print_quotas(items);
    }
    buf_free(&path);
    return rc;
}

struct quota_words {
    const char *action;
    struct arg_list thresholds;
    bool defaults, dry_run;
};

static int quota_show(struct cli *cli, struct err *err)
{
    struct quota_words words = {0};
    const struct arg args[] = {A_FLAG("default", &words.defaults), A_END};

    if (cli_args(cli, args, 0, 1, "ACCOUNT", err) != 0) {
        return -1;
    }
    if (words.defaults == (cli->words.count == 1)) {
        return err_set(err, ERR_INVALID, "say which account, or --default");
    }
    return show(cli, words.defaults ? NULL : cli->words.items[0], err);
}

static int quota_body(const struct quota_words *words, const char *limit, struct buf *body, struct err *err)
{
    struct json_writer writer;

    json_writer_init(&writer, body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "limit", limit);
    if (words->action != NULL) {
        json_put_text(&writer, "action", words->action);
    }
    if (words->thresholds.count > 0) {
        json_open_array(&writer, "thresholds");
        for (int i = 0; i < words->thresholds.count; i++) {
            int64_t percent = 0;
            if (text_i64(words->thresholds.items[i], "threshold", 1, 1000, &percent, err) != 0) {
                return -1;
            }
            json_put_i64(&writer, NULL, percent);
        }
        json_close_array(&writer);
    }
    json_close_object(&writer);
    return 0;
}

/* "NAME=LIMIT" */
static int word_split(const char *word, char name[64], const char **limit, struct err *err)
{
    const char *equals = strchr(word, '=');

    if (equals == NULL || equals == word || equals[1] == '\0' || equals - word >= 64) {
        return err_field(err, "quota", "\"%s\" is not NAME=LIMIT, as in concurrency=50", word);
    }
    (void)snprintf(name, 64, "%.*s", (int)(equals - word), word);
    *limit = equals + 1;
    return 0;
}

/* "2026-10: 12 of 3,400 calls would have been refused, first on ...; the month came to 212.40." */
static void print_dry_run(const cJSON *tree)
{
    char name[64], limit[64], month[64], peak[64], first[64], time[64], calls[32], refused[32];
    int64_t count = cli_i64(tree, "refused");
    const char *what = cli_text(tree, "name", name);
    bool month_total = strstr(what, "_per_month") != NULL;

    number_format(cli_i64(tree, "calls"), calls);
    number_format(count, refused);
    cli_time(cli_text(tree, "first_refused_at", first), time);
    (void)printf("%s=%s: in %s ", what, cli_text(tree, "limit", limit), cli_text(tree, "month", month));
    if (cli_i64(tree, "calls") == 0) {
        (void)puts("nothing ran.");
        return;
    }
    if (count == 0) {
        (void)printf("none of %s calls would have been refused", calls);
    } else {
        (void)printf("%s%s of %s calls would have been refused%s, the first %s%.16s", color(stdout, COLOR_YELLOW),
                     refused, calls, color(stdout, COLOR_NONE), month_total ? "in the hour of " : "on ", time);
    }
    (void)printf("; %s %s.\n", month_total ? "the month came to" : "the most was", cli_text(tree, "peak", peak));
}

static int dry_run_one(struct cli *cli, const char *account, const char *word, struct err *err)
{
    struct buf path = {0}, body = {0};
    const struct quota_words none = {0};
    const char *limit = NULL;
    char name[64];
    int rc = -1;

    if (word_split(word, name, &limit, err) != 0) {
        return -1;
    }
    quotas_path(&path, account, name);
    buf_puts(&path, "/dry-run");
    if (quota_body(&none, limit, &body, err) == 0 &&
        cli_call(cli, "POST", buf_text(&path), buf_text(&body), err) == 0) {
        rc = cli->json ? cli_print_json(cli) : 0;
        if (!cli->json) {
            print_dry_run(cli->tree);
        }
    } else {
        (void)err_wrap(err, "%s", name);
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static int put_one(struct cli *cli, const char *account, const char *word, const struct quota_words *words,
                   struct err *err)
{
    struct buf path = {0}, body = {0};
    const char *limit = NULL;
    char name[64];
    int rc = -1;

    if (word_split(word, name, &limit, err) != 0) {
        return -1;
    }
    quotas_path(&path, account, name);
    if (quota_body(words, limit, &body, err) == 0 && cli_call(cli, "PUT", buf_text(&path), buf_text(&body), err) == 0) {
        rc = 0;
    } else {
        (void)err_wrap(err, "%s", name);
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static int quota_set(struct cli *cli, struct err *err)
{
    struct quota_words words = {0};
    const struct arg args[] = {A_TEXT("action", &words.action), A_MANY("threshold", &words.thresholds),
                               A_FLAG("default", &words.defaults), A_FLAG("dry-run", &words.dry_run), A_END};
    int first = 0;

    if (cli_args(cli, args, 1, ARG_LIST_MAX, "ACCOUNT NAME=LIMIT...", err) != 0) {
        return -1;
    }
    first = words.defaults ? 0 : 1;
    const char *account = words.defaults ? NULL : cli->words.items[0];
    if (cli->words.count <= first) {
        return err_set(err, ERR_INVALID, "say which limit, as in concurrency=50");
    }
    if (words.dry_run && words.defaults) {
        return err_set(err, ERR_INVALID, "a dry run is of one account: say which");
    }
    for (int i = first; i < cli->words.count; i++) {
        if ((words.dry_run ? dry_run_one(cli, account, cli->words.items[i], err)
                           : put_one(cli, account, cli->words.items[i], &words, err)) != 0) {
            return -1;
        }
    }
    if (words.dry_run && !cli->json) {
        (void)puts("Nothing was changed.");
    }
    return words.dry_run ? 0 : show(cli, account, err);
}

static int quota_remove(struct cli *cli, struct err *err)
{
    struct quota_words words = {0};
    const struct arg args[] = {A_FLAG("default", &words.defaults), A_END};

    if (cli_args(cli, args, 1, ARG_LIST_MAX, "ACCOUNT NAME...", err) != 0) {
        return -1;
    }
    const char *account = words.defaults ? NULL : cli->words.items[0];
    for (int i = words.defaults ? 0 : 1; i < cli->words.count; i++) {
        struct buf path = {0};
        quotas_path(&path, account, cli->words.items[i]);
        int rc = cli_call(cli, "DELETE", buf_text(&path), NULL, err);
        buf_free(&path);
        if (rc != 0) {
            return err_wrap(err, "%s", cli->words.items[i]);
        }
    }
    return show(cli, account, err);
}

static int quota_notices(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"FIRED", "QUOTA", "MONTH", ">PER CENT", ">USED", ">LIMIT", NULL};
    const struct arg args[] = {A_END};
    const cJSON *items = NULL, *item = NULL;
    struct buf path = {0};
    char text[64], time[64], shown[32];
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/notices", cli->words.items[0]);
        rc = cli_list(cli, buf_text(&path), &items, err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0 && cJSON_GetArraySize(items) == 0) {
        (void)puts("No threshold was crossed.");
    } else if (rc == 0) {
        struct table table;
        table_init(&table, HEADS);
        cJSON_ArrayForEach(item, items)
        {
            cli_time(cli_text(item, "fired_at", text), time);
            table_text(&table, time);
            table_text(&table, cli_text(item, "quota", text));
            table_text(&table, cli_text(item, "month", text));
            table_text(&table, cli_text(item, "threshold", text));
            shorten(cli_text(item, "used", text), shown);
            table_text(&table, shown);
            table_text(&table, cli_text(item, "limit", text));
        }
        table_print(&table, stdout);
        table_free(&table);
    }
    buf_free(&path);
    return rc;
}

int cmd_quota(int argc, char **argv)
{
    static const struct sub SUBS[] = {
        {"show", quota_show}, {"set", quota_set}, {"remove", quota_remove}, {"notices", quota_notices}, {NULL, NULL}};
    return cli_run_sub("quota", SUBS, argc, argv);
}
