#include "reports/report.h"

#include "billing/bill.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"
#include "reports/columns.h"
#include "reports/focus.h"
#include "reports/metadata.h"
#include "reports/printed.h"
#include "reports/records.h"
#include "reports/report_internal.h"
#include "reports/report_store.h"

#include <string.h>

static const struct {
    const char *name;
    const char *media_type;
    const char *extension;
} LAYOUTS[] = {
    [REPORT_SUMMARY] = {"summary", "text/csv; charset=utf-8; header=present", "csv"},
    [REPORT_FOCUS] = {"focus", "text/csv; charset=utf-8; header=present", "csv"},
    [REPORT_FOCUS_INVOICE] = {"focus-invoice", "text/csv; charset=utf-8; header=present", "csv"},
    [REPORT_FOCUS_PERIOD] = {"focus-period", "text/csv; charset=utf-8; header=present", "csv"},
    [REPORT_FOCUS_SCHEMA] = {"focus-schema", "application/json", "json"},
    [REPORT_CSVW] = {"csvw", "application/csvm+json", "json"},
    [REPORT_AWS] = {"aws", "text/csv; charset=utf-8; header=present", "csv"},
    [REPORT_RECORDS] = {"records", "text/csv; charset=utf-8; header=present", "csv"},
    [REPORT_HTML] = {"html", "text/html; charset=utf-8", "html"},
    [REPORT_PDF] = {"pdf", "application/pdf", "pdf"},
    [REPORT_UBL] = {"ubl", "application/xml", "xml"},
};

#define LAYOUT_COUNT (sizeof LAYOUTS / sizeof LAYOUTS[0])

int report_layout_parse(const char *text, const char *field, enum report_layout *layout, struct err *err)
{
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        if (strcmp(LAYOUTS[i].name, text) == 0) {
            *layout = (enum report_layout)i;
            return 0;
        }
    }
    return err_field(err, field,
                     "%s is \"%.40s\"; layouts are summary, focus, focus-invoice, focus-period, "
                     "focus-schema, csvw, aws, records, html, pdf and ubl",
                     field[0] == '/' ? field + 1 : field, text);
}

int report_focus_version_parse(const char *text, const char *field, enum report_focus_version *version, struct err *err)
{
    static const char *const NAMES[] = {
        [REPORT_FOCUS_1_4] = "1.4", [REPORT_FOCUS_1_2] = "1.2", [REPORT_FOCUS_1_3] = "1.3"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(NAMES[i], text) == 0) {
            *version = (enum report_focus_version)i;
            return 0;
        }
    }
    return err_field(err, field, "%s is \"%.20s\"; 1.4, 1.3 or 1.2 is needed", field[0] == '/' ? field + 1 : field,
                     text);
}

const char *report_layout_name(enum report_layout layout)
{
    return LAYOUTS[layout].name;
}

const char *report_media_type(enum report_layout layout)
{
    return LAYOUTS[layout].media_type;
}

const char *report_file_extension(enum report_layout layout)
{
    return LAYOUTS[layout].extension;
}

void report_file_name(int64_t account_id, struct month month, enum report_layout layout, struct buf *name)
{
    char text[CALENDAR_TEXT_BYTES];
    char id[ID_TEXT_BYTES] = "all";
    month_format(month, text);
    if (account_id != 0) {
        id_format("acct", account_id, id);
    }
    buf_printf(name, "%s-%s-%s.%s", id, text, LAYOUTS[layout].name, LAYOUTS[layout].extension);
}

/* ---- one report: a layout, and whatever it needs ---- */

struct report {
    struct pg *pg;
    struct month month;
    const struct report_options *options;
    int64_t invoice_id; /* the document at hand; 0: the month's bill */
    struct csv csv;
    struct focus_period period; /* of REPORT_FOCUS_PERIOD */
};

static const char *issuer_of(const struct report_options *options)
{
    return options->issuer != NULL ? options->issuer : "Farthing";
}

/* Layouts that are tables: of one bill or of many. */
static bool is_table(enum report_layout layout)
{
    size_t at = 0;
    return report_column_next(layout, REPORT_FOCUS_1_4, &at) != NULL;
}

static void begin(struct report *report, report_sink_fn *sink, void *ctx)
{
    enum report_layout layout = report->options->layout;
    csv_begin(&report->csv, report->options, layout == REPORT_AWS, sink, ctx);
    report_columns_header(&report->csv, layout, report->options->focus_version);
}

static void write_bill(struct report *report, const struct bill *bill)
{
    const struct focus focus = {.version = report->options->focus_version, .issuer = issuer_of(report->options)};
    switch ((int)report->options->layout) {
    case REPORT_FOCUS_INVOICE:
        focus_invoice_bill(&report->csv, &focus, bill);
        break;
    case REPORT_FOCUS_PERIOD:
        focus_period_add(&report->period, bill);
        break;
    case REPORT_AWS:
        aws_bill(&report->csv, bill, focus.issuer);
        break;
    default:
        summary_bill(&report->csv, bill);
    }
}

int report_load(struct pg *pg, int64_t account_id, struct month month, int64_t invoice_id, unsigned split,
                struct bill **bill, struct err *err)
{
    return invoice_id != 0 ? bill_load_document(pg, account_id, invoice_id, split, bill, err)
                           : bill_load(pg, account_id, month, split, bill, err);
}

