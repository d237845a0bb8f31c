/*
 * price_aws_internal.h - between the readers of the two formats and what makes a book of them.
 *
 * Units: texts are as in the file; one that does not fit is cut and then refused where it is used.
 */
#ifndef FARTHING_BILLING_PRICE_AWS_INTERNAL_H
#define FARTHING_BILLING_PRICE_AWS_INTERNAL_H

#include "billing/price_aws.h"
#include "billing/price_book_internal.h"

#define AWS_TEXT_BYTES 160
#define AWS_PRODUCTS_MAX 64
#define AWS_REGIONS_MAX 64

/* What a product is, as far as the price book knows it: a meter, an architecture, and whether it is free everywhere. */
struct aws_kind {
    enum meter meter;
    bool arm;
    bool global;
};

struct aws_product {
    char sku[AWS_TEXT_BYTES];
    char group[AWS_TEXT_BYTES];
    char usage_type[AWS_TEXT_BYTES];
    char region[AWS_TEXT_BYTES]; /* "us-east-1"; older files have the location only */
    char location[AWS_TEXT_BYTES];
};

struct aws_price {
    char sku[AWS_TEXT_BYTES];
    char offer_term[AWS_TEXT_BYTES];
    char rate_code[AWS_TEXT_BYTES];
    char begin[AWS_TEXT_BYTES];
    char end[AWS_TEXT_BYTES];
    char price[AWS_TEXT_BYTES];
    char currency[AWS_TEXT_BYTES];
};

struct aws_band {
    char rate_code[64];
    struct decimal begin, end; /* in pricing units */
    bool open;                 /* end is "Inf" */
    struct decimal price;
};

struct aws_kept {
    char sku[AWS_TEXT_BYTES];
    char offer_term[AWS_TEXT_BYTES];
    struct aws_kind kind;
    int band_count;
    struct aws_band bands[PRICE_BANDS_MAX];
};

struct aws_offer {
    const struct price_aws_options *options;
    struct price_aws_summary *summary;
    char currency[4]; /* "" until a price was seen */
    int product_count;
    struct aws_kept products[AWS_PRODUCTS_MAX];
    int region_count; /* seen in the file, for the message when the one asked for is not there */
    char regions[AWS_REGIONS_MAX][32];
};

/* Where in the file: "line 12, /terms/OnDemand/..." */
struct aws_place {
    long line;
    const char *pointer; /* JSON pointer or column */
};

/* Keep the product when it is of the region and has a meter; twice the same is no error. */
int aws_offer_product(struct aws_offer *offer, const struct aws_product *product, const struct aws_place *place,
                      struct err *err);
/* A band of a product that is kept; any other is passed over, and so are prices in other currencies than asked for. */
int aws_offer_price(struct aws_offer *offer, const struct aws_price *price, const struct aws_place *place,
                    struct err *err);
/* ERR_INVALID with place and source in the text. */
__attribute__((format(printf, 4, 5))) int aws_wrong(const struct aws_offer *offer, const struct aws_place *place,
                                                    struct err *err, const char *format, ...);

int aws_read_json(FILE *in, struct aws_offer *offer, struct err *err);
int aws_read_csv(FILE *in, struct aws_offer *offer, struct err *err);

#endif
