#include "reports/verify_constants.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
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
    return other;
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
