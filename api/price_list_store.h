/*
 * price_list_store.h - what price books there are, for the API's lists (billing/price_book.h reads and writes the books
 * themselves).
 */
#ifndef FARTHING_API_PRICE_LIST_STORE_H
#define FARTHING_API_PRICE_LIST_STORE_H

#include <stdint.h>

struct buf;
struct err;
struct pg;

struct price_list_row {
    char name[64];
    int64_t version;
    char currency[8];
    int64_t effective_from_us, created_us;
};

typedef int price_list_fn(const struct price_list_row *row, void *ctx, struct err *err);
int price_list_store_list(struct pg *pg, price_list_fn *on_row, void *ctx, struct err *err);
/* version 0: the one in force at an instant. body gets the document. ERR_NOT_FOUND. */
int price_list_store_get(struct pg *pg, const char *name, int64_t version, int64_t at_us, struct price_list_row *row,
                         struct buf *body, struct err *err);

#endif
