/*
 * focus.h - FOCUS (FinOps Open Cost and Usage Specification) rows of one bill.
 *
 * The bill must be loaded with BILL_SPLIT_FUNCTION | BILL_SPLIT_VERSION | BILL_SPLIT_DAY. Ownership: borrows
 * everything.
 */
#ifndef FARTHING_REPORTS_FOCUS_H
#define FARTHING_REPORTS_FOCUS_H

#include "reports/report_internal.h"

struct map;

struct focus {
    enum report_focus_version version;
    const char *issuer;
    const struct map *tags; /* function_id (8 bytes) to its tags as JSON text; NULL: none */
};

void focus_header(struct csv *csv, enum report_focus_version version);
void focus_bill(struct csv *csv, const struct focus *focus, const struct bill *bill);
/* JSON object text; "" when the function has no tags. */
const char *focus_tags(const struct focus *focus, int64_t function_id);

#endif
