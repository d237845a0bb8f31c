/*
 * focus.c - FOCUS Cost and Usage, versions 1.2, 1.3 and 1.4, from one table of columns.
 *
 * A row is one function, version, memory size and UTC day of one invoice line (each band of a meter is a line of its
 * own), or a tax or fee line as a whole. ListCost and ContractedCost are exact products of price and quantity; the
 * rounding of the invoice line (at most half a minor unit) is in BilledCost of the line's largest row and shown as
 * x_RoundingAdjustment, so that SUM(BilledCost) is what the invoice asks for, to the last digit.
 */
#include "reports/focus.h"

#include "common/calendar.h"
#include "common/ids.h"
#include "common/json.h"
#include "reports/focus_columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* One row: a line, and the share of it when it is metered. */
struct row {
    const struct focus *focus;
    const struct bill *bill;
    const struct rated_line *line;
    int index;                      /* of line */
    const struct bill_share *share; /* NULL: the line as a whole (tax, fee) */
    struct exact adjustment;
};

static unsigned version_bit(enum report_focus_version version)
{
    switch (version) {
    case REPORT_FOCUS_1_2:
        return FOCUS_V12;
    case REPORT_FOCUS_1_3:
        return FOCUS_V13;
    case REPORT_FOCUS_1_4:
        return FOCUS_V14;
    }
    return FOCUS_V14;
}

void focus_header(struct csv *csv, enum report_focus_version version)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        if ((FOCUS_COLUMNS[i].versions & version_bit(version)) != 0) {
            csv_word(csv, FOCUS_COLUMNS[i].name);
        }
    }
    csv_row_end(csv);
}

/* ---- values ---- */

static struct exact contracted_cost(const struct row *row)
{
    return row->share != NULL ? row->share->exact_amount : row->line->exact_amount;
}

static struct exact billed_cost(const struct row *row)
{
    struct exact billed = contracted_cost(row);
    billed.value += row->adjustment.value;
    return billed;
}

static struct exact list_cost(const struct row *row)
{
    struct exact cost = {0};
    if (row->share == NULL) {
        return row->line->list_amount;
    }
    (void)exact_product(row->share->quantity, row->line->list_price, meter_per_pricing_unit(row->line->meter), &cost,
                        NULL);
    return cost;
}

static void put_exact(struct csv *csv, struct exact exact)
{
    char text[MONEY_TEXT_BYTES];
    exact_format(exact, text);
    csv_word(csv, text);
}

static void put_decimal(struct csv *csv, struct decimal decimal)
{
    char text[MONEY_TEXT_BYTES];
    decimal_format(decimal, text);
    csv_word(csv, text);
}

static void put_time(struct csv *csv, int64_t at_us)
{
    char text[CALENDAR_TEXT_BYTES];
    calendar_format(at_us, text);
    csv_word(csv, text);
}

static void put_id(struct csv *csv, const char *prefix, int64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(prefix, id, text);
    csv_word(csv, text);
}

static const char *category(enum line_kind kind)
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

static const char *sku_meter(enum meter meter)
{
    switch (meter) {
    case METER_REQUESTS:
        return "Requests";
    case METER_COMPUTE_X86:
    case METER_COMPUTE_ARM:
        return "Compute Duration";
    case METER_PROVISIONED_COMPUTE_X86:
    case METER_PROVISIONED_COMPUTE_ARM:
        return "Provisioned Compute Duration";
    case METER_PROVISIONED_X86:
    case METER_PROVISIONED_ARM:
        return "Provisioned Concurrency";
    case METER_EPHEMERAL_STORAGE:
        return "Ephemeral Storage";
    case METER_STREAMED_BYTES:
        return "Streamed Response Bytes";
    }
    return "";
}

