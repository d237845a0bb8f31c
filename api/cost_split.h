/*
 * cost_split.h - a bill's shares added up by what they came from: function, version, day, or the value of a tag.
 *
 * Why:       shares are exact parts of lines, so every way to add them up gives the lines again.
 * Threads:   a request's own.
 */
#ifndef FARTHING_API_COST_SPLIT_H
#define FARTHING_API_COST_SPLIT_H

#include "billing/bill.h"

struct err;
struct json_writer;
struct request;

enum cost_by { COST_BY_FUNCTION, COST_BY_VERSION, COST_BY_DAY, COST_BY_TAG };

struct cost_split {
    enum cost_by by;
    const char *tag; /* the tag's key */
};

/* "function", "version", "day", "tag:KEY"; ERR_INVALID naming "by" for anything else. */
int cost_split_parse(const char *text, struct cost_split *split, struct err *err);
/* What bill_load has to split for it: BILL_SPLIT_*. */
unsigned cost_split_flags(const struct cost_split *split);
/* Writes an array of that name. */
int cost_split_put(struct request *request, struct json_writer *writer, const char *name, const struct bill *bill,
                   const struct cost_split *split, struct err *err);

#endif
