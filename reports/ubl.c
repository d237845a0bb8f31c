/*
 * ubl.c - an issued invoice or credit note as UBL 2.1 that keeps to EN 16931: what booking systems read instead of
 * paper.
 *
 * Lines of usage are invoice lines with quantity and price; fees, discounts and corrections are lines of quantity 1 or
 * -1, for a price may not be negative; credits are allowances of the document; prepaid money is the prepaid amount. All
 * sums are those of the bill: line total - allowances = net, net + tax = gross, gross - prepaid = payable.
 */
#include "reports/printed.h"

#include "common/buf.h"
#include "common/calendar.h"
#include "common/err.h"
#include "common/text.h"
#include "reports/digits.h"

#include <string.h>

struct ubl {
    struct buf *out;
    const struct printed *printed;
    const struct rated_line *tax; /* the one tax; NULL: none */
    char rate[32];                /* of it, in per cent */
    int64_t lines_minor, allowances_minor, prepaid_minor;
    const char *document; /* "Invoice" or "CreditNote": elements are named after it */
};

static void escape(struct buf *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        switch (*at) {
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        default:
            buf_putc(out, *at);
        }
    }
}

/* An element of text; none when it would be empty. */
static void element(struct ubl *ubl, const char *name, const char *text)
{
    if (*text != '\0') {
        buf_printf(ubl->out, "<cbc:%s>", name);
        escape(ubl->out, text);
        buf_printf(ubl->out, "</cbc:%s>", name);
    }
}

static void amount(struct ubl *ubl, const char *name, int64_t minor)
{
    char text[MONEY_TEXT_BYTES];
    minor_format(minor, &ubl->printed->bill->currency, text);
    buf_printf(ubl->out, "<cbc:%s currencyID=\"%s\">%s</cbc:%s>", name, ubl->printed->bill->currency.code, text, name);
}

static void day(struct ubl *ubl, const char *name, int64_t at_us)
{
    char text[CALENDAR_TEXT_BYTES];
    if (at_us > 0) {
        calendar_format_day(at_us, text);
        element(ubl, name, text);
    }
}

/* Standard rate where there is a tax; else exempt (of a seller with a tax number) or outside the scope of tax. */
static const char *tax_category(const struct ubl *ubl)
{
    return ubl->tax != NULL ? "S" : ubl->printed->issuer.tax_id[0] != '\0' ? "E" : "O";
}

static void put_category(struct ubl *ubl, const char *tag, bool reason)
{
    const char *category = tax_category(ubl);
    buf_printf(ubl->out, "<cac:%s><cbc:ID>%s</cbc:ID>", tag, category);
    if (*category != 'O') {
        element(ubl, "Percent", ubl->tax != NULL ? ubl->rate : "0");
    }
    if (reason && *category != 'S') {
        element(ubl, "TaxExemptionReason", *category == 'E' ? "No tax is charged" : "Not subject to VAT");
    }
    buf_printf(ubl->out, "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:%s>", tag);
}

/* ---- parties ---- */

static void put_party(struct ubl *ubl, const char *tag, const struct party *party)
{
    buf_printf(ubl->out, "<cac:%s><cac:Party>", tag);
    if (party->tax_id[0] == '\0') {
        buf_puts(ubl->out, "<cac:PartyIdentification>");
        element(ubl, "ID", party->name);
        buf_puts(ubl->out, "</cac:PartyIdentification>");
    }
    buf_puts(ubl->out, "<cac:PartyName>");
    element(ubl, "Name", party->name);
    buf_puts(ubl->out, "</cac:PartyName><cac:PostalAddress>");
    element(ubl, "StreetName", party->address_lines > 0 ? party->address[0] : "");
    element(ubl, "AdditionalStreetName", party->address_lines > 1 ? party->address[1] : "");
    element(ubl, "CityName", party->city);
    element(ubl, "PostalZone", party->postal_code);
    buf_puts(ubl->out, "<cac:Country>");
    element(ubl, "IdentificationCode", party->country);
    buf_puts(ubl->out, "</cac:Country></cac:PostalAddress>");
    if (party->tax_id[0] != '\0' && *tax_category(ubl) != 'O') {
        buf_puts(ubl->out, "<cac:PartyTaxScheme>");
        element(ubl, "CompanyID", party->tax_id);
        buf_puts(ubl->out, "<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:PartyTaxScheme>");
    }
    buf_puts(ubl->out, "<cac:PartyLegalEntity>");
    element(ubl, "RegistrationName", party->name);
    buf_puts(ubl->out, "</cac:PartyLegalEntity>");
    if (party->email[0] != '\0') {
        buf_puts(ubl->out, "<cac:Contact>");
        element(ubl, "ElectronicMail", party->email);
        buf_puts(ubl->out, "</cac:Contact>");
    }
    buf_printf(ubl->out, "</cac:Party></cac:%s>", tag);
}

/* ---- head, sums ---- */

