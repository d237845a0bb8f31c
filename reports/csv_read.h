/*
 * csv_read.h - a strict, streaming reader of CSV (RFC 4180, also bare LF line ends) for verification.
 *
 * Ownership: fields live until the next csv_read_row. Threads: one at a time.
 * Limits:    CSV_FIELDS_MAX fields a row, CSV_ROW_BYTES_MAX bytes a row; more is ERR_LIMIT.
 */
#ifndef FARTHING_REPORTS_CSV_READ_H
#define FARTHING_REPORTS_CSV_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/buf.h"

struct err;

#define CSV_FIELDS_MAX 128
#define CSV_ROW_BYTES_MAX 1048576

struct csv_reader {
    FILE *file;       /* borrowed */
    const char *name; /* for errors: the file's name */
    int64_t row;      /* number of the row just read, 1 is the header */
    int count;
    const char *fields[CSV_FIELDS_MAX];
    struct buf bytes;
    int header_count;
    char *header_bytes;
    const char *header[CSV_FIELDS_MAX];
};

/* Reads the header row. */
int csv_read_open(struct csv_reader *reader, FILE *file, const char *name, struct err *err);
/* *more is false at the end. Every row has as many fields as the header, or it is ERR_INVALID naming the row. */
int csv_read_row(struct csv_reader *reader, bool *more, struct err *err);
/* Field of the current row by column name; ERR_INVALID when there is no such column. */
int csv_read_field(const struct csv_reader *reader, const char *column, const char **field, struct err *err);
void csv_read_close(struct csv_reader *reader);

#endif
