/*
 * close_store.c - the month close in PostgreSQL.
 */
#include "billing/bill_rows.h"
#include "billing/close_internal.h"

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "metering/seal.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* An account is done when it has an invoice of the month that is not void (nor credited, where the parameter named
 * reissue says that such months are billed anew), or is parked. OFFSET 0 keeps this a look into an index for each
 * account of a batch: as a join it was planned anew while the invoices grew, and beyond some 300,000 every batch went
 * through those of all batches before it. */
#define NOT_DONE(reissue)                                                                                              \
    "NOT EXISTS (SELECT FROM invoice_document d WHERE d.account_id = a.account_id AND d.period = "                     \
    "($1::timestamptz AT TIME ZONE 'UTC')::date AND d.kind = 'invoice' AND NOT EXISTS (SELECT FROM invoice_event e "   \
    "WHERE e.account_id = d.account_id AND e.invoice_id = d.invoice_id "                                               \
    "AND (e.state = 'void' OR " reissue "::bool)) OFFSET 0) "                                                          \
    "AND NOT EXISTS (SELECT FROM invoice_park p WHERE p.account_id = a.account_id AND p.period = "                     \
    "($1::timestamptz AT TIME ZONE 'UTC')::date OFFSET 0) "

#define LOCK_SQL                                                                                                       \
    "SELECT a.account_id FROM account a WHERE a.account_id > $2::int8 "                                                \
    "AND ($4::int8[] IS NULL OR a.account_id = ANY ($4::int8[])) AND " NOT_DONE(                                       \
        "$5") "ORDER BY a.account_id LIMIT $3::int8 FOR NO KEY UPDATE OF a"

static const struct pg_stmt CLOSE_LOCK_FREE = {
    .name = "close.lock_free", .sql = LOCK_SQL " SKIP LOCKED", .expect = PG_ANY_ROWS};
