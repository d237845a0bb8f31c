/*
 * verify_constants.h - what no record says, but a bill says of itself on every row: its number, state and age, the
 * account.
 *
 * Why:     a verifier cannot know the number of an invoice, but a bill that gives two was changed.
 * Threads: one at a time; plain values.
 */
#ifndef FARTHING_REPORTS_VERIFY_CONSTANTS_H
#define FARTHING_REPORTS_VERIFY_CONSTANTS_H

#include <stdbool.h>
#include <stdint.h>

struct csv_reader;
struct currency;
struct err;

#define VERIFY_CONSTANTS 4

struct verify_constants {
    bool known;
    char value[VERIFY_CONSTANTS][300];
};

/* The column that is not what it is on the first row, or NULL. Older bills have fewer columns. */
const char *verify_constants_row(struct verify_constants *constants, const struct csv_reader *reader);

/* The first column that a bill has not, or not in this place; NULL when the header is a bill's. Older bills have fewer.
 */
const char *verify_odd_column(const struct csv_reader *reader);
/* Whether exact_amount of a row, which nothing can be compared with, is within a minor unit of its amount: a tax or a
 * fee is rounded, a correction is what two rounded amounts differ by, a credit is whole. */
bool verify_rounds(const struct csv_reader *reader, int64_t amount_minor, const struct currency *currency);
/* ERR_INVALID for a row of a credit note: its quantities are the opposite of what records say. */
int verify_no_credit_note(const struct csv_reader *reader, struct err *err);

#endif
