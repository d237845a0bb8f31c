#include "cli/top_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/rest.h"
#include "common/buf.h"
#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

#define SPENDERS_ASKED 50
#define SILENT_US 30000000

static int ask(struct cli *cli, const struct top *top, const char *account_path, const char *all_path, struct err *err)
{
    struct buf path = {0};
    if (top->account != NULL) {
        rest_path(&path, account_path, top->account);
    } else {
        buf_puts(&path, all_path);
    }
    int rc = cli_call(cli, "GET", buf_text(&path), NULL, err);
    buf_free(&path);
    return rc;
}

static int64_t rate_since(int64_t now, int64_t before, int64_t elapsed_us)
{
    return now > before && elapsed_us > 0 ? (now - before) * 10000000 / elapsed_us : 0;
}

static int64_t rate_of(const struct top *top, const struct top_row *row, int64_t now_us)
{
    for (int i = 0; i < top->known_count; i++) {
        if (strcmp(top->known[i].name, row->name) == 0) {
            return rate_since(row->invocations, top->known[i].invocations, now_us - top->known_us);
        }
    }
    return top->known_us == 0 ? -1 : rate_since(row->invocations, 0, now_us - top->known_us);
}

static void take_rows(struct top *top, const cJSON *items, const char *name, int64_t now_us)
{
    struct top_view *view = &top->view;
    const cJSON *item = NULL;
    char text[64];
    view->row_count = 0;
    cJSON_ArrayForEach(item, items)
    {
        if (view->row_count == TOP_ROWS_MAX) {
            break;
        }
        struct top_row *row = &view->rows[view->row_count++];
        *row = (struct top_row){.invocations = cli_i64(item, "invocations"),
                                .errors = cli_i64(item, "errors"),
                                .throttles = cli_i64(item, "throttles"),
                                .mb_ms = cli_i64(item, "mb_ms"),
                                .p95_us = cli_i64(item, "p95_us")};
        (void)text_copy(row->name, sizeof row->name, cli_text(item, name, text));
        row->rate = rate_of(top, row, now_us);
    }
}

static void remember(struct top *top, int64_t now_us)
{
    struct top_view *view = &top->view;
    view->rate = top->known_us == 0 ? -1 : rate_since(view->invocations, top->all_invocations, now_us - top->known_us);
    if (view->rate >= 0) {
        if (view->trend_count == TOP_TREND) {
            memmove(view->trend, view->trend + 1, sizeof view->trend - sizeof view->trend[0]);
            view->trend_count--;
        }
        view->trend[view->trend_count++] = view->rate;
    }
    top->known_count = view->row_count;
    for (int i = 0; i < view->row_count; i++) {
        memcpy(top->known[i].name, view->rows[i].name, sizeof top->known[i].name);
        top->known[i].invocations = view->rows[i].invocations;
    }
    top->known_us = now_us;
    top->all_invocations = view->invocations;
}

/* What an hour costs at the rate of the last looks, at most a minute of them at one a second. */
static void take_hourly(struct top *top, double cost, const char *currency)
{
    struct top_view *view = &top->view;
    int64_t now_us = clock_mono_us();
    if (top->look_count == HOURLY_LOOKS) {
        memmove(top->looks, top->looks + 1, sizeof top->looks - sizeof top->looks[0]);
        top->look_count--;
    }
    top->looks[top->look_count++] = (struct look){now_us, cost};
    double elapsed_s = (double)(now_us - top->looks[0].at_us) / 1e6;
    view->hourly[0] = '\0';
    if (top->look_count > 1 && elapsed_s > 0) {
        double hourly = (cost - top->looks[0].cost) / elapsed_s * 3600;
        (void)snprintf(view->hourly, sizeof view->hourly, "%.*f %s an hour now", hourly > 0 && hourly < 0.1 ? 6 : 2,
                       hourly > 0 ? hourly : 0.0, currency);
    }
}

