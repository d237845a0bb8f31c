/*
 * verify_capacity.h - the lines of a bill that no record shows: provisioned concurrency as it was configured.
 *
 * Why:     it is billed by the time it was configured (billing/rating.h), called or not. A verifier takes its
 * quantities from the bill and checks all that follows from them: bands, prices, amounts, shares, fee, tax, total.
 * Threads: one at a time.
 */
#ifndef FARTHING_REPORTS_VERIFY_CAPACITY_H
#define FARTHING_REPORTS_VERIFY_CAPACITY_H

#include <stdint.h>
#include <stdio.h>

#include "billing/bill_rate.h"

struct err;

/* Adds what the share rows of such meters state to the usage of their functions (by name; new ones for those without a
 * record) and puts bill back to its start. *rows: how many there were. A bill that cannot be read twice (a pipe) is
 * left alone, and its lines will not follow. ERR_INVALID for a quantity that is no whole number of MB-ms. */
int verify_capacity_take(FILE *bill, const char *name, struct bill_usage_list *usage, int64_t *rows, struct err *err);

#endif
