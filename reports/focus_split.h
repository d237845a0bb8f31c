/*
 * focus_split.h - one function's part of each invoice line, cut into the rows of its versions, memory sizes and days,
 * one row after the other.
 *
 * Why:       FOCUS wants a row a day; a month of a large account has millions, and only one of them is in memory.
 * How:       row r of a band gets floor(Q * C_r / W) - floor(Q * C_(r-1) / W), where Q is the function's quantity in
 * the band, W all it used and C_r what it used up to row r. Each row is within one unit of its part, the rows add up to
 * Q, and the bands of a meter are served in turn, so that they add up to what the row used. Packages are cut likewise.
 * Ownership: borrows the bill. Threads: one at a time.
 */
#ifndef FARTHING_REPORTS_FOCUS_SPLIT_H
#define FARTHING_REPORTS_FOCUS_SPLIT_H

#include "billing/bill.h"

struct err;
struct focus_split;

struct focus_piece {
    int line; /* index into the bill's lines */
    int64_t quantity;
    int64_t packages; /* of a package line */
    bool adjusts;     /* the row that carries the rounding of its line */
};

int focus_split_new(const struct bill *bill, struct focus_split **split, struct err *err);
void focus_split_free(struct focus_split **split);
/* Pieces a row can have: as many as the bill has lines. */
int focus_split_pieces_max(const struct focus_split *split);

/* The rows of function_id follow; totals is what they use together. False when the bill has nothing of it. */
bool focus_split_begin(struct focus_split *split, int64_t function_id, const int64_t totals[METER_COUNT]);
/* How one row is cut; the number of pieces. */
int focus_split_row(struct focus_split *split, const int64_t quantity[METER_COUNT], struct focus_piece *pieces);
/* What the rows did not take (they are fewer now than when the invoice was made); mostly nothing. */
int focus_split_rest(struct focus_split *split, struct focus_piece *pieces);
/* A function of the bill that had no rows at all: begins it. False when there is none left. */
bool focus_split_begin_missed(struct focus_split *split, int64_t *function_id, const char **name);

#endif
