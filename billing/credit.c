#include "billing/credit.h"

#include "billing/credit_store.h"
#include "common/err.h"
#include "common/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static int take_granted(const struct pg_row *row, void *ctx, struct err *err)
{
    struct credit *credit = ctx;
    (void)err;
    credit->credit_id = pg_get_i64(row, "credit_id");
    credit->granted_us = pg_get_time(row, "granted_at");
    return 0;
}

int credit_grant(struct pg *pg, int64_t account_id, struct credit *credit, struct err *err)
{
    if (credit->amount_minor < 1 || credit->amount_minor > CREDIT_MINOR_MAX) {
        return err_field(err, "/amount", "amount is %" PRId64 " minor units; it must be positive and at most %" PRId64,
                         credit->amount_minor, CREDIT_MINOR_MAX);
    }
    if (credit->reason[0] == '\0') {
        return err_field(err, "/reason", "reason is missing: it is printed on the invoice");
    }
    credit->left_minor = credit->amount_minor;
    return credit_store_add(pg, account_id, credit, take_granted, credit, err);
}

struct listing {
    credit_fn *on_credit;
    void *ctx;
};

int credit_of_row(const struct pg_row *row, struct credit *credit, struct err *err)
{
    *credit = (struct credit){.credit_id = pg_get_i64(row, "credit_id"),
                              .prepaid = strcmp(pg_get_text(row, "kind"), "prepaid") == 0,
                              .amount_minor = pg_get_i64(row, "amount_minor"),
                              .left_minor = pg_get_i64(row, "left_minor"),
                              .expires_us = pg_get_time_or(row, "expires_at", 0),
                              .granted_us = pg_get_time(row, "granted_at")};
    (void)text_copy(credit->reason, sizeof credit->reason, pg_get_text(row, "reason"));
    return currency_find(pg_get_text(row, "currency"), "currency", &credit->currency, err);
}

static int take_credit(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;
    struct credit credit;
    if (credit_of_row(row, &credit, err) != 0) {
        return -1;
    }
    return listing->on_credit(&credit, listing->ctx, err);
}

int credit_list(struct pg *pg, int64_t account_id, credit_fn *on_credit, void *ctx, struct err *err)
{
    struct listing listing = {.on_credit = on_credit, .ctx = ctx};
    return credit_store_list(pg, account_id, take_credit, &listing, err);
}
