#include "reports/focus_row.h"

#include "common/calendar.h"
#include "common/ids.h"
#include "common/json.h"
#include "reports/digits.h"
#include "reports/focus_columns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 24 /* fields of a row that differ from row to row */

/* A line of the file: text that all rows of an invoice line share, with slots for what they do not. */
struct template
{
    struct buf text;
    int slot_count;
    struct {
        size_t at; /* in text */
        enum focus_value value;
    } slots[SLOTS_MAX];
};

struct field {
    const char *text;
    size_t length;
};

struct focus_rows {
    struct csv *csv;
    const struct focus *focus;
    const struct bill *bill;
    int64_t from_us, to_us;     /* of the month */
    struct template *templates; /* of each line of the bill */
    struct buf row;
    struct buf function_id, function_name, function_tags; /* fields of the function at hand */
    int64_t day_us;                                       /* of start and end */
    char start[CALENDAR_TEXT_BYTES], end[CALENDAR_TEXT_BYTES];
};

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

/* ---- fields that all rows of a line share ---- */

static void word(struct focus_rows *rows, struct buf *out, const char *text)
{
    csv_cell_word(rows->csv, text, out);
}

static void put_details(struct focus_rows *rows, const struct rated_line *line, struct buf *out)
{
    struct buf json = {0};
    struct json_writer writer;
    char band[16];
    (void)snprintf(band, sizeof band, "%d", line->band);
    json_writer_init(&writer, &json);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "x_Band", band);
    json_put_text(&writer, "x_Meter", meter_name(line->meter));
    json_close_object(&writer);
    word(rows, out, buf_text(&json));
    buf_free(&json);
}

/* What the prices of a line say; rows that are no usage leave these fields empty, as FOCUS asks of tax and credits. */
static void put_priced(struct focus_rows *rows, const struct rated_line *line, enum focus_value value, struct buf *out)
{
    char text[MONEY_TEXT_BYTES] = "";
    switch ((int)value) {
    case CONSUMED_UNIT:
        word(rows, out, meter_pricing_unit(line->meter));
        break;
    case PRICING_UNIT:
        word(rows, out, line->packages > 0 ? "Packages" : meter_pricing_unit(line->meter));
        break;
    case LIST_PRICE:
        decimal_format(line->list_price, text);
        word(rows, out, text);
        break;
    case CONTRACTED_PRICE:
        decimal_format(line->contracted_price, text);
        word(rows, out, text);
        break;
    case PRICING_CATEGORY:
        word(rows, out, "Standard");
        break;
    case RESOURCE_TYPE:
        word(rows, out, "Function");
        break;
    case SKU_ID:
        word(rows, out, meter_name(line->meter));
        break;
    case SKU_METER:
        word(rows, out, sku_meter(line->meter));
        break;
    case SKU_PRICE_ID:
        word(rows, out, line->price_id);
        break;
    case SKU_DETAILS:
        put_details(rows, line, out);
        break;
    default:
        break;
    }
}

static void put_id(struct focus_rows *rows, const char *prefix, int64_t id, struct buf *out)
{
    char text[ID_TEXT_BYTES];
    id_format(prefix, id, text);
    word(rows, out, text);
}

static void put_time(struct focus_rows *rows, int64_t at_us, struct buf *out)
{
    char text[CALENDAR_TEXT_BYTES];
    calendar_format(at_us, text);
    word(rows, out, text);
}

