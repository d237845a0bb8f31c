#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_usage_help[] =
    "farthing usage ACCOUNT [--month YYYY-MM | --from TIME --to TIME] [OPTIONS]\n"
    "farthing usage --all [--month YYYY-MM] [--by account] [OPTIONS]\n"
    "\n"
    "  --month YYYY-MM     a UTC month (this one)\n"
    "  --from, --to TIME   RFC 3339 or a date, whole hours; --to is the first hour that is not in\n"
    "  --by LIST           of function,version,memory,architecture,status\n"
    "  --granularity G     total (default), hour, day or month\n"
    "  --function NAME     only this function\n"
    "  --csv               CSV instead of a table\n"
    "  --all               all accounts together (admin)\n"
    "  --limit N           rows\n"
    "\n"
    "Every answer says up to when everything is in (complete_through).\n"
    "\n"
    "Examples:\n"
    "  farthing usage acme --by function\n"
    "  farthing usage acme --month 2026-10 --granularity day --csv > october.csv\n"
    "  farthing usage --all --month 2026-10 --json\n";

struct usage_words {
    const char *month, *from, *to, *by, *granularity, *function;
    int64_t limit;
    bool csv, all;
};

/* "--by day" is meant well. */
static int check_by(const struct usage_words *words, struct err *err)
{
    static const char *const TIMES[] = {"hour", "day", "month"};
    for (size_t i = 0; words->by != NULL && i < sizeof TIMES / sizeof TIMES[0]; i++) {
        if (strcmp(words->by, TIMES[i]) == 0) {
            return err_field(err, "by", "--by %s: a row for each %s is --granularity %s", words->by, words->by,
                             words->by);
        }
    }
    return 0;
}

static void usage_path(const struct usage_words *words, const char *account, struct buf *path)
{
    char limit[24];

    if (words->all) {
        buf_puts(path, "/v1/usage");
    } else if (words->function != NULL) {
        rest_path(path, "/v1/accounts/{}/functions/{}/usage", account, words->function);
    } else {
        rest_path(path, "/v1/accounts/{}/usage", account);
    }
    rest_query(path, "month", words->month);
    rest_query(path, "from", words->from);
    rest_query(path, "to", words->to);
    rest_query(path, "group_by", words->by);
    rest_query(path, "granularity", words->granularity);
    if (words->limit > 0) {
        (void)snprintf(limit, sizeof limit, "%lld", (long long)words->limit);
        rest_query(path, "limit", limit);
    }
}

/* Columns that say what a row is, then the sums. */
struct columns {
    const char *heads[TABLE_COLUMNS_MAX + 1];
    const char *names[TABLE_COLUMNS_MAX];
    int labels, count;
    const cJSON *accounts; /* may be NULL */
};

static void add_column(struct columns *columns, const char *head, const char *name)
{
    columns->heads[columns->count] = head;
    columns->names[columns->count++] = name;
    columns->heads[columns->count] = NULL;
}

static void choose_columns(const cJSON *first, struct columns *columns)
{
    static const char *const LABELS[][2] = {
        {"TIME", "at"},         {"ACCOUNT", "account"},       {"~FUNCTION", "function"},
        {"VERSION", "version"}, {">MEMORY MIB", "memory_mb"}, {"ARCHITECTURE", "architecture"},
        {"STATUS", "status"}};
    static const char *const SUMS[][2] = {{">INVOCATIONS", "invocations"}, {">ERRORS", "errors"},
                                          {"?>THROTTLES", "throttles"},    {"?>COLD", "cold_starts"},
                                          {"?>BILLED MS", "billed_ms"},    {">GB-S", "mb_ms"},
                                          {">P95 MS", "p95_us"},           {"?>PEAK MIB", "peak_kib_max"}};

    for (size_t i = 0; i < sizeof LABELS / sizeof LABELS[0]; i++) {
        if (cJSON_HasObjectItem(first, LABELS[i][1])) {
            add_column(columns, LABELS[i][0], LABELS[i][1]);
        }
    }
    columns->labels = columns->count;
    for (size_t i = 0; i < sizeof SUMS / sizeof SUMS[0]; i++) {
        if (cJSON_HasObjectItem(first, SUMS[i][1])) {
            add_column(columns, SUMS[i][0], SUMS[i][1]);
        }
    }
}

