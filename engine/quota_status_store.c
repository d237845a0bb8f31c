/*
 * quota_status_store.c - the state of quotas now, checks of resource limits, and the escrow against the records. See
 * quota.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/function.h"
#include "engine/quota_internal.h"
#include "schema/pg.h"

static const struct pg_stmt QUOTA_ROWS = {
    .name = "quota.rows",
    .sql =
        "SELECT account_id, name, limit_text, limit_units::int8 AS limit_units, action, thresholds::text AS thresholds,"
        " revision, updated_at FROM quota WHERE account_id = $1::int8 OR account_id = 0 ORDER BY account_id <> 0, name",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt QUOTA_STATE = {
    .name = "quota.state",
    .sql = "SELECT name, used, held FROM quota_state($1::int8, $2::text::date)",
    .expect = PG_ANY_ROWS,
};

struct listing {
    int64_t account_id;
    struct quota_status *statuses;
};

static void read_thresholds(const char *text, struct quota *quota)
{
    quota->threshold_count = 0;
    const char *c = text;
    while (*c != '\0' && quota->threshold_count < QUOTA_THRESHOLDS_MAX) {
        char *end = NULL;
        long value = strtol(c, &end, 10);
        if (end == c) {
            c++; /* brace or comma */
            continue;
        }
        quota->thresholds[quota->threshold_count++] = (int)value;
        c = end;
    }
}

static int read_quota(const struct pg_row *row, void *ctx, struct err *err)
{
    struct listing *listing = ctx;
    enum quota_kind kind = QUOTA_CONCURRENCY;
    if (quota_parse(pg_get_text(row, "name"), "name", &kind, err) != 0) {
        return -1;
    }
    struct quota *quota = &listing->statuses[kind].quota;
    bool own = pg_get_i64(row, "account_id") == listing->account_id;
    *quota = (struct quota){
        .kind = kind,
        .set = true,
        .inherited = !own,
        .limit_units = pg_get_i64(row, "limit_units"),
        .action = strcmp(pg_get_text(row, "action"), "block") == 0 ? QUOTA_BLOCK : QUOTA_NOTIFY,
        .revision = own ? pg_get_i64(row, "revision") : 0,
        .updated_us = pg_get_time(row, "updated_at"),
    };
    if (text_copy(quota->limit_text, sizeof quota->limit_text, pg_get_text(row, "limit_text")) != 0) {
        return err_set(err, ERR_SYSTEM, "the limit of %s is too long", quota_name(kind));
    }
    read_thresholds(pg_get_text(row, "thresholds"), quota);
    return 0;
}

static int read_state(const struct pg_row *row, void *ctx, struct err *err)
{
    struct listing *listing = ctx;
    enum quota_kind kind = QUOTA_CONCURRENCY;
    if (quota_parse(pg_get_text(row, "name"), "name", &kind, err) != 0) {
        return -1;
    }
    struct quota_status *status = &listing->statuses[kind];
    status->used_units = pg_get_i64(row, "used");
    status->held_units = pg_get_i64(row, "held");
    return 0;
}

static void finish(struct quota_status *status, enum quota_kind kind, int64_t resets_at_us)
{
    status->quota.kind = kind;
    status->resets_at_us = quota_is_monthly(kind) ? resets_at_us : 0;
    quota_units_format(kind, status->used_units, status->used_text);
    quota_units_format(kind, status->held_units, status->held_text);
    if (status->quota.set) {
        int64_t left = status->quota.limit_units - status->used_units - status->held_units;
        status->available_units = left > 0 ? left : 0;
        quota_units_format(kind, status->available_units, status->available_text);
    }
}

int quota_list(struct pg *pg, int64_t account_id, struct quota_status statuses[QUOTA_KIND_COUNT], struct err *err)
{
    struct listing listing = {account_id, statuses};
    char period[CALENDAR_TEXT_BYTES];
    int64_t from_us = 0;
    int64_t to_us = 0;
    month_range(month_of(clock_wall_us()), &from_us, &to_us);
    calendar_format_day(from_us, period);
    const struct pg_param account[] = {PG_P_I64(account_id), PG_P_END};
    const struct pg_param state[] = {PG_P_I64(account_id), PG_P_TEXT(period), PG_P_END};
    memset(statuses, 0, QUOTA_KIND_COUNT * sizeof *statuses);
    if (pg_run(pg, &QUOTA_ROWS, account, read_quota, &listing, NULL, err) != 0 ||
        (account_id != 0 && pg_run(pg, &QUOTA_STATE, state, read_state, &listing, NULL, err) != 0)) {
        return err_wrap(err, "quotas of account %lld", (long long)account_id);
    }
    for (int kind = 0; kind < QUOTA_KIND_COUNT; kind++) {
        finish(&statuses[kind], (enum quota_kind)kind, to_us);
    }
    return 0;
}

