/* function_url_store.c - see function_url.h. */
#include <string.h>

#include "api/function_url.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/function.h"
#include "schema/pg.h"

#define COLUMNS                                                                                                        \
    "u.account_id, u.function_id, u.url_id, u.qualifier, u.iam, u.stream, u.cors, u.created_at, u.modified_at, "       \
    "f.name AS function_name, a.name AS account_name, a.state <> 'active' AS suspended "                               \
    "FROM function_url u "                                                                                             \
    "JOIN function f ON f.account_id = u.account_id AND f.function_id = u.function_id AND f.deleted_at IS NULL "       \
    "JOIN account a ON a.account_id = u.account_id WHERE u.account_id = $1::int8 "

static const struct pg_stmt BY_FUNCTION = {
    .name = "function_url.get",
    .sql = "SELECT " COLUMNS "AND f.name = $2::text AND ($3::text IS NULL OR u.qualifier = $3::text) "
           "ORDER BY u.qualifier COLLATE \"C\"",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt BY_ID = {
    .name = "function_url.find",
    .sql = "SELECT " COLUMNS "AND u.url_id = $2::text",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt INSERT = {
    .name = "function_url.create",
    .sql = "INSERT INTO function_url (account_id, function_id, qualifier, url_id, iam, stream, cors) "
           "VALUES ($1::int8, $2::int8, $3::text, $4::text, $5::bool, $6::bool, $7::text) "
           "ON CONFLICT (account_id, function_id, qualifier) DO NOTHING",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt UPDATE = {
    .name = "function_url.change",
    .sql = "UPDATE function_url SET iam = $4::bool, stream = $5::bool, cors = $6::text, modified_at = now() "
           "WHERE account_id = $1::int8 AND function_id = $2::int8 AND qualifier = $3::text",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt DELETE = {
    .name = "function_url.delete",
    .sql = "DELETE FROM function_url WHERE account_id = $1::int8 AND function_id = $2::int8 AND qualifier = $3::text",
    .expect = PG_NO_ROWS,
};

void function_url_free(struct function_url *url)
{
    buf_free(&url->cors);
}

static void to_url(const struct pg_row *row, struct function_url *url)
{
    *url = (struct function_url){
        .account_id = pg_get_i64(row, "account_id"),
        .function_id = pg_get_i64(row, "function_id"),
        .iam = pg_get_bool(row, "iam"),
        .stream = pg_get_bool(row, "stream"),
        .suspended = pg_get_bool(row, "suspended"),
        .created_us = pg_get_time(row, "created_at"),
        .modified_us = pg_get_time(row, "modified_at"),
    };
    (void)text_copy(url->id, sizeof url->id, pg_get_text(row, "url_id"));
    (void)text_copy(url->function, sizeof url->function, pg_get_text(row, "function_name"));
    (void)text_copy(url->qualifier, sizeof url->qualifier, pg_get_text(row, "qualifier"));
    (void)text_copy(url->account_name, sizeof url->account_name, pg_get_text(row, "account_name"));
    buf_puts(&url->cors, pg_get_text(row, "cors"));
}

struct reading {
    struct function_url *one;
    bool found;
    function_url_fn *visit;
    void *ctx;
};

static int on_row(const struct pg_row *row, void *ctx, struct err *err)
{
    struct reading *reading = ctx;
    struct function_url url;
    to_url(row, &url);
    if (reading->one != NULL) {
        *reading->one = url;
        reading->found = true;
        return 0;
    }
    int rc = reading->visit(&url, reading->ctx, err);
    function_url_free(&url);
    return rc;
}

static int no_url(struct err *err)
{
    (void)err_set(err, ERR_NOT_FOUND, "this function has no URL, or this alias of it has none");
    return err_slug(err, "url_not_found");
}

int function_url_get(struct pg *pg, int64_t account_id, const char *function, const char *qualifier,
                     struct function_url *found, struct err *err)
{
    struct function known;
    struct reading reading = {.one = found};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(function), PG_P_TEXT(qualifier), PG_P_END};
    if (pg_run(pg, &BY_FUNCTION, params, on_row, &reading, NULL, err) != 0) {
        return -1;
    }
    if (reading.found) {
        return 0;
    }
    return function_get(pg, account_id, function, qualifier, &known, err) != 0 ? -1 : no_url(err);
}

int function_url_list(struct pg *pg, int64_t account_id, const char *function, function_url_fn *visit, void *ctx,
                      struct err *err)
{
    struct function known;
    struct reading reading = {.visit = visit, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(function), PG_P_NULL(PG_T_TEXT), PG_P_END};
    if (function_get(pg, account_id, function, NULL, &known, err) != 0) {
        return -1;
    }
    return pg_run(pg, &BY_FUNCTION, params, on_row, &reading, NULL, err);
}

int function_url_find(struct pg *pg, const char *id, struct function_url *found, struct err *err)
{
    int64_t account_id = 0;
    struct reading reading = {.one = found};
    if (function_url_id_account(id, &account_id) != 0) {
        return no_url(err);
    }
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(id), PG_P_END};
    if (pg_run(pg, &BY_ID, params, on_row, &reading, NULL, err) != 0) {
        return -1;
    }
    return reading.found ? 0 : no_url(err);
}

int function_url_create(struct pg *pg, int64_t account_id, const char *function, struct function_url *url,
                        struct err *err)
{
    struct function known;
    struct function_url stored;
    int64_t affected = 0;
    if (function_get(pg, account_id, function, url->qualifier, &known, err) != 0) {
        return -1;
    }
    function_url_id_make(account_id, url->id);
    const struct pg_param params[] = {
        PG_P_I64(account_id), PG_P_I64(known.function_id), PG_P_TEXT(url->qualifier),       PG_P_TEXT(url->id),
        PG_P_BOOL(url->iam),  PG_P_BOOL(url->stream),      PG_P_TEXT(buf_text(&url->cors)), PG_P_END};
    if (pg_run(pg, &INSERT, params, NULL, NULL, &affected, err) != 0) {
        return -1;
    }
    if (affected == 0) {
        return err_set(err, ERR_CONFLICT, "function %s has a URL already", function);
    }
    if (function_url_get(pg, account_id, function, url->qualifier, &stored, err) != 0) {
        return -1;
    }
    function_url_free(url);
    *url = stored;
    return 0;
}

int function_url_change(struct pg *pg, struct function_url *url, struct err *err)
{
    struct function_url stored;
    const struct pg_param params[] = {PG_P_I64(url->account_id),
                                      PG_P_I64(url->function_id),
                                      PG_P_TEXT(url->qualifier),
                                      PG_P_BOOL(url->iam),
                                      PG_P_BOOL(url->stream),
                                      PG_P_TEXT(buf_text(&url->cors)),
                                      PG_P_END};
    if (pg_run(pg, &UPDATE, params, NULL, NULL, NULL, err) != 0 ||
        function_url_get(pg, url->account_id, url->function, url->qualifier, &stored, err) != 0) {
        return -1;
    }
    function_url_free(url);
    *url = stored;
    return 0;
}

int function_url_delete(struct pg *pg, const struct function_url *url, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(url->account_id), PG_P_I64(url->function_id), PG_P_TEXT(url->qualifier),
                                      PG_P_END};
    return pg_run(pg, &DELETE, params, NULL, NULL, NULL, err);
}