static int write_records(struct report *report, int64_t account_id, struct err *err)
{
    struct bill *bill = NULL;
    int64_t counted_us = 0;
    if (report->invoice_id == 0) {
        return bill_issued_at(report->pg, account_id, report->month, &counted_us, err) == 0
                   ? records_month(&report->csv, report->pg, account_id, report->month, counted_us, err)
                   : -1;
    }
    if (bill_load_document(report->pg, account_id, report->invoice_id, 0, &bill, err) != 0) {
        return -1;
    }
    int rc = bill->credit_note
                 ? err_set(err, ERR_CONFLICT, "%s has no records of its own: they are those of %s", bill->number,
                           bill->counterpart)
                 : records_month(&report->csv, report->pg, account_id, bill->month, bill_counted_us(bill), err);
    bill_free(&bill);
    return rc;
}

/* One account's part of the report. */
static int write_account(struct report *report, int64_t account_id, struct err *err)
{
    struct bill *bill = NULL;
    const struct focus focus = {.version = report->options->focus_version, .issuer = issuer_of(report->options)};
    if (report->options->layout == REPORT_RECORDS) {
        return write_records(report, account_id, err);
    }
    if (report->options->layout == REPORT_FOCUS) {
        return focus_month(&report->csv, report->pg, account_id, report->month, report->invoice_id, &focus, err);
    }
    if (report_load(report->pg, account_id, report->month, report->invoice_id, BILL_SPLIT_FUNCTION, &bill, err) != 0) {
        return -1;
    }
    write_bill(report, bill);
    bill_free(&bill);
    return 0;
}

static int on_document(int64_t account_id, int64_t invoice_id, void *ctx, struct err *err)
{
    struct report *report = ctx;
    report->invoice_id = invoice_id;
    int rc = write_account(report, account_id, err);
    report->invoice_id = 0;
    return rc;
}

/* Records are those of the month, however many documents there are about it. */
static int on_account(int64_t account_id, bool credited, void *ctx, struct err *err)
{
    struct report *report = ctx;
    return credited && report->options->layout != REPORT_RECORDS
               ? report_store_documents(report->pg, account_id, report->month, on_document, report, err)
               : write_account(report, account_id, err);
}

static int end(struct report *report, int rc, struct err *err)
{
    const struct focus focus = {.version = report->options->focus_version, .issuer = issuer_of(report->options)};
    if (rc != 0) {
        csv_abandon(&report->csv);
        return -1;
    }
    focus_period_row(&report->csv, &focus, &report->period);
    return csv_end(&report->csv, err);
}

/* A document of one bill, not a table. */
static int write_printed(struct pg *pg, int64_t account_id, struct month month, const struct report_options *options,
                         report_sink_fn *sink, void *ctx, struct err *err)
{
    struct printed *printed = NULL;
    struct buf page = {0};
    if (printed_load(pg, account_id, month, options, &printed, err) != 0) {
        return -1;
    }
    int rc = 0;
    if (options->layout == REPORT_UBL) {
        rc = printed_ubl(printed, &page, err);
        rc = rc == 0 ? sink(page.data, page.length, ctx, err) : rc;
    } else if (options->layout == REPORT_PDF) {
        rc = printed_pdf(printed, sink, ctx, err);
    } else if (printed_html(printed, &page) != 0) {
        rc = err_set(err, ERR_SYSTEM, "invoice: out of memory");
    } else {
        rc = sink(page.data, page.length, ctx, err);
    }
    buf_free(&page);
    printed_free(&printed);
    return rc;
}

/* Says what the columns are: no database is asked. */
static int write_metadata(int64_t account_id, struct month month, const struct report_options *options,
                          report_sink_fn *sink, void *ctx, struct err *err)
{
    struct buf text = {0};
    struct buf url = {0};
    if (options->layout == REPORT_FOCUS_SCHEMA) {
        metadata_focus(options->focus_version, &text);
    } else {
        report_file_name(account_id, month, options->csvw_of, &url);
        metadata_csvw(options, options->csvw_url != NULL ? options->csvw_url : buf_text(&url), &text);
    }
    int rc =
        buf_ok(&text) ? sink(text.data, text.length, ctx, err) : err_set(err, ERR_SYSTEM, "metadata: out of memory");
    buf_free(&text);
    buf_free(&url);
    return rc;
}

int report_bill(struct pg *pg, int64_t account_id, struct month month, const struct report_options *options,
                report_sink_fn *sink, void *ctx, struct err *err)
{
    struct report report = {.pg = pg, .month = month, .options = options, .invoice_id = options->invoice_id};
    if (options->layout == REPORT_CSVW && !is_table(options->csvw_of)) {
        return err_field(err, "csvw_of", "csvw_of is %s, which is no table", LAYOUTS[options->csvw_of].name);
    }
    if (options->layout == REPORT_FOCUS_SCHEMA || options->layout == REPORT_CSVW) {
        return write_metadata(account_id, month, options, sink, ctx, err);
    }
    if (options->layout == REPORT_HTML || options->layout == REPORT_PDF || options->layout == REPORT_UBL) {
        return write_printed(pg, account_id, month, options, sink, ctx, err);
    }
    begin(&report, sink, ctx);
    return end(&report, write_account(&report, account_id, err), err);
}

int report_all(struct pg *pg, struct month month, const struct report_options *options, report_sink_fn *sink, void *ctx,
               struct err *err)
{
    struct report report = {.pg = pg, .month = month, .options = options};
    if (options->layout == REPORT_FOCUS_SCHEMA || (options->layout == REPORT_CSVW && is_table(options->csvw_of))) {
        return write_metadata(0, month, options, sink, ctx, err);
    }
    if (!is_table(options->layout)) {
        return err_field(err, "layout", "layout %s is one bill's: it cannot be had for all accounts in one file",
                         LAYOUTS[options->layout].name);
    }
    begin(&report, sink, ctx);
    return end(&report, report_store_accounts(pg, month, on_account, &report, err), err);
}
