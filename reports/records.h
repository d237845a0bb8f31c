/*
 * records.h - the raw records of one account and month as CSV, in constant memory.
 */
#ifndef FARTHING_REPORTS_RECORDS_H
#define FARTHING_REPORTS_RECORDS_H

#include "reports/csv.h"

struct pg;

int records_month(struct csv *csv, struct pg *pg, int64_t account_id, struct month month, int64_t counted_us,
                  struct err *err);

#endif
