/*
 * printed_pdf.c - the invoice on paper: A4 or Letter, drawn twice (once to count the pages).
 *
 * The same bill gives the same bytes with the same fonts and libraries: the date of creation is that of the invoice.
 */
#include "reports/pdf_draw.h"
#include "reports/printed_parts.h"

#include "common/calendar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define A4_WIDTH 595.276
#define A4_HEIGHT 841.890
#define LETTER_WIDTH 612.0
#define LETTER_HEIGHT 792.0

struct paper {
    struct pdf pdf;
    const struct printed *printed;
    struct printed_facts facts;
    double left, right; /* of the text */
};

static const struct pdf_style LABEL = {.size = 8.5, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_SOFT};
static const struct pdf_style BODY = {.size = 9.5, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_INK};
static const struct pdf_style STRONG = {.size = 9.5, .weight = PANGO_WEIGHT_SEMIBOLD, .ink = PDF_INK, .lines_max = 8};
static const struct pdf_style HEADING = {.size = 12, .weight = PANGO_WEIGHT_SEMIBOLD, .ink = PDF_INK, .lines_max = 1};

/* Text at the cursor, which moves below it. */
static void say(struct paper *paper, const struct pdf_style *style, double x, double width, double *y, const char *text)
{
    if (*text != '\0') {
        *y += pdf_text(&paper->pdf, style, x, *y, width, text, true);
    }
}

static void fact(struct paper *paper, double x, double width, double *y, const char *label, const char *value)
{
    if (*value != '\0') {
        say(paper, &LABEL, x, width, y, label);
        say(paper, &BODY, x, width, y, value);
        *y += 6;
    }
}

static void heading(struct paper *paper, const char *text, double keep)
{
    struct pdf *pdf = &paper->pdf;
    pdf->y += 22;
    (void)pdf_need(pdf, 24 + keep);
    say(paper, &HEADING, paper->left, paper->right - paper->left, &pdf->y, text);
    pdf->y += 6;
}

/* ---- every page ---- */

static void stamp(struct paper *paper)
{
    struct pdf *pdf = &paper->pdf;
    const struct pdf_style style = {
        .size = 92, .weight = PANGO_WEIGHT_BOLD, .ink = PDF_STAMP, .align = PANGO_ALIGN_CENTER, .lines_max = 1};
    cairo_save(pdf->cr);
    cairo_translate(pdf->cr, pdf->width / 2, pdf->height / 2);
    cairo_rotate(pdf->cr, -atan2(pdf->height, pdf->width) * 0.72);
    (void)pdf_text(pdf, &style, -420, -64, 840, paper->printed->stamp, true);
    cairo_restore(pdf->cr);
}

static void frame(struct pdf *pdf, void *ctx)
{
    struct paper *paper = ctx;
    const struct bill *bill = paper->printed->bill;
    struct pdf_style left = {.size = 8, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_SOFT, .lines_max = 1};
    struct pdf_style right = left;
    char text[PARTY_TEXT_BYTES + 160];
    char month[PRINTED_TEXT_BYTES];
    double y = pdf->height - 36;
    right.align = PANGO_ALIGN_RIGHT;
    printed_month(bill->month, month);
    if (paper->printed->stamp != NULL) {
        stamp(paper);
    }
    pdf_rule(pdf, paper->left, paper->right, y - 7, 0.5, PDF_LINE);
    (void)snprintf(text, sizeof text, "%.255s  \xC2\xB7  %s%s%s  \xC2\xB7  %s", paper->printed->issuer.name,
                   paper->printed->title, bill->number[0] != '\0' ? " " : "", bill->number, month);
    (void)pdf_text(pdf, &left, paper->left, y, paper->right - paper->left - 90, text, true);
    (void)snprintf(text, sizeof text, "Page %d of %d", pdf->page, pdf->pages);
    (void)pdf_text(pdf, &right, paper->right - 90, y, 90, text, true);
}

/* ---- head ---- */

