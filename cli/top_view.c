#include "cli/top_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/table.h"

#define NAME_MIN 10
#define GAP 2
#define SPARE_ROWS 3 /* of the table, however many other lines there are */

enum { BOLD, DIM, RED, YELLOW, GREEN, PLAIN };

static void tone(const struct top_view *view, struct buf *out, int tone)
{
    static const char *const CODES[] = {"\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[32m", "\033[0m"};
    if (view->colored) {
        buf_puts(out, CODES[tone]);
    }
}

static int width_of(const char *text)
{
    int width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0u) != 0x80u;
    }
    return width;
}

/* At most width characters; what is cut ends in an ellipsis. Gives the characters put. */
static int put_cut(struct buf *out, const char *text, int width)
{
    int all = width_of(text);
    int put = 0;
    for (; *text != '\0' && width > 0; text++) {
        bool begins = ((unsigned char)*text & 0xc0u) != 0x80u;
        if (begins && all > width && put == width - 1) {
            buf_puts(out, "…");
            return put + 1;
        }
        put += begins;
        buf_append(out, text, 1);
    }
    return put;
}

static void put_spaces(struct buf *out, int count)
{
    for (int i = 0; i < count; i++) {
        buf_putc(out, ' ');
    }
}

/* One line of parts; those that do not fit any more are left out, from the right. */
struct line {
    struct buf *out;
    const struct top_view *view;
    int left;
    bool empty;
};

static void part(struct line *line, int kind, const char *text)
{
    int gap = line->empty ? 0 : GAP;
    if (text[0] == '\0' || width_of(text) + gap > line->left) {
        if (!line->empty || text[0] == '\0') {
            return;
        }
    }
    put_spaces(line->out, gap);
    tone(line->view, line->out, kind);
    line->left -= gap + put_cut(line->out, text, line->left - gap);
    if (kind != PLAIN) {
        tone(line->view, line->out, PLAIN);
    }
    line->empty = false;
}

static void part_count(struct line *line, int kind, const char *before, int64_t value, const char *after)
{
    char number[32];
    char text[120];
    number_format(value, number);
    (void)snprintf(text, sizeof text, "%s%s%s", before, number, after);
    part(line, kind, text);
}

static struct line begin(const struct top_view *view, int columns, struct buf *out)
{
    return (struct line){.out = out, .view = view, .left = columns, .empty = true};
}

static void rate_text(int64_t tenths, char text[32])
{
    if (tenths < 0) {
        (void)snprintf(text, 32, "-");
    } else if (tenths >= 1000) {
        number_format(tenths / 10, text);
    } else {
        (void)snprintf(text, 32, "%" PRId64 ".%" PRId64, tenths / 10, tenths % 10);
    }
}

static void trend_text(const struct top_view *view, char text[TOP_TREND * 3 + 1])
{
    int64_t most = 1;
    for (int i = 0; i < view->trend_count; i++) {
        most = view->trend[i] > most ? view->trend[i] : most;
    }
    for (int i = 0; i < view->trend_count; i++) { /* U+2581 to U+2588 */
        text[3 * i] = '\xe2';
        text[3 * i + 1] = '\x96';
        text[3 * i + 2] = (char)(0x81 + view->trend[i] * 7 / most);
    }
    text[3 * view->trend_count] = '\0';
}

