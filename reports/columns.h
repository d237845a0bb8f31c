/*
 * columns.h - the columns of the layouts as data: the header line, CSV on the Web metadata and FOCUS schema metadata
 * are written from these tables, so they cannot say different things.
 */
#ifndef FARTHING_REPORTS_COLUMNS_H
#define FARTHING_REPORTS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "reports/report.h"

struct csv;

enum column_type { COLUMN_TEXT, COLUMN_INTEGER, COLUMN_DECIMAL, COLUMN_TIME, COLUMN_JSON };

struct report_column {
    const char *name;
    enum column_type type;
    bool nullable; /* the field may be empty */
};

/* The next column of a layout from *at (0 at first) on, NULL after the last and for layouts that are no table. */
const struct report_column *report_column_next(enum report_layout layout, enum report_focus_version version,
                                               size_t *at);
/* The names of the layout as header line. */
void report_columns_header(struct csv *csv, enum report_layout layout, enum report_focus_version version);

extern const struct report_column SUMMARY_COLUMNS[], AWS_COLUMNS[], RECORDS_COLUMNS[];
extern const struct report_column FOCUS_INVOICE_COLUMNS[], FOCUS_PERIOD_COLUMNS[];
extern const size_t SUMMARY_COLUMN_COUNT, AWS_COLUMN_COUNT, RECORDS_COLUMN_COUNT;
extern const size_t FOCUS_INVOICE_COLUMN_COUNT, FOCUS_PERIOD_COLUMN_COUNT;

#endif
