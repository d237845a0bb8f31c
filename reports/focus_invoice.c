/*
 * focus_invoice.c - the companions of FOCUS 1.4: InvoiceDetail (a row a line) and BillingPeriod.
 */
#include "reports/focus.h"

#include "common/calendar.h"
#include "common/ids.h"
#include "common/json.h"
#include "reports/columns.h"

#include <stdio.h>

const struct report_column FOCUS_INVOICE_COLUMNS[] = {
    {"BilledCost", COLUMN_DECIMAL, false},
    {"BillingAccountId", COLUMN_TEXT, false},
    {"BillingCurrency", COLUMN_TEXT, false},
    {"BillingPeriodEnd", COLUMN_TIME, false},
    {"BillingPeriodStart", COLUMN_TIME, false},
    {"ChargeCategory", COLUMN_TEXT, false},
    {"InvoiceDetailCreated", COLUMN_TIME, false},
    {"InvoiceDetailDescription", COLUMN_TEXT, true},
    {"InvoiceDetailGrain", COLUMN_JSON, true},
    {"InvoiceDetailId", COLUMN_TEXT, false},
    {"InvoiceDetailLastUpdated", COLUMN_TIME, false},
    {"InvoiceId", COLUMN_TEXT, false},
    {"InvoiceIssueDate", COLUMN_TIME, true},
    {"InvoiceIssueStatus", COLUMN_TEXT, false},
    {"InvoiceIssuerName", COLUMN_TEXT, false},
    {"PaymentDueDate", COLUMN_TIME, true},
    {"PaymentTerms", COLUMN_TEXT, false},
    {"PurchaseOrderNumber", COLUMN_TEXT, true},
    {"ReferenceInvoiceId", COLUMN_TEXT, false},
};
const size_t FOCUS_INVOICE_COLUMN_COUNT = sizeof FOCUS_INVOICE_COLUMNS / sizeof FOCUS_INVOICE_COLUMNS[0];

const struct report_column FOCUS_PERIOD_COLUMNS[] = {
    {"BillingPeriodCreated", COLUMN_TIME, false},     {"BillingPeriodEnd", COLUMN_TIME, false},
    {"BillingPeriodLastUpdated", COLUMN_TIME, false}, {"BillingPeriodStart", COLUMN_TIME, false},
    {"BillingPeriodStatus", COLUMN_TEXT, false},      {"InvoiceIssuerName", COLUMN_TEXT, false},
};
const size_t FOCUS_PERIOD_COLUMN_COUNT = sizeof FOCUS_PERIOD_COLUMNS / sizeof FOCUS_PERIOD_COLUMNS[0];

const char *focus_category(enum line_kind kind)
{
    switch (kind) {
    case LINE_USAGE:
    case LINE_CORRECTION:
        return "Usage";
    case LINE_TAX:
        return "Tax";
    case LINE_CREDIT:
        return "Credit";
    case LINE_DISCOUNT:
    case LINE_MINIMUM_FEE:
        return "Adjustment";
    }
    return "";
}

void focus_invoice_detail_id(const struct bill *bill, int line, char text[64])
{
    text[0] = '\0';
    if (bill->number[0] != '\0') {
        (void)snprintf(text, 64, "%s-%d", bill->number, line + 1);
    }
}

static void put_time(struct csv *csv, int64_t at_us)
{
    char text[CALENDAR_TEXT_BYTES] = "";
    if (at_us > 0) {
        calendar_format(at_us, text);
    }
    csv_word(csv, text);
}

static void put_grain(struct csv *csv, const struct rated_line *line)
{
    struct buf json = {0};
    struct json_writer writer;
    char band[16];
    if (line->kind == LINE_USAGE) {
        (void)snprintf(band, sizeof band, "%d", line->band);
        json_writer_init(&writer, &json);
        json_open_object(&writer, NULL);
        json_put_text(&writer, "SkuId", meter_name(line->meter));
        json_put_text(&writer, "SkuPriceId", line->price_id);
        json_put_text(&writer, "x_Band", band);
        json_close_object(&writer);
    }
    csv_word(csv, buf_text(&json));
    buf_free(&json);
}

static const char *status(enum bill_state state)
{
    return state == BILL_VOID ? "Voided" : "Issued";
}

static void put_terms(struct csv *csv, const struct bill *bill)
{
    char text[48];
    (void)snprintf(text, sizeof text, "Net %lld days", (long long)((bill->due_us - bill->issued_us) / CALENDAR_DAY_US));
    csv_word(csv, bill->due_us > bill->issued_us ? text : "Due on receipt");
}

static void put_line(struct csv *csv, const struct focus *focus, const struct bill *bill, int index)
{
    const struct rated_line *line = &bill->lines[index];
    char text[MONEY_TEXT_BYTES];
    char id[64];
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    minor_format(line->amount_minor, &bill->currency, text);
    csv_word(csv, text);
    id_format("acct", bill->account_id, id);
    csv_word(csv, id);
    csv_word(csv, bill->currency.code);
    put_time(csv, to_us);
    put_time(csv, from_us);
    csv_word(csv, focus_category(line->kind));
    put_time(csv, bill->issued_us);
    csv_text(csv, line->description);
    put_grain(csv, line);
    focus_invoice_detail_id(bill, index, id);
    csv_word(csv, id);
    put_time(csv, bill->issued_us);
    csv_word(csv, bill->number);
    put_time(csv, bill->issued_us);
    csv_word(csv, status(bill->state));
    csv_text(csv, focus->issuer);
    put_time(csv, bill->due_us);
    put_terms(csv, bill);
    csv_word(csv, "");
    csv_word(csv, bill->credit_note ? bill->counterpart : bill->number);
    csv_row_end(csv);
}

void focus_invoice_bill(struct csv *csv, const struct focus *focus, const struct bill *bill)
{
    for (int i = 0; bill->number[0] != '\0' && i < bill->line_count; i++) {
        put_line(csv, focus, bill, i);
    }
}

void focus_period_add(struct focus_period *period, const struct bill *bill)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    int64_t updated_us = bill->issued_us > 0 ? bill->issued_us : bill->complete_through_us;
    month_range(bill->month, &from_us, &to_us);
    updated_us = updated_us > from_us ? updated_us : from_us;
    period->any = true;
    period->open = period->open || bill->number[0] == '\0';
    period->month = bill->month;
    period->updated_us = updated_us > period->updated_us ? updated_us : period->updated_us;
}

void focus_period_row(struct csv *csv, const struct focus *focus, const struct focus_period *period)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    if (!period->any) {
        return;
    }
    month_range(period->month, &from_us, &to_us);
    put_time(csv, from_us);
    put_time(csv, to_us);
    put_time(csv, period->updated_us);
    put_time(csv, from_us);
    csv_word(csv, period->open ? "Open" : "Closed");
    csv_text(csv, focus->issuer);
    csv_row_end(csv);
}
