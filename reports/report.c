#include "reports/report.h"

#include "billing/bill.h"
#include "common/err.h"
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

/* Layouts this build can write; the others answer that they cannot. */
static bool written(enum report_layout layout)
{
    return layout == REPORT_SUMMARY;
}

int report_layout_parse(const char *text, const char *field, enum report_layout *layout, struct err *err)
{
    for (size_t i = 0; i < LAYOUT_COUNT; i++) {
        if (strcmp(LAYOUTS[i].name, text) == 0 && written((enum report_layout)i)) {
            *layout = (enum report_layout)i;
            return 0;
        }
    }
    return err_field(err, field, "%s is \"%.40s\"; layouts are: summary", field[0] == '/' ? field + 1 : field, text);
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

const char *report_media_type(enum report_layout layout)
{
    return LAYOUTS[layout].media_type;
}

const char *report_file_extension(enum report_layout layout)
{
    return LAYOUTS[layout].extension;
}

static int need_written(enum report_layout layout, struct err *err)
{
    if (written(layout)) {
        return 0;
    }
    return err_field(err, "layout", "layout %s cannot be written", LAYOUTS[layout].name);
}

int report_bill(struct pg *pg, int64_t account_id, struct month month, const struct report_options *options,
                report_sink_fn *sink, void *ctx, struct err *err)
{
    struct bill *bill = NULL;
    struct csv csv;
    if (need_written(options->layout, err) != 0 ||
        bill_load(pg, account_id, month, BILL_SPLIT_FUNCTION, &bill, err) != 0) {
        return -1;
    }
    csv_begin(&csv, options, false, sink, ctx);
    summary_header(&csv);
    summary_bill(&csv, bill);
    bill_free(&bill);
    return csv_end(&csv, err);
}

struct all {
    struct pg *pg;
    struct month month;
    struct csv csv;
};

static int one_of_all(int64_t account_id, void *ctx, struct err *err)
{
    struct all *all = ctx;
    struct bill *bill = NULL;
    if (bill_load(all->pg, account_id, all->month, BILL_SPLIT_FUNCTION, &bill, err) != 0) {
        return -1;
    }
    summary_bill(&all->csv, bill);
    bill_free(&bill);
    return 0;
}

int report_all(struct pg *pg, struct month month, const struct report_options *options, report_sink_fn *sink, void *ctx,
               struct err *err)
{
    struct all all = {.pg = pg, .month = month};
    if (need_written(options->layout, err) != 0) {
        return -1;
    }
    csv_begin(&all.csv, options, false, sink, ctx);
    summary_header(&all.csv);
    int rc = report_store_accounts(pg, month, one_of_all, &all, err);
    struct err end = {0};
    if (csv_end(&all.csv, &end) != 0 && rc == 0) {
        *err = end;
        rc = -1;
    }
    return rc;
}
