#include "api/answers.h"

#include "common/buf.h"
#include "common/check.h"
#include "common/err.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>

/* Cursors only go forward: their sums are another when one of them is. xmin is another after every change of a row;
 * what is only ever added to is counted. One row an account, in the order they were named. */
static const struct pg_stmt STAMPS = {
    .name = "answers.stamps",
    .sql = "WITH everyone AS MATERIALIZED (SELECT concat_ws('|', (SELECT sum(epoch) || ':' || sum(last_sequence) || "
           "':' || count(*) FROM producer_cursor), (SELECT count(*) FROM price_book)) AS stamp) "
           "SELECT a.ordinality - 1 AS nth, concat_ws('|', e.stamp, "
           "(SELECT xmin FROM account WHERE account_id = a.account_id), "
           "(SELECT count(*) FROM price_override WHERE account_id = a.account_id), "
           "(SELECT count(*) || ':' || max(invoice_id) FROM invoice_document WHERE account_id = a.account_id), "
           "(SELECT count(*) FROM invoice_event WHERE account_id = a.account_id), "
           "(SELECT count(*) FROM account_credit WHERE account_id = a.account_id), "
           "(SELECT count(*) || ':' || sum(xmin::text::int8) FROM function WHERE account_id = a.account_id), "
           "(SELECT count(*) || ':' || count(ends_at) FROM provisioned_period WHERE account_id = a.account_id)) "
           "AS stamp FROM everyone e CROSS JOIN unnest($1::int8[]) WITH ORDINALITY AS a (account_id, ordinality)",
    .expect = PG_ANY_ROWS,
};

struct asked {
    struct answers_stamp *stamps;
    int count;
};

static int take_stamp(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct asked *asked = ctx;
    int64_t nth = pg_get_i64(row, "nth");
    (void)err;
    CHECK(nth >= 0 && nth < asked->count);
    (void)snprintf(asked->stamps[nth].text, sizeof asked->stamps[nth].text, "%s", pg_get_text(row, "stamp"));
    return 0;
}

int answers_stamps(struct pg *pg, struct answers_stamp *stamps, int count, struct err *err)
{
    struct buf ids = {0};
    struct asked asked = {stamps, count};
    for (int i = 0; i < count; i++) {
        buf_printf(&ids, "%s%" PRId64, i == 0 ? "{" : ",", stamps[i].account_id);
        stamps[i].text[0] = '\0';
    }
    buf_puts(&ids, count == 0 ? "{}" : "}");
    int rc = -1;
    if (!buf_ok(&ids)) {
        (void)err_set(err, ERR_SYSTEM, "out of memory");
    } else {
        const struct pg_param params[] = {PG_P_TEXT(buf_text(&ids)), PG_P_END};
        rc = pg_run(pg, &STAMPS, params, take_stamp, &asked, NULL, err);
    }
    buf_free(&ids);
    return rc;
}
