/*
 * usage_rows.h - for statements: the usage of an account in a range, from days where they are good, from hours
 * elsewhere.
 *
 * Why:       31 rows a function instead of 744, and the same sums in every snapshot (daily.h says why).
 * Use:       FROM USAGE_OF_ACCOUNT(columns) u: $1 account, $2 and $3 the range. Rows have the columns of usage_hourly
 * that are named, comma-separated, without account and hour; a row of a day has the day's start as hour. For sums by
 * day and longer only.
 */
#ifndef FARTHING_METERING_USAGE_ROWS_H
#define FARTHING_METERING_USAGE_ROWS_H

/* A day is taken whole when it is in the range as a whole and summed as it is; else its hours are. */
#define USAGE_DAY_WHOLE                                                                                                \
    "v.summed = v.generation AND v.day >= $2::timestamptz AND v.day <= $3::timestamptz - interval '24 hours'"
#define USAGE_DAY_IN_PARTS                                                                                             \
    "(v.summed IS DISTINCT FROM v.generation OR v.day < $2::timestamptz "                                              \
    "OR v.day > $3::timestamptz - interval '24 hours')"

/* How far every account has its rows in usage_day. A value, not a table to join: the planner then bounds an index by
 * it. */
#define USAGE_DAYS_MARKED "(SELECT s.marked FROM usage_daily_state s)"

#define USAGE_OF_ACCOUNT(columns)                                                                                      \
    "(SELECT d.account_id, d.day AS hour, " columns " FROM usage_day v "                                               \
    "JOIN usage_daily d ON d.account_id = v.account_id AND d.day = v.day "                                             \
    "WHERE v.account_id = $1::int8 AND d.account_id = $1::int8 AND v.day <= " USAGE_DAYS_MARKED                        \
    " AND " USAGE_DAY_WHOLE " UNION ALL "                                                                              \
    "SELECT h.account_id, h.hour, " columns " FROM usage_day v "                                                       \
    "CROSS JOIN LATERAL (SELECT * FROM usage_hourly x WHERE x.account_id = $1::int8 "                                  \
    "AND x.hour >= greatest(v.day, $2::timestamptz) "                                                                  \
    "AND x.hour < least(v.day + interval '24 hours', $3::timestamptz)) h "                                             \
    "WHERE v.account_id = $1::int8 AND v.day <= " USAGE_DAYS_MARKED                                                    \
    " AND v.day > $2::timestamptz - interval '24 hours' AND v.day < $3::timestamptz AND " USAGE_DAY_IN_PARTS           \
    " UNION ALL "                                                                                                      \
    "SELECT h.account_id, h.hour, " columns " FROM usage_hourly h "                                                    \
    "WHERE h.account_id = $1::int8 AND h.hour < $3::timestamptz "                                                      \
    "AND h.hour >= greatest($2::timestamptz, " USAGE_DAYS_MARKED " + interval '24 hours')) "

#endif