int quota_get(struct pg *pg, int64_t account_id, enum quota_kind kind, struct quota_status *status, struct err *err)
{
    struct quota_status statuses[QUOTA_KIND_COUNT];
    if (quota_list(pg, account_id, statuses, err) != 0) {
        return -1;
    }
    *status = statuses[kind];
    return 0;
}

/* ---- resource limits ---- */

static const struct pg_stmt QUOTA_RESOURCE = {
    .name = "quota.resource",
    .sql =
        "SELECT CASE $2::text"
        " WHEN 'functions' THEN (SELECT count(*) FROM function f WHERE f.account_id = $1::int8 AND f.deleted_at IS NULL"
        " AND f.origin = 'farthing')"
        " WHEN 'code_bytes' THEN (SELECT coalesce(sum(octet_length(b.zip)), 0)::int8 FROM code_blob b WHERE "
        "b.account_id = $1::int8)"
        " WHEN 'async_queue' THEN (SELECT count(*) FROM async_event e WHERE e.account_id = $1::int8)"
        " ELSE 0 END AS used",
    .expect = PG_ONE_ROW,
};

static int read_used(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "used");
    return 0;
}

int quota_used_now(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t *used, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_TEXT(quota_name(kind)), PG_P_END};
    return pg_run(pg, &QUOTA_RESOURCE, params, read_used, used, NULL, err);
}

int quota_check(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t would_be, struct err *err)
{
    int64_t limits[QUOTA_KIND_COUNT];
    bool watched = false;
    if (quota_store_limits(pg, account_id, limits, &watched, err) != 0) {
        return -1;
    }
    if (limits[kind] >= 0 && would_be > limits[kind]) {
        (void)err_set(err, ERR_LIMIT, "the account's limit of %s is %lld; this would make it %lld", quota_name(kind),
                      (long long)limits[kind], (long long)would_be);
        return err_slug(err, "quota_exceeded");
    }
    return 0;
}

/* What a function keeps from the others: its reservation, or without one what is provisioned for its versions. */
static const struct pg_stmt QUOTA_RESERVED = {
    .name = "quota.reserved",
    .sql = "SELECT coalesce(sum(coalesce(f.reserved_concurrency, p.instances)) FILTER (WHERE f.function_id <> "
           "$2::int8), 0)::int8 AS others,"
           " coalesce(sum(p.instances) FILTER (WHERE f.function_id = $2::int8), 0)::int8 AS own FROM function f,"
           " LATERAL (SELECT coalesce(sum(v.provisioned), 0)::int8 AS instances FROM function_version v WHERE"
           " v.account_id = f.account_id AND v.function_id = f.function_id"
           " AND (v.function_id <> $2::int8 OR v.version <> $3::int4)) p"
           " WHERE f.account_id = $1::int8 AND f.deleted_at IS NULL",
    .expect = PG_ONE_ROW,
};

struct kept {
    int64_t others, own; /* own: provisioned for the function, without the version that is asked about */
    int64_t limit;       /* of the account; negative: none */
    int64_t floor;
};

static int read_kept(const struct pg_row *row, void *ctx, struct err *err)
{
    struct kept *kept = ctx;
    (void)err;
    kept->others = pg_get_i64(row, "others");
    kept->own = pg_get_i64(row, "own");
    return 0;
}

static int kept_read(struct pg *pg, int64_t account_id, int64_t function_id, int version, int default_concurrency,
                     struct kept *kept, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_I64(version), PG_P_END};
    int64_t limits[QUOTA_KIND_COUNT];
    bool watched = false;
    if (quota_store_limits(pg, account_id, limits, &watched, err) != 0 ||
        pg_run(pg, &QUOTA_RESERVED, params, read_kept, kept, NULL, err) != 0) {
        return -1;
    }
    kept->limit = limits[QUOTA_CONCURRENCY];
    if (kept->limit == QUOTA_UNSET) {
        kept->limit = default_concurrency > 0 ? default_concurrency : 1000;
    }
    kept->floor = kept->limit >= 10 * QUOTA_UNRESERVED_MIN ? QUOTA_UNRESERVED_MIN : kept->limit / 10;
    return 0;
}

int quota_reserved_check(struct pg *pg, int64_t account_id, int64_t function_id, int reserved, int default_concurrency,
                         struct err *err)
{
    struct kept kept = {0};
    if (kept_read(pg, account_id, function_id, -1, default_concurrency, &kept, err) != 0) {
        return -1;
    }
    if (reserved >= 0 && reserved < kept.own) { /* AWS's sentence, its spaces included */
        return err_field(err, "/reserved_concurrency",
                         " ReservedConcurrentExecutions  %d should not be lower than function's total provisioned "
                         "concurrency [%" PRId64 "].",
                         reserved, kept.own);
    }
    if (kept.limit >= 0 && reserved > 0 && kept.others + reserved > kept.limit - kept.floor) {
        return err_field(err, "/reserved_concurrency",
                         "Specified ReservedConcurrentExecutions for function decreases account's "
                         "UnreservedConcurrentExecution below its minimum value of [%" PRId64 "].",
                         kept.floor);
    }
    return 0;
}

