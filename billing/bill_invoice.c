/*
 * bill_invoice.c - the bill of an issued invoice: frozen lines, shared over the usage that was there when it was
 * issued.
 */
#include "billing/bill_internal.h"

#include "common/clock.h"
#include "common/err.h"

#include <stdlib.h>
#include <string.h>

/* What the lines of the bill say was used of each meter. */
static void billed(const struct bill *bill, int64_t quantity[METER_COUNT])
{
    memset(quantity, 0, METER_COUNT * sizeof quantity[0]);
    for (int i = 0; i < bill->line_count; i++) {
        if (bill->lines[i].kind == LINE_USAGE) {
            quantity[bill->lines[i].meter] += bill->lines[i].quantity;
        }
    }
}

static bool adds_up(const struct bill_usage_list *usage, const int64_t quantity[METER_COUNT])
{
    for (int m = 0; m < METER_COUNT; m++) {
        int64_t sum = 0;
        for (int i = 0; i < usage->count; i++) {
            sum += usage->items[i].quantity[m];
        }
        if (sum != quantity[m]) {
            return false;
        }
    }
    return true;
}

/* The records of then are gone: today's usage serves as weights, so that every share is whole and all add up. */
static int fit(struct bill_usage_list *usage, const int64_t quantity[METER_COUNT], struct err *err)
{
    int64_t *weights = calloc((size_t)usage->count * 2 + 1, sizeof *weights);
    int64_t *parts = weights + usage->count;
    int rc = weights != NULL ? 0 : err_set(err, ERR_SYSTEM, "bill: out of memory");
    for (int m = 0; m < METER_COUNT && rc == 0 && usage->count > 0; m++) {
        for (int i = 0; i < usage->count; i++) {
            weights[i] = usage->items[i].quantity[m];
        }
        rc = money_spread(quantity[m], weights, usage->count, parts, err);
        for (int i = 0; i < usage->count && rc == 0; i++) {
            usage->items[i].quantity[m] = parts[i];
        }
    }
    free(weights);
    return rc;
}

int bill_share_invoice(struct pg *pg, unsigned split, struct bill *bill, struct err *err)
{
    struct bill_usage_list usage = {0};
    int64_t quantity[METER_COUNT];
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    billed(bill, quantity);
    int rc = bill_store_usage(pg, bill->account_id, from_us, to_us, split, &usage, err);
    if (rc == 0 && !adds_up(&usage, quantity)) {
        /* Late records came since: go back to those the invoice had seen. */
        struct bill_usage_list then = {0};
        rc = bill_store_usage_sealed(pg, bill->account_id, from_us, to_us, split, bill_counted_us(bill), &then, err);
        if (rc == 0 && adds_up(&then, quantity)) {
            free(usage.items);
            usage = then;
            bill->usage_as_of_us = bill_counted_us(bill);
        } else {
            free(then.items);
            rc = rc == 0 ? fit(&usage, quantity, err) : rc;
        }
    }
    if (rc == 0) {
        rc = bill_make_shares(&usage, bill, err);
    }
    free(usage.items);
    return rc;
}

int64_t bill_counted_us(const struct bill *bill)
{
    return bill->credit_note && bill->counterpart_us != 0 ? bill->counterpart_us : bill->issued_us;
}

void bill_turn(struct bill *bill)
{
    for (int i = 0; i < bill->line_count; i++) {
        struct rated_line *line = &bill->lines[i];
        line->quantity = -line->quantity;
        line->packages = -line->packages;
        line->list_amount.value = -line->list_amount.value;
        line->exact_amount.value = -line->exact_amount.value;
        line->residue.value = -line->residue.value;
        line->amount_minor = -line->amount_minor;
    }
    for (int i = 0; i < bill->share_count; i++) {
        struct bill_share *share = &bill->shares[i];
        share->quantity = -share->quantity;
        share->exact_amount.value = -share->exact_amount.value;
        share->amount_minor = -share->amount_minor;
    }
    bill->net_minor = -bill->net_minor;
    bill->tax_minor = -bill->tax_minor;
    bill->total_minor = -bill->total_minor;
}
