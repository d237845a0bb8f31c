/*
 * invoice_list_store.h - invoices as the API lists them (tables invoice, invoice_line). Reads only.
 */
#ifndef FARTHING_API_INVOICE_LIST_STORE_H
#define FARTHING_API_INVOICE_LIST_STORE_H

#include <stdint.h>

struct err;
struct pg;

struct invoice_row {
    int64_t invoice_id;
    const char *kind, *state, *number, *currency, *price_book, *park_reason;
    const char *month;  /* "2026-10" */
    const char *digest; /* hex or "" */
    int minor_digits;
    int64_t net_minor, tax_minor, total_minor, price_version;
    int64_t issued_us, due_us, complete_through_us; /* 0: none */
    int64_t refers_to;                              /* 0: none */
};

struct invoice_line_row {
    int64_t line;
    const char *kind, *meter, *price_id, *description, *quantity, *unit, *unit_price, *exact_amount, *month, *detail;
    int64_t band, amount_minor;
};

/* Which: what is 0 or NULL asks nothing. */
struct invoice_query {
    int64_t account_id, invoice_id;
    const char *number; /* "INV-2026-000001" */
    const char *month;  /* "2026-10" */
    int64_t before;     /* ids below it */
    int64_t limit;
};

typedef int invoice_row_fn(const struct invoice_row *row, void *ctx, struct err *err);
/* Newest first. */
int invoice_list_store(struct pg *pg, const struct invoice_query *query, invoice_row_fn *on_row, void *ctx,
                       struct err *err);
typedef int invoice_line_fn(const struct invoice_line_row *row, void *ctx, struct err *err);
int invoice_list_store_lines(struct pg *pg, int64_t account_id, int64_t invoice_id, invoice_line_fn *on_line, void *ctx,
                             struct err *err);

#endif
