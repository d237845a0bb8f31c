/* invoice_notice_store.c - see invoice_notice.h. */
#include "billing/invoice_notice.h"

#include "common/calendar.h"
#include "common/err.h"
#include "schema/pg.h"

#include <stddef.h>

/* Begins with the webhooks, of which there are few: a close of a million accounts without any costs nothing here. */
static const struct pg_stmt INVOICE_NOTICE = {
    .name = "invoice_notice.queue",
    .sql =
        "INSERT INTO webhook_delivery (account_id, delivery_id, webhook_id, event_type, body)"
        " SELECT e.account_id, e.delivery_id, e.webhook_id, $5::text, convert_to(json_build_object("
        "'specversion', '1.0', 'id', e.delivery_id, 'source', '/v1/accounts/acct_' || e.account_id,"
        " 'type', $5::text, 'subject', e.number,"
        " 'time', to_char(e.issued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),"
        " 'datacontenttype', 'application/json', 'data', json_build_object("
        "'account', 'acct_' || e.account_id, 'invoice', 'inv_' || e.invoice_id, 'number', e.number, 'kind', e.kind,"
        " 'month', to_char(e.period, 'YYYY-MM'), 'currency', e.currency,"
        " 'net', round(e.net_minor / power(10::numeric, e.minor_digits), e.minor_digits)::text,"
        " 'tax', round(e.tax_minor / power(10::numeric, e.minor_digits), e.minor_digits)::text,"
        " 'total', round(e.total_minor / power(10::numeric, e.minor_digits), e.minor_digits)::text,"
        " 'due_at', to_char(e.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
        " 'sha256', encode(e.digest, 'hex'),"
        " 'refers_to', (SELECT o.number FROM invoice_document o WHERE o.account_id = e.account_id"
        " AND o.invoice_id = e.refers_to),"
        " 'bill', '/v1/accounts/acct_' || e.account_id || CASE e.kind WHEN 'credit_note' THEN '/invoices/' || e.number"
        " || '/document' ELSE '/bills/' || to_char(e.period, 'YYYY-MM') END))::text, 'UTF8')"
        " FROM (SELECT d.*, w.webhook_id, gen_random_uuid() AS delivery_id FROM webhook w"
        " JOIN invoice_document d ON d.account_id = w.account_id"
        " WHERE w.account_id BETWEEN $1::int8 AND $2::int8 AND d.period = $3::text::date"
        " AND d.issued_at = $4::timestamptz AND (cardinality(w.events) = 0 OR $5::text = ANY (w.events))) e",
    .expect = PG_NO_ROWS,
};

int invoice_notice_queue(struct pg *pg, int64_t first_account, int64_t last_account, int64_t month_us,
                         int64_t issued_us, struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    calendar_format_day(month_us, period);
    const struct pg_param params[] = {PG_P_I64(first_account), PG_P_I64(last_account),          PG_P_TEXT(period),
                                      PG_P_TIME(issued_us),    PG_P_TEXT(INVOICE_EVENT_ISSUED), PG_P_END};
    if (pg_run(pg, &INVOICE_NOTICE, params, NULL, NULL, NULL, err) != 0) {
        return err_wrap(err, "events of issued invoices");
    }
    return 0;
}
