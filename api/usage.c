/* .../usage: sums of what ran, by hour, day or month, with the age of the answer. */
#include <stdio.h>
#include <string.h>

#include "api/account_store.h"
#include "api/functions.h"
#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/usage_events.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/ids.h"
#include "metering/record.h"
#include "metering/usage.h"

enum usage_format { FORMAT_JSON, FORMAT_CSV, FORMAT_NDJSON };

static const struct {
    const char *word;
    unsigned bit;
} GROUPS[] = {{"function", USAGE_GROUP_FUNCTION}, {"version", USAGE_GROUP_VERSION}, {"memory", USAGE_GROUP_MEMORY},
              {"architecture", USAGE_GROUP_ARCH}, {"status", USAGE_GROUP_STATUS},   {"account", USAGE_GROUP_ACCOUNT}};
#define GROUP_COUNT (sizeof GROUPS / sizeof GROUPS[0])

struct usage_ctx {
    struct request *request;
    const struct usage_query *query;
    enum usage_format format;
    struct json_writer writer;
    struct buf line;
    struct usage_sums total;
    int64_t rows;
};

static int group_read(const struct request *request, unsigned *group_by, struct err *err)
{
    const char *text = request_query(request, "group_by");
    *group_by = 0;
    while (text != NULL && *text != '\0') {
        size_t length = strcspn(text, ",");
        size_t i = 0;
        while (i < GROUP_COUNT && (strlen(GROUPS[i].word) != length || strncmp(GROUPS[i].word, text, length) != 0)) {
            i++;
        }
        if (i == GROUP_COUNT) {
            return err_field(err, "group_by",
                             "group_by has \"%.*s\"; it is of function, version, memory, architecture, status",
                             length < 40 ? (int)length : 40, text);
        }
        *group_by |= GROUPS[i].bit;
        text += length;
        text += *text == ',';
    }
    return 0;
}

static int granularity_read(const struct request *request, enum usage_granularity *granularity, struct err *err)
{
    static const char *const words[] = {"total", "hour", "day", "month"};
    const char *text = request_query(request, "granularity");
    for (unsigned i = 0; text != NULL && i < 4; i++) {
        if (strcmp(words[i], text) == 0) {
            *granularity = (enum usage_granularity)i;
            return 0;
        }
    }
    return text == NULL
               ? 0
               : err_field(err, "granularity", "granularity is \"%.20s\"; it is total, hour, day or month", text);
}

static int range_read(const struct request *request, struct usage_query *query, struct err *err)
{
    const char *month_text = request_query(request, "month");
    struct month month = month_of(clock_wall_us());
    if (month_text != NULL) {
        if (request_query(request, "from") != NULL || request_query(request, "to") != NULL) {
            return err_field(err, "month", "month and from/to exclude each other");
        }
        if (month_parse(month_text, "month", &month, err) != 0) {
            return -1;
        }
    }
    month_range(month, &query->from_us, &query->to_us);
    if (request_query_time(request, "from", &query->from_us, err) != 0 ||
        request_query_time(request, "to", &query->to_us, err) != 0) {
        return -1;
    }
    if (query->from_us % CALENDAR_HOUR_US != 0) {
        return err_field(err, "from", "from is to be a whole hour (UTC)");
    }
    if (query->to_us % CALENDAR_HOUR_US != 0) {
        return err_field(err, "to", "to is to be a whole hour (UTC)");
    }
    return query->from_us < query->to_us ? 0 : err_field(err, "to", "to is to be later than from");
}

static int query_read(struct request *request, struct usage_query *query, struct err *err)
{
    const char *function = request_param(request, "f");
    if (function[0] == '\0') {
        function = request_query(request, "function");
    }
    if (range_read(request, query, err) != 0 || group_read(request, &query->group_by, err) != 0 ||
        granularity_read(request, &query->granularity, err) != 0 ||
        request_query_i64(request, "limit", 1, USAGE_ROWS_MAX, &query->limit, err) != 0 ||
        request_query_i64(request, "offset", 0, INT64_MAX, &query->offset, err) != 0) {
        return -1;
    }
    if (query->account_id != 0 && (query->group_by & USAGE_GROUP_ACCOUNT) != 0) {
        return err_field(err, "group_by", "this is the usage of one account");
    }
    if (function == NULL) {
        return 0;
    }
    return account_store_function_id(request->pg, query->account_id, function, &query->function_id, err);
}

/* As counted() of the statements: the largest number means more than that. */
static void add_counted(int64_t *total, int64_t more)
{
    if (__builtin_add_overflow(*total, more, total)) {
        *total = INT64_MAX;
    }
}