static void put_head(struct focus_rows *rows, int index, enum focus_value value, struct buf *out)
{
    const struct bill *bill = rows->bill;
    char text[MONEY_TEXT_BYTES];
    switch ((int)value) {
    case ACCOUNT_ID:
        put_id(rows, "acct", bill->account_id, out);
        break;
    case ACCOUNT_NAME:
        csv_cell_text(rows->csv, bill->display_name, out);
        break;
    case ACCOUNT_TYPE:
        word(rows, out, "Account");
        break;
    case CURRENCY:
        word(rows, out, bill->currency.code);
        break;
    case ISSUER:
        csv_cell_text(rows->csv, rows->focus->issuer, out);
        break;
    case SERVICE_NAME:
        word(rows, out, "Farthing Functions");
        break;
    case SERVICE_CATEGORY:
        word(rows, out, "Compute");
        break;
    case SERVICE_SUBCATEGORY:
        word(rows, out, "Serverless Compute");
        break;
    case INVOICE_ID:
        word(rows, out, bill->number);
        break;
    case INVOICE_DETAIL_ID:
        focus_invoice_detail_id(bill, index, text);
        word(rows, out, text);
        break;
    case PERIOD_START:
        put_time(rows, rows->from_us, out);
        break;
    case PERIOD_END:
        put_time(rows, rows->to_us, out);
        break;
    case X_PRICE_BOOK:
        csv_cell_text(rows->csv, bill->price_book, out);
        break;
    case X_PRICE_VERSION:
        (void)digits_i64(bill->price_version, text);
        word(rows, out, text);
        break;
    case X_STATE:
        word(rows, out, bill_state_name(bill->state));
        break;
    default:
        break;
    }
}

static void put_shared(struct focus_rows *rows, int index, bool whole, enum focus_value value, struct buf *out)
{
    const struct rated_line *line = &rows->bill->lines[index];
    switch ((int)value) {
    case CATEGORY:
        word(rows, out, focus_category(line->kind));
        break;
    case CLASS:
        word(rows, out, line->period_us != 0 || rows->bill->credit_note ? "Correction" : "");
        break;
    case DESCRIPTION:
        csv_cell_text(rows->csv, line->description, out);
        break;
    case FREQUENCY:
        word(rows, out, whole ? "One-Time" : "Usage-Based");
        break;
    case CONSUMED_UNIT:
    case PRICING_UNIT:
    case LIST_PRICE:
    case CONTRACTED_PRICE:
    case PRICING_CATEGORY:
    case RESOURCE_TYPE:
    case SKU_ID:
    case SKU_METER:
    case SKU_PRICE_ID:
    case SKU_DETAILS:
        if (!whole) {
            put_priced(rows, line, value, out);
        }
        break;
    default:
        put_head(rows, index, value, out);
    }
}

static bool differs(enum focus_value value)
{
    switch ((int)value) {
    case BILLED_COST:
    case CONTRACTED_COST:
    case LIST_COST:
    case CHARGE_START:
    case CHARGE_END:
    case CONSUMED_QUANTITY:
    case PRICING_QUANTITY:
    case RESOURCE_ID:
    case RESOURCE_NAME:
    case TAGS:
    case X_FUNCTION_VERSION:
    case X_MEMORY:
    case X_ROUNDING:
        return true;
    default:
        return false;
    }
}

static void make_template(struct focus_rows *rows, int index, bool whole, struct template *to)
{
    for (size_t i = 0, fields = 0; i < FOCUS_COLUMN_COUNT; i++) {
        enum focus_value value = FOCUS_COLUMNS[i].value;
        if ((FOCUS_COLUMNS[i].versions & focus_version_bit(rows->focus->version)) == 0) {
            continue;
        }
        if (fields++ > 0) {
            buf_putc(&to->text, ',');
        }
        if (differs(value)) {
            to->slots[to->slot_count].at = to->text.length;
            to->slots[to->slot_count++].value = value;
        } else {
            put_shared(rows, index, whole, value, &to->text);
        }
    }
}

static void write_template(struct focus_rows *rows, const struct template *from, const struct field *fields)
{
    size_t done = 0;
    buf_clear(&rows->row);
    for (int i = 0; i < from->slot_count; i++) {
        const struct field *field = &fields[from->slots[i].value];
        buf_append(&rows->row, from->text.data + done, from->slots[i].at - done);
        done = from->slots[i].at;
        if (field->length > 0) {
            buf_append(&rows->row, field->text, field->length);
        }
    }
    if (from->text.length > done) {
        buf_append(&rows->row, from->text.data + done, from->text.length - done);
    }
    csv_raw(rows->csv, buf_text(&rows->row), rows->row.length);
    csv_row_end(rows->csv);
}

