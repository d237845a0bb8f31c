/* /metrics: OpenMetrics, or Prometheus text 0.0.4 for those who ask for it. No account labels there: their number has
 * no bound, and it is read without a key. Functions have pages of their own, for the account's key or the operator's.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/ids.h"
#include "engine/admission.h"
#include "engine/engine.h"
#include "metering/aggregator.h"
#include "metering/hook.h"

struct page_out {
    struct buf *out;
    bool open; /* OpenMetrics: counter families are named without _total */
};

static void family(struct page_out *page, const char *name, const char *type, const char *help)
{
    bool counter = strcmp(type, "counter") == 0;
    const char *end = counter && !page->open ? "_total" : "";
    buf_printf(page->out, "# TYPE %s%s %s\n# HELP %s%s %s\n", name, end, type, name, end, help);
}

static void counter(struct page_out *page, const char *name, const char *help, int64_t value)
{
    family(page, name, "counter", help);
    buf_printf(page->out, "%s_total %lld\n", name, (long long)value);
}

static void gauge(struct page_out *page, const char *name, const char *help, int64_t value)
{
    family(page, name, "gauge", help);
    buf_printf(page->out, "%s %lld\n", name, (long long)value);
}

/* Microseconds as seconds with all digits. */
static void gauge_seconds(struct page_out *page, const char *name, const char *help, int64_t us)
{
    family(page, name, "gauge", help);
    buf_printf(page->out, "%s %lld.%06lld\n", name, (long long)(us / 1000000), (long long)(us % 1000000));
}

static void gauge_thousandths(struct page_out *page, const char *name, const char *help, int64_t thousandths)
{
    family(page, name, "gauge", help);
    buf_printf(page->out, "%s %lld.%03lld\n", name, (long long)(thousandths / 1000), (long long)(thousandths % 1000));
}

static void engine_metrics(struct page_out *page, const struct engine *engine)
{
    struct engine_stats s = {0};
    engine_stats(engine, &s);
    counter(page, "farthing_invocations", "Invocations finished.", s.invocations);
    counter(page, "farthing_invocation_errors", "Invocations that failed in the function.", s.errors);
    counter(page, "farthing_invocation_timeouts", "Invocations stopped at their time limit.", s.timeouts);
    counter(page, "farthing_refusals", "Calls refused by a quota or for lack of room.", s.refusals);
    counter(page, "farthing_cold_starts", "Instances started for a call.", s.cold_starts);
    family(page, "farthing_instances", "gauge", "Function processes by state.");
    buf_printf(page->out,
               "farthing_instances{state=\"busy\"} %lld\nfarthing_instances{state=\"starting\"} %lld\n"
               "farthing_instances{state=\"idle\"} %lld\n",
               (long long)s.instances_busy, (long long)s.instances_starting,
               (long long)(s.instances - s.instances_busy - s.instances_starting));
    gauge(page, "farthing_calls_waiting", "Calls that wait for an instance.", s.queued);
    gauge(page, "farthing_async_pending", "Events in the asynchronous queue.", s.async_pending);
    gauge_seconds(page, "farthing_async_oldest_age_seconds", "Age of the oldest event in the queue.",
                  s.async_oldest_us);
}

static void quota_metrics(struct page_out *page, const struct admission *admission)
{
    struct admission_stats s = {0};
    admission_stats(admission, &s);
    family(page, "farthing_quota_refusals", "counter", "Refused calls by reason.");
    for (int i = 0; i < USAGE_REFUSAL_REASON_COUNT; i++) {
        buf_printf(page->out, "farthing_quota_refusals_total{reason=\"%s\"} %lld\n",
                   usage_refusal_name((enum usage_refusal_reason)i), (long long)s.refused_by_reason[i]);
    }
    counter(page, "farthing_quota_lease_requests", "Requests for a part of a limit.", s.lease_requests);
    counter(page, "farthing_quota_lease_failures", "Requests for a part of a limit that had no answer.",
            s.lease_failures);
    counter(page, "farthing_quota_overdrafts", "Calls that used more than was reserved for them.", s.overdrafts);
    gauge(page, "farthing_quota_escrows", "Monthly limits of which somebody holds a part.", s.escrows);
    gauge(page, "farthing_quota_escrows_ahead", "Of these, such that claim more use than the records: 0, or a defect.",
          s.escrows_ahead);
    gauge(page, "farthing_quota_escrows_forfeit", "Of these, such of which a silent node holds a part.",
          s.escrows_forfeit);
}

