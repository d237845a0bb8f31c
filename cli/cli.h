/*
 * cli.h - what every command shares: common options, the connection, output for people or machines.
 *
 * Common options: --json, --url URL, --key KEY, --data-dir DIR. A command is a function cli_fn: it reads its words with
 * cli_args, calls the node with cli->rest, prints, and returns 0, -1 (err is printed) or an exit code of cmd.h.
 * Threads: one.
 */
#ifndef FARTHING_CLI_CLI_H
#define FARTHING_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/args.h"
#include "cli/rest.h"
#include "common/json.h"

struct err;

struct cli {
    const char *command; /* "quota set", for messages */
    int argc;
    char **argv;
    bool json;
    const char *url, *key, *data_dir;
    struct rest *rest;
    struct rest_answer answer; /* of the last call */
    cJSON *tree;               /* its JSON, when cli_call parsed it */
    struct arg_list words;
};

typedef int cli_fn(struct cli *cli, struct err *err);

struct sub {
    const char *name;
    cli_fn *run;
};

/* Run fn with everything around it; gives the exit code. */
int cli_run(const char *command, cli_fn *fn, int argc, char **argv);
/* argv[1] chooses; subs end with a NULL name. */
int cli_run_sub(const char *command, const struct sub *subs, int argc, char **argv);

/* Options of the command and the common ones; between min and max words must be left. what names them in the error:
 * "ACCOUNT MONTH". */
int cli_args(struct cli *cli, const struct arg *args, int min, int max, const char *what, struct err *err);
/* "ACCOUNT/FUNCTION" or FUNCTION with the default account; buffers hold 128 bytes. qualifier "" when there is none. */
int cli_function_word(const char *word, const char *account, char names[3][128], struct err *err);

/* One call; the JSON answer is in cli->tree afterwards (NULL when there is none). body NULL: none. */
int cli_call(struct cli *cli, const char *method, const char *path, const char *body, struct err *err);
/* GET every page of a list; cli->tree is the first page with all items in its array, items (may be NULL) is that array.
 */
int cli_list(struct cli *cli, const char *path, const cJSON **items, struct err *err);
/* Print the last answer as one JSON document. */
int cli_print_json(const struct cli *cli);

/* First of names ("a|b") that object has, as text: strings as they are, numbers and booleans written out, else "". */
const char *cli_text(const cJSON *object, const char *names, char text[64]);
/* The same as a number: JSON numbers or decimal strings; 0 when absent or not whole. */
int64_t cli_i64(const cJSON *object, const char *names);
bool cli_bool(const cJSON *object, const char *names);

/* Data directory of a node on this machine: --data-dir, FARTHING_DATA_DIR, XDG_DATA_HOME/farthing,
 * ~/.local/share/farthing. */
int cli_data_dir(const char *given, char path[4096], struct err *err);
/* The UTC month now, "2026-11". */
void cli_month_now(char month[40]);
/* "2026-11-01 10:20:30" from RFC 3339, "-" from "". */
void cli_time(const char *rfc3339, char text[64]);
/* GB-seconds with three decimals from MB*ms: "12,345.678". */
void cli_gb_s(int64_t mb_ms, char text[48]);

#endif