static void party(struct paper *paper, const struct party *who, double x, double width, double *y,
                  const struct pdf_style *style)
{
    char text[3 * PARTY_TEXT_BYTES];
    for (int i = 0; i < who->address_lines; i++) {
        say(paper, style, x, width, y, who->address[i]);
    }
    (void)snprintf(text, sizeof text, "%s%s%s%s%s", who->postal_code, who->postal_code[0] != '\0' ? " " : "", who->city,
                   who->country[0] != '\0' && (who->city[0] != '\0' || who->postal_code[0] != '\0') ? ", " : "",
                   who->country);
    say(paper, style, x, width, y, text);
    if (who->tax_id[0] != '\0') {
        (void)snprintf(text, sizeof text, "Tax number %s", who->tax_id);
        say(paper, style, x, width, y, text);
    }
    say(paper, style, x, width, y, who->email);
}

static void head(struct paper *paper)
{
    struct pdf *pdf = &paper->pdf;
    const struct printed *printed = paper->printed;
    const struct pdf_style issuer = {.size = 14, .weight = PANGO_WEIGHT_SEMIBOLD, .ink = PDF_INK, .lines_max = 3};
    const struct pdf_style title = {
        .size = 24, .weight = PANGO_WEIGHT_SEMIBOLD, .ink = PDF_INK, .align = PANGO_ALIGN_RIGHT, .lines_max = 1};
    const struct pdf_style number = {
        .size = 10.5, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_INK, .align = PANGO_ALIGN_RIGHT, .lines_max = 1};
    struct pdf_style state = number;
    double half = (paper->right - paper->left) / 2;
    double left_y = pdf->y;
    double right_y = pdf->y - 8;
    state.ink = PDF_S2;
    state.size = 9;
    state.lines_max = 2;
    say(paper, &issuer, paper->left, half - 12, &left_y, printed->issuer.name);
    left_y += 2;
    party(paper, &printed->issuer, paper->left, half - 12, &left_y, &LABEL);
    say(paper, &title, paper->left + half, half, &right_y, printed->title);
    say(paper, &number, paper->left + half, half, &right_y, printed->bill->number);
    if (printed->stamp != NULL) {
        right_y += 2;
        say(paper, &state, paper->left + half, half, &right_y, paper->facts.state);
    }
    pdf->y = (left_y > right_y ? left_y : right_y) + 26;
}

static void facts(struct paper *paper)
{
    struct pdf *pdf = &paper->pdf;
    const struct printed *printed = paper->printed;
    struct pdf_style due = {
        .size = 21, .weight = PANGO_WEIGHT_SEMIBOLD, .ink = PDF_INK, .align = PANGO_ALIGN_RIGHT, .lines_max = 1};
    struct pdf_style right = LABEL;
    double width = paper->right - paper->left;
    double columns[3] = {width * 0.36, width * 0.28, width * 0.36};
    double x[3] = {paper->left, paper->left + columns[0], paper->left + columns[0] + columns[1]};
    right.align = PANGO_ALIGN_RIGHT;
    pdf_rule(pdf, paper->left, paper->right, pdf->y, 1.4, PDF_INK);
    pdf->y += 14;
    double y[3] = {pdf->y, pdf->y, pdf->y};
    say(paper, &LABEL, x[0], columns[0] - 14, &y[0], "Billed to");
    say(paper, &STRONG, x[0], columns[0] - 14, &y[0], printed->customer.name);
    party(paper, &printed->customer, x[0], columns[0] - 14, &y[0], &BODY);
    y[0] += 6;
    fact(paper, x[0], columns[0] - 14, &y[0], "Account", paper->facts.account);
    fact(paper, x[0], columns[0] - 14, &y[0], "Your reference", printed->customer.reference);
    fact(paper, x[1], columns[1] - 14, &y[1], "Period", paper->facts.period);
    fact(paper, x[1], columns[1] - 14, &y[1], "Date of issue", paper->facts.issued);
    fact(paper, x[1], columns[1] - 14, &y[1], "Due", paper->facts.due);
    fact(paper, x[1], columns[1] - 14, &y[1], "Takes back", paper->facts.takes_back);
    fact(paper, x[1], columns[1] - 14, &y[1], "Reason", paper->facts.reason);
    fact(paper, x[1], columns[1] - 14, &y[1], "Usage counted through", paper->facts.complete);
    say(paper, &right, x[2], columns[2], &y[2], paper->facts.due_label);
    pdf_fit(pdf, &due, columns[2], paper->facts.total);
    say(paper, &due, x[2], columns[2], &y[2], paper->facts.total);
    y[2] += 8;
    say(paper, &right, x[2], columns[2], &y[2], "Price list");
    right.ink = PDF_INK;
    right.size = BODY.size;
    say(paper, &right, x[2], columns[2], &y[2], paper->facts.price_list);
    pdf->y = fmax(y[0], fmax(y[1], y[2])) + 6;
    pdf_rule(pdf, paper->left, paper->right, pdf->y, 0.5, PDF_LINE);
}

