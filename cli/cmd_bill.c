#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/bill_files.h"
#include "cli/cli.h"
#include "cli/cmd.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "reports/report.h"

const char cmd_bill_help[] =
    "farthing bill ACCOUNT YYYY-MM [OPTIONS]\n"
    "farthing bill ACCOUNT NUMBER [OPTIONS]      an invoice (INV-2026-000001) or a credit note (CN-2026-000001)\n"
    "farthing bill --all YYYY-MM [OPTIONS]\n"
    "farthing bill --each YYYY-MM --out DIR [OPTIONS]\n"
    "\n"
    "  --layout LAYOUT   summary (default), focus, focus-invoice, focus-period, focus-schema, csvw, aws, records,\n"
    "                    html, pdf, ubl (docs/reports.md says what stands in each)\n"
    "  --focus-version V 1.2, 1.3 or 1.4 (1.4)\n"
    "  --csvw-of LAYOUT  which layout csvw describes (summary)\n"
    "  --out DIR         write DIR/ACCOUNT-YYYY-MM-LAYOUT.csv (.html, .pdf, ...) and its .sha256 instead of stdout;\n"
    "                    without --layout every layout, and credit notes about the month, with manifest.json and\n"
    "                    SHA256SUMS\n"
    "  --put URL         PUT each file there; {file} in it stands for the file's name (a presigned URL works)\n"
    "  --letter          paper of pdf and html is US Letter instead of A4\n"
    "  --csv-safe        guard cells that a spreadsheet would take for a formula\n"
    "  --bom             begin with a byte order mark, for old spreadsheets\n"
    "  --all             one file with every account (admin)\n"
    "  --each            a folder with every layout for every account (admin)\n"
    "\n"
    "The bytes are those of GET /v1/accounts/ACCOUNT/bills/YYYY-MM?layout=LAYOUT, checked against their SHA-256. A "
    "month\n"
    "without an issued invoice is computed from the usage stored now, and says so: state is estimate. A number gives\n"
    "that document, also when it is void or credited; with --all a month has the rows of its credit notes, too.\n"
    "\n"
    "Examples:\n"
    "  farthing bill acme 2026-10\n"
    "  farthing bill acme 2026-10 --out bills/\n"
    "  farthing bill acme 2026-10 --layout pdf --out bills/\n"
    "  farthing bill acme CN-2026-000001 --layout pdf --out bills/\n"
    "  farthing bill acme 2026-10 --put 'https://store.example/bills/{file}?signature=...'\n"
    "  farthing bill acme 2026-10 --layout records > records.csv\n";

struct bill_words {
    const char *layout, *focus_version, *csvw_of, *out, *put;
    bool csv_safe, bom, letter, all, each;
    const char *month; /* or the number of a document */
};

/* What is asked for by number; NULL: a month. */
static const char *number_of(const struct bill_words *words)
{
    return words->month[0] >= '0' && words->month[0] <= '9' ? NULL : words->month;
}

/* Every layout of a month, in this order. */
static const enum report_layout BUNDLE[] = {
    REPORT_SUMMARY, REPORT_FOCUS,   REPORT_FOCUS_INVOICE, REPORT_FOCUS_PERIOD, REPORT_FOCUS_SCHEMA,
    REPORT_AWS,     REPORT_RECORDS, REPORT_HTML,          REPORT_PDF,          REPORT_UBL,
};

/* Those a credit note has: its records are its invoice's. */
static bool is_of_note(enum report_layout layout)
{
    return layout != REPORT_RECORDS && layout != REPORT_FOCUS_PERIOD && layout != REPORT_FOCUS_SCHEMA;
}

static bool is_table(enum report_layout layout)
{
    return strcmp(report_file_extension(layout), "csv") == 0;
}

static int to_stdout(const char *bytes, size_t length, void *ctx)
{
    (void)ctx;
    return fwrite(bytes, 1, length, stdout) == length ? 0 : -1;
}

/* account NULL: all accounts. */
static void bill_path(const struct bill_words *words, const char *account, const char *layout, const char *csvw_of,
                      struct buf *path)
{
    buf_clear(path);
    if (account == NULL) {
        rest_path(path, "/v1/bills/{}", words->month);
    } else if (number_of(words) != NULL) {
        rest_path(path, "/v1/accounts/{}/invoices/{}/document", account, words->month);
    } else {
        rest_path(path, "/v1/accounts/{}/bills/{}", account, words->month);
    }
    rest_query(path, "layout", layout);
    rest_query(path, "focus_version", words->focus_version);
    rest_query(path, "csvw_of", csvw_of);
    rest_query(path, "csv_safe", words->csv_safe ? "true" : NULL);
    rest_query(path, "bom", words->bom ? "true" : NULL);
    rest_query(path, "letter", words->letter ? "true" : NULL);
}

