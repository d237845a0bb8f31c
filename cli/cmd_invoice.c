#include <stdio.h>
#include <string.h>

#include "billing/money.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

const char cmd_invoice_help[] =
    "farthing invoice list ACCOUNT [--month YYYY-MM]   with --month: all about it, and what they add up to\n"
    "farthing invoice show ACCOUNT INVOICE      its lines\n"
    "farthing invoice verify ACCOUNT YYYY-MM    rate the month again and compare\n"
    "farthing invoice void ACCOUNT INVOICE --reason TEXT\n"
    "farthing invoice credit ACCOUNT INVOICE --reason TEXT\n"
    "\n"
    "  INVOICE   a number (INV-2026-000001, CN-2026-000001) or an id (inv_7)\n"
    "\n"
    "void is for one that was not sent: the next close of its month issues another. "
    "credit takes one back\n"
    "that was, with a credit note; what it had used of credits is there again in both "
    "cases.\n"
    "\n"
    "The files of a month are `farthing bill ACCOUNT YYYY-MM`, of one invoice or credit note `farthing "
    "bill\n"
    "ACCOUNT NUMBER`.\n"
    "\n"
    "Examples:\n"
    "  farthing invoice list acme\n"
    "  farthing invoice list acme --month 2026-10\n"
    "  farthing invoice show acme INV-2026-000001 --json\n"
    "  farthing invoice verify acme 2026-10\n"
    "  farthing invoice credit acme INV-2026-000001 --reason \"billed in error\"\n";

/* "-12.34" as -1234 and two digits; false for what is no amount. */
static bool amount_of(const char *text, int64_t *minor, int *digits)
{
    char plain[64];
    size_t length = 0;
    struct err ignored = {0};
    const char *point = strchr(text, '.');
    for (const char *at = text; *at != '\0' && length + 1 < sizeof plain; at++) {
        if (*at != '.') {
            plain[length++] = *at;
        }
    }
    plain[length] = '\0';
    *digits = point != NULL ? (int)strlen(point + 1) : 0;
    return text_i64(plain, "total", -INT64_MAX, INT64_MAX, minor, &ignored) == 0;
}

/* What the documents of a month come to: void ones do not count, a credit note takes its invoice away. */
static void sum_row(struct table *table, const cJSON *items)
{
    char text[64];
    char total[MONEY_TEXT_BYTES];
    struct currency currency = {.code = ""};
    int64_t sum = 0;
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, items)
    {
        int64_t minor = 0;
        int digits = 0;
        if (strcmp(cli_text(item, "state", text), "void") == 0 ||
            !amount_of(cli_text(item, "total", text), &minor, &digits)) {
            continue;
        }
        if (currency.code[0] == '\0') {
            (void)snprintf(currency.code, sizeof currency.code, "%.3s", cli_text(item, "currency", text));
            currency.minor_digits = digits;
        }
        if (strcmp(cli_text(item, "currency", text), currency.code) != 0 || __builtin_add_overflow(sum, minor, &sum)) {
            return; /* billed in two currencies: there is no one sum */
        }
    }
    minor_format(sum, &currency, total);
    const char *const row[] = {"", "together", "", "", total, currency.code, ""};
    table_rule(table);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        table_text(table, row[i]);
    }
}

static int invoice_list(struct cli *cli, struct err *err)
{
    static const char *const HEADS[] = {"ID", "NUMBER", "MONTH", "STATE", ">TOTAL", "CURRENCY", "?ISSUED", NULL};
    const cJSON *items = NULL, *item = NULL;
    char text[64], time[64];
    struct buf path = {0};
    struct table table;
    const char *month = NULL;
    const struct arg args[] = {A_TEXT("month", &month), A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT", err) == 0) {
        rest_path(&path, "/v1/accounts/{}/invoices", cli->words.items[0]);
        rest_query(&path, "month", month);
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
    if (month != NULL) {
        sum_row(&table, items);
    }
    table_print(&table, stdout);
    table_free(&table);
    return 0;
}

/* Compute is stored in MB-ms and priced by the GB-second: shown as it is priced. */
static void quantity_text(const cJSON *line, char quantity[64])
{
    char text[64];
    if (strcmp(cli_text(line, "kind", text), "usage") != 0) {
        quantity[0] = '\0';
    } else if (strcmp(cli_text(line, "unit", text), "MB-ms") == 0) {
        char gb_s[48];
        cli_gb_s(cli_i64(line, "quantity"), gb_s);
        (void)snprintf(quantity, 64, "%s", gb_s);
    } else {
        quantity_format(cli_text(line, "quantity", text), 3, quantity);
    }
}

static void print_lines(const cJSON *lines, const char *total)
{
    static const char *const HEADS[] = {"?>LINE", "~WHAT", ">QUANTITY", "?UNIT", ">UNIT PRICE", ">AMOUNT", NULL};
    char text[64];
    char quantity[64];
    const cJSON *line = NULL;
    struct table table;

    table_init(&table, HEADS);
    cJSON_ArrayForEach(line, lines)
    {
        const cJSON *detail = cJSON_GetObjectItemCaseSensitive(line, "detail");
        table_text(&table, cli_text(line, "line|number", text));
        table_text(&table, cli_text(line, "description", text));
        quantity_text(line, quantity);
        table_text(&table, quantity);
        table_text(&table, cli_text(detail, "pricing_unit", text));
        table_text(&table, quantity[0] != '\0' ? cli_text(line, "unit_price|contracted_price|price", text) : NULL);
        table_text(&table, cli_text(line, "amount", text));
    }
    table_rule(&table);
    const char *const foot[] = {" ", "total", " ", " ", " ", total};
    for (size_t i = 0; i < sizeof foot / sizeof foot[0]; i++) {
        table_text(&table, foot[i]);
    }
    table_print(&table, stdout);
    table_free(&table);
}

static int invoice_show(struct cli *cli, struct err *err)
{
    static const char *const ROWS[][2] = {
        {"number", "number"}, {"id", "id"},       {"month", "month"},       {"state", "state"},      {"net", "net"},
        {"tax", "tax"},       {"total", "total"}, {"currency", "currency"}, {"issued", "issued_at"}, {"due", "due_at"}};
    char total[64] = "";
    char time[64];
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
            const char *value = cli_text(cli->tree, ROWS[i][1], text);
            bool at = strstr(ROWS[i][1], "_at") != NULL && value[0] != '\0';
            cli_time(value, time);
            (void)printf("%-9s %s%s\n", ROWS[i][0], at ? time : value[0] != '\0' ? value : "-", at ? " UTC" : "");
        }
        (void)snprintf(total, sizeof total, "%s", cli_text(cli->tree, "total", text));
        buf_puts(&path, "/lines");
        rc = cli_list(cli, buf_text(&path), &items, err);
        if (rc == 0) {
            print_lines(items, total);
        }
    }
    buf_free(&path);
    return rc;
}