/* ---- lines ---- */

static void line_row(struct paper *paper, const struct pdf_table *table, const struct rated_line *line)
{
    struct printed_cells cells;
    printed_cells(paper->printed, line, &cells);
    const char *const row[] = {line->description, cells.quantity, cells.price, cells.amount};
    pdf_table_row(&paper->pdf, table, row, false, true);
}

static void sums(struct paper *paper, const struct pdf_table *table)
{
    struct pdf *pdf = &paper->pdf;
    struct printed_sum rows[PRINTED_SUMS_MAX];
    double x = paper->left + (paper->right - paper->left) * 0.5;
    int count = printed_sums(paper->printed, rows);
    struct pdf_style label = {.size = table->size, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_INK, .lines_max = 1};
    (void)pdf_need(pdf, 18.0 * count + 24);
    pdf->y += 6;
    for (int i = 0; i < count; i++) {
        struct pdf_style amount;
        if (i == count - 1) {
            pdf->y += 4;
            pdf_rule(pdf, x, paper->right, pdf->y, 1.4, PDF_INK);
            pdf->y += 5;
            label.size = 12.5;
            label.weight = PANGO_WEIGHT_SEMIBOLD;
        }
        amount = label;
        amount.align = PANGO_ALIGN_RIGHT;
        (void)pdf_text(pdf, &label, x, pdf->y, (paper->right - x) * 0.62, rows[i].label, true);
        pdf->y += pdf_text(pdf, &amount, x, pdf->y, paper->right - x, rows[i].amount, true) + 3;
    }
}

static void lines(struct paper *paper)
{
    const struct printed *printed = paper->printed;
    char amount[32];
    double width = paper->right - paper->left;
    (void)snprintf(amount, sizeof amount, "Amount, %.3s", printed->bill->currency.code);
    const struct pdf_column columns[] = {{"Description", width * 0.30, false},
                                         {"Quantity", width * 0.33, true},
                                         {"Unit price", width * 0.22, true},
                                         {amount, width * 0.15, true}};
    const struct pdf_table table = {.columns = columns, .column_count = 4, .size = 9, .pad = 4.5};
    heading(paper, printed->heading, 60);
    pdf_table_head(&paper->pdf, &table);
    for (int section = PRINTED_CHARGES; section <= PRINTED_CREDITS; section++) {
        bool first = section != PRINTED_CHARGES;
        for (int i = 0; i < printed->bill->line_count; i++) {
            const struct rated_line *line = &printed->bill->lines[i];
            if ((int)printed_section_of(line) != section) {
                continue;
            }
            if (first) {
                const char *const group[] = {printed_section_title((enum printed_section)section), "", "", ""};
                paper->pdf.y += 6;
                pdf_table_row(&paper->pdf, &table, group, true, true);
                first = false;
            }
            line_row(paper, &table, line);
        }
    }
    if (printed->bill->line_count == 0) {
        const char *const none[] = {"No usage in this month.", "", "", ""};
        pdf_table_row(&paper->pdf, &table, none, false, true);
    }
    sums(paper, &table);
}

