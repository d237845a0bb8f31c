/*
 * rating.c - lines rated a second by one thread: rate_usage with the book that ships, usage that crosses free allowance
 * and tiers of every meter. The best of five rounds.
 */
#include "billing/rating.h"
#include "billing/price_book.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 5
#define BILLS 200000

int main(void)
{
    struct price_book *book = NULL;
    struct err err = {0};
    struct usage_totals totals;
    const char *json = price_book_default_json();
    struct rated_bill *bill = malloc(sizeof *bill);
    int64_t best = 0;
    CHECK(bill != NULL && price_book_parse(json, strlen(json), &book, NULL, &err) == 0);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t lines = 0;
        int64_t start_ns = clock_mono_ns();
        for (int i = 0; i < BILLS; i++) {
            for (int m = 0; m < METER_COUNT; m++) {
                totals.quantity[m] = INT64_C(7000000000) * 1024000 + i;
            }
            CHECK(rate_usage(book, &totals, bill, &err) == 0);
            lines += bill->count;
        }
        int64_t rate = lines * 1000000000 / (clock_mono_ns() - start_ns);
        best = rate > best ? rate : best;
    }
    (void)printf("{\"name\":\"rating\",\"value\":%" PRId64 ",\"unit\":\"lines/s\"}\n", best);
    price_book_free(&book);
    free(bill);
    return EXIT_SUCCESS;
}
