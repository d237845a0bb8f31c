/*
 * top_view.h - the picture of farthing top, as lines that fit a width and a height.
 *
 * Columns:   the last ones to go on a narrow terminal are name, calls and cost; nothing is ever wrapped.
 * Colour:    only where the model says so.
 * Ownership: the model is plain values; the picture is appended to out. Threads: any.
 */
#ifndef FARTHING_CLI_TOP_VIEW_H
#define FARTHING_CLI_TOP_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define TOP_ROWS_MAX 200
#define TOP_QUOTAS_MAX 8
#define TOP_NODES_MAX 32
#define TOP_TREND 40 /* looks that the trend shows */

struct top_row {
    char name[72], cost[40]; /* cost: "" not known */
    double amount;           /* of cost, to sort by */
    int64_t invocations, errors, throttles, mb_ms, p95_us;
    int64_t rate; /* calls a second now, times ten; -1: not known yet */
};

struct top_quota {
    char name[136]; /* "requests_per_month", with the account before it where there are several */
    char used[48], limit[48];
    int64_t percent, held_percent;
};

struct top_node {
    char name[64];
    int64_t lag_us, pending, spool_thousandths, busy, instances, silent_s;
};

enum top_sort { TOP_BY_COST, TOP_BY_CALLS, TOP_BY_ERRORS, TOP_BY_RATE };

struct top_view {
    char title[80], url[128], clock[24], complete[24], cost[64], forecast[64], hourly[64], note[240];
    const char *row_head; /* FUNCTION or ACCOUNT */
    struct top_row rows[TOP_ROWS_MAX];
    struct top_quota quotas[TOP_QUOTAS_MAX];
    struct top_node nodes[TOP_NODES_MAX];
    int row_count, quota_count, node_count;
    int64_t invocations, errors, throttles, late_pending, rate;
    int64_t trend[TOP_TREND]; /* calls a second times ten, oldest first */
    int trend_count;
    enum top_sort sort;
    bool colored, live; /* live: with a line of keys */
};

/* Lines end with "\n", at most rows of them (0: as many as there are); each ends its colours. */
void top_view_draw(struct top_view *view, int columns, int rows, struct buf *out);

#endif
