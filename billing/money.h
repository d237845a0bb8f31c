/*
 * money.h - decimals, exact amounts and the one rounding of the program.
 *
 * Why:     a bill must come out the same with pencil and paper: quantities are whole numbers, prices are decimals with
 * a scale, products are exact, and money_round() is the only place where anything is rounded. Units:   struct exact
 * counts 1 / (10^17 * 2^30) of a currency unit: MB*ms (1/1,024,000 GB-s) and bytes (2^-30 GB) times prices of up to 14
 * decimals come out whole, so nothing is rounded before the line. Range +-1.5 * 10^12 units.
 *          *_minor counts minor units of the currency (cents; yen; fils), digits from ISO 4217.
 * Errors:  every operation that could overflow says so (ERR_LIMIT); nothing wraps, nothing saturates.
 * Threads: any.
 */
#ifndef FARTHING_BILLING_MONEY_H
#define FARTHING_BILLING_MONEY_H

#include <stdbool.h>
#include <stdint.h>

struct err;

#define EXACT_DECIMALS_MAX 47 /* most decimals an exact amount can have when written out */
#define MONEY_TEXT_BYTES 72
#define PRICE_SCALE_MAX 14 /* decimals of a price per pricing unit */

__extension__ typedef __int128 money_int; /* ISO C has no name for it; the one typedef of this folder */

struct exact {
    money_int value; /* 1 / (10^17 * 2^30) currency units */
};
#define EXACT_PER_UNIT ((money_int)100000000000000000 << 30)

/* A decimal as written: value * 10^-scale. */
struct decimal {
    int64_t value;
    int scale; /* 0..18 */
};

enum rounding { ROUND_HALF_UP, ROUND_HALF_EVEN }; /* half-up: away from zero */

struct currency {
    char code[4];
    int minor_digits; /* 0..4 */
};

/* ISO 4217 code to currency; ERR_INVALID naming field for any other. */
int currency_find(const char *code, const char *field, struct currency *currency, struct err *err);

/* "-?digits(.digits)?" with at most scale_max decimals; no exponent, no sign '+', no spaces. */
int decimal_parse(const char *text, const char *field, int scale_max, struct decimal *decimal, struct err *err);
/* Shortest form ("0.2", "200"); fixed: exactly scale decimals. */
void decimal_format(struct decimal decimal, char text[MONEY_TEXT_BYTES]);
void decimal_format_fixed(struct decimal decimal, int scale, char text[MONEY_TEXT_BYTES]);

int exact_add(struct exact a, struct exact b, struct exact *sum, struct err *err);
/* quantity * price / per, where per is 1, 1,024,000 or 2^30 (units a pricing unit): exact, or ERR_LIMIT. */
int exact_product(int64_t quantity, struct decimal price, int64_t per, struct exact *product, struct err *err);
/* All digits without trailing zeros: "2.333338". */
void exact_format(struct exact exact, char text[MONEY_TEXT_BYTES]);
int exact_parse(const char *text, const char *field, struct exact *exact, struct err *err);

/* In 10^-12 of a unit, rounded up: what caps count in; negative amounts are 0. ERR_LIMIT beyond 9.2 million units. */
int exact_picos(struct exact exact, int64_t *picos, struct err *err);

/* THE rounding: to the currency's minor unit. residue = exact - rounded. */
int money_round(struct exact exact, const struct currency *currency, enum rounding rounding, int64_t *minor,
                struct exact *residue, struct err *err);
/* "249.49" with the currency's digits, '-' in front when negative. */
void minor_format(int64_t minor, const struct currency *currency, char text[MONEY_TEXT_BYTES]);

/*
 * Spread total over weights in whole units by largest remainder; ties go to the lower index. shares sum to total
 * exactly; a zero weight sum gives everything to index 0. total and weights not negative (spread the absolute value).
 */
int money_spread(int64_t total, const int64_t *weights, int count, int64_t *shares, struct err *err);

#endif
