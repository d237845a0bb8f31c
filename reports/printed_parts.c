#include "reports/printed_parts.h"

#include "common/calendar.h"
#include "common/err.h"
#include "common/ids.h"

#include <stdio.h>
#include <string.h>

static void dates(const struct bill *bill, struct printed_facts *facts)
{
    char last[PRINTED_TEXT_BYTES];
    char complete[CALENDAR_TEXT_BYTES];
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    printed_date(to_us - 1, last);
    (void)snprintf(facts->period, sizeof facts->period, "1\xE2\x80\x93%s", last);
    if (bill->issued_us > 0) {
        printed_date(bill->issued_us, facts->issued);
    }
    if (bill->due_us > 0 && bill->state == BILL_ISSUED && !bill->credit_note) {
        printed_date(bill->due_us, facts->due);
    }
    if (bill->credit_note && bill->counterpart_us > 0) {
        char of[PRINTED_TEXT_BYTES];
        printed_date(bill->counterpart_us, of);
        (void)snprintf(facts->takes_back, sizeof facts->takes_back, "%s of %s", bill->counterpart, of);
    }
    if (bill->reason != NULL) {
        (void)snprintf(facts->reason, sizeof facts->reason, "%s", bill->reason);
    }
    if (bill->state == BILL_ESTIMATE && bill->complete_through_us > from_us && bill->complete_through_us < to_us) {
        calendar_format(bill->complete_through_us, complete);
        (void)snprintf(facts->complete, sizeof facts->complete, "%.10s, %.5s UTC", complete, complete + 11);
    }
}

static void state_text(const struct printed *printed, struct printed_facts *facts)
{
    const char *text = "";
    switch (printed->bill->state) {
    case BILL_ESTIMATE:
        text = "Not an invoice yet: the amount may still change";
        break;
    case BILL_DRAFT:
        text = "Draft: not issued yet";
        break;
    case BILL_ISSUED:
        break;
    case BILL_VOID:
        text = "Void: nothing is to be paid on it";
        break;
    case BILL_CREDITED:
        (void)snprintf(facts->state, sizeof facts->state, "Credited: %s takes it back, nothing is to be paid on it",
                       printed->bill->counterpart);
        return;
    case BILL_PARKED:
        text = "Held back: a check failed, no invoice was issued";
        break;
    }
    (void)snprintf(facts->state, sizeof facts->state, "%s", text);
}

static void notes(const struct printed *printed, struct printed_facts *facts)
{
    const struct bill *bill = printed->bill;
    if (bill->credit_note) {
        (void)snprintf(facts->terms, sizeof facts->terms,
                       "This credit note takes all of invoice %s back: nothing is to be paid on either. What was paid "
                       "on the invoice is yours again.",
                       bill->counterpart);
    } else if (bill->state == BILL_VOID || bill->state == BILL_CREDITED) {
        (void)snprintf(facts->terms, sizeof facts->terms, "Nothing is due on this document.");
    } else if (printed->issuer.terms[0] != '\0') {
        (void)snprintf(facts->terms, sizeof facts->terms, "%s", printed->issuer.terms);
    } else if (bill->state != BILL_ISSUED) {
        (void)snprintf(facts->terms, sizeof facts->terms, "Nothing is due on this document.");
    } else if (facts->due[0] != '\0') {
        (void)snprintf(facts->terms, sizeof facts->terms, "Please pay by %s and name %s.", facts->due, bill->number);
    } else {
        (void)snprintf(facts->terms, sizeof facts->terms, "Please pay on receipt and name %s.", bill->number);
    }
    (void)snprintf(facts->how, sizeof facts->how,
                   "One GB-s is 1,024,000 MB\xC2\xB7ms: memory in MB times billed milliseconds. Each line is rounded "
                   "once, to the cent or what the currency has for it; nothing else is. The layouts summary, focus and "
                   "records of this bill hold every digit.");
    if (bill->records_root[0] != '\0') {
        (void)snprintf(facts->root_label, sizeof facts->root_label, "Merkle root of the records behind it:");
    }
    if (bill->digest[0] != '\0') {
        (void)snprintf(facts->digest_label, sizeof facts->digest_label,
                       "SHA-256 of the %s as issued:", bill->credit_note ? "credit note" : "invoice");
    }
}

