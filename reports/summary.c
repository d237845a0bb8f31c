/*
 * summary.c - the default layout: the lines of the bill, each followed by its functions' shares, the total last.
 *
 * record_type is line, share, subtotal, tax, minimum_fee or total. amount is in the currency's minor digits; the lines
 * (and tax and fee) add up to the total, the shares of a line to the line. records_root stands in the row of the total.
 */
#include "reports/report_internal.h"

#include "common/ids.h"
#include "reports/digits.h"

#include <stdio.h>
#include <string.h>

void report_quantity(enum meter meter, int64_t quantity, char text[MONEY_TEXT_BYTES])
{
    if (digits_product(quantity, (struct decimal){.value = 1}, meter_per_pricing_unit(meter), text) < 0) {
        /* Beyond all range: whole pricing units are what is printed then. */
        (void)digits_i64(quantity / meter_per_pricing_unit(meter), text);
    }
}

static void head(struct csv *csv, const struct bill *bill, const char *record_type)
{
    char text[CALENDAR_TEXT_BYTES];
    char id[ID_TEXT_BYTES];
    id_format("acct", bill->account_id, id);
    csv_word(csv, record_type);
    csv_word(csv, id);
    csv_text(csv, bill->account_name);
    month_format(bill->month, text);
    csv_word(csv, text);
    csv_word(csv, bill_state_name(bill->state));
    csv_word(csv, bill->number);
}

static void tail(struct csv *csv, const struct bill *bill, int64_t amount_minor, const char *records_root)
{
    char text[MONEY_TEXT_BYTES];
    char time[CALENDAR_TEXT_BYTES];
    minor_format(amount_minor, &bill->currency, text);
    csv_word(csv, text);
    csv_word(csv, bill->currency.code);
    calendar_format(bill->complete_through_us, time);
    csv_word(csv, time);
    csv_word(csv, records_root);
    csv_row_end(csv);
}

static void line_row(struct csv *csv, const struct bill *bill, int index)
{
    static const char *const TYPES[] = {
        [LINE_USAGE] = "line",    [LINE_CORRECTION] = "correction",   [LINE_DISCOUNT] = "discount",
        [LINE_CREDIT] = "credit", [LINE_MINIMUM_FEE] = "minimum_fee", [LINE_TAX] = "tax"};
    const struct rated_line *line = &bill->lines[index];
    char text[MONEY_TEXT_BYTES];
    bool metered = line->kind == LINE_USAGE || line->kind == LINE_CORRECTION;
    head(csv, bill, TYPES[line->kind]);
    csv_i64(csv, index + 1);
    csv_word(csv, metered ? meter_name(line->meter) : "");
    (void)snprintf(text, sizeof text, "%d", line->band);
    csv_word(csv, metered ? text : "");
    csv_text(csv, line->description);
    csv_word(csv, "");
    if (metered) {
        report_quantity(line->meter, line->quantity, text);
        csv_word(csv, text);
        csv_word(csv, meter_pricing_unit(line->meter));
        decimal_format(line->contracted_price, text);
        csv_word(csv, text);
    } else {
        csv_word(csv, "");
        csv_word(csv, "");
        csv_word(csv, "");
    }
    exact_format(line->exact_amount, text);
    csv_word(csv, text);
    tail(csv, bill, line->amount_minor, "");
}

static void share_row(struct csv *csv, const struct bill *bill, const struct bill_share *share)
{
    const struct rated_line *line = &bill->lines[share->line];
    char text[MONEY_TEXT_BYTES];
    head(csv, bill, "share");
    csv_i64(csv, share->line + 1);
    csv_word(csv, meter_name(line->meter));
    csv_i64(csv, line->band);
    csv_text(csv, line->description);
    csv_text(csv, share->function_name);
    report_quantity(line->meter, share->quantity, text);
    csv_word(csv, text);
    csv_word(csv, meter_pricing_unit(line->meter));
    decimal_format(line->contracted_price, text);
    csv_word(csv, text);
    exact_format(share->exact_amount, text);
    csv_word(csv, text);
    tail(csv, bill, share->amount_minor, "");
}

void summary_bill(struct csv *csv, const struct bill *bill)
{
    int share = 0;
    for (int i = 0; i < bill->line_count; i++) {
        line_row(csv, bill, i);
        for (; share < bill->share_count && bill->shares[share].line == i; share++) {
            share_row(csv, bill, &bill->shares[share]);
        }
    }
    head(csv, bill, "total");
    for (int i = 0; i < 3; i++) {
        csv_word(csv, "");
    }
    csv_word(csv, "Total");
    for (int i = 0; i < 5; i++) {
        csv_word(csv, "");
    }
    tail(csv, bill, bill->total_minor, bill->records_root);
}
