/*
 * price_book.h - prices as a versioned document (format: docs/price-book.md and docs/price-book.schema.json).
 *
 * Why:       append-only, effective-dated prices make every old bill recomputable.
 * Ownership: price_book_parse allocates, price_book_free releases (NULL-safe, sets NULL). Immutable after parsing.
 * Threads:   share a parsed book freely.
 */
#ifndef FARTHING_BILLING_PRICE_BOOK_H
#define FARTHING_BILLING_PRICE_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "billing/money.h"

struct billing_policy;
struct err;
struct pg;
struct price_book;

#define PRICE_BOOK_BYTES_MAX (1024 * 1024)
#define PRICE_BOOK_NAME_BYTES 64

/* Every error of the document is found; err carries the first with its JSON pointer, all of them go to problems (may be
 * NULL). */
struct price_problem {
    char pointer[96];
    char text[200];
};
struct price_problems {
    int count; /* all; the first PRICE_PROBLEMS_MAX are kept */
    struct price_problem list[64];
};
#define PRICE_PROBLEMS_MAX 64

int price_book_parse(const char *json, size_t length, struct price_book **book, struct price_problems *problems,
                     struct err *err);
void price_book_free(struct price_book **book);
/* What one account pays instead (docs/price-book.md), onto a book that nobody shares yet; problems as in parsing. */
int price_override_apply(struct price_book *book, const char *json, size_t length, struct price_problems *problems,
                         struct err *err);
/* The book that ships with the program: Lambda's public us-east-1 prices with the free tier. */
const char *price_book_default_json(void);

const struct currency *price_book_currency(const struct price_book *book);
enum rounding price_book_rounding(const struct price_book *book);
/* The metering policy in force at an instant (rounding grain, init billed) for a runtime ("nodejs20.x"; "" where it is
 * not known: then a policy that names runtimes does not bill init). */
void price_book_policy(const struct price_book *book, int64_t at_us, const char *runtime,
                       struct billing_policy *policy);

/* Stored books: put appends a version (the identical document again is no new version), load gives the one in force. */
int price_book_put(struct pg *pg, const char *name, int64_t effective_from_us, const char *json, size_t length,
                   int64_t *version, struct err *err);
/* For an account: its book, with its override applied. */
int price_book_load(struct pg *pg, int64_t account_id, int64_t at_us, struct price_book **book, int64_t *version,
                    struct err *err);
int price_book_load_named(struct pg *pg, const char *name, int64_t at_us, struct price_book **book, int64_t *version,
                          struct err *err);
/* What one account pays instead (docs/price-book.md). put appends a version for a month and those after it; the
 * identical document again is no new version. Checked against the account's book at that time: every problem goes to
 * problems (may be NULL), err carries the first. */
int price_override_put(struct pg *pg, int64_t account_id, int64_t effective_from_us, const char *json, size_t length,
                       int64_t *version, struct price_problems *problems, struct err *err);
struct price_override {
    int64_t effective_from_us, version, created_us;
    const char *json; /* as long as the visit lasts */
};
typedef int price_override_fn(const struct price_override *override, void *ctx, struct err *err);
/* Newest first: of those in force the first counts. */
int price_override_list(struct pg *pg, int64_t account_id, price_override_fn *visit, void *ctx, struct err *err);
/* Puts the default book as version 1 of "default" when there is none. Called at node start. */
int price_book_seed(struct pg *pg, struct err *err);

#endif
