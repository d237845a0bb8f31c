/*
 * bill_invoice_store.c - an issued invoice as it is frozen, and the usage its seals had seen.
 */
#include "billing/bill_internal.h"

#include "billing/bill_rows.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "schema/pg.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The other document of a pair: a credit note and the invoice it takes back. */
#define DOCUMENT                                                                                                       \
    "SELECT i.invoice_id, i.kind, i.state, i.number, i.currency, i.minor_digits, i.net_minor, i.tax_minor, "           \
    "i.total_minor, i.price_book, i.price_version, coalesce(i.complete_through, i.issued_at) AS complete_through, "    \
    "i.issued_at, i.due_at, i.digest, i.document::text AS document, coalesce(o.number, '') AS counterpart, "           \
    "o.issued_at AS counterpart_at, coalesce(i.document ->> 'reason', e.reason, '') AS reason FROM invoice i "         \
    "LEFT JOIN invoice_event e ON e.account_id = i.account_id AND e.invoice_id = i.invoice_id "                        \
    "LEFT JOIN invoice_document o ON o.account_id = i.account_id AND o.period = i.period "                             \
    "AND (o.invoice_id = i.refers_to OR o.refers_to = i.invoice_id) WHERE i.account_id = $1::int8 "

static const struct pg_stmt INVOICE = {
    .name = "bill.invoice",
    .sql = DOCUMENT "AND i.kind = 'invoice' AND i.period = ($2::timestamptz AT TIME ZONE 'UTC')::date "
                    "AND i.state <> 'void' ORDER BY i.invoice_id DESC LIMIT 1",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt ONE_DOCUMENT = {
    .name = "bill.document", .sql = DOCUMENT "AND i.invoice_id = $2::int8", .expect = PG_MAYBE_ROW};
static const struct pg_stmt DOCUMENT_MONTH = {
    .name = "bill.document_month",
    .sql = "SELECT to_char(period, 'YYYY-MM') AS month FROM invoice_document WHERE account_id = $1::int8 "
           "AND invoice_id = $2::int8",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt LINES = {
    .name = "bill.invoice_lines",
    .sql = "SELECT kind, meter, band, price_id, description, quantity::int8 AS quantity, unit_price::text AS price, "
           "trim_scale(exact_amount)::text AS exact, amount_minor, period::timestamp AT TIME ZONE 'UTC' AS period, "
           "coalesce(detail->>'list_price', unit_price::text) AS list_price, coalesce(detail->>'packages', '0')::int8 "
           "AS packages, coalesce(detail->>'residue', '0') AS residue FROM invoice_line "
           "WHERE account_id = $1::int8 AND invoice_id = $2::int8 ORDER BY line",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt USAGE_SEALED = {
    .name = "bill.usage_sealed",
    .sql =
        "SELECT u.function_id, coalesce(f.name, '') AS name, u.version, u.memory_mib, u.day, u.requests, u.x86, u.arm, "
        "u.provisioned_x86, u.provisioned_arm, u.capacity_x86, u.capacity_arm, u.storage, u.streamed FROM ("
        "SELECT function_id, CASE WHEN $4::bool THEN version ELSE -1 END AS version, "
        "CASE WHEN $4::bool THEN memory_mib ELSE 0 END AS memory_mib, "
        "CASE WHEN $5::bool THEN date_trunc('day', hour) ELSE 'epoch'::timestamptz END AS day, "
        "counted(sum(billed_requests)) AS requests, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 0), 0)) AS x86, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 0), 0)) AS arm, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 1), 0)) AS provisioned_x86, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 1), 0)) AS provisioned_arm, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 2), 0)) AS capacity_x86, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 2), 0)) AS capacity_arm, "
        "counted(sum(storage_mb_ms)) AS storage, counted(sum(streamed_bytes)) AS streamed "
        "FROM (SELECT * FROM usage_as_of($1::int8, $2::timestamptz, $3::timestamptz, $6::timestamptz) "
        "UNION ALL SELECT * FROM " CAPACITY ") m "
        "GROUP BY 1, 2, 3, 4) u LEFT JOIN function f ON f.account_id = $1::int8 AND f.function_id = u.function_id "
        "ORDER BY name, u.function_id, u.version, u.memory_mib, u.day",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt ISSUED_AT = {
    .name = "bill.issued_at",
    .sql = "SELECT max(issued_at) AS issued_at FROM invoice WHERE account_id = $1::int8 AND kind = 'invoice' "
           "AND period = ($2::timestamptz AT TIME ZONE 'UTC')::date AND state <> 'void'",
    .expect = PG_ONE_ROW,
};

static int take_issued(const struct pg_row *row, void *ctx, struct err *err)
{
    int64_t *issued_us = ctx;
    (void)err;
    *issued_us = pg_get_time_or(row, "issued_at", 0);
    return 0;
}

int bill_issued_at(struct pg *pg, int64_t account_id, struct month month, int64_t *issued_us, struct err *err)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &ISSUED_AT, params, take_issued, issued_us, NULL, err);
}

struct found {
    struct bill *bill;
    int line_room;
    bool any;
};

static void take_names(struct bill *bill, const char *document)
{
    cJSON *tree = cJSON_Parse(document);
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "name"));
    const char *display = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "display_name"));
    const char *root = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "records_root"));
    const cJSON *billing = cJSON_GetObjectItemCaseSensitive(tree, "billing");
    if (name != NULL) {
        (void)text_copy(bill->account_name, sizeof bill->account_name, name);
    }
    if (display != NULL && display[0] != '\0') {
        (void)text_copy(bill->display_name, sizeof bill->display_name, display);
    }
    if (root != NULL) {
        (void)text_copy(bill->records_root, sizeof bill->records_root, root);
    }
    if (billing != NULL) {
        bill->buyer = cJSON_PrintUnformatted(billing);
    }
    cJSON_Delete(tree);
}

