#include "reports/csv.h"

#include <string.h>

#define CSV_BUFFER_BYTES 65536

void csv_begin(struct csv *csv, const struct report_options *options, bool quote_all, report_sink_fn *sink, void *ctx)
{
    *csv = (struct csv){.sink = sink, .ctx = ctx, .safe = options->csv_safe, .quote_all = quote_all};
    if (options->bom) {
        buf_puts(&csv->buf, "\xEF\xBB\xBF");
    }
}

static void flush(struct csv *csv)
{
    if (!csv->failed && !buf_ok(&csv->buf)) {
        csv->failed = true;
        (void)err_set(&csv->err, ERR_SYSTEM, "csv: out of memory");
    }
    if (!csv->failed && csv->buf.length > 0 && csv->sink(csv->buf.data, csv->buf.length, csv->ctx, &csv->err) != 0) {
        csv->failed = true;
    }
    buf_clear(&csv->buf);
}

static void field_begin(struct csv *csv)
{
    if (csv->row_begun) {
        buf_putc(&csv->buf, ',');
    }
    csv->row_begun = true;
}

/* Which bytes make a field need quotes wherever they stand. */
static bool special(char c)
{
    return c == ',' || c == '"' || c == '\r' || c == '\n';
}

static bool must_quote(const char *text, size_t length)
{
    if (length == 0) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (special(text[i])) {
            return true;
        }
    }
    return text[0] == ' ' || text[0] == '#' || text[length - 1] == ' ';
}

static void put(const struct csv *csv, struct buf *out, const char *prefix, const char *text)
{
    size_t length = strlen(text);
    if (!csv->quote_all && *prefix == '\0' && !must_quote(text, length)) {
        buf_append(out, text, length);
        return;
    }
    buf_putc(out, '"');
    buf_puts(out, prefix);
    for (const char *quote = strchr(text, '"'); quote != NULL; quote = strchr(text, '"')) {
        buf_append(out, text, (size_t)(quote - text) + 1);
        buf_putc(out, '"');
        text = quote + 1;
    }
    buf_puts(out, text);
    buf_putc(out, '"');
}

void csv_cell_text(const struct csv *csv, const char *text, struct buf *cell)
{
    const char *value = text != NULL ? text : "";
    bool formula = value[0] != '\0' && strchr("=+-@\t\r\n", value[0]) != NULL;
    put(csv, cell, csv->safe && formula ? "'" : "", value);
}

void csv_cell_word(const struct csv *csv, const char *word, struct buf *cell)
{
    put(csv, cell, "", word != NULL ? word : "");
}

void csv_text(struct csv *csv, const char *text)
{
    field_begin(csv);
    csv_cell_text(csv, text, &csv->buf);
}

void csv_word(struct csv *csv, const char *word)
{
    field_begin(csv);
    csv_cell_word(csv, word, &csv->buf);
}

void csv_raw(struct csv *csv, const char *bytes, size_t length)
{
    field_begin(csv);
    buf_append(&csv->buf, bytes, length);
}

void csv_i64(struct csv *csv, int64_t value)
{
    char digits[24];
    char *at = digits + sizeof digits - 1;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    *at = '\0';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        *--at = '-';
    }
    csv_word(csv, at);
}

void csv_row_end(struct csv *csv)
{
    buf_puts(&csv->buf, "\r\n");
    csv->row_begun = false;
    if (csv->buf.length >= CSV_BUFFER_BYTES) {
        flush(csv);
    }
}

int csv_end(struct csv *csv, struct err *err)
{
    flush(csv);
    buf_free(&csv->buf);
    if (csv->failed) {
        *err = csv->err;
        return -1;
    }
    return 0;
}

void csv_abandon(struct csv *csv)
{
    buf_free(&csv->buf);
}
