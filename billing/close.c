#include "billing/close_internal.h"

#include "billing/bill_rate.h"
#include "billing/bill_rows.h"
#include "billing/close_extras.h"
#include "billing/invoice_notice.h"
#include "billing/price_book_internal.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "metering/seal.h"
#include "metering/usage.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CLOSE_BOOKS_MAX 16

struct known_book {
    char name[64];
    struct price_book *book;
    int64_t version;
};

struct close {
    const struct close_options *options;
    struct close_month_range range;
    struct usage_freshness freshness;
    char period[CALENDAR_TEXT_BYTES];
    int batch_limit;
    bool wait;     /* this pass waits for accounts another worker holds */
    int64_t after; /* cursor of this pass */
    int64_t issued, parked;
    struct close_result *result, pending; /* pending: with the batch at hand, once it is committed */
    int book_count, book_next;
    struct known_book books[CLOSE_BOOKS_MAX];
    struct bill *bills[CLOSE_BATCH_MAX]; /* of the batch at hand; NULL: nothing to bill, or parked */
    struct close_batch batch;
    struct close_extras extras;
    struct buf credit_uses; /* rows of account_credit_use */
};

/* ---- price books ---- */

static int find_book(struct close *close, struct pg *pg, const struct close_account *account, struct known_book **known,
                     struct err *err)
{
    for (int i = 0; i < close->book_count; i++) {
        if (strcmp(close->books[i].name, account->price_book) == 0) {
            *known = &close->books[i];
            return 0;
        }
    }
    struct known_book *slot = &close->books[close->book_next];
    price_book_free(&slot->book);
    slot->name[0] = '\0';
    if (price_book_load_named(pg, account->price_book, close->range.from_us, &slot->book, &slot->version, err) != 0) {
        return -1;
    }
    memcpy(slot->name, account->price_book, sizeof slot->name);
    close->book_next = (close->book_next + 1) % CLOSE_BOOKS_MAX;
    close->book_count += close->book_count < CLOSE_BOOKS_MAX ? 1 : 0;
    *known = slot;
    return 0;
}

/* ---- rating ---- */

static int rate_account(struct close *close, struct pg *pg, const struct close_account *account, struct bill *bill,
                        struct err *err)
{
    struct bill_usage item = {.version = -1};
    struct bill_usage_list usage = {.count = 1, .capacity = 1, .items = &item};
    struct bill_extras extras;
    struct price_book *own = NULL;
    const struct price_book *book = NULL;
    int rc = -1;

    memcpy(item.quantity, account->totals.quantity, sizeof item.quantity);
    if (account->overridden) {
        if (price_book_load(pg, account->account_id, close->range.from_us, &own, &bill->price_version, err) != 0) {
            return -1;
        }
        book = own;
    } else {
        struct known_book *known = NULL;
        if (find_book(close, pg, account, &known, err) != 0) {
            return -1;
        }
        book = known->book;
        bill->price_version = known->version;
    }
    bill->currency = *price_book_currency(book);
    rc = close_extras_of(&close->extras, pg, account, &extras, err);
    if (rc == 0) {
        rc = bill_compute_with(book, &usage, &extras, bill, err);
    }
    if (rc == 0 && bill->total_minor < 0) {
        char total[MONEY_TEXT_BYTES];
        minor_format(bill->total_minor, &bill->currency, total);
        rc = err_set(err, ERR_LIMIT,
                     "the total would be %s: corrections take more than the month charges; write a credit note", total);
    }
    if (rc == 0) {
        close_extras_put_uses(&extras, account, &close->credit_uses);
    }
    price_book_free(&own);
    return rc;
}

/* An account that cannot be billed is parked and does not hold up the others; trouble with the database does. */
static int rate_or_park(struct close *close, struct pg *pg, int index, struct err *err)
{
    const struct close_account *account = &close->batch.accounts[index];
    struct err why = {0};
    struct bill *bill = calloc(1, sizeof *bill);
    if (bill == NULL) {
        return err_set(err, ERR_SYSTEM, "close: out of memory");
    }
    if (rate_account(close, pg, account, bill, &why) != 0) {
        bill_free(&bill);
        if (why.code != ERR_NOT_FOUND && why.code != ERR_INVALID && why.code != ERR_LIMIT) {
            *err = why;
            return -1;
        }
        close->parked++;
        return close->options->dry_run ? 0
                                       : close_store_park(pg, account->account_id, close->range.from_us, why.text, err);
    }
    if (bill->line_count == 0) {
        bill_free(&bill);
    }
    close->bills[index] = bill;
    return 0;
}

