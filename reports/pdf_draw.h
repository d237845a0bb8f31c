/*
 * pdf_draw.h - text, rules and tables on pages of paper, with Cairo and Pango: what printed_pdf.c draws an invoice
 * with.
 *
 * Units:     points (1/72 inch), y grows downwards; text is placed by its top left corner.
 * Names:     each paragraph has its own direction; letters a font lacks come from another one (Arabic, Hebrew, CJK,
 * emoji, whatever fontconfig knows). Ownership: the caller owns struct pdf between pdf_open and pdf_close. Threads: one
 * struct pdf at a time a thread.
 */
#ifndef FARTHING_REPORTS_PDF_DRAW_H
#define FARTHING_REPORTS_PDF_DRAW_H

#include <cairo.h>
#include <pango/pangocairo.h>
#include <stdbool.h>

#include "common/err.h"
#include "reports/report.h"

#define PDF_MARGIN 48.0
#define PDF_FOOT 58.0 /* kept free at the bottom of each page */
#define PDF_COLUMNS_MAX 8

enum pdf_ink { PDF_INK, PDF_SOFT, PDF_LINE, PDF_ACCENT, PDF_STAMP, PDF_S0, PDF_S1, PDF_S2, PDF_S3, PDF_S4 };

struct pdf;
/* What every page has: drawn first, under everything else. */
typedef void pdf_frame_fn(struct pdf *pdf, void *ctx);

struct pdf {
    cairo_surface_t *surface;
    cairo_t *cr;
    PangoLayout *layout;
    double width, height; /* of a page */
    double y;             /* where the next thing goes */
    int page;             /* from 1 */
    int pages;            /* 0 while they are counted */
    pdf_frame_fn *frame;
    void *frame_ctx;
    report_sink_fn *sink;
    void *sink_ctx;
    bool failed;
    struct err err;
};

struct pdf_style {
    double size;
    int weight; /* PANGO_WEIGHT_... */
    enum pdf_ink ink;
    PangoAlignment align;
    int lines_max; /* 0: as many as it takes; then it ends in an ellipsis */
    bool mono;
};

struct pdf_column {
    const char *title;
    double width;
    bool right;
};

struct pdf_table {
    const struct pdf_column *columns;
    int column_count;
    double size;
    double pad; /* above and below the text of a row */
};

/* sink NULL: pages are drawn for nobody, to count them. title, author and created_at ("...Z") go into the metadata. */
int pdf_open(struct pdf *pdf, double width, double height, report_sink_fn *sink, void *sink_ctx, struct err *err);
void pdf_metadata(struct pdf *pdf, const char *title, const char *author, const char *created_at);
/* The first page; pages is 0 while they are counted. */
void pdf_begin(struct pdf *pdf, int pages, pdf_frame_fn *frame, void *ctx);
/* Ends the last page; -1 with the first error. */
int pdf_close(struct pdf *pdf, struct err *err);

void pdf_ink(struct pdf *pdf, enum pdf_ink ink);
/* Make the style small enough for text to fit into one line of width: of a number no digit may be missing. */
void pdf_fit(struct pdf *pdf, struct pdf_style *style, double width, const char *text);
/* Height the text takes. draw false: only measured. */
double pdf_text(struct pdf *pdf, const struct pdf_style *style, double x, double y, double width, const char *text,
                bool draw);
void pdf_rule(struct pdf *pdf, double x0, double x1, double y, double thickness, enum pdf_ink ink);
/* Begin a new page unless height points are left on this one; true when it did. */
bool pdf_need(struct pdf *pdf, double height);

void pdf_table_head(struct pdf *pdf, const struct pdf_table *table);
/* A row at pdf->y; on a new page the head comes first. cells may be NULL (empty). */
void pdf_table_row(struct pdf *pdf, const struct pdf_table *table, const char *const *cells, bool bold, bool rule);

#endif
