/*
 * price_reader.c - what every part of the price book reader needs: problems with their pointers, members by kind.
 */
#include "billing/price_book_internal.h"

#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void price_problem(struct price_reader *reader, const char *pointer, const char *format, ...)
{
    struct price_problems *problems = reader->problems;
    if (problems->count < PRICE_PROBLEMS_MAX) {
        struct price_problem *problem = &problems->list[problems->count];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(problem->text, sizeof problem->text, format, args);
        va_end(args);
        (void)snprintf(problem->pointer, sizeof problem->pointer, "%s", pointer);
    }
    problems->count++;
}

void price_at(char pointer[PRICE_POINTER_BYTES], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(pointer, PRICE_POINTER_BYTES, format, args);
    va_end(args);
}

int price_first_problem(const struct price_reader *reader, struct err *err)
{
    const struct price_problem *first = &reader->problems->list[0];
    (void)err_field(err, first->pointer[0] == '\0' ? "/" : first->pointer, "price book: %s (%d problem%s in all)",
                    first->text, reader->problems->count, reader->problems->count == 1 ? "" : "s");
    return err_slug(err, "invalid_price_book");
}

const char *price_text(struct price_reader *reader, const cJSON *object, const char *pointer, const char *name,
                       bool required)
{
    char at[PRICE_POINTER_BYTES];
    price_at(at, "%s/%s", pointer, name);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (item == NULL && !required) {
        return NULL;
    }
    if (!cJSON_IsString(item)) {
        price_problem(reader, at, "%s is %s; a string is needed", name, item == NULL ? "missing" : "not a string");
        return NULL;
    }
    return item->valuestring;
}

int64_t price_money(struct price_reader *reader, const cJSON *root, const char *name, const struct currency *currency)
{
    char at[PRICE_POINTER_BYTES];
    struct err err = {0};
    struct decimal amount = {0};
    const char *text = price_text(reader, root, "", name, false);
    price_at(at, "/%s", name);
    if (text != NULL && decimal_parse(text, at, currency->minor_digits, &amount, &err) != 0) {
        price_problem(reader, at, "%.190s", err.text);
        return 0;
    }
    if (amount.value < 0) {
        price_problem(reader, at, "%s is %.40s; it cannot be negative", name, text);
        return 0;
    }
    for (int i = amount.scale; i < currency->minor_digits; i++) {
        if (__builtin_mul_overflow(amount.value, 10, &amount.value)) {
            price_problem(reader, at, "%s is %.40s; that is more than an invoice can hold", name, text);
            return 0;
        }
    }
    return amount.value;
}

void price_only(struct price_reader *reader, const cJSON *object, const char *pointer, const char *const *names)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, object)
    {
        bool known = false;
        for (const char *const *name = names; *name != NULL; name++) {
            known = known || strcmp(*name, item->string) == 0;
        }
        if (!known) {
            char at[PRICE_POINTER_BYTES];
            price_at(at, "%s/%.60s", pointer, item->string);
            price_problem(reader, at, "%.60s is not a member that a price book has here", item->string);
        }
    }
}

bool price_quantity(struct price_reader *reader, const char *pointer, enum meter meter, const char *text, int64_t *own)
{
    struct err err = {0};
    struct decimal decimal = {0};
    if (decimal_parse(text, pointer, 13, &decimal, &err) != 0) {
        price_problem(reader, pointer, "%.190s", err.text);
        return false;
    }
    money_int value = (money_int)decimal.value * meter_per_pricing_unit(meter);
    money_int divisor = 1;
    for (int i = 0; i < decimal.scale; i++) {
        divisor *= 10;
    }
    if (value <= 0 || value % divisor != 0 || value / divisor >= INT64_MAX) {
        price_problem(reader, pointer, "%s %s is not a positive whole number of %s within range", text,
                      meter_pricing_unit(meter), meter_unit(meter));
        return false;
    }
    *own = (int64_t)(value / divisor);
    return true;
}

bool price_percent_fits(struct decimal percent)
{
    int64_t hundred = 100;
    for (int i = 0; i < percent.scale; i++) {
        hundred *= 10;
    }
    return percent.value <= hundred;
}
