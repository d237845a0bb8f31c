/*
 * digits.h - exact products written straight as decimals, for files with millions of them.
 *
 * Why:     billing/money.h writes any amount with all its digits; this gives the same digits several times faster for
 * products that fit 128 bits, and asks money.h for the others. Threads: any.
 */
#ifndef FARTHING_REPORTS_DIGITS_H
#define FARTHING_REPORTS_DIGITS_H

#include "billing/money.h"

/* quantity * price / per, per as in exact_product; the length. Beyond all range: -1. */
int digits_product(int64_t quantity, struct decimal price, int64_t per, char text[MONEY_TEXT_BYTES]);
/* A whole number; the length. */
int digits_i64(int64_t value, char text[MONEY_TEXT_BYTES]);

/* A decimal number becomes its opposite; 0 stays 0. */
void digits_turn(char text[MONEY_TEXT_BYTES]);

#endif