/* ---- documents ---- */

/* Text of COPY: backslash, tab, newline and carriage return are escaped. */
static void copy_text(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        switch (*c) {
        case '\\':
            buf_puts(out, "\\\\");
            break;
        case '\t':
            buf_puts(out, "\\t");
            break;
        case '\n':
            buf_puts(out, "\\n");
            break;
        case '\r':
            buf_puts(out, "\\r");
            break;
        default:
            buf_putc(out, *c);
        }
    }
}

static void put_line(struct buf *out, const struct close *close, const struct close_account *account,
                     const struct rated_line *line, int number)
{
    bool metered = line->kind == LINE_USAGE || line->kind == LINE_CORRECTION;
    char price[MONEY_TEXT_BYTES];
    char list[MONEY_TEXT_BYTES];
    char exact[MONEY_TEXT_BYTES];
    char residue[MONEY_TEXT_BYTES];
    char period[CALENDAR_TEXT_BYTES];
    decimal_format(line->contracted_price, price);
    decimal_format(line->list_price, list);
    exact_format(line->exact_amount, exact);
    exact_format(line->residue, residue);
    calendar_format_day(line->period_us, period);
    buf_printf(out, "%" PRId64 "\t%" PRId64 "\t%d\t%s\t%s\t%d\t", account->account_id, account->invoice_id, number,
               bill_line_kind_name(line->kind), metered ? meter_name(line->meter) : "", line->band);
    copy_text(out, line->price_id);
    buf_putc(out, '\t');
    copy_text(out, line->description);
    buf_printf(out, "\t%" PRId64 "\t%s\t%s\t%s\t%" PRId64 "\t%s\t{\"residue\":\"%s\",\"pricing_unit\":\"%s\"",
               line->quantity, metered ? meter_unit(line->meter) : "", price, exact, line->amount_minor,
               line->period_us != 0 ? period : close->period, residue, metered ? meter_pricing_unit(line->meter) : "");
    if (metered && strcmp(list, price) != 0) {
        buf_printf(out, ",\"list_price\":\"%s\"", list);
    }
    if (line->packages != 0) {
        buf_printf(out, ",\"packages\":%" PRId64, line->packages);
    }
    buf_puts(out, "}\n");
}

/* Names and addresses as they are now: what is printed later must not follow the account. */
static void put_names(struct buf *out, const struct close_account *account, struct buf *scratch)
{
    struct json_writer writer;
    buf_clear(scratch);
    json_writer_init(&writer, scratch);
    json_open_object(&writer, NULL);
    json_put_text(&writer, "name", account->name);
    json_put_text(&writer, "display_name", account->display_name);
    if (account->records_root[0] != '\0') {
        json_put_text(&writer, "records_root", account->records_root);
    }
    if (account->billing != NULL) {
        json_put_raw(&writer, "billing", account->billing);
    }
    json_close_object(&writer);
    copy_text(out, buf_text(scratch));
}

/* The head of the document; its digest covers every field of it and of the lines. */
static void put_document(struct buf *out, const struct close *close, const struct close_account *account,
                         const struct bill *bill, const char *number, int64_t issued_us, const char *lines,
                         size_t lines_length, struct buf *scratch)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_BYTES];
    char complete[CALENDAR_TEXT_BYTES];
    char issued[CALENDAR_TEXT_BYTES];
    char due[CALENDAR_TEXT_BYTES];
    size_t start = out->length;
    struct sha256 *state = sha256_new();

    calendar_format_us(close->freshness.complete_through_us, complete);
    calendar_format_us(issued_us, issued);
    calendar_format_us(issued_us + CLOSE_DUE_DAYS * CALENDAR_DAY_US, due);
    buf_printf(out, "%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%s\t%s\t%s\t%d\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t",
               account->account_id, account->invoice_id, account->revision, number, close->period, bill->currency.code,
               bill->currency.minor_digits, bill->net_minor, bill->tax_minor, bill->total_minor);
    copy_text(out, account->price_book);
    buf_printf(out, "\t%" PRId64 "\t%s\t%s\t%s\t", bill->price_version, complete, issued, due);
    put_names(out, account, scratch);
    if (buf_ok(out)) {
        sha256_update(state, out->data + start, out->length - start);
    }
    sha256_update(state, "\n", 1);
    sha256_update(state, lines, lines_length);
    sha256_end(&state, digest);
    hex_encode(digest, sizeof digest, hex);
    buf_printf(out, "\t\\\\x%s\n", hex);
}

