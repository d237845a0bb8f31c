#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"

const char cmd_top_help[] = "farthing top [ACCOUNT] [--interval SECONDS] [--once]\n"
                            "\n"
                            "  --interval SECONDS  how often to look (1)\n"
                            "  --once              one picture and out, also without a terminal\n"
                            "\n"
                            "Without ACCOUNT: all accounts of the node (admin). q ends it.\n"
                            "\n"
                            "Examples:\n"
                            "  farthing top\n"
                            "  farthing top acme --interval 5\n";

#define TOP_ROWS_MAX 20

static volatile sig_atomic_t top_stop;

static void on_signal(int number)
{
    (void)number;
    top_stop = 1;
}

struct top {
    const char *account; /* NULL: all */
    int64_t interval_s;
    bool once;
    int64_t last_invocations, last_us, rate; /* rate: invocations a second, times ten */
};

static int64_t mb_ms_of(const cJSON *row)
{
    return cli_i64(row, "mb_ms");
}

/* The largest row by MB*ms that was not printed yet: a few rows out of many, no sorting of a cJSON list. */
static const cJSON *next_largest(const cJSON *items, int64_t below, const cJSON *after)
{
    const cJSON *best = NULL, *row = NULL;
    bool passed = after == NULL;

    cJSON_ArrayForEach(row, items)
    {
        int64_t value = mb_ms_of(row);
        bool left = value < below || (value == below && passed);
        if (left && (best == NULL || value > mb_ms_of(best))) {
            best = row;
        }
        passed = passed || row == after;
    }
    return best;
}

static void print_rows(const cJSON *items, const char *name)
{
    static const char *const HEADS[] = {"NAME",  ">INVOCATIONS", ">ERRORS", ">THROTTLES",
                                        ">COLD", ">P95 MS",      ">GB-S",   NULL};
    char text[64];
    struct table table;
    const cJSON *row = NULL;
    int64_t below = INT64_MAX;

    table_init(&table, HEADS);
    for (int i = 0; i < TOP_ROWS_MAX && (row = next_largest(items, below, row)) != NULL; i++) {
        below = mb_ms_of(row);
        table_text(&table, cli_text(row, name, text));
        table_i64(&table, cli_i64(row, "invocations"));
        table_i64(&table, cli_i64(row, "errors"));
        table_i64(&table, cli_i64(row, "throttles"));
        table_i64(&table, cli_i64(row, "cold_starts"));
        int64_t p95 = cli_i64(row, "p95_us");
        (void)snprintf(text, sizeof text, "%lld.%lld", (long long)(p95 / 1000), (long long)(p95 % 1000 / 100));
        table_text(&table, text);
        cli_gb_s(mb_ms_of(row), text);
        table_text(&table, text);
    }
    table_print(&table, stdout);
    table_free(&table);
}

static void take_rate(struct top *top, const cJSON *total)
{
    int64_t invocations = cli_i64(total, "invocations");
    int64_t now_us = clock_mono_us();

    if (top->last_us != 0 && now_us > top->last_us && invocations >= top->last_invocations) {
        top->rate = (invocations - top->last_invocations) * 10000000 / (now_us - top->last_us);
    }
    top->last_invocations = invocations;
    top->last_us = now_us;
}

static int draw_cost(struct cli *cli, const struct top *top, struct err *err)
{
    struct buf path = {0};
    char total[64], currency[64];
    int rc = 0;

    if (top->account == NULL) {
        return 0;
    }
    rest_path(&path, "/v1/accounts/{}/cost", top->account);
    rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    buf_free(&path);
    if (rc == 0) {
        (void)printf("cost this month %s%s %s%s\n", color(stdout, COLOR_BOLD), cli_text(cli->tree, "total", total),
                     cli_text(cli->tree, "currency", currency), color(stdout, COLOR_NONE));
    }
    return rc;
}

static int draw(struct cli *cli, struct top *top, struct err *err)
{
    struct buf path = {0};
    char text[64], time[64], count[32];
    int rc = 0;

    if (top->account != NULL) {
        rest_path(&path, "/v1/accounts/{}/usage?group_by=function", top->account);
    } else {
        buf_puts(&path, "/v1/usage?group_by=account");
    }
    rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    buf_free(&path);
    if (rc != 0) {
        return -1;
    }
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(cli->tree, "total");
    take_rate(top, total);
    if (!top->once) {
        (void)fputs("\033[H\033[2J", stdout);
    }
    number_format(cli_i64(total, "invocations"), count);
    cli_time(cli_text(cli->tree, "complete_through", text), time);
    (void)printf("%s%s%s  %s  this month: %s invocations, %lld.%lld/s now, complete through %.19s UTC\n",
                 color(stdout, COLOR_BOLD), top->account != NULL ? top->account : "all accounts",
                 color(stdout, COLOR_NONE), rest_url(cli->rest), count, (long long)(top->rate / 10),
                 (long long)(top->rate % 10), time);
    print_rows(cJSON_GetObjectItemCaseSensitive(cli->tree, "items"), top->account != NULL ? "function" : "account");
    rc = draw_cost(cli, top, err);
    (void)fflush(stdout);
    return rc;
}

/* Keys come one by one and unseen while the view is up. True when it is time to end. */
static bool wait_key(int64_t interval_s)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;

    if (poll(&input, 1, (int)(interval_s * 1000)) > 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')) {
        return true;
    }
    return top_stop != 0;
}

static int loop(struct cli *cli, struct top *top, struct err *err)
{
    struct termios before, quiet;
    struct sigaction action = {.sa_handler = on_signal};
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    int rc = 0;

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    do {
        rc = draw(cli, top, err);
    } while (rc == 0 && !wait_key(top->interval_s));
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
    return rc;
}

static int top(struct cli *cli, struct err *err)
{
    struct top top = {.interval_s = 1};
    const struct arg args[] = {A_NUMBER("interval", &top.interval_s, 1, 3600), A_FLAG("once", &top.once), A_END};

    if (cli_args(cli, args, 0, 1, "[ACCOUNT]", err) != 0) {
        return -1;
    }
    top.account = cli->words.count == 1 ? cli->words.items[0] : NULL;
    if (!top.once && isatty(STDOUT_FILENO) != 1) {
        return err_set(err, ERR_INVALID, "the live view needs a terminal; --once prints one picture");
    }
    return top.once ? draw(cli, &top, err) : loop(cli, &top, err);
}

int cmd_top(int argc, char **argv)
{
    return cli_run("top", top, argc, argv);
}
