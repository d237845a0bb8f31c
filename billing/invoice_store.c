#include "billing/invoice_store.h"

#include "common/err.h"
#include "common/text.h"

#include <string.h>

static const struct pg_stmt HEAD = {
    .name = "invoice.head",
    .sql = "SELECT kind, state, number, clock_timestamp() AS now FROM invoice "
           "WHERE account_id = $1::int8 AND invoice_id = $2::int8",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt EVENT = {
    .name = "invoice.event",
    .sql = "INSERT INTO invoice_event (account_id, invoice_id, state, reason, happened_at) "
           "VALUES ($1::int8, $2::int8, $3::text, $4::text, now())",
    .expect = PG_NO_ROWS,
};
/* The digest is over what the note says: its number, the invoice, the sums, the instant and the reason. */
static const struct pg_stmt CREDIT = {
    .name = "invoice.credit",
    .sql =
        "WITH n AS (INSERT INTO invoice_series AS s (series, year, last_number) "
        "VALUES ('CN', extract(year FROM now() AT TIME ZONE 'UTC')::int, 1) ON CONFLICT (series, year) "
        "DO UPDATE SET last_number = s.last_number + 1 RETURNING year, last_number), "
        "d AS (SELECT d.*, nextval('invoice_invoice_id_seq') AS note_id, "
        "format('CN-%s-%s', n.year, lpad(n.last_number::text, greatest(6, length(n.last_number::text)), '0')) AS note, "
        "(SELECT count(*) FROM invoice_document o WHERE o.account_id = d.account_id AND o.period = d.period "
        "AND o.kind = 'credit_note') AS notes FROM invoice_document d CROSS JOIN n "
        "WHERE d.account_id = $1::int8 AND d.invoice_id = $2::int8), "
        "i AS (INSERT INTO invoice_document (account_id, invoice_id, kind, revision, number, period, currency, "
        "minor_digits, net_minor, tax_minor, total_minor, price_book, price_version, complete_through, refers_to, "
        "issued_at, due_at, document, digest) OVERRIDING SYSTEM VALUE SELECT account_id, note_id, 'credit_note', "
        "notes, note, period, currency, minor_digits, -net_minor, -tax_minor, -total_minor, price_book, "
        "price_version, complete_through, invoice_id, now(), now(), "
        "document || jsonb_build_object('reason', $3::text), sha256(convert_to(concat_ws(E'\\t', note, number, "
        "-net_minor, -tax_minor, -total_minor, currency, extract(epoch FROM now()), $3::text), 'UTF8')) FROM d), "
        "l AS (INSERT INTO invoice_line (account_id, invoice_id, line, kind, meter, band, price_id, description, "
        "quantity, unit, unit_price, exact_amount, amount_minor, period, detail) SELECT l.account_id, d.note_id, "
        "l.line, l.kind, l.meter, l.band, l.price_id, l.description, -l.quantity, l.unit, l.unit_price, "
        "-l.exact_amount, -l.amount_minor, l.period, l.detail FROM invoice_line l JOIN d USING (account_id, "
        "invoice_id)) SELECT note_id, note, period::timestamp AT TIME ZONE 'UTC' AS month, now() AS issued_at FROM d",
    .expect = PG_ONE_ROW,
};

struct found {
    struct invoice_head *head;
    bool any;
};

static int take_head(const struct pg_row *row, void *ctx, struct err *err)
{
    struct found *found = ctx;
    const char *state = pg_get_text(row, "state");
    (void)err;
    found->any = true;
    *found->head = (struct invoice_head){
        .state = strcmp(state, "void") == 0       ? BILL_VOID
                 : strcmp(state, "credited") == 0 ? BILL_CREDITED
                                                  : BILL_ISSUED,
        .credit_note = strcmp(pg_get_text(row, "kind"), "credit_note") == 0,
        .now_us = pg_get_time(row, "now"),
    };
    (void)text_copy(found->head->number, sizeof found->head->number, pg_get_text(row, "number"));
    return 0;
}

int invoice_store_head(struct pg *pg, int64_t account_id, int64_t invoice_id, struct invoice_head *head,
                       struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(invoice_id), PG_P_END};
    struct found found = {.head = head};
    if (pg_run(pg, &HEAD, params, take_head, &found, NULL, err) != 0) {
        return -1;
    }
    return found.any ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such invoice");
}

int invoice_store_event(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *state, const char *reason,
                        struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(invoice_id), PG_P_TEXT(state), PG_P_TEXT(reason),
                                      PG_P_END};
    return pg_run(pg, &EVENT, params, NULL, NULL, NULL, err);
}

static int take_note(const struct pg_row *row, void *ctx, struct err *err)
{
    struct credit_note *note = ctx;
    (void)err;
    note->invoice_id = pg_get_i64(row, "note_id");
    note->month_us = pg_get_time(row, "month");
    note->issued_us = pg_get_time(row, "issued_at");
    (void)text_copy(note->number, sizeof note->number, pg_get_text(row, "note"));
    return 0;
}

int invoice_store_credit(struct pg *pg, int64_t account_id, int64_t invoice_id, const char *reason,
                         struct credit_note *credit_note, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(invoice_id), PG_P_TEXT(reason), PG_P_END};
    return pg_run(pg, &CREDIT, params, take_note, credit_note, NULL, err);
}
