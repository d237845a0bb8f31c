/* /metrics: OpenMetrics, or Prometheus text 0.0.4 for those who ask for it. No account labels: their number has no
 * bound. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/handlers.h"
#include "api/http.h"
#include "common/clock.h"
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

int metrics_handler(struct request *request, struct err *err)
{
    const char *accept = request_header(request, "Accept");
    struct page_out page = {.out = &request->reply.body,
                            .open = accept != NULL && strstr(accept, "application/openmetrics-text") != NULL};
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
    if (page.open) {
        buf_puts(page.out, "# EOF\n");
    }
    request->reply.status = 200;
    request->reply.content_type = page.open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                            : "text/plain; version=0.0.4; charset=utf-8";
    reply_header(&request->reply, "Cache-Control", "no-store");
    return 0;
}
