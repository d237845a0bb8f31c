/* rerate_store.c - see rerate.h. */
#include "billing/rerate.h"

#include "billing/bill_internal.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "schema/pg.h"

#include <stdlib.h>
#include <string.h>

#define BATCH 500

static const struct pg_stmt BOOK_VERSION = {
    .name = "rerate.book",
    .sql = "SELECT version, body::text AS body FROM price_book WHERE name = $1::text "
           "AND CASE WHEN $2::int8 > 0 THEN version = $2::int8 ELSE effective_from <= $3::timestamptz END "
           "ORDER BY effective_from DESC, version DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt ACCOUNTS = {
    .name = "rerate.accounts",
    .sql =
        "SELECT a.account_id, a.name, (SELECT o.body::text FROM price_override o WHERE o.account_id = a.account_id "
        "AND o.effective_from <= $4::timestamptz ORDER BY o.effective_from DESC, o.version DESC LIMIT 1) AS override "
        "FROM account a WHERE a.price_book = $1::text AND ($2::int8 = 0 OR a.account_id = $2::int8) "
        "AND a.account_id > $3::int8 ORDER BY a.account_id LIMIT $5::int8",
    .expect = PG_ANY_ROWS,
};

struct found {
    int64_t account_id;
    char name[64];
    char *override; /* NULL: none */
};

struct side {
    struct buf body;
    struct price_book *book;
    bool own; /* it is the book the accounts are on: overrides count */
};

struct work {
    struct pg *pg;
    struct rerate *rerate;
    struct side sides[2];
    int64_t from_us, to_us;
    struct found batch[BATCH];
    int count;
};

/* ---- books ---- */

struct loading {
    struct side *side;
    int64_t version;
};

static int take_book(const struct pg_row *row, void *ctx, struct err *err)
{
    struct loading *loading = ctx;
    struct side *side = loading->side;
    loading->version = pg_get_i64(row, "version");
    buf_puts(&side->body, pg_get_text(row, "body"));
    return price_book_parse(buf_text(&side->body), side->body.length, &side->book, NULL, err);
}

static int load(struct work *work, int index, struct rerate_book *wanted, struct err *err)
{
    struct loading loading = {.side = &work->sides[index]};
    const struct pg_param params[] = {PG_P_TEXT(wanted->name), PG_P_I64(wanted->version), PG_P_TIME(work->from_us),
                                      PG_P_END};
    if (pg_run(work->pg, &BOOK_VERSION, params, take_book, &loading, NULL, err) != 0) {
        return -1;
    }
    if (loading.version == 0) {
        return wanted->version > 0
                   ? err_set(err, ERR_NOT_FOUND, "price book %.63s has no version %lld", wanted->name,
                             (long long)wanted->version)
                   : err_set(err, ERR_NOT_FOUND, "no version of price book %.63s is in force then", wanted->name);
    }
    wanted->version = loading.version;
    loading.side->own = strcmp(wanted->name, work->rerate->before.name) == 0;
    return 0;
}

static int load_both(struct work *work, struct err *err)
{
    struct rerate *rerate = work->rerate;
    if (load(work, 0, &rerate->before, err) != 0 || load(work, 1, &rerate->after, err) != 0) {
        return -1;
    }
    const struct currency *before = price_book_currency(work->sides[0].book);
    const struct currency *after = price_book_currency(work->sides[1].book);
    if (strcmp(before->code, after->code) != 0) {
        return err_set(err, ERR_INVALID, "one book is in %s, the other in %s: there is no difference between them",
                       before->code, after->code);
    }
    rerate->currency = *before;
    return 0;
}

/* ---- one account ---- */

