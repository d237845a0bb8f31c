#include "reports/verify_capacity.h"

#include "common/err.h"
#include "common/text.h"
#include "reports/csv_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define QUANTITY_SCALE_MAX 18

static struct bill_usage *usage_of(struct bill_usage_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++) {
        if (strcmp(list->items[i].function_name, name) == 0) {
            return &list->items[i];
        }
    }
    if (list->count == list->capacity) {
        int capacity = list->capacity == 0 ? 8 : list->capacity * 2;
        struct bill_usage *items = realloc(list->items, (size_t)capacity * sizeof *items);
        if (items == NULL) {
            return NULL;
        }
        list->items = items;
        list->capacity = capacity;
    }
    struct bill_usage *made = &list->items[list->count];
    *made = (struct bill_usage){.version = -1};
    if (text_copy(made->function_name, sizeof made->function_name, name) != 0) {
        return NULL;
    }
    list->count++;
    return made;
}

/* GB-seconds as they are printed, back into MB-ms. */
static int whole_units(const struct csv_reader *reader, enum meter meter, int64_t *units, struct err *err)
{
    const char *text = NULL;
    struct decimal quantity;
    if (csv_read_field(reader, "quantity", &text, err) != 0 ||
        decimal_parse(text, "quantity", QUANTITY_SCALE_MAX, &quantity, err) != 0) {
        return err_wrap(err, "%s, row %" PRId64, reader->name, reader->row);
    }
    money_int value = (money_int)quantity.value * meter_per_pricing_unit(meter);
    for (; quantity.scale > 0 && value % 10 == 0; quantity.scale--) {
        value /= 10;
    }
    if (quantity.scale > 0 || value < 0 || value > INT64_MAX) {
        return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": quantity %s is no whole number of MB-ms", reader->name,
                       reader->row, text);
    }
    *units = (int64_t)value;
    return 0;
}

static int take_row(const struct csv_reader *reader, struct bill_usage_list *usage, int64_t *rows, struct err *err)
{
    const char *type = NULL;
    const char *meter_text = NULL;
    const char *function = NULL;
    enum meter meter;
    int64_t units = 0;
    if (csv_read_field(reader, "record_type", &type, err) != 0 ||
        csv_read_field(reader, "meter", &meter_text, err) != 0 ||
        csv_read_field(reader, "function", &function, err) != 0) {
        return -1;
    }
    if (strcmp(type, "share") != 0 || meter_parse(meter_text, "meter", &meter, NULL) != 0 ||
        (meter != METER_PROVISIONED_X86 && meter != METER_PROVISIONED_ARM)) {
        return 0;
    }
    if (whole_units(reader, meter, &units, err) != 0) {
        return -1;
    }
    struct bill_usage *of = usage_of(usage, function);
    if (of == NULL) {
        return err_set(err, ERR_SYSTEM, "verify: out of memory");
    }
    if (__builtin_add_overflow(of->quantity[meter], units, &of->quantity[meter])) {
        return err_set(err, ERR_LIMIT, "%s, row %" PRId64 ": the sum is more than can be counted", reader->name,
                       reader->row);
    }
    (*rows)++;
    return 0;
}

int verify_capacity_take(FILE *bill, const char *name, struct bill_usage_list *usage, int64_t *rows, struct err *err)
{
    struct csv_reader reader;
    bool more = true;
    *rows = 0;
    if (fseek(bill, 0, SEEK_CUR) != 0) {
        return 0;
    }
    int rc = csv_read_open(&reader, bill, name, err);
    while (rc == 0 && more) {
        rc = csv_read_row(&reader, &more, err);
        if (rc == 0 && more) {
            rc = take_row(&reader, usage, rows, err);
        }
    }
    csv_read_close(&reader);
    rewind(bill);
    return rc;
}
