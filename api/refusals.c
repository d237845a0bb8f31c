/* .../refusals: calls that a quota, or lack of room, refused, by function and reason. */
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/refusal_store.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"

static int on_row(const struct refusal_row *row, void *ctx, struct err *err)
{
    struct json_writer *writer = ctx;
    (void)err;
    json_open_object(writer, NULL);
    json_put_text(writer, "function", row->function[0] != '\0' ? row->function : NULL);
    json_put_text(writer, "reason", usage_refusal_name(row->reason));
    json_put_i64(writer, "refusals", row->refusals);
    json_put_time(writer, "last_hour", row->last_hour_us);
    json_close_object(writer);
    return 0;
}

int refusal_list_handler(struct request *request, struct err *err)
{
    struct json_writer writer;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    if (request_query_time(request, "from", &from_us, err) != 0 ||
        request_query_time(request, "to", &to_us, err) != 0) {
        return -1;
    }
    reply_json_begin(request, &writer);
    json_put_time(&writer, "from", from_us);
    json_put_time(&writer, "to", to_us);
    json_open_array(&writer, "items");
    if (refusal_store_list(request->pg, request->account_id, from_us, to_us, on_row, &writer, err) != 0) {
        return -1;
    }
    json_close_array(&writer);
    json_put_null(&writer, "next");
    return reply_json_end(request, 200, &writer, err);
}