/* The id of a number; an id stays what it is. */
static int find_invoice(struct cli *cli, const char *word, char id[64], struct err *err)
{
    const cJSON *items = NULL, *item = NULL;
    struct buf path = {0};
    char text[64];
    (void)snprintf(id, 64, "%.60s", word);
    if (strncmp(word, "inv_", 4) == 0) {
        return 0;
    }
    rest_path(&path, "/v1/accounts/{}/invoices", cli->words.items[0]);
    int rc = cli_list(cli, buf_text(&path), &items, err);
    buf_free(&path);
    cJSON_ArrayForEach(item, items)
    {
        if (rc == 0 && strcmp(cli_text(item, "number", text), word) == 0) {
            (void)snprintf(id, 64, "%s", cli_text(item, "id", text));
            return 0;
        }
    }
    return rc != 0 ? rc : err_set(err, ERR_NOT_FOUND, "account %s has no invoice %s", cli->words.items[0], word);
}

static int change_invoice(struct cli *cli, const char *verb, struct err *err)
{
    const char *reason = NULL;
    struct buf path = {0};
    struct buf body = {0};
    char id[64], text[64];
    const struct arg args[] = {A_TEXT("reason", &reason), A_END};
    int rc = cli_args(cli, args, 2, 2, "ACCOUNT INVOICE --reason TEXT", err);
    if (rc == 0 && reason == NULL) {
        rc = err_field(err, "reason", "--reason is missing: it is kept with the invoice");
    }
    if (rc == 0) {
        rc = find_invoice(cli, cli->words.items[1], id, err);
    }
    if (rc == 0) {
        struct json_writer writer;
        rest_path(&path, "/v1/accounts/{}/invoices/{}/", cli->words.items[0], id);
        buf_puts(&path, verb);
        json_writer_init(&writer, &body);
        json_open_object(&writer, NULL);
        json_put_text(&writer, "reason", reason);
        json_close_object(&writer);
        rc = cli_call(cli, "POST", buf_text(&path), buf_text(&body), err);
    }
    buf_free(&path);
    buf_free(&body);
    if (rc != 0 || cli->json) {
        return rc != 0 ? rc : cli_print_json(cli);
    }
    const cJSON *note = cJSON_GetObjectItemCaseSensitive(cli->tree, "credit_note");
    (void)printf("%s is %s now", cli->words.items[1], cli_text(cli->tree, "state", text));
    (void)printf(note != NULL ? ", by credit note %s\n" : "%s\n", note != NULL ? cli_text(note, "number", text) : "");
    return 0;
}

static int invoice_void(struct cli *cli, struct err *err)
{
    return change_invoice(cli, "void", err);
}

static int invoice_credit(struct cli *cli, struct err *err)
{
    return change_invoice(cli, "credit", err);
}

static int invoice_verify(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    char text[64];
    const struct arg args[] = {A_END};
    int rc = cli_args(cli, args, 2, 2, "ACCOUNT YYYY-MM", err);
    if (rc == 0) {
        rest_path(&path, "/v1/accounts/{}/bills/{}/verify", cli->words.items[0], cli->words.items[1]);
        rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    }
    buf_free(&path);
    if (rc != 0) {
        return rc;
    }
    bool matches = cli_bool(cli->tree, "matches");
    if (cli->json) {
        (void)cli_print_json(cli);
    } else if (matches) {
        (void)printf("matches: %s lines, rated again, are what was billed\n", cli_text(cli->tree, "lines", text));
    } else {
        const char *why = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(cli->tree, "difference"));
        (void)printf("does not match: %s\n", why != NULL ? why : "");
    }
    return matches ? CMD_OK : CMD_FAILED;
}

int cmd_invoice(int argc, char **argv)
{
    static const struct sub SUBS[] = {{"list", invoice_list}, {"show", invoice_show},     {"verify", invoice_verify},
                                      {"void", invoice_void}, {"credit", invoice_credit}, {NULL, NULL}};
    return cli_run_sub("invoice", SUBS, argc, argv);
}
