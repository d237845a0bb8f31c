/*
 * cost_what_if.h - part "what_if" of .../cost: the month under another price book, with other steps of rounding,
 * initialisation billed or not, or other memory of one function; any of them together.
 *
 * Ownership: texts are the request's.  Threads: one request.
 */
#ifndef FARTHING_API_COST_WHAT_IF_H
#define FARTHING_API_COST_WHAT_IF_H

#include "billing/what_if.h"

struct bill;
struct err;
struct json_writer;
struct request;

struct cost_what_if {
    bool asked;
    const char *under;    /* NULL: the account's own book */
    char function[65];    /* "": none */
    struct what_if usage; /* function_id is found out by cost_what_if_put */
};

/* Query parameters under, grain, init and resize. */
int cost_what_if_parse(const struct request *request, struct cost_what_if *what_if, struct err *err);
/* bill is of the month, split by function. */
int cost_what_if_put(struct request *request, struct json_writer *writer, const struct bill *bill,
                     const struct cost_what_if *what_if, struct err *err);

#endif