/* ---- chart ---- */

#define CHART_HEIGHT 118.0

static void bars(struct paper *paper, double x, double width, double base, double top)
{
    const struct printed *printed = paper->printed;
    struct pdf *pdf = &paper->pdf;
    double step = width / printed->day_count;
    for (int day = 0; day < printed->day_count; day++) {
        double y = base;
        for (int s = 0; s < printed->series_count; s++) {
            double height = printed->days[day].series[s] / top * CHART_HEIGHT;
            if (height < 0.03) {
                continue;
            }
            pdf_ink(pdf, (enum pdf_ink)(PDF_S0 + s));
            cairo_rectangle(pdf->cr, x + day * step + step * 0.14, y - height, step * 0.72, height);
            cairo_fill(pdf->cr);
            y -= height;
        }
    }
}

static void legend(struct paper *paper)
{
    struct pdf *pdf = &paper->pdf;
    const struct pdf_style style = {.size = 8.5, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_INK, .lines_max = 1};
    double width = (paper->right - paper->left) / 3;
    for (int s = 0; s < paper->printed->series_count; s++) {
        double x = paper->left + width * (s % 3);
        double y = pdf->y + 14.0 * (s / 3);
        pdf_ink(pdf, (enum pdf_ink)(PDF_S0 + s));
        cairo_rectangle(pdf->cr, x, y + 2.4, 7, 7);
        cairo_fill(pdf->cr);
        (void)pdf_text(pdf, &style, x + 12, y, width - 18, paper->printed->series[s], true);
    }
    pdf->y += 14.0 * ((paper->printed->series_count + 2) / 3) + 2;
}

static void chart(struct paper *paper)
{
    struct pdf *pdf = &paper->pdf;
    const struct printed *printed = paper->printed;
    struct pdf_style label = {.size = 8, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_SOFT, .align = PANGO_ALIGN_RIGHT};
    char text[PRINTED_TEXT_BYTES];
    double step = 0;
    double top = 0;
    if (printed->series_count == 0) {
        return;
    }
    printed_axis(printed, &step, &top);
    heading(paper, "Cost a day", CHART_HEIGHT + 70);
    double x = paper->left + 44;
    double base = pdf->y + 6 + CHART_HEIGHT;
    for (double value = 0; value <= top + step / 2; value += step) {
        double y = base - value / top * CHART_HEIGHT;
        printed_axis_label(value, step, text);
        pdf_rule(pdf, x, paper->right, y, 0.5, value > 0 ? PDF_LINE : PDF_SOFT);
        (void)pdf_text(pdf, &label, paper->left, y - 6, 38, text, true);
    }
    bars(paper, x, paper->right - x, base, top);
    label.align = PANGO_ALIGN_CENTER;
    for (int day = 0; day < printed->day_count; day += day == 0 ? 4 : 5) {
        double width = (paper->right - x) / printed->day_count;
        (void)snprintf(text, sizeof text, "%d", day + 1);
        (void)pdf_text(pdf, &label, x + day * width - 10, base + 3, width + 20, text, true);
    }
    pdf->y = base + 22;
    legend(paper);
    (void)snprintf(text, sizeof text, "%.3s, days in UTC, before rounding.", printed->bill->currency.code);
    say(paper, &LABEL, paper->left, paper->right - paper->left, &pdf->y, text);
}

/* ---- functions ---- */

static void function_row(struct paper *paper, const struct pdf_table *table, const struct printed_function *row,
                         bool sum)
{
    struct printed_function_cells cells;
    printed_function_cells(paper->printed, row, &cells);
    const char *const texts[] = {
        row->name,          cells.requests, cells.compute, cells.requests_amount, cells.compute_amount,
        cells.other_amount, cells.total};
    pdf_table_row(&paper->pdf, table, texts, sum, !sum);
}