static void metering_metrics(struct page_out *page, const struct api_options *options)
{
    if (options->hook != NULL) {
        counter(page, "farthing_records_emitted", "Usage records written to the spool.",
                (int64_t)farthing_hook_emitted(options->hook));
        gauge_thousandths(page, "farthing_spool_fill_ratio", "Share of the spool in use.",
                          farthing_hook_fill(options->hook));
    }
    if (options->aggregator != NULL) {
        struct aggregator_stats s;
        aggregator_stats(options->aggregator, &s);
        counter(page, "farthing_records_stored", "Usage records stored in the database.", (int64_t)s.records);
        counter(page, "farthing_record_batches", "Transactions of the aggregator.", (int64_t)s.batches);
        counter(page, "farthing_spool_holes", "Spool slots without a valid record.", (int64_t)s.holes);
        counter(page, "farthing_spool_damaged", "Spool slots damaged on disk.", (int64_t)s.damaged);
        gauge(page, "farthing_records_pending", "Records in the spool that are not stored yet.", (int64_t)s.pending);
        gauge_seconds(page, "farthing_record_lag_seconds", "Age of the oldest record that is not stored.", s.lag_us);
        gauge(page, "farthing_database_up", "1 when the database answers.", s.database_ok ? 1 : 0);
    }
}

