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
#include "common/text.h"
#include "reports/verify.h"

const char cmd_verify_help[] =
    "farthing verify BILL.csv --records RECORDS.csv [--price-book BOOK.json] [--override FILE]\n"
    "                [--invocation ID [--save PROOF.json]]\n"
    "farthing verify --proof PROOF.json [BILL.csv | --root HEX]\n"
    "farthing verify --invocation ID --account ACCOUNT [--month YYYY-MM] [--save PROOF.json]\n"
    "\n"
    "The first recomputes a bill (layout summary) from its records (layout records), offline: no node, no database. "
    "It\n"
    "says \"matches\" and exits 0, or names the first difference and exits 1. An invoice states the root of a tree "
    "over\n"
    "all its records: then not one of them can be missing, added or changed.\n"
    "The second checks, offline, that one invocation is among the records of an invoice. The third gets such a proof\n"
    "from the node and checks it.\n"
    "\n"
    "  --records FILE      the records behind the bill\n"
    "  --price-book FILE   prices; without it the book that ships with this program\n"
    "  --override FILE     what was agreed with the account on top of them (farthing prices override)\n"
    "  --invocation ID     a request id: prove that this invocation is among the records\n"
    "  --proof FILE        a proof that was saved\n"
    "  --root HEX          the records root the proof must lead to\n"
    "  --account ACCOUNT   whose invocation; --month when it started (this month)\n"
    "  --save FILE         keep the proof\n"
    "\n"
    "How it works, so that anyone can write a verifier of their own: docs/verification.md.\n"
    "\n"
    "Examples:\n"
    "  farthing bill acme 2026-10 > bill.csv\n"
    "  farthing bill acme 2026-10 --layout records > records.csv\n"
    "  farthing verify bill.csv --records records.csv\n"
    "  farthing verify --invocation 0193a7c4-5c5e-7f0a-9a52-3a1f1c2d4e5f --account acme --month 2026-10 --save "
    "proof.json\n"
    "  farthing verify --proof proof.json bill.csv\n";

struct verify_words {
    const char *records, *prices, *override, *invocation, *proof, *root, *account, *month, *save;
};

static int apply_override(const char *path, struct price_book *book, struct err *err)
{
    struct buf text = {0};
    if (path == NULL) {
        return 0;
    }
    int rc = fs_read(path, PRICE_BOOK_BYTES_MAX, &text, err);
    if (rc == 0) {
        rc = price_override_apply(book, buf_text(&text), text.length, NULL, err);
    }
    buf_free(&text);
    return rc;
}

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
    json_put_i64(&writer, "stated", result->stated);
    json_put_i64(&writer, "provisioned", result->capacity);
    json_put_text(&writer, "records_root", result->records_root);
    json_put_bool(&writer, "root_stated", result->root_stated);
    json_close_object(&writer);
    (void)printf("%s\n", buf_text(&out));
    buf_free(&out);
}

static int save_proof(const struct proof *proof, const char *path, struct err *err)
{
    struct buf out = {0};
    if (path == NULL) {
        return 0;
    }
    proof_write(proof, &out);
    buf_puts(&out, "\n");
    int rc = fs_write_atomic(path, out.data, out.length, 0644, err);
    buf_free(&out);
    return rc;
}

static int say_proof(const struct proof *proof, bool json, const struct err *why)
{
    char hex[SHA256_HEX_BYTES];
    hex_encode(proof->root.bytes, sizeof proof->root.bytes, hex);
    if (json) {
        struct buf out = {0};
        struct json_writer writer;
        json_writer_init(&writer, &out);
        json_open_object(&writer, NULL);
        json_put_bool(&writer, "holds", why == NULL);
        json_put_text(&writer, "difference", why != NULL ? why->text : NULL);
        json_put_text(&writer, "record", proof->record);
        json_put_text(&writer, "records_root", hex);
        json_put_text(&writer, "invoice", proof->number[0] != '\0' ? proof->number : NULL);
        json_close_object(&writer);
        (void)printf("%s\n", buf_text(&out));
        buf_free(&out);
    } else if (why != NULL) {
        (void)printf("does not hold: %s\n", why->text);
    } else {
        (void)printf("holds: record %llu of %llu of its day\n  %s\nis under records root\n  %s%s%s\n",
                     (unsigned long long)proof->in_day.index + 1, (unsigned long long)proof->in_day.count,
                     proof->record, hex, proof->number[0] != '\0' ? "\nof invoice " : "", proof->number);
    }
    return why == NULL ? CMD_OK : CMD_FAILED;
}

/* ---- a bill from its records ---- */

