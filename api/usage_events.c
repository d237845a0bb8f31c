#include "api/usage_events.h"

#include "api/http.h"
#include "api/json_text.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "engine/event_tally_store.h"
#include "metering/usage.h"

struct putting {
    const struct event_tally_query *query;
    struct json_writer *writer;
    int64_t now_us;
};

static void labels(const struct putting *putting, int64_t account_id, const char *function)
{
    char id[ID_TEXT_BYTES];
    if (putting->query->by_account) {
        id_format("acct", account_id, id);
        json_put_text(putting->writer, "account", id);
    }
    if (putting->query->by_function) {
        json_put_text(putting->writer, "function", function);
    }
}

static int put_row(const struct event_tally_row *row, void *ctx, struct err *err)
{
    const struct putting *putting = ctx;
    struct json_writer *writer = putting->writer;
    const struct event_tally *tally = &row->tally;
    (void)err;
    json_open_object(writer, NULL);
    if (putting->query->granularity[0] != 't') {
        json_put_time(writer, "at", row->at_us);
    }
    labels(putting, row->account_id, row->function);
    json_put_i64(writer, "received", tally->received);
    json_put_i64(writer, "dropped", tally->dropped);
    json_put_i64(writer, "runs", tally->runs);
    json_put_i64(writer, "age_ms_avg", tally->runs > 0 ? tally->age_us / 1000 / tally->runs : 0);
    json_put_i64(writer, "age_ms_max", tally->age_max_us / 1000);
    json_close_object(writer);
    return 0;
}

static int put_waiting(const struct event_waiting *waiting, void *ctx, struct err *err)
{
    const struct putting *putting = ctx;
    int64_t age_us = putting->now_us - waiting->oldest_us;
    (void)err;
    json_open_object(putting->writer, NULL);
    labels(putting, waiting->account_id, waiting->function);
    json_put_i64(putting->writer, "events", waiting->events);
    json_put_i64(putting->writer, "oldest_age_ms", age_us > 0 ? age_us / 1000 : 0);
    json_close_object(putting->writer);
    return 0;
}

int usage_events_put(struct request *request, const struct usage_query *query, const char *granularity,
                     struct json_writer *writer, struct err *err)
{
    const struct event_tally_query events = {
        .account_id = query->account_id,
        .function_id = query->function_id,
        .by_account = (query->group_by & USAGE_GROUP_ACCOUNT) != 0,
        .by_function = (query->group_by & USAGE_GROUP_FUNCTION) != 0,
        .from_us = query->from_us,
        .to_us = query->to_us,
        .granularity = granularity,
    };
    struct putting putting = {.query = &events, .writer = writer, .now_us = clock_wall_us()};
    json_open_object(writer, "events");
    json_open_array(writer, "items");
    if (event_tally_store_rows(request->pg, &events, put_row, &putting, err) != 0) {
        return -1;
    }
    json_close_array(writer);
    json_open_array(writer, "waiting");
    if (event_tally_store_waiting(request->pg, &events, put_waiting, &putting, err) != 0) {
        return -1;
    }
    json_close_array(writer);
    json_close_object(writer);
    return 0;
}