int quota_provisioned_check(struct pg *pg, const struct function *version, int provisioned, struct err *err)
{
    struct kept kept = {0};
    if (kept_read(pg, version->account_id, version->function_id, version->version, 0, &kept, err) != 0) {
        return -1;
    }
    int64_t wanted = kept.own + provisioned;
    if (version->reserved_concurrency >= 0) {
        return wanted <= version->reserved_concurrency
                   ? 0
                   : err_field(err, "/provisioned",
                               "Requested Provisioned Concurrency should not be greater than the "
                               "reservedConcurrentExecution for function");
    }
    if (kept.limit < 0 || wanted <= kept.limit - kept.others - kept.floor) {
        return 0;
    }
    if (wanted > kept.limit - kept.others) {
        return err_field(err, "/provisioned",
                         "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
                         "[%" PRId64 "].",
                         kept.limit - kept.others);
    }
    return err_field(err, "/provisioned",
                     "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                     "below its minimum value of [%" PRId64 "].",
                     kept.floor);
}

static const struct pg_stmt QUOTA_TELL = {
    .name = "quota.tell",
    .sql = "SELECT quota_changed($1::int8) IS NULL AS done",
    .expect = PG_ONE_ROW,
};

int quota_tell(struct pg *pg, int64_t account_id, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &QUOTA_TELL, params, NULL, NULL, NULL, err);
}

/* ---- escrow against records ---- */

static const struct pg_stmt QUOTA_ESCROW = {
    .name = "quota.escrow",
    .sql = "SELECT account_id, name, period::timestamptz AS period, recorded, stored, unstored, held, forfeit, silent_s"
           " FROM quota_escrow()",
    .expect = PG_ANY_ROWS,
};

struct report {
    quota_escrow_fn *on_row;
    void *ctx;
};

static int read_escrow(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct report *report = ctx;
    struct quota_escrow escrow = {
        .account_id = pg_get_i64(row, "account_id"),
        .period_us = pg_get_time(row, "period"),
        .stored = pg_get_i64(row, "stored"),
        .unstored = pg_get_i64(row, "unstored"),
        .held = pg_get_i64(row, "held"),
        .forfeit = pg_get_i64(row, "forfeit"),
        .silent_s = pg_get_i64(row, "silent_s"),
    };
    escrow.spend = pg_is_null(row, "recorded");
    escrow.recorded = pg_get_i64_or(row, "recorded", escrow.stored);
    escrow.ok = escrow.stored <= escrow.recorded && escrow.forfeit == 0;
    if (text_copy(escrow.name, sizeof escrow.name, pg_get_text(row, "name")) != 0) {
        return err_set(err, ERR_SYSTEM, "quota name too long");
    }
    return report->on_row(&escrow, report->ctx, err);
}

int quota_reconcile_report(struct pg *pg, quota_escrow_fn *on_row, void *ctx, struct err *err)
{
    struct report report = {on_row, ctx};
    return pg_run(pg, &QUOTA_ESCROW, NULL, read_escrow, &report, NULL, err);
}

static const struct pg_stmt QUOTA_PURGE = {
    .name = "quota.purge",
    .sql = "SELECT quota_purge($1::int8::int4, $2::int8::int4, $3::int8::int4) AS used",
    .expect = PG_ONE_ROW,
};

int quota_store_purge(struct pg *pg, int64_t *removed, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(QUOTA_KEEP_MONTHS), PG_P_I64(QUOTA_KEEP_DELIVERY_DAYS),
                                      PG_P_I64(QUOTA_KEEP_NOTICE_MONTHS), PG_P_END};
    return pg_run(pg, &QUOTA_PURGE, params, read_used, removed, NULL, err);
}

static const struct pg_stmt QUOTA_HEAL = {
    .name = "quota.heal",
    .sql = "SELECT quota_heal($1::int8, $2::text, $3::text::date) AS used",
    .expect = PG_ONE_ROW,
};

int quota_store_heal(struct pg *pg, const struct quota_escrow *escrow, int64_t *by, struct err *err)
{
    char period[CALENDAR_TEXT_BYTES];
    calendar_format_day(escrow->period_us, period);
    const struct pg_param params[] = {PG_P_I64(escrow->account_id), PG_P_TEXT(escrow->name), PG_P_TEXT(period),
                                      PG_P_END};
    return pg_run(pg, &QUOTA_HEAL, params, read_used, by, NULL, err);
}
