/* .../price-overrides: what one account pays instead of its book. */
#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/key_store.h"
#include "api/price_books.h"
#include "billing/price_book.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"

struct list_ctx {
    struct json_writer writer;
};

static int on_override(const struct price_override *override, void *ctx, struct err *err)
{
    struct list_ctx *list = ctx;
    (void)err;
    json_open_object(&list->writer, NULL);
    json_put_time(&list->writer, "effective_from", override->effective_from_us);
    json_put_i64(&list->writer, "version", override->version);
    json_put_time(&list->writer, "created_at", override->created_us);
    json_put_raw(&list->writer, "document", override->json);
    json_close_object(&list->writer);
    return 0;
}

int price_override_list_handler(struct request *request, struct err *err)
{
    struct list_ctx list;
    reply_json_begin(request, &list.writer);
    json_open_array(&list.writer, "items");
    if (price_override_list(request->pg, request->account_id, on_override, &list, err) != 0) {
        return -1;
    }
    json_close_array(&list.writer);
    json_put_null(&list.writer, "next");
    return reply_json_end(request, 200, &list.writer, err);
}

int price_override_put_handler(struct request *request, struct err *err)
{
    int64_t from_us = 0;
    int64_t to_us = 0;
    int64_t version = 0;
    struct price_problems problems = {.count = 0};
    struct json_writer writer;
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    if (request_query_time(request, "effective_from", &from_us, err) != 0) {
        return -1;
    }
    if (price_override_put(request->pg, request->account_id, from_us, buf_text(&request->body), request->body.length,
                           &version, &problems, err) != 0) {
        if (problems.count == 0) {
            return -1;
        }
        price_problems_reply(request, "The override breaks rules", &problems, err);
        return 0;
    }
    if (key_store_touch(request->pg, err) != 0) {
        return -1;
    }
    const struct api_options *options = api_get_options(request->api);
    if (options->price_changed != NULL) {
        options->price_changed(options->price_ctx);
    }
    reply_json_begin(request, &writer);
    json_put_time(&writer, "effective_from", from_us);
    json_put_i64(&writer, "version", version);
    json_put_raw(&writer, "document", buf_text(&request->body));
    return reply_json_end(request, 200, &writer, err);
}
