/*
 * report.h - bills as files: one call writes one layout of one bill to a sink, in constant memory.
 *
 * Why:       API, CLI and delivery hand out the same bytes because they all call this. The same bill gives the same
 * bytes. Ownership: borrows everything. Threads: one struct pg a thread.
 */
#ifndef FARTHING_REPORTS_REPORT_H
#define FARTHING_REPORTS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/calendar.h"

struct buf;
struct err;
struct party;
struct pg;

enum report_layout {
    REPORT_SUMMARY,       /* lines, each followed by its functions' shares; total last */
    REPORT_FOCUS,         /* FOCUS Cost and Usage; see focus_version */
    REPORT_FOCUS_INVOICE, /* FOCUS 1.4 InvoiceDetail */
    REPORT_FOCUS_PERIOD,  /* FOCUS 1.4 BillingPeriod */
    REPORT_FOCUS_SCHEMA,  /* FOCUS schema metadata, JSON */
    REPORT_CSVW,          /* CSV on the Web metadata of the layout in csvw_of, JSON */
    REPORT_AWS,           /* AWS's monthly billing CSV, 29 columns with total rows */
    REPORT_RECORDS,       /* the raw records behind the bill */
    REPORT_HTML,          /* printed invoice, a page */
    REPORT_PDF,           /* printed invoice, A4 or Letter */
    REPORT_UBL            /* UBL 2.1 / EN 16931 */
};

enum report_focus_version { REPORT_FOCUS_1_4, REPORT_FOCUS_1_2, REPORT_FOCUS_1_3 };

struct report_options {
    enum report_layout layout;
    enum report_focus_version focus_version;
    enum report_layout csvw_of;
    int64_t invoice_id;               /* this document (invoice or credit note), not the month's bill; 0: the bill */
    const char *csvw_url;             /* file the metadata describes; NULL: as report_file_name has it */
    bool csv_safe;                    /* text cells that a spreadsheet would take for a formula get a ' in front */
    bool bom;                         /* UTF-8 byte order mark first */
    bool letter;                      /* US Letter instead of A4 */
    const char *issuer;               /* operator's name; NULL: "Farthing" */
    const struct party *issuer_party; /* the operator's address and tax number (reports/party.h); NULL: the name only */
};

/* Called with pieces of the file in order; -1 (err set) stops the report. */
typedef int report_sink_fn(const void *bytes, size_t length, void *ctx, struct err *err);

/* "summary", "focus", "focus-invoice", ...; ERR_INVALID naming field lists the layouts. */
int report_layout_parse(const char *text, const char *field, enum report_layout *layout, struct err *err);
int report_focus_version_parse(const char *text, const char *field, enum report_focus_version *version,
                               struct err *err);
const char *report_layout_name(enum report_layout layout);
/* "text/csv; charset=utf-8; header=present", ... and "csv", "pdf", ... */
const char *report_media_type(enum report_layout layout);
const char *report_file_extension(enum report_layout layout);

/* "acct_100000000001-2026-10-focus.csv"; account 0: "all". */
void report_file_name(int64_t account_id, struct month month, enum report_layout layout, struct buf *name);

/* One account and month: from the issued invoice when there is one, otherwise an estimate marked as such. With
 * options->invoice_id that document, whatever became of it; ERR_CONFLICT for the records of a credit note. */
int report_bill(struct pg *pg, int64_t account_id, struct month month, const struct report_options *options,
                report_sink_fn *sink, void *ctx, struct err *err);
/* All accounts with anything on their bill, in order of account id, in one file: layouts that are tables only. Of an
 * account with a credit note about the month every document that is not void stands there, in order of issue, so that
 * the file adds up to what is owed. */
int report_all(struct pg *pg, struct month month, const struct report_options *options, report_sink_fn *sink, void *ctx,
               struct err *err);

#endif
