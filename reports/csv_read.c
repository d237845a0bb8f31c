#include "reports/csv_read.h"

#include "common/err.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const struct csv_reader *reader, const char *what, struct err *err)
{
    return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": %s", reader->name, reader->row, what);
}

/* One field into bytes, NUL-terminated. *end is ',' or '\n', or EOF. */
static int read_field(struct csv_reader *reader, int first, int *end, struct err *err)
{
    int c = first;
    bool quoted = c == '"';
    bool closed = !quoted;
    if (quoted) {
        c = getc(reader->file);
    }
    for (;; c = getc(reader->file)) {
        if (reader->bytes.length > CSV_ROW_BYTES_MAX) {
            return wrong(reader, "the row is longer than a megabyte", err);
        }
        if (c == '\0') {
            return wrong(reader, "it has a NUL byte; this is not a text file", err);
        }
        if (quoted && c == '"') {
            c = getc(reader->file);
            if (c != '"') {
                closed = true;
                break;
            }
        } else if (quoted ? c == EOF : (c == ',' || c == '\r' || c == '\n' || c == EOF)) {
            break;
        } else if (!quoted && c == '"') {
            return wrong(reader, "a quote stands inside a field that does not begin with one", err);
        }
        buf_putc(&reader->bytes, (char)c);
    }
    if (!closed) {
        return wrong(reader, "a quoted field is not closed", err);
    }
    if (c == '\r') {
        c = getc(reader->file);
        if (c != '\n') {
            return wrong(reader, "a carriage return stands alone", err);
        }
    }
    if (c != ',' && c != '\n' && c != EOF) {
        return wrong(reader, "text follows a closing quote", err);
    }
    buf_putc(&reader->bytes, '\0');
    *end = c;
    return 0;
}

/* Past a byte order mark, which is no part of the first field: that may begin with a quote. Other bytes are kept. */
static int after_mark(struct csv_reader *reader, int c)
{
    static const int MARK[] = {0xEF, 0xBB, 0xBF};
    int seen = 0;
    while (seen < 3 && c == MARK[seen]) {
        seen++;
        c = getc(reader->file);
    }
    for (int i = 0; i < seen && seen < 3; i++) {
        buf_putc(&reader->bytes, (char)MARK[i]);
    }
    return c;
}

static int read_row(struct csv_reader *reader, bool *more, struct err *err)
{
    size_t starts[CSV_FIELDS_MAX];
    int end = ',';
    buf_clear(&reader->bytes);
    reader->count = 0;
    int c = getc(reader->file);
    *more = c != EOF;
    if (c == EOF) {
        return ferror(reader->file) ? err_set(err, ERR_SYSTEM, "%s cannot be read", reader->name) : 0;
    }
    if (reader->row++ == 0) {
        c = after_mark(reader, c);
    }
    while (end == ',') {
        if (reader->count == CSV_FIELDS_MAX) {
            return wrong(reader, "it has more than 128 fields", err);
        }
        starts[reader->count] = reader->count == 0 ? 0 : reader->bytes.length;
        reader->count++;
        if (read_field(reader, c, &end, err) != 0) {
            return -1;
        }
        c = end == ',' ? getc(reader->file) : c;
    }
    if (!buf_ok(&reader->bytes)) {
        return err_set(err, ERR_SYSTEM, "%s: out of memory", reader->name);
    }
    for (int i = 0; i < reader->count; i++) {
        reader->fields[i] = reader->bytes.data + starts[i];
    }
    return 0;
}

int csv_read_open(struct csv_reader *reader, FILE *file, const char *name, struct err *err)
{
    bool more = false;
    *reader = (struct csv_reader){.file = file, .name = name};
    if (read_row(reader, &more, err) != 0) {
        return -1;
    }
    if (!more) {
        return err_set(err, ERR_INVALID, "%s is empty; a header row is needed", name);
    }
    reader->header_bytes = malloc(reader->bytes.length);
    if (reader->header_bytes == NULL) {
        return err_set(err, ERR_SYSTEM, "%s: out of memory", name);
    }
    memcpy(reader->header_bytes, reader->bytes.data, reader->bytes.length);
    reader->header_count = reader->count;
    for (int i = 0; i < reader->count; i++) {
        reader->header[i] = reader->header_bytes + (reader->fields[i] - reader->bytes.data);
    }
    return 0;
}

int csv_read_row(struct csv_reader *reader, bool *more, struct err *err)
{
    if (read_row(reader, more, err) != 0) {
        return -1;
    }
    if (*more && reader->count != reader->header_count) {
        return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": it has %d fields, the header has %d", reader->name,
                       reader->row, reader->count, reader->header_count);
    }
    return 0;
}

int csv_read_field(const struct csv_reader *reader, const char *column, const char **field, struct err *err)
{
    for (int i = 0; i < reader->header_count; i++) {
        if (strcmp(reader->header[i], column) == 0) {
            *field = reader->fields[i];
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "%s has no column %s", reader->name, column);
}

void csv_read_close(struct csv_reader *reader)
{
    free(reader->header_bytes);
    buf_free(&reader->bytes);
    reader->header_bytes = NULL;
}
