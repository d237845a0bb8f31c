#include "api/answers.h"

#include "common/err.h"
#include "schema/pg.h"

#include <stdio.h>

/* Cursors only go forward: their sums are another when one of them is. xmin is another after every change of a row;
 * what is only ever added to is counted. */
static const struct pg_stmt STAMP = {
    .name = "answers.stamp",
    .sql = "SELECT concat_ws('|', (SELECT sum(epoch) || ':' || sum(last_sequence) || ':' || count(*) FROM "
           "producer_cursor), "
           "(SELECT xmin FROM account WHERE account_id = $1::int8), (SELECT count(*) FROM price_book), "
           "(SELECT count(*) FROM price_override WHERE account_id = $1::int8), "
           "(SELECT count(*) || ':' || max(invoice_id) FROM invoice_document WHERE account_id = $1::int8), "
           "(SELECT count(*) FROM invoice_event WHERE account_id = $1::int8), "
           "(SELECT count(*) FROM account_credit WHERE account_id = $1::int8), "
           "(SELECT count(*) || ':' || sum(xmin::text::int8) FROM function WHERE account_id = $1::int8), "
           "(SELECT count(*) || ':' || count(ends_at) FROM provisioned_period WHERE account_id = $1::int8)) AS stamp",
    .expect = PG_ONE_ROW,
};

static int take_stamp(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    (void)snprintf(ctx, ANSWERS_STAMP_BYTES, "%s", pg_get_text(row, "stamp"));
    return 0;
}

int answers_stamp(struct pg *pg, int64_t account_id, char stamp[ANSWERS_STAMP_BYTES], struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &STAMP, params, take_stamp, stamp, NULL, err);
}
