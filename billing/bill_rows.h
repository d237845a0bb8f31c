/*
 * bill_rows.h - rows of usage and lines as the statements of a bill return them.
 */
#ifndef FARTHING_BILLING_BILL_ROWS_H
#define FARTHING_BILLING_BILL_ROWS_H

#include "billing/bill_rate.h"
#include "schema/pg.h"

/* ctx is a struct bill_usage_list. */
int bill_take_usage(const struct pg_row *row, void *ctx, struct err *err);

/* The words of column invoice_line.kind. */
const char *bill_line_kind_name(enum line_kind kind);
int bill_line_kind_parse(const char *text, enum line_kind *kind, struct err *err);

#endif
