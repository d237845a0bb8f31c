#include "api/account_store.h"

#include <stdio.h>
#include <string.h>

#include "api/key_store.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "schema/pg.h"

#define ACCOUNT_COLUMNS                                                                                                \
    "a.account_id, a.name, a.display_name, a.currency, a.state, a.price_book, a.billing::text AS billing, "            \
    "a.tags::text AS tags, a.revision, a.created_at "

static const struct pg_stmt BOOK_CURRENCY = {
    .name = "account.book_currency",
    .sql = "SELECT currency FROM price_book WHERE name = $1::text ORDER BY version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt NAME_PUT = {
    .name = "account.name_put",
    .sql = "INSERT INTO account_name (name, account_id) VALUES ($1::text, nextval('account_id_seq')) "
           "ON CONFLICT (name) DO NOTHING RETURNING account_id",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt ACCOUNT_PUT = {
    .name = "account.put",
    .sql = "INSERT INTO account AS a (account_id, name, display_name, currency, price_book, billing, tags) "
           "VALUES ($1::int8, $2::text, $3::text, $4::text, $5::text, $6::jsonb, $7::jsonb) RETURNING " ACCOUNT_COLUMNS,
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt ACCOUNT_GET = {
    .name = "account.get",
    .sql = "SELECT " ACCOUNT_COLUMNS "FROM account a WHERE a.account_id = $1::int8",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt ACCOUNT_ID_BY_NAME = {
    .name = "account.id_by_name",
    .sql = "SELECT account_id FROM account_name WHERE name = $1::text",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt ACCOUNT_LIST = {
    .name = "account.list",
    .sql = "SELECT " ACCOUNT_COLUMNS "FROM account a WHERE a.account_id > $1::int8 "
           "AND ($3::text IS NULL OR strpos(a.name, $3::text) > 0) ORDER BY a.account_id LIMIT $2::int8",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt ACCOUNT_UPDATE = {
    .name = "account.update",
    .sql =
        "UPDATE account AS a SET display_name = coalesce($3::text, display_name), state = coalesce($4::text, state), "
        "price_book = coalesce($5::text, price_book), billing = coalesce($6::jsonb, billing), "
        "tags = coalesce($7::jsonb, tags), revision = revision + 1 "
        "WHERE a.account_id = $1::int8 AND ($2::int8 < 0 OR a.revision = $2::int8) RETURNING " ACCOUNT_COLUMNS,
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt FUNCTION_ID = {
    .name = "account.function_id",
    .sql = "SELECT function_id FROM function WHERE account_id = $1::int8 AND name = $2::text "
           "ORDER BY deleted_at DESC NULLS FIRST LIMIT 1",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt FUNCTION_EXTERNAL = {
    .name = "account.function_external",
    .sql = "INSERT INTO function (account_id, function_id, name, origin) "
           "VALUES ($1::int8, nextval('function_id_seq'), $2::text, 'external') "
           "ON CONFLICT (account_id, name) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name "
           "RETURNING function_id",
    .expect = PG_ONE_ROW,
};

struct row_ctx {
    struct account *account;
    bool found;
};

static void read_account(const struct pg_row *row, struct account *account)
{
    memset(account, 0, sizeof *account);
    account->account_id = pg_get_i64(row, "account_id");
    (void)text_copy(account->name, sizeof account->name, pg_get_text(row, "name"));
    (void)text_copy(account->display_name, sizeof account->display_name, pg_get_text(row, "display_name"));
    (void)text_copy(account->currency, sizeof account->currency, pg_get_text(row, "currency"));
    (void)text_copy(account->state, sizeof account->state, pg_get_text(row, "state"));
    (void)text_copy(account->price_book, sizeof account->price_book, pg_get_text(row, "price_book"));
    if (text_copy(account->billing, sizeof account->billing, pg_get_text(row, "billing")) != 0) {
        (void)text_copy(account->billing, sizeof account->billing, "{}");
    }
    if (text_copy(account->tags, sizeof account->tags, pg_get_text(row, "tags")) != 0) {
        (void)text_copy(account->tags, sizeof account->tags, "{}");
    }
    account->revision = pg_get_i64(row, "revision");
    account->created_us = pg_get_time(row, "created_at");
}

static int on_account(const struct pg_row *row, void *ctx, struct err *err)
{
    struct row_ctx *found = ctx;
    (void)err;
    read_account(row, found->account);
    found->found = true;
    return 0;
}

static int on_account_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "account_id");
    return 0;
}

static int on_function_id(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "function_id");
    return 0;
}

static int on_currency(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    return text_copy(ctx, 8, pg_get_text(row, "currency"));
}

static int book_currency(struct pg *pg, const char *book, char currency[8], struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(book), PG_P_END};
    currency[0] = '\0';
    if (pg_run(pg, &BOOK_CURRENCY, params, on_currency, currency, NULL, err) != 0) {
        return -1;
    }
    return currency[0] != '\0' ? 0 : err_field(err, "/price_book", "there is no price book \"%.60s\"", book);
}

struct put_ctx {
    const struct account_new *new_account;
    struct account *account;
};

static int put_body(struct pg *pg, void *ctx, struct err *err)
{
    struct put_ctx *put = ctx;
    const struct account_new *n = put->new_account;
    const char *book = n->price_book != NULL ? n->price_book : "default";
    char currency[8];
    int64_t account_id = 0;
    if (book_currency(pg, book, currency, err) != 0) {
        return -1;
    }
    if (n->currency != NULL && strcmp(n->currency, currency) != 0) {
        return err_field(err, "/currency", "currency is %.8s, but price book %.60s is in %s", n->currency, book,
                         currency);
    }
    const struct pg_param name[] = {PG_P_TEXT(n->name), PG_P_END};
    if (pg_run(pg, &NAME_PUT, name, on_account_id, &account_id, NULL, err) != 0) {
        return -1;
    }
    if (account_id == 0) {
        (void)err_field(err, "/name", "there is an account named %.63s already", n->name);
        err->code = ERR_CONFLICT;
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TEXT(n->name),
                                      PG_P_TEXT(n->display_name != NULL ? n->display_name : ""),
                                      PG_P_TEXT(currency),
                                      PG_P_TEXT(book),
                                      PG_P_TEXT(n->billing != NULL ? n->billing : "{}"),
                                      PG_P_TEXT(n->tags != NULL ? n->tags : "{}"),
                                      PG_P_END};
    struct row_ctx row = {.account = put->account};
    return pg_run(pg, &ACCOUNT_PUT, params, on_account, &row, NULL, err);
}

int account_store_put(struct pg *pg, const struct account_new *new_account, struct account *account, struct err *err)
{
    struct put_ctx put = {.new_account = new_account, .account = account};
    return pg_tx_at(pg, PG_READ_COMMITTED, put_body, &put, err);
}

int account_store_get(struct pg *pg, int64_t account_id, struct account *account, struct err *err)
{
    struct row_ctx row = {.account = account};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    if (pg_run(pg, &ACCOUNT_GET, params, on_account, &row, NULL, err) != 0) {
        return -1;
    }
    if (!row.found) {
        (void)err_set(err, ERR_NOT_FOUND, "there is no account acct_%lld", (long long)account_id);
        return err_at(err, "account");
    }
    return 0;
}

int account_store_find(struct pg *pg, const char *text, struct account *account, struct err *err)
{
    int64_t account_id = 0;
    if (!text_starts(text, "acct_")) {
        const struct pg_param params[] = {PG_P_TEXT(text), PG_P_END};
        if (!text_utf8(text, strlen(text)) || strlen(text) > 63) {
            (void)err_set(err, ERR_NOT_FOUND, "there is no such account");
            return err_at(err, "account");
        }
        if (pg_run(pg, &ACCOUNT_ID_BY_NAME, params, on_account_id, &account_id, NULL, err) != 0) {
            return -1;
        }
    } else if (id_parse("acct", text, "account", &account_id, NULL) != 0) {
        account_id = 0;
    }
    if (account_id == 0) {
        (void)err_set(err, ERR_NOT_FOUND, "there is no account %.70s", text);
        return err_at(err, "account");
    }
    return account_store_get(pg, account_id, account, err);
}

struct list_ctx {
    account_row_fn *on_row;
    void *ctx;
};

static int on_listed(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    struct account account;
    read_account(row, &account);
    return list->on_row(&account, list->ctx, err);
}

int account_store_list(struct pg *pg, int64_t after, int64_t limit, const char *name_part, account_row_fn *on_row,
                       void *ctx, struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(after), PG_P_I64(limit), PG_P_TEXT(name_part), PG_P_END};
    return pg_run(pg, &ACCOUNT_LIST, params, on_listed, &list, NULL, err);
}

struct update_ctx {
    int64_t account_id;
    const struct account_change *change;
    struct account *account;
};

static int update_body(struct pg *pg, void *ctx, struct err *err)
{
    struct update_ctx *update = ctx;
    const struct account_change *c = update->change;
    struct account before;
    if (account_store_get(pg, update->account_id, &before, err) != 0) {
        return -1;
    }
    if (c->price_book != NULL) {
        char currency[8];
        if (book_currency(pg, c->price_book, currency, err) != 0) {
            return -1;
        }
        if (strcmp(currency, before.currency) != 0) {
            return err_field(err, "/price_book", "price book %.60s is in %s, the account in %s", c->price_book,
                             currency, before.currency);
        }
    }
    const struct pg_param params[] = {
        PG_P_I64(update->account_id), PG_P_I64(c->expected_revision), PG_P_TEXT(c->display_name), PG_P_TEXT(c->state),
        PG_P_TEXT(c->price_book),     PG_P_TEXT(c->billing),          PG_P_TEXT(c->tags),         PG_P_END};
    struct row_ctx row = {.account = update->account};
    if (pg_run(pg, &ACCOUNT_UPDATE, params, on_account, &row, NULL, err) != 0) {
        return -1;
    }
    if (!row.found) {
        (void)err_set(err, ERR_CONFLICT, "the account was changed by somebody else; read it again");
        return err_slug(err, "stale_version");
    }
    bool matters = strcmp(before.state, update->account->state) != 0 || c->price_book != NULL;
    return matters ? key_store_touch(pg, err) : 0;
}

int account_store_update(struct pg *pg, int64_t account_id, const struct account_change *change,
                         struct account *account, struct err *err)
{
    struct update_ctx update = {.account_id = account_id, .change = change, .account = account};
    return pg_tx_at(pg, PG_READ_COMMITTED, update_body, &update, err);
}

int account_store_external_function(struct pg *pg, int64_t account_id, const char *name, int64_t *function_id,
                                    struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_END};
    return pg_run(pg, &FUNCTION_EXTERNAL, params, on_function_id, function_id, NULL, err);
}

int account_store_function_id(struct pg *pg, int64_t account_id, const char *name, int64_t *function_id,
                              struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(name), PG_P_END};
    int64_t id = 0;
    if (pg_run(pg, &FUNCTION_ID, params, on_function_id, &id, NULL, err) != 0) {
        return -1;
    }
    if (id == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no function %.64s", name);
    }
    *function_id = id;
    return 0;
}
