#include "billing/cost.h"

#include "billing/bill_internal.h"
#include "billing/price_book_internal.h"
#include "billing/what_if.h"
#include "common/err.h"
#include "metering/usage.h"

#include <stdlib.h>

#define NEEDED_STEP_MIB 64
#define NEEDED_MIB_MIN 128
#define NEEDED_MARGIN_PERCENT 20
#define KIB_PER_MIB 1024

int cost_usage(struct pg *pg, int64_t account_id, struct month month, struct usage_totals *totals, struct err *err)
{
    struct bill_usage_list usage = {.count = 0};
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    int rc = bill_store_usage(pg, account_id, from_us, to_us, 0, &usage, err);
    *totals = (struct usage_totals){{0}};
    for (int i = 0; rc == 0 && i < usage.count; i++) {
        for (int m = 0; m < METER_COUNT; m++) {
            if (__builtin_add_overflow(totals->quantity[m], usage.items[i].quantity[m], &totals->quantity[m]) ||
                totals->quantity[m] == INT64_MAX) {
                rc = err_set(err, ERR_LIMIT, "the month's %s are more than can be counted", meter_name((enum meter)m));
            }
        }
    }
    free(usage.items);
    return rc;
}

int cost_rate(const struct price_book *book, const struct usage_totals *totals, struct cost_sum *sum, struct err *err)
{
    struct rated_bill *rated = malloc(sizeof *rated);
    if (rated == NULL) {
        return err_set(err, ERR_SYSTEM, "cost: out of memory");
    }
    struct exact exact = {0};
    int rc = rate_usage(book, totals, rated, err);
    for (int i = 0; rc == 0 && i < rated->count; i++) {
        rc = exact_add(exact, rated->lines[i].exact_amount, &exact, err);
    }
    if (rc == 0) {
        *sum = (struct cost_sum){.currency = rated->currency, .exact = exact, .net_minor = rated->net_minor};
    }
    free(rated);
    return rc;
}

int cost_needed_mib(int64_t peak_kib)
{
    int64_t kib = peak_kib + peak_kib * NEEDED_MARGIN_PERCENT / 100;
    int64_t step = (int64_t)NEEDED_STEP_MIB * KIB_PER_MIB;
    int64_t mib = (kib + step - 1) / step * NEEDED_STEP_MIB;
    return mib < NEEDED_MIB_MIN ? NEEDED_MIB_MIN : (int)mib;
}

struct memories {
    const struct price_book *book;
    struct usage_totals totals;
    struct cost_sum now;
    struct what_if_rows rows;
    cost_memory_fn *on_memory;
    void *ctx;
};

/* The account's month with this function's compute, and what is provisioned for it, scaled to the memory it needs. */
static int saving_of(const struct memories *memories, const struct cost_memory *memory, struct exact *saving,
                     struct err *err)
{
    struct usage_totals totals = memories->totals;
    struct cost_sum then;
    for (int i = 0; i < memories->rows.count; i++) {
        const struct what_if_row *row = &memories->rows.items[i];
        int64_t mb_ms = 0;
        if (row->function_id != memory->function_id || row->memory_mib != memory->memory_mib ||
            row->arch != memory->arch) {
            continue;
        }
        int64_t *quantity = &totals.quantity[what_if_meter(row)];
        if (what_if_resized(row, memory->needed_mib, &mb_ms, err) != 0) {
            return -1;
        }
        if (__builtin_add_overflow(*quantity - row->mb_ms, mb_ms, quantity)) {
            return err_set(err, ERR_LIMIT, "the month is more than can be counted");
        }
    }
    if (cost_rate(memories->book, &totals, &then, err) != 0) {
        return -1;
    }
    saving->value = memories->now.exact.value - then.exact.value;
    return 0;
}

static int on_row(const struct usage_row *row, void *ctx, struct err *err)
{
    const struct memories *memories = ctx;
    const struct usage_sums *sums = &row->sums;
    struct cost_memory memory = {
        .function_id = row->function_id,
        .function_name = row->function_name,
        .memory_mib = row->memory_mib,
        .arch = row->arch,
        .invocations = sums->invocations,
        .mb_ms = sums->mb_ms,
        .peak_max_kib = sums->peak_kib_max,
        .peak_mean_kib = sums->invocations > 0 ? sums->peak_kib_sum / sums->invocations : 0,
        .needed_mib = row->memory_mib,
    };
    if (row->memory_mib <= 0) {
        return 0; /* refusals only */
    }
    if (memory.peak_max_kib > 0) {
        memory.needed_mib = cost_needed_mib(memory.peak_max_kib);
        if (saving_of(memories, &memory, &memory.saving, err) != 0) {
            return -1;
        }
    }
    return memories->on_memory(&memory, memories->ctx, err);
}

int cost_memory_list(struct pg *pg, int64_t account_id, struct month month, const struct price_book *book,
                     cost_memory_fn *on_memory, void *ctx, struct err *err)
{
    static const struct what_if AS_IT_IS = {.grain_ms = 0};
    struct memories memories = {.book = book, .on_memory = on_memory, .ctx = ctx};
    struct what_if_usage usage = {.rounded = 0};
    struct usage_freshness freshness;
    struct usage_query query = {.account_id = account_id,
                                .granularity = USAGE_TOTAL,
                                .group_by = USAGE_GROUP_FUNCTION | USAGE_GROUP_MEMORY | USAGE_GROUP_ARCH};
    month_range(month, &query.from_us, &query.to_us);
    int rc = what_if_rows_billed(pg, account_id, month, &memories.rows, err);
    rc = rc == 0 ? what_if_sum(&memories.rows, &AS_IT_IS, &usage, err) : rc;
    if (rc == 0) {
        memories.totals = usage.totals;
        rc = cost_rate(book, &memories.totals, &memories.now, err);
    }
    rc = rc == 0 ? usage_query_run(pg, &query, on_row, &memories, &freshness, err) : rc;
    free(memories.rows.items);
    return rc;
}
