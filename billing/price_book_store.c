/*
 * price_book_store.c - price books and overrides in PostgreSQL (tables price_book and price_override).
 */
#include "billing/price_book_internal.h"

#include "common/calendar.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "schema/pg.h"

#include <stdio.h>
#include <string.h>

static const struct pg_stmt BOOK_IN_FORCE = {
    .name = "price_book.in_force",
    .sql = "SELECT version, body::text AS body FROM price_book WHERE name = $1::text AND effective_from <= "
           "$2::timestamptz "
           "ORDER BY effective_from DESC, version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt BOOK_OF_ACCOUNT = {
    .name = "price_book.of_account",
    .sql =
        "SELECT b.version, b.body::text AS body, (SELECT o.body::text FROM price_override o WHERE o.account_id = "
        "a.account_id "
        "AND o.effective_from <= $2::timestamptz ORDER BY o.effective_from DESC, o.version DESC LIMIT 1) AS override "
        "FROM account a CROSS JOIN LATERAL (SELECT version, body FROM price_book p WHERE p.name = a.price_book "
        "AND p.effective_from <= $2::timestamptz ORDER BY p.effective_from DESC, p.version DESC LIMIT 1) b "
        "WHERE a.account_id = $1::int8",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt BOOK_LATEST = {
    .name = "price_book.latest",
    .sql = "SELECT version, sha256, effective_from FROM price_book WHERE name = $1::text ORDER BY version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt BOOK_INSERT = {
    .name = "price_book.insert",
    .sql = "INSERT INTO price_book (name, version, effective_from, currency, body, sha256) "
           "VALUES ($1::text, $2::int8, $3::timestamptz, $4::text, $5::jsonb, $6::bytea)",
    .expect = PG_NO_ROWS,
};

struct loaded {
    bool found;
    int64_t version;
    struct price_book *book;
};

static int parse_row(const struct pg_row *row, void *ctx, struct err *err)
{
    struct loaded *loaded = ctx;
    const char *body = pg_get_text(row, "body");
    loaded->found = true;
    loaded->version = pg_get_i64(row, "version");
    if (price_book_parse(body, strlen(body), &loaded->book, NULL, err) != 0) {
        return err_wrap(err, "stored price book");
    }
    return 0;
}

static int parse_account_row(const struct pg_row *row, void *ctx, struct err *err)
{
    struct loaded *loaded = ctx;
    if (parse_row(row, ctx, err) != 0) {
        return -1;
    }
    const char *override = pg_get_text_or(row, "override", NULL);
    if (override != NULL && price_override_apply(loaded->book, override, strlen(override), NULL, err) != 0) {
        price_book_free(&loaded->book);
        return -1;
    }
    return 0;
}

int price_book_load(struct pg *pg, int64_t account_id, int64_t at_us, struct price_book **book, int64_t *version,
                    struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(at_us), PG_P_END};
    struct loaded loaded = {0};
    if (pg_run(pg, &BOOK_OF_ACCOUNT, params, parse_account_row, &loaded, NULL, err) != 0) {
        return -1;
    }
    if (!loaded.found) {
        return err_set(err, ERR_NOT_FOUND, "no price book is in force for account acct_%lld at that time",
                       (long long)account_id);
    }
    *book = loaded.book;
    *version = loaded.version;
    return 0;
}

int price_book_load_named(struct pg *pg, const char *name, int64_t at_us, struct price_book **book, int64_t *version,
                          struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(name), PG_P_TIME(at_us), PG_P_END};
    struct loaded loaded = {0};
    if (pg_run(pg, &BOOK_IN_FORCE, params, parse_row, &loaded, NULL, err) != 0) {
        return -1;
    }
    if (!loaded.found) {
        return err_set(err, ERR_NOT_FOUND, "no version of price book \"%.60s\" is in force at that time", name);
    }
    *book = loaded.book;
    *version = loaded.version;
    return 0;
}

/* ---- putting ---- */

struct put {
    const char *name;
    int64_t effective_from_us;
    const char *json;
    size_t length;
    const struct currency *currency;
    uint8_t digest[SHA256_BYTES];
    int64_t version; /* result */
    bool same;
};

static int take_latest(const struct pg_row *row, void *ctx, struct err *err)
{
    struct put *put = ctx;
    size_t length = 0;
    const void *digest = pg_get_bytes(row, "sha256", &length);
    (void)err;
    put->version = pg_get_i64(row, "version");
    put->same = length == SHA256_BYTES && memcmp(digest, put->digest, SHA256_BYTES) == 0 &&
                pg_get_time(row, "effective_from") == put->effective_from_us;
    return 0;
}

static int put_in_tx(struct pg *pg, void *ctx, struct err *err)
{
    struct put *put = ctx;
    const struct pg_param name[] = {PG_P_TEXT(put->name), PG_P_END};
    put->version = 0;
    put->same = false;
    if (pg_run(pg, &BOOK_LATEST, name, take_latest, put, NULL, err) != 0 || put->same) {
        return put->same ? 0 : -1;
    }
    put->version++;
    const struct pg_param params[] = {PG_P_TEXT(put->name),
                                      PG_P_I64(put->version),
                                      PG_P_TIME(put->effective_from_us),
                                      PG_P_TEXT(put->currency->code),
                                      PG_P_TEXT(put->json),
                                      PG_P_BYTES(put->digest, SHA256_BYTES),
                                      PG_P_END};
    return pg_run(pg, &BOOK_INSERT, params, NULL, NULL, NULL, err);
}

int price_month_start_check(int64_t effective_from_us, struct err *err)
{
    struct civil civil = {0};
    calendar_split(effective_from_us, &civil);
    if (civil.day != 1 || civil.hour != 0 || civil.minute != 0 || civil.second != 0 || civil.micros != 0) {
        return err_field(err, "/effective_from",
                         "effective_from must be the first instant of a UTC month, so that a bill has one book");
    }
    return 0;
}

int price_book_put(struct pg *pg, const char *name, int64_t effective_from_us, const char *json, size_t length,
                   int64_t *version, struct err *err)
{
    struct price_book *book = NULL;
    if (price_month_start_check(effective_from_us, err) != 0) {
        return -1;
    }
    if (name[0] == '\0' || strlen(name) > 63) {
        return err_field(err, "/name", "name has %zu characters; 1 to 63 are allowed", strlen(name));
    }
    if (price_book_parse(json, length, &book, NULL, err) != 0) {
        return -1;
    }
    struct put put = {.name = name,
                      .effective_from_us = effective_from_us,
                      .json = json,
                      .length = length,
                      .currency = price_book_currency(book)};
    sha256(json, length, put.digest);
    int rc = pg_tx(pg, put_in_tx, &put, err);
    if (rc == 0) {
        *version = put.version;
    }
    price_book_free(&book);
    return rc;
}

int price_book_seed(struct pg *pg, struct err *err)
{
    struct put put = {0};
    const struct pg_param name[] = {PG_P_TEXT("default"), PG_P_END};
    if (pg_run(pg, &BOOK_LATEST, name, take_latest, &put, NULL, err) != 0) {
        return err_wrap(err, "default price book");
    }
    if (put.version > 0) {
        return 0;
    }
    int64_t from_us = 0;
    int64_t to_us = 0;
    int64_t version = 0;
    const char *json = price_book_default_json();
    month_range((struct month){.year = 2014, .month = 11}, &from_us, &to_us);
    struct err clash = {0};
    if (price_book_put(pg, "default", from_us, json, strlen(json), &version, &clash) != 0 &&
        clash.code != ERR_CONFLICT) {
        *err = clash;
        return err_wrap(err, "default price book");
    }
    return 0;
}
