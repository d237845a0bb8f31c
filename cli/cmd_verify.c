#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "billing/price_book.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "reports/verify.h"

const char cmd_verify_help[] = "farthing verify BILL.csv --records RECORDS.csv [--price-book BOOK.json] [--json]\n"
                               "\n"
                               "Recomputes a bill (layout summary) from its records (layout records), offline: no "
                               "node, no database. Says \"matches\" and\n"
                               "exits 0, or names the first difference and exits 1.\n"
                               "\n"
                               "  --records FILE      the records behind the bill\n"
                               "  --price-book FILE   prices; without it the book that ships with this program\n"
                               "\n"
                               "Examples:\n"
                               "  farthing bill acme 2026-10 > bill.csv\n"
                               "  farthing bill acme 2026-10 --layout records > records.csv\n"
                               "  farthing verify bill.csv --records records.csv\n";

static int load_book(const char *path, struct price_book **book, struct err *err)
{
    struct buf text = {0};
    const char *json = price_book_default_json();
    size_t length = strlen(json);
    if (path != NULL) {
        if (fs_read(path, PRICE_BOOK_BYTES_MAX, &text, err) != 0) {
            return -1;
        }
        json = buf_text(&text);
        length = text.length;
    }
    int rc = price_book_parse(json, length, book, NULL, err);
    buf_free(&text);
    return rc;
}

static int open_file(const char *path, FILE **file, struct err *err)
{
    *file = fopen(path, "rbe");
    if (*file == NULL) {
        return err_set(err, ERR_NOT_FOUND, "%s cannot be opened: %s", path, strerror(errno));
    }
    return 0;
}

static void print_json(const struct verify_result *result)
{
    struct buf out = {0};
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_open_object(&writer, NULL);
    json_put_bool(&writer, "matches", result->matches);
    json_put_text(&writer, "difference", result->matches ? NULL : result->difference);
    json_put_text(&writer, "total", result->total);
    json_put_i64(&writer, "records", result->records);
    json_put_i64(&writer, "lines", result->lines);
    json_put_i64(&writer, "shares", result->shares);
    json_close_object(&writer);
    (void)printf("%s\n", buf_text(&out));
    buf_free(&out);
}

static int verify(struct cli *cli, struct err *err)
{
    const char *records = NULL;
    const char *prices = NULL;
    struct verify_input input = {0};
    struct verify_result result = {0};
    struct price_book *book = NULL;
    const struct arg args[] = {A_TEXT("records", &records), A_TEXT("price-book", &prices), A_FLAG("json", &cli->json),
                               A_END};
    int rc = -1;

    if (args_parse(cli->argc, cli->argv, args, NULL, &cli->words, err) != 0) {
        return -1;
    }
    if (cli->words.count != 1 || records == NULL) {
        return err_set(err, ERR_INVALID, "it is `farthing verify BILL.csv --records RECORDS.csv`");
    }
    if (load_book(prices, &book, err) != 0 || open_file(cli->words.items[0], &input.bill, err) != 0 ||
        open_file(records, &input.records, err) != 0) {
        goto out;
    }
    input.bill_name = cli->words.items[0];
    input.records_name = records;
    input.book = book;
    if (verify_bill(&input, &result, err) != 0) {
        goto out;
    }
    if (cli->json) {
        print_json(&result);
    } else if (result.matches) {
        (void)printf("matches: %lld records give %lld lines, %lld shares and %s\n", (long long)result.records,
                     (long long)result.lines, (long long)result.shares, result.total);
    } else {
        (void)printf("does not match: %s\n", result.difference);
    }
    rc = result.matches ? CMD_OK : CMD_FAILED;
out:
    if (input.bill != NULL) {
        (void)fclose(input.bill);
    }
    if (input.records != NULL) {
        (void)fclose(input.records);
    }
    price_book_free(&book);
    return rc;
}

int cmd_verify(int argc, char **argv)
{
    return cli_run("verify", verify, argc, argv);
}
