/*
 * csv.h - writing CSV (RFC 4180): CRLF, UTF-8, quotes where needed, the same values give the same bytes.
 *
 * Why:       bills are read by spreadsheets, databases and people's scripts; none of them may misread a name.
 * Ownership: borrows the sink. Threads: one at a time. Errors: the first one sticks; ask with csv_end.
 */
#ifndef FARTHING_REPORTS_CSV_H
#define FARTHING_REPORTS_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "reports/report.h"

struct csv {
    report_sink_fn *sink;
    void *ctx;
    bool safe;      /* text that a spreadsheet would take for a formula gets a ' in front */
    bool quote_all; /* AWS's layout quotes every field */
    bool row_begun;
    bool failed;
    struct err err;
    struct buf buf;
};

void csv_begin(struct csv *csv, const struct report_options *options, bool quote_all, report_sink_fn *sink, void *ctx);
/* Text of people (names, tags): quoted where needed, made safe on request. NULL and "" are empty fields. */
void csv_text(struct csv *csv, const char *text);
/* Text of this program (words, numbers, times): never made safe. */
void csv_word(struct csv *csv, const char *word);
void csv_i64(struct csv *csv, int64_t value);
/* A field as it stands in the file, appended to cell: for whoever writes the same one into many rows with csv_raw. */
void csv_cell_text(const struct csv *csv, const char *text, struct buf *cell);
void csv_cell_word(const struct csv *csv, const char *word, struct buf *cell);
/* Bytes that are fields already, commas included; they begin a row or go on with it. */
void csv_raw(struct csv *csv, const char *bytes, size_t length);
void csv_row_end(struct csv *csv);
/* Hands over what is buffered and releases; -1 with the first error. */
int csv_end(struct csv *csv, struct err *err);
/* Releases and forgets what is buffered: the report failed, and half of it helps nobody. */
void csv_abandon(struct csv *csv);

#endif
