/*
 * aws.c - AWS's monthly billing CSV: 29 columns, every field quoted, total rows at the end of each account.
 *
 * LinkedLineItem rows are the lines of the bill; AccountTotal, InvoiceTotal and StatementTotal repeat its sums, as AWS
 * does. Quantities are in pricing units; BlendedRate is the contracted price.
 */
#include "reports/report_internal.h"

#include "common/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const USAGE_TYPES[METER_COUNT] = {
    [METER_REQUESTS] = "Request",
    [METER_COMPUTE_X86] = "Lambda-GB-Second",
    [METER_COMPUTE_ARM] = "Lambda-GB-Second-ARM",
    [METER_PROVISIONED_COMPUTE_X86] = "Lambda-Provisioned-GB-Second",
    [METER_PROVISIONED_COMPUTE_ARM] = "Lambda-Provisioned-GB-Second-ARM",
    [METER_PROVISIONED_X86] = "Lambda-Provisioned-Concurrency",
    [METER_PROVISIONED_ARM] = "Lambda-Provisioned-Concurrency-ARM",
    [METER_EPHEMERAL_STORAGE] = "Lambda-Storage-GB-Second",
    [METER_STREAMED_BYTES] = "Lambda-Streaming-Response-GB",
};

struct amounts {
    int64_t net, credit, tax;
};

static void put_time(struct csv *csv, int64_t at_us)
{
    struct civil civil;
    char text[64];
    calendar_split(at_us, &civil);
    (void)snprintf(text, sizeof text, "%04d/%02d/%02d %02d:%02d:%02d", civil.year, civil.month, civil.day, civil.hour,
                   civil.minute, civil.second);
    csv_word(csv, text);
}

static void put_minor(struct csv *csv, const struct bill *bill, int64_t minor)
{
    char text[MONEY_TEXT_BYTES];
    minor_format(minor, &bill->currency, text);
    csv_word(csv, text);
}

static void blanks(struct csv *csv, int count)
{
    for (int i = 0; i < count; i++) {
        csv_word(csv, "");
    }
}

/* InvoiceID to PayerPONumber. */
static void put_head(struct csv *csv, const struct bill *bill, const char *issuer, const char *record_type, int record)
{
    char id[ID_TEXT_BYTES];
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    (void)snprintf(id, sizeof id, "%" PRId64, bill->account_id);
    csv_word(csv, bill->number[0] != '\0' ? bill->number : "Estimated");
    csv_word(csv, id);
    csv_word(csv, strcmp(record_type, "LinkedLineItem") == 0 ? id : "");
    csv_word(csv, record_type);
    csv_i64(csv, record);
    put_time(csv, from_us);
    put_time(csv, to_us - 1000000);
    if (bill->issued_us > 0) {
        put_time(csv, bill->issued_us);
    } else {
        csv_word(csv, "");
    }
    csv_text(csv, bill->display_name);
    csv_text(csv, strcmp(record_type, "LinkedLineItem") == 0 ? bill->display_name : "");
    blanks(csv, 2);
    (void)issuer;
}

static void put_amounts(struct csv *csv, const struct bill *bill, const struct amounts *amounts, const char *tax_type)
{
    csv_word(csv, bill->currency.code);
    put_minor(csv, bill, amounts->net);
    put_minor(csv, bill, amounts->credit);
    put_minor(csv, bill, amounts->tax);
    csv_word(csv, tax_type);
    put_minor(csv, bill, amounts->net + amounts->credit + amounts->tax);
    csv_row_end(csv);
}

static void put_line(struct csv *csv, const struct bill *bill, const char *issuer, int index)
{
    const struct rated_line *line = &bill->lines[index];
    struct amounts amounts = {0};
    char text[MONEY_TEXT_BYTES];
    int64_t from_us = 0;
    int64_t to_us = 0;
    bool metered = line->kind == LINE_USAGE || line->kind == LINE_CORRECTION;
    amounts.tax = line->kind == LINE_TAX ? line->amount_minor : 0;
    amounts.credit = line->kind == LINE_CREDIT ? line->amount_minor : 0;
    amounts.net = line->amount_minor - amounts.tax - amounts.credit;
    month_range(bill->month, &from_us, &to_us);
    put_head(csv, bill, issuer, "LinkedLineItem", index + 1);
    csv_word(csv, "FarthingFunctions");
    csv_word(csv, "Farthing Functions");
    csv_text(csv, issuer);
    csv_word(csv, metered ? USAGE_TYPES[line->meter] : "");
    csv_word(csv, metered ? "Invoke" : "");
    csv_word(csv, line->price_id);
    csv_text(csv, line->description);
    put_time(csv, from_us);
    put_time(csv, to_us - 1000000);
    if (metered) {
        report_quantity(line->meter, line->quantity, text);
        csv_word(csv, text);
        decimal_format(line->contracted_price, text);
        csv_word(csv, text);
    } else {
        blanks(csv, 2);
    }
    put_amounts(csv, bill, &amounts, line->kind == LINE_TAX ? "Tax" : "None");
}

void aws_bill(struct csv *csv, const struct bill *bill, const char *issuer)
{
    static const char *const TOTALS[] = {"AccountTotal", "InvoiceTotal", "StatementTotal"};
    static const char *const WORDS[] = {"Total for the account", "Total of the invoice", "Total of the statement"};
    struct amounts sums = {.tax = bill->tax_minor};
    for (int i = 0; i < bill->line_count; i++) {
        put_line(csv, bill, issuer, i);
        sums.credit += bill->lines[i].kind == LINE_CREDIT ? bill->lines[i].amount_minor : 0;
    }
    sums.net = bill->total_minor - bill->tax_minor - sums.credit;
    for (int i = 0; i < 3; i++) {
        put_head(csv, bill, issuer, TOTALS[i], bill->line_count + 1 + i);
        blanks(csv, 6);
        csv_text(csv, WORDS[i]);
        blanks(csv, 4);
        put_amounts(csv, bill, &sums, "");
    }
}