static int take_invoice(const struct pg_row *row, void *ctx, struct err *err)
{
    struct found *found = ctx;
    struct bill *bill = found->bill;
    size_t length = 0;
    const void *digest = pg_get_bytes(row, "digest", &length);
    const char *state = pg_get_text(row, "state");
    found->any = true;
    bill->state = strcmp(state, "credited") == 0 ? BILL_CREDITED : strcmp(state, "void") == 0 ? BILL_VOID : BILL_ISSUED;
    bill->credit_note = strcmp(pg_get_text(row, "kind"), "credit_note") == 0;
    bill->counterpart_us = pg_get_time_or(row, "counterpart_at", 0);
    bill->invoice_id = pg_get_i64(row, "invoice_id");
    bill->issued_us = pg_get_time(row, "issued_at");
    bill->due_us = pg_get_time_or(row, "due_at", 0);
    bill->price_version = pg_get_i64(row, "price_version");
    bill->complete_through_us = pg_get_time(row, "complete_through");
    bill->late_pending = 0;
    bill->net_minor = pg_get_i64(row, "net_minor");
    bill->tax_minor = pg_get_i64(row, "tax_minor");
    bill->total_minor = pg_get_i64(row, "total_minor");
    (void)text_copy(bill->number, sizeof bill->number, pg_get_text(row, "number"));
    (void)text_copy(bill->price_book, sizeof bill->price_book, pg_get_text(row, "price_book"));
    (void)text_copy(bill->counterpart, sizeof bill->counterpart, pg_get_text(row, "counterpart"));
    if (pg_get_text(row, "reason")[0] != '\0' && (bill->reason = strdup(pg_get_text(row, "reason"))) == NULL) {
        return err_set(err, ERR_SYSTEM, "bill: out of memory");
    }
    if (digest != NULL && length == SHA256_BYTES) {
        hex_encode(digest, length, bill->digest);
    }
    take_names(bill, pg_get_text(row, "document"));
    return currency_find(pg_get_text(row, "currency"), "currency", &bill->currency, err);
}

static int take_amounts(const struct pg_row *row, bool turned, struct rated_line *line, struct err *err)
{
    int64_t per = line->packages != 0 ? 1 : meter_per_pricing_unit(line->meter);
    if (decimal_parse(pg_get_text(row, "price"), "unit_price", PRICE_SCALE_MAX, &line->contracted_price, err) != 0 ||
        decimal_parse(pg_get_text(row, "list_price"), "list_price", PRICE_SCALE_MAX, &line->list_price, err) != 0 ||
        exact_parse(pg_get_text(row, "exact"), "exact_amount", &line->exact_amount, err) != 0 ||
        exact_parse(pg_get_text(row, "residue"), "residue", &line->residue, err) != 0) {
        return -1;
    }
    if (turned) {
        /* A credit note has the details of its invoice as they were. */
        line->residue.value = -line->residue.value;
        line->packages = -line->packages;
    }
    line->list_amount = line->exact_amount;
    bool same_price = line->list_price.value == line->contracted_price.value &&
                      line->list_price.scale == line->contracted_price.scale;
    if ((line->kind != LINE_USAGE && line->kind != LINE_CORRECTION) || same_price) {
        return 0; /* a correction of packages has no units to multiply */
    }
    return exact_product(line->packages != 0 ? line->packages : line->quantity, line->list_price, per,
                         &line->list_amount, err);
}