static void sums_add(struct usage_sums *total, const struct usage_sums *row)
{
    total->invocations += row->invocations;
    total->billed_requests += row->billed_requests;
    total->errors += row->errors;
    total->timeouts += row->timeouts;
    total->ooms += row->ooms;
    total->init_errors += row->init_errors;
    total->killed += row->killed;
    total->throttles += row->throttles;
    total->cold_starts += row->cold_starts;
    add_counted(&total->billed_ms, row->billed_ms);
    add_counted(&total->mb_ms, row->mb_ms);
    add_counted(&total->storage_mb_ms, row->storage_mb_ms);
    add_counted(&total->streamed_bytes, row->streamed_bytes);
    add_counted(&total->duration_us, row->duration_us);
    add_counted(&total->init_us, row->init_us);
    add_counted(&total->cpu_us, row->cpu_us);
    add_counted(&total->response_bytes, row->response_bytes);
    total->peak_kib_sum += row->peak_kib_sum;
    total->peak_kib_max = row->peak_kib_max > total->peak_kib_max ? row->peak_kib_max : total->peak_kib_max;
}

static void sums_members(struct json_writer *writer, const struct usage_sums *sums, bool percentiles)
{
    char text[GB_SECONDS_TEXT_BYTES];
    json_put_i64(writer, "invocations", sums->invocations);
    json_put_i64(writer, "billed_requests", sums->billed_requests);
    json_put_i64(writer, "errors", sums->errors);
    json_put_i64(writer, "timeouts", sums->timeouts);
    json_put_i64(writer, "out_of_memory", sums->ooms);
    json_put_i64(writer, "init_errors", sums->init_errors);
    json_put_i64(writer, "killed", sums->killed);
    json_put_i64(writer, "throttles", sums->throttles);
    json_put_i64(writer, "cold_starts", sums->cold_starts);
    json_put_quantity(writer, "billed_ms", sums->billed_ms);
    json_put_quantity(writer, "mb_ms", sums->mb_ms);
    gb_seconds_text(sums->mb_ms, text);
    json_put_text(writer, "gb_seconds", text);
    json_put_quantity(writer, "storage_mb_ms", sums->storage_mb_ms);
    json_put_quantity(writer, "streamed_bytes", sums->streamed_bytes);
    json_put_quantity(writer, "duration_us", sums->duration_us);
    json_put_quantity(writer, "init_us", sums->init_us);
    json_put_quantity(writer, "cpu_us", sums->cpu_us);
    json_put_quantity(writer, "response_bytes", sums->response_bytes);
    json_put_i64(writer, "peak_kib_max", sums->peak_kib_max);
    json_put_i64(writer, "peak_kib_avg", sums->invocations > 0 ? sums->peak_kib_sum / sums->invocations : 0);
    if (percentiles) {
        json_put_i64(writer, "p50_us", sums->p50_us);
        json_put_i64(writer, "p95_us", sums->p95_us);
        json_put_i64(writer, "p99_us", sums->p99_us);
    }
}

static void row_members(struct json_writer *writer, const struct usage_row *row, const struct usage_query *query)
{
    char text[40];
    if (query->granularity != USAGE_TOTAL) {
        json_put_time(writer, "at", row->at_us);
    }
    if ((query->group_by & USAGE_GROUP_ACCOUNT) != 0) {
        id_format("acct", row->account_id, text);
        json_put_text(writer, "account", text);
    }
    if ((query->group_by & USAGE_GROUP_FUNCTION) != 0) {
        json_put_text(writer, "function", row->function_name);
    }
    if ((query->group_by & USAGE_GROUP_VERSION) != 0) {
        function_version_text(row->version, text);
        json_put_text(writer, "version", text);
    }
    if ((query->group_by & USAGE_GROUP_MEMORY) != 0) {
        json_put_i64(writer, "memory_mb", row->memory_mib);
    }
    if ((query->group_by & USAGE_GROUP_ARCH) != 0) {
        json_put_text(writer, "architecture", row->arch == 1 ? "arm64" : "x86_64");
    }
    if ((query->group_by & USAGE_GROUP_STATUS) != 0) {
        json_put_text(writer, "status", usage_status_name((enum usage_status)row->status));
        json_put_i64(writer, "invocations", row->sums.invocations);
        return;
    }
    sums_members(writer, &row->sums, true);
}