static int verify_records(struct cli *cli, const struct verify_words *words, struct err *err)
{
    struct verify_input input = {.invocation = words->invocation};
    struct verify_result result = {0};
    struct price_book *book = NULL;
    int rc = -1;

    if (load_book(words->prices, &book, err) != 0 || apply_override(words->override, book, err) != 0 ||
        open_file(cli->words.items[0], &input.bill, err) != 0 || open_file(words->records, &input.records, err) != 0) {
        goto out;
    }
    input.bill_name = cli->words.items[0];
    input.records_name = words->records;
    input.book = book;
    if (verify_bill(&input, &result, err) != 0) {
        goto out;
    }
    if (cli->json) {
        print_json(&result);
    } else if (result.matches) {
        (void)printf("matches: %lld records give %lld lines, %lld shares and %s\nrecords root %s: %s\n",
                     (long long)result.records, (long long)result.lines, (long long)result.shares, result.total,
                     result.records_root,
                     result.root_stated ? "as the invoice states" : "the bill states none, it is not an invoice");
        if (result.capacity > 0) {
            (void)printf(
                "%lld quantities of provisioned concurrency are taken as stated: it is billed by the time it was "
                "configured,\nwhich no record shows; their prices and amounts follow\n",
                (long long)result.capacity);
        }
        if (result.stated > 0) {
            (void)printf("%lld rows are about other months, credits or the tax on all of it: taken as stated, they add "
                         "up\n",
                         (long long)result.stated);
        }
    } else {
        (void)printf("does not match: %s\n", result.difference);
        if (words->prices == NULL) {
            (void)puts("  rated with the price book that ships with this program; --price-book takes another, "
                       "--override what was agreed");
        }
    }
    rc = result.matches ? CMD_OK : CMD_FAILED;
    if (result.matches && words->invocation != NULL) {
        rc = save_proof(&result.proof, words->save, err) != 0 ? -1 : say_proof(&result.proof, cli->json, NULL);
    }
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

/* ---- one invocation ---- */

/* The root a bill states, or NULL text when there is none to compare with. */
static int stated_root(const struct cli *cli, const struct verify_words *words, char hex[SHA256_HEX_BYTES],
                       struct err *err)
{
    hex[0] = '\0';
    if (words->root != NULL) {
        return text_copy(hex, SHA256_HEX_BYTES, words->root) == 0
                   ? 0
                   : err_field(err, "root", "root is %zu characters; it is 64 hexadecimal digits", strlen(words->root));
    }
    if (cli->words.count == 0) {
        return 0;
    }
    FILE *file = NULL;
    if (open_file(cli->words.items[0], &file, err) != 0) {
        return -1;
    }
    int rc = verify_stated_root(file, cli->words.items[0], hex, err);
    (void)fclose(file);
    return rc;
}

static int check_proof(struct cli *cli, const struct verify_words *words, const struct proof *proof, struct err *err)
{
    char stated[SHA256_HEX_BYTES];
    char hex[SHA256_HEX_BYTES];
    struct err why = {0};
    if (stated_root(cli, words, stated, err) != 0) {
        return -1;
    }
    if (proof_check(proof, &why) != 0) {
        return say_proof(proof, cli->json, &why);
    }
    hex_encode(proof->root.bytes, sizeof proof->root.bytes, hex);
    if (stated[0] != '\0' && strcmp(stated, hex) != 0) {
        (void)err_set(&why, ERR_INVALID, "the proof leads to records root %s, the bill states %s", hex, stated);
        return say_proof(proof, cli->json, &why);
    }
    return save_proof(proof, words->save, err) != 0 ? -1 : say_proof(proof, cli->json, NULL);
}

static int verify_proof(struct cli *cli, const struct verify_words *words, struct err *err)
{
    struct buf text = {0};
    struct proof proof;
    int rc = fs_read(words->proof, PROOF_JSON_BYTES_MAX, &text, err);
    if (rc == 0) {
        rc = proof_read(buf_text(&text), text.length, &proof, err);
    }
    buf_free(&text);
    return rc == 0 ? check_proof(cli, words, &proof, err) : -1;
}

static int verify_invocation(struct cli *cli, const struct verify_words *words, struct err *err)
{
    struct buf path = {0};
    struct proof proof;
    rest_path(&path, "/v1/accounts/{}/invocations/{}/proof", words->account, words->invocation);
    rest_query(&path, "month", words->month);
    int rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    if (rc == 0) {
        rc = proof_read(buf_text(&cli->answer.body), cli->answer.body.length, &proof, err);
    }
    buf_free(&path);
    return rc == 0 ? check_proof(cli, words, &proof, err) : -1;
}

static int verify(struct cli *cli, struct err *err)
{
    struct verify_words words = {0};
    const struct arg args[] = {A_TEXT("records", &words.records),   A_TEXT("price-book", &words.prices),
                               A_TEXT("override", &words.override), A_TEXT("invocation", &words.invocation),
                               A_TEXT("proof", &words.proof),       A_TEXT("root", &words.root),
                               A_TEXT("account", &words.account),   A_TEXT("month", &words.month),
                               A_TEXT("save", &words.save),         A_END};

    if (cli_args(cli, args, 0, 1, "BILL.csv", err) != 0) {
        return -1;
    }
    if (words.proof != NULL && words.records == NULL && cli->words.count <= 1) {
        return verify_proof(cli, &words, err);
    }
    if (words.records != NULL && cli->words.count == 1) {
        return verify_records(cli, &words, err);
    }
    if (words.invocation != NULL && words.account != NULL && words.records == NULL && cli->words.count <= 1) {
        return verify_invocation(cli, &words, err);
    }
    return err_set(err, ERR_INVALID,
                   "it is `farthing verify BILL.csv --records RECORDS.csv`, or with --proof, or with "
                   "--invocation and --account: see farthing verify --help");
}

int cmd_verify(int argc, char **argv)
{
    return cli_run("verify", verify, argc, argv);
}
