/*
 * prices.h - parts of `farthing prices` (cmd_prices.c) that explain and compare.
 *
 * Threads: one.
 */
#ifndef FARTHING_CLI_PRICES_H
#define FARTHING_CLI_PRICES_H

struct cli;
struct err;

/* How a quantity under a book, or an account's month, becomes money. */
int prices_explain(struct cli *cli, struct err *err);
/* What differs between two versions or two books. */
int prices_diff(struct cli *cli, struct err *err);
int prices_rerate(struct cli *cli, struct err *err);

#endif