static int rate_side(const struct side *side, const struct found *found, const struct bill_usage_list *usage,
                     bool after, struct rerate_account *account, struct err *err)
{
    struct price_book *agreed = NULL;
    struct bill *bill = calloc(1, sizeof *bill);
    int rc = bill != NULL ? 0 : err_set(err, ERR_SYSTEM, "rerate: out of memory");
    if (rc == 0 && found->override != NULL && side->own) {
        rc = price_book_parse(buf_text(&side->body), side->body.length, &agreed, NULL, err) != 0 ||
                     price_override_apply(agreed, found->override, strlen(found->override), NULL, err) != 0
                 ? err_wrap(err, "account %s", found->name)
                 : 0;
    }
    if (rc == 0) {
        rc = bill_compute(agreed != NULL ? agreed : side->book, usage, bill, err);
    }
    for (int i = 0; rc == 0 && i < bill->line_count; i++) {
        const struct rated_line *line = &bill->lines[i];
        if (line->kind == LINE_USAGE) {
            struct rerate_meter *meter = &account->meters[line->meter];
            *(after ? &meter->after_minor : &meter->before_minor) += line->amount_minor;
        }
    }
    if (rc == 0) {
        *(after ? &account->net_after_minor : &account->net_before_minor) = bill->net_minor;
    }
    price_book_free(&agreed);
    bill_free(&bill);
    return rc;
}

static int rate_account(struct work *work, const struct found *found, rerate_fn *visit, void *ctx, struct err *err)
{
    struct rerate_account account = {.account_id = found->account_id, .name = found->name};
    struct bill_usage_list usage = {0};
    int rc = bill_store_usage(work->pg, found->account_id, work->from_us, work->to_us, 0, &usage, err);
    for (int i = 0; rc == 0 && i < usage.count; i++) {
        for (int m = 0; m < METER_COUNT; m++) {
            account.meters[m].quantity += usage.items[i].quantity[m];
        }
    }
    for (int side = 0; rc == 0 && side < 2; side++) {
        rc = rate_side(&work->sides[side], found, &usage, side == 1, &account, err);
    }
    if (rc == 0 && usage.count > 0) {
        rc = visit(&account, ctx, err);
    }
    free(usage.items);
    return rc;
}

/* ---- all of them ---- */

static int take_account(const struct pg_row *row, void *ctx, struct err *err)
{
    struct work *work = ctx;
    struct found *found = &work->batch[work->count++];
    const char *override = pg_get_text_or(row, "override", NULL);
    found->account_id = pg_get_i64(row, "account_id");
    (void)text_copy(found->name, sizeof found->name, pg_get_text(row, "name"));
    found->override = override != NULL ? strdup(override) : NULL;
    return override == NULL || found->override != NULL ? 0 : err_set(err, ERR_SYSTEM, "rerate: out of memory");
}

static int rate_batch(struct work *work, int64_t *after_id, rerate_fn *visit, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(work->rerate->before.name),
                                      PG_P_I64(work->rerate->account_id),
                                      PG_P_I64(*after_id),
                                      PG_P_TIME(work->from_us),
                                      PG_P_I64(BATCH),
                                      PG_P_END};
    work->count = 0;
    int rc = pg_run(work->pg, &ACCOUNTS, params, take_account, work, NULL, err);
    for (int i = 0; i < work->count; i++) {
        if (rc == 0) {
            *after_id = work->batch[i].account_id;
            rc = rate_account(work, &work->batch[i], visit, ctx, err);
        }
        free(work->batch[i].override);
    }
    return rc;
}

int rerate_month(struct pg *pg, struct rerate *rerate, rerate_fn *visit, void *ctx, struct err *err)
{
    struct work *work = calloc(1, sizeof *work);
    int64_t after_id = 0;
    if (work == NULL) {
        return err_set(err, ERR_SYSTEM, "rerate: out of memory");
    }
    work->pg = pg;
    work->rerate = rerate;
    month_range(rerate->month, &work->from_us, &work->to_us);
    int rc = load_both(work, err);
    do {
        rc = rc == 0 ? rate_batch(work, &after_id, visit, ctx, err) : rc;
    } while (rc == 0 && work->count == BATCH);
    for (int side = 0; side < 2; side++) {
        price_book_free(&work->sides[side].book);
        buf_free(&work->sides[side].body);
    }
    free(work);
    return rc;
}
