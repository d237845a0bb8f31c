/*
 * report_internal.h - the layouts, for report.c. Each writes the rows of one bill; columns.h has their headers.
 */
#ifndef FARTHING_REPORTS_REPORT_INTERNAL_H
#define FARTHING_REPORTS_REPORT_INTERNAL_H

#include "billing/bill.h"
#include "reports/csv.h"
#include "reports/report.h"

/* Own units to pricing units, exactly: "140000", "0.0009765625". */
void report_quantity(enum meter meter, int64_t quantity, char text[MONEY_TEXT_BYTES]);

/* The month's bill, or the document invoice_id where it is not 0. */
int report_load(struct pg *pg, int64_t account_id, struct month month, int64_t invoice_id, unsigned split,
                struct bill **bill, struct err *err);

void summary_bill(struct csv *csv, const struct bill *bill);

void aws_bill(struct csv *csv, const struct bill *bill, const char *issuer);

#endif
