#include "reports/report_store.h"

#include "common/err.h"
#include "common/map.h"
#include "reports/party.h"
#include "schema/pg.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNTS_PAGE 500

static const struct pg_stmt REPORT_ACCOUNTS = {
    .name = "report.accounts",
    .sql = "SELECT a.account_id, EXISTS (SELECT FROM invoice_document d WHERE d.account_id = a.account_id "
           "AND d.period = ($2::timestamptz AT TIME ZONE 'UTC')::date AND d.kind = 'credit_note') AS credited "
           "FROM account a WHERE a.account_id > $1::int8 AND (EXISTS (SELECT 1 FROM usage_hourly u "
           "WHERE u.account_id = a.account_id AND u.hour >= $2::timestamptz AND u.hour < $3::timestamptz) "
           "OR EXISTS (SELECT 1 FROM provisioned_period v WHERE v.account_id = a.account_id "
           "AND v.starts_at < $3::timestamptz AND (v.ends_at IS NULL OR v.ends_at > $2::timestamptz)) "
           "OR EXISTS (SELECT 1 FROM invoice i WHERE i.account_id = a.account_id AND i.kind = 'invoice' "
           "AND i.state <> 'void' AND i.period = ($2::timestamptz AT TIME ZONE 'UTC')::date)) "
           "ORDER BY a.account_id LIMIT $4::int8",
    .expect = PG_ANY_ROWS,
};

struct page {
    int count;
    int64_t ids[ACCOUNTS_PAGE];
    bool credited[ACCOUNTS_PAGE];
};

static int take_id(const struct pg_row *row, void *ctx, struct err *err)
{
    struct page *page = ctx;
    (void)err;
    page->credited[page->count] = pg_get_bool(row, "credited");
    page->ids[page->count++] = pg_get_i64(row, "account_id");
    return 0;
}

int report_store_accounts(struct pg *pg, struct month month, report_account_fn *on_account, void *ctx, struct err *err)
{
    struct page page;
    int64_t after = 0;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    do {
        const struct pg_param params[] = {PG_P_I64(after), PG_P_TIME(from_us), PG_P_TIME(to_us),
                                          PG_P_I64(ACCOUNTS_PAGE), PG_P_END};
        page.count = 0;
        if (pg_run(pg, &REPORT_ACCOUNTS, params, take_id, &page, NULL, err) != 0) {
            return -1;
        }
        for (int i = 0; i < page.count; i++) {
            if (on_account(page.ids[i], page.credited[i], ctx, err) != 0) {
                return -1;
            }
            after = page.ids[i];
        }
    } while (page.count == ACCOUNTS_PAGE);
    return 0;
}

static const struct pg_stmt REPORT_DOCUMENTS = {
    .name = "report.documents",
    .sql = "SELECT invoice_id FROM invoice WHERE account_id = $1::int8 "
           "AND period = ($2::timestamptz AT TIME ZONE 'UTC')::date AND state <> 'void' ORDER BY invoice_id "
           "LIMIT $3::int8",
    .expect = PG_ANY_ROWS,
};

struct documents {
    int count;
    int64_t ids[REPORT_DOCUMENTS_MAX + 1];
};

static int take_document(const struct pg_row *row, void *ctx, struct err *err)
{
    struct documents *documents = ctx;
    (void)err;
    documents->ids[documents->count++] = pg_get_i64(row, "invoice_id");
    return 0;
}

int report_store_documents(struct pg *pg, int64_t account_id, struct month month, report_document_fn *on_document,
                           void *ctx, struct err *err)
{
    struct documents documents = {.count = 0};
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_I64(REPORT_DOCUMENTS_MAX + 1),
                                      PG_P_END};
    if (pg_run(pg, &REPORT_DOCUMENTS, params, take_document, &documents, NULL, err) != 0) {
        return err_wrap(err, "documents of the month");
    }
    if (documents.count > REPORT_DOCUMENTS_MAX) {
        return err_set(err, ERR_LIMIT, "there are more than %d documents about this month", REPORT_DOCUMENTS_MAX);
    }
    for (int i = 0; i < documents.count; i++) {
        if (on_document(account_id, documents.ids[i], ctx, err) != 0) {
            return -1;
        }
    }
    return 0;
}

static const struct pg_stmt REPORT_TAGS = {
    .name = "report.tags",
    .sql = "SELECT function_id, tags::text AS tags FROM function WHERE account_id = $1::int8 AND tags <> '{}'::jsonb",
    .expect = PG_ANY_ROWS,
};

static int take_tags(const struct pg_row *row, void *ctx, struct err *err)
{
    int64_t function_id = pg_get_i64(row, "function_id");
    char *tags = strdup(pg_get_text(row, "tags"));
    if (tags == NULL || map_put(ctx, &function_id, sizeof function_id, tags) != 0) {
        free(tags);
        return err_set(err, ERR_SYSTEM, "tags: out of memory");
    }
    return 0;
}

int report_store_tags(struct pg *pg, int64_t account_id, struct map **tags, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    struct map *self = map_new();
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "tags: out of memory");
    }
    if (pg_run(pg, &REPORT_TAGS, params, take_tags, self, NULL, err) != 0) {
        report_store_tags_free(&self);
        return -1;
    }
    *tags = self;
    return 0;
}

static void free_tags(const void *key, size_t key_length, void *value, void *ctx)
{
    (void)key;
    (void)key_length;
    (void)ctx;
    free(value);
}

void report_store_tags_free(struct map **tags)
{
    if (*tags != NULL) {
        map_each(*tags, free_tags, NULL);
        map_free(tags);
    }
}

static const struct pg_stmt REPORT_PARTY = {
    .name = "report.party",
    .sql = "SELECT billing::text AS billing FROM account WHERE account_id = $1::int8",
    .expect = PG_MAYBE_ROW,
};

static int take_party(const struct pg_row *row, void *ctx, struct err *err)
{
    const char *text = pg_get_text(row, "billing");
    struct err unread = {0};
    (void)err;
    /* Whatever an older program let in: a bill without the address is better than no bill. */
    if (party_parse(text, strlen(text), false, ctx, &unread) != 0) {
        *(struct party *)ctx = (struct party){.address_lines = 0};
    }
    return 0;
}

int report_store_party(struct pg *pg, int64_t account_id, struct party *party, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    *party = (struct party){.address_lines = 0};
    if (pg_run(pg, &REPORT_PARTY, params, take_party, party, NULL, err) != 0) {
        return err_wrap(err, "billing details");
    }
    return 0;
}