static void take_totals(struct top *top, const cJSON *total, const cJSON *freshness)
{
    struct top_view *view = &top->view;
    char text[64];
    char time[64];
    view->invocations = cli_i64(total, "invocations");
    view->errors = cli_i64(total, "errors");
    view->throttles = cli_i64(total, "throttles");
    view->late_pending = cli_i64(freshness, "late_pending");
    cli_time(cli_text(freshness, "complete_through", text), time);
    (void)snprintf(view->complete, sizeof view->complete, "%.8s UTC", strlen(time) >= 19 ? time + 11 : "-");
}

/* ---- one account ---- */

static void take_cost(struct top *top, const cJSON *cost)
{
    struct top_view *view = &top->view;
    const cJSON *forecast = cJSON_GetObjectItemCaseSensitive(cost, "forecast");
    const cJSON *function = NULL;
    char place[64];
    char text[64];
    const char *currency = cli_text(cost, "currency", place);
    (void)snprintf(view->cost, sizeof view->cost, "%.40s %.8s this month", cli_text(cost, "total", text), currency);
    view->forecast[0] = '\0';
    if (cJSON_IsObject(forecast)) {
        (void)snprintf(view->forecast, sizeof view->forecast, "%.2f expected at its end",
                       strtod(cli_text(forecast, "expected", text), NULL));
    }
    take_hourly(top, strtod(cli_text(cost, "exact", text), NULL), currency);
    cJSON_ArrayForEach(function, cJSON_GetObjectItemCaseSensitive(cost, "functions"))
    {
        const char *name = cli_text(function, "function", text);
        for (int i = 0; i < view->row_count; i++) {
            struct top_row *row = &view->rows[i];
            if (strcmp(row->name, name) == 0) {
                char amount[64];
                row->amount = strtod(cli_text(function, "exact_amount", amount), NULL);
                (void)text_copy(row->cost, sizeof row->cost, cli_text(function, "amount", amount));
            }
        }
    }
}

/* Per cents of text numbers; a limit of nothing is full. */
static int64_t percent_of(const char *part, const char *limit)
{
    double whole = strtod(limit, NULL);
    double share = whole > 0 ? 100 * strtod(part, NULL) / whole : 100;
    return share > 9999 ? 9999 : (int64_t)share;
}

/* NULL when there is no room for one more. */
static struct top_quota *add_quota(struct top_view *view, const cJSON *item)
{
    char text[64];
    if (view->quota_count == TOP_QUOTAS_MAX) {
        return NULL;
    }
    struct top_quota *quota = &view->quotas[view->quota_count++];
    (void)text_copy(quota->limit, sizeof quota->limit, cli_text(item, "limit", text));
    (void)text_copy(quota->used, sizeof quota->used, cli_text(item, "used", text));
    quota->percent = percent_of(quota->used, quota->limit);
    quota->held_percent = percent_of(cli_text(item, "held", text), quota->limit);
    return quota;
}

static void take_quotas(struct top_view *view, const cJSON *items)
{
    const cJSON *item = NULL;
    char text[64];
    view->quota_count = 0;
    cJSON_ArrayForEach(item, items)
    {
        const char *name = cli_text(item, "name", text);
        bool level = strcmp(name, "memory_mb") != 0 && strcmp(name, "requests_per_second") != 0;
        bool set = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(item, "limit"));
        struct top_quota *quota = level && set ? add_quota(view, item) : NULL;
        if (quota != NULL) {
            (void)text_copy(quota->name, sizeof quota->name, name);
        }
    }
}

static int look_at_account(struct cli *cli, struct top *top, struct err *err)
{
    int64_t now_us = clock_mono_us();
    if (ask(cli, top, "/v1/accounts/{}/usage?group_by=function", "", err) != 0) {
        return -1;
    }
    take_totals(top, cJSON_GetObjectItemCaseSensitive(cli->tree, "total"), cli->tree);
    take_rows(top, cJSON_GetObjectItemCaseSensitive(cli->tree, "items"), "function", now_us);
    remember(top, now_us);
    if (ask(cli, top, "/v1/accounts/{}/cost", "", err) != 0) {
        return -1;
    }
    take_cost(top, cli->tree);
    if (ask(cli, top, "/v1/accounts/{}/quotas", "", err) != 0) {
        return -1;
    }
    take_quotas(&top->view, cJSON_GetObjectItemCaseSensitive(cli->tree, "items"));
    return 0;
}

