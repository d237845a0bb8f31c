#include "cli/table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/check.h"

#define RULE "\001"

void table_init(struct table *table, const char *const *heads)
{
    *table = (struct table){.heads = heads};
    while (heads[table->columns] != NULL) {
        table->columns++;
    }
    CHECK(table->columns > 0 && table->columns <= TABLE_COLUMNS_MAX);
}

void table_free(struct table *table)
{
    buf_free(&table->text);
}

void table_text(struct table *table, const char *cell)
{
    const char *text = cell != NULL && cell[0] != '\0' ? cell : "-";

    buf_append(&table->text, text, strlen(text) + 1);
    table->cells++;
}

void table_i64(struct table *table, int64_t value)
{
    char text[32];

    number_format(value, text);
    table_text(table, text);
}

void table_rule(struct table *table)
{
    CHECK(table->cells % table->columns == 0);
    for (int i = 0; i < table->columns; i++) {
        table_text(table, RULE);
    }
}

void number_format(int64_t value, char text[32])
{
    char plain[24];
    int length = snprintf(plain, sizeof plain, "%lld", (long long)value);
    int digits = value < 0 ? length - 1 : length;
    int at = 0;

    for (int i = 0; i < length; i++) {
        int left = length - i;
        if (i > length - digits && left % 3 == 0) {
            text[at++] = ',';
        }
        text[at++] = plain[i];
    }
    text[at] = '\0';
}

void kib_format(int64_t kib, char text[32])
{
    int64_t tenths = (kib * 10 + 512) / 1024;

    (void)snprintf(text, 32, "%lld.%lld MiB", (long long)(tenths / 10), (long long)(tenths % 10));
}

void duration_format(int64_t us, char text[32])
{
    if (us < 1000000) {
        (void)snprintf(text, 32, "%lld.%02lld ms", (long long)(us / 1000), (long long)(us % 1000 / 10));
    } else {
        (void)snprintf(text, 32, "%lld.%02lld s", (long long)(us / 1000000), (long long)(us % 1000000 / 10000));
    }
}

static size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0u) != 0x80u;
    }
    return width;
}

static const char *head_text(const char *head)
{
    return head[0] == '>' ? head + 1 : head;
}

/* The last column has no padding on its right. */
static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t own = text_width(text);
    int pad = width > own ? (int)(width - own) : 0;

    if (right) {
        (void)fprintf(out, "%*s%s", pad, "", text);
    } else {
        (void)fprintf(out, "%s%*s", text, last ? 0 : pad, "");
    }
    (void)fputs(last ? "\n" : "  ", out);
}

static void print_rule(FILE *out, size_t width, bool last)
{
    for (size_t i = 0; i < width; i++) {
        (void)fputs("─", out);
    }
    (void)fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    const char *cell = buf_text(&table->text);

    for (int i = 0; i < table->columns; i++) {
        widths[i] = text_width(head_text(table->heads[i]));
    }
    for (int64_t i = 0; i < table->cells; i++) {
        size_t width = strcmp(cell, RULE) == 0 ? 0 : text_width(cell);
        int column = (int)(i % table->columns);
        widths[column] = width > widths[column] ? width : widths[column];
        cell += strlen(cell) + 1;
    }
    (void)fputs(color(out, COLOR_BOLD), out);
    for (int i = 0; i < table->columns; i++) {
        print_cell(out, head_text(table->heads[i]), widths[i], table->heads[i][0] == '>', i + 1 == table->columns);
    }
    (void)fputs(color(out, COLOR_NONE), out);
    cell = buf_text(&table->text);
    for (int64_t i = 0; i < table->cells; i++) {
        int column = (int)(i % table->columns);
        if (strcmp(cell, RULE) == 0) {
            print_rule(out, widths[column], column + 1 == table->columns);
        } else {
            print_cell(out, cell, widths[column], table->heads[column][0] == '>', column + 1 == table->columns);
        }
        cell += strlen(cell) + 1;
    }
}

int table_columns(FILE *out)
{
    const char *given = getenv("COLUMNS");
    long columns = given != NULL ? strtol(given, NULL, 10) : 0;
    struct winsize size = {0};
    if (columns <= 0 && ioctl(fileno(out), TIOCGWINSZ, &size) == 0) {
        columns = size.ws_col;
    }
    return columns >= 40 && columns <= 1000 ? (int)columns : 80;
}

bool color_wanted(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    if (no_color != NULL && no_color[0] != '\0') {
        return false;
    }
    return isatty(fileno(out)) == 1 && (term == NULL || strcmp(term, "dumb") != 0);
}

const char *color(FILE *out, enum color wanted)
{
    static const char *const CODES[] = {
        [COLOR_NONE] = "\033[0m",   [COLOR_BOLD] = "\033[1m",    [COLOR_DIM] = "\033[2m",   [COLOR_RED] = "\033[31m",
        [COLOR_GREEN] = "\033[32m", [COLOR_YELLOW] = "\033[33m", [COLOR_BLUE] = "\033[34m",
    };

    return color_wanted(out) ? CODES[wanted] : "";
}

/* Cells of the bar that value fills of limit: rounded up, so that anything used shows. */
static int bar_cells(int64_t value, int64_t limit, int width)
{
    if (value <= 0) {
        return 0;
    }
    if (limit <= 0 || value >= limit) {
        return width;
    }
    if (limit > INT64_MAX / (2 * (int64_t)width)) { /* proportions survive, digits nobody sees do not */
        value /= width;
        limit /= width;
    }
    return (int)((value * width + limit - 1) / limit);
}

void bar_print(FILE *out, int64_t used, int64_t held, int64_t limit, int width)
{
    int full = bar_cells(used, limit, width);
    int both = bar_cells(used + held, limit, width);
    enum color tone = full * 5 >= width * 4 ? COLOR_RED : full * 2 >= width ? COLOR_YELLOW : COLOR_GREEN;

    (void)fputs(color(out, tone), out);
    for (int i = 0; i < width; i++) {
        (void)fputs(i < full ? "█" : i < both ? "▒" : "░", out);
    }
    (void)fputs(color(out, COLOR_NONE), out);
}