static void put_details(struct csv *csv, const struct row *row)
{
    struct buf json = {0};
    struct json_writer writer;
    char band[16];
    (void)snprintf(band, sizeof band, "%d", row->line->band);
    json_writer_init(&writer, &json);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "x_Band", band);
    json_put_text(&writer, "x_Meter", meter_name(row->line->meter));
    json_close_object(&writer);
    csv_word(csv, buf_text(&json));
    buf_free(&json);
}

static void put_invoice_detail(struct csv *csv, const struct row *row)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%s-%d", row->bill->number, row->index + 1);
    csv_word(csv, row->bill->number[0] != '\0' ? text : "");
}

/* Values that only rows of usage have; others leave the field empty, as FOCUS asks of tax, fees and credits. */
static void put_metered(struct csv *csv, const struct row *row, enum focus_value value)
{
    const struct rated_line *line = row->line;
    char text[MONEY_TEXT_BYTES];
    if (row->share == NULL) {
        csv_word(csv, "");
        return;
    }
    switch ((int)value) {
    case CONSUMED_QUANTITY:
    case PRICING_QUANTITY:
        report_quantity(line->meter, row->share->quantity, text);
        csv_word(csv, text);
        break;
    case CONSUMED_UNIT:
    case PRICING_UNIT:
        csv_word(csv, meter_pricing_unit(line->meter));
        break;
    case LIST_PRICE:
        put_decimal(csv, line->list_price);
        break;
    case CONTRACTED_PRICE:
        put_decimal(csv, line->contracted_price);
        break;
    case PRICING_CATEGORY:
        csv_word(csv, "Standard");
        break;
    case RESOURCE_ID:
        put_id(csv, "fn", row->share->function_id);
        break;
    case RESOURCE_NAME:
        csv_text(csv, row->share->function_name);
        break;
    case RESOURCE_TYPE:
        csv_word(csv, "Function");
        break;
    case SKU_ID:
        csv_word(csv, meter_name(line->meter));
        break;
    case SKU_METER:
        csv_word(csv, sku_meter(line->meter));
        break;
    case SKU_PRICE_ID:
        csv_word(csv, line->price_id);
        break;
    case SKU_DETAILS:
        put_details(csv, row);
        break;
    case TAGS:
        csv_word(csv, focus_tags(row->focus, row->share->function_id));
        break;
    case X_FUNCTION_VERSION:
        (void)snprintf(text, sizeof text, "%d", row->share->version);
        csv_word(csv, row->share->version == 0 ? "$LATEST" : text);
        break;
    case X_MEMORY:
        csv_i64(csv, row->share->memory_mib);
        break;
    default:
        csv_word(csv, "");
    }
}

static void put_period(struct csv *csv, const struct row *row, enum focus_value value)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(row->bill->month, &from_us, &to_us);
    if ((value == CHARGE_START || value == CHARGE_END) && row->share != NULL) {
        from_us = row->share->day_us;
        to_us = from_us + CALENDAR_DAY_US;
    }
    put_time(csv, value == PERIOD_START || value == CHARGE_START ? from_us : to_us);
}

static void put_head(struct csv *csv, const struct row *row, enum focus_value value)
{
    switch ((int)value) {
    case ACCOUNT_ID:
        put_id(csv, "acct", row->bill->account_id);
        break;
    case ACCOUNT_NAME:
        csv_text(csv, row->bill->display_name);
        break;
    case ACCOUNT_TYPE:
        csv_word(csv, "Account");
        break;
    case CURRENCY:
        csv_word(csv, row->bill->currency.code);
        break;
    case ISSUER:
        csv_text(csv, row->focus->issuer);
        break;
    case SERVICE_NAME:
        csv_word(csv, "Farthing Functions");
        break;
    case SERVICE_CATEGORY:
        csv_word(csv, "Compute");
        break;
    case SERVICE_SUBCATEGORY:
        csv_word(csv, "Serverless Compute");
        break;
    case INVOICE_ID:
        csv_word(csv, row->bill->number);
        break;
    case INVOICE_DETAIL_ID:
        put_invoice_detail(csv, row);
        break;
    case X_PRICE_BOOK:
        csv_text(csv, row->bill->price_book);
        break;
    case X_PRICE_VERSION:
        csv_i64(csv, row->bill->price_version);
        break;
    case X_STATE:
        csv_word(csv, bill_state_name(row->bill->state));
        break;
    default:
        csv_word(csv, "");
    }
}