/* dir "": the file is not kept here. */
static void announce(const struct cli *cli, const char *dir, const struct bill_saved *saved)
{
    char path[4400];
    (void)snprintf(path, sizeof path, "%.4095s%s%s", dir, *dir != '\0' ? "/" : "", saved->name);
    if (cli->json) {
        struct buf text = {0};
        json_quote(&text, path, strlen(path));
        (void)printf("{\"file\":%s,\"size\":%lld,\"sha256\":\"%s\"}\n", buf_text(&text), (long long)saved->bytes,
                     saved->sha256);
        buf_free(&text);
    } else {
        (void)printf("%s\n", path);
    }
}

/* One file of one layout; csvw_of is the table that layout csvw describes. */
static int save(struct cli *cli, const struct bill_words *words, const char *account, const char *dir,
                enum report_layout layout, enum report_layout csvw_of, struct bill_saved *saved, struct err *err)
{
    struct buf path = {0};
    char name[200];
    const char *who = account != NULL ? account : "all";
    bool csvw = layout == REPORT_CSVW;
    bill_path(words, account, report_layout_name(layout), csvw ? report_layout_name(csvw_of) : NULL, &path);
    (void)snprintf(name, sizeof name, "%.63s-%s-%s.%s%s", who, words->month,
                   report_layout_name(csvw ? csvw_of : layout), report_file_extension(csvw ? csvw_of : layout),
                   csvw ? "-metadata.json" : "");
    *saved = (struct bill_saved){.layout = report_layout_name(layout), .media_type = report_media_type(layout)};
    (void)snprintf(saved->document, sizeof saved->document, "%.31s", number_of(words) != NULL ? words->month : "");
    int rc = bill_files_get(cli, buf_text(&path), dir, name, is_table(layout), saved, err);
    buf_free(&path);
    if (rc != 0) {
        return -1;
    }
    if (words->put != NULL && bill_files_put(words->put, dir, saved, err) != 0) {
        return -1;
    }
    announce(cli, words->out != NULL ? dir : "", saved);
    return 0;
}

static int save_text(const struct bill_words *words, const char *dir, const char *name, const struct buf *text,
                     const char *media_type, struct bill_saved *saved, struct err *err)
{
    if (bill_files_write(dir, name, text, saved, err) != 0) {
        return -1;
    }
    saved->media_type = media_type;
    /* An address without a place for names takes one file: the bill. */
    return words->put != NULL && strstr(words->put, "{file}") != NULL ? bill_files_put(words->put, dir, saved, err) : 0;
}

/* SHA256SUMS for people and sha256sum, manifest.json for programs. */
static int save_lists(struct cli *cli, const struct bill_words *words, const char *account, const char *dir,
                      struct bill_saved *saved, int count, struct bill_saved *manifest, struct err *err)
{
    struct buf text = {0};
    struct bill_saved sums;
    for (int i = 0; i < count; i++) {
        buf_printf(&text, "%s  %s\n", saved[i].sha256, saved[i].name);
    }
    int rc = save_text(words, dir, "SHA256SUMS", &text, "text/plain", &sums, err);
    buf_clear(&text);
    bill_files_manifest(account, words->month, saved, count, &text);
    if (rc == 0 && (rc = save_text(words, dir, "manifest.json", &text, "application/json", manifest, err)) == 0) {
        announce(cli, words->out != NULL ? dir : "", manifest);
    }
    buf_free(&text);
    return rc;
}

struct bundle {
    struct bill_saved *saved; /* BILL_FILES_MAX of them */
    int count;
};