/* ---- all accounts ---- */

static void take_spenders(struct top *top, const cJSON *tree, int64_t now_us)
{
    struct top_view *view = &top->view;
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(tree, "items");
    const cJSON *item = NULL;
    char currency[64] = "";
    char text[64];
    double sum = 0;
    bool one = true; /* currency */
    int i = 0;
    take_rows(top, items, "name", now_us);
    cJSON_ArrayForEach(item, items)
    {
        char place[64];
        const char *own = cli_text(item, "currency", place);
        const char *total = cli_text(item, "total", text);
        one = one && (currency[0] == '\0' || strcmp(own, currency) == 0);
        (void)text_copy(currency, sizeof currency, own);
        double amount = strtod(total, NULL);
        sum += amount;
        if (i < view->row_count) {
            view->rows[i].amount = amount;
            (void)snprintf(view->rows[i].cost, sizeof view->rows[i].cost, "%.28s %.8s", total, own);
            i++;
        }
    }
    view->cost[0] = '\0';
    if (one && currency[0] != '\0') {
        bool all = cli_bool(tree, "complete");
        (void)snprintf(view->cost, sizeof view->cost, "%.2f %.8s this month%s", sum, currency,
                       all ? "" : " (largest accounts)");
        take_hourly(top, sum, currency);
    }
}

static void take_nodes(struct top_view *view, const cJSON *items)
{
    const cJSON *item = NULL;
    char text[64];
    view->node_count = 0;
    cJSON_ArrayForEach(item, items)
    {
        if (view->node_count == TOP_NODES_MAX) {
            break;
        }
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(item, "status");
        struct top_node *node = &view->nodes[view->node_count++];
        int64_t seen_us = 0;
        *node = (struct top_node){.lag_us = cli_i64(status, "lag_us"),
                                  .pending = cli_i64(status, "records_pending"),
                                  .spool_thousandths = cli_i64(status, "spool_fill_thousandths"),
                                  .busy = cli_i64(status, "instances_busy"),
                                  .instances = cli_i64(status, "instances")};
        (void)text_copy(node->name, sizeof node->name, cli_text(item, "name", text));
        if (calendar_parse(cli_text(item, "seen_at", text), "seen_at", &seen_us, NULL) == 0 &&
            clock_wall_us() - seen_us > SILENT_US) {
            node->silent_s = (clock_wall_us() - seen_us) / 1000000;
        }
    }
}

static void take_levels(struct top_view *view, const cJSON *items)
{
    const cJSON *item = NULL;
    char account[64];
    char text[64];
    view->quota_count = 0;
    cJSON_ArrayForEach(item, items)
    {
        struct top_quota *quota = add_quota(view, item);
        if (quota != NULL) {
            (void)snprintf(quota->name, sizeof quota->name, "%s %s", cli_text(item, "name", account),
                           cli_text(item, "quota", text));
        }
    }
}

static int look_at_all(struct cli *cli, struct top *top, struct err *err)
{
    char path[64];
    int64_t now_us = clock_mono_us();
    (void)snprintf(path, sizeof path, "/v1/spenders?limit=%d", SPENDERS_ASKED);
    if (ask(cli, top, "", path, err) != 0) {
        return -1;
    }
    take_totals(top, cJSON_GetObjectItemCaseSensitive(cli->tree, "total"), cli->tree);
    take_spenders(top, cli->tree, now_us);
    remember(top, now_us);
    if (ask(cli, top, "", "/v1/nodes", err) != 0) {
        return -1;
    }
    take_nodes(&top->view, cJSON_GetObjectItemCaseSensitive(cli->tree, "items"));
    if (ask(cli, top, "", "/v1/quota-levels?min_percent=50&limit=8", err) != 0) {
        return -1;
    }
    take_levels(&top->view, cJSON_GetObjectItemCaseSensitive(cli->tree, "items"));
    return 0;
}

int top_look(struct cli *cli, struct top *top, struct err *err)
{
    return top->account != NULL ? look_at_account(cli, top, err) : look_at_all(cli, top, err);
}
