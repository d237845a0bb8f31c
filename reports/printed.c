#include "reports/printed.h"

#include "common/calendar.h"
#include "common/err.h"
#include "common/map.h"
#include "common/text.h"
#include "reports/report_internal.h"
#include "reports/report_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Currency units of a struct exact: 10^17 * 2^30 of them make one. */
#define EXACT_UNITS (1e17 * 1073741824.0)

enum printed_section printed_section_of(const struct rated_line *line)
{
    switch (line->kind) {
    case LINE_USAGE:
        return PRINTED_CHARGES;
    case LINE_DISCOUNT:
    case LINE_MINIMUM_FEE:
        return line->period_us != 0 ? PRINTED_CORRECTIONS : PRINTED_CHARGES;
    case LINE_CORRECTION:
        return PRINTED_CORRECTIONS;
    case LINE_CREDIT:
        return text_starts(line->price_id, "prepaid.") ? PRINTED_TAXES : PRINTED_CREDITS;
    case LINE_TAX:
        return PRINTED_TAXES;
    }
    return PRINTED_CHARGES;
}

bool printed_is_metered(const struct rated_line *line)
{
    return line->kind == LINE_USAGE || (line->kind == LINE_CORRECTION && line->quantity != 0);
}

bool printed_is_payable(const struct printed *printed)
{
    return printed->bill->state == BILL_ISSUED && !printed->bill->credit_note;
}

static bool is_compute(enum meter meter)
{
    return meter == METER_COMPUTE_X86 || meter == METER_COMPUTE_ARM || meter == METER_PROVISIONED_COMPUTE_X86 ||
           meter == METER_PROVISIONED_COMPUTE_ARM;
}

/* ---- functions ---- */

static void add_share(struct printed_function *row, enum meter meter, int64_t quantity, int64_t minor)
{
    if (meter == METER_REQUESTS) {
        row->requests += quantity;
        row->requests_minor += minor;
    } else if (is_compute(meter)) {
        row->mb_ms += quantity;
        row->compute_minor += minor;
    } else {
        row->other_minor += minor;
    }
    row->total_minor += minor;
}

static void add_row(struct printed_function *to, const struct printed_function *row)
{
    to->requests += row->requests;
    to->mb_ms += row->mb_ms;
    to->requests_minor += row->requests_minor;
    to->compute_minor += row->compute_minor;
    to->other_minor += row->other_minor;
    to->total_minor += row->total_minor;
}

/* Most expensive first, of a credit note as well; the same cost: by work, then by name. */
static int by_cost(const void *left, const void *right)
{
    const struct printed_function *a = left;
    const struct printed_function *b = right;
    if (a->total_minor != b->total_minor) {
        return llabs(a->total_minor) > llabs(b->total_minor) ? -1 : 1;
    }
    if (a->mb_ms != b->mb_ms) {
        return llabs(a->mb_ms) > llabs(b->mb_ms) ? -1 : 1;
    }
    int order = strcmp(a->name, b->name);
    if (order != 0) {
        return order;
    }
    return a->function_id < b->function_id ? -1 : a->function_id > b->function_id;
}

static void fold_rest(struct printed *self)
{
    if (self->function_count <= PRINTED_FUNCTIONS_MAX) {
        return;
    }
    struct printed_function rest = {0};
    int left_out = self->function_count - (PRINTED_FUNCTIONS_MAX - 1);
    for (int i = PRINTED_FUNCTIONS_MAX - 1; i < self->function_count; i++) {
        add_row(&rest, &self->functions[i]);
    }
    (void)snprintf(rest.name, sizeof rest.name, "%d more functions", left_out);
    self->functions[PRINTED_FUNCTIONS_MAX - 1] = rest;
    self->function_count = PRINTED_FUNCTIONS_MAX;
}

/* Rows of the table, from the shares of the usage lines. */
static int make_functions(struct printed *self, struct err *err)
{
    const struct bill *bill = self->bill;
    struct map *rows = map_new();
    int rc = -1;
    self->functions = calloc((size_t)bill->share_count + 1, sizeof *self->functions);
    if (rows == NULL || self->functions == NULL) {
        (void)err_set(err, ERR_SYSTEM, "invoice: out of memory");
        goto out;
    }
    for (int i = 0; i < bill->share_count; i++) {
        const struct bill_share *share = &bill->shares[i];
        const struct rated_line *line = &bill->lines[share->line];
        if (line->kind != LINE_USAGE) {
            continue;
        }
        struct printed_function *row = map_get(rows, &share->function_id, sizeof share->function_id);
        if (row == NULL) {
            row = &self->functions[self->function_count++];
            row->function_id = share->function_id;
            (void)snprintf(row->name, sizeof row->name, "%s", share->function_name);
            if (map_put(rows, &share->function_id, sizeof share->function_id, row) != 0) {
                (void)err_set(err, ERR_SYSTEM, "invoice: out of memory");
                goto out;
            }
        }
        add_share(row, line->meter, share->quantity, share->amount_minor);
        add_share(&self->all, line->meter, share->quantity, share->amount_minor);
    }
    qsort(self->functions, (size_t)self->function_count, sizeof *self->functions, by_cost);
    rc = 0;
out:
    map_free(&rows);
    return rc;
}

/* ---- days ---- */

