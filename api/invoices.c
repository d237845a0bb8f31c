/* .../invoices: what was issued, line by line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/bill_file.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/invoice_list_store.h"
#include "api/invoice_path.h"
#include "api/json_text.h"
#include "billing/money.h"
#include "common/err.h"
#include "common/ids.h"
#include "reports/report.h"

struct list_ctx {
    struct json_writer writer;
    int64_t left, last;
    int rows;
    bool array, more;
    struct currency currency;
    char month[8];
};

static void put_minor(struct json_writer *writer, const char *name, int64_t minor, const struct currency *currency)
{
    char text[MONEY_TEXT_BYTES];
    minor_format(minor, currency, text);
    json_put_text(writer, name, text);
}

static void currency_of(const struct invoice_row *row, struct currency *currency)
{
    (void)snprintf(currency->code, sizeof currency->code, "%.3s", row->currency);
    currency->minor_digits = row->minor_digits;
}

static void invoice_members(struct json_writer *writer, const struct invoice_row *row)
{
    struct currency currency;
    char id[ID_TEXT_BYTES];
    currency_of(row, &currency);
    id_format("inv", row->invoice_id, id);
    json_put_text(writer, "id", id);
    json_put_text(writer, "number", row->number[0] != '\0' ? row->number : NULL);
    json_put_text(writer, "kind", row->kind);
    json_put_text(writer, "state", row->state);
    json_put_text(writer, "month", row->month);
    json_put_text(writer, "currency", row->currency);
    put_minor(writer, "net", row->net_minor, &currency);
    put_minor(writer, "tax", row->tax_minor, &currency);
    put_minor(writer, "total", row->total_minor, &currency);
    json_put_text(writer, "price_book", row->price_book);
    json_put_i64(writer, "price_version", row->price_version);
    json_put_time_or_null(writer, "complete_through", row->complete_through_us);
    json_put_time_or_null(writer, "issued_at", row->issued_us);
    json_put_time_or_null(writer, "due_at", row->due_us);
    id_format("inv", row->refers_to, id);
    json_put_text(writer, "refers_to", row->refers_to != 0 ? id : NULL);
    json_put_text(writer, "sha256", row->digest[0] != '\0' ? row->digest : NULL);
    json_put_text(writer, "park_reason", row->park_reason[0] != '\0' ? row->park_reason : NULL);
}

static int on_invoice(const struct invoice_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    if (list->array && list->left-- == 0) {
        list->more = true;
        return 0;
    }
    list->rows++;
    list->last = row->invoice_id;
    currency_of(row, &list->currency);
    (void)snprintf(list->month, sizeof list->month, "%.7s", row->month);
    if (list->array) {
        json_open_object(&list->writer, NULL);
    }
    invoice_members(&list->writer, row);
    if (list->array) {
        json_close_object(&list->writer);
    }
    return 0;
}

int invoice_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = true};
    struct page page;
    char last[24];
    struct invoice_query query = {.account_id = request->account_id, .month = request_query(request, "month")};
    struct month month;
    if (page_get(request, &page, err) != 0 ||
        (query.month != NULL && month_parse(query.month, "month", &month, err) != 0)) {
        return -1;
    }
    query.before = strtoll(page.after, NULL, 10);
    query.limit = page.limit + 1;
    list.left = page.limit;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (invoice_list_store(request->pg, &query, on_invoice, &list, err) != 0) {
        return -1;
    }
    (void)snprintf(last, sizeof last, "%lld", (long long)list.last);
    json_close_array(&list.writer);
    page_put(request, &list.writer, list.more ? last : NULL);
    return reply_json_end(request, 200, &list.writer, err);
}

/* The members of the one invoice of the path, into the object that is open. */
static int invoice_find(struct request *request, struct list_ctx *list, int64_t *invoice_id, struct err *err)
{
    struct invoice_query query;
    invoice_path_query(request, &query);
    if (invoice_list_store(request->pg, &query, on_invoice, list, err) != 0) {
        return -1;
    }
    *invoice_id = list->last;
    return list->rows == 1 ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such invoice");
}

int invoice_get_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = false};
    int64_t invoice_id = 0;
    reply_json_begin(request, &list.writer);
    if (invoice_find(request, &list, &invoice_id, err) != 0) {
        return -1;
    }
    return reply_json_end(request, 200, &list.writer, err);
}

static int on_line(const struct invoice_line_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    struct json_writer *writer = &list->writer;
    (void)err;
    json_open_object(writer, NULL);
    json_put_i64(writer, "line", row->line);
    json_put_text(writer, "kind", row->kind);
    json_put_text(writer, "meter", row->meter);
    json_put_i64(writer, "band", row->band);
    json_put_text(writer, "price_id", row->price_id);
    json_put_text(writer, "description", row->description);
    json_put_text(writer, "quantity", row->quantity);
    json_put_text(writer, "unit", row->unit);
    json_put_text(writer, "unit_price", row->unit_price);
    json_put_text(writer, "exact_amount", row->exact_amount);
    put_minor(writer, "amount", row->amount_minor, &list->currency);
    json_put_text(writer, "month", row->month);
    json_put_raw(writer, "detail", row->detail);
    json_close_object(writer);
    return 0;
}

int invoice_lines_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = false};
    int64_t invoice_id = 0;
    reply_json_begin(request, &list.writer);
    json_open_object(&list.writer, "invoice");
    if (invoice_find(request, &list, &invoice_id, err) != 0) {
        return -1;
    }
    json_close_object(&list.writer);
    json_open_array(&list.writer, "items");
    if (invoice_list_store_lines(request->pg, request->account_id, invoice_id, on_line, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

/* The records of the invoice's month; which of them made a line is told by their meter. */
int invoice_line_records_handler(struct request *request, struct err *err)
{
    struct list_ctx list = {.array = false};
    struct bill_file file;
    char hex[SHA256_HEX_BYTES];
    struct month month;
    int64_t invoice_id = 0;
    struct report_options options = {.layout = REPORT_RECORDS, .issuer = api_get_options(request->api)->issuer};
    reply_json_begin(request, &list.writer);
    if (invoice_find(request, &list, &invoice_id, err) != 0 || month_parse(list.month, "month", &month, err) != 0) {
        return -1;
    }
    options.invoice_id = invoice_id;
    buf_clear(&request->reply.body);
    bill_file_begin(&file, request);
    if (report_bill(request->pg, request->account_id, month, &options, bill_file_sink, &file, err) != 0) {
        bill_file_abandon(&file);
        return -1;
    }
    bill_file_end(&file, hex);
    request->reply.status = 200;
    request->reply.content_type = report_media_type(REPORT_RECORDS);
    return 0;
}
