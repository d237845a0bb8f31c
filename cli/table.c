#include "cli/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/check.h"

#define RULE "\001"
#define CUT_MIN 10 /* characters that words keep */
#define HEAD_MARKS ">~?"

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

void quantity_format(const char *decimal, int places, char text[64])
{
    char whole[32];
    char *end = NULL;
    errno = 0;
    long long value = strtoll(decimal, &end, 10);

    if (end == decimal || errno != 0 || (*end != '\0' && *end != '.') || decimal[0] == '-') {
        (void)snprintf(text, 64, "%.63s", decimal);
        return;
    }
    number_format(value, whole);
    (void)snprintf(text, 64, "%s%.*s", whole, places > 0 ? places + 1 : 0, end);
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
    return head + strspn(head, HEAD_MARKS);
}

static bool head_has(const char *head, char mark)
{
    const char *found = strchr(head, mark);
    return found != NULL && found < head_text(head);
}

/* The first width characters, the last of them an ellipsis when more were there. */
static void print_cut(FILE *out, const char *text, size_t width)
{
    for (size_t put = 0; *text != '\0'; text++) {
        bool begins = ((unsigned char)*text & 0xc0u) != 0x80u;
        if (begins && put + 1 == width) {
            (void)fputs("…", out);
            return;
        }
        put += begins;
        (void)fputc(*text, out);
    }
}

/* The last column has no padding on its right. */
static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
    size_t own = text_width(text);
    int pad = width > own ? (int)(width - own) : 0;

    if (own > width) {
        print_cut(out, text, width);
    } else if (right) {
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

static size_t width_sum(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX])
{
    size_t sum = 0;
    for (int i = 0; i < table->columns; i++) {
        sum += widths[i] > 0 ? widths[i] + 2 : 0;
    }
    return sum > 2 ? sum - 2 : 0;
}

/* On a terminal that is too narrow: what may be left out goes (width 0), then words are cut. */
static void fit(const struct table *table, size_t widths[TABLE_COLUMNS_MAX], size_t room)
{
    for (int i = table->columns - 1; i >= 0 && width_sum(table, widths) > room; i--) {
        widths[i] = head_has(table->heads[i], '?') ? 0 : widths[i];
    }
    while (width_sum(table, widths) > room) {
        int widest = -1;
        for (int i = 0; i < table->columns; i++) {
            bool words = head_has(table->heads[i], '~') && widths[i] > CUT_MIN;
            widest = words && (widest < 0 || widths[i] > widths[widest]) ? i : widest;
        }
        if (widest < 0) {
            return;
        }
        widths[widest]--;
    }
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
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
}

static void print_left_out(const struct table *table, const size_t widths[TABLE_COLUMNS_MAX], FILE *out)
{
    const char *before = "too narrow for: ";
    for (int i = 0; i < table->columns; i++) {
        if (widths[i] == 0) {
            (void)fprintf(out, "%s%s%s", before[0] == 't' ? color(out, COLOR_DIM) : "", before,
                          head_text(table->heads[i]));
            before = ", ";
        }
    }
    if (before[0] != 't') {
        (void)fprintf(out, "%s\n", color(out, COLOR_NONE));
    }
}

void table_print(const struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    const char *cell = buf_text(&table->text);
    int last = 0;

    measure(table, widths);
    if (isatty(fileno(out)) == 1) {
        fit(table, widths, (size_t)table_columns(out));
    }
    for (int i = 0; i < table->columns; i++) {
        last = widths[i] > 0 ? i : last;
    }
    (void)fputs(color(out, COLOR_BOLD), out);
    for (int i = 0; i < table->columns; i++) {
        if (widths[i] > 0) {
            print_cell(out, head_text(table->heads[i]), widths[i], head_has(table->heads[i], '>'), i == last);
        }
    }
    (void)fputs(color(out, COLOR_NONE), out);
    for (int64_t i = 0; i < table->cells; i++) {
        int column = (int)(i % table->columns);
        if (widths[column] > 0 && strcmp(cell, RULE) == 0) {
            print_rule(out, widths[column], column == last);
        } else if (widths[column] > 0) {
            print_cell(out, cell, widths[column], head_has(table->heads[column], '>'), column == last);
        }
        cell += strlen(cell) + 1;
    }
    print_left_out(table, widths, out);
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
