#include "reports/verify.h"

#include "billing/bill.h"
#include "billing/bill_rate.h"
#include "billing/bill_rows.h"
#include "billing/rating.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/map.h"
#include "common/text.h"
#include "metering/record.h"
#include "reports/csv_read.h"
#include "reports/report_internal.h"
#include "reports/verify_capacity.h"
#include "reports/verify_constants.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct tally {
    struct map *seen;      /* request id and attempt of every record: an invocation counts once */
    struct map *functions; /* function_id to struct bill_usage */
    struct bill_usage *items;
    int count;
    int64_t account_id;
    char month[8];
    int64_t records;
    struct proof_file proof;
};

/* ---- records ---- */

static int number(const struct csv_reader *reader, const char *column, int64_t *value, struct err *err)
{
    const char *text = NULL;
    if (csv_read_field(reader, column, &text, err) != 0 || text_i64(text, column, 0, INT64_MAX, value, err) != 0) {
        return err_wrap(err, "%s, row %" PRId64, reader->name, reader->row);
    }
    return 0;
}

static struct bill_usage *function_of(struct tally *tally, int64_t function_id, const char *name)
{
    struct bill_usage *usage = map_get(tally->functions, &function_id, sizeof function_id);
    if (usage != NULL) {
        return usage;
    }
    usage = calloc(1, sizeof *usage);
    if (usage == NULL || map_put(tally->functions, &function_id, sizeof function_id, usage) != 0) {
        free(usage);
        return NULL;
    }
    usage->function_id = function_id;
    usage->version = -1;
    if (text_copy(usage->function_name, sizeof usage->function_name, name) != 0 || name[0] == '\0') {
        (void)snprintf(usage->function_name, sizeof usage->function_name, "fn_%" PRId64, function_id);
    }
    return usage;
}

static int same_account_and_month(struct tally *tally, const struct csv_reader *reader, struct err *err)
{
    const char *account = NULL;
    const char *started = NULL;
    int64_t id = 0;
    if (csv_read_field(reader, "account", &account, err) != 0 ||
        csv_read_field(reader, "started_at", &started, err) != 0 ||
        id_parse("acct", account, "account", &id, err) != 0) {
        return -1;
    }
    if (tally->records == 0) {
        tally->account_id = id;
        (void)snprintf(tally->month, sizeof tally->month, "%.7s", started);
    }
    if (id != tally->account_id || strncmp(started, tally->month, 7) != 0) {
        return err_set(err, ERR_INVALID,
                       "%s, row %" PRId64 ": it is of %s, %.7s; the rows before are of another account or month",
                       reader->name, reader->row, account, started);
    }
    return 0;
}

static int seen_once(struct tally *tally, const struct csv_reader *reader, struct err *err)
{
    const char *request = NULL;
    const char *attempt = NULL;
    char key[96];
    if (csv_read_field(reader, "request_id", &request, err) != 0 ||
        csv_read_field(reader, "attempt", &attempt, err) != 0) {
        return -1;
    }
    int length = snprintf(key, sizeof key, "%.60s %.20s", request, attempt);
    if (length < 0 || map_get(tally->seen, key, (size_t)length) != NULL) {
        return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": invocation %.60s, attempt %.20s, stands there twice",
                       reader->name, reader->row, request, attempt);
    }
    if (map_put(tally->seen, key, (size_t)length, tally) != 0) {
        return err_set(err, ERR_SYSTEM, "verify: out of memory");
    }
    return 0;
}

/* Columns that say again what flags say: a bill is made from flags. */
static int derived_columns(const struct csv_reader *reader, struct err *err)
{
    const char *arch = NULL;
    int64_t flags = 0, cold = 0, provisioned = 0;
    if (number(reader, "flags", &flags, err) != 0 || number(reader, "cold", &cold, err) != 0 ||
        number(reader, "provisioned", &provisioned, err) != 0 || csv_read_field(reader, "arch", &arch, err) != 0) {
        return -1;
    }
    const char *column = NULL;
    if (cold != ((flags & USAGE_FLAG_COLD) != 0)) {
        column = "cold";
    } else if (provisioned != ((flags & USAGE_FLAG_PROVISIONED) != 0)) {
        column = "provisioned";
    } else if (strcmp(arch, (flags & USAGE_FLAG_ARM64) != 0 ? "arm64" : "x86_64") != 0) {
        column = "arch";
    }
    return column == NULL ? 0
                          : err_set(err, ERR_INVALID, "%s, row %" PRId64 ": %s is not what flags (%" PRId64 ") say",
                                    reader->name, reader->row, column, flags);
}

