#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_invoice_help[] = "farthing invoice list ACCOUNT\n"
                                "farthing invoice show ACCOUNT INVOICE      its lines\n"
                                "\n"
                                "  INVOICE   a number (INV-2026-000001) or an id (inv_7)\n"
                                "\n"
                                "The files of an invoice are `farthing bill ACCOUNT YYYY-MM`.\n"
                                "\n"
                                "Examples:\n"
                                "  farthing invoice list acme\n"
                                "  farthing invoice show acme INV-2026-000001 --json\n";

static int invoice_list(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"ID", "NUMBER", "MONTH", "STATE", ">TOTAL", "CURRENCY", "ISSUED", NULL};
    const cJSON *items = NULL, *item = NULL;
    char text[64], time[64];
    struct buf path = {0};
    struct table table;
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/invoices", cli->words.items[0]);
        rc = cli_list(cli, buf_text(&path), &items, err);
    }
    buf_free(&path);
    if (rc != 0 || cli->json) {
        return rc != 0 ? rc : cli_print_json(cli);
    }
    if (cJSON_GetArraySize(items) == 0) {
        (void)puts("No invoices yet. An estimate of this month: farthing bill ACCOUNT YYYY-MM");
        return 0;
    }
    table_init(&table, HEADS);
    cJSON_ArrayForEach(item, items)
    {
        table_text(&table, cli_text(item, "id", text));
        table_text(&table, cli_text(item, "number", text));
        table_text(&table, cli_text(item, "month", text));
        table_text(&table, cli_text(item, "state", text));
        table_text(&table, cli_text(item, "total", text));
        table_text(&table, cli_text(item, "currency", text));
        cli_time(cli_text(item, "issued_at", text), time);
        table_text(&table, time);
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

static void print_lines(const cJSON *lines)
{
    static const char *const HEADS[] = {">LINE", "WHAT", ">QUANTITY", ">PRICE", ">AMOUNT", NULL};
    char text[64];
    const cJSON *line = NULL;
    struct table table;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(line, lines)
    {
        table_text(&table, cli_text(line, "line|number", text));
        table_text(&table, cli_text(line, "description", text));
        table_text(&table, cli_text(line, "pricing_quantity|quantity", text));
        table_text(&table, cli_text(line, "unit_price|contracted_price|price", text));
        table_text(&table, cli_text(line, "amount", text));
    }
    table_print(&table, stdout);
    table_free(&table);
}

static int invoice_show(struct cli *cli, struct err *err)
{
    static const char *const ROWS[] = {"number", "id",  "month", "state", "issued_at",
                                       "due_at", "net", "tax",   "total", "currency"};
    struct buf path = {0};
    char text[64];
    const cJSON *items = NULL;
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 2, 2, "ACCOUNT INVOICE", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/invoices/{}", cli->words.items[0], cli->words.items[1]);
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
            const char *value = cli_text(cli->tree, ROWS[i], text);
            (void)printf("%-10s %s\n", ROWS[i], value[0] != '\0' ? value : "-");
        }
        buf_puts(&path, "/lines");
        rc = cli_list(cli, buf_text(&path), &items, err);
        if (rc == 0) {
            print_lines(items);
        }
    }
    buf_free(&path);
    return rc;
}

int cmd_invoice(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"list", invoice_list}, {"show", invoice_show}, {NULL, NULL}};
    return cli_run_sub("invoice", SUBS, argc, argv);
}
