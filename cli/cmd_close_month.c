#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "common/buf.h"
#include "common/err.h"

const char cmd_close_month_help[] = "farthing close-month YYYY-MM\n"
                                    "\n"
                                    "Issues the invoices of a month that is over, for all accounts. It can be stopped "
                                    "at any moment and started again: no gap\n"
                                    "in the numbers and no invoice twice.\n"
                                    "\n"
                                    "Examples:\n"
                                    "  farthing close-month 2026-10\n";

static int close_month(struct cli *cli, struct err *err)
{
    struct buf path = {0};
    char text[64];
    const struct arg args[] = {A_END};
    int rc = -1;

    if (cli_args(cli, args, 1, 1, "YYYY-MM", err) == 0) {
        rest_path(&path, "/v1/months/{}/close", cli->words.items[0]);
        rc = cli_call(cli, "POST", buf_text(&path), NULL, err);
        if (rc != 0 && (cli->answer.status == 404 || cli->answer.status == 501)) {
            (void)err_set(err, ERR_NOT_FOUND,
                          "the node at %s does not close months; its bills are estimates (farthing bill)",
                          rest_url(cli->rest));
        }
    }
    if (rc == 0 && cli->json) {
        rc = cli_print_json(cli);
    } else if (rc == 0) {
        (void)printf("%s invoices issued, %s were there, %s parked\n", cli_text(cli->tree, "issued", text),
                     cli_text(cli->tree, "existing", (char[64]){0}), cli_text(cli->tree, "parked", (char[64]){0}));
    }
    buf_free(&path);
    return rc;
}

int cmd_close_month(int argc, char **argv)
{
    return cli_run("close-month", close_month, argc, argv);
}