/* The layouts of the month or of one document; of an account or of all. */
static int add_layouts(struct cli *cli, const struct bill_words *words, const char *account, const char *dir, bool note,
                       struct bundle *bundle, struct err *err)
{
    struct bill_saved *saved = bundle->saved;
    for (size_t i = 0; i < sizeof BUNDLE / sizeof BUNDLE[0]; i++) {
        if ((account == NULL && !is_table(BUNDLE[i]) && BUNDLE[i] != REPORT_FOCUS_SCHEMA) ||
            (note && !is_of_note(BUNDLE[i]))) {
            continue; /* documents of one bill */
        }
        if (bundle->count + 2 > BILL_FILES_MAX) {
            return err_set(err, ERR_LIMIT, "the month has more than %d files: ask for them by number", BILL_FILES_MAX);
        }
        struct err missing = {0};
        if (BUNDLE[i] == REPORT_UBL) {
            /* Only issued invoices with both addresses have an electronic form. */
            if (save(cli, words, account, dir, BUNDLE[i], BUNDLE[i], &saved[bundle->count], &missing) == 0) {
                bundle->count++;
            } else if (missing.code != ERR_CONFLICT) {
                *err = missing;
                return -1;
            }
            continue;
        }
        if (save(cli, words, account, dir, BUNDLE[i], BUNDLE[i], &saved[bundle->count++], err) != 0 ||
            (is_table(BUNDLE[i]) &&
             save(cli, words, account, dir, REPORT_CSVW, BUNDLE[i], &saved[bundle->count++], err) != 0)) {
            return -1;
        }
    }
    return 0;
}

/* A month's documents other than its bill: invoices that were credited and billed anew, and credit notes. */
static int add_documents(struct cli *cli, const struct bill_words *words, const char *account, const char *dir,
                         struct bundle *bundle, struct err *err)
{
    const cJSON *items = NULL;
    struct buf path = {0};
    bool newest = true;
    rest_path(&path, "/v1/accounts/{}/invoices", account);
    rest_query(&path, "month", words->month);
    int rc = cli_list(cli, buf_text(&path), &items, err);
    buf_free(&path);
    cJSON *list = rc == 0 ? cJSON_Duplicate(items, true) : NULL;
    for (const cJSON *item = list != NULL ? list->child : NULL; rc == 0 && item != NULL; item = item->next) {
        char text[64];
        struct bill_words one = *words;
        bool note = strcmp(cli_text(item, "kind", text), "credit_note") == 0;
        if (strcmp(cli_text(item, "state", text), "void") == 0 || (!note && newest)) {
            newest = newest && strcmp(cli_text(item, "state", text), "void") == 0;
            continue; /* void: of no account; the newest is the bill itself */
        }
        one.month = cJSON_GetStringValue(cJSON_GetObjectItem(item, "number"));
        rc = one.month != NULL ? add_layouts(cli, &one, account, dir, true, bundle, err) : 0;
    }
    cJSON_Delete(list);
    return rc;
}

static int bundle(struct cli *cli, const struct bill_words *words, const char *account, const char *dir,
                  struct bill_saved *manifest, struct err *err)
{
    struct bundle files = {.saved = calloc(BILL_FILES_MAX, sizeof *files.saved)};
    int rc = files.saved != NULL ? fs_make_dirs(dir, 0755, err) : err_set(err, ERR_SYSTEM, "out of memory");
    if (rc == 0) {
        rc = add_layouts(cli, words, account, dir, number_of(words) != NULL && words->month[0] == 'C', &files, err);
    }
    if (rc == 0 && account != NULL && number_of(words) == NULL) {
        rc = add_documents(cli, words, account, dir, &files, err);
    }
    if (rc == 0) {
        rc = save_lists(cli, words, account, dir, files.saved, files.count, manifest, err);
    }
    free(files.saved);
    return rc;
}

/* A folder for every account, and one manifest of their manifests. */
static int each(struct cli *cli, const struct bill_words *words, const char *dir, struct err *err)
{
    const cJSON *items = NULL;
    struct buf text = {0};
    struct json_writer writer;
    struct bill_saved manifest;
    int rc = cli_list(cli, "/v1/accounts?limit=1000", &items, err);
    cJSON *accounts = rc == 0 ? cJSON_Duplicate(items, true) : NULL;
    json_writer_init(&writer, &text);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "month", words->month);
    json_open_array(&writer, "accounts");
    for (const cJSON *item = accounts != NULL ? accounts->child : NULL; rc == 0 && item != NULL; item = item->next) {
        char own[4200];
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
        (void)snprintf(own, sizeof own, "%.4000s/%.63s", dir, name != NULL ? name : "");
        rc = bundle(cli, words, name, own, &manifest, err);
        json_open_object(&writer, NULL);
        json_put_text(&writer, "account", name);
        json_put_text(&writer, "manifest_sha256", manifest.sha256);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    buf_putc(&text, '\n');
    cJSON_Delete(accounts);
    if (rc == 0) {
        rc = save_text(words, dir, "manifest.json", &text, "application/json", &manifest, err);
    }
    buf_free(&text);
    return rc;
}

