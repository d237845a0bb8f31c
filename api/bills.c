/* .../bills/{yyyy-mm} and .../invoices/{invoice}/document: a bill as a file, in one of the layouts of reports/, with
 * its SHA-256. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/bill_file.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/invoice_list_store.h"
#include "api/invoice_path.h"
#include "common/digest.h"
#include "common/err.h"
#include "reports/report.h"

static int options_read(const struct request *request, struct report_options *options, struct err *err)
{
    const char *layout = request_query(request, "layout");
    const char *version = request_query(request, "focus_version");
    const char *of = request_query(request, "csvw_of");
    const char *format = request_query(request, "format");
    *options = (struct report_options){.layout = REPORT_SUMMARY,
                                       .csvw_of = REPORT_SUMMARY,
                                       .issuer = api_get_options(request->api)->issuer,
                                       .issuer_party = api_get_options(request->api)->issuer_party};
    if (format != NULL && layout == NULL) {
        layout = strcmp(format, "csv") == 0 ? "summary" : format;
    }
    if ((layout != NULL && report_layout_parse(layout, "layout", &options->layout, err) != 0) ||
        (version != NULL && report_focus_version_parse(version, "focus_version", &options->focus_version, err) != 0) ||
        (of != NULL && report_layout_parse(of, "csvw_of", &options->csvw_of, err) != 0) ||
        request_query_bool(request, "csv_safe", &options->csv_safe, err) != 0 ||
        request_query_bool(request, "bom", &options->bom, err) != 0) {
        return -1;
    }
    return request_query_bool(request, "letter", &options->letter, err);
}

void bill_file_begin(struct bill_file *file, struct request *request)
{
    file->request = request;
    file->state = sha256_new();
}

int bill_file_sink(const void *bytes, size_t length, void *ctx, struct err *err)
{
    struct bill_file *file = ctx;
    sha256_update(file->state, bytes, length);
    return reply_sink(bytes, length, file->request, err);
}

void bill_file_abandon(struct bill_file *file)
{
    sha256_end(&file->state, NULL);
}

/* ETag is the whole digest; Digest (RFC 3230) and Repr-Digest (RFC 9530) say it once more in their own ways. */
void bill_file_end(struct bill_file *file, char hex[SHA256_HEX_BYTES])
{
    struct reply *reply = &file->request->reply;
    uint8_t digest[SHA256_BYTES];
    struct buf base64 = {0};
    char text[SHA256_HEX_BYTES + 32];
    sha256_end(&file->state, digest);
    hex_encode(digest, sizeof digest, hex);
    base64_encode(digest, sizeof digest, &base64);
    (void)snprintf(text, sizeof text, "\"%s\"", hex);
    reply_header(reply, "ETag", text);
    (void)snprintf(text, sizeof text, "sha-256=%s", buf_text(&base64));
    reply_header(reply, "Digest", text);
    (void)snprintf(text, sizeof text, "sha-256=:%s:", buf_text(&base64));
    reply_header(reply, "Repr-Digest", text);
    buf_free(&base64);
}

static void file_headers(struct request *request, const struct report_options *options, const char *name)
{
    char text[200];
    bool shown = options->layout == REPORT_HTML || options->layout == REPORT_PDF;
    (void)snprintf(text, sizeof text, "%s; filename=\"%s\"", shown ? "inline" : "attachment", name);
    reply_header(&request->reply, "Content-Disposition", text);
    if (options->csv_safe) {
        reply_header(&request->reply, "X-Csv-Safe", "applied");
    }
    if (options->layout == REPORT_HTML) {
        reply_header(&request->reply, "Content-Security-Policy",
                     "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'");
    }
    request->reply.status = 200;
    request->reply.content_type = report_media_type(options->layout);
}

/* The line sha256sum checks, instead of the file itself. */
static int digest_reply(struct request *request, const char *hex, const char *name, struct err *err)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s  %s\n", hex, name);
    reply_reset(&request->reply);
    request->reply.status = 200;
    request->reply.content_type = "text/plain; charset=utf-8";
    return reply_sink(line, (size_t)length, request, err);
}

/* What a bill file is about: account 0 is all accounts, invoice_id 0 the bill of the month. */
struct about {
    int64_t account_id, invoice_id;
    const char *account;
    const char *word; /* month or number, in the file's name */
    struct month month;
};

static int bill_reply(struct request *request, const struct about *about, struct err *err)
{
    struct report_options options;
    struct bill_file file;
    char hex[SHA256_HEX_BYTES];
    char name[160];
    char described[160];
    bool digest_only = false;
    if (options_read(request, &options, err) != 0 || request_query_bool(request, "sha256", &digest_only, err) != 0) {
        return -1;
    }
    (void)snprintf(name, sizeof name, "%.63s-%.31s-%s.%s", about->account, about->word,
                   report_layout_name(options.layout), report_file_extension(options.layout));
    (void)snprintf(described, sizeof described, "%.63s-%.31s-%s.%s", about->account, about->word,
                   report_layout_name(options.csvw_of), report_file_extension(options.csvw_of));
    options.csvw_url = described;
    options.invoice_id = about->invoice_id;
    bill_file_begin(&file, request);
    if ((about->account_id != 0
             ? report_bill(request->pg, about->account_id, about->month, &options, bill_file_sink, &file, err)
             : report_all(request->pg, about->month, &options, bill_file_sink, &file, err)) != 0) {
        bill_file_abandon(&file);
        return -1;
    }
    bill_file_end(&file, hex);
    if (digest_only) {
        return digest_reply(request, hex, name, err);
    }
    file_headers(request, &options, name);
    return 0;
}

static int month_reply(struct request *request, int64_t account_id, const char *account, struct err *err)
{
    struct about about = {.account_id = account_id, .account = account, .word = request_param(request, "month")};
    return month_parse(about.word, "month", &about.month, err) == 0 ? bill_reply(request, &about, err) : -1;
}

int bill_handler(struct request *request, struct err *err)
{
    return month_reply(request, request->account_id, request->account_name, err);
}

int bill_all_handler(struct request *request, struct err *err)
{
    return month_reply(request, 0, "all", err);
}

/* ---- one invoice or credit note ---- */

struct document {
    int64_t invoice_id;
    char number[32];
    char month[8];
};

static int take_document(const struct invoice_row *row, void *ctx, struct err *err)
{
    struct document *document = ctx;
    (void)err;
    document->invoice_id = row->invoice_id;
    (void)snprintf(document->number, sizeof document->number, "%.31s", row->number);
    (void)snprintf(document->month, sizeof document->month, "%.7s", row->month);
    return 0;
}

int invoice_document_handler(struct request *request, struct err *err)
{
    struct document document = {.invoice_id = 0};
    struct invoice_query query;
    struct about about = {.account_id = request->account_id, .account = request->account_name};
    invoice_path_query(request, &query);
    if (invoice_list_store(request->pg, &query, take_document, &document, err) != 0) {
        return -1;
    }
    if (document.invoice_id == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no such invoice");
    }
    about.invoice_id = document.invoice_id;
    about.word = document.number;
    return month_parse(document.month, "month", &about.month, err) == 0 ? bill_reply(request, &about, err) : -1;
}
