#include "reports/columns.h"

#include "reports/csv.h"
#include "reports/focus_columns.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

const struct report_column SUMMARY_COLUMNS[] = {
    {"record_type", COLUMN_TEXT, false}, {"account", COLUMN_TEXT, false},      {"account_name", COLUMN_TEXT, false},
    {"month", COLUMN_TEXT, false},       {"state", COLUMN_TEXT, false},        {"invoice", COLUMN_TEXT, true},
    {"line", COLUMN_INTEGER, true},      {"meter", COLUMN_TEXT, true},         {"band", COLUMN_INTEGER, true},
    {"description", COLUMN_TEXT, true},  {"function", COLUMN_TEXT, true},      {"quantity", COLUMN_DECIMAL, true},
    {"unit", COLUMN_TEXT, true},         {"unit_price", COLUMN_DECIMAL, true}, {"exact_amount", COLUMN_DECIMAL, true},
    {"amount", COLUMN_DECIMAL, false},   {"currency", COLUMN_TEXT, false},     {"complete_through", COLUMN_TIME, false},
    {"records_root", COLUMN_TEXT, true},
};
const size_t SUMMARY_COLUMN_COUNT = COUNT(SUMMARY_COLUMNS);

/* Times of AWS's layout ("2026/10/01 00:00:00") are of no type that CSV on the Web knows: they are text. */
const struct report_column AWS_COLUMNS[] = {
    {"InvoiceID", COLUMN_TEXT, false},
    {"PayerAccountId", COLUMN_TEXT, false},
    {"LinkedAccountId", COLUMN_TEXT, true},
    {"RecordType", COLUMN_TEXT, false},
    {"RecordID", COLUMN_INTEGER, false},
    {"BillingPeriodStartDate", COLUMN_TEXT, false},
    {"BillingPeriodEndDate", COLUMN_TEXT, false},
    {"InvoiceDate", COLUMN_TEXT, true},
    {"PayerAccountName", COLUMN_TEXT, false},
    {"LinkedAccountName", COLUMN_TEXT, true},
    {"TaxationAddress", COLUMN_TEXT, true},
    {"PayerPONumber", COLUMN_TEXT, true},
    {"ProductCode", COLUMN_TEXT, true},
    {"ProductName", COLUMN_TEXT, true},
    {"SellerOfRecord", COLUMN_TEXT, true},
    {"UsageType", COLUMN_TEXT, true},
    {"Operation", COLUMN_TEXT, true},
    {"RateId", COLUMN_TEXT, true},
    {"ItemDescription", COLUMN_TEXT, false},
    {"UsageStartDate", COLUMN_TEXT, true},
    {"UsageEndDate", COLUMN_TEXT, true},
    {"UsageQuantity", COLUMN_DECIMAL, true},
    {"BlendedRate", COLUMN_DECIMAL, true},
    {"CurrencyCode", COLUMN_TEXT, false},
    {"CostBeforeTax", COLUMN_DECIMAL, false},
    {"Credits", COLUMN_DECIMAL, false},
    {"TaxAmount", COLUMN_DECIMAL, false},
    {"TaxType", COLUMN_TEXT, true},
    {"TotalCost", COLUMN_DECIMAL, false},
};
const size_t AWS_COLUMN_COUNT = COUNT(AWS_COLUMNS);

const struct report_column RECORDS_COLUMNS[] = {
    {"account", COLUMN_TEXT, false},
    {"function_id", COLUMN_TEXT, false},
    {"function", COLUMN_TEXT, true},
    {"version", COLUMN_INTEGER, false},
    {"started_at", COLUMN_TIME, false},
    {"request_id", COLUMN_TEXT, false},
    {"attempt", COLUMN_INTEGER, false},
    {"status", COLUMN_TEXT, false},
    {"cold", COLUMN_INTEGER, false},
    {"provisioned", COLUMN_INTEGER, false},
    {"arch", COLUMN_TEXT, false},
    {"duration_us", COLUMN_INTEGER, false},
    {"init_us", COLUMN_INTEGER, false},
    {"billed_ms", COLUMN_INTEGER, false},
    {"memory_mib", COLUMN_INTEGER, false},
    {"mb_ms", COLUMN_INTEGER, false},
    {"peak_kib", COLUMN_INTEGER, false},
    {"cpu_us", COLUMN_INTEGER, false},
    {"response_bytes", COLUMN_INTEGER, false},
    {"billed_requests", COLUMN_INTEGER, false},
    {"ephemeral_mib", COLUMN_INTEGER, false},
    {"storage_mb_ms", COLUMN_INTEGER, false},
    {"streamed_bytes", COLUMN_INTEGER, false},
    {"flags", COLUMN_INTEGER, false},
};
const size_t RECORDS_COLUMN_COUNT = COUNT(RECORDS_COLUMNS);

static const struct report_column *focus_next(enum report_focus_version version, size_t *at)
{
    while (*at < FOCUS_COLUMN_COUNT) {
        const struct focus_column *column = &FOCUS_COLUMNS[(*at)++];
        if ((column->versions & focus_version_bit(version)) != 0) {
            return &column->column;
        }
    }
    return NULL;
}

const struct report_column *report_column_next(enum report_layout layout, enum report_focus_version version, size_t *at)
{
    static const struct {
        const struct report_column *columns;
        const size_t *count;
    } TABLES[] = {
        [REPORT_SUMMARY] = {SUMMARY_COLUMNS, &SUMMARY_COLUMN_COUNT},
        [REPORT_AWS] = {AWS_COLUMNS, &AWS_COLUMN_COUNT},
        [REPORT_RECORDS] = {RECORDS_COLUMNS, &RECORDS_COLUMN_COUNT},
        [REPORT_FOCUS_INVOICE] = {FOCUS_INVOICE_COLUMNS, &FOCUS_INVOICE_COLUMN_COUNT},
        [REPORT_FOCUS_PERIOD] = {FOCUS_PERIOD_COLUMNS, &FOCUS_PERIOD_COLUMN_COUNT},
    };
    if (layout == REPORT_FOCUS) {
        return focus_next(version, at);
    }
    if ((size_t)layout >= COUNT(TABLES) || TABLES[layout].columns == NULL || *at >= *TABLES[layout].count) {
        return NULL;
    }
    return &TABLES[layout].columns[(*at)++];
}

void report_columns_header(struct csv *csv, enum report_layout layout, enum report_focus_version version)
{
    size_t at = 0;
    for (const struct report_column *column = report_column_next(layout, version, &at); column != NULL;
         column = report_column_next(layout, version, &at)) {
        csv_word(csv, column->name);
    }
    csv_row_end(csv);
}
