#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_logs_help[] = "farthing logs ACCOUNT/FUNCTION [OPTIONS]\n"
                             "\n"
                             "  --follow           also the lines that come, until Ctrl-C\n"
                             "  --since TIME       RFC 3339, or a date (an hour ago)\n"
                             "  --limit N          the newest N lines (100)\n"
                             "  --account ACCOUNT  when the function is named alone (FARTHING_ACCOUNT)\n"
                             "\n"
                             "Examples:\n"
                             "  farthing logs demo/hello\n"
                             "  farthing logs demo/hello --follow\n";

static int print_piece(const char *bytes, size_t length, void *ctx)
{
    bool *printed = ctx;
    *printed = *printed || length > 0;
    return fwrite(bytes, 1, length, stdout) == length && fflush(stdout) == 0 ? 0 : -1;
}

static int logs(struct cli *cli, struct err *err)
{
    const char *since = NULL, *account = NULL;
    bool follow = false;
    bool printed = false;
    int64_t limit = 100;
    char names[3][128], limit_text[24];
    struct buf path = {0};
    const struct arg args[] = {A_TEXT("since", &since), A_TEXT("account", &account), A_FLAG("follow", &follow),
                               A_NUMBER("limit", &limit, 1, 10000), A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "ACCOUNT/FUNCTION", err) != 0 ||
        cli_function_word(cli->words.items[0], account, names, err) != 0) {
        return -1;
    }
    (void)snprintf(limit_text, sizeof limit_text, "%lld", (long long)limit);
    rest_path(&path, "/v1/accounts/{}/functions/{}/logs", names[0], names[1]);
    rest_query(&path, "since", since);
    rest_query(&path, "limit", limit_text);
    rest_query(&path, "follow", follow ? "true" : NULL);
    struct rest_call call = {.method = "GET",
                             .path = buf_text(&path),
                             .accept = cli->json && !follow ? "application/json"
                                       : cli->json          ? "application/x-ndjson"
                                                            : "text/plain",
                             .on_piece = print_piece,
                             .ctx = &printed};
    rc = rest_run(cli->rest, &call, &cli->answer, err);
    if (rc == 0 && !printed && !follow && !cli->json && isatty(STDERR_FILENO) == 1) {
        (void)fprintf(stderr, since != NULL ? "Nothing was printed since then.\n"
                                            : "Nothing was printed in the last hour; --since looks further back.\n");
    }
    buf_free(&path);
    return rc;
}

int cmd_logs(int argc, char **argv)
{
    return cli_run("logs", logs, argc, argv);
}
