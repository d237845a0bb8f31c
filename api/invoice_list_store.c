#include "api/invoice_list_store.h"

#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt INVOICE_LIST = {
    .name = "invoice_list.list",
    .sql = "SELECT invoice_id, kind, state, coalesce(number, '') AS number, to_char(period, 'YYYY-MM') AS month, "
           "currency, "
           "minor_digits::int8 AS minor_digits, net_minor, tax_minor, total_minor, price_book, price_version, "
           "complete_through, issued_at, due_at, coalesce(refers_to, 0) AS refers_to, "
           "coalesce(encode(digest, 'hex'), '') AS digest, park_reason FROM invoice WHERE account_id = $1::int8 "
           "AND ($2::int8 = 0 OR invoice_id = $2::int8) AND ($3::int8 = 0 OR invoice_id < $3::int8) "
           "AND ($5::text = '' OR number = $5::text) AND ($6::text = '' OR period = ($6::text || '-01')::date) "
           "ORDER BY invoice_id DESC LIMIT $4::int8",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt LINE_LIST = {
    .name = "invoice_list.lines",
    .sql = "SELECT line::int8 AS line, kind, meter, band::int8 AS band, price_id, description, quantity::text AS "
           "quantity, unit, "
           "unit_price::text AS unit_price, exact_amount::text AS exact_amount, amount_minor, "
           "to_char(period, 'YYYY-MM') AS month, detail::text AS detail FROM invoice_line "
           "WHERE account_id = $1::int8 AND invoice_id = $2::int8 ORDER BY line",
    .expect = PG_ANY_ROWS,
};

struct list_ctx {
    invoice_row_fn *on_row;
    invoice_line_fn *on_line;
    void *ctx;
};

static int on_invoice(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    const struct invoice_row invoice = {.invoice_id = pg_get_i64(row, "invoice_id"),
                                        .kind = pg_get_text(row, "kind"),
                                        .state = pg_get_text(row, "state"),
                                        .number = pg_get_text(row, "number"),
                                        .month = pg_get_text(row, "month"),
                                        .currency = pg_get_text(row, "currency"),
                                        .minor_digits = (int)pg_get_i64(row, "minor_digits"),
                                        .net_minor = pg_get_i64(row, "net_minor"),
                                        .tax_minor = pg_get_i64(row, "tax_minor"),
                                        .total_minor = pg_get_i64(row, "total_minor"),
                                        .price_book = pg_get_text(row, "price_book"),
                                        .price_version = pg_get_i64(row, "price_version"),
                                        .complete_through_us = pg_get_time_or(row, "complete_through", 0),
                                        .issued_us = pg_get_time_or(row, "issued_at", 0),
                                        .due_us = pg_get_time_or(row, "due_at", 0),
                                        .refers_to = pg_get_i64(row, "refers_to"),
                                        .digest = pg_get_text(row, "digest"),
                                        .park_reason = pg_get_text(row, "park_reason")};
    return list->on_row(&invoice, list->ctx, err);
}

static int on_line(const struct pg_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    const struct invoice_line_row line = {.line = pg_get_i64(row, "line"),
                                          .kind = pg_get_text(row, "kind"),
                                          .meter = pg_get_text(row, "meter"),
                                          .band = pg_get_i64(row, "band"),
                                          .price_id = pg_get_text(row, "price_id"),
                                          .description = pg_get_text(row, "description"),
                                          .quantity = pg_get_text(row, "quantity"),
                                          .unit = pg_get_text(row, "unit"),
                                          .unit_price = pg_get_text(row, "unit_price"),
                                          .exact_amount = pg_get_text(row, "exact_amount"),
                                          .amount_minor = pg_get_i64(row, "amount_minor"),
                                          .month = pg_get_text(row, "month"),
                                          .detail = pg_get_text(row, "detail")};
    return list->on_line(&line, list->ctx, err);
}

int invoice_list_store(struct pg *pg, const struct invoice_query *query, invoice_row_fn *on_row, void *ctx,
                       struct err *err)
{
    struct list_ctx list = {.on_row = on_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(query->account_id),
                                      PG_P_I64(query->invoice_id),
                                      PG_P_I64(query->before),
                                      PG_P_I64(query->limit),
                                      PG_P_TEXT(query->number != NULL ? query->number : ""),
                                      PG_P_TEXT(query->month != NULL ? query->month : ""),
                                      PG_P_END};
    return pg_run(pg, &INVOICE_LIST, params, on_invoice, &list, NULL, err);
}

int invoice_list_store_lines(struct pg *pg, int64_t account_id, int64_t invoice_id, invoice_line_fn *on_line_row,
                             void *ctx, struct err *err)
{
    struct list_ctx list = {.on_line = on_line_row, .ctx = ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(invoice_id), PG_P_END};
    return pg_run(pg, &LINE_LIST, params, on_line, &list, NULL, err);
}
