/*
 * focus.h - FOCUS (FinOps Open Cost and Usage Specification): Cost and Usage rows and the two companions of 1.4.
 *
 * Ownership: borrows everything. Threads: one struct pg a thread.
 */
#ifndef FARTHING_REPORTS_FOCUS_H
#define FARTHING_REPORTS_FOCUS_H

#include "reports/report_internal.h"

struct pg;

struct focus {
    enum report_focus_version version;
    const char *issuer;
};

/* Cost and Usage of one account's month: rows of functions in order of name, version, memory, day; lines that are not
 * usage (fees, credits, taxes) last. invoice_id as in report_load. The memory it takes grows with functions, not with
 * rows. */
int focus_month(struct csv *csv, struct pg *pg, int64_t account_id, struct month month, int64_t invoice_id,
                const struct focus *focus, struct err *err);

/* InvoiceDetail: a row a line of an invoice; an estimate has none, for nothing was invoiced. */
void focus_invoice_bill(struct csv *csv, const struct focus *focus, const struct bill *bill);

/* BillingPeriod of one account or of many: begin with {0}, count every bill in, then write the one row. */
struct focus_period {
    bool any, open;
    struct month month;
    int64_t updated_us;
};
void focus_period_add(struct focus_period *period, const struct bill *bill);
void focus_period_row(struct csv *csv, const struct focus *focus, const struct focus_period *period);

/* Words both files use. */
const char *focus_category(enum line_kind kind);
void focus_invoice_detail_id(const struct bill *bill, int line, char text[64]);

#endif
