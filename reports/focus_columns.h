/*
 * focus_columns.h - the columns of FOCUS Cost and Usage: which versions have them and what stands in them.
 *
 * Source: FinOps Open Cost and Usage Specification 1.2, 1.3 and 1.4 (CC-BY 4.0). Columns of ours begin with x_ and come
 * last.
 */
#ifndef FARTHING_REPORTS_FOCUS_COLUMNS_H
#define FARTHING_REPORTS_FOCUS_COLUMNS_H

#include <stddef.h>

#include "reports/columns.h"

#define FOCUS_V12 1u
#define FOCUS_V13 2u
#define FOCUS_V14 4u
#define FOCUS_ALL (FOCUS_V12 | FOCUS_V13 | FOCUS_V14)

enum focus_value {
    NOTHING,
    ACCOUNT_ID,
    ACCOUNT_NAME,
    ACCOUNT_TYPE,
    BILLED_COST,
    CATEGORY,
    CHARGE_END,
    CHARGE_START,
    CLASS,
    CONSUMED_QUANTITY,
    CONSUMED_UNIT,
    CONTRACTED_COST,
    CONTRACTED_PRICE,
    CURRENCY,
    DESCRIPTION,
    FREQUENCY,
    INVOICE_DETAIL_ID,
    INVOICE_ID,
    ISSUER,
    LIST_COST,
    LIST_PRICE,
    PERIOD_END,
    PERIOD_START,
    PRICING_CATEGORY,
    PRICING_QUANTITY,
    PRICING_UNIT,
    RESOURCE_ID,
    RESOURCE_NAME,
    RESOURCE_TYPE,
    SERVICE_CATEGORY,
    SERVICE_NAME,
    SERVICE_SUBCATEGORY,
    SKU_DETAILS,
    SKU_ID,
    SKU_METER,
    SKU_PRICE_ID,
    TAGS,
    X_FUNCTION_VERSION,
    X_MEMORY,
    X_PRICE_BOOK,
    X_PRICE_VERSION,
    X_ROUNDING,
    X_STATE,
    FOCUS_VALUE_COUNT
};

/* What the field is on its own: FOCUS has more to say (focus_rows.c keeps to it), e.g. that a tax has no quantity. */
struct focus_column {
    struct report_column column;
    unsigned versions;
    enum focus_value value;
};

extern const struct focus_column FOCUS_COLUMNS[];
extern const size_t FOCUS_COLUMN_COUNT;

unsigned focus_version_bit(enum report_focus_version version);

#endif