static void put_value(struct csv *csv, const struct row *row, enum focus_value value)
{
    switch ((int)value) {
    case BILLED_COST:
        put_exact(csv, billed_cost(row));
        break;
    case CONTRACTED_COST:
        put_exact(csv, row->share != NULL ? contracted_cost(row) : billed_cost(row));
        break;
    case LIST_COST:
        put_exact(csv, row->share != NULL ? list_cost(row) : billed_cost(row));
        break;
    case X_ROUNDING:
        put_exact(csv, row->adjustment);
        break;
    case CATEGORY:
        csv_word(csv, category(row->line->kind));
        break;
    case CLASS:
        csv_word(csv, row->line->kind == LINE_CORRECTION ? "Correction" : "");
        break;
    case DESCRIPTION:
        csv_text(csv, row->line->description);
        break;
    case FREQUENCY:
        csv_word(csv, row->share != NULL ? "Usage-Based" : "One-Time");
        break;
    case PERIOD_START:
    case PERIOD_END:
    case CHARGE_START:
    case CHARGE_END:
        put_period(csv, row, value);
        break;
    case CONSUMED_QUANTITY:
    case CONSUMED_UNIT:
    case PRICING_QUANTITY:
    case PRICING_UNIT:
    case LIST_PRICE:
    case CONTRACTED_PRICE:
    case PRICING_CATEGORY:
    case RESOURCE_ID:
    case RESOURCE_NAME:
    case RESOURCE_TYPE:
    case SKU_ID:
    case SKU_METER:
    case SKU_PRICE_ID:
    case SKU_DETAILS:
    case TAGS:
    case X_FUNCTION_VERSION:
    case X_MEMORY:
        put_metered(csv, row, value);
        break;
    default:
        put_head(csv, row, value);
    }
}

static void put_row(struct csv *csv, const struct row *row)
{
    for (size_t i = 0; i < FOCUS_COLUMN_COUNT; i++) {
        if ((FOCUS_COLUMNS[i].versions & version_bit(row->focus->version)) != 0) {
            put_value(csv, row, FOCUS_COLUMNS[i].value);
        }
    }
    csv_row_end(csv);
}

/* ---- rows ---- */

/* Rounded minus exact of a line. */
static struct exact rounding_of(const struct bill *bill, const struct rated_line *line)
{
    struct exact rounded = {0};
    struct decimal minor = {.value = line->amount_minor, .scale = bill->currency.minor_digits};
    (void)exact_product(1, minor, 1, &rounded, NULL);
    rounded.value -= line->exact_amount.value;
    return rounded;
}

static int largest_share(const struct bill *bill, int first, int index)
{
    int largest = first;
    for (int s = first; s < bill->share_count && bill->shares[s].line == index; s++) {
        if (bill->shares[s].exact_amount.value > bill->shares[largest].exact_amount.value) {
            largest = s;
        }
    }
    return largest;
}

void focus_bill(struct csv *csv, const struct focus *focus, const struct bill *bill)
{
    int share = 0;
    for (int i = 0; i < bill->line_count; i++) {
        struct row row = {.focus = focus, .bill = bill, .line = &bill->lines[i], .index = i};
        struct exact adjustment = rounding_of(bill, row.line);
        if (share >= bill->share_count || bill->shares[share].line != i) {
            row.adjustment = adjustment;
            put_row(csv, &row);
            continue;
        }
        int largest = largest_share(bill, share, i);
        for (; share < bill->share_count && bill->shares[share].line == i; share++) {
            row.share = &bill->shares[share];
            row.adjustment = share == largest ? adjustment : (struct exact){0};
            put_row(csv, &row);
        }
    }
}