static int take_line(const struct pg_row *row, void *ctx, struct err *err)
{
    struct found *found = ctx;
    struct bill *bill = found->bill;
    const char *meter = pg_get_text(row, "meter");
    if (bill->line_count == found->line_room) {
        int room = found->line_room == 0 ? 16 : found->line_room * 2;
        struct rated_line *more = realloc(bill->lines, (size_t)room * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "bill: out of memory");
        }
        bill->lines = more;
        found->line_room = room;
    }
    struct rated_line *line = &bill->lines[bill->line_count++];
    *line = (struct rated_line){.band = (int)pg_get_i64(row, "band"),
                                .quantity = pg_get_i64(row, "quantity"),
                                .packages = pg_get_i64(row, "packages"),
                                .amount_minor = pg_get_i64(row, "amount_minor")};
    (void)text_copy(line->price_id, sizeof line->price_id, pg_get_text(row, "price_id"));
    (void)text_copy(line->description, sizeof line->description, pg_get_text(row, "description"));
    if (bill_line_kind_parse(pg_get_text(row, "kind"), &line->kind, err) != 0 ||
        (meter[0] != '\0' && meter_parse(meter, "meter", &line->meter, err) != 0)) {
        return -1;
    }
    int64_t period_us = pg_get_time(row, "period");
    int64_t from_us, to_us;
    month_range(bill->month, &from_us, &to_us);
    line->period_us = line->kind == LINE_CORRECTION || period_us != from_us ? period_us : 0;
    return take_amounts(row, bill->credit_note, line, err);
}

static int store_document(struct pg *pg, const struct pg_stmt *stmt, const struct pg_param *params, struct bill *bill,
                          bool *any, struct err *err)
{
    struct found found = {.bill = bill};
    if (pg_run(pg, stmt, params, take_invoice, &found, NULL, err) != 0) {
        return err_wrap(err, "bill");
    }
    *any = found.any;
    if (!found.any) {
        return 0;
    }
    const struct pg_param of_invoice[] = {PG_P_I64(bill->account_id), PG_P_I64(bill->invoice_id), PG_P_END};
    return pg_run(pg, &LINES, of_invoice, take_line, &found, NULL, err) == 0
               ? 0
               : err_wrap(err, "lines of %s", bill->number);
}

int bill_store_invoice(struct pg *pg, int64_t from_us, struct bill *bill, bool *any, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(bill->account_id), PG_P_TIME(from_us), PG_P_END};
    return store_document(pg, &INVOICE, params, bill, any, err);
}

int bill_store_document(struct pg *pg, int64_t invoice_id, struct bill *bill, bool *any, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(bill->account_id), PG_P_I64(invoice_id), PG_P_END};
    return store_document(pg, &ONE_DOCUMENT, params, bill, any, err);
}

static int take_month(const struct pg_row *row, void *ctx, struct err *err)
{
    return month_parse(pg_get_text(row, "month"), "month", ctx, err);
}

int bill_store_document_month(struct pg *pg, int64_t account_id, int64_t invoice_id, struct month *month,
                              struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(invoice_id), PG_P_END};
    *month = (struct month){.year = 0};
    if (pg_run(pg, &DOCUMENT_MONTH, params, take_month, month, NULL, err) != 0) {
        return err_wrap(err, "bill");
    }
    return month->year != 0 ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such invoice");
}

int bill_store_usage_sealed(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, unsigned split,
                            int64_t as_of_us, struct bill_usage_list *list, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TIME(from_us),
                                      PG_P_TIME(to_us),
                                      PG_P_BOOL((split & BILL_SPLIT_VERSION) != 0),
                                      PG_P_BOOL((split & BILL_SPLIT_DAY) != 0),
                                      PG_P_TIME(as_of_us),
                                      PG_P_END};
    return pg_stream(pg, &USAGE_SEALED, params, bill_take_usage, list, err) == 0
               ? 0
               : err_wrap(err, "usage of the invoice");
}