static int tally_record(struct tally *tally, const struct csv_reader *reader, struct err *err)
{
    const char *arch = NULL;
    const char *name = NULL;
    const char *function = NULL;
    int64_t id = 0, billed_ms = 0, memory = 0, requests = 0, storage = 0, streamed = 0, provisioned = 0, mb_ms = 0;
    if (same_account_and_month(tally, reader, err) != 0 || seen_once(tally, reader, err) != 0 ||
        proof_file_add(&tally->proof, reader, err) != 0 || derived_columns(reader, err) != 0 ||
        csv_read_field(reader, "arch", &arch, err) != 0 || csv_read_field(reader, "function", &name, err) != 0 ||
        csv_read_field(reader, "function_id", &function, err) != 0 ||
        id_parse("fn", function, "function_id", &id, err) != 0 || number(reader, "billed_ms", &billed_ms, err) != 0 ||
        number(reader, "memory_mib", &memory, err) != 0 || number(reader, "billed_requests", &requests, err) != 0 ||
        number(reader, "storage_mb_ms", &storage, err) != 0 || number(reader, "streamed_bytes", &streamed, err) != 0 ||
        number(reader, "provisioned", &provisioned, err) != 0 || number(reader, "mb_ms", &mb_ms, err) != 0) {
        return -1;
    }
    int64_t product = 0;
    if (__builtin_mul_overflow(billed_ms, memory, &product) || product != mb_ms) {
        return err_set(err, ERR_INVALID,
                       "%s, row %" PRId64 ": mb_ms is %" PRId64 ", but billed_ms x memory_mib is %" PRId64,
                       reader->name, reader->row, mb_ms, product);
    }
    struct bill_usage *usage = function_of(tally, id, name);
    if (usage == NULL) {
        return err_set(err, ERR_SYSTEM, "verify: out of memory");
    }
    if (name[0] != '\0' && strcmp(usage->function_name, name) != 0) {
        return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": %s is called \"%.64s\" here and \"%s\" before",
                       reader->name, reader->row, function, name, usage->function_name);
    }
    bool arm = strcmp(arch, "arm64") == 0;
    enum meter compute = provisioned != 0 ? (arm ? METER_PROVISIONED_COMPUTE_ARM : METER_PROVISIONED_COMPUTE_X86)
                                          : (arm ? METER_COMPUTE_ARM : METER_COMPUTE_X86);
    int64_t *quantity = usage->quantity;
    if (__builtin_add_overflow(quantity[compute], mb_ms, &quantity[compute]) ||
        __builtin_add_overflow(quantity[METER_REQUESTS], requests, &quantity[METER_REQUESTS]) ||
        __builtin_add_overflow(quantity[METER_EPHEMERAL_STORAGE], storage, &quantity[METER_EPHEMERAL_STORAGE]) ||
        __builtin_add_overflow(quantity[METER_STREAMED_BYTES], streamed, &quantity[METER_STREAMED_BYTES])) {
        return err_set(err, ERR_LIMIT, "%s, row %" PRId64 ": the sum is more than can be counted", reader->name,
                       reader->row);
    }
    tally->records++;
    return 0;
}

static void collect(const void *key, size_t key_length, void *value, void *ctx)
{
    struct tally *tally = ctx;
    const struct bill_usage *usage = value;
    (void)key;
    (void)key_length;
    tally->items[tally->count++] = *usage;
    free(value);
}

/* The order of bills: function name, then id. It decides ties of the largest remainder. */
static int by_name(const void *a, const void *b)
{
    const struct bill_usage *left = a;
    const struct bill_usage *right = b;
    int order = strcmp(left->function_name, right->function_name);
    return order != 0 ? order : (left->function_id > right->function_id) - (left->function_id < right->function_id);
}

