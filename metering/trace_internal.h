/*
 * trace_internal.h - between trace*.c only.
 */
#ifndef FARTHING_METERING_TRACE_INTERNAL_H
#define FARTHING_METERING_TRACE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define CSV_FIELDS_MAX 1600

struct csv_field {
    const char *text; /* not NUL-terminated */
    size_t length;
};

/* Lines of comma-separated fields without quotes, as these files are. */
struct csv {
    const char *what; /* for errors: "inv", "run", "mem" */
    const char *at, *end;
    int line;
    size_t columns; /* of the header; every line has as many */
    struct csv_field fields[CSV_FIELDS_MAX];
};

void csv_open(struct csv *csv, const char *what, const char *text, size_t length);
/* *more is false at the end; the first line is the header. Empty lines are an error, a last newline is not needed. */
int csv_next(struct csv *csv, bool *more, struct err *err);
/* Column of a header line; -1 when it is not there. */
int csv_column(const struct csv *csv, const char *name);
int csv_fail(const struct csv *csv, struct err *err, const char *problem);

/* "12", "12.5", "12.345" times scale, cut below 1; at most value_max. */
bool csv_decimal(struct csv_field field, uint64_t scale, uint64_t value_max, uint64_t *value);

#endif
