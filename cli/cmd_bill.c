#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cmd.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "reports/report.h"

const char cmd_bill_help[] =
    "farthing bill ACCOUNT YYYY-MM [OPTIONS]\n"
    "farthing bill --all YYYY-MM [OPTIONS]\n"
    "\n"
    "  --layout LAYOUT   summary (default), focus, aws, records, html, pdf\n"
    "  --focus-version V 1.2, 1.3 or 1.4 (1.4)\n"
    "  --letter          paper of pdf and html is US Letter instead of A4\n"
    "  --out DIR         write DIR/ACCOUNT-YYYY-MM-LAYOUT.csv (.html, .pdf) instead of stdout\n"
    "  --csv-safe        guard cells that a spreadsheet would take for a formula\n"
    "  --bom             begin with a byte order mark, for old spreadsheets\n"
    "  --all             one file with every account (admin)\n"
    "\n"
    "The bytes are those of GET /v1/accounts/ACCOUNT/bills/YYYY-MM?layout=LAYOUT. It is computed from "
    "the\n"
    "usage stored now, and says so: state is estimate.\n"
    "\n"
    "Examples:\n"
    "  farthing bill acme 2026-10\n"
    "  farthing bill acme 2026-10 --layout focus --out bills/\n"
    "  farthing bill acme 2026-10 --layout pdf --out bills/\n"
    "  farthing bill acme 2026-10 --layout records > records.csv\n";

struct bill_words {
    const char *layout, *focus_version, *out;
    bool csv_safe, bom, letter, all;
};

static int to_stdout(const char *bytes, size_t length, void *ctx)
{
    (void)ctx;
    return fwrite(bytes, 1, length, stdout) == length ? 0 : -1;
}

static int to_file(const char *bytes, size_t length, void *ctx)
{
    return fwrite(bytes, 1, length, (FILE *)ctx) == length ? 0 : -1;
}

static void bill_path(const struct bill_words *words, const char *account, const char *month, struct buf *path)
{
    if (words->all) {
        rest_path(path, "/v1/bills/{}", month);
    } else {
        rest_path(path, "/v1/accounts/{}/bills/{}", account, month);
    }
    rest_query(path, "layout", words->layout);
    rest_query(path, "focus_version", words->focus_version);
    rest_query(path, "csv_safe", words->csv_safe ? "true" : NULL);
    rest_query(path, "bom", words->bom ? "true" : NULL);
    rest_query(path, "letter", words->letter ? "true" : NULL);
}

/* Beside, then renamed: nobody sees half a bill. */
static int bill_to_file(struct cli *cli, struct rest_call *call, const char *name, struct err *err)
{
    char part[4200];
    FILE *file = NULL;
    int rc = -1;

    (void)snprintf(part, sizeof part, "%s.part", name);
    file = fopen(part, "wb");
    if (file == NULL) {
        return err_set(err, ERR_SYSTEM, "write %s: %s", part, strerror(errno));
    }
    call->on_piece = to_file;
    call->ctx = file;
    rc = rest_run(cli->rest, call, &cli->answer, err);
    if (fclose(file) != 0 && rc == 0) {
        rc = err_set(err, ERR_SYSTEM, "write %s: %s", part, strerror(errno));
    }
    if (rc == 0 && rename(part, name) != 0) {
        rc = err_set(err, ERR_SYSTEM, "write %s: %s", name, strerror(errno));
    }
    if (rc != 0) {
        (void)unlink(part);
        return -1;
    }
    if (cli->json) {
        struct buf text = {0};
        json_quote(&text, name, strlen(name));
        (void)printf("{\"file\":%s}\n", buf_text(&text));
        buf_free(&text);
    } else {
        (void)printf("%s\n", name);
    }
    return 0;
}

static int bill(struct cli *cli, struct err *err)
{
    struct bill_words words = {.layout = "summary"};
    struct buf path = {0};
    char name[4100];
    const struct arg args[] = {A_TEXT("layout", &words.layout), A_TEXT("focus-version", &words.focus_version),
                               A_TEXT("out", &words.out),       A_FLAG("csv-safe", &words.csv_safe),
                               A_FLAG("bom", &words.bom),       A_FLAG("letter", &words.letter),
                               A_FLAG("all", &words.all),       A_END};
    enum report_layout layout = REPORT_SUMMARY;
    int rc = -1;

    if (cli_args(cli, args, 1, 2, "ACCOUNT YYYY-MM", err) != 0) {
        return -1;
    }
    if (cli->words.count != (words.all ? 1 : 2)) {
        return err_set(err, ERR_INVALID, "it is `farthing bill ACCOUNT YYYY-MM` or `farthing bill --all YYYY-MM`");
    }
    if (report_layout_parse(words.layout, "layout", &layout, err) != 0) {
        return -1;
    }
    const char *account = words.all ? "all" : cli->words.items[0];
    const char *month = cli->words.items[words.all ? 0 : 1];
    bill_path(&words, account, month, &path);
    struct rest_call call = {.method = "GET", .path = buf_text(&path), .accept = "*/*", .on_piece = to_stdout};
    if (words.out == NULL) {
        rc = rest_run(cli->rest, &call, &cli->answer, err);
    } else if (fs_make_dirs(words.out, 0755, err) == 0) {
        (void)snprintf(name, sizeof name, "%s/%s-%s-%s.%s", words.out, account, month, words.layout,
                       report_file_extension(layout));
        rc = bill_to_file(cli, &call, name, err);
    }
    buf_free(&path);
    return rc;
}

int cmd_bill(int argc, char **argv)
{
    return cli_run("bill", bill, argc, argv);
}
