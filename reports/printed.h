/*
 * printed.h - what a printed invoice says, before anybody decides how it looks: the page (html) and the paper (pdf)
 * draw the same struct printed.
 *
 * Why:       both must show the same words and sums. Amounts are the bill's own rounded ones; nothing is added up
 * anew in another way. The chart's heights are the only rough numbers: they are pixels. Ownership: printed_load
 * allocates, printed_free releases; borrows options. Threads: one struct pg a thread.
 */
#ifndef FARTHING_REPORTS_PRINTED_H
#define FARTHING_REPORTS_PRINTED_H

#include <stdbool.h>

#include "billing/bill.h"
#include "reports/party.h"
#include "reports/report.h"

struct buf;

#define PRINTED_FUNCTIONS_MAX 500 /* the rest is one row, "N more functions": the CSV layouts have them all */
#define PRINTED_SERIES_MAX 5      /* functions with a colour of their own in the chart; the last is all others */
#define PRINTED_DAYS_MAX 31
#define PRINTED_TEXT_BYTES 96

struct printed_function {
    int64_t function_id; /* 0: the row of the rest */
    char name[80];
    int64_t requests;
    int64_t mb_ms; /* compute of all kinds */
    int64_t requests_minor, compute_minor, other_minor, total_minor;
};

/* One day of the chart: what each series cost, in currency units; rough, for drawing. */
struct printed_day {
    double series[PRINTED_SERIES_MAX];
    double total;
};

struct printed {
    const struct report_options *options;
    struct bill *bill;
    const char *title;   /* "Invoice", "Estimate", ... */
    const char *heading; /* over the lines */
    const char *stamp;   /* across the pages: "ESTIMATE", "VOID", ...; NULL: none */
    struct party issuer, customer;
    int function_count; /* rows to print, most expensive first */
    struct printed_function *functions;
    struct printed_function all; /* their sum */
    int day_count;
    struct printed_day days[PRINTED_DAYS_MAX];
    int series_count;
    char series[PRINTED_SERIES_MAX][80];
    int64_t charges_minor, corrections_minor, credits_minor; /* sums of the sections; with tax they are the total */
};

/* The month's bill, or the document of options->invoice_id. */
int printed_load(struct pg *pg, int64_t account_id, struct month month, const struct report_options *options,
                 struct printed **printed, struct err *err);
void printed_free(struct printed **printed);

/* A section of the invoice: which lines stand in it. Prepaid money is used after tax, so it stands with the taxes. */
enum printed_section { PRINTED_CHARGES, PRINTED_CORRECTIONS, PRINTED_CREDITS, PRINTED_TAXES };
enum printed_section printed_section_of(const struct rated_line *line);
bool printed_is_metered(const struct rated_line *line);
/* Somebody is asked for money: how to pay stands on it. */
bool printed_is_payable(const struct printed *printed);

/* "1,234,567.89" and "USD 1,234,567.89"; a minus is U+2212. */
void printed_amount(const struct printed *printed, int64_t minor, char text[PRINTED_TEXT_BYTES]);
void printed_money(const struct printed *printed, int64_t minor, char text[PRINTED_TEXT_BYTES]);
/* Quantity in pricing units, thousands grouped, with so many decimals (more are cut off, not rounded). */
#define PRINTED_ALL_DIGITS (-1)
void printed_quantity(enum meter meter, int64_t quantity, int decimals, char text[PRINTED_TEXT_BYTES]);
/* "0.20 per million requests", "0.0000166667 per GB-second". */
void printed_price(const struct rated_line *line, char text[PRINTED_TEXT_BYTES]);
/* "Requests", "GB-seconds": the unit of a quantity. */
const char *printed_unit(enum meter meter);
/* "1 October 2026" and "October 2026". */
void printed_date(int64_t at_us, char text[PRINTED_TEXT_BYTES]);
void printed_month(struct month month, char text[PRINTED_TEXT_BYTES]);
/* The step of the chart's axis and its top: 1, 2 or 5 times a power of ten, at most five steps. */
void printed_axis(const struct printed *printed, double *step, double *top);
/* Label of the axis, with as many digits as the step needs. */
void printed_axis_label(double value, double step, char text[PRINTED_TEXT_BYTES]);

/* UBL 2.1 of an issued invoice; ERR_CONFLICT says what is missing for one. */
int printed_ubl(const struct printed *printed, struct buf *out, struct err *err);
/* The two ways to draw it. */
int printed_html(const struct printed *printed, struct buf *out);
int printed_pdf(const struct printed *printed, report_sink_fn *sink, void *ctx, struct err *err);

#endif
