#include "reports/verify_constants.h"

#include <inttypes.h>
#include <string.h>

#include "billing/money.h"
#include "common/err.h"
#include "common/text.h"
#include "reports/columns.h"
#include "reports/csv_read.h"
#include "reports/verify.h"

static const char *const COLUMNS[VERIFY_CONSTANTS] = {"account_name", "state", "invoice", "complete_through"};

const char *verify_constants_row(struct verify_constants *constants, const struct csv_reader *reader)
{
    const char *other = NULL;
    for (int i = 0; i < VERIFY_CONSTANTS; i++) {
        const char *found = NULL;
        if (csv_read_field(reader, COLUMNS[i], &found, NULL) != 0) {
            continue;
        }
        if (!constants->known) {
            (void)text_copy(constants->value[i], sizeof constants->value[i], found);
        } else if (other == NULL && strcmp(found, constants->value[i]) != 0) {
            other = COLUMNS[i];
        }
    }
    constants->known = true;
    const char *type = NULL;
    const char *root = NULL;
    if (other == NULL && csv_read_field(reader, "record_type", &type, NULL) == 0 && strcmp(type, "total") != 0 &&
        csv_read_field(reader, "records_root", &root, NULL) == 0 && root[0] != '\0') {
        other = "records_root"; /* of the row of the total only */
    }
    return other;
}

const char *verify_odd_column(const struct csv_reader *reader)
{
    size_t at = 0;
    for (int i = 0; i < reader->header_count; i++) {
        const struct report_column *column = report_column_next(REPORT_SUMMARY, REPORT_FOCUS_1_4, &at);
        while (column != NULL && strcmp(column->name, reader->header[i]) != 0) {
            column = report_column_next(REPORT_SUMMARY, REPORT_FOCUS_1_4, &at);
        }
        if (column == NULL) {
            return reader->header[i];
        }
    }
    return NULL;
}

bool verify_rounds(const struct csv_reader *reader, int64_t amount_minor, const struct currency *currency)
{
    const char *type = NULL;
    const char *text = NULL;
    struct exact exact;
    struct exact amount;
    struct exact unit;
    struct err err = {0};
    const struct decimal minor = {.value = 1, .scale = currency->minor_digits};
    if (csv_read_field(reader, "record_type", &type, &err) != 0 ||
        csv_read_field(reader, "exact_amount", &text, &err) != 0 ||
        exact_parse(text, "exact_amount", &exact, &err) != 0 ||
        exact_product(amount_minor, minor, 1, &amount, &err) != 0 || exact_product(1, minor, 1, &unit, &err) != 0) {
        return false;
    }
    money_int apart = exact.value > amount.value ? exact.value - amount.value : amount.value - exact.value;
    if (strcmp(type, "credit") == 0) {
        return apart == 0;
    }
    return strcmp(type, "correction") == 0 ? apart < unit.value : 2 * apart <= unit.value;
}

int verify_no_credit_note(const struct csv_reader *reader, struct err *err)
{
    const char *invoice = NULL;
    if (csv_read_field(reader, "invoice", &invoice, err) != 0) {
        return -1;
    }
    if (text_starts(invoice, "CN-")) {
        return err_set(err, ERR_INVALID,
                       "%s is of credit note %.40s: what follows from records is the bill of the invoice it takes back",
                       reader->name, invoice);
    }
    return 0;
}

int verify_stated_root(FILE *bill, const char *name, char hex[SHA256_HEX_BYTES], struct err *err)
{
    struct csv_reader reader;
    bool more = true;
    hex[0] = '\0';
    int rc = csv_read_open(&reader, bill, name, err);
    while (rc == 0 && more) {
        const char *type = NULL;
        const char *root = NULL;
        rc = csv_read_row(&reader, &more, err);
        if (rc == 0 && more && csv_read_field(&reader, "record_type", &type, err) == 0 &&
            csv_read_field(&reader, "records_root", &root, err) == 0) {
            if (strcmp(type, "total") == 0 && text_copy(hex, SHA256_HEX_BYTES, root) != 0) {
                rc = err_set(err, ERR_INVALID, "%s, row %" PRId64 ": records_root is no hash", name, reader.row);
            }
        } else if (rc == 0 && more) {
            rc = -1;
        }
    }
    csv_read_close(&reader);
    return rc;
}