static void print_number(struct table *table, const cJSON *row, const char *name)
{
    char text[64];
    int64_t value = cli_i64(row, name);

    if (!cJSON_HasObjectItem(row, name)) {
        table_text(table, "");
    } else if (strcmp(name, "mb_ms") == 0) {
        cli_gb_s(value, text);
        table_text(table, text);
    } else if (strcmp(name, "p95_us") == 0) {
        (void)snprintf(text, sizeof text, "%lld.%lld", (long long)(value / 1000), (long long)(value % 1000 / 100));
        table_text(table, text);
    } else if (strcmp(name, "peak_kib_max") == 0) {
        (void)snprintf(text, sizeof text, "%lld.%lld", (long long)(value / 1024),
                       (long long)(value % 1024 * 10 / 1024));
        table_text(table, text);
    } else {
        table_i64(table, value);
    }
}

/* Ids of accounts as names, where the first page of accounts has them. */
static const char *name_of(const cJSON *accounts, const char *id)
{
    const cJSON *account = NULL;
    char text[64];

    cJSON_ArrayForEach(account, accounts)
    {
        if (strcmp(cli_text(account, "id", text), id) == 0) {
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(account, "name"));
        }
    }
    return id;
}

static void print_row(struct table *table, const struct columns *columns, const cJSON *row, const char *label)
{
    char text[64], time[64];

    for (int i = 0; i < columns->count; i++) {
        const char *name = columns->names[i];
        if (i >= columns->labels) {
            print_number(table, row, name);
        } else if (label != NULL) {
            table_text(table, i == 0 ? label : " ");
        } else if (strcmp(name, "at") == 0) {
            cli_time(cli_text(row, name, text), time);
            table_text(table, time);
        } else if (strcmp(name, "account") == 0) {
            table_text(table, name_of(columns->accounts, cli_text(row, name, text)));
        } else {
            table_text(table, cli_text(row, name, text));
        }
    }
}

static void print_age(const cJSON *tree)
{
    char text[64], time[64];
    int64_t late = cli_i64(tree, "late_pending");

    cli_time(cli_text(tree, "complete_through", text), time);
    (void)printf("%scomplete through %s UTC", color(stdout, COLOR_DIM), time);
    if (late > 0) {
        (void)printf(", %lld records still on their way", (long long)late);
    }
    (void)printf("%s\n", color(stdout, COLOR_NONE));
}

/* Asynchronous events, when there were any: all functions of the answer in one sentence. */
static void print_events(const cJSON *tree)
{
    const cJSON *events = cJSON_GetObjectItemCaseSensitive(tree, "events");
    const cJSON *row = NULL;
    int64_t received = 0, dropped = 0, runs = 0, age_ms = 0, most_ms = 0, waiting = 0, oldest_ms = 0;

    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(events, "items"))
    {
        int64_t max_ms = cli_i64(row, "age_ms_max");
        received += cli_i64(row, "received");
        dropped += cli_i64(row, "dropped");
        runs += cli_i64(row, "runs");
        age_ms += cli_i64(row, "age_ms_avg") * cli_i64(row, "runs");
        most_ms = max_ms > most_ms ? max_ms : most_ms;
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(events, "waiting"))
    {
        int64_t old_ms = cli_i64(row, "oldest_age_ms");
        waiting += cli_i64(row, "events");
        oldest_ms = old_ms > oldest_ms ? old_ms : oldest_ms;
    }
    if (received + dropped + runs + waiting == 0) {
        return;
    }
    age_ms = runs > 0 ? age_ms / runs : 0;
    (void)printf("events: %lld queued, %lld dropped; age when handed over %lld.%03lld s, at most %lld.%03lld s",
                 (long long)received, (long long)dropped, (long long)(age_ms / 1000), (long long)(age_ms % 1000),
                 (long long)(most_ms / 1000), (long long)(most_ms % 1000));
    if (waiting > 0) {
        (void)printf("; %lld in the queue now, the oldest for %lld s", (long long)waiting,
                     (long long)(oldest_ms / 1000));
    }
    (void)puts("");
}