static int one_file(struct cli *cli, const struct bill_words *words, const char *account, const char *dir,
                    struct err *err)
{
    struct bill_saved saved;
    struct bill_saved sum;
    struct buf line = {0};
    char name[220];
    enum report_layout layout;
    enum report_layout of = REPORT_SUMMARY;
    if (report_layout_parse(words->layout, "layout", &layout, err) != 0 ||
        (words->csvw_of != NULL && report_layout_parse(words->csvw_of, "csvw-of", &of, err) != 0) ||
        fs_make_dirs(dir, 0755, err) != 0 || save(cli, words, account, dir, layout, of, &saved, err) != 0) {
        return -1;
    }
    (void)snprintf(name, sizeof name, "%s.sha256", saved.name);
    buf_printf(&line, "%s  %s\n", saved.sha256, saved.name);
    int rc = save_text(words, dir, name, &line, "text/plain", &sum, err);
    buf_free(&line);
    return rc;
}

static int to_files(struct cli *cli, const struct bill_words *words, const char *account, const char *dir,
                    struct err *err)
{
    struct bill_saved manifest;
    /* Several files at one address would replace each other. */
    if (words->put != NULL && strstr(words->put, "{file}") == NULL) {
        if (words->layout == NULL || words->each) {
            return err_field(err, "put", "--put needs {file} in the address, or --layout: there are several files");
        }
    }
    if (words->each) {
        return each(cli, words, dir, err);
    }
    return words->layout != NULL ? one_file(cli, words, account, dir, err)
                                 : bundle(cli, words, account, dir, &manifest, err);
}

/* --put without --out: the files are on disk only as long as it takes. */
static int to_files_for_now(struct cli *cli, const struct bill_words *words, const char *account, struct err *err)
{
    char dir[] = "/tmp/farthing-bill-XXXXXX";
    if (mkdtemp(dir) == NULL) {
        return err_set(err, ERR_SYSTEM, "make a folder in /tmp: %s", strerror(errno));
    }
    int rc = to_files(cli, words, account, dir, err);
    (void)fs_remove_tree(dir, NULL);
    return rc;
}

static int bill(struct cli *cli, struct err *err)
{
    struct bill_words words = {.layout = NULL};
    struct buf path = {0};
    const struct arg args[] = {A_TEXT("layout", &words.layout),
                               A_TEXT("focus-version", &words.focus_version),
                               A_TEXT("csvw-of", &words.csvw_of),
                               A_TEXT("out", &words.out),
                               A_TEXT("put", &words.put),
                               A_FLAG("csv-safe", &words.csv_safe),
                               A_FLAG("bom", &words.bom),
                               A_FLAG("letter", &words.letter),
                               A_FLAG("all", &words.all),
                               A_FLAG("each", &words.each),
                               A_END};
    if (cli_args(cli, args, 1, 2, "ACCOUNT YYYY-MM", err) != 0) {
        return -1;
    }
    bool many = words.all || words.each;
    if (cli->words.count != (many ? 1 : 2) || (words.all && words.each)) {
        return err_set(err, ERR_INVALID,
                       "it is `farthing bill ACCOUNT YYYY-MM|NUMBER` or `farthing bill --all YYYY-MM`");
    }
    if (words.each && words.out == NULL) {
        return err_field(err, "out", "--each writes many files: --out DIR says where");
    }
    const char *account = many ? NULL : cli->words.items[0];
    words.month = cli->words.items[many ? 0 : 1];
    if (many && number_of(&words) != NULL) {
        return err_field(err, "month", "%.40s is no month: --all and --each are about one, YYYY-MM", words.month);
    }
    if (words.out != NULL) {
        return to_files(cli, &words, account, words.out, err);
    }
    if (words.put != NULL) {
        return to_files_for_now(cli, &words, account, err);
    }
    bill_path(&words, account, words.layout != NULL ? words.layout : "summary", words.csvw_of, &path);
    struct rest_call call = {.method = "GET", .path = buf_text(&path), .accept = "*/*", .on_piece = to_stdout};
    int rc = rest_run(cli->rest, &call, &cli->answer, err);
    buf_free(&path);
    return rc;
}

int cmd_bill(int argc, char **argv)
{
    return cli_run("bill", bill, argc, argv);
}