/* ---- rows ---- */

int focus_rows_open(struct csv *csv, const struct focus *focus, const struct bill *bill, struct focus_rows **rows,
                    struct err *err)
{
    struct focus_rows *self = calloc(1, sizeof *self);
    if (self == NULL || (self->templates = calloc((size_t)bill->line_count + 1, sizeof *self->templates)) == NULL) {
        free(self);
        return err_set(err, ERR_SYSTEM, "focus: out of memory");
    }
    self->csv = csv;
    self->focus = focus;
    self->bill = bill;
    self->day_us = -1;
    month_range(bill->month, &self->from_us, &self->to_us);
    *rows = self;
    return 0;
}

void focus_rows_close(struct focus_rows **rows)
{
    struct focus_rows *self = *rows;
    if (self == NULL) {
        return;
    }
    for (int i = 0; i < self->bill->line_count; i++) {
        buf_free(&self->templates[i].text);
    }
    free(self->templates);
    buf_free(&self->row);
    buf_free(&self->function_id);
    buf_free(&self->function_name);
    buf_free(&self->function_tags);
    free(self);
    *rows = NULL;
}

void focus_rows_function(struct focus_rows *rows, int64_t function_id, const char *name, const char *tags)
{
    buf_clear(&rows->function_id);
    buf_clear(&rows->function_name);
    buf_clear(&rows->function_tags);
    put_id(rows, "fn", function_id, &rows->function_id);
    csv_cell_text(rows->csv, name, &rows->function_name);
    word(rows, &rows->function_tags, tags);
}

static struct field field_of(const char *text)
{
    return (struct field){.text = text, .length = strlen(text)};
}

static struct field field_of_buf(const struct buf *buf)
{
    return (struct field){.text = buf_text(buf), .length = buf->length};
}

static void set_days(struct focus_rows *rows, const struct focus_usage *usage)
{
    int64_t day_us = usage != NULL ? usage->day_us : 0;
    if (day_us != rows->day_us) {
        calendar_format(usage != NULL ? day_us : rows->from_us, rows->start);
        calendar_format(usage != NULL ? day_us + CALENDAR_DAY_US : rows->to_us, rows->end);
        rows->day_us = day_us;
    }
}

/* Rounded minus exact of a line. */
static int rounding_of(const struct bill *bill, const struct rated_line *line, struct exact *rounding, struct err *err)
{
    struct decimal minor = {.value = line->amount_minor, .scale = bill->currency.minor_digits};
    if (exact_product(1, minor, 1, rounding, err) != 0) {
        return -1;
    }
    rounding->value -= line->exact_amount.value;
    return 0;
}

struct costs {
    char list[MONEY_TEXT_BYTES], contracted[MONEY_TEXT_BYTES], billed[MONEY_TEXT_BYTES];
    char rounding[MONEY_TEXT_BYTES];
    char consumed[MONEY_TEXT_BYTES], priced[MONEY_TEXT_BYTES];
};

static void turn_costs(struct costs *costs)
{
    digits_turn(costs->list);
    digits_turn(costs->contracted);
    digits_turn(costs->billed);
    digits_turn(costs->rounding);
    digits_turn(costs->consumed);
    digits_turn(costs->priced);
}

static int adjust(const struct bill *bill, const struct rated_line *line, int64_t quantity, int64_t per,
                  struct costs *costs, struct err *err)
{
    struct exact rounding;
    struct exact cost;
    if (rounding_of(bill, line, &rounding, err) != 0 ||
        exact_product(quantity, line->contracted_price, per, &cost, err) != 0 ||
        exact_add(cost, rounding, &cost, err) != 0) {
        return -1;
    }
    exact_format(rounding, costs->rounding);
    exact_format(cost, costs->billed);
    return 0;
}