/* ---- one batch: one transaction ---- */

static int write_invoices(struct close *close, struct pg *pg, struct err *err)
{
    struct buf lines = {0};
    struct buf documents = {0};
    struct buf scratch = {0};
    size_t *starts = calloc(CLOSE_BATCH_MAX + 1, sizeof *starts);
    struct civil now = {0};
    int64_t number = 0;
    int64_t count = 0;
    int64_t issued_us = clock_wall_us();
    int rc = -1;

    if (starts == NULL) {
        return err_set(err, ERR_SYSTEM, "close: out of memory");
    }
    calendar_split(issued_us, &now);
    for (int i = 0; i < close->batch.count; i++) {
        const struct bill *bill = close->bills[i];
        starts[i] = lines.length;
        for (int k = 0; bill != NULL && k < bill->line_count; k++) {
            put_line(&lines, close, &close->batch.accounts[i], &bill->lines[k], k + 1);
        }
        starts[i + 1] = lines.length;
        count += bill != NULL ? 1 : 0;
    }
    /* The lock on the series is the one thing workers share: taken as late as can be. */
    if (count > 0 && (close_store_copy(pg, &lines, CLOSE_LINES, err) != 0 ||
                      close_store_copy(pg, &close->credit_uses, CLOSE_CREDIT_USES, err) != 0 ||
                      close_store_numbers(pg, "INV", now.year, count, &number, err) != 0)) {
        goto out;
    }
    number -= count;
    for (int i = 0; i < close->batch.count; i++) {
        if (close->bills[i] != NULL) {
            struct buf text = {0};
            buf_printf(&text, "INV-%04d-%06" PRId64, now.year, ++number);
            put_document(&documents, close, &close->batch.accounts[i], close->bills[i], buf_text(&text), issued_us,
                         lines.data + starts[i], starts[i + 1] - starts[i], &scratch);
            buf_free(&text);
        }
    }
    if (count > 0 && (close_store_copy(pg, &documents, CLOSE_DOCUMENTS, err) != 0 ||
                      invoice_notice_queue(pg, close->batch.accounts[0].account_id,
                                           close->batch.accounts[close->batch.count - 1].account_id,
                                           close->range.from_us, issued_us, err) != 0)) {
        goto out;
    }
    close->issued = count;
    rc = 0;
out:
    free(starts);
    buf_free(&lines);
    buf_free(&documents);
    buf_free(&scratch);
    return rc;
}

/* Beyond CLOSE_CURRENCIES_MAX currencies the rest is not summed; nothing hangs on these sums. */
static void add_totals(struct close *close)
{
    close->pending = *close->result;
    for (int i = 0; i < close->batch.count; i++) {
        const struct bill *bill = close->bills[i];
        int at = 0;
        while (bill != NULL && at < close->pending.currencies &&
               strcmp(close->pending.totals[at].currency.code, bill->currency.code) != 0) {
            at++;
        }
        if (bill == NULL || at == CLOSE_CURRENCIES_MAX) {
            continue;
        }
        if (at == close->pending.currencies) {
            close->pending.totals[close->pending.currencies++] = (struct close_total){.currency = bill->currency};
        }
        close->pending.totals[at].total_minor += bill->total_minor;
    }
}

static int batch_in_tx(struct pg *pg, void *ctx, struct err *err)
{
    struct close *close = ctx;
    int rc = 0;
    close->issued = 0;
    close->pending = *close->result;
    if (close_store_batch(pg, &close->range, close->options->accounts, close->after, close->batch_limit, close->wait,
                          &close->batch, err) != 0) {
        return -1;
    }
    buf_clear(&close->credit_uses);
    rc = close_extras_load(&close->extras, pg, &close->batch, close->range.from_us, err);
    for (int i = 0; rc == 0 && i < close->batch.count; i++) {
        rc = rate_or_park(close, pg, i, err);
    }
    if (rc == 0 && close->options->dry_run) {
        for (int i = 0; i < close->batch.count; i++) {
            close->issued += close->bills[i] != NULL;
        }
    } else if (rc == 0) {
        rc = write_invoices(close, pg, err);
    }
    if (rc == 0) {
        add_totals(close);
    }
    for (int i = 0; i < close->batch.count; i++) {
        bill_free(&close->bills[i]);
        free(close->batch.accounts[i].billing);
    }
    return rc;
}

/* ---- the month ---- */

