#include "common/log.h"

#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/json.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static const char *const LEVEL_NAMES[] = {"debug", "info", "warn", "error"};

static _Atomic int threshold = LOG_LEVEL_INFO;

void log_level_set(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *level)
{
    for (size_t i = 0; i < sizeof LEVEL_NAMES / sizeof LEVEL_NAMES[0]; i++) {
        if (strcmp(text, LEVEL_NAMES[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

static void put_field(struct json_writer *writer, const struct log_field *field)
{
    if (field->text != NULL) {
        json_put_text(writer, field->key, field->text);
    } else {
        json_put_i64(writer, field->key, field->number);
    }
}

/* The line without its end: the last field that would make it too long is left out, whole, so it stays JSON. */
static void build(struct buf *line, enum log_level level, const char *event, const struct log_field *fields,
                  size_t count)
{
    static const char CUT[] = ",\"cut\":true";
    const size_t room = LOG_LINE_BYTES_MAX - sizeof CUT - sizeof "}\n";
    char ts[CALENDAR_TEXT_BYTES];
    struct json_writer writer;
    bool cut = false;

    calendar_format_us(clock_wall_us(), ts);
    json_writer_init(&writer, line);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "ts", ts);
    json_put_text(&writer, "level", LEVEL_NAMES[level]);
    json_put_text(&writer, "event", event);
    for (size_t i = 0; i < count; i++) {
        size_t before = line->length;
        put_field(&writer, &fields[i]);
        if (line->length > room) {
            line->length = before;
            cut = true;
        }
    }
    if (cut) {
        buf_puts(line, CUT);
    }
    buf_puts(line, "}\n");
}

void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t count)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed)) {
        return;
    }
    struct buf line = {0};
    build(&line, level, event, fields, count);
    if (buf_ok(&line)) {
        /* A log that cannot be written has nowhere to say so. */
        ssize_t ignored = write(STDERR_FILENO, line.data, line.length);
        (void)ignored;
    }
    buf_free(&line);
}
