/*
 * operator_store.h - what an operator looks at first, over all accounts: who uses most, whose limits are near their
 * end.
 *
 * Why:       with a million accounts nobody reads a list; these are set-based and bounded by a limit.
 * Units:     mb_ms as in usage_hourly; units of quotas as in engine/quota.h. Ownership: borrows pg; texts live until
 * the callback returns. Threads: one struct pg each.
 */
#ifndef FARTHING_API_OPERATOR_STORE_H
#define FARTHING_API_OPERATOR_STORE_H

#include <stdint.h>

struct err;
struct pg;

struct operator_user {
    int64_t account_id;
    const char *name, *display_name, *state, *price_book;
    int64_t invocations, errors, throttles, mb_ms;
};
/* Sums over all accounts with use, those that are not handed out too. */
struct operator_total {
    int64_t accounts, invocations, errors, throttles, billed_ms, mb_ms;
};
typedef int operator_user_fn(const struct operator_user *user, void *ctx, struct err *err);

/*
 * Accounts that used something in [from, to): the limit with most compute and the limit with most requests, so at most
 * twice as many rows. total is of everybody; filled before the first call of on_user ends.
 */
int operator_store_users(struct pg *pg, int64_t from_us, int64_t to_us, int64_t limit, operator_user_fn *on_user,
                         void *ctx, struct operator_total *total, struct err *err);

struct operator_level {
    int64_t account_id;
    const char *account, *quota, *limit_text, *action;
    int64_t used_units, percent; /* of the limit, whole; a limit of 0 is 100 */
};
typedef int operator_level_fn(const struct operator_level *level, void *ctx, struct err *err);

/* Monthly limits of the month that starts at month_us of which min_percent or more is used, fullest first. */
int operator_store_levels(struct pg *pg, int64_t month_us, int64_t month_end_us, int64_t min_percent, int64_t limit,
                          operator_level_fn *on_level, void *ctx, struct err *err);

#endif