static int check_ready(struct close *close, struct pg *pg, struct err *err)
{
    char through[CALENDAR_TEXT_BYTES];
    int64_t wanted_us = close->range.to_us + close->options->grace_us;
    if (clock_wall_us() < wanted_us) {
        calendar_format(wanted_us, through);
        return err_field(err, "month", "the month can be closed from %s on", through);
    }
    if (usage_freshness_get(pg, &close->freshness, err) != 0) {
        return err_wrap(err, "close");
    }
    if (close->freshness.complete_through_us < close->range.to_us) {
        calendar_format(close->freshness.complete_through_us, through);
        return err_set(err, ERR_RETRY, "usage is complete through %s only: records of the month may still arrive",
                       through);
    }
    return 0;
}

/* What a later invoice bills of this month must not be billed again. */
static int check_reissue(const struct close *close, struct pg *pg, struct err *err)
{
    char number[CLOSE_NUMBER_BYTES];
    if (!close->range.reissue) {
        return 0;
    }
    if (close_store_corrected(pg, close->range.from_us, close->options->accounts, number, err) != 0) {
        return -1;
    }
    return number[0] == '\0'
               ? 0
               : err_set(err, ERR_CONFLICT,
                         "%s bills corrections of this month and would be billed twice: credit it first", number);
}

static int run_passes(struct close *close, struct pg *pg, int64_t total, struct close_result *result, struct err *err)
{
    close->result = result;
    for (int pass = 0; pass < (close->options->dry_run ? 1 : 2); pass++) {
        int64_t seen = 0;
        close->wait = pass == 1;
        close->after = 0;
        do {
            if (pg_tx_at(pg, PG_READ_COMMITTED, batch_in_tx, close, err) != 0) {
                return -1;
            }
            *result = close->pending;
            result->issued += close->issued;
            seen += close->batch.locked;
            close->after = close->batch.last_account;
            if (close->options->batch == 0 && close->batch_limit < CLOSE_BATCH_DEFAULT) {
                int twice = close->batch_limit * 2;
                close->batch_limit = twice < CLOSE_BATCH_DEFAULT ? twice : CLOSE_BATCH_DEFAULT;
            }
            if (close->options->progress != NULL) {
                close->options->progress(seen, total, result->issued, close->options->ctx);
            }
        } while (close->batch.locked > 0);
    }
    return 0;
}

/* Earlier months too: what was sealed anew there is corrected by this close. */
static int prepare(struct close *close, struct pg *pg, struct err *err)
{
    const struct close_options *options = close->options;
    struct seal_result sealed = {0};
    if (options->skip_checks || options->dry_run) {
        return 0;
    }
    if (!options->skip_seal && seal_days(pg, close->range.from_us - CORRECTION_MONTHS * 31 * CALENDAR_DAY_US,
                                         close->range.to_us, &sealed, err) != 0) {
        return -1;
    }
    return close_store_check(pg, &close->range, !options->skip_crosscheck, err);
}

int close_month(struct pg *pg, const struct close_options *options, struct close_result *result, struct err *err)
{
    struct close *close = calloc(1, sizeof *close);
    int64_t total = 0;
    int rc = -1;

    CHECK(!options->reissue || options->accounts != NULL);
    CHECK(options->batch >= 0 && options->batch <= CLOSE_BATCH_MAX);
    if (close == NULL) {
        return err_set(err, ERR_SYSTEM, "close: out of memory");
    }
    close->options = options;
    close->batch_limit = options->batch == 0 ? CLOSE_BATCH_FIRST : options->batch;
    month_range(options->month, &close->range.from_us, &close->range.to_us);
    calendar_format_day(close->range.from_us, close->period);
    close->range.reissue = options->reissue;
    struct close_result done = {0};
    if (check_ready(close, pg, err) != 0 || check_reissue(close, pg, err) != 0 || prepare(close, pg, err) != 0 ||
        close_store_counts(pg, close->range.from_us, &total, &done.existing, err) != 0 ||
        run_passes(close, pg, total, &done, err) != 0 ||
        close_store_parked(pg, close->range.from_us, &done.parked, err) != 0) {
        goto out;
    }
    done.parked += options->dry_run ? close->parked : 0;
    *result = done;
    rc = 0;
out:
    for (int i = 0; i < CLOSE_BOOKS_MAX; i++) {
        price_book_free(&close->books[i].book);
    }
    close_extras_free(&close->extras);
    buf_free(&close->batch.ids);
    buf_free(&close->credit_uses);
    free(close);
    return rc;
}