static const struct pg_stmt CLOSE_LOCK_ALL = {.name = "close.lock_all", .sql = LOCK_SQL, .expect = PG_ANY_ROWS};
/* A second statement, so a second snapshot: what another worker issued before it let go of the lock is seen here. */
static const struct pg_stmt CLOSE_USAGE = {
    .name = "close.usage",
    .sql = "SELECT a.account_id, nextval('invoice_invoice_id_seq') AS invoice_id, a.name, a.display_name, "
           "a.price_book, nullif(a.billing, '{}')::text AS billing, "
           "coalesce(u.requests, 0) AS requests, coalesce(u.x86, 0) AS x86, coalesce(u.arm, 0) AS arm, "
           "coalesce(u.provisioned_x86, 0) AS provisioned_x86, coalesce(u.provisioned_arm, 0) AS provisioned_arm, "
           "coalesce(u.capacity_x86, 0) AS capacity_x86, coalesce(u.capacity_arm, 0) AS capacity_arm, "
           "coalesce(u.storage, 0) AS storage, coalesce(u.streamed, 0) AS streamed, "
           "(SELECT count(*) FROM invoice_document d WHERE d.account_id = a.account_id AND d.kind = 'invoice' "
           "AND d.period = ($1::timestamptz AT TIME ZONE 'UTC')::date) AS revision, "
           "EXISTS (SELECT FROM price_override o WHERE o.account_id = a.account_id "
           "AND o.effective_from <= $1::timestamptz) AS overridden "
           "FROM account a LEFT JOIN (SELECT account_id, counted(sum(billed_requests)) AS requests, "
           "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 0), 0)) AS x86, "
           "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 0), 0)) AS arm, "
           "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 1), 0)) AS provisioned_x86, "
           "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 1), 0)) AS provisioned_arm, "
           "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 2), 0)) AS capacity_x86, "
           "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 2), 0)) AS capacity_arm, "
           "counted(sum(storage_mb_ms)) AS storage, counted(sum(streamed_bytes)) AS streamed FROM (SELECT account_id, "
           "hour, " USAGE_COLUMNS " FROM usage_hourly "
           "WHERE account_id = ANY ($3::int8[]) AND hour >= $1::timestamptz AND hour < $2::timestamptz "
           "UNION ALL SELECT * FROM provisioned_usage($3::int8[], $1::timestamptz, $2::timestamptz, "
           "$2::timestamptz - $1::timestamptz)) m GROUP BY account_id) u USING (account_id) WHERE a.account_id = ANY "
           "($3::int8[]) AND " NOT_DONE("$4") "ORDER BY a.account_id",
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt CLOSE_SEALS = {
    .name = "close.seals",
    .sql = "SELECT DISTINCT ON (account_id, day) account_id, day::timestamp AT TIME ZONE 'UTC' AS at, records, root "
           "FROM usage_seal WHERE account_id = ANY ($3::int8[]) AND day >= ($1::timestamptz AT TIME ZONE 'UTC')::date "
           "AND day < ($2::timestamptz AT TIME ZONE 'UTC')::date ORDER BY account_id, day, run_id DESC",
    .expect = PG_ANY_ROWS,
};
/* Corrections of the month on later invoices that stand, of accounts whose invoice of the month was credited. */
static const struct pg_stmt CLOSE_CORRECTED = {
    .name = "close.corrected",
    .sql = "SELECT i.number FROM invoice_line l JOIN invoice i USING (account_id, invoice_id) "
           "WHERE l.account_id = ANY ($2::int8[]) AND l.kind = 'correction' "
           "AND l.period = ($1::timestamptz AT TIME ZONE 'UTC')::date AND i.kind = 'invoice' AND i.state = 'issued' "
           "AND EXISTS (SELECT FROM invoice c WHERE c.account_id = l.account_id AND c.kind = 'invoice' "
           "AND c.period = l.period AND c.state = 'credited') "
           "AND NOT EXISTS (SELECT FROM invoice c WHERE c.account_id = l.account_id AND c.kind = 'invoice' "
           "AND c.period = l.period AND c.state = 'issued') ORDER BY i.number LIMIT 1",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt CLOSE_COUNTS = {
    .name = "close.counts",
    .sql = "SELECT (SELECT count(*) FROM account) AS accounts, (SELECT count(*) FROM invoice WHERE kind = 'invoice' "
           "AND state <> 'void' AND period = ($1::timestamptz AT TIME ZONE 'UTC')::date) AS existing",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt CLOSE_PARKED = {
    .name = "close.parked",
    .sql = "SELECT count(*) AS parked FROM invoice_park WHERE period = ($1::timestamptz AT TIME ZONE 'UTC')::date",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt CLOSE_UNPARK = {
    .name = "close.unpark",
    .sql = "DELETE FROM invoice_park WHERE period = ($1::timestamptz AT TIME ZONE 'UTC')::date",
    .expect = PG_NO_ROWS,
};
/* Days whose records were dropped have nothing to compare with. */
static const struct pg_stmt CLOSE_CROSSCHECK = {
    .name = "close.crosscheck",
    .sql = "INSERT INTO invoice_park (account_id, period, reason) "
           "WITH r AS (SELECT account_id, date_trunc('day', started_at) AS day, sum(billed_requests) AS requests, "
           "sum(memory_mib::int8 * billed_ms) AS mb_ms FROM usage_record "
           "WHERE started_at >= $1::timestamptz AND started_at < $2::timestamptz GROUP BY 1, 2), "
           "h AS (SELECT account_id, date_trunc('day', hour) AS day, sum(billed_requests) AS requests, "
           "sum(mb_ms) AS mb_ms FROM usage_hourly WHERE hour >= $1::timestamptz AND hour < $2::timestamptz "
           "AND date_trunc('day', hour) IN (SELECT day FROM r) GROUP BY 1, 2) "
           "SELECT account_id, ($1::timestamptz AT TIME ZONE 'UTC')::date, 'records and rollups differ by ' || "
           "sum(coalesce(r.requests, 0) - coalesce(h.requests, 0)) || ' requests and ' || "
           "sum(coalesce(r.mb_ms, 0) - coalesce(h.mb_ms, 0)) || ' MB-ms' "
           "FROM r FULL JOIN h USING (account_id, day) "
           "WHERE (coalesce(r.requests, 0), coalesce(r.mb_ms, 0)) <> (coalesce(h.requests, 0), coalesce(h.mb_ms, 0)) "
           "GROUP BY account_id ON CONFLICT DO NOTHING",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt CLOSE_PARK = {
    .name = "close.park",
    .sql = "INSERT INTO invoice_park (account_id, period, reason) VALUES ($1::int8, "
           "($2::timestamptz AT TIME ZONE 'UTC')::date, $3::text) ON CONFLICT DO NOTHING",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt CLOSE_NUMBERS = {
    .name = "close.numbers",
    .sql = "INSERT INTO invoice_series AS s (series, year, last_number) VALUES ($1::text, $2::int4, $3::int8) "
           "ON CONFLICT (series, year) DO UPDATE SET last_number = s.last_number + excluded.last_number "
           "RETURNING last_number",
    .expect = PG_ONE_ROW,
};
static const struct pg_stmt CLOSE_COPY_LINES = {
    .name = "close.copy_lines",
    .sql = "COPY invoice_line (account_id, invoice_id, line, kind, meter, band, price_id, description, quantity, unit, "
           "unit_price, exact_amount, amount_minor, period, detail) FROM STDIN",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt CLOSE_COPY_CREDIT_USES = {
    .name = "close.copy_credit_uses",
    .sql = "COPY account_credit_use (account_id, credit_id, invoice_id, amount_minor) FROM STDIN",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt CLOSE_COPY_DOCUMENTS = {
    .name = "close.copy_documents",
    .sql =
        "COPY invoice_document (account_id, invoice_id, revision, number, period, currency, minor_digits, "
        "net_minor, tax_minor, total_minor, price_book, price_version, complete_through, issued_at, due_at, document, "
        "digest) FROM STDIN",
    .expect = PG_NO_ROWS,
};
static int take_counts(const struct pg_row *row, void *ctx, struct err *err)
{
    int64_t *counts = ctx;
    (void)err;
    counts[0] = pg_get_i64(row, "accounts");
    counts[1] = pg_get_i64(row, "existing");
    return 0;
}

int close_store_counts(struct pg *pg, int64_t from_us, int64_t *accounts, int64_t *existing, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_END};
    int64_t counts[2] = {0};
    if (pg_run(pg, &CLOSE_COUNTS, params, take_counts, counts, NULL, err) != 0) {
        return -1;
    }
    *accounts = counts[0];
    *existing = counts[1];
    return 0;
}

static int take_parked(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "parked");
    return 0;
}

int close_store_parked(struct pg *pg, int64_t from_us, int64_t *parked, struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &CLOSE_PARKED, params, take_parked, parked, NULL, err);
}

struct check_ctx {
    const struct close_month_range *range;
    bool crosscheck;
};

static int check_in_tx(struct pg *pg, void *ctx, struct err *err)
{
    const struct check_ctx *check = ctx;
    const struct pg_param month[] = {PG_P_TIME(check->range->from_us), PG_P_END};
    const struct pg_param range[] = {PG_P_TIME(check->range->from_us), PG_P_TIME(check->range->to_us), PG_P_END};
    if (pg_run(pg, &CLOSE_UNPARK, month, NULL, NULL, NULL, err) != 0) {
        return -1;
    }
    return check->crosscheck ? pg_run(pg, &CLOSE_CROSSCHECK, range, NULL, NULL, NULL, err) : 0;
}

int close_store_check(struct pg *pg, const struct close_month_range *range, bool crosscheck, struct err *err)
{
    struct check_ctx check = {.range = range, .crosscheck = crosscheck};
    return pg_tx_at(pg, PG_READ_COMMITTED, check_in_tx, &check, err);
}

int close_store_park(struct pg *pg, int64_t account_id, int64_t from_us, const char *reason, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TIME(from_us), PG_P_TEXT(reason), PG_P_END};
    return pg_run(pg, &CLOSE_PARK, params, NULL, NULL, NULL, err);
}

static int take_locked(const struct pg_row *row, void *ctx, struct err *err)
{
    struct close_batch *batch = ctx;
    (void)err;
    batch->last_account = pg_get_i64(row, "account_id");
    buf_putc(&batch->ids, batch->locked++ == 0 ? '{' : ',');
    buf_i64(&batch->ids, batch->last_account);
    return 0;
}

static int take_usage(const struct pg_row *row, void *ctx, struct err *err)
{
    struct close_batch *batch = ctx;
    struct close_account *account = &batch->accounts[batch->count++];
    (void)err;
    *account = (struct close_account){
        .account_id = pg_get_i64(row, "account_id"),
        .invoice_id = pg_get_i64(row, "invoice_id"),
        .revision = pg_get_i64(row, "revision"),
        .overridden = pg_get_bool(row, "overridden"),
        .totals = {.quantity = {[METER_REQUESTS] = pg_get_i64(row, "requests"),
                                [METER_COMPUTE_X86] = pg_get_i64(row, "x86"),
                                [METER_COMPUTE_ARM] = pg_get_i64(row, "arm"),
                                [METER_PROVISIONED_COMPUTE_X86] = pg_get_i64(row, "provisioned_x86"),
                                [METER_PROVISIONED_COMPUTE_ARM] = pg_get_i64(row, "provisioned_arm"),
                                [METER_PROVISIONED_X86] = pg_get_i64(row, "capacity_x86"),
                                [METER_PROVISIONED_ARM] = pg_get_i64(row, "capacity_arm"),
                                [METER_EPHEMERAL_STORAGE] = pg_get_i64(row, "storage"),
                                [METER_STREAMED_BYTES] = pg_get_i64(row, "streamed")}},
    };
    (void)snprintf(account->name, sizeof account->name, "%s", pg_get_text(row, "name"));
    (void)snprintf(account->display_name, sizeof account->display_name, "%s", pg_get_text(row, "display_name"));
    (void)snprintf(account->price_book, sizeof account->price_book, "%s", pg_get_text(row, "price_book"));
    account->billing = pg_is_null(row, "billing") ? NULL : strdup(pg_get_text(row, "billing"));
    return 0;
}

struct seals {
    struct close_batch *batch;
    int at; /* the account of month */
    struct seal_month month;
};

static void put_root(struct seals *seals)
{
    if (seals->month.days > 0) {
        seal_month_sum(&seals->month);
        hex_encode(seals->month.root.bytes, SHA256_BYTES, seals->batch->accounts[seals->at].records_root);
    }
    seals->month.days = 0;
}

/* Seals come in order of account, as the accounts of the batch stand. */
static int take_seal(const struct pg_row *row, void *ctx, struct err *err)
{
    struct seals *seals = ctx;
    int64_t account_id = pg_get_i64(row, "account_id");
    size_t length = 0;
    const void *root = pg_get_bytes(row, "root", &length);
    if (seals->month.account_id != account_id) {
        put_root(seals);
        while (seals->at < seals->batch->count && seals->batch->accounts[seals->at].account_id < account_id) {
            seals->at++;
        }
        seals->month.account_id = account_id;
    }
    bool wanted = seals->at < seals->batch->count && seals->batch->accounts[seals->at].account_id == account_id;
    if (!wanted || pg_get_i64(row, "records") == 0) {
        return 0;
    }
    if (root == NULL || length != SHA256_BYTES || seals->month.days == SEAL_DAYS_MAX) {
        return err_set(err, ERR_SYSTEM, "the seals of acct_%" PRId64 " cannot be read", account_id);
    }
    struct seal_day *day = &seals->month.day[seals->month.days++];
    *day = (struct seal_day){.day_us = pg_get_time(row, "at"), .records = pg_get_i64(row, "records")};
    memcpy(day->root.bytes, root, SHA256_BYTES);
    return 0;
}

static int take_number(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    (void)text_copy(ctx, CLOSE_NUMBER_BYTES, pg_get_text(row, "number"));
    return 0;
}

int close_store_corrected(struct pg *pg, int64_t from_us, const char *accounts, char number[CLOSE_NUMBER_BYTES],
                          struct err *err)
{
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_TEXT(accounts), PG_P_END};
    number[0] = '\0';
    return pg_run(pg, &CLOSE_CORRECTED, params, take_number, number, NULL, err);
}

int close_store_batch(struct pg *pg, const struct close_month_range *range, const char *accounts, int64_t after,
                      int limit, bool wait, struct close_batch *batch, struct err *err)
{
    const struct pg_param locking[] = {PG_P_TIME(range->from_us), PG_P_I64(after),           PG_P_I64(limit),
                                       PG_P_TEXT(accounts),       PG_P_BOOL(range->reissue), PG_P_END};
    batch->count = 0;
    batch->locked = 0;
    batch->last_account = 0;
    buf_clear(&batch->ids);
    if (pg_run(pg, wait ? &CLOSE_LOCK_ALL : &CLOSE_LOCK_FREE, locking, take_locked, batch, NULL, err) != 0) {
        return -1;
    }
    if (batch->locked == 0) {
        return 0;
    }
    buf_putc(&batch->ids, '}');
    const struct pg_param sealed[] = {PG_P_TIME(range->from_us), PG_P_TIME(range->to_us),
                                      PG_P_TEXT(buf_text(&batch->ids)), PG_P_END};
    const struct pg_param params[] = {PG_P_TIME(range->from_us), PG_P_TIME(range->to_us),
                                      PG_P_TEXT(buf_text(&batch->ids)), PG_P_BOOL(range->reissue), PG_P_END};
    struct seals seals = {.batch = batch};
    if (pg_run(pg, &CLOSE_USAGE, params, take_usage, batch, NULL, err) != 0 ||
        pg_run(pg, &CLOSE_SEALS, sealed, take_seal, &seals, NULL, err) != 0) {
        return -1;
    }
    put_root(&seals);
    return 0;
}

static int take_last(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "last_number");
    return 0;
}

int close_store_numbers(struct pg *pg, const char *series, int year, int64_t count, int64_t *last, struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(series), PG_P_I64(year), PG_P_I64(count), PG_P_END};
    return pg_run(pg, &CLOSE_NUMBERS, params, take_last, last, NULL, err);
}

int close_store_copy(struct pg *pg, const struct buf *rows, enum close_table table, struct err *err)
{
    static const struct pg_stmt *const COPIES[] = {[CLOSE_LINES] = &CLOSE_COPY_LINES,
                                                   [CLOSE_CREDIT_USES] = &CLOSE_COPY_CREDIT_USES,
                                                   [CLOSE_DOCUMENTS] = &CLOSE_COPY_DOCUMENTS};
    int64_t count = 0;
    if (!buf_ok(rows)) {
        return err_set(err, ERR_SYSTEM, "close: out of memory");
    }
    if (rows->length == 0) {
        return 0;
    }
    if (pg_copy_in_begin(pg, COPIES[table], err) != 0 || pg_copy_in_put(pg, rows->data, rows->length, err) != 0) {
        return -1;
    }
    return pg_copy_in_end(pg, &count, err);
}
