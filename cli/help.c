#include "cli/help.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/cmd.h"
#include "cli/table.h"

#define HANGING_MAX 32 /* columns; what stands further right has no list below it */

static const struct cmd COMMANDS[] = {
    {"serve", cmd_serve, "run a node: database, engine, metering, API and dashboard", cmd_serve_help},
    {"account", cmd_account, "make, list and change accounts", cmd_account_help},
    {"key", cmd_key, "make, list and revoke API keys", cmd_key_help},
    {"function", cmd_function, "deploy, list, change and delete functions", cmd_function_help},
    {"layer", cmd_layer, "packages that functions share: publish, list, show, delete", cmd_layer_help},
    {"invoke", cmd_invoke, "call a function and see what it cost", cmd_invoke_help},
    {"logs", cmd_logs, "read or follow what a function printed", cmd_logs_help},
    {"usage", cmd_usage, "what was used: invocations, milliseconds, GB-seconds", cmd_usage_help},
    {"cost", cmd_cost, "what it costs so far, and the forecast to month end", cmd_cost_help},
    {"quota", cmd_quota, "limits: set, show, remove, try out", cmd_quota_help},
    {"webhook", cmd_webhook, "who hears of crossed limits: add, test, log", cmd_webhook_help},
    {"bill", cmd_bill, "a month's bill as CSV, HTML, PDF, ...", cmd_bill_help},
    {"invoice", cmd_invoice, "issued invoices and their lines", cmd_invoice_help},
    {"prices", cmd_prices, "price books: list, show, put, import, check, diff, explain", cmd_prices_help},
    {"events", cmd_events, "send usage events of another runtime", cmd_events_help},
    {"close-month", cmd_close_month, "issue the invoices of a month, all accounts", cmd_close_month_help},
    {"verify", cmd_verify, "check a bill against its records, without a server", cmd_verify_help},
    {"top", cmd_top, "a live view of a node", cmd_top_help},
    {"replay", cmd_replay, "feed a recorded day through the real meter", cmd_replay_help},
    {"spool", cmd_spool, "look into a spool directory", cmd_spool_help},
    {"migrate", cmd_migrate, "bring a database to this program's schema", cmd_migrate_help},
    {"doctor", cmd_doctor, "what this machine lacks, and what that costs", cmd_doctor_help},
    {"completion", cmd_completion, "completions for bash, zsh and fish", cmd_completion_help},
    {"help", cmd_help, "help for a command; the manual with --man or --markdown", cmd_help_help},
    {"version", cmd_version, "the version of this program", cmd_version_help},
    {NULL, NULL, NULL, NULL},
};

const char cmd_help_help[] = "farthing help [COMMAND] [--man | --markdown]\n"
                             "\n"
                             "  COMMAND        show its help\n"
                             "  --man          the whole manual as a man page\n"
                             "  --markdown     the whole manual as Markdown\n"
                             "\n"
                             "Examples:\n"
                             "  farthing help quota\n"
                             "  farthing help --man > farthing.1\n";

static const char COMMON[] = "Options of every command that talks to a node:\n"
                             "  --url URL        where the node is (FARTHING_URL; http://127.0.0.1:8080)\n"
                             "  --key KEY        API key (FARTHING_KEY; else admin.key of the data directory)\n"
                             "                   FARTHING_CA_CERT: certificate to trust, for a node with its own\n"
                             "  --data-dir DIR   data directory of a node on this machine (FARTHING_DATA_DIR)\n"
                             "  --json           one JSON document instead of a table\n";

static const char EXITS[] =
    "Exit codes: 0 fine; 1 the answer is no; 2 the words are wrong; 3 the node cannot be reached, try\n"
    "again; 4 a defect. NO_COLOR turns colours off.\n";

const struct cmd *help_table(void)
{
    return COMMANDS;
}

const struct cmd *help_find(const char *name)
{
    for (const struct cmd *cmd = COMMANDS; cmd->name != NULL; cmd++) {
        if (strcmp(cmd->name, name) == 0) {
            return cmd;
        }
    }
    return NULL;
}

void help_unknown(const char *name)
{
    int distance = strlen(name) < 4 ? 2 : 3; /* of three letters two are no likeness */
    const char *best = NULL;

    for (const struct cmd *cmd = COMMANDS; cmd->name != NULL; cmd++) {
        int d = args_distance(cmd->name, name);
        if (d < distance) {
            distance = d;
            best = cmd->name;
        }
    }
    (void)fprintf(stderr, "farthing: there is no command \"%s\"", name);
    if (best != NULL) {
        (void)fprintf(stderr, "; did you mean \"%s\"?\n", best);
    } else {
        (void)fprintf(stderr, "; see `farthing help`\n");
    }
}

