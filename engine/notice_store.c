/* notice_store.c - see notice.h. */
#include <stdio.h>
#include <string.h>

#include "common/calendar.h"
#include "common/err.h"
#include "engine/notice.h"
#include "engine/quota.h"
#include "schema/pg.h"

static const struct pg_stmt NOTICE_FIRE = {
    .name = "notice.fire",
    .sql = "SELECT quota_notices_fire($1::int8, $2::text::date, $3::int8, $4::int8, $5::int8, $6::int8)::int8 AS fired",
    .expect = PG_ONE_ROW,
};

static int read_i64(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "fired");
    return 0;
}

int notice_fire(struct pg *pg, const struct notice_look *look, int *fired, struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    int64_t count = 0;
    calendar_format_day(look->month_us, period);
    const struct pg_param params[] = {
        PG_P_I64(look->account_id),
        PG_P_TEXT(period),
        look->spent_picos < 0 ? PG_P_NULL(PG_T_I64) : PG_P_I64(look->spent_picos),
        PG_P_I64(look->refused_need[0]),
        PG_P_I64(look->refused_need[1]),
        PG_P_I64(look->refused_need[2]),
        PG_P_END,
    };
    if (pg_run(pg, &NOTICE_FIRE, params, read_i64, &count, NULL, err) != 0) {
        return err_wrap(err, "thresholds of account %lld", (long long)look->account_id);
    }
    *fired = (int)count;
    return 0;
}
