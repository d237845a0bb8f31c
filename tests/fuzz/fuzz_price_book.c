/*
 * Goal:   no price book and no override crashes the reader; every problem has its pointer; and whatever is accepted
 * rates any use to lines that add up to their sum, twice the same. Method: what stands before the first NUL is the
 * book, the rest the override; the use follows from the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "billing/price_book.h"
#include "billing/rating.h"
#include "common/check.h"
#include "common/err.h"

static void check_refusal(const struct price_problems *problems, const struct err *err)
{
    CHECK(err->code != ERR_NONE && err->text[0] != '\0');
    for (int i = 0; i < problems->count && i < PRICE_PROBLEMS_MAX; i++) {
        CHECK(problems->list[i].pointer[0] == '/' && problems->list[i].text[0] != '\0');
    }
}

static void some_use(const uint8_t *data, size_t size, struct usage_totals *totals)
{
    uint64_t state = size + 1;
    for (size_t i = 0; i < size; i++) {
        state = (state ^ data[i]) * UINT64_C(1099511628211);
    }
    for (int m = 0; m < METER_COUNT; m++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        totals->quantity[m] = (int64_t)((state >> 1) >> (state % 63));
    }
}

static void rate(const struct price_book *book, const struct usage_totals *totals)
{
    struct rated_bill *one = malloc(sizeof *one);
    struct rated_bill *two = malloc(sizeof *two);
    struct err err = {0};
    CHECK(one != NULL && two != NULL);
    if (rate_usage(book, totals, one, &err) == 0) {
        int64_t net = 0;
        int64_t quantity[METER_COUNT] = {0};
        CHECK(one->count >= 0 && one->count <= RATED_LINES_MAX);
        for (int i = 0; i < one->count; i++) {
            const struct rated_line *line = &one->lines[i];
            CHECK(line->quantity > 0 && line->amount_minor >= 0);
            net += line->amount_minor;
            quantity[line->meter] += line->quantity;
        }
        CHECK(net == one->net_minor);
        for (int m = 0; m < METER_COUNT; m++) {
            CHECK(quantity[m] == 0 || quantity[m] == totals->quantity[m]);
        }
        CHECK(rate_usage(book, totals, two, &err) == 0 && two->count == one->count && two->net_minor == one->net_minor);
    } else {
        CHECK(err.code == ERR_LIMIT);
    }
    free(one);
    free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
    size_t length = end != NULL ? (size_t)(end - data) : size;
    struct price_book *book = NULL;
    struct price_problems problems = {.count = 0};
    struct err err = {0};
    struct usage_totals totals;
    if (price_book_parse((const char *)data, length, &book, &problems, &err) != 0) {
        CHECK(book == NULL);
        check_refusal(&problems, &err);
        return 0;
    }
    some_use(data, size, &totals);
    rate(book, &totals);
    if (end != NULL) {
        if (price_override_apply(book, (const char *)end + 1, size - length - 1, &problems, &err) != 0) {
            check_refusal(&problems, &err);
        } else {
            rate(book, &totals);
        }
    }
    price_book_free(&book);
    return 0;
}
