/*
 * Goal: what the CSV writer writes, the reader reads back byte for byte, whatever stands in a field; and the reader
 * ends on every input with rows as wide as the header, or says what is wrong.
 */
#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "reports/csv.h"
#include "reports/csv_read.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

/* Fields are what stands between NULs; the first byte chooses the options. */
static int split(char *text, size_t size, const char *fields[FIELDS_MAX])
{
    int count = 0;
    for (size_t at = 0; at <= size && count < FIELDS_MAX; at += strlen(text + at) + 1) {
        fields[count++] = text + at;
    }
    return count;
}

static void write_all(const char *const *fields, int count, const struct report_options *options, bool quote_all,
                      struct buf *out)
{
    struct csv csv;
    struct err err = {0};
    csv_begin(&csv, options, quote_all, collect, out);
    for (int i = 0; i < count; i++) {
        csv_word(&csv, "column");
    }
    csv_row_end(&csv);
    for (int i = 0; i < count; i++) {
        csv_text(&csv, fields[i]);
    }
    csv_row_end(&csv);
    CHECK(csv_end(&csv, &err) == 0);
}

static void check_back(const struct buf *file, const char *const *fields, int count, bool safe)
{
    struct csv_reader reader = {0};
    struct err err = {0};
    bool more = false;
    FILE *in = fmemopen(file->data, file->length, "r");
    CHECK(in != NULL && csv_read_open(&reader, in, "fuzz", &err) == 0);
    CHECK(csv_read_row(&reader, &more, &err) == 0 && more && reader.count == count);
    for (int i = 0; i < count; i++) {
        bool guarded = safe && fields[i][0] != '\0' && strchr("=+-@\t\r\n", fields[i][0]) != NULL;
        CHECK(strcmp(reader.fields[i] + (guarded ? 1 : 0), fields[i]) == 0);
        CHECK(!guarded || reader.fields[i][0] == '\'');
    }
    CHECK(csv_read_row(&reader, &more, &err) == 0 && !more);
    csv_read_close(&reader);
    (void)fclose(in);
}

static void read_anything(const char *text, size_t size)
{
    struct csv_reader reader = {0};
    struct err err = {0};
    bool more = true;
    FILE *in = fmemopen((void *)(uintptr_t)text, size, "r");
    if (in == NULL) {
        return;
    }
    int rc = csv_read_open(&reader, in, "fuzz", &err);
    while (rc == 0 && more) {
        rc = csv_read_row(&reader, &more, &err);
        CHECK(rc != 0 || !more || reader.count == reader.header_count);
    }
    CHECK(rc == 0 || err.code != ERR_NONE);
    csv_read_close(&reader);
    (void)fclose(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *fields[FIELDS_MAX];
    struct buf file = {0};
    if (size < 2 || size > 65536) {
        return 0;
    }
    char *text = malloc(size);
    CHECK(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    int count = split(text, size - 1, fields);
    const struct report_options options = {.csv_safe = (data[0] & 1) != 0, .bom = (data[0] & 2) != 0};
    /* A single empty field is an empty line, which no reader can tell from none. */
    if (count > 1 || fields[0][0] != '\0') {
        write_all(fields, count, &options, (data[0] & 4) != 0, &file);
        check_back(&file, fields, count, options.csv_safe);
    }
    read_anything(text, size - 1);
    buf_free(&file);
    free(text);
    return 0;
}
