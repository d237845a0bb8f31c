/* farthing prices explain and diff: prices in words, computed here from the documents the node keeps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/price_book.h"
#include "billing/price_explain.h"
#include "cli/cli.h"
#include "cli/prices.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

/* The parsed version of a stored book; version NULL is the one in force. */
static int fetch_book(struct cli *cli, const char *name, const char *version, struct price_book **book, struct err *err)
{
    struct buf path = {0};
    rest_path(&path, "/v1/price-books/{}", name);
    rest_query(&path, "version", version);
    int rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    buf_free(&path);
    if (rc == 0) {
        char *text = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(cli->tree, "document"));
        rc = text == NULL ? err_set(err, ERR_SYSTEM, "the node's answer holds no price book")
                          : price_book_parse(text, strlen(text), book, NULL, err);
        cJSON_free(text);
    }
    return rc;
}

/* ---- explain ---- */

/* "compute_x86_64=540000.5": pricing units, as in the book. */
static int take_use(const char *word, struct usage_totals *totals, struct err *err)
{
    char name[64];
    enum meter meter = METER_REQUESTS;
    struct decimal quantity = {0};
    const char *equals = strchr(word, '=');
    size_t length = equals == NULL ? 0 : (size_t)(equals - word);
    if (length == 0 || length >= sizeof name) {
        return err_field(err, "use", "\"%.60s\" is not METER=QUANTITY, like requests=3000000", word);
    }
    memcpy(name, word, length);
    name[length] = '\0';
    if (meter_parse(name, "use", &meter, err) != 0 || decimal_parse(equals + 1, name, 13, &quantity, err) != 0) {
        return -1;
    }
    money_int own = (money_int)quantity.value * meter_per_pricing_unit(meter);
    for (int i = 0; i < quantity.scale; i++) {
        if (own % 10 != 0) {
            return err_field(err, "use", "%.60s is no whole number of %s", word, meter_unit(meter));
        }
        own /= 10;
    }
    if (own < 0 || own > INT64_MAX) {
        return err_field(err, "use", "%.60s is out of range", word);
    }
    totals->quantity[meter] = (int64_t)own;
    return 0;
}

static int explain_use(struct cli *cli, const char *version, const struct arg_list *uses, struct err *err)
{
    struct usage_totals totals = {{0}};
    struct price_book *book = NULL;
    struct buf out = {0};
    struct rated_bill *bill = malloc(sizeof *bill);
    int rc = bill == NULL ? err_set(err, ERR_SYSTEM, "out of memory") : 0;
    for (int i = 0; rc == 0 && i < uses->count; i++) {
        rc = take_use(uses->items[i], &totals, err);
    }
    if (rc == 0) {
        rc = fetch_book(cli, cli->words.items[0], version, &book, err);
    }
    if (rc == 0) {
        rc = rate_usage(book, &totals, bill, err);
    }
    if (rc == 0) {
        price_explain(book, &totals, bill, &out);
        (void)fputs(buf_text(&out), stdout);
    }
    price_book_free(&book);
    buf_free(&out);
    free(bill);
    return rc;
}

static int explain_account(struct cli *cli, const char *account, const char *month, struct err *err)
{
    struct buf path = {0};
    char text[64];
    rest_path(&path, "/v1/accounts/{}/cost", account);
    rest_query(&path, "month", month);
    rest_query(&path, "explain", "true");
    int rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    buf_free(&path);
    if (rc == 0 && cli->json) {
        return cli_print_json(cli);
    }
    if (rc == 0) {
        const char *steps = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cli->tree, "explanation"));
        (void)printf("%s", steps != NULL ? steps : "");
        (void)printf("price book %s", cli_text(cli->tree, "price_book", text));
        (void)printf(", version %s\n", cli_text(cli->tree, "price_version", text));
    }
    return rc;
}

int prices_explain(struct cli *cli, struct err *err)
{
    const char *account = NULL, *month = NULL, *version = NULL;
    struct arg_list uses = {.count = 0};
    const struct arg args[] = {A_TEXT("account", &account), A_TEXT("month", &month), A_TEXT("version", &version),
                               A_MANY("use", &uses), A_END};
    if (cli_args(cli, args, 0, 1, "NAME, or --account ACCOUNT", err) != 0) {
        return -1;
    }
    if (account != NULL && cli->words.count == 0 && uses.count == 0) {
        return explain_account(cli, account, month, err);
    }
    if (account != NULL || cli->words.count == 0 || uses.count == 0) {
        return err_field(err, "use",
                         "say what to explain: NAME --use METER=QUANTITY, or --account ACCOUNT [--month M]");
    }
    return explain_use(cli, version, &uses, err);
}

/* ---- diff ---- */

struct changes {
    bool json;
    int count;
    struct table table;
    cJSON *list;
};

