/*
 * price_aws.h - AWS's public offer file for Lambda ("AWSLambda", JSON or CSV) to a price book document.
 *
 * Why:       an operator who wants to charge what AWS charges should not copy numbers by hand.
 * Method:    the file is read in one or two passes with bounded memory: only the products of one region and the free
 *            ones that hold everywhere ("Global-...") are kept. Bands may be given as beginRange/endRange or
 *            startingRange/endingRange. Prices of x86 and arm that the book has one meter for (requests, ephemeral
 *            storage, streamed bytes) must agree; a file that leaves a doubt is refused, not guessed at.
 * Ownership: the caller owns the file and the buffer.  Threads: any.
 */
#ifndef FARTHING_BILLING_PRICE_AWS_H
#define FARTHING_BILLING_PRICE_AWS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "billing/rating.h"

struct buf;
struct err;

struct price_aws_options {
    const char *source;   /* name of the file, for messages */
    const char *name;     /* of the book */
    const char *region;   /* "us-east-1" */
    const char *currency; /* NULL: the file must have one only */
    bool without_free;    /* leave the free allowances out */
};

struct price_aws_summary {
    char version[32];   /* of the offer file; "" when it does not say */
    char published[40]; /* as the file writes it */
    char currency[4];
    int bands[METER_COUNT]; /* 0: the file has no price, so the book charges nothing */
    int free_allowances;
};

/*
 * Append the book to document (indented JSON, ending in a line feed); it is checked as any book is. in must be seekable
 * when it is JSON (products are read before prices, whatever comes first). ERR_INVALID names place: JSON pointer and
 * line, or line and column.
 */
int price_aws_import(FILE *in, const struct price_aws_options *options, struct buf *document,
                     struct price_aws_summary *summary, struct err *err);

#endif
