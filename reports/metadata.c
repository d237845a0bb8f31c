#include "reports/metadata.h"

#include "common/buf.h"
#include "common/json.h"
#include "common/text.h"
#include "reports/columns.h"
#include "reports/focus_columns.h"

#include <stdio.h>

/* Day of the last change of the columns: the schema is the same in every file until then. */
#define SCHEMA_DATE "2026-11-01T00:00:00Z"
#define SCHEMA_REVISION 2

/* Digits an exact amount can have: 12 before the point and EXACT_DECIMALS_MAX behind it. */
#define NUMERIC_PRECISION 60
#define NUMBER_SCALE 47
#define TEXT_LENGTH_MAX 4096

static const char *focus_version_text(enum report_focus_version version)
{
    switch (version) {
    case REPORT_FOCUS_1_2:
        return "1.2";
    case REPORT_FOCUS_1_3:
        return "1.3";
    case REPORT_FOCUS_1_4:
        return "1.4";
    }
    return "";
}

static void focus_column(struct json_writer *writer, const struct report_column *column)
{
    static const char *const TYPES[] = {[COLUMN_TEXT] = "STRING",
                                        [COLUMN_INTEGER] = "INTEGER",
                                        [COLUMN_DECIMAL] = "DECIMAL",
                                        [COLUMN_TIME] = "DATETIME",
                                        [COLUMN_JSON] = "JSON"};
    json_open_object(writer, NULL);
    json_put_text(writer, "ColumnName", column->name);
    json_put_text(writer, "DataType", TYPES[column->type]);
    if (column->type == COLUMN_DECIMAL) {
        json_put_i64(writer, "NumericPrecision", NUMERIC_PRECISION);
        json_put_i64(writer, "NumberScale", NUMBER_SCALE);
    } else if (column->type == COLUMN_TEXT || column->type == COLUMN_JSON) {
        json_put_i64(writer, "StringMaxLength", TEXT_LENGTH_MAX);
        json_put_text(writer, "StringEncoding", "UTF-8");
    }
    if (text_equal(column->name, "Tags")) {
        json_open_array(writer, "ProviderTagPrefixes");
        json_close_array(writer);
    }
    json_close_object(writer);
}

void metadata_focus(enum report_focus_version version, struct buf *out)
{
    struct json_writer writer;
    char id[64];
    size_t at = 0;
    (void)snprintf(id, sizeof id, "farthing-focus-%s-%d", focus_version_text(version), SCHEMA_REVISION);
    json_writer_init(&writer, out);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "SchemaId", id);
    json_put_text(&writer, "FocusVersion", focus_version_text(version));
    json_put_text(&writer, "DataGeneratorVersion", FARTHING_VERSION);
    json_put_text(&writer, "CreationDate", SCHEMA_DATE);
    json_open_array(&writer, "ColumnDefinition");
    for (const struct report_column *column = report_column_next(REPORT_FOCUS, version, &at); column != NULL;
         column = report_column_next(REPORT_FOCUS, version, &at)) {
        focus_column(&writer, column);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    buf_putc(out, '\n');
}

static void csvw_column(struct json_writer *writer, const struct report_column *column)
{
    static const char *const TYPES[] = {[COLUMN_TEXT] = "string",
                                        [COLUMN_INTEGER] = "integer",
                                        [COLUMN_DECIMAL] = "decimal",
                                        [COLUMN_TIME] = "dateTimeStamp",
                                        [COLUMN_JSON] = "json"};
    json_open_object(writer, NULL);
    json_put_text(writer, "name", column->name);
    json_put_text(writer, "titles", column->name);
    json_put_text(writer, "datatype", TYPES[column->type]);
    json_put_bool(writer, "required", !column->nullable);
    json_close_object(writer);
}

void metadata_csvw(const struct report_options *options, const char *url, struct buf *out)
{
    struct json_writer writer;
    size_t at = 0;
    json_writer_init(&writer, out);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "@context", "http://www.w3.org/ns/csvw");
    json_put_text(&writer, "url", url);
    json_open_object(&writer, "dialect");
    json_put_text(&writer, "encoding", "utf-8");
    json_put_text(&writer, "delimiter", ",");
    json_put_text(&writer, "quoteChar", "\"");
    json_put_bool(&writer, "doubleQuote", true);
    json_put_bool(&writer, "header", true);
    json_open_array(&writer, "lineTerminators");
    json_put_text(&writer, NULL, "\r\n");
    json_close_array(&writer);
    json_close_object(&writer);
    json_open_object(&writer, "tableSchema");
    json_open_array(&writer, "columns");
    for (const struct report_column *column = report_column_next(options->csvw_of, options->focus_version, &at);
         column != NULL; column = report_column_next(options->csvw_of, options->focus_version, &at)) {
        csvw_column(&writer, column);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    json_close_object(&writer);
    buf_putc(out, '\n');
}
