/*
 * price_override.c - what one account pays instead: discounts, own bands, own free allowances.
 *
 * Document: {"discount_percent": "10", "meters": {"requests": {"discount_percent": "5"} or {"bands": [...]}, ...},
 * "free": [...], "discount_amount": "25.00", "minimum_fee": "..."}. A percentage makes a contracted price; the list
 * price stays as it is in the book. Own bands replace list and contracted price; own free allowances and an own fee
 * replace those of the book. An amount is taken off the net of the month, as a line of its own.
 */
#include "billing/price_book_internal.h"

#include "common/err.h"
#include "common/json.h"

#include <stdio.h>
#include <string.h>

/* contracted = list * (100 - percent) / 100, exactly. */
static bool discounted(struct decimal list, struct decimal percent, struct decimal *contracted)
{
    money_int hundred = 100;
    for (int i = 0; i < percent.scale; i++) {
        hundred *= 10;
    }
    money_int value = (money_int)list.value * (hundred - percent.value);
    int scale = list.scale + percent.scale + 2;
    while (scale > 0 && value % 10 == 0) {
        value /= 10;
        scale--;
    }
    if (scale > PRICE_SCALE_MAX || value > INT64_MAX) {
        return false;
    }
    *contracted = (struct decimal){.value = (int64_t)value, .scale = scale};
    return true;
}

static bool read_percent(struct price_reader *reader, const cJSON *object, const char *pointer, struct decimal *percent)
{
    char field[PRICE_POINTER_BYTES];
    struct err err = {0};
    const char *text = price_text(reader, object, pointer, "discount_percent", false);
    if (text == NULL) {
        return false;
    }
    price_at(field, "%s/discount_percent", pointer);
    if (decimal_parse(text, field, 2, percent, &err) != 0) {
        price_problem(reader, field, "%.190s", err.text);
        return false;
    }
    int64_t hundred = percent->scale == 0 ? 100 : percent->scale == 1 ? 1000 : 10000;
    if (percent->value < 0 || percent->value > hundred) {
        price_problem(reader, field, "discount_percent is %.20s; it is between 0 and 100", text);
        return false;
    }
    return true;
}

static void discount_meter(struct price_reader *reader, const char *pointer, struct price_meter *meter,
                           struct decimal percent)
{
    for (int i = 0; i < meter->band_count; i++) {
        if (!discounted(meter->bands[i].list_price, percent, &meter->bands[i].contracted_price)) {
            price_problem(reader, pointer, "with this discount the price of band %s needs more than %d decimals",
                          meter->bands[i].id, PRICE_SCALE_MAX);
        }
    }
}

static void override_meter(struct price_reader *reader, const cJSON *item, struct price_book *book)
{
    static const char *const NAMES[] = {"discount_percent", NULL};
    char at[PRICE_POINTER_BYTES];
    struct err err = {0};
    struct decimal percent = {0};
    enum meter meter = METER_REQUESTS;
    price_at(at, "/meters/%.60s", item->string);
    if (meter_parse(item->string, at, &meter, &err) != 0) {
        price_problem(reader, at, "%.190s", err.text);
        return;
    }
    price_only(reader, item, at, NAMES);
    if (!book->meters[meter].priced) {
        price_problem(reader, at, "the price book has no price for %s", item->string);
    } else if (read_percent(reader, item, at, &percent)) {
        discount_meter(reader, at, &book->meters[meter], percent);
    }
}

/* Meters with bands of their own are read as in a book; the others carry a discount. */
static void override_meters(struct price_reader *reader, cJSON *meters, struct price_book *book)
{
    cJSON *own = cJSON_CreateObject();
    cJSON *item = meters != NULL ? meters->child : NULL;
    while (item != NULL) {
        cJSON *next = item->next;
        if (cJSON_GetObjectItemCaseSensitive(item, "bands") != NULL) {
            (void)cJSON_AddItemToObject(own, item->string, cJSON_DetachItemViaPointer(meters, item));
        } else {
            override_meter(reader, item, book);
        }
        item = next;
    }
    price_read_meters(reader, own, book);
    cJSON_Delete(own);
}

static void override_document(struct price_reader *reader, cJSON *root, struct price_book *book)
{
    static const char *const NAMES[] = {"discount_percent", "discount_amount", "meters", "free", "minimum_fee", NULL};
    struct decimal percent = {0};
    price_only(reader, root, "", NAMES);
    book->discount_minor = price_money(reader, root, "discount_amount", &book->currency);
    if (cJSON_GetObjectItemCaseSensitive(root, "minimum_fee") != NULL) {
        book->minimum_fee_minor = price_money(reader, root, "minimum_fee", &book->currency);
    }
    if (read_percent(reader, root, "", &percent)) {
        for (int m = 0; m < METER_COUNT; m++) {
            discount_meter(reader, "/discount_percent", &book->meters[m], percent);
        }
    }
    cJSON *meters = cJSON_GetObjectItemCaseSensitive(root, "meters");
    if (meters != NULL && !cJSON_IsObject(meters)) {
        price_problem(reader, "/meters", "meters must be an object");
    } else {
        override_meters(reader, meters, book);
    }
    const cJSON *free = cJSON_GetObjectItemCaseSensitive(root, "free");
    if (free != NULL && !cJSON_IsArray(free)) {
        price_problem(reader, "/free", "free must be a list");
    } else if (free != NULL) {
        book->free_count = 0;
        price_read_free(reader, free, book);
    }
}

int price_override_apply(struct price_book *book, const char *json, size_t length, struct price_problems *problems,
                         struct err *err)
{
    struct price_reader reader = {.problems = problems};
    cJSON *tree = NULL;
    reader.problems = problems != NULL ? problems : &reader.own;
    reader.problems->count = 0;
    if (json_parse(json, length, &tree, err) != 0) {
        return err_wrap(err, "price override");
    }
    if (cJSON_IsObject(tree)) {
        override_document(&reader, tree, book);
    } else {
        price_problem(&reader, "/", "the document must be an object");
    }
    cJSON_Delete(tree);
    if (reader.problems->count > 0) {
        (void)err_field(err, reader.problems->list[0].pointer, "price override: %s", reader.problems->list[0].text);
        return err_slug(err, "invalid_price_book");
    }
    return 0;
}
