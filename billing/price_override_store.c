/* price_override_store.c - what one account pays instead, by month (table price_override). */
#include "billing/price_book_internal.h"

#include "common/err.h"
#include "common/text.h"
#include "schema/pg.h"

#include <string.h>

static const struct pg_stmt BOOK_NAME = {
    .name = "price_override.book_name",
    .sql = "SELECT price_book FROM account WHERE account_id = $1::int8",
    .expect = PG_MAYBE_ROW,
};

/* One change of an account after the other: two must not both be the next version. */
static const struct pg_stmt ACCOUNT_LOCK = {
    .name = "price_override.lock",
    .sql = "SELECT account_id FROM account WHERE account_id = $1::int8 FOR UPDATE",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt LATEST = {
    .name = "price_override.latest",
    .sql = "SELECT version, body = $3::jsonb AS same FROM price_override WHERE account_id = $1::int8 "
           "AND effective_from = $2::timestamptz ORDER BY version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt INSERT = {
    .name = "price_override.insert",
    .sql = "INSERT INTO price_override (account_id, effective_from, version, body) "
           "VALUES ($1::int8, $2::timestamptz, $4::int8, $3::jsonb)",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt LIST = {
    .name = "price_override.list",
    .sql = "SELECT effective_from, version, body::text AS body, created_at FROM price_override "
           "WHERE account_id = $1::int8 ORDER BY effective_from DESC, version DESC",
    .expect = PG_ANY_ROWS,
};

struct put {
    int64_t account_id, from_us;
    const char *json;
    int64_t version; /* result */
    bool same;
};

static int take_name(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    return text_copy(ctx, PRICE_BOOK_NAME_BYTES, pg_get_text(row, "price_book"));
}

static int take_latest(const struct pg_row *row, void *ctx, struct err *err)
{
    struct put *put = ctx;
    (void)err;
    put->version = pg_get_i64(row, "version");
    put->same = pg_get_bool(row, "same");
    return 0;
}

static int put_in_tx(struct pg *pg, void *ctx, struct err *err)
{
    struct put *put = ctx;
    const struct pg_param account[] = {PG_P_I64(put->account_id), PG_P_END};
    const struct pg_param latest[] = {PG_P_I64(put->account_id), PG_P_TIME(put->from_us), PG_P_TEXT(put->json),
                                      PG_P_END};
    put->version = 0;
    put->same = false;
    if (pg_run(pg, &ACCOUNT_LOCK, account, NULL, NULL, NULL, err) != 0 ||
        pg_run(pg, &LATEST, latest, take_latest, put, NULL, err) != 0) {
        return -1;
    }
    if (put->same) {
        return 0;
    }
    put->version++;
    const struct pg_param params[] = {PG_P_I64(put->account_id), PG_P_TIME(put->from_us), PG_P_TEXT(put->json),
                                      PG_P_I64(put->version), PG_P_END};
    return pg_run(pg, &INSERT, params, NULL, NULL, NULL, err);
}

/* It must fit the book that it changes, as that book is at its start. */
static int fits(struct pg *pg, const struct put *put, size_t length, struct price_problems *problems, struct err *err)
{
    char name[PRICE_BOOK_NAME_BYTES] = "";
    struct price_book *book = NULL;
    int64_t version = 0;
    const struct pg_param account[] = {PG_P_I64(put->account_id), PG_P_END};
    if (pg_run(pg, &BOOK_NAME, account, take_name, name, NULL, err) != 0 ||
        price_book_load_named(pg, name, put->from_us, &book, &version, err) != 0) {
        return -1;
    }
    int rc = price_override_apply(book, put->json, length, problems, err);
    price_book_free(&book);
    return rc;
}

int price_override_put(struct pg *pg, int64_t account_id, int64_t effective_from_us, const char *json, size_t length,
                       int64_t *version, struct price_problems *problems, struct err *err)
{
    struct put put = {.account_id = account_id, .from_us = effective_from_us, .json = json};
    if (price_month_start_check(effective_from_us, err) != 0 || fits(pg, &put, length, problems, err) != 0 ||
        pg_tx(pg, put_in_tx, &put, err) != 0) {
        return -1;
    }
    *version = put.version;
    return 0;
}

struct listing {
    price_override_fn *visit;
    void *ctx;
};

static int take_row(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;
    const struct price_override override = {.effective_from_us = pg_get_time(row, "effective_from"),
                                            .version = pg_get_i64(row, "version"),
                                            .created_us = pg_get_time(row, "created_at"),
                                            .json = pg_get_text(row, "body")};
    return listing->visit(&override, listing->ctx, err);
}

int price_override_list(struct pg *pg, int64_t account_id, price_override_fn *visit, void *ctx, struct err *err)
{
    struct listing listing = {visit, ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &LIST, params, take_row, &listing, NULL, err);
}