void help_print_all(FILE *out)
{
    (void)fprintf(out, "%sFarthing%s " FARTHING_VERSION ": runs functions, meters every call, bills it exactly.\n\n",
                  color(out, COLOR_BOLD), color(out, COLOR_NONE));
    for (const struct cmd *cmd = COMMANDS; cmd->name != NULL; cmd++) {
        (void)fprintf(out, "  %s%-12s%s %s\n", color(out, COLOR_BOLD), cmd->name, color(out, COLOR_NONE), cmd->summary);
    }
    (void)fprintf(out, "\n%s\n%s\n`farthing COMMAND --help` has the options and examples of each.\n", COMMON, EXITS);
}

/* Where the text of a line goes on below: under its last column ("  --memory MIB   text"), or a little further in. */
static size_t hanging(const char *line, size_t length)
{
    size_t indent = strspn(line, " ");
    size_t column = indent >= 6 ? indent : indent + 4; /* so far in it is such a text itself */
    for (size_t i = indent + 2; i + 1 < length; i++) {
        if (line[i - 1] == ' ' && line[i - 2] == ' ' && line[i] != ' ' && i < HANGING_MAX) {
            column = i;
        }
    }
    return column;
}

/* A line of a help text in so many columns. */
static void put_wrapped(FILE *out, const char *line, size_t length, size_t columns)
{
    size_t hang = hanging(line, length);
    size_t least = hang; /* no cut before the text begins */
    size_t room = columns;
    while (length > room) {
        size_t cut = room;
        while (cut > least && line[cut] != ' ') {
            cut--;
        }
        if (cut <= least) {
            break;
        }
        (void)fprintf(out, "%.*s\n%*s", (int)cut, line, (int)hang, "");
        cut += strspn(line + cut, " ");
        line += cut;
        length -= cut;
        least = 0;
        room = columns - hang;
    }
    (void)fprintf(out, "%.*s\n", (int)length, line);
}

void help_print(const struct cmd *cmd, FILE *out)
{
    const char *examples = strstr(cmd->help, "\nExamples:\n"); /* are there to be copied: they stay whole */
    size_t columns = isatty(fileno(out)) == 1 ? (size_t)table_columns(out) : SIZE_MAX;
    (void)fprintf(out, "%sfarthing %s%s - %s\n\n", color(out, COLOR_BOLD), cmd->name, color(out, COLOR_NONE),
                  cmd->summary);
    for (const char *line = cmd->help; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        put_wrapped(out, line, length, examples != NULL && line > examples ? SIZE_MAX : columns);
        line += length + (line[length] == '\n');
    }
}

/* roff: backslashes doubled, lines that start with a control character guarded. */
static void roff(const char *text)
{
    bool start = true;

    for (; *text != '\0'; text++) {
        if (start && (*text == '.' || *text == '\'')) {
            (void)fputs("\\&", stdout);
        }
        if (*text == '\\') {
            (void)fputs("\\e", stdout);
        } else if (*text == '-') {
            (void)fputs("\\-", stdout);
        } else {
            (void)putchar(*text);
        }
        start = *text == '\n';
    }
}

static void print_man(void)
{
    (void)puts(".TH FARTHING 1 \"\" \"farthing " FARTHING_VERSION "\" \"User commands\"\n.SH NAME\n"
               "farthing \\- runs functions, meters every call, bills it exactly\n.SH SYNOPSIS\n"
               ".B farthing\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH COMMANDS");
    for (const struct cmd *cmd = COMMANDS; cmd->name != NULL; cmd++) {
        (void)printf(".SS \"farthing %s\"\n", cmd->name);
        roff(cmd->summary);
        (void)puts("\n.PP\n.nf");
        roff(cmd->help);
        (void)puts(".fi");
    }
    (void)puts(".SH COMMON OPTIONS\n.nf");
    roff(COMMON);
    (void)puts(".fi\n.SH EXIT STATUS");
    roff(EXITS);
}

static void print_markdown(void)
{
    (void)puts("# Command line\n\nMade by `farthing help --markdown` from the program's own texts.\n");
    for (const struct cmd *cmd = COMMANDS; cmd->name != NULL; cmd++) {
        (void)printf("- [`farthing %s`](#farthing-%s): %s\n", cmd->name, cmd->name, cmd->summary);
    }
    (void)printf("\n```\n%s```\n\n%s", COMMON, EXITS);
    for (const struct cmd *cmd = COMMANDS; cmd->name != NULL; cmd++) {
        (void)printf("\n## farthing %s\n\n```\n%s```\n", cmd->name, cmd->help);
    }
}

int cmd_help(int argc, char **argv)
{
    const struct cmd *cmd = NULL;

    if (argc < 2) {
        help_print_all(stdout);
        return CMD_OK;
    }
    if (strcmp(argv[1], "--man") == 0) {
        print_man();
        return CMD_OK;
    }
    if (strcmp(argv[1], "--markdown") == 0) {
        print_markdown();
        return CMD_OK;
    }
    cmd = help_find(argv[1]);
    if (cmd == NULL) {
        help_unknown(argv[1]);
        return CMD_USAGE;
    }
    help_print(cmd, stdout);
    return CMD_OK;
}