static const char CSV_HEADER[] = "at,account,function,version,memory_mb,architecture,status,invocations,billed_"
                                 "requests,errors,timeouts,out_of_memory,"
                                 "init_errors,killed,throttles,cold_starts,billed_ms,mb_ms,gb_seconds,storage_mb_ms,"
                                 "streamed_bytes,duration_us,init_us,"
                                 "cpu_us,response_bytes,peak_kib_max,p50_us,p95_us,p99_us\r\n";

static void csv_row(struct buf *out, const struct usage_row *row, const struct usage_query *query)
{
    const struct usage_sums *s = &row->sums;
    const int64_t numbers[] = {s->invocations, s->billed_requests, s->errors, s->timeouts,
                               s->ooms,        s->init_errors,     s->killed, s->throttles,
                               s->cold_starts, s->billed_ms,       s->mb_ms};
    const int64_t rest[] = {s->storage_mb_ms,  s->streamed_bytes, s->duration_us, s->init_us, s->cpu_us,
                            s->response_bytes, s->peak_kib_max,   s->p50_us,      s->p95_us,  s->p99_us};
    char text[CALENDAR_TEXT_BYTES];
    calendar_format(row->at_us, text);
    buf_printf(out, "%s,", text);
    if ((query->group_by & USAGE_GROUP_ACCOUNT) != 0 || query->account_id != 0) {
        id_format("acct", query->account_id != 0 ? query->account_id : row->account_id, text);
        buf_puts(out, text);
    }
    buf_putc(out, ',');
    buf_puts(out, (query->group_by & USAGE_GROUP_FUNCTION) != 0 ? row->function_name : "");
    buf_putc(out, ',');
    if ((query->group_by & USAGE_GROUP_VERSION) != 0) {
        function_version_text(row->version, text);
        buf_puts(out, text);
    }
    buf_putc(out, ',');
    if ((query->group_by & USAGE_GROUP_MEMORY) != 0) {
        buf_i64(out, row->memory_mib);
    }
    buf_putc(out, ',');
    buf_puts(out, (query->group_by & USAGE_GROUP_ARCH) == 0 ? "" : row->arch == 1 ? "arm64" : "x86_64");
    buf_putc(out, ',');
    buf_puts(out, row->status >= 0 ? usage_status_name((enum usage_status)row->status) : "");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        buf_putc(out, ',');
        buf_i64(out, numbers[i]);
    }
    gb_seconds_text(s->mb_ms, text);
    buf_printf(out, ",%s", text);
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        buf_putc(out, ',');
        buf_i64(out, rest[i]);
    }
    buf_puts(out, "\r\n");
}

static int on_row(const struct usage_row *row, void *ctx, struct err *err)
{
    struct usage_ctx *usage = ctx;
    usage->rows++;
    sums_add(&usage->total, &row->sums);
    if (usage->format == FORMAT_JSON) {
        json_open_object(&usage->writer, NULL);
        row_members(&usage->writer, row, usage->query);
        json_close_object(&usage->writer);
        return 0;
    }
    buf_clear(&usage->line);
    if (usage->format == FORMAT_CSV) {
        csv_row(&usage->line, row, usage->query);
    } else {
        json_writer_init(&usage->writer, &usage->line);
        json_open_object(&usage->writer, NULL);
        row_members(&usage->writer, row, usage->query);
        json_close_object(&usage->writer);
        buf_putc(&usage->line, '\n');
    }
    return reply_sink(buf_text(&usage->line), usage->line.length, usage->request, err);
}

static const char *granularity_word(const struct usage_query *query)
{
    static const char *const words[] = {"total", "hour", "day", "month"};
    return words[query->granularity];
}

static void head_members(struct json_writer *writer, const struct usage_query *query)
{
    char id[ID_TEXT_BYTES];
    if (query->account_id != 0) {
        id_format("acct", query->account_id, id);
        json_put_text(writer, "account", id);
    }
    json_put_time(writer, "from", query->from_us);
    json_put_time(writer, "to", query->to_us);
    json_put_text(writer, "granularity", granularity_word(query));
    json_open_array(writer, "group_by");
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        if ((query->group_by & GROUPS[i].bit) != 0) {
            json_put_text(writer, NULL, GROUPS[i].word);
        }
    }
    json_close_array(writer);
}

static void freshness_headers(struct request *request, const struct usage_freshness *freshness)
{
    char text[CALENDAR_TEXT_BYTES];
    calendar_format_us(freshness->complete_through_us, text);
    reply_header(&request->reply, "Farthing-Complete-Through", text);
    reply_header_i64(&request->reply, "Farthing-Late-Pending", freshness->late_pending);
}

