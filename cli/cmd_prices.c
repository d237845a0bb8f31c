#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "billing/money.h"
#include "billing/price_aws.h"
#include "billing/price_book.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/prices.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"

const char cmd_prices_help[] =
    "farthing prices list\n"
    "farthing prices show NAME [--version N]\n"
    "farthing prices put NAME FILE [--effective-from TIME]\n"
    "farthing prices override ACCOUNT [FILE] [--effective-from TIME]   what one account pays instead\n"
    "farthing prices check FILE                  every mistake in a book at once; needs no node\n"
    "farthing prices explain NAME [--version N] --use METER=QUANTITY...\n"
    "farthing prices explain --account ACCOUNT [--month YYYY-MM]\n"
    "farthing prices diff NAME [OTHER] [--from N] [--to N]\n"
    "farthing prices rerate NAME [OTHER] [--from N] [--to N] [--month YYYY-MM] [--account ACCOUNT] [--csv]\n"
    "farthing prices import aws FILE --region REGION --name NAME [--effective-from TIME]\n"
    "\n"
    "  --version N            an older version (the newest)\n"
    "  --effective-from TIME  RFC 3339 or a date; prices before it stay as they were\n"
    "  --use METER=QUANTITY   explain: what this use costs, step by step; may be repeated\n"
    "  --account ACCOUNT      explain: what an account's month costs, step by step; rerate: only this one\n"
    "  --month YYYY-MM        explain, rerate: which month (this one)\n"
    "  --from N, --to N       diff: which versions (the newest); one is needed for one book\n"
    "                         rerate: which versions (the one in force in the month)\n"
    "  --csv                  rerate: CSV, with a row for each meter\n"
    "\n"
    "  --region REGION        import: whose prices of AWS's offer file\n"
    "  --name NAME            import: of the book\n"
    "  --currency CODE        import: when the file has several\n"
    "  --no-free-tier         import: leave out what is free every month\n"
    "  --print                import: print the book instead of putting it\n"
    "\n"
    "A price book is never changed, only followed by a newer version. Its format is described\n"
    "in docs/price-book.md. AWS's offer file is AWSLambda's index.json or index.csv, of one\n"
    "region or of all; a file that leaves a doubt is refused with line and place.\n"
    "\n"
    "Examples:\n"
    "  farthing prices show default > book.json\n"
    "  farthing prices check book.json\n"
    "  farthing prices put default book.json --effective-from 2026-12-01\n"
    "  farthing prices explain default --use requests=3000000 --use compute_x86_64=540000\n"
    "  farthing prices explain --account acme --month 2026-10\n"
    "  farthing prices diff default --from 1 --to 2\n"
    "  echo '{\"discount_percent\": \"10\"}' | farthing prices override acme /dev/stdin --effective-from 2026-12-01\n"
    "  farthing prices rerate default --month 2026-10 --to 2\n"
    "  farthing prices import aws index.json --region us-east-1 --name aws-us-east-1\n";

#define BOOK_BYTES_MAX (1024 * 1024)

static int prices_list(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"NAME", ">VERSION", "CURRENCY", "EFFECTIVE FROM", "?CREATED", NULL};
    const cJSON *items = NULL, *item = NULL;
    char text[64], time[64];
    struct table table;
    const struct arg args[] = {A_END};

    if (cli_args(cli, args, 0, 0, "", err) != 0 || cli_list(cli, "/v1/price-books", &items, err) != 0) {
        return -1;
    }
    if (cli->json) {
        return cli_print_json(cli);
    }
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "name", text));
        table_text(&table, cli_text(item, "version", text));
        table_text(&table, cli_text(item, "currency", text));
        cli_time(cli_text(item, "effective_from", text), time);
        table_text(&table, time);
        cli_time(cli_text(item, "created_at", text), time);
        table_text(&table, time);
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

