#include "api/event_store.h"

#include <string.h>

#include "common/err.h"
#include "schema/pg.h"

/* A claim is as old as this before somebody else may take it over; far above what handing over takes. */
#define CLAIM_AGE "interval '1 minute'"

static const struct pg_stmt CLAIM = {
    .name = "event.claim",
    .sql = "INSERT INTO event_claim AS c (account_id, request_id, started_at) VALUES ($1::int8, $2::uuid, "
           "$3::timestamptz) "
           "ON CONFLICT (account_id, request_id) DO UPDATE SET claimed_at = now() "
           "WHERE c.state = 'claimed' AND c.claimed_at < now() - " CLAIM_AGE " RETURNING (xmax = 0) AS fresh",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt STATE = {
    .name = "event.state",
    .sql = "SELECT state FROM event_claim WHERE account_id = $1::int8 AND request_id = $2::uuid",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt STORED = {
    .name = "event.stored",
    .sql = "UPDATE event_claim SET state = 'stored' WHERE account_id = $1::int8 AND request_id = $2::uuid",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt DROP = {
    .name = "event.drop",
    .sql = "DELETE FROM event_claim WHERE account_id = $1::int8 AND request_id = $2::uuid AND state = 'claimed'",
    .expect = PG_NO_ROWS,
};
static const struct pg_stmt RECORDED = {
    .name = "event.recorded",
    .sql = "SELECT count(*) AS records FROM usage_record WHERE account_id = $1::int8 AND request_id = $2::uuid "
           "AND started_at = $3::timestamptz",
    .expect = PG_ONE_ROW,
};

struct claim_ctx {
    bool row, fresh, stored;
};

static int on_claim(const struct pg_row *row, void *ctx, struct err *err)
{
    struct claim_ctx *claim = ctx;
    (void)err;
    claim->row = true;
    claim->fresh = pg_get_bool(row, "fresh");
    return 0;
}

static int on_state(const struct pg_row *row, void *ctx, struct err *err)
{
    struct claim_ctx *claim = ctx;
    (void)err;
    claim->stored = strcmp(pg_get_text(row, "state"), "stored") == 0;
    return 0;
}

int event_store_claim(struct pg *pg, int64_t account_id, const struct uuid *request_id, int64_t started_us,
                      enum event_claim *result, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_UUID(request_id->bytes), PG_P_TIME(started_us),
                                      PG_P_END};
    const struct pg_param by[] = {PG_P_I64(account_id), PG_P_UUID(request_id->bytes), PG_P_END};
    struct claim_ctx claim = {0};
    if (pg_run(pg, &CLAIM, params, on_claim, &claim, NULL, err) != 0) {
        return -1;
    }
    if (claim.row) {
        *result = claim.fresh ? EVENT_FRESH : EVENT_LEFT;
        return 0;
    }
    if (pg_run(pg, &STATE, by, on_state, &claim, NULL, err) != 0) {
        return -1;
    }
    *result = claim.stored ? EVENT_STORED : EVENT_BUSY;
    return 0;
}

int event_store_stored(struct pg *pg, int64_t account_id, const struct uuid *request_id, struct err *err)
{
    const struct pg_param by[] = {PG_P_I64(account_id), PG_P_UUID(request_id->bytes), PG_P_END};
    return pg_run(pg, &STORED, by, NULL, NULL, NULL, err);
}

int event_store_drop(struct pg *pg, int64_t account_id, const struct uuid *request_id, struct err *err)
{
    const struct pg_param by[] = {PG_P_I64(account_id), PG_P_UUID(request_id->bytes), PG_P_END};
    return pg_run(pg, &DROP, by, NULL, NULL, NULL, err);
}

static int on_count(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(bool *)ctx = pg_get_i64(row, "records") > 0;
    return 0;
}

int event_store_recorded(struct pg *pg, int64_t account_id, const struct uuid *request_id, int64_t started_us,
                         bool *recorded, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_UUID(request_id->bytes), PG_P_TIME(started_us),
                                      PG_P_END};
    return pg_run(pg, &RECORDED, params, on_count, recorded, NULL, err);
}
