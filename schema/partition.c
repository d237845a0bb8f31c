#include "schema/partition.h"

#include "common/calendar.h"
#include "common/err.h"
#include "schema/pg.h"

static const struct pg_stmt ENSURE = {
    .name = "partition.ensure",
    .sql = "SELECT usage_partition_ensure($1::date, $2::date) AS made",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt CLOSE = {
    .name = "partition.close",
    .sql = "SELECT usage_partition_close($1::date) AS did",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt DROP = {
    .name = "partition.drop",
    .sql = "SELECT usage_partition_drop($1::date) AS did",
    .expect = PG_ONE_ROW,
};

int partition_ensure(struct pg *pg, int64_t from_us, int64_t to_us, struct err *err)
{
    char first[CALENDAR_TEXT_BYTES];
    char last[CALENDAR_TEXT_BYTES];
    if (to_us <= from_us) {
        return 0;
    }
    if (from_us < 0 || (to_us - from_us) / CALENDAR_DAY_US > PARTITION_DAYS_MAX) {
        return err_set(err, ERR_INVALID, "partitions of usage_record: the range is before 1970 or longer than %d days",
                       PARTITION_DAYS_MAX);
    }
    calendar_format_day(from_us, first);
    calendar_format_day(to_us - 1, last);
    const struct pg_param params[] = {PG_P_TEXT(first), PG_P_TEXT(last), PG_P_END};
    return pg_run(pg, &ENSURE, params, NULL, NULL, NULL, err);
}

static int on_bool(const struct pg_row *row, void *ctx, struct err *err)
{
    bool *value = ctx;
    (void)err;
    *value = pg_get_bool(row, "did");
    return 0;
}

static int run_day(struct pg *pg, const struct pg_stmt *stmt, int64_t day_us, bool *did, struct err *err)
{
    char day[CALENDAR_TEXT_BYTES];
    calendar_format_day(day_us, day);
    const struct pg_param params[] = {PG_P_TEXT(day), PG_P_END};
    return pg_run(pg, stmt, params, on_bool, did, NULL, err);
}

int partition_close(struct pg *pg, int64_t day_us, bool *made, struct err *err)
{
    return run_day(pg, &CLOSE, day_us, made, err);
}

int partition_drop(struct pg *pg, int64_t day_us, bool *dropped, struct err *err)
{
    return run_day(pg, &DROP, day_us, dropped, err);
}
