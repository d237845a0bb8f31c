/*
 * focus_row.h - one line of FOCUS: what is the same in all rows of an invoice line is written once and copied, the few
 * fields that differ are put between.
 *
 * Why:       a row has over 70 fields and a month millions of rows; 13 fields differ from row to row.
 * Ownership: focus_rows_open allocates, focus_rows_close releases; borrows csv, focus and bill. Threads: one at a time.
 */
#ifndef FARTHING_REPORTS_FOCUS_ROW_H
#define FARTHING_REPORTS_FOCUS_ROW_H

#include "reports/focus.h"
#include "reports/focus_split.h"
#include "reports/focus_store.h"

struct focus_rows;

int focus_rows_open(struct csv *csv, const struct focus *focus, const struct bill *bill, struct focus_rows **rows,
                    struct err *err);
void focus_rows_close(struct focus_rows **rows);

/* The rows that follow are of this function; tags is JSON text, NULL: none. */
void focus_rows_function(struct focus_rows *rows, int64_t function_id, const char *name, const char *tags);
/* A piece of a usage line; usage NULL: of the month as a whole, of no version. */
int focus_rows_piece(struct focus_rows *rows, const struct focus_piece *piece, const struct focus_usage *usage,
                     struct err *err);
/* A line as a whole: tax, fee, credit, correction. */
void focus_rows_line(struct focus_rows *rows, int line);

#endif
