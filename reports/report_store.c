#include "reports/report_store.h"

#include "schema/pg.h"

#include <stddef.h>

#define ACCOUNTS_PAGE 500

static const struct pg_stmt REPORT_ACCOUNTS = {
    .name = "report.accounts",
    .sql = "SELECT a.account_id FROM account a WHERE a.account_id > $1::int8 AND EXISTS (SELECT 1 FROM usage_hourly u "
           "WHERE u.account_id = a.account_id AND u.hour >= $2::timestamptz AND u.hour < $3::timestamptz) "
           "ORDER BY a.account_id LIMIT $4::int8",
    .expect = PG_ANY_ROWS,
};

struct page {
    int count;
    int64_t ids[ACCOUNTS_PAGE];
};

static int take_id(const struct pg_row *row, void *ctx, struct err *err)
{
    struct page *page = ctx;
    (void)err;
    page->ids[page->count++] = pg_get_i64(row, "account_id");
    return 0;
}

int report_store_accounts(struct pg *pg, struct month month, report_account_fn *on_account, void *ctx, struct err *err)
{
    struct page page;
    int64_t after = 0;
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month, &from_us, &to_us);
    do {
        const struct pg_param params[] = {PG_P_I64(after), PG_P_TIME(from_us), PG_P_TIME(to_us),
                                          PG_P_I64(ACCOUNTS_PAGE), PG_P_END};
        page.count = 0;
        if (pg_run(pg, &REPORT_ACCOUNTS, params, take_id, &page, NULL, err) != 0) {
            return -1;
        }
        for (int i = 0; i < page.count; i++) {
            if (on_account(page.ids[i], ctx, err) != 0) {
                return -1;
            }
            after = page.ids[i];
        }
    } while (page.count == ACCOUNTS_PAGE);
    return 0;
}