static void draw_head(const struct top_view *view, int columns, struct buf *out)
{
    char text[160];
    char trend[TOP_TREND * 3 + 1];
    char rate[32];
    struct line line = begin(view, columns, out);
    part(&line, BOLD, view->title);
    part(&line, PLAIN, view->clock);
    part(&line, DIM, view->url);
    buf_putc(out, '\n');

    line = begin(view, columns, out);
    if (view->cost[0] != '\0') {
        part(&line, BOLD, view->cost);
        part(&line, PLAIN, view->forecast);
        part(&line, PLAIN, view->hourly);
        buf_putc(out, '\n');
        line = begin(view, columns, out);
    }
    if (view->live) { /* one look knows no rate */
        rate_text(view->rate, rate);
        (void)snprintf(text, sizeof text, "%s calls/s", rate);
        part(&line, BOLD, text);
    }
    trend_text(view, trend);
    part_count(&line, PLAIN, "", view->invocations, " calls this month");
    part_count(&line, view->errors > 0 ? YELLOW : PLAIN, "", view->errors, " failed");
    part_count(&line, view->throttles > 0 ? YELLOW : PLAIN, "", view->throttles, " refused");
    part(&line, GREEN, trend);
    buf_putc(out, '\n');

    line = begin(view, columns, out);
    (void)snprintf(text, sizeof text, "complete through %s", view->complete);
    part(&line, DIM, text);
    if (view->late_pending > 0) {
        part_count(&line, YELLOW, "", view->late_pending, " records on their way");
    }
    buf_putc(out, '\n');
    if (view->note[0] != '\0') {
        line = begin(view, columns, out);
        part(&line, RED, view->note);
        buf_putc(out, '\n');
    }
}

/* ---- the table: columns that do not fit are left out, the least needed first ---- */

struct column {
    const char *head;
    int needed; /* a smaller number stays longer */
    int width;  /* 0: left out */
};

enum { C_RATE, C_CALLS, C_ERRORS, C_REFUSED, C_P95, C_GB_S, C_COST, COLUMNS };

static void cell_text(const struct top_row *row, int column, char text[48])
{
    switch (column) {
    case C_RATE:
        rate_text(row->rate, text);
        return;
    case C_CALLS:
        number_format(row->invocations, text);
        return;
    case C_ERRORS:
        number_format(row->errors, text);
        return;
    case C_REFUSED:
        number_format(row->throttles, text);
        return;
    case C_P95:
        if (row->p95_us > 0) {
            duration_format(row->p95_us, text);
        } else {
            (void)snprintf(text, 48, "-");
        }
        return;
    case C_GB_S:
        cli_gb_s(row->mb_ms, text);
        return;
    default:
        (void)snprintf(text, 48, "%s", row->cost[0] != '\0' ? row->cost : "-");
        return;
    }
}

static int measure(const struct top_view *view, struct column columns[COLUMNS], int width)
{
    char text[48];
    int name = width_of(view->row_head);
    for (int r = 0; r < view->row_count; r++) {
        int own = width_of(view->rows[r].name);
        name = own > name ? own : name;
        for (int c = 0; c < COLUMNS; c++) {
            cell_text(&view->rows[r], c, text);
            int cell = columns[c].width > 0 ? width_of(text) : 0;
            columns[c].width = cell > columns[c].width ? cell : columns[c].width;
        }
    }
    for (;;) {
        int sum = 0;
        int worst = -1;
        for (int c = 0; c < COLUMNS; c++) {
            sum += columns[c].width > 0 ? columns[c].width + GAP : 0;
            worst = columns[c].width > 0 && (worst < 0 || columns[c].needed > columns[worst].needed) ? c : worst;
        }
        int room = width - sum;
        int wanted = width >= 40 ? NAME_MIN * 2 : NAME_MIN;
        int least = name < wanted ? name : wanted;
        if (room >= least || worst < 0) {
            return room < name ? room : name;
        }
        columns[worst].width = 0;
    }
}

static int order(const struct top_row *a, const struct top_row *b, enum top_sort sort)
{
    int by = 0;
    switch (sort) {
    case TOP_BY_COST:
        by = (a->amount < b->amount) - (a->amount > b->amount);
        break;
    case TOP_BY_CALLS:
        by = (a->invocations < b->invocations) - (a->invocations > b->invocations);
        break;
    case TOP_BY_ERRORS:
        by = (a->errors < b->errors) - (a->errors > b->errors);
        break;
    case TOP_BY_RATE:
        by = (a->rate < b->rate) - (a->rate > b->rate);
        break;
    }
    by = by != 0 ? by : (a->mb_ms < b->mb_ms) - (a->mb_ms > b->mb_ms);
    return by != 0 ? by : strcmp(a->name, b->name);
}

