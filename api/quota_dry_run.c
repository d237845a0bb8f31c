/* .../quotas/{quota}/dry-run: what a limit would have refused in the month before. */
#include <stdio.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/http.h"
#include "api/json_text.h"
#include "api/quota_spend_store.h"
#include "billing/price_book.h"
#include "billing/rating.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/quota.h"

/* The bill of a month as it grew, hour by hour. */
struct growth {
    struct price_book *book;
    struct usage_totals totals;
    struct rated_bill *bill;
    struct quota_dry_run *found;
    int64_t limit, before;
};

static int spent(struct growth *growth, int64_t *picos, struct err *err)
{
    struct exact sum = {0};
    if (rate_usage(growth->book, &growth->totals, growth->bill, err) != 0) {
        return -1;
    }
    for (int i = 0; i < growth->bill->count; i++) {
        if (exact_add(sum, growth->bill->lines[i].exact_amount, &sum, err) != 0) {
            return -1;
        }
    }
    return exact_picos(sum, picos, err);
}

/* The hour in which the limit is crossed is split in proportion, as for the other monthly quotas. */
static int on_hour(const struct quota_spend_hour *hour, void *ctx, struct err *err)
{
    struct growth *growth = ctx;
    struct quota_dry_run *found = growth->found;
    int64_t now = 0;
    for (int meter = 0; meter < METER_COUNT; meter++) {
        growth->totals.quantity[meter] += hour->totals.quantity[meter];
    }
    if (spent(growth, &now, err) != 0) {
        return -1;
    }
    found->calls += hour->invocations;
    if (now > growth->limit) {
        int64_t over = growth->before > growth->limit ? now - growth->before : now - growth->limit;
        money_int part = now > growth->before
                             ? ((money_int)hour->invocations * over + now - growth->before - 1) / (now - growth->before)
                             : hour->invocations;
        found->refused += (int64_t)part;
        found->first_refused_us = found->first_refused_us != 0 ? found->first_refused_us : hour->hour_us;
    }
    found->peak_units = now > found->peak_units ? now : found->peak_units;
    growth->before = now;
    return 0;
}

static int spend_dry_run(struct request *request, int64_t limit, struct quota_dry_run *found, struct err *err)
{
    struct growth growth = {.found = found, .limit = limit, .bill = malloc(sizeof *growth.bill)};
    int64_t version = 0;
    int64_t month_us = 0;
    int rc = -1;
    month_range(month_of(clock_wall_us()), &month_us, &found->to_us);
    month_range(month_of(month_us - 1), &found->from_us, &found->to_us);
    if (growth.bill == NULL) {
        (void)err_set(err, ERR_SYSTEM, "dry run: out of memory");
    } else if (price_book_load(request->pg, request->account_id, found->from_us, &growth.book, &version, err) == 0) {
        rc = quota_spend_store_hours(request->pg, request->account_id, found->from_us, found->to_us, on_hour, &growth,
                                     err);
        quota_units_format(QUOTA_SPEND_PER_MONTH, found->peak_units, found->peak_text);
    }
    price_book_free(&growth.book);
    free(growth.bill);
    return rc;
}

static int body_read(const struct request *request, struct quota *quota, struct err *err)
{
    static const char *const names[] = {"limit", NULL};
    const char *limit = NULL;
    cJSON *tree = NULL;
    if (request_json(request, names, &tree, err) != 0) {
        return -1;
    }
    int rc = json_get_text(tree, "", "limit", true, &limit, err);
    if (rc == 0) {
        rc = quota_limit_parse(quota->kind, limit, &quota->limit_units, quota->limit_text, err);
    }
    cJSON_Delete(tree);
    return rc;
}

int quota_dry_run_handler(struct request *request, struct err *err)
{
    struct quota quota = {.set = true};
    struct quota_dry_run found = {0};
    struct json_writer writer;
    struct err local = {0};
    char text[CALENDAR_TEXT_BYTES];
    if (quota_parse(request_param(request, "quota"), "quota", &quota.kind, &local) != 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no quota \"%.40s\"; GET .../quotas lists them",
                       request_param(request, "quota"));
    }
    if (body_read(request, &quota, err) != 0) {
        return -1;
    }
    if ((quota.kind == QUOTA_SPEND_PER_MONTH ? spend_dry_run(request, quota.limit_units, &found, err)
                                             : quota_dry_run(request->pg, request->account_id, quota.kind,
                                                             quota.limit_units, clock_wall_us(), &found, err)) != 0) {
        return -1;
    }
    calendar_format(found.from_us, text);
    text[7] = '\0'; /* 2026-10 */
    reply_json_begin(request, &writer);
    json_put_text(&writer, "name", quota_name(quota.kind));
    json_put_text(&writer, "limit", quota.limit_text);
    json_put_text(&writer, "month", text);
    json_put_i64(&writer, "calls", found.calls);
    json_put_i64(&writer, "refused", found.refused);
    json_put_text(&writer, "peak", found.peak_text);
    json_put_time_or_null(&writer, "first_refused_at", found.first_refused_us);
    return reply_json_end(request, 200, &writer, err);
}