/* cJSON indents with tabs and puts one after each colon; files that people edit have spaces. */
static void print_pretty(const cJSON *tree)
{
    char *text = cJSON_Print(tree);
    bool start = true;

    for (const char *c = text; c != NULL && *c != '\0'; c++) {
        if (*c == '\t') {
            (void)fputs(start ? "  " : " ", stdout);
        } else {
            (void)putchar(*c);
            start = *c == '\n';
        }
    }
    (void)putchar('\n');
    cJSON_free(text);
}

static int prices_show(struct cli *cli, struct err *err)
{
    const char *version = NULL;
    struct buf path = {0};
    const struct arg args[] = {A_TEXT("version", &version), A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "NAME", err) == 0) {
        rest_path(&path, "/v1/price-books/{}", cli->words.items[0]);
        rest_query(&path, "version", version);
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    }
    if (rc == 0 && !cli->json) {
        const cJSON *book = cJSON_GetObjectItemCaseSensitive(cli->tree, "document");
        print_pretty(book != NULL ? book : cli->tree);
    } else if (rc == 0) {
        rc = cli_print_json(cli);
    }
    buf_free(&path);
    return rc;
}

static int prices_put(struct cli *cli, struct err *err)
{
    const char *from = NULL;
    char text[64];
    struct buf path = {0}, body = {0};
    const struct arg args[] = {A_TEXT("effective-from", &from), A_END};
    int rc = -1;

    if (cli_args(cli, args, 2, 2, "NAME FILE", err) == 0 &&
        fs_read(cli->words.items[1], BOOK_BYTES_MAX, &body, err) == 0) {
        rest_path(&path, "/v1/price-books/{}", cli->words.items[0]);
        rest_query(&path, "effective_from", from);
        rc = cli_call(cli, "PUT", buf_text(&path), buf_text(&body), err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        char from_text[64];
        (void)printf("%s is at version %s, in force from %.10s\n", cli->words.items[0],
                     cli_text(cli->tree, "version", text), cli_text(cli->tree, "effective_from", from_text));
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

static void print_overrides(const cJSON *items, const char *account)
{
    const cJSON *item = NULL;
    char version[64];
    char from[64];
    if (cJSON_GetArraySize(items) == 0) {
        (void)printf("%s pays what its price book says.\n", account);
    }
    cJSON_ArrayForEach(item, items)
    {
        (void)printf("from %.7s (version %s)\n", cli_text(item, "effective_from", from),
                     cli_text(item, "version", version));
        print_pretty(cJSON_GetObjectItemCaseSensitive(item, "document"));
    }
}

/* Without a file: what was agreed, the newest first. */
static int prices_override(struct cli *cli, struct err *err)
{
    const char *from = NULL;
    const cJSON *items = NULL;
    char text[64];
    char from_text[64];
    struct buf path = {0}, body = {0};
    const struct arg args[] = {A_TEXT("effective-from", &from), A_END};
    int rc = cli_args(cli, args, 1, 2, "ACCOUNT [FILE]", err);
    if (rc != 0) {
        return -1;
    }
    rest_path(&path, "/v1/accounts/{}/price-overrides", cli->words.items[0]);
    if (cli->words.count == 1) {
        rc = from != NULL ? err_field(err, "effective-from", "--effective-from goes with a FILE")
                          : cli_list(cli, buf_text(&path), &items, err);
    } else if ((rc = fs_read(cli->words.items[1], BOOK_BYTES_MAX, &body, err)) == 0) {
        rest_query(&path, "effective_from", from);
        rc = cli_call(cli, "PUT", buf_text(&path), buf_text(&body), err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0 && items != NULL) {
        print_overrides(items, cli->words.items[0]);
    } else if (rc == 0) {
        (void)printf("%s has prices of its own from %.7s (version %s)\n", cli->words.items[0],
                     cli_text(cli->tree, "effective_from", from_text), cli_text(cli->tree, "version", text));
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

/* Needs no node: what put would say to it. */
static int prices_check(struct cli *cli, struct err *err)
{
    struct buf body = {0};
    struct price_book *book = NULL;
    struct price_problems problems = {.count = 0};
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "FILE", err) == 0 && fs_read(cli->words.items[0], BOOK_BYTES_MAX, &body, err) == 0) {
        rc = price_book_parse(buf_text(&body), body.length, &book, &problems, err);
        for (int i = 0; i < problems.count && i < PRICE_PROBLEMS_MAX; i++) {
            (void)fprintf(stderr, "%s: %s\n", problems.list[i].pointer, problems.list[i].text);
        }
    }
    if (rc == 0) {
        (void)printf("%s is a price book in %s\n", cli->words.items[0], price_book_currency(book)->code);
    }
    price_book_free(&book);
    buf_free(&body);
    return rc;
}

/* ---- AWS's offer file ---- */

struct import {
    const char *from;
    bool print;
    struct price_aws_options options;
    struct price_aws_summary summary;
};

static int read_offer(const char *path, struct import *import, struct buf *book, struct err *err)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        return err_set(err, ERR_INVALID, "%.200s: %s", path, strerror(errno));
    }
    import->options.source = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    int rc = price_aws_import(in, &import->options, book, &import->summary, err);
    (void)fclose(in);
    return rc;
}

static void print_summary(const struct import *import, const char *version)
{
    static const char *const HEADS[] = {"METER", ">BANDS", NULL};
    const char *unpriced = "";
    struct table table;

    (void)printf("%s is at version %s: AWS Lambda in %s, %s, offer file %s\n", import->options.name, version,
                 import->options.region, import->summary.currency, import->summary.version);
    table_init(&table, HEADS);
    for (int m = 0; m < METER_COUNT; m++) {
        table_text(&table, meter_name((enum meter)m));
        table_i64(&table, import->summary.bands[m]);
        unpriced = import->summary.bands[m] == 0 ? meter_name((enum meter)m) : unpriced;
    }
    table_print(&table, stdout);
    table_free(&table);
    (void)printf("%d free allowances\n", import->summary.free_allowances);
    if (unpriced[0] != '\0') {
        (void)printf("meters with 0 bands are not in the file: under this book they cost nothing\n");
    }
}

static int prices_import(struct cli *cli, struct err *err)
{
    struct import import = {.from = NULL};
    char text[64];
    struct buf path = {0}, body = {0};
    const struct arg args[] = {A_TEXT("effective-from", &import.from),
                               A_TEXT("region", &import.options.region),
                               A_TEXT("name", &import.options.name),
                               A_TEXT("currency", &import.options.currency),
                               A_FLAG("no-free-tier", &import.options.without_free),
                               A_FLAG("print", &import.print),
                               A_END};
    int rc = -1;

    if (cli_args(cli, args, 2, 2, "aws FILE", err) != 0) {
        return -1;
    }
    if (strcmp(cli->words.items[0], "aws") != 0) {
        return err_field(err, "import", "\"%.30s\" is no format that can be imported; aws is", cli->words.items[0]);
    }
    if (import.options.region == NULL || import.options.name == NULL) {
        return err_field(err, "region",
                         "say which prices and how to call them: --region us-east-1 --name aws-us-east-1");
    }
    rc = read_offer(cli->words.items[1], &import, &body, err);
    if (rc == 0 && import.print) {
        (void)fputs(buf_text(&body), stdout);
    } else if (rc == 0) {
        rest_path(&path, "/v1/price-books/{}", import.options.name);
        rest_query(&path, "effective_from", import.from);
        rc = cli_call(cli, "PUT", buf_text(&path), buf_text(&body), err);
        if (rc == 0 && cli->json) {
            rc = cli_print_json(cli);
        } else if (rc == 0) {
            print_summary(&import, cli_text(cli->tree, "version", text));
        }
    }
    buf_free(&path);
    buf_free(&body);
    return rc;
}

int cmd_prices(int argc, char **argv)
{
    static const struct sub SUBS[] = {
        {"list", prices_list},     {"show", prices_show}, {"put", prices_put},       {"override", prices_override},
        {"check", prices_check},   {"diff", prices_diff}, {"rerate", prices_rerate}, {"explain", prices_explain},
        {"import", prices_import}, {NULL, NULL}};
    return cli_run_sub("prices", SUBS, argc, argv);
}