static int series_of(const struct printed *self, int64_t function_id)
{
    int own = self->function_count <= PRINTED_SERIES_MAX ? self->function_count : PRINTED_SERIES_MAX - 1;
    for (int i = 0; i < own; i++) {
        if (self->functions[i].function_id == function_id) {
            return i;
        }
    }
    return own;
}

static void make_series(struct printed *self)
{
    bool rest = self->function_count > PRINTED_SERIES_MAX;
    self->series_count = rest ? PRINTED_SERIES_MAX : self->function_count;
    for (int i = 0; i < self->series_count; i++) {
        (void)snprintf(self->series[i], sizeof self->series[i], "%s", self->functions[i].name);
    }
    if (rest) {
        (void)snprintf(self->series[PRINTED_SERIES_MAX - 1], sizeof self->series[0], "%d other functions",
                       self->function_count - (PRINTED_SERIES_MAX - 1));
    }
}

static int make_days(struct printed *self, struct pg *pg, struct err *err)
{
    struct bill *daily = NULL;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(self->bill->month, &from_us, &to_us);
    self->day_count = (int)((to_us - from_us) / CALENDAR_DAY_US);
    if (report_load(pg, self->bill->account_id, self->bill->month, self->options->invoice_id,
                    BILL_SPLIT_FUNCTION | BILL_SPLIT_DAY, &daily, err) != 0) {
        return -1;
    }
    for (int i = 0; i < daily->share_count; i++) {
        const struct bill_share *share = &daily->shares[i];
        int64_t day = (share->day_us - from_us) / CALENDAR_DAY_US;
        if (daily->lines[share->line].kind == LINE_USAGE && day >= 0 && day < self->day_count) {
            double cost = (double)share->exact_amount.value / EXACT_UNITS;
            self->days[day].series[series_of(self, share->function_id)] += cost;
            self->days[day].total += cost;
        }
    }
    bill_free(&daily);
    return 0;
}

/* ---- the head ---- */

static void name_state(struct printed *self)
{
    self->heading = self->bill->credit_note ? "Taken back" : "Charges";
    switch (self->bill->state) {
    case BILL_ESTIMATE:
        self->title = "Estimate";
        self->stamp = "ESTIMATE";
        break;
    case BILL_DRAFT:
        self->title = "Draft invoice";
        self->stamp = "DRAFT";
        break;
    case BILL_ISSUED:
        self->title = self->bill->credit_note ? "Credit note" : "Invoice";
        break;
    case BILL_VOID:
        self->title = "Invoice";
        self->stamp = "VOID";
        break;
    case BILL_CREDITED:
        self->title = "Invoice";
        self->stamp = "CREDITED";
        break;
    case BILL_PARKED:
        self->title = "Estimate";
        self->stamp = "NOT ISSUED";
        break;
    }
}

static int make_parties(struct printed *self, struct pg *pg, struct err *err)
{
    if (self->options->issuer_party != NULL) {
        self->issuer = *self->options->issuer_party;
    }
    if (self->issuer.name[0] == '\0') {
        (void)snprintf(self->issuer.name, sizeof self->issuer.name, "%s",
                       self->options->issuer != NULL ? self->options->issuer : "Farthing");
    }
    if (self->bill->buyer != NULL) {
        struct err unread = {0};
        if (party_parse(self->bill->buyer, strlen(self->bill->buyer), false, &self->customer, &unread) != 0) {
            self->customer = (struct party){.address_lines = 0};
        }
    } else if (self->bill->number[0] == '\0' &&
               report_store_party(pg, self->bill->account_id, &self->customer, err) != 0) {
        return -1;
    }
    if (self->customer.name[0] == '\0') {
        (void)snprintf(self->customer.name, sizeof self->customer.name, "%s", self->bill->display_name);
    }
    return 0;
}

static void sum_sections(struct printed *self)
{
    for (int i = 0; i < self->bill->line_count; i++) {
        const struct rated_line *line = &self->bill->lines[i];
        switch (printed_section_of(line)) {
        case PRINTED_CHARGES:
            self->charges_minor += line->amount_minor;
            break;
        case PRINTED_CORRECTIONS:
            self->corrections_minor += line->amount_minor;
            break;
        case PRINTED_CREDITS:
            self->credits_minor += line->amount_minor;
            break;
        case PRINTED_TAXES:
            break;
        }
    }
}

int printed_load(struct pg *pg, int64_t account_id, struct month month, const struct report_options *options,
                 struct printed **printed, struct err *err)
{
    struct printed *self = calloc(1, sizeof *self);
    int rc = -1;
    if (self == NULL) {
        return err_set(err, ERR_SYSTEM, "invoice: out of memory");
    }
    self->options = options;
    if (report_load(pg, account_id, month, options->invoice_id, BILL_SPLIT_FUNCTION, &self->bill, err) != 0 ||
        make_parties(self, pg, err) != 0 || make_functions(self, err) != 0) {
        goto out;
    }
    name_state(self);
    sum_sections(self);
    /* A credit note has no chart: its invoice has it. */
    if (!self->bill->credit_note) {
        make_series(self);
        if (make_days(self, pg, err) != 0) {
            goto out;
        }
    }
    fold_rest(self);
    *printed = self;
    self = NULL;
    rc = 0;
out:
    printed_free(&self);
    return rc;
}

void printed_free(struct printed **printed)
{
    if (*printed != NULL) {
        bill_free(&(*printed)->bill);
        free((*printed)->functions);
        free(*printed);
        *printed = NULL;
    }
}