static void sort_rows(struct top_view *view)
{
    for (int i = 1; i < view->row_count; i++) { /* nearly in order from the look before */
        struct top_row row = view->rows[i];
        int at = i;
        for (; at > 0 && order(&view->rows[at - 1], &row, view->sort) > 0; at--) {
            view->rows[at] = view->rows[at - 1];
        }
        view->rows[at] = row;
    }
}

static void put_right(struct buf *out, const char *text, int width)
{
    put_spaces(out, GAP + width - width_of(text));
    buf_puts(out, text);
}

static void draw_row(const struct top_view *view, const struct top_row *row, const struct column *columns, int name,
                     struct buf *out)
{
    char text[48];
    put_spaces(out, name - put_cut(out, row->name, name));
    for (int c = 0; c < COLUMNS; c++) {
        if (columns[c].width == 0) {
            continue;
        }
        bool hot = (c == C_ERRORS && row->errors > 0) || (c == C_REFUSED && row->throttles > 0);
        cell_text(row, c, text);
        tone(view, out, hot ? YELLOW : c == C_RATE && row->rate > 0 ? GREEN : PLAIN);
        put_right(out, text, columns[c].width);
        tone(view, out, PLAIN);
    }
    buf_putc(out, '\n');
}

static void draw_table(struct top_view *view, int width, int rows, struct buf *out)
{
    static const char *const HEADS[COLUMNS] = {"CALLS/S", "CALLS", "FAILED", "REFUSED", "P95", "GB-S", "COST"};
    static const int NEEDED[COLUMNS] = {3, 1, 4, 6, 5, 7, 2};
    static const enum top_sort SORTS[COLUMNS] = {TOP_BY_RATE, TOP_BY_CALLS, TOP_BY_ERRORS, -1, -1, -1, TOP_BY_COST};
    struct column columns[COLUMNS];
    bool percentiles = false;
    for (int r = 0; r < view->row_count; r++) {
        percentiles = percentiles || view->rows[r].p95_us > 0;
    }
    for (int c = 0; c < COLUMNS; c++) {
        bool known = (c != C_P95 || percentiles) && (c != C_RATE || view->live);
        columns[c] = (struct column){HEADS[c], NEEDED[c], known ? width_of(HEADS[c]) : 0};
    }
    int name = measure(view, columns, width);
    sort_rows(view);
    tone(view, out, BOLD);
    put_spaces(out, name - put_cut(out, view->row_head, name));
    for (int c = 0; c < COLUMNS; c++) {
        if (columns[c].width > 0) {
            tone(view, out, view->live && SORTS[c] == view->sort ? GREEN : BOLD);
            put_right(out, columns[c].head, columns[c].width);
            tone(view, out, PLAIN);
            tone(view, out, BOLD);
        }
    }
    tone(view, out, PLAIN);
    buf_putc(out, '\n');
    int shown = rows > 0 && view->row_count > rows - 1 ? rows - 2 : view->row_count;
    for (int r = 0; r < shown; r++) {
        draw_row(view, &view->rows[r], columns, name, out);
    }
    if (shown < view->row_count) {
        struct line line = begin(view, width, out);
        part_count(&line, DIM, "and ", view->row_count - shown, " more");
        buf_putc(out, '\n');
    } else if (view->row_count == 0) {
        struct line line = begin(view, width, out);
        part(&line, DIM, "Nothing ran this month.");
        buf_putc(out, '\n');
    }
}

/* ---- limits and nodes ---- */

static void draw_bar(const struct top_view *view, const struct top_quota *quota, int width, struct buf *out)
{
    int64_t used = quota->percent > 100 ? 100 : quota->percent;
    int64_t both = used + quota->held_percent > 100 ? 100 : used + quota->held_percent;
    int full = (int)((used * width + 99) / 100);
    int end = (int)((both * width + 99) / 100);
    tone(view, out, used >= 80 ? RED : used >= 50 ? YELLOW : GREEN);
    for (int i = 0; i < width; i++) {
        buf_puts(out, i < full ? "█" : i < end ? "▒" : "░");
    }
    tone(view, out, PLAIN);
}

