/* /v1/price-books: read, append a version. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/key_store.h"
#include "api/price_books.h"
#include "api/price_list_store.h"
#include "billing/price_book.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"

struct list_ctx {
    struct json_writer writer;
};

static int on_book(const struct price_list_row *row, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    json_put_text(&list->writer, "name", row->name);
    json_put_i64(&list->writer, "version", row->version);
    json_put_text(&list->writer, "currency", row->currency);
    json_put_time(&list->writer, "effective_from", row->effective_from_us);
    json_put_time(&list->writer, "created_at", row->created_us);
    json_close_object(&list->writer);
    return 0;
}

int price_book_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (price_list_store_list(request->pg, on_book, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

int price_book_get_handler(struct request *request, struct err *err)
{
    const char *name = request_param(request, "book");
    struct price_list_row row;
    struct buf body = {0};
    struct json_writer writer;
    int64_t version = 0;
    int rc = request_query_i64(request, "version", 1, INT64_MAX, &version, err);
    if (rc == 0) {
        rc = price_list_store_get(request->pg, name, version, clock_wall_us(), &row, &body, err);
    }
    if (rc == 0) {
        reply_json_begin(request, &writer);
        json_put_text(&writer, "name", row.name);
        json_put_i64(&writer, "version", row.version);
        json_put_text(&writer, "currency", row.currency);
        json_put_time(&writer, "effective_from", row.effective_from_us);
        json_put_time(&writer, "created_at", row.created_us);
        json_put_raw(&writer, "document", buf_text(&body));
        rc = reply_json_end(request, 200, &writer, err);
    }
    buf_free(&body);
    return rc;
}

void price_problems_reply(struct request *request, const char *title, const struct price_problems *problems,
                          const struct err *err)
{
    struct json_writer writer;
    int kept = problems->count < PRICE_PROBLEMS_MAX ? problems->count : PRICE_PROBLEMS_MAX;
    reply_reset(&request->reply);
    request->reply.status = 400;
    request->reply.content_type = "application/problem+json";
    json_writer_init(&writer, &request->reply.body);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "type", "urn:farthing:problem:invalid");
    json_put_text(&writer, "title", title);
    json_put_i64(&writer, "status", 400);
    json_put_text(&writer, "detail", err->text);
    json_put_text(&writer, "instance", request->path);
    json_put_text(&writer, "code", "invalid");
    json_put_text(&writer, "request_id", request->id_text);
    json_open_array(&writer, "errors");
    for (int i = 0; i < kept; i++) {
        char pointer[ERR_FIELD_BYTES_MAX + 40];
        (void)snprintf(pointer, sizeof pointer, "#%s", problems->list[i].pointer);
        json_open_object(&writer, NULL);
        json_put_text(&writer, "pointer", pointer);
        json_put_text(&writer, "detail", problems->list[i].text);
        json_close_object(&writer);
    }
    json_close_array(&writer);
    json_close_object(&writer);
    buf_putc(&request->reply.body, '\n');
}

int price_book_put_handler(struct request *request, struct err *err)
{
    const char *name = request_param(request, "book");
    int64_t from_us = 0;
    int64_t to_us = 0;
    int64_t version = 0;
    struct price_book *book = NULL;
    struct price_problems problems = {.count = 0};
    struct json_writer writer;
    struct err local = {0};
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    if (name_check_account(name, "book", err) != 0 ||
        request_query_time(request, "effective_from", &from_us, err) != 0) {
        return -1;
    }
    if (price_book_parse(buf_text(&request->body), request->body.length, &book, &problems, &local) != 0) {
        price_problems_reply(request, "The price book breaks rules", &problems, &local);
        return 0;
    }
    price_book_free(&book);
    if (price_book_put(request->pg, name, from_us, buf_text(&request->body), request->body.length, &version, err) !=
        0) {
        return -1;
    }
    if (key_store_touch(request->pg, err) != 0) {
        return -1;
    }
    const struct api_options *options = api_get_options(request->api);
    if (options->price_changed != NULL) {
        options->price_changed(options->price_ctx);
    }
    (void)snprintf(request->audit_subject, sizeof request->audit_subject, "%.60s/%lld", name, (long long)version);
    reply_json_begin(request, &writer);
    json_put_text(&writer, "name", name);
    json_put_i64(&writer, "version", version);
    json_put_time(&writer, "effective_from", from_us);
    return reply_json_end(request, 200, &writer, err);
}
