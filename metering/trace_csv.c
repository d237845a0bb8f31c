/*
 * The little of CSV that the trace files are made of.
 */
#include "common/err.h"
#include "metering/trace_internal.h"

#include <string.h>

void csv_open(struct csv *csv, const char *what, const char *text, size_t length)
{
    csv->what = what;
    csv->at = text;
    csv->end = text + length;
    csv->line = 0;
    csv->columns = 0;
}

int csv_fail(const struct csv *csv, struct err *err, const char *problem)
{
    return err_set(err, ERR_INVALID, "%s.csv, line %d: %s", csv->what, csv->line, problem);
}

int csv_next(struct csv *csv, bool *more, struct err *err)
{
    if (csv->at == csv->end) {
        *more = false;
        return 0;
    }
    csv->line++;
    const char *line_end = memchr(csv->at, '\n', (size_t)(csv->end - csv->at));
    const char *next = line_end != NULL ? line_end + 1 : csv->end;
    line_end = line_end != NULL ? line_end : csv->end;
    if (line_end > csv->at && line_end[-1] == '\r') {
        line_end--;
    }
    size_t count = 0;
    for (const char *from = csv->at;; count++) {
        const char *comma = memchr(from, ',', (size_t)(line_end - from));
        const char *to = comma != NULL ? comma : line_end;
        if (count == CSV_FIELDS_MAX) {
            return csv_fail(csv, err, "too many fields");
        }
        csv->fields[count] = (struct csv_field){.text = from, .length = (size_t)(to - from)};
        if (comma == NULL) {
            count++;
            break;
        }
        from = comma + 1;
    }
    if (csv->columns != 0 && count != csv->columns) {
        return csv_fail(csv, err, "it has not as many fields as the header");
    }
    csv->columns = count;
    csv->at = next;
    *more = true;
    return 0;
}

int csv_column(const struct csv *csv, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < csv->columns; i++) {
        if (csv->fields[i].length == length && memcmp(csv->fields[i].text, name, length) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool csv_decimal(struct csv_field field, uint64_t scale, uint64_t value_max, uint64_t *value)
{
    uint64_t sum = 0;
    uint64_t unit = scale;
    bool fraction = false;
    size_t digits = 0;
    for (size_t i = 0; i < field.length; i++) {
        char c = field.text[i];
        if (c == '.' && !fraction && digits > 0) {
            fraction = true;
            continue;
        }
        if (c < '0' || c > '9') {
            return false;
        }
        digits++;
        uint64_t digit = (uint64_t)(c - '0');
        if (fraction) {
            unit /= 10;
            sum += digit * unit;
        } else if (__builtin_mul_overflow(sum, UINT64_C(10), &sum) ||
                   __builtin_add_overflow(sum, digit * scale, &sum)) {
            return false;
        }
        if (sum > value_max) {
            return false;
        }
    }
    *value = sum;
    return digits > 0 && field.text[field.length - 1] != '.';
}
