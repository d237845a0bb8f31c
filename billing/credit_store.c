#include "billing/credit_store.h"

static const struct pg_stmt ADD = {
    .name = "credit.add",
    .sql = "INSERT INTO account_credit (account_id, kind, currency, amount_minor, expires_at, reason) "
           "VALUES ($1::int8, $2::text, $3::text, $4::int8, $5::timestamptz, $6::text) RETURNING credit_id, granted_at",
    .expect = PG_ONE_ROW,
};
#define CREDITS                                                                                                        \
    "SELECT account_id, credit_id, kind, currency, amount_minor, left_minor, expires_at, reason, granted_at "          \
    "FROM account_credit_left "
#define IN_ORDER "ORDER BY account_id, expires_at NULLS LAST, credit_id"

static const struct pg_stmt LIST = {
    .name = "credit.list",
    .sql = CREDITS "WHERE account_id = $1::int8 " IN_ORDER,
    .expect = PG_ANY_ROWS,
};
static const struct pg_stmt USABLE = {
    .name = "credit.usable",
    .sql = CREDITS "WHERE account_id = ANY ($1::int8[]) AND left_minor > 0 "
                   "AND (expires_at IS NULL OR expires_at > $2::timestamptz) " IN_ORDER,
    .expect = PG_ANY_ROWS,
};

int credit_store_add(struct pg *pg, int64_t account_id, const struct credit *credit, pg_row_fn *on_row, void *ctx,
                     struct err *err)
{
    const struct pg_param never = PG_P_NULL(PG_T_TIME);
    const struct pg_param expires = PG_P_TIME(credit->expires_us);
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TEXT(credit->prepaid ? "prepaid" : "credit"),
                                      PG_P_TEXT(credit->currency.code),
                                      PG_P_I64(credit->amount_minor),
                                      credit->expires_us != 0 ? expires : never,
                                      PG_P_TEXT(credit->reason),
                                      PG_P_END};
    return pg_run(pg, &ADD, params, on_row, ctx, NULL, err);
}

int credit_store_list(struct pg *pg, int64_t account_id, pg_row_fn *on_row, void *ctx, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &LIST, params, on_row, ctx, NULL, err);
}

int credit_store_usable(struct pg *pg, const char *accounts, int64_t from_us, pg_row_fn *on_row, void *ctx,
                        struct err *err)
{
    const struct pg_param params[] = {PG_P_TEXT(accounts), PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &USABLE, params, on_row, ctx, NULL, err);
}