static int read_records(const struct verify_input *input, struct tally *tally, struct err *err)
{
    struct csv_reader reader;
    bool more = true;
    int rc = csv_read_open(&reader, input->records, input->records_name, err);
    while (rc == 0 && more) {
        rc = csv_read_row(&reader, &more, err);
        if (rc == 0 && more) {
            rc = tally_record(tally, &reader, err);
        }
    }
    csv_read_close(&reader);
    size_t count = map_count(tally->functions);
    tally->items = calloc(count + 1, sizeof *tally->items);
    if (tally->items == NULL) {
        return err_set(err, ERR_SYSTEM, "verify: out of memory");
    }
    map_each(tally->functions, collect, tally);
    qsort(tally->items, count, sizeof *tally->items, by_name);
    return rc;
}

/* ---- the bill ---- */

__attribute__((format(printf, 2, 3))) static void differs(struct verify_result *result, const char *format, ...)
{
    va_list args;
    if (result->difference[0] != '\0') {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(result->difference, sizeof result->difference, format, args);
    va_end(args);
}

static void compare(struct verify_result *result, const struct csv_reader *reader, const char *what, const char *column,
                    const char *expected)
{
    const char *found = NULL;
    struct err err;
    if (csv_read_field(reader, column, &found, &err) != 0) {
        differs(result, "%s", err.text);
    } else if (strcmp(found, expected) != 0) {
        differs(result, "row %" PRId64 " (%s): %s is %s in the bill; the records give %s", reader->row, what, column,
                found[0] != '\0' ? found : "empty", expected[0] != '\0' ? expected : "nothing");
    }
}

static void compare_line(struct verify_result *result, const struct csv_reader *reader, const struct bill *bill,
                         int index)
{
    const struct rated_line *line = &bill->lines[index];
    char what[96];
    char text[MONEY_TEXT_BYTES];
    bool metered = line->kind == LINE_USAGE;
    if (metered) {
        (void)snprintf(what, sizeof what, "line %d, %s band %d", index + 1, meter_name(line->meter), line->band);
    } else {
        (void)snprintf(what, sizeof what, "line %d, %.60s", index + 1, line->description);
    }
    (void)snprintf(text, sizeof text, "%d", index + 1);
    compare(result, reader, what, "line", text);
    if (metered) {
        compare(result, reader, what, "record_type", "line");
        compare(result, reader, what, "meter", meter_name(line->meter));
        (void)snprintf(text, sizeof text, "%d", line->band);
        compare(result, reader, what, "band", text);
        report_quantity(line->meter, line->quantity, text);
        compare(result, reader, what, "quantity", text);
        compare(result, reader, what, "unit", meter_pricing_unit(line->meter));
        decimal_format(line->contracted_price, text);
        compare(result, reader, what, "unit_price", text);
    }
    if (!metered) {
        compare(result, reader, what, "record_type", bill_line_kind_name(line->kind));
    }
    exact_format(line->exact_amount, text);
    compare(result, reader, what, "exact_amount", text);
    minor_format(line->amount_minor, &bill->currency, text);
    compare(result, reader, what, "amount", text);
    compare(result, reader, what, "function", "");
    compare(result, reader, what, "description", line->description);
}

static void compare_share(struct verify_result *result, const struct csv_reader *reader, const struct bill *bill,
                          int index)
{
    const struct bill_share *share = &bill->shares[index];
    const struct rated_line *line = &bill->lines[share->line];
    char what[128];
    char text[MONEY_TEXT_BYTES];
    (void)snprintf(what, sizeof what, "share of %s in line %d", share->function_name, share->line + 1);
    compare(result, reader, what, "function", share->function_name);
    report_quantity(line->meter, share->quantity, text);
    compare(result, reader, what, "quantity", text);
    minor_format(share->amount_minor, &bill->currency, text);
    compare(result, reader, what, "amount", text);
    (void)snprintf(text, sizeof text, "%d", share->line + 1);
    compare(result, reader, what, "line", text);
    compare(result, reader, what, "meter", meter_name(line->meter));
    (void)snprintf(text, sizeof text, "%d", line->band);
    compare(result, reader, what, "band", text);
    compare(result, reader, what, "unit", meter_pricing_unit(line->meter));
    decimal_format(line->contracted_price, text);
    compare(result, reader, what, "unit_price", text);
    exact_format(share->exact_amount, text);
    compare(result, reader, what, "exact_amount", text);
    compare(result, reader, what, "description", line->description);
}

/* Whose bill, of which month, in which money: on every row. */
static void compare_head(struct verify_result *result, const struct csv_reader *reader, const struct bill *bill,
                         const char *month)
{
    char account[ID_TEXT_BYTES];
    id_format("acct", bill->account_id, account);
    compare(result, reader, "whose bill it is", "account", account);
    compare(result, reader, "which month it is", "month", month);
    compare(result, reader, "which money it is in", "currency", bill->currency.code);
}

static void compare_constants(struct verify_result *result, const struct csv_reader *reader,
                              struct verify_constants *constants)
{
    const char *column = verify_constants_row(constants, reader);
    if (column != NULL) {
        differs(result, "row %" PRId64 ": %s is not what it is on the first row", reader->row, column);
    }
}

/* An estimate prints none, nor did older bills have the column. */
static void compare_root(struct verify_result *result, const struct csv_reader *reader)
{
    const char *stated = NULL;
    if (csv_read_field(reader, "records_root", &stated, NULL) != 0 || stated[0] == '\0') {
        return;
    }
    result->root_stated = true;
    if (strcmp(stated, result->records_root) != 0) {
        differs(result,
                "row %" PRId64 " (total): records_root is %.64s in the bill; the records, all they are and in order, "
                "give %s",
                reader->row, stated, result->records_root);
    }
}

/* Corrections of other months and credits do not follow from these records; what comes after them neither. */
static bool is_stated(const struct verify_result *result, const char *type)
{
    return strcmp(type, "correction") == 0 || strcmp(type, "credit") == 0 ||
           (result->stated > 0 &&
            (strcmp(type, "tax") == 0 || strcmp(type, "minimum_fee") == 0 || strcmp(type, "discount") == 0));
}

static int take_stated(struct verify_result *result, const struct csv_reader *reader, const struct bill *bill,
                       struct err *err)
{
    const char *text = NULL;
    char number[24];
    struct decimal amount;
    if (csv_read_field(reader, "amount", &text, err) != 0 ||
        decimal_parse(text, "amount", bill->currency.minor_digits, &amount, err) != 0) {
        return err_wrap(err, "%s, row %" PRId64, reader->name, reader->row);
    }
    for (; amount.scale < bill->currency.minor_digits; amount.scale++) {
        amount.value *= 10;
    }
    if (!verify_rounds(reader, amount.value, &bill->currency)) {
        differs(result, "row %" PRId64 ": exact_amount does not round to its amount", reader->row);
    }
    (void)snprintf(number, sizeof number, "%" PRId64, result->lines + result->stated + 1);
    compare(result, reader, "its place", "line", number);
    result->stated++;
    result->stated_minor += amount.value;
    return 0;
}

/* What the total must be: the computed lines up to where stated ones began, and the stated ones. */
static int64_t total_due(const struct verify_result *result, const struct bill *bill)
{
    int64_t sum = result->stated_minor;
    for (int64_t i = 0; i < result->lines; i++) {
        sum += bill->lines[i].amount_minor;
    }
    return result->stated > 0 ? sum : bill->total_minor;
}

static int compare_row(struct verify_result *result, const struct csv_reader *reader, const struct bill *bill,
                       bool *total, struct err *err)
{
    const char *type = NULL;
    char text[MONEY_TEXT_BYTES];
    if (csv_read_field(reader, "record_type", &type, err) != 0) {
        return -1;
    }
    if (strcmp(type, "total") == 0) {
        minor_format(total_due(result, bill), &bill->currency, text);
        compare(result, reader, "total", "amount", text);
        compare(result, reader, "total", "description", "Total");
        static const char *const EMPTY[] = {"line",     "meter", "band",       "function",
                                            "quantity", "unit",  "unit_price", "exact_amount"};
        for (size_t i = 0; i < sizeof EMPTY / sizeof EMPTY[0]; i++) {
            compare(result, reader, "total", EMPTY[i], "");
        }
        compare_root(result, reader);
        *total = true;
    } else if (is_stated(result, type)) {
        return take_stated(result, reader, bill, err);
    } else if (strcmp(type, "share") == 0 && result->shares < bill->share_count) {
        if (bill->shares[result->shares].line != result->lines - 1) {
            differs(result, "row %" PRId64 ": a share that does not stand below its line", reader->row);
        }
        compare_share(result, reader, bill, (int)result->shares++);
    } else if (strcmp(type, "share") != 0 && result->lines < bill->line_count) {
        compare_line(result, reader, bill, (int)result->lines++);
    } else {
        differs(result, "row %" PRId64 ": a %s that does not follow from the records", reader->row, type);
    }
    return 0;
}

static int compare_bill(const struct verify_input *input, const struct bill *bill, const char *month,
                        struct verify_result *result, struct err *err)
{
    struct csv_reader reader;
    bool more = true;
    bool total = false;
    struct verify_constants constants = {.known = false};
    int rc = csv_read_open(&reader, input->bill, input->bill_name, err);
    const char *odd = rc == 0 ? verify_odd_column(&reader) : NULL;
    if (odd != NULL) {
        differs(result, "the header has \"%.60s\" where a bill has another column", odd);
    }
    while (rc == 0 && more) {
        rc = csv_read_row(&reader, &more, err);
        if (rc == 0 && more && total) {
            differs(result, "row %" PRId64 ": it stands after the total; one account and month a file", reader.row);
        } else if (rc == 0 && more) {
            rc = verify_no_credit_note(&reader, err) == 0 ? compare_row(result, &reader, bill, &total, err) : -1;
            compare_head(result, &reader, bill, month);
            compare_constants(result, &reader, &constants);
        }
    }
    csv_read_close(&reader);
    int expected = bill->line_count;
    while (result->stated > 0 && expected > 0 && bill->lines[expected - 1].kind != LINE_USAGE) {
        expected--; /* fee and tax were stated after what does not follow from the records */
    }
    if (rc == 0 && result->lines < expected) {
        const struct rated_line *line = &bill->lines[result->lines];
        differs(result, "line %" PRId64 " (%s) is missing from the bill", result->lines + 1, line->description);
    } else if (rc == 0 && result->shares < bill->share_count) {
        differs(result, "the share of %s in line %d is missing from the bill",
                bill->shares[result->shares].function_name, bill->shares[result->shares].line + 1);
    } else if (rc == 0 && !total) {
        differs(result, "the total row is missing from the bill");
    }
    return rc;
}

int verify_bill(const struct verify_input *input, struct verify_result *result, struct err *err)
{
    struct tally tally = {.seen = map_new(), .functions = map_new()};
    struct bill *bill = calloc(1, sizeof *bill);
    struct bill_usage_list usage = {0};
    struct seal_month month;
    int rc = -1;

    *result = (struct verify_result){0};
    if (tally.seen == NULL || tally.functions == NULL || bill == NULL) {
        (void)err_set(err, ERR_SYSTEM, "verify: out of memory");
        goto out;
    }
    if (input->invocation != NULL && text_copy(tally.proof.wanted, sizeof tally.proof.wanted, input->invocation) != 0) {
        (void)err_field(err, "invocation", "invocation is \"%.60s\"; it is the UUID of a request", input->invocation);
        goto out;
    }
    if (read_records(input, &tally, err) != 0 || proof_file_month(&tally.proof, &month, err) != 0) {
        goto out;
    }
    hex_encode(month.root.bytes, sizeof month.root.bytes, result->records_root);
    if (input->invocation != NULL && proof_file_prove(&tally.proof, &month, &result->proof, err) != 0) {
        goto out;
    }
    usage = (struct bill_usage_list){.count = tally.count, .capacity = tally.count, .items = tally.items};
    tally.items = NULL;
    if (verify_capacity_take(input->bill, input->bill_name, &usage, &result->capacity, err) != 0) {
        goto out;
    }
    qsort(usage.items, (size_t)usage.count, sizeof *usage.items, by_name);
    bill->account_id = tally.account_id;
    bill->currency = *price_book_currency(input->book);
    if (bill_compute(input->book, &usage, bill, err) != 0 || compare_bill(input, bill, tally.month, result, err) != 0) {
        goto out;
    }
    result->records = tally.records;
    minor_format(total_due(result, bill), &bill->currency, result->total);
    (void)strncat(result->total, " ", sizeof result->total - strlen(result->total) - 1);
    (void)strncat(result->total, bill->currency.code, sizeof result->total - strlen(result->total) - 1);
    result->matches = result->difference[0] == '\0';
    rc = 0;
out:
    map_free(&tally.seen);
    map_free(&tally.functions);
    proof_file_free(&tally.proof);
    free(tally.items);
    free(usage.items);
    bill_free(&bill);
    return rc;
}
