#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "cli/table.h"
#include "cli/top_look.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

const char cmd_top_help[] =
    "farthing top [ACCOUNT] [--interval SECONDS] [--once]\n"
    "\n"
    "  --interval SECONDS  how often to look (1; 2 for all accounts)\n"
    "  --once              one picture and out, also without a terminal\n"
    "\n"
    "What runs now, what it costs an hour and this month, and where limits stand. Without ACCOUNT: that of\n"
    "the key, or all accounts and nodes with an admin key. q ends it; c, n, e and s order by cost, calls,\n"
    "failed calls and calls a second.\n"
    "\n"
    "Examples:\n"
    "  farthing top\n"
    "  farthing top acme --interval 5\n";

#define COLUMNS_MIN 20

static volatile sig_atomic_t top_stop;

static void on_signal(int number)
{
    top_stop = number == SIGWINCH ? top_stop : 1; /* a new size only wakes the view */
}

/* A node that is gone for a moment does not end the view: the numbers stay and the reason stands above them. */
static int look(struct cli *cli, struct top *top, struct err *err)
{
    struct err why = {0};
    int rc = top_look(cli, top, &why);
    top->view.note[0] = '\0';
    if (rc == 0) {
        char time[CALENDAR_TEXT_BYTES];
        calendar_format(clock_wall_us(), time);
        (void)snprintf(top->view.clock, sizeof top->view.clock, "%.8s UTC", time + 11);
        return 0;
    }
    if (top->once || top->view.clock[0] == '\0' || (why.code != ERR_RETRY && why.code != ERR_SYSTEM)) {
        *err = why;
        return -1;
    }
    (void)snprintf(top->view.note, sizeof top->view.note, "Numbers of %.*s; trying again: %.180s", 12, top->view.clock,
                   why.text);
    return 0;
}

/* ---- the screen ---- */

static void screen_size(int *columns, int *rows)
{
    struct winsize size = {0};
    *columns = table_columns(stdout);
    *rows = 24;
    if (getenv("COLUMNS") == NULL && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        *columns = size.ws_col > COLUMNS_MIN ? size.ws_col : COLUMNS_MIN;
        *rows = size.ws_row > 0 ? size.ws_row : 24;
    }
}

/* The whole picture in one write, each line cleared to its end: nothing flickers. */
static void draw(struct top *top)
{
    struct buf picture = {0};
    int columns = 0;
    int rows = 0;
    screen_size(&columns, &rows);
    top->view.colored = color_wanted(stdout);
    top->view.live = !top->once;
    top_view_draw(&top->view, columns, top->once ? 0 : rows - 1, &picture);
    const char *text = buf_text(&picture);
    if (top->once) {
        (void)fwrite(text, 1, picture.length, stdout);
    } else {
        (void)fputs("\033[H", stdout);
        for (size_t i = 0; i < picture.length; i++) {
            (void)fputs(text[i] == '\n' ? "\033[K\n" : "", stdout);
            if (text[i] != '\n') {
                (void)fputc(text[i], stdout);
            }
        }
        (void)fputs("\033[J", stdout);
    }
    (void)fflush(stdout);
    buf_free(&picture);
}

/* Until the next look is due; keys of order act at once. True when it is time to end. */
static bool wait_keys(struct top *top)
{
    static const char KEYS[] = "cnes"; /* enum top_sort */
    int64_t until_ms = clock_mono_us() / 1000 + top->interval_s * 1000;
    for (int64_t left_ms; top_stop == 0 && (left_ms = until_ms - clock_mono_us() / 1000) > 0;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        char key = 0;
        int ready = poll(&input, 1, (int)left_ms);
        if (ready > 0 && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')) {
            return true;
        }
        const char *found = key != 0 ? strchr(KEYS, key) : NULL;
        if (found != NULL) {
            top->view.sort = (enum top_sort)(found - KEYS);
        }
        if (ready != 0) {
            draw(top); /* a key, or another size */
        }
    }
    return top_stop != 0;
}

static int loop(struct cli *cli, struct top *top, struct err *err)
{
    struct termios before, quiet;
    struct sigaction action = {.sa_handler = on_signal};
    bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (look(cli, top, err) != 0) {
        return -1;
    }
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGWINCH, &action, NULL);
    if (terminal) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &quiet);
    }
    (void)fputs("\033[?1049h\033[?25l", stdout); /* a screen of its own, no cursor */
    int rc = 0;
    do {
        draw(top);
    } while (!wait_keys(top) && (rc = look(cli, top, err)) == 0);
    (void)fputs("\033[?25h\033[?1049l", stdout);
    (void)fflush(stdout);
    if (terminal) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
    return rc;
}

/* Of a tenant's key, "" for an operator's. */
static int own_account(struct cli *cli, char name[80], struct err *err)
{
    char text[64];
    if (cli_call(cli, "GET", "/v1/key", NULL, err) != 0) {
        return -1;
    }
    return text_copy(name, 80, cli_text(cli->tree, "account_name", text));
}

static int top(struct cli *cli, struct err *err)
{
    static struct top top; /* large; one a process */
    const struct arg args[] = {A_NUMBER("interval", &top.interval_s, 1, 3600), A_FLAG("once", &top.once), A_END};

    if (cli_args(cli, args, 0, 1, "[ACCOUNT]", err) != 0) {
        return -1;
    }
    top.account = cli->words.count == 1 ? cli->words.items[0] : NULL;
    if (top.account == NULL && own_account(cli, top.own, err) == 0) {
        top.account = top.own[0] != '\0' ? top.own : NULL;
    } else if (top.account == NULL) {
        return -1;
    }
    if (top.interval_s == 0) {
        top.interval_s = top.account != NULL ? 1 : 2;
    }
    if (!top.once && isatty(STDOUT_FILENO) != 1) {
        return err_set(err, ERR_INVALID, "the live view needs a terminal; --once prints one picture");
    }
    (void)snprintf(top.view.title, sizeof top.view.title, "%s", top.account != NULL ? top.account : "all accounts");
    (void)text_copy(top.view.url, sizeof top.view.url, rest_url(cli->rest));
    top.view.row_head = top.account != NULL ? "FUNCTION" : "ACCOUNT";
    if (!top.once) {
        return loop(cli, &top, err);
    }
    if (look(cli, &top, err) != 0) {
        return -1;
    }
    draw(&top);
    return 0;
}

int cmd_top(int argc, char **argv)
{
    return cli_run("top", top, argc, argv);
}