void printed_facts(const struct printed *printed, struct printed_facts *facts)
{
    const struct bill *bill = printed->bill;
    char id[ID_TEXT_BYTES];
    char month[PRINTED_TEXT_BYTES];
    memset(facts, 0, sizeof *facts);
    id_format("acct", bill->account_id, id);
    (void)snprintf(facts->account, sizeof facts->account, "%.63s (%s)", bill->account_name, id);
    dates(bill, facts);
    printed_money(printed, bill->credit_note ? -bill->total_minor : bill->total_minor, facts->total);
    (void)snprintf(facts->due_label, sizeof facts->due_label, "%s",
                   bill->credit_note            ? (bill->total_minor > 0 ? "Taken back" : "In your favour")
                   : bill->state == BILL_ISSUED ? (bill->total_minor < 0 ? "In your favour" : "Amount due")
                   : bill->state == BILL_ESTIMATE || bill->state == BILL_PARKED ? "So far"
                                                                                : "Total");
    (void)snprintf(facts->price_list, sizeof facts->price_list, "%.63s, version %lld", bill->price_book,
                   (long long)bill->price_version);
    printed_month(bill->month, month);
    (void)snprintf(facts->document_title, sizeof facts->document_title, "%s %s%s%.250s, %s", printed->title,
                   bill->number, bill->number[0] != '\0' ? ", " : "", printed->customer.name, month);
    state_text(printed, facts);
    notes(printed, facts);
}

/* A correction of a meter that is priced by the package is no quantity times price: then no price stands beside it. */
static bool is_product(const struct rated_line *line)
{
    struct exact product;
    struct err err = {0};
    return line->packages != 0 || (exact_product(line->quantity, line->contracted_price,
                                                 meter_per_pricing_unit(line->meter), &product, &err) == 0 &&
                                   product.value == line->exact_amount.value);
}

void printed_cells(const struct printed *printed, const struct rated_line *line, struct printed_cells *cells)
{
    memset(cells, 0, sizeof *cells);
    printed_amount(printed, line->amount_minor, cells->amount);
    if (printed_is_metered(line)) {
        char quantity[PRINTED_TEXT_BYTES];
        printed_quantity(line->meter, line->quantity, PRINTED_ALL_DIGITS, quantity);
        (void)snprintf(cells->quantity, sizeof cells->quantity, "%s %s", quantity, printed_unit(line->meter));
        if (line->contracted_price.value != 0) {
            if (is_product(line)) {
                printed_price(line, cells->price);
            }
        } else {
            (void)snprintf(cells->price, sizeof cells->price, "free");
        }
    }
}

/* Nothing of a kind is an empty cell, not a row of zeros. */
static void amount_or_blank(const struct printed *printed, int64_t quantity, int64_t minor,
                            char text[PRINTED_TEXT_BYTES])
{
    text[0] = '\0';
    if (quantity != 0 || minor != 0) {
        printed_amount(printed, minor, text);
    }
}

void printed_function_cells(const struct printed *printed, const struct printed_function *row,
                            struct printed_function_cells *cells)
{
    memset(cells, 0, sizeof *cells);
    printed_quantity(METER_REQUESTS, row->requests, 0, cells->requests);
    printed_quantity(METER_COMPUTE_X86, row->mb_ms, 3, cells->compute);
    amount_or_blank(printed, row->requests, row->requests_minor, cells->requests_amount);
    amount_or_blank(printed, row->mb_ms, row->compute_minor, cells->compute_amount);
    amount_or_blank(printed, 0, row->other_minor, cells->other_amount);
    printed_amount(printed, row->total_minor, cells->total);
}

const char *printed_section_title(enum printed_section section)
{
    switch (section) {
    case PRINTED_CHARGES:
        return "Charges";
    case PRINTED_CORRECTIONS:
        return "Corrections of earlier months";
    case PRINTED_CREDITS:
        return "Credits";
    case PRINTED_TAXES:
        return "Tax";
    }
    return "";
}

int printed_sums(const struct printed *printed, struct printed_sum sums[PRINTED_SUMS_MAX])
{
    const struct bill *bill = printed->bill;
    int count = 0;
    if (bill->tax_minor != 0 || bill->net_minor != bill->total_minor) {
        (void)snprintf(sums[count].label, sizeof sums[count].label, "Net");
        printed_amount(printed, bill->net_minor, sums[count++].amount);
    }
    for (int i = 0; i < bill->line_count && count < PRINTED_SUMS_MAX - 1; i++) {
        if (printed_section_of(&bill->lines[i]) == PRINTED_TAXES) {
            (void)snprintf(sums[count].label, sizeof sums[count].label, "%s", bill->lines[i].description);
            printed_amount(printed, bill->lines[i].amount_minor, sums[count++].amount);
        }
    }
    (void)snprintf(sums[count].label, sizeof sums[count].label, "Total, %s", bill->currency.code);
    printed_amount(printed, bill->total_minor, sums[count++].amount);
    return count;
}