static int usage_reply(struct request *request, const struct usage_query *query, struct err *err)
{
    static const char *const types[] = {"application/json", "text/csv", "application/x-ndjson", NULL};
    struct usage_ctx usage = {.request = request, .query = query};
    struct usage_freshness freshness = {0};
    int type = 0;
    if (request_negotiate(request, types, &type, err) != 0) {
        return -1;
    }
    usage.format = (enum usage_format)type;
    if (type == FORMAT_JSON) {
        reply_json_begin(request, &usage.writer);
        head_members(&usage.writer, query);
        json_open_array(&usage.writer, "items");
    } else if (type == FORMAT_CSV && reply_sink(CSV_HEADER, sizeof CSV_HEADER - 1, request, err) != 0) {
        return -1;
    }
    int rc = usage_query_run(request->pg, query, on_row, &usage, &freshness, err);
    buf_free(&usage.line);
    if (rc != 0) {
        return -1;
    }
    freshness_headers(request, &freshness);
    if (type != FORMAT_JSON) {
        request->reply.status = 200;
        request->reply.content_type =
            type == FORMAT_CSV ? "text/csv; charset=utf-8; header=present" : "application/x-ndjson";
        return 0;
    }
    char text[CALENDAR_TEXT_BYTES];
    json_close_array(&usage.writer);
    if ((query->group_by & USAGE_GROUP_STATUS) == 0) {
        json_open_object(&usage.writer, "total");
        sums_members(&usage.writer, &usage.total, false);
        json_close_object(&usage.writer);
    }
    if (usage_events_put(request, query, granularity_word(query), &usage.writer, err) != 0) {
        return -1;
    }
    calendar_format_us(freshness.complete_through_us, text);
    json_put_text(&usage.writer, "complete_through", text);
    json_put_i64(&usage.writer, "late_pending", freshness.late_pending);
    return reply_json_end(request, 200, &usage.writer, err);
}

int usage_handler(struct request *request, struct err *err)
{
    struct usage_query query = {.account_id = request->account_id};
    if (query_read(request, &query, err) != 0) {
        return -1;
    }
    return usage_reply(request, &query, err);
}

/* ---- all accounts ---- */

struct count_ctx {
    struct usage_sums total;
    int64_t accounts, functions, last_account;
};

static int on_count(const struct usage_row *row, void *ctx, struct err *err)
{
    struct count_ctx *count = ctx;
    (void)err;
    if (row->account_id != count->last_account) {
        count->accounts++;
        count->last_account = row->account_id;
    }
    count->functions++;
    sums_add(&count->total, &row->sums);
    return 0;
}

/* GET /v1/usage without group_by: one object over everything; numbers that fit 2^53 are numbers here too. */
static int totals_reply(struct request *request, struct usage_query *query, struct err *err)
{
    struct count_ctx count = {.last_account = -1};
    struct usage_freshness freshness = {0};
    struct json_writer writer;
    char text[CALENDAR_TEXT_BYTES];
    query->group_by = USAGE_GROUP_ACCOUNT | USAGE_GROUP_FUNCTION;
    query->limit = USAGE_ROWS_MAX;
    query->offset = 0;
    do {
        if (usage_query_run(request->pg, query, on_count, &count, &freshness, err) != 0) {
            return -1;
        }
        query->offset += USAGE_ROWS_MAX;
    } while (count.functions == query->offset);
    query->group_by = 0;
    reply_json_begin(request, &writer);
    head_members(&writer, query);
    json_put_i64(&writer, "records", count.total.invocations);
    json_put_i64(&writer, "accounts", count.accounts);
    json_put_i64(&writer, "functions", count.functions);
    sums_members(&writer, &count.total, false);
    if (usage_events_put(request, query, granularity_word(query), &writer, err) != 0) {
        return -1;
    }
    freshness_headers(request, &freshness);
    calendar_format_us(freshness.complete_through_us, text);
    json_put_text(&writer, "complete_through", text);
    json_put_i64(&writer, "late_pending", freshness.late_pending);
    return reply_json_end(request, 200, &writer, err);
}

int usage_all_handler(struct request *request, struct err *err)
{
    struct usage_query query = {0};
    if (request_query(request, "function") != NULL) {
        return err_field(err, "function", "a function belongs to one account: ask /v1/accounts/{a}/usage");
    }
    if (query_read(request, &query, err) != 0) {
        return -1;
    }
    if (query.group_by == 0 && query.granularity == USAGE_TOTAL && request_query(request, "format") == NULL) {
        return totals_reply(request, &query, err);
    }
    return usage_reply(request, &query, err);
}
