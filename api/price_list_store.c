#include "api/price_list_store.h"

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "schema/pg.h"

static const struct pg_stmt BOOK_LIST = {
    .name = "price_list.list",
    .sql =
        "SELECT name, version, currency, effective_from, created_at, '' AS body FROM price_book ORDER BY name, version",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt BOOK_GET = {
    .name = "price_list.get",
    .sql = "SELECT name, version, currency, effective_from, created_at, body::text AS body FROM price_book "
           "WHERE name = $1::text AND (version = $2::int8 OR ($2::int8 = 0 AND effective_from <= $3::timestamptz)) "
           "ORDER BY version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

struct list_ctx {
    price_list_fn *on_row;
    void *ctx;
};

static void read_row(const struct pg_row *row, struct price_list_row *book)
{
    (void)text_copy(book->name, sizeof book->name, pg_get_text(row, "name"));
    book->version = pg_get_i64(row, "version");
    (void)text_copy(book->currency, sizeof book->currency, pg_get_text(row, "currency"));
    book->effective_from_us = pg_get_time(row, "effective_from");
    book->created_us = pg_get_time(row, "created_at");
}

static int on_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    struct price_list_row book;
    read_row(row, &book);
    return list->on_row(&book, list->ctx, err);
}

int price_list_store_list(struct pg *pg, price_list_fn *on_row, void *ctx, struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    return pg_run(pg, &BOOK_LIST, NULL, on_listed, &list, NULL, err);
}

struct get_ctx {
    struct price_list_row *row;
    struct buf *body;
    bool found;
};

static int on_found(const struct pg_row *row, void *ctx, struct err *err)
{
    struct get_ctx *get = ctx;
    (void)err;
    read_row(row, get->row);
    buf_puts(get->body, pg_get_text(row, "body"));
    get->found = true;
    return 0;
}

int price_list_store_get(struct pg *pg, const char *name, int64_t version, int64_t at_us, struct price_list_row *row,
                         struct buf *body, struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(name), PG_P_I64(version), PG_P_TIME(at_us), PG_P_END};
    struct get_ctx get = {.row = row, .body = body};
    if (pg_run(pg, &BOOK_GET, params, on_found, &get, NULL, err) != 0) {
        return -1;
    }
    return get.found ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such price book or version");
}
