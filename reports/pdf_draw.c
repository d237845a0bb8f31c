#include "reports/pdf_draw.h"

#include <cairo-pdf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static cairo_status_t on_bytes(void *ctx, const unsigned char *bytes, unsigned int length)
{
    struct pdf *pdf = ctx;
    if (pdf->failed) {
        return CAIRO_STATUS_WRITE_ERROR;
    }
    if (pdf->sink != NULL && pdf->sink(bytes, length, pdf->sink_ctx, &pdf->err) != 0) {
        pdf->failed = true;
        return CAIRO_STATUS_WRITE_ERROR;
    }
    return CAIRO_STATUS_SUCCESS;
}

int pdf_open(struct pdf *pdf, double width, double height, report_sink_fn *sink, void *sink_ctx, struct err *err)
{
    *pdf = (struct pdf){.width = width, .height = height, .y = PDF_MARGIN, .page = 1};
    pdf->sink = sink;
    pdf->sink_ctx = sink_ctx;
    pdf->surface = cairo_pdf_surface_create_for_stream(on_bytes, pdf, width, height);
    pdf->cr = cairo_create(pdf->surface);
    if (cairo_status(pdf->cr) != CAIRO_STATUS_SUCCESS) {
        (void)err_set(err, ERR_SYSTEM, "pdf: %s", cairo_status_to_string(cairo_status(pdf->cr)));
        cairo_destroy(pdf->cr);
        cairo_surface_destroy(pdf->surface);
        return -1;
    }
    pdf->layout = pango_cairo_create_layout(pdf->cr);
    PangoContext *context = pango_layout_get_context(pdf->layout);
    cairo_font_options_t *options = cairo_font_options_create();
    /* Glyphs at their true widths: the same text is laid out the same at every size. */
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    pango_cairo_context_set_font_options(context, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(context, FALSE);
    pango_context_set_language(context, pango_language_from_string("en"));
    return 0;
}

void pdf_begin(struct pdf *pdf, int pages, pdf_frame_fn *frame, void *ctx)
{
    pdf->pages = pages;
    pdf->frame = frame;
    pdf->frame_ctx = ctx;
    frame(pdf, ctx);
}

void pdf_metadata(struct pdf *pdf, const char *title, const char *author, const char *created_at)
{
    cairo_pdf_surface_set_metadata(pdf->surface, CAIRO_PDF_METADATA_TITLE, title);
    cairo_pdf_surface_set_metadata(pdf->surface, CAIRO_PDF_METADATA_AUTHOR, author);
    cairo_pdf_surface_set_metadata(pdf->surface, CAIRO_PDF_METADATA_CREATOR, "Farthing");
    cairo_pdf_surface_set_metadata(pdf->surface, CAIRO_PDF_METADATA_CREATE_DATE, created_at);
}

int pdf_close(struct pdf *pdf, struct err *err)
{
    cairo_show_page(pdf->cr);
    g_object_unref(pdf->layout);
    cairo_destroy(pdf->cr);
    cairo_surface_finish(pdf->surface);
    cairo_status_t status = cairo_surface_status(pdf->surface);
    cairo_surface_destroy(pdf->surface);
    if (pdf->failed) {
        *err = pdf->err;
        return -1;
    }
    if (status != CAIRO_STATUS_SUCCESS) {
        return err_set(err, ERR_SYSTEM, "pdf: %s", cairo_status_to_string(status));
    }
    return 0;
}

void pdf_ink(struct pdf *pdf, enum pdf_ink ink)
{
    static const unsigned INKS[] = {
        [PDF_INK] = 0x16202c,   [PDF_SOFT] = 0x566372, [PDF_LINE] = 0xd9dfe7, [PDF_ACCENT] = 0x1f4fa3,
        [PDF_STAMP] = 0xb45309, [PDF_S0] = 0x2b6cb0,   [PDF_S1] = 0x0e8a7a,   [PDF_S2] = 0xc46a04,
        [PDF_S3] = 0x8a44b8,    [PDF_S4] = 0x74808d};
    unsigned rgb = INKS[ink];
    cairo_set_source_rgba(pdf->cr, ((rgb >> 16) & 0xff) / 255.0, ((rgb >> 8) & 0xff) / 255.0, (rgb & 0xff) / 255.0,
                          ink == PDF_STAMP ? 0.10 : 1.0);
}

static void set_font(struct pdf *pdf, const struct pdf_style *style)
{
    PangoFontDescription *font = pango_font_description_new();
    PangoAttrList *attributes = pango_attr_list_new();
    pango_font_description_set_family(font, style->mono ? "DejaVu Sans Mono,Noto Sans Mono,monospace"
                                                        : "Noto Sans,DejaVu Sans,sans-serif");
    pango_font_description_set_absolute_size(font, style->size * PANGO_SCALE);
    pango_font_description_set_weight(font, (PangoWeight)style->weight);
    pango_layout_set_font_description(pdf->layout, font);
    pango_attr_list_insert(attributes, pango_attr_font_features_new("tnum=1"));
    pango_layout_set_attributes(pdf->layout, attributes);
    pango_attr_list_unref(attributes);
    pango_font_description_free(font);
}

#define FIT_SIZE_MIN 4.0
#define FIT_SLACK 0.5
#define FIT_TRIES_MAX 8

/* Left is left, whatever the direction of the text: Pango takes left for "where a line begins". */
static PangoAlignment physical(PangoAlignment align, PangoLayout *layout)
{
    bool rtl = pango_layout_get_direction(layout, 0) == PANGO_DIRECTION_RTL;
    if (!rtl || align == PANGO_ALIGN_CENTER) {
        return align;
    }
    return align == PANGO_ALIGN_LEFT ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT;
}

void pdf_fit(struct pdf *pdf, struct pdf_style *style, double width, const char *text)
{
    int natural = 0;
    pango_layout_set_width(pdf->layout, -1);
    pango_layout_set_text(pdf->layout, text, -1);
    for (int tries = 0; tries < FIT_TRIES_MAX; tries++) {
        set_font(pdf, style);
        pango_layout_get_size(pdf->layout, &natural, NULL);
        if (natural <= (width - FIT_SLACK) * PANGO_SCALE || style->size <= FIT_SIZE_MIN) {
            return;
        }
        style->size = fmax(FIT_SIZE_MIN, style->size * (width - FIT_SLACK) * PANGO_SCALE / natural * 0.995);
    }
}

double pdf_text(struct pdf *pdf, const struct pdf_style *style, double x, double y, double width, const char *text,
                bool draw)
{
    int height = 0;
    set_font(pdf, style);
    pango_layout_set_width(pdf->layout, (int)(width * PANGO_SCALE));
    pango_layout_set_wrap(pdf->layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_ellipsize(pdf->layout, style->lines_max > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_height(pdf->layout, style->lines_max > 0 ? -style->lines_max : -1000);
    pango_layout_set_line_spacing(pdf->layout, 1.12F);
    pango_layout_set_text(pdf->layout, text, -1);
    pango_layout_set_alignment(pdf->layout, physical(style->align, pdf->layout));
    pango_layout_get_size(pdf->layout, NULL, &height);
    if (draw) {
        pdf_ink(pdf, style->ink);
        cairo_move_to(pdf->cr, x, y);
        pango_cairo_update_layout(pdf->cr, pdf->layout);
        pango_cairo_show_layout(pdf->cr, pdf->layout);
    }
    return (double)height / PANGO_SCALE;
}

void pdf_rule(struct pdf *pdf, double x0, double x1, double y, double thickness, enum pdf_ink ink)
{
    pdf_ink(pdf, ink);
    cairo_rectangle(pdf->cr, x0, y - thickness / 2, x1 - x0, thickness);
    cairo_fill(pdf->cr);
}

bool pdf_need(struct pdf *pdf, double height)
{
    if (pdf->y + height <= pdf->height - PDF_FOOT) {
        return false;
    }
    cairo_show_page(pdf->cr);
    pdf->page++;
    pdf->y = PDF_MARGIN;
    pdf->frame(pdf, pdf->frame_ctx);
    return true;
}

/* ---- tables ---- */

#define CELL_GAP 12.0

static double cells_height(struct pdf *pdf, const struct pdf_table *table, const struct pdf_style *style,
                           const char *const *cells, double y, bool draw)
{
    double x = PDF_MARGIN;
    double most = 0;
    for (int i = 0; i < table->column_count; i++) {
        const struct pdf_column *column = &table->columns[i];
        struct pdf_style own = *style;
        own.align = column->right ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT;
        own.lines_max = style->lines_max > 0 ? style->lines_max : column->right ? 1 : 3;
        if (cells[i] != NULL && cells[i][0] != '\0') {
            double left = i == 0 ? x : x + CELL_GAP;
            double width = column->width - (i == 0 ? 0 : CELL_GAP);
            if (column->right && own.lines_max == 1) {
                pdf_fit(pdf, &own, width, cells[i]);
            }
            double height = pdf_text(pdf, &own, left, y, width, cells[i], draw);
            most = height > most ? height : most;
        }
        x += column->width;
    }
    return most;
}

static double table_width(const struct pdf_table *table)
{
    double width = 0;
    for (int i = 0; i < table->column_count; i++) {
        width += table->columns[i].width;
    }
    return width;
}

void pdf_table_head(struct pdf *pdf, const struct pdf_table *table)
{
    const struct pdf_style style = {
        .size = table->size - 1, .weight = PANGO_WEIGHT_NORMAL, .ink = PDF_SOFT, .lines_max = 2};
    const char *titles[PDF_COLUMNS_MAX];
    for (int i = 0; i < table->column_count; i++) {
        titles[i] = table->columns[i].title;
    }
    pdf->y += cells_height(pdf, table, &style, titles, pdf->y, true) + 3;
    pdf_rule(pdf, PDF_MARGIN, PDF_MARGIN + table_width(table), pdf->y, 0.8, PDF_INK);
}

void pdf_table_row(struct pdf *pdf, const struct pdf_table *table, const char *const *cells, bool bold, bool rule)
{
    const struct pdf_style style = {
        .size = table->size, .weight = bold ? PANGO_WEIGHT_SEMIBOLD : PANGO_WEIGHT_NORMAL, .ink = PDF_INK};
    double height = cells_height(pdf, table, &style, cells, 0, false);
    if (height <= 0) {
        height = table->size;
    }
    if (pdf_need(pdf, height + 2 * table->pad)) {
        pdf_table_head(pdf, table);
    }
    (void)cells_height(pdf, table, &style, cells, pdf->y + table->pad, true);
    pdf->y += height + 2 * table->pad;
    if (rule) {
        pdf_rule(pdf, PDF_MARGIN, PDF_MARGIN + table_width(table), pdf->y, 0.5, PDF_LINE);
    }
}
