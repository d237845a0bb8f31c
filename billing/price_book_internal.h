/*
 * price_book_internal.h - what a parsed price book is, for its siblings in billing/ only.
 *
 * Units: quantities in own units of their meter (rating.h); prices per pricing unit.
 */
#ifndef FARTHING_BILLING_PRICE_BOOK_INTERNAL_H
#define FARTHING_BILLING_PRICE_BOOK_INTERNAL_H

#include "billing/price_book.h"
#include "billing/rating.h"

#include <cjson/cJSON.h>

#define PRICE_BANDS_MAX 16
#define PRICE_FREE_MAX 8
#define PRICE_TAXES_MAX 4
#define PRICE_POLICIES_MAX 16

enum price_model {
    PRICE_GRADUATED, /* each band's price for the part of the quantity in it */
    PRICE_VOLUME,    /* the whole quantity at the price of the band it ends in */
    PRICE_PACKAGE    /* whole packages, started ones count */
};

struct price_band {
    char id[32];
    char price_id[64];
    int64_t up_to;             /* exclusive end in own units; INT64_MAX: open */
    struct decimal list_price; /* per pricing unit (package model: per package) */
    struct decimal contracted_price;
};

struct price_meter {
    bool priced; /* false: the meter costs nothing and makes no line */
    enum price_model model;
    int64_t package; /* own units a package; package model only */
    int band_count;
    struct price_band bands[PRICE_BANDS_MAX];
};

struct price_free {
    char id[32]; /* price id of its lines: <meter>.<id> */
    int meter_count;
    enum meter meters[METER_COUNT]; /* in this order the allowance is used up */
    int64_t quantity;
};

struct price_tax {
    char id[32];
    char name[64];
    char category[4]; /* EN 16931: S, Z, E, AE, ... */
    struct decimal percent;
};

#define PRICE_RUNTIMES_MAX 4
#define PRICE_RUNTIME_BYTES 24

struct price_policy {
    int64_t from_us;
    uint32_t grain_ms;
    bool bill_init;    /* of every runtime, or of those named */
    int runtime_count; /* 0: of every one */
    char runtimes[PRICE_RUNTIMES_MAX][PRICE_RUNTIME_BYTES];
    uint32_t async_kib;
};

struct price_book {
    struct currency currency;
    enum rounding rounding;
    struct price_meter meters[METER_COUNT];
    int free_count;
    struct price_free free[PRICE_FREE_MAX];
    int tax_count;
    struct price_tax taxes[PRICE_TAXES_MAX];
    int policy_count;
    struct price_policy policies[PRICE_POLICIES_MAX]; /* in order of from_us */
    int64_t minimum_fee_minor;
    int64_t discount_minor; /* off the net of a month; from an override */
};

/* Collects every problem of a document; the first becomes err (price_reader.c). */
struct price_reader {
    struct price_problems *problems;
    struct price_problems own; /* used when the caller wants none */
};

__attribute__((format(printf, 3, 4))) void price_problem(struct price_reader *reader, const char *pointer,
                                                         const char *format, ...);
/* The first problem noted as the error of the whole document; returns -1. */
int price_first_problem(const struct price_reader *reader, struct err *err);
/* A member that is an amount of the book's currency, in minor units; 0 when it is not there. Not negative. */
int64_t price_money(struct price_reader *reader, const cJSON *root, const char *name, const struct currency *currency);
/* effective_from of a book or an override: the first instant of a UTC month, so that a bill has one. */
int price_month_start_check(int64_t effective_from_us, struct err *err);
/* At most 100. */
bool price_percent_fits(struct decimal percent);
#define PRICE_POINTER_BYTES 96
/* Write a JSON pointer; one that is too long is cut. */
__attribute__((format(printf, 2, 3))) void price_at(char pointer[PRICE_POINTER_BYTES], const char *format, ...);
/* Parts of the document (price_bands.c). */
void price_read_meters(struct price_reader *reader, const cJSON *meters, struct price_book *book);
void price_read_free(struct price_reader *reader, const cJSON *list, struct price_book *book);
/* A member that is a string, or NULL with a problem noted when it is something else (or missing and required). */
const char *price_text(struct price_reader *reader, const cJSON *object, const char *pointer, const char *name,
                       bool required);
/* Quantity in pricing units as text to own units; problem and false when it is not a whole number of own units. */
bool price_quantity(struct price_reader *reader, const char *pointer, enum meter meter, const char *text, int64_t *own);
/* Members other than those named are problems. */
void price_only(struct price_reader *reader, const cJSON *object, const char *pointer, const char *const *names);

#endif