static void put_head(struct ubl *ubl)
{
    const struct printed *printed = ubl->printed;
    const struct bill *bill = printed->bill;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(bill->month, &from_us, &to_us);
    buf_printf(ubl->out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
               "<%s xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:%s-2\" ",
               ubl->document, ubl->document);
    buf_puts(ubl->out, "xmlns:cac=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\" "
                       "xmlns:cbc=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">\n");
    element(ubl, "CustomizationID", "urn:cen.eu:en16931:2017");
    element(ubl, "ID", bill->number);
    day(ubl, "IssueDate", bill->issued_us);
    if (bill->credit_note) {
        element(ubl, "CreditNoteTypeCode", "381");
        element(ubl, "Note", bill->reason != NULL ? bill->reason : "");
    } else {
        day(ubl, "DueDate", bill->due_us);
        element(ubl, "InvoiceTypeCode", "380");
    }
    if (bill->records_root[0] != '\0') {
        buf_printf(ubl->out, "<cbc:Note>Merkle root of the records: %s</cbc:Note>", bill->records_root);
    }
    element(ubl, "DocumentCurrencyCode", bill->currency.code);
    element(ubl, "BuyerReference",
            printed->customer.reference[0] != '\0' ? printed->customer.reference : bill->account_name);
    buf_puts(ubl->out, "<cac:InvoicePeriod>");
    day(ubl, "StartDate", from_us);
    day(ubl, "EndDate", to_us - 1);
    buf_puts(ubl->out, "</cac:InvoicePeriod>\n");
    if (bill->credit_note) {
        buf_puts(ubl->out, "<cac:BillingReference><cac:InvoiceDocumentReference>");
        element(ubl, "ID", bill->counterpart);
        day(ubl, "IssueDate", bill->counterpart_us);
        buf_puts(ubl->out, "</cac:InvoiceDocumentReference></cac:BillingReference>\n");
    }
    put_party(ubl, "AccountingSupplierParty", &printed->issuer);
    put_party(ubl, "AccountingCustomerParty", &printed->customer);
    if (!bill->credit_note && (printed->issuer.payment[0] != '\0' || printed->issuer.terms[0] != '\0')) {
        buf_puts(ubl->out, "<cac:PaymentTerms>");
        element(ubl, "Note", printed->issuer.payment[0] != '\0' ? printed->issuer.payment : printed->issuer.terms);
        buf_puts(ubl->out, "</cac:PaymentTerms>");
    }
    buf_putc(ubl->out, '\n');
}

static void put_allowance(struct ubl *ubl, const struct rated_line *line)
{
    buf_puts(ubl->out, "<cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator>");
    element(ubl, "AllowanceChargeReason", line->description);
    amount(ubl, "Amount", -line->amount_minor);
    put_category(ubl, "TaxCategory", false);
    buf_puts(ubl->out, "</cac:AllowanceCharge>\n");
}

static void put_totals(struct ubl *ubl)
{
    const struct bill *bill = ubl->printed->bill;
    int64_t net = ubl->lines_minor - ubl->allowances_minor;
    buf_puts(ubl->out, "<cac:TaxTotal>");
    amount(ubl, "TaxAmount", bill->tax_minor);
    buf_puts(ubl->out, "<cac:TaxSubtotal>");
    amount(ubl, "TaxableAmount", net);
    amount(ubl, "TaxAmount", bill->tax_minor);
    put_category(ubl, "TaxCategory", true);
    buf_puts(ubl->out, "</cac:TaxSubtotal></cac:TaxTotal>\n<cac:LegalMonetaryTotal>");
    amount(ubl, "LineExtensionAmount", ubl->lines_minor);
    amount(ubl, "TaxExclusiveAmount", net);
    amount(ubl, "TaxInclusiveAmount", net + bill->tax_minor);
    amount(ubl, "AllowanceTotalAmount", ubl->allowances_minor);
    amount(ubl, "PrepaidAmount", ubl->prepaid_minor);
    amount(ubl, "PayableAmount", bill->total_minor);
    buf_puts(ubl->out, "</cac:LegalMonetaryTotal>\n");
}

/* ---- lines ---- */

static void line_numbers(const struct ubl *ubl, const struct rated_line *line, char quantity[MONEY_TEXT_BYTES],
                         char price[MONEY_TEXT_BYTES])
{
    if (line->kind == LINE_USAGE) {
        bool packed = line->packages > 0;
        if (digits_product(packed ? line->packages : line->quantity, (struct decimal){.value = 1},
                           packed ? 1 : meter_per_pricing_unit(line->meter), quantity) >= 0) {
            decimal_format(line->contracted_price, price);
            return;
        }
    }
    (void)digits_i64(line->amount_minor < 0 ? -1 : 1, quantity);
    minor_format(line->amount_minor < 0 ? -line->amount_minor : line->amount_minor, &ubl->printed->bill->currency,
                 price);
}

static void put_line(struct ubl *ubl, const struct rated_line *line, int number)
{
    char quantity[MONEY_TEXT_BYTES];
    char price[MONEY_TEXT_BYTES];
    line_numbers(ubl, line, quantity, price);
    const char *counted = ubl->printed->bill->credit_note ? "Credited" : "Invoiced";
    buf_printf(ubl->out,
               "<cac:%sLine><cbc:ID>%d</cbc:ID><cbc:%sQuantity unitCode=\"C62\">%s"
               "</cbc:%sQuantity>",
               ubl->document, number, counted, quantity, counted);
    amount(ubl, "LineExtensionAmount", line->amount_minor);
    buf_puts(ubl->out, "<cac:Item>");
    element(ubl, "Name", line->description);
    if (line->price_id[0] != '\0') {
        buf_puts(ubl->out, "<cac:SellersItemIdentification>");
        element(ubl, "ID", line->price_id);
        buf_puts(ubl->out, "</cac:SellersItemIdentification>");
    }
    put_category(ubl, "ClassifiedTaxCategory", false);
    buf_printf(ubl->out,
               "</cac:Item><cac:Price><cbc:PriceAmount currencyID=\"%s\">%s</cbc:PriceAmount></cac:Price>"
               "</cac:%sLine>\n",
               ubl->printed->bill->currency.code, price, ubl->document);
}

/* EN 16931 has no lines below nothing: discounts and credits are allowances on the whole. */
static bool is_line(const struct rated_line *line)
{
    return line->kind != LINE_TAX && line->kind != LINE_CREDIT && line->kind != LINE_DISCOUNT;
}

static bool is_allowance(const struct rated_line *line)
{
    return line->kind == LINE_DISCOUNT || (line->kind == LINE_CREDIT && !text_starts(line->price_id, "prepaid."));
}

/* ---- the whole ---- */

/* "VAT 19%": the rate is the last word. */
static void take_rate(struct ubl *ubl)
{
    const char *last = strrchr(ubl->tax->description, ' ');
    (void)text_copy(ubl->rate, sizeof ubl->rate, last != NULL ? last + 1 : "0");
    ubl->rate[strcspn(ubl->rate, "%")] = '\0';
}

static int look(struct ubl *ubl, struct err *err)
{
    const struct bill *bill = ubl->printed->bill;
    if (bill->state == BILL_VOID) {
        return err_set(err, ERR_CONFLICT, "%s is void: there is no electronic one of it", bill->number);
    }
    if (bill->number[0] == '\0') {
        return err_set(err, ERR_CONFLICT, "the month has no issued invoice: there is no electronic one of an estimate");
    }
    if (ubl->printed->issuer.country[0] == '\0') {
        return err_set(err, ERR_CONFLICT, "an electronic invoice names the issuer's country: serve --issuer-file");
    }
    if (ubl->printed->customer.country[0] == '\0') {
        return err_set(err, ERR_CONFLICT, "an electronic invoice names the buyer's country: the account's billing");
    }
    for (int i = 0; i < bill->line_count; i++) {
        const struct rated_line *line = &bill->lines[i];
        if (line->kind == LINE_TAX && ubl->tax != NULL) {
            return err_set(err, ERR_CONFLICT, "EN 16931 has one tax on a line, this invoice has several on its net");
        }
        if (line->kind == LINE_TAX) {
            ubl->tax = line;
            take_rate(ubl);
        } else if (is_line(line)) {
            ubl->lines_minor += line->amount_minor;
        } else if (text_starts(line->price_id, "prepaid.")) {
            ubl->prepaid_minor -= line->amount_minor;
        } else {
            ubl->allowances_minor -= line->amount_minor;
        }
    }
    return 0;
}

static int write_document(struct ubl *ubl, struct err *err)
{
    const struct bill *bill = ubl->printed->bill;
    int number = 0;
    if (look(ubl, err) != 0) {
        return -1;
    }
    put_head(ubl);
    for (int i = 0; i < bill->line_count; i++) {
        if (is_allowance(&bill->lines[i])) {
            put_allowance(ubl, &bill->lines[i]);
        }
    }
    put_totals(ubl);
    for (int i = 0; i < bill->line_count; i++) {
        if (is_line(&bill->lines[i])) {
            put_line(ubl, &bill->lines[i], ++number);
        }
    }
    buf_printf(ubl->out, "</%s>\n", ubl->document);
    return buf_ok(ubl->out) ? 0 : err_set(err, ERR_SYSTEM, "invoice: out of memory");
}

int printed_ubl(const struct printed *printed, struct buf *out, struct err *err)
{
    struct bill *bill = printed->bill;
    struct ubl ubl = {.out = out, .printed = printed, .document = bill->credit_note ? "CreditNote" : "Invoice"};
    /* The amounts of a credit note stand in it as those of its invoice: its type says which way they go. */
    if (bill->credit_note) {
        bill_turn(bill);
    }
    int rc = write_document(&ubl, err);
    if (bill->credit_note) {
        bill_turn(bill);
    }
    return rc;
}