static void on_change(const struct price_change *change, void *ctx)
{
    struct changes *changes = ctx;
    changes->count++;
    if (changes->json) {
        cJSON *item = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(item, "what", change->what);
        (void)cJSON_AddStringToObject(item, "before", change->before);
        (void)cJSON_AddStringToObject(item, "after", change->after);
        (void)cJSON_AddItemToArray(changes->list, item);
        return;
    }
    table_text(&changes->table, change->what);
    table_text(&changes->table, change->before);
    table_text(&changes->table, change->after);
}

static void print_changes(const struct changes *changes)
{
    if (changes->json) {
        cJSON *tree = cJSON_CreateObject();
        (void)cJSON_AddItemToObject(tree, "changes", cJSON_Duplicate(changes->list, true));
        char *text = cJSON_PrintUnformatted(tree);
        (void)puts(text != NULL ? text : "{}");
        cJSON_free(text);
        cJSON_Delete(tree);
    } else if (changes->count == 0) {
        (void)puts("no difference");
    } else {
        table_print(&changes->table, stdout);
    }
}

int prices_diff(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"WHAT", ">BEFORE", ">AFTER", NULL};
    const char *from = NULL, *to = NULL;
    struct price_book *before = NULL, *after = NULL;
    const struct arg args[] = {A_TEXT("from", &from), A_TEXT("to", &to), A_END};
    int rc = cli_args(cli, args, 1, 2, "NAME [OTHER]", err);
    if (rc == 0 && cli->words.count == 1 && from == NULL && to == NULL) {
        rc = err_field(err, "from", "say which versions: %.60s --from 1 [--to 2], or name two books",
                       cli->words.items[0]);
    }
    if (rc == 0) {
        rc = fetch_book(cli, cli->words.items[0], from, &before, err);
    }
    if (rc == 0) {
        rc = fetch_book(cli, cli->words.items[cli->words.count - 1], to, &after, err);
    }
    if (rc == 0) {
        struct changes changes = {.json = cli->json, .list = cJSON_CreateArray()};
        table_init(&changes.table, HEADS);
        price_book_diff(before, after, on_change, &changes);
        print_changes(&changes);
        table_free(&changes.table);
        cJSON_Delete(changes.list);
    }
    price_book_free(&before);
    price_book_free(&after);
    return rc;
}

/* ---- rerate: what a change of prices would have meant ---- */

static int to_stdout(const char *bytes, size_t length, void *ctx)
{
    (void)ctx;
    return fwrite(bytes, 1, length, stdout) == length ? 0 : -1;
}

static void print_rerate(const cJSON *tree)
{
    static const char *const HEADS[] = {"ACCOUNT", ">BEFORE", ">AFTER", ">DIFFERENCE", NULL};
    static const char *const AMOUNTS[] = {"before", "after", "difference"};
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(tree, "total");
    const cJSON *item = NULL;
    char text[64];
    char more[3][64];
    struct table table;
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "name", text));
        for (int i = 0; i < 3; i++) {
            table_text(&table, cli_text(item, AMOUNTS[i], text));
        }
    }
    table_print(&table, stdout);
    table_free(&table);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(more[i], sizeof more[i], "%s", cli_text(total, AMOUNTS[i], text));
    }
    (void)printf("%s: %s %s before, %s after, difference %s; %lld account%s\n", cli_text(tree, "month", text), more[0],
                 cli_text(tree, "currency", (char[64]){0}), more[1], more[2], (long long)cli_i64(total, "accounts"),
                 cli_i64(total, "accounts") == 1 ? "" : "s");
    const cJSON *before = cJSON_GetObjectItemCaseSensitive(tree, "before");
    const cJSON *after = cJSON_GetObjectItemCaseSensitive(tree, "after");
    (void)printf("before: %s version %lld, after: %s version %lld\n", cli_text(before, "name", text),
                 (long long)cli_i64(before, "version"), cli_text(after, "name", more[0]),
                 (long long)cli_i64(after, "version"));
}

int prices_rerate(struct cli *cli, struct err *err)
{
    const char *from = NULL, *to = NULL, *month = NULL, *account = NULL;
    bool csv = false;
    struct buf path = {0};
    const struct arg args[] = {A_TEXT("from", &from),       A_TEXT("to", &to),   A_TEXT("month", &month),
                               A_TEXT("account", &account), A_FLAG("csv", &csv), A_END};
    int rc = cli_args(cli, args, 1, 2, "NAME [OTHER]", err);
    if (rc == 0) {
        rest_path(&path, "/v1/price-books/{}/rerate", cli->words.items[0]);
        rest_query(&path, "other", cli->words.count > 1 ? cli->words.items[1] : NULL);
        rest_query(&path, "from", from);
        rest_query(&path, "to", to);
        rest_query(&path, "month", month);
        rest_query(&path, "account", account);
        if (csv) {
            struct rest_call call = {
                .method = "GET", .path = buf_text(&path), .accept = "text/csv", .on_piece = to_stdout};
            rc = rest_run(cli->rest, &call, &cli->answer, err);
        } else {
            rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
        }
    }
    if (rc == 0 && !csv && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0 && !csv) {
        print_rerate(cli->tree);
    }
    buf_free(&path);
    return rc;
}