static int make_costs(const struct bill *bill, const struct focus_piece *piece, struct costs *costs, struct err *err)
{
    const struct rated_line *line = &bill->lines[piece->line];
    bool packed = line->packages > 0;
    int64_t quantity = packed ? piece->packages : piece->quantity;
    int64_t per = packed ? 1 : meter_per_pricing_unit(line->meter);
    if (digits_product(quantity, line->contracted_price, per, costs->contracted) < 0 ||
        digits_product(quantity, line->list_price, per, costs->list) < 0) {
        return err_set(err, ERR_LIMIT, "focus: a row of %s is beyond what can be written", line->description);
    }
    report_quantity(line->meter, piece->quantity, costs->consumed);
    if (packed) {
        (void)digits_i64(piece->packages, costs->priced);
    } else {
        memcpy(costs->priced, costs->consumed, sizeof costs->priced);
    }
    if (piece->adjusts) {
        return adjust(bill, line, quantity, per, costs, err);
    }
    memcpy(costs->billed, costs->contracted, sizeof costs->billed);
    costs->rounding[0] = '0';
    costs->rounding[1] = '\0';
    return 0;
}

int focus_rows_piece(struct focus_rows *rows, const struct focus_piece *piece, const struct focus_usage *usage,
                     struct err *err)
{
    struct template *form = &rows->templates[piece->line];
    struct costs costs;
    char version[MONEY_TEXT_BYTES] = "";
    char memory[MONEY_TEXT_BYTES] = "";
    struct field fields[FOCUS_VALUE_COUNT] = {{0}};
    if (make_costs(rows->bill, piece, &costs, err) != 0) {
        return -1;
    }
    if (rows->bill->credit_note) {
        turn_costs(&costs);
    }
    if (form->text.length == 0) {
        make_template(rows, piece->line, false, form);
    }
    set_days(rows, usage);
    if (usage != NULL) {
        (void)digits_i64(usage->memory_mib, memory);
        (void)digits_i64(usage->version, version);
    }
    fields[BILLED_COST] = field_of(costs.billed);
    fields[CONTRACTED_COST] = field_of(costs.contracted);
    fields[LIST_COST] = field_of(costs.list);
    fields[X_ROUNDING] = field_of(costs.rounding);
    fields[CONSUMED_QUANTITY] = field_of(costs.consumed);
    fields[PRICING_QUANTITY] = field_of(costs.priced);
    fields[CHARGE_START] = field_of(rows->start);
    fields[CHARGE_END] = field_of(rows->end);
    fields[RESOURCE_ID] = field_of_buf(&rows->function_id);
    fields[RESOURCE_NAME] = field_of_buf(&rows->function_name);
    fields[TAGS] = field_of_buf(&rows->function_tags);
    fields[X_FUNCTION_VERSION] = field_of(usage != NULL && usage->version == 0 ? "$LATEST" : version);
    fields[X_MEMORY] = field_of(memory);
    write_template(rows, form, fields);
    return 0;
}

void focus_rows_line(struct focus_rows *rows, int line)
{
    struct template form = {.slot_count = 0};
    struct field fields[FOCUS_VALUE_COUNT] = {{0}};
    char amount[MONEY_TEXT_BYTES];
    make_template(rows, line, true, &form);
    minor_format(rows->bill->lines[line].amount_minor, &rows->bill->currency, amount);
    if (rows->bill->credit_note) {
        digits_turn(amount);
    }
    set_days(rows, NULL);
    if (rows->bill->lines[line].period_us > 0) {
        /* A correction is about an earlier month. */
        int64_t from_us = 0;
        int64_t to_us = 0;
        month_range(month_of(rows->bill->lines[line].period_us), &from_us, &to_us);
        calendar_format(from_us, rows->start);
        calendar_format(to_us, rows->end);
        rows->day_us = -1;
    }
    fields[BILLED_COST] = fields[CONTRACTED_COST] = fields[LIST_COST] = field_of(amount);
    fields[X_ROUNDING] = field_of("0");
    fields[CHARGE_START] = field_of(rows->start);
    fields[CHARGE_END] = field_of(rows->end);
    write_template(rows, &form, fields);
    buf_free(&form.text);
}