static void functions(struct paper *paper)
{
    const struct printed *printed = paper->printed;
    double width = paper->right - paper->left;
    char amount[32];
    if (printed->function_count == 0) {
        return;
    }
    (void)snprintf(amount, sizeof amount, "Amount, %.3s", printed->bill->currency.code);
    const struct pdf_column columns[] = {{"Function", width * 0.27, false},    {"Requests", width * 0.13, true},
                                         {"GB-s", width * 0.15, true},         {"Request cost", width * 0.12, true},
                                         {"Compute cost", width * 0.12, true}, {"Other", width * 0.08, true},
                                         {amount, width * 0.13, true}};
    const struct pdf_table table = {.columns = columns, .column_count = 7, .size = 8.5, .pad = 3};
    heading(paper, "By function", 70);
    say(paper, &LABEL, paper->left, width, &paper->pdf.y,
        "Shares of the charges above; each column adds up to its lines.");
    paper->pdf.y += 6;
    pdf_table_head(&paper->pdf, &table);
    for (int i = 0; i < printed->function_count; i++) {
        function_row(paper, &table, &printed->functions[i], false);
    }
    pdf_rule(&paper->pdf, paper->left, paper->right, paper->pdf.y, 0.8, PDF_INK);
    function_row(paper, &table, &printed->all, true);
}

static void note(struct paper *paper, const struct pdf_style *style, const char *text)
{
    struct pdf *pdf = &paper->pdf;
    double width = paper->right - paper->left;
    (void)pdf_need(pdf, pdf_text(pdf, style, 0, 0, width, text, false));
    say(paper, style, paper->left, width, &pdf->y, text);
}

static void notes(struct paper *paper)
{
    const struct printed *printed = paper->printed;
    const struct pdf_style digest = {.size = 8, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_INK, .mono = true};
    if (printed->issuer.payment[0] != '\0' && printed_is_payable(printed)) {
        heading(paper, "How to pay", 30);
        note(paper, &BODY, printed->issuer.payment);
    }
    heading(paper, "Terms", 30);
    note(paper, &BODY, paper->facts.terms);
    paper->pdf.y += 14;
    note(paper, &LABEL, paper->facts.how);
    if (paper->facts.digest_label[0] != '\0') {
        paper->pdf.y += 6;
        note(paper, &LABEL, paper->facts.digest_label);
        note(paper, &digest, printed->bill->digest);
    }
    if (paper->facts.root_label[0] != '\0') {
        paper->pdf.y += 6;
        note(paper, &LABEL, paper->facts.root_label);
        note(paper, &digest, printed->bill->records_root);
    }
}

/* ---- the whole ---- */

static int draw(struct paper *paper, int pages, report_sink_fn *sink, void *ctx, struct err *err)
{
    const struct printed *printed = paper->printed;
    bool letter = printed->options->letter;
    char created[CALENDAR_TEXT_BYTES];
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(printed->bill->month, &from_us, &to_us);
    if (pdf_open(&paper->pdf, letter ? LETTER_WIDTH : A4_WIDTH, letter ? LETTER_HEIGHT : A4_HEIGHT, sink, ctx, err) !=
        0) {
        return -1;
    }
    calendar_format(printed->bill->issued_us > 0 ? printed->bill->issued_us : to_us, created);
    pdf_metadata(&paper->pdf, paper->facts.document_title, printed->issuer.name, created);
    paper->left = PDF_MARGIN;
    paper->right = paper->pdf.width - PDF_MARGIN;
    pdf_begin(&paper->pdf, pages, frame, paper);
    head(paper);
    facts(paper);
    lines(paper);
    chart(paper);
    functions(paper);
    notes(paper);
    return pdf_close(&paper->pdf, err);
}

int printed_pdf(const struct printed *printed, report_sink_fn *sink, void *ctx, struct err *err)
{
    struct paper paper = {.printed = printed};
    printed_facts(printed, &paper.facts);
    if (draw(&paper, 0, NULL, NULL, err) != 0) {
        return -1;
    }
    return draw(&paper, paper.pdf.page, sink, ctx, err);
}