static int print_rows(const cJSON *tree, const cJSON *accounts)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(tree, "total");
    const cJSON *row = NULL;
    struct columns columns = {.accounts = accounts};
    struct table table;

    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("Nothing was used in this time.");
        print_events(tree);
        print_age(tree);
        return 0;
    }
    choose_columns(cJSON_GetArrayItem(items, 0), &columns);
    table_init(&table, columns.heads);
    cJSON_ArrayForEach(row, items)
    {
        print_row(&table, &columns, row, NULL);
    }
    if (total != NULL && cJSON_GetArraySize(items) > 1 && columns.labels > 0) {
        table_rule(&table);
        print_row(&table, &columns, total, "total");
    }
    table_print(&table, stdout);
    table_free(&table);
    print_events(tree);
    print_age(tree);
    return 0;
}

/* All accounts as one object, whole numbers as JSON numbers: what a replay says of what it emitted. */
static int print_totals(const struct cli *cli)
{
    static const char *const NAMES[] = {"records", "mb_ms", "billed_ms", "accounts", "functions", "late_pending"};
    char text[64], gb_s[48];
    struct buf out = {0};
    struct json_writer writer;

    if (!cli->json) {
        for (size_t i = 0; i < 5; i++) {
            number_format(cli_i64(cli->tree, NAMES[i]), text);
            (void)printf("%-10s %18s\n", NAMES[i], text);
        }
        cli_gb_s(cli_i64(cli->tree, "mb_ms"), gb_s);
        (void)printf("%-10s %18s\n", "GB-s", gb_s);
        print_age(cli->tree);
        return 0;
    }
    json_writer_init(&writer, &out);
    json_open_object(&writer, NULL);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        json_put_i64(&writer, NAMES[i], cli_i64(cli->tree, NAMES[i]));
    }
    json_put_text(&writer, "complete_through", cli_text(cli->tree, "complete_through", text));
    json_close_object(&writer);
    (void)puts(buf_text(&out));
    buf_free(&out);
    return 0;
}

static int to_stdout(const char *bytes, size_t length, void *ctx)
{
    (void)ctx;
    return fwrite(bytes, 1, length, stdout) == length ? 0 : -1;
}

/* Rows by account show names, which another answer has. */
static int print_people(struct cli *cli, struct err *err)
{
    cJSON *usage = cli->tree;
    const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(usage, "items"), 0);
    int rc = 0;

    if (!cJSON_HasObjectItem(first, "account")) {
        return print_rows(usage, NULL);
    }
    cli->tree = NULL;
    rc = cli_call(cli, "GET", "/v1/accounts?limit=1000", NULL, err);
    if (rc == 0) {
        rc = print_rows(usage, cJSON_GetObjectItemCaseSensitive(cli->tree, "items"));
    }
    cJSON_Delete(usage);
    return rc;
}

static int usage_ask(struct cli *cli, const struct usage_words *words, const char *path, struct err *err)
{
    if (words->csv) {
        struct rest_call call = {.method = "GET", .path = path, .accept = "text/csv", .on_piece = to_stdout};
        return rest_run(cli->rest, &call, &cli->answer, err);
    }
    if (cli_call(cli, "GET", path, NULL, err) != 0) {
        return -1;
    }
    if (cJSON_HasObjectItem(cli->tree, "records")) {
        return print_totals(cli);
    }
    return cli->json ? cli_print_json(cli) : print_people(cli, err);
}

static int usage(struct cli *cli, struct err *err)
{
    struct usage_words words = {0};
    struct buf path = {0};
    const struct arg args[] = {A_TEXT("month", &words.month),
                               A_TEXT("from", &words.from),
                               A_TEXT("to", &words.to),
                               A_TEXT("by", &words.by),
                               A_TEXT("granularity", &words.granularity),
                               A_TEXT("function", &words.function),
                               A_NUMBER("limit", &words.limit, 1, 100000),
                               A_FLAG("csv", &words.csv),
                               A_FLAG("all", &words.all),
                               A_END};
    int rc = -1;

    if (cli_args(cli, args, 0, 1, "ACCOUNT", err) != 0) {
        return -1;
    }
    if (words.all == (cli->words.count == 1)) {
        return err_set(err, ERR_INVALID, "say which account, or --all");
    }
    if (words.all && words.function != NULL) {
        return err_field(err, "function", "--function belongs to one account, not to --all");
    }
    if (check_by(&words, err) != 0) {
        return -1;
    }
    usage_path(&words, words.all ? NULL : cli->words.items[0], &path);
    rc = usage_ask(cli, &words, buf_text(&path), err);
    buf_free(&path);
    return rc;
}

int cmd_usage(int argc, char **argv)
{
    return cli_run("usage", usage, argc, argv);
}
