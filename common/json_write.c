/*
 * json_write.c - the writing half of json.h.
 */
#include "common/buf.h"
#include "common/check.h"
#include "common/json.h"
#include "common/text.h"

#include <stdio.h>
#include <string.h>

void json_writer_init(struct json_writer *writer, struct buf *out)
{
    *writer = (struct json_writer){.out = out};
}

static void begin(struct json_writer *writer, const char *name)
{
    if (writer->comma[writer->depth]) {
        buf_putc(writer->out, ',');
    }
    writer->comma[writer->depth] = true;
    if (name != NULL) {
        json_quote(writer->out, name, strlen(name));
        buf_putc(writer->out, ':');
    }
}

static void open_level(struct json_writer *writer, const char *name, char bracket)
{
    begin(writer, name);
    CHECK(writer->depth + 1 < JSON_WRITER_DEPTH_MAX);
    writer->comma[++writer->depth] = false;
    buf_putc(writer->out, bracket);
}

static void close_level(struct json_writer *writer, char bracket)
{
    CHECK(writer->depth > 0);
    writer->depth--;
    buf_putc(writer->out, bracket);
}

void json_open_object(struct json_writer *writer, const char *name)
{
    open_level(writer, name, '{');
}

void json_close_object(struct json_writer *writer)
{
    close_level(writer, '}');
}

void json_open_array(struct json_writer *writer, const char *name)
{
    open_level(writer, name, '[');
}

void json_close_array(struct json_writer *writer)
{
    close_level(writer, ']');
}

void json_put_text(struct json_writer *writer, const char *name, const char *value)
{
    if (value == NULL) {
        json_put_null(writer, name);
        return;
    }
    begin(writer, name);
    json_quote(writer->out, value, strlen(value));
}

void json_put_i64(struct json_writer *writer, const char *name, int64_t value)
{
    begin(writer, name);
    buf_i64(writer->out, value);
}

void json_put_bool(struct json_writer *writer, const char *name, bool value)
{
    begin(writer, name);
    buf_puts(writer->out, value ? "true" : "false");
}

void json_put_null(struct json_writer *writer, const char *name)
{
    begin(writer, name);
    buf_puts(writer->out, "null");
}

void json_put_raw(struct json_writer *writer, const char *name, const char *text)
{
    begin(writer, name);
    buf_puts(writer->out, text);
}

/* Plain characters at the start of bytes: printable ASCII that needs no escape. */
static size_t plain(const char *bytes, size_t length)
{
    size_t i = 0;
    while (i < length && bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '"' && bytes[i] != '\\') {
        i++;
    }
    return i;
}

/* Length of the UTF-8 character at bytes; 0 when there is none. */
static size_t character(const char *bytes, size_t length)
{
    for (size_t i = 2; i <= 4 && i <= length; i++) {
        if (text_utf8(bytes, i)) {
            return i;
        }
    }
    return 0;
}

static void escape(struct buf *out, unsigned char c)
{
    static const char SHORT[] = "\b\t\n\f\r\"\\";
    static const char LETTERS[] = "btnfr\"\\";
    const char *found = c != '\0' ? strchr(SHORT, c) : NULL;
    if (found != NULL) {
        buf_putc(out, '\\');
        buf_putc(out, LETTERS[found - SHORT]);
    } else {
        buf_printf(out, "\\u%04x", (unsigned)c);
    }
}

void json_quote(struct buf *out, const char *text, size_t length)
{
    buf_putc(out, '"');
    while (length > 0) {
        size_t step = plain(text, length);
        if (step > 0) {
            buf_append(out, text, step);
        } else if ((unsigned char)*text < 0x80) {
            escape(out, (unsigned char)*text);
            step = 1;
        } else {
            step = character(text, length);
            buf_puts(out, step == 0 ? "\xef\xbf\xbd" : "");
            buf_append(out, text, step);
            step = step == 0 ? 1 : step;
        }
        text += step;
        length -= step;
    }
    buf_putc(out, '"');
}
