/*
 * price_explain.h - prices in words: how a line becomes money, and what differs between two books.
 *
 * Why:       a bill that can be checked with pencil and paper must say what to write down.
 * Ownership: text goes to the caller's buffer; callbacks borrow.  Threads: any.
 */
#ifndef FARTHING_BILLING_PRICE_EXPLAIN_H
#define FARTHING_BILLING_PRICE_EXPLAIN_H

#include "billing/rating.h"

struct buf;
struct price_book;

/*
 * One line of a bill as an indented sum with its result: counted units to pricing units, times the price, exactly, and
 * rounded once. Only usage has a sum.
 */
void price_explain_line(const struct rated_line *line, const struct currency *currency, struct buf *out);

/* The steps of a whole rated bill, meter by meter, and the sum of the rounded lines. */
void price_explain(const struct price_book *book, const struct usage_totals *totals, const struct rated_bill *bill,
                   struct buf *out);

struct price_change {
    char what[120];             /* "compute_x86_64 t1 price" */
    char before[80], after[80]; /* "-" where there is none */
};

typedef void price_change_fn(const struct price_change *change, void *ctx);

/* Everything that changes a bill, in the order of the document; bands are compared by place. */
void price_book_diff(const struct price_book *before, const struct price_book *after, price_change_fn *on_change,
                     void *ctx);

#endif