static void api_metrics(struct page_out *page, struct request *request)
{
    static const char *const classes[] = {"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
    struct api_stats s = {0};
    api_stats(request->api, &s);
    family(page, "farthing_http_requests", "counter", "Answers by class of status.");
    for (int i = 0; i < 6; i++) {
        buf_printf(page->out, "farthing_http_requests_total{class=\"%s\"} %lld\n", classes[i],
                   (long long)s.requests[i]);
    }
    gauge(page, "farthing_http_requests_in_flight", "Requests being served.", s.in_flight);
    gauge(page, "farthing_http_requests_queued", "Requests that wait for a worker.", s.queued);
}

static struct page_out page_begin(struct request *request)
{
    const char *accept = request_header(request, "Accept");
    return (struct page_out){.out = &request->reply.body,
                             .open = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL};
}

static int page_end(const struct page_out *page, struct request *request)
{
    if (page->open) {
        buf_puts(page->out, "# EOF\n");
    }
    request->reply.status = 200;
    request->reply.content_type = page->open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                             : "text/plain; version=0.0.4; charset=utf-8";
    reply_header(&request->reply, "Cache-Control", "no-store");
    return 0;
}

/* ---- a family for each of Lambda's metrics, a sample for each function ---- */

struct functions {
    struct engine_function_stats *items;
    size_t count, capacity;
};

static void take_function(const struct engine_function_stats *stats, void *ctx)
{
    struct functions *functions = ctx;
    if (functions->count == functions->capacity) {
        functions->capacity = functions->capacity == 0 ? 64 : functions->capacity * 2;
        functions->items = realloc(functions->items, functions->capacity * sizeof *functions->items);
        CHECK(functions->items != NULL);
    }
    functions->items[functions->count++] = *stats; /* names live as long as the engine */
}

static int by_function(const void *a, const void *b)
{
    const struct engine_function_stats *left = a;
    const struct engine_function_stats *right = b;
    int order = (left->account_id > right->account_id) - (left->account_id < right->account_id);
    return order != 0 ? order : strcmp(left->name, right->name);
}

/* Names of functions have no character that a label would have to escape. */
static void sample(const struct page_out *page, const char *name, const struct engine_function_stats *stats)
{
    char account[ID_TEXT_BYTES];
    id_format("acct", stats->account_id, account);
    buf_printf(page->out, "%s{account=\"%s\",function=\"%s\"} ", name, account, stats->name);
}

static void function_family(struct page_out *page, const struct functions *functions, const char *name,
                            const char *help, bool is_counter, size_t member)
{
    char full[80];
    family(page, name, is_counter ? "counter" : "gauge", help);
    (void)snprintf(full, sizeof full, "%s%s", name, is_counter ? "_total" : "");
    for (size_t i = 0; i < functions->count; i++) {
        int64_t value = 0;
        memcpy(&value, (const char *)&functions->items[i] + member, sizeof value);
        sample(page, full, &functions->items[i]);
        buf_printf(page->out, "%lld\n", (long long)value);
    }
}

/* Scaled down by whole thousands: microseconds or milliseconds as seconds with all digits. */
static void seconds_family(struct page_out *page, const struct functions *functions, const char *name, const char *help,
                           bool is_counter, size_t member, int digits)
{
    char full[80];
    int64_t scale = digits == 6 ? 1000000 : 1000;
    family(page, name, is_counter ? "counter" : "gauge", help);
    (void)snprintf(full, sizeof full, "%s%s", name, is_counter ? "_total" : "");
    for (size_t i = 0; i < functions->count; i++) {
        int64_t value = 0;
        memcpy(&value, (const char *)&functions->items[i] + member, sizeof value);
        sample(page, full, &functions->items[i]);
        buf_printf(page->out, "%lld.%0*lld\n", (long long)(value / scale), digits, (long long)(value % scale));
    }
}

#define MEMBER(name) offsetof(struct engine_function_stats, name)
/* Lambda's AsyncEventsReceived, AsyncEventsDropped and AsyncEventAge; its average is the sum by the runs. */
static void event_families(struct page_out *page, const struct functions *functions)
{
    function_family(page, functions, "farthing_function_async_received", "Events put into the queue by this node.",
                    true, MEMBER(events_received));
    function_family(page, functions, "farthing_function_async_dropped",
                    "Events that left the queue without a run that succeeded.", true, MEMBER(events_dropped));
    function_family(page, functions, "farthing_function_async_runs", "Times an event was handed to the function.", true,
                    MEMBER(event_runs));
    seconds_family(page, functions, "farthing_function_async_age_seconds",
                   "Age of events when the function was handed them, summed over runs.", true, MEMBER(event_age_us), 6);
    function_family(page, functions, "farthing_function_async_waiting", "Events in the queue, on every node the same.",
                    false, MEMBER(events_waiting));
    seconds_family(page, functions, "farthing_function_async_oldest_age_seconds",
                   "Age of the oldest event in the queue, on every node the same.", false, MEMBER(oldest_event_age_us),
                   6);
}

int function_metrics_handler(struct request *request, struct err *err)
{
    struct page_out page = page_begin(request);
    struct engine *engine = api_get_options(request->api)->engine;
    struct functions functions = {.count = 0};
    (void)err;
    if (engine != NULL && !api_stopping(request->api)) {
        engine_each_function(engine, request->account_id, take_function, &functions);
    }
    if (functions.count > 1) {
        qsort(functions.items, functions.count, sizeof *functions.items, by_function);
    }
    function_family(&page, &functions, "farthing_function_invocations", "Invocations finished.", true,
                    MEMBER(invocations));
    function_family(&page, &functions, "farthing_function_errors", "Invocations that failed.", true, MEMBER(errors));
    function_family(&page, &functions, "farthing_function_timeouts", "Invocations stopped at their time limit.", true,
                    MEMBER(timeouts));
    function_family(&page, &functions, "farthing_function_throttles", "Calls refused by a quota or for lack of room.",
                    true, MEMBER(throttles));
    function_family(&page, &functions, "farthing_function_cold_starts", "Invocations that waited for a new instance.",
                    true, MEMBER(cold_starts));
    function_family(&page, &functions, "farthing_function_concurrent_executions", "Invocations running now.", false,
                    MEMBER(busy));
    function_family(&page, &functions, "farthing_function_instances_idle", "Instances that wait for a call.", false,
                    MEMBER(idle));
    seconds_family(&page, &functions, "farthing_function_duration_seconds", "Time the function ran, summed.", true,
                   MEMBER(duration_us), 6);
    seconds_family(&page, &functions, "farthing_function_billed_seconds", "Time billed, summed.", true,
                   MEMBER(billed_ms), 3);
    event_families(&page, &functions);
#undef MEMBER
    free(functions.items);
    return page_end(&page, request);
}

int metrics_handler(struct request *request, struct err *err)
{
    struct page_out page = page_begin(request);
    const struct api_options *options = api_get_options(request->api);
    (void)err;
    if (page.open) {
        buf_puts(page.out, "# TYPE farthing_build info\n# HELP farthing_build Version of the program.\n");
        buf_puts(page.out, "farthing_build_info{version=\"" FARTHING_VERSION "\"} 1\n");
    } else {
        gauge(&page, "farthing_up", "The node answers.", 1);
    }
    if (options->engine != NULL && !api_stopping(request->api)) {
        engine_metrics(&page, options->engine);
    }
    if (options->admission != NULL && !api_stopping(request->api)) {
        quota_metrics(&page, options->admission);
    }
    metering_metrics(&page, options);
    api_metrics(&page, request);
    return page_end(&page, request);
}
