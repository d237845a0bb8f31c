/*
 * cmd.h - what a command of the command line is.
 *
 * A command gets its own words (argv[0] is its name), prints what people want on stdout (tables, or one JSON document
 * with
 * --json), errors on stderr ("farthing quota: limit is -1; ..."), and returns an exit code below.
 */
#ifndef FARTHING_CLI_CMD_H
#define FARTHING_CLI_CMD_H

struct err;

enum cmd_exit {
    CMD_OK = 0,
    CMD_FAILED = 1,      /* the answer is no: not found, refused, does not match */
    CMD_USAGE = 2,       /* the words are wrong; the message says which */
    CMD_UNAVAILABLE = 3, /* the node or the database cannot be reached: try again */
    CMD_INTERNAL = 4     /* a defect */
};

struct cmd {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* one line for `farthing help` */
    const char *help;    /* usage, options and examples: `farthing NAME --help` */
};

/* Print err as "farthing NAME: text" and give the exit code that fits its code. */
int cmd_fail(const char *command, const struct err *err);

int cmd_serve(int argc, char **argv);
int cmd_account(int argc, char **argv);
int cmd_key(int argc, char **argv);
int cmd_function(int argc, char **argv);
int cmd_layer(int argc, char **argv);
int cmd_invoke(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_usage(int argc, char **argv);
int cmd_cost(int argc, char **argv);
int cmd_quota(int argc, char **argv);
int cmd_webhook(int argc, char **argv);
int cmd_bill(int argc, char **argv);
int cmd_invoice(int argc, char **argv);
int cmd_prices(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_close_month(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_migrate(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_completion(int argc, char **argv);
int cmd_help(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_spool(int argc, char **argv);
int cmd_verify(int argc, char **argv);
extern const char cmd_serve_help[];
extern const char cmd_account_help[];
extern const char cmd_key_help[];
extern const char cmd_function_help[];
extern const char cmd_layer_help[];
extern const char cmd_invoke_help[];
extern const char cmd_logs_help[];
extern const char cmd_usage_help[];
extern const char cmd_cost_help[];
extern const char cmd_quota_help[];
extern const char cmd_webhook_help[];
extern const char cmd_bill_help[];
extern const char cmd_invoice_help[];
extern const char cmd_prices_help[];
extern const char cmd_events_help[];
extern const char cmd_close_month_help[];
extern const char cmd_top_help[];
extern const char cmd_migrate_help[];
extern const char cmd_doctor_help[];
extern const char cmd_completion_help[];
extern const char cmd_help_help[];
extern const char cmd_version_help[];
extern const char cmd_replay_help[];
extern const char cmd_spool_help[];
extern const char cmd_verify_help[];

#endif