static void draw_quotas(const struct top_view *view, int columns, struct buf *out)
{
    int name = 0;
    for (int i = 0; i < view->quota_count; i++) {
        int own = width_of(view->quotas[i].name);
        name = own > name ? own : name;
    }
    name = name > columns / 3 ? columns / 3 : name;
    int bar = columns >= 100 ? 24 : columns >= 60 ? 14 : 8;
    for (int i = 0; i < view->quota_count; i++) {
        const struct top_quota *quota = &view->quotas[i];
        char text[160];
        char used[64];
        char limit[64];
        quantity_format(quota->used, 3, used);
        quantity_format(quota->limit, 3, limit);
        put_spaces(out, name - put_cut(out, quota->name, name) + GAP);
        draw_bar(view, quota, bar, out);
        (void)snprintf(text, sizeof text, "%s%4" PRId64 " %%  %s of %s", "  ", quota->percent, used, limit);
        (void)put_cut(out, text, columns - name - GAP - bar);
        buf_putc(out, '\n');
    }
}

static void draw_nodes(const struct top_view *view, int columns, struct buf *out)
{
    for (int i = 0; i < view->node_count; i++) {
        const struct top_node *node = &view->nodes[i];
        char text[160];
        char lag[32];
        struct line line = begin(view, columns, out);
        (void)snprintf(text, sizeof text, "node %s", node->name);
        part(&line, PLAIN, text);
        if (node->silent_s > 0) {
            part_count(&line, RED, "silent for ", node->silent_s, " s");
        } else {
            (void)snprintf(text, sizeof text, "%" PRId64 "/%" PRId64 " busy", node->busy, node->instances);
            part(&line, PLAIN, text);
            duration_format(node->lag_us, lag);
            (void)snprintf(text, sizeof text, "lag %s", node->lag_us > 0 ? lag : "0 ms");
            part(&line, node->lag_us > 5000000 ? RED : PLAIN, text);
            (void)snprintf(text, sizeof text, "spool %" PRId64 ".%" PRId64 " %%", node->spool_thousandths / 10,
                           node->spool_thousandths % 10);
            part(&line, node->spool_thousandths > 800 ? RED : PLAIN, text);
            part_count(&line, PLAIN, "", node->pending, " records waiting");
        }
        buf_putc(out, '\n');
    }
}

static int lines_in(const struct buf *text)
{
    int lines = 0;
    for (size_t i = 0; i < text->length; i++) {
        lines += text->data[i] == '\n';
    }
    return lines;
}

void top_view_draw(struct top_view *view, int columns, int rows, struct buf *out)
{
    struct buf head = {0};
    struct buf foot = {0};
    draw_head(view, columns, &head);
    if (view->quota_count > 0) {
        buf_putc(&foot, '\n');
        draw_quotas(view, columns, &foot);
    }
    if (view->node_count > 0) {
        buf_putc(&foot, '\n');
        draw_nodes(view, columns, &foot);
    }
    int left = rows > 0 ? rows - lines_in(&head) - 1 - (view->live ? 1 : 0) : 0;
    bool feet = rows == 0 || left - lines_in(&foot) >= SPARE_ROWS;
    left -= rows > 0 && feet ? lines_in(&foot) : 0;
    buf_append(out, buf_text(&head), head.length);
    buf_putc(out, '\n');
    draw_table(view, columns, rows > 0 ? (left > SPARE_ROWS ? left : SPARE_ROWS) : 0, out);
    if (feet) {
        buf_append(out, buf_text(&foot), foot.length);
    }
    if (view->live) {
        struct line line = begin(view, columns, out);
        part(&line, DIM, "q quits; order: c cost, n calls, e failed, s calls/s");
        buf_putc(out, '\n');
    }
    buf_free(&head);
    buf_free(&foot);
}
