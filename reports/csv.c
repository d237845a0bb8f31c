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

static void put(struct csv *csv, const char *prefix, const char *text)
{
    bool quoted = csv->quote_all || *prefix != '\0' || text[strcspn(text, ",\"\r\n")] != '\0' || text[0] == ' ' ||
                  text[0] == '#' || (text[0] != '\0' && text[strlen(text) - 1] == ' ');
    field_begin(csv);
    if (!quoted) {
        buf_puts(&csv->buf, text);
        return;
    }
    buf_putc(&csv->buf, '"');
    buf_puts(&csv->buf, prefix);
    for (const char *quote = strchr(text, '"'); quote != NULL; quote = strchr(text, '"')) {
        buf_append(&csv->buf, text, (size_t)(quote - text) + 1);
        buf_putc(&csv->buf, '"');
        text = quote + 1;
    }
    buf_puts(&csv->buf, text);
    buf_putc(&csv->buf, '"');
}

void csv_text(struct csv *csv, const char *text)
{
    const char *value = text != NULL ? text : "";
    bool formula = value[0] != '\0' && strchr("=+-@\t\r\n", value[0]) != NULL;
    put(csv, csv->safe && formula ? "'" : "", value);
}

void csv_word(struct csv *csv, const char *word)
{
    put(csv, "", word != NULL ? word : "");
}

void csv_i64(struct csv *csv, int64_t value)
{
    struct buf number = {0};
    buf_i64(&number, value);
    put(csv, "", buf_text(&number));
    buf_free(&number);
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
