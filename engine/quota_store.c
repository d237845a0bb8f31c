/*
 * quota_store.c - quotas in PostgreSQL: setting them, and their state now.
 *
 * used is what usage_hourly says, plus what nodes have finished and the aggregator has not stored yet; both are read in
 * one statement, from one snapshot, so nothing is counted twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/calendar.h"
#include "common/clock.h"
#include "common/err.h"
#include "engine/quota_internal.h"
#include "schema/pg.h"

static const struct pg_stmt QUOTA_LIMITS = {
    .name = "quota.limits",
    .sql = "SELECT account_id, name, limit_units::int8 AS limit_units, action FROM quota"
           " WHERE account_id = $1::int8 OR account_id = 0 ORDER BY account_id <> 0, name",
    .expect = PG_ANY_ROWS,
};

struct limits {
    int64_t *limits;
    bool *watched;
};

static int kind_of(const char *name, enum quota_kind *kind, struct err *err)
{
    return quota_parse(name, "name", kind, err);
}

static int read_limit(const struct pg_row *row, void *ctx, struct err *err)
{
    struct limits *self = ctx;
    enum quota_kind kind = QUOTA_CONCURRENCY;
    if (kind_of(pg_get_text(row, "name"), &kind, err) != 0) {
        return -1;
    }
    bool blocks = strcmp(pg_get_text(row, "action"), "block") == 0;
    self->limits[kind] = blocks ? pg_get_i64(row, "limit_units") : QUOTA_NOTIFIES;
    *self->watched = *self->watched || quota_is_monthly(kind);
    return 0;
}

int quota_store_limits(struct pg *pg, int64_t account_id, int64_t limits[QUOTA_KIND_COUNT], bool *watched,
                       struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    struct limits self = {limits, watched};
    *watched = false;
    for (int i = 0; i < QUOTA_KIND_COUNT; i++) {
        limits[i] = QUOTA_UNSET;
    }
    return pg_run(pg, &QUOTA_LIMITS, params, read_limit, &self, NULL, err);
}

static const struct pg_stmt QUOTA_CHANGES = {
    .name = "quota.changes",
    .sql = "SELECT account_id, changed_at FROM quota_change WHERE changed_at > $1::timestamptz ORDER BY changed_at",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt QUOTA_CLOCK = {
    .name = "quota.clock",
    .sql = "SELECT clock_timestamp() AS now",
    .expect = PG_ONE_ROW,
};

struct changes {
    void (*on_change)(int64_t account_id, void *ctx);
    void *ctx;
    int64_t latest_us;
};

static int read_change(const struct pg_row *row, void *ctx, struct err *err)
{
    struct changes *self = ctx;
    (void)err;
    int64_t at_us = pg_get_time(row, "changed_at");
    if (at_us > self->latest_us) {
        self->latest_us = at_us;
    }
    self->on_change(pg_get_i64(row, "account_id"), self->ctx);
    return 0;
}

static int read_clock(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_time(row, "now");
    return 0;
}

int quota_store_changes(struct pg *pg, int64_t since_us, int64_t overlap_us, int64_t *until_us,
                        void (*on_change)(int64_t account_id, void *ctx), void *ctx, struct err *err)
{
    /* Old enough to be over: the database's clock, so that a change is repeated only while it is within the overlap. */
    int64_t now_us = 0;
    if (pg_run(pg, &QUOTA_CLOCK, NULL, read_clock, &now_us, NULL, err) != 0) {
        return -1;
    }
    if (since_us < 0) {
        *until_us = now_us - overlap_us;
        return 0;
    }
    struct changes self = {on_change, ctx, since_us};
    const struct pg_param params[] = {PG_P_TIME(since_us), PG_P_END};
    if (pg_run(pg, &QUOTA_CHANGES, params, read_change, &self, NULL, err) != 0) {
        return -1;
    }
    *until_us = now_us - overlap_us > since_us ? now_us - overlap_us : since_us;
    return 0;
}

/* ---- usage ---- */

static const struct pg_stmt QUOTA_ACTIVE = {
    .name = "quota.active",
    .sql = "SELECT u.account_id, counted(sum(u.invocations)) AS invocations, counted(sum(u.mb_ms)) AS mb_ms FROM "
           "usage_hourly u"
           " WHERE u.hour >= $1::timestamptz AND EXISTS (SELECT FROM quota q WHERE q.account_id IN (u.account_id, 0)"
           " AND q.name IN ('requests_per_month', 'gb_seconds_per_month', 'spend_per_month')) GROUP BY u.account_id",
    .expect = PG_ANY_ROWS,
};

struct active {
    quota_active_fn *on_account;
    void *ctx;
};

static int read_active(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct active *self = ctx;
    (void)err;
    self->on_account(pg_get_i64(row, "account_id"), pg_get_i64(row, "invocations"), pg_get_i64(row, "mb_ms"),
                     self->ctx);
    return 0;
}

int quota_store_active(struct pg *pg, int64_t from_us, quota_active_fn *on_account, void *ctx, struct err *err)
{
    struct active self = {on_account, ctx};
    const struct pg_param params[] = {PG_P_TIME(from_us), PG_P_END};
    return pg_run(pg, &QUOTA_ACTIVE, params, read_active, &self, NULL, err);
}

/* ---- setting ---- */

static const struct pg_stmt QUOTA_REVISION = {
    .name = "quota.revision",
    .sql = "SELECT revision FROM quota WHERE account_id = $1::int8 AND name = $2::text FOR UPDATE",
    .expect = PG_MAYBE_ROW,
};

static const struct pg_stmt QUOTA_PUT = {
    .name = "quota.put",
    .sql = "INSERT INTO quota AS q (account_id, name, limit_text, limit_units, action, thresholds, updated_at)"
           " VALUES ($1::int8, $2::text, $3::text, $4::int8, $5::text, $6::text::int4[], clock_timestamp())"
           " ON CONFLICT (account_id, name) DO UPDATE SET limit_text = excluded.limit_text, limit_units = "
           "excluded.limit_units,"
           " action = excluded.action, thresholds = excluded.thresholds, revision = q.revision + 1,"
           " updated_at = excluded.updated_at RETURNING revision, updated_at",
    .expect = PG_ONE_ROW,
};

static const struct pg_stmt QUOTA_DELETE = {
    .name = "quota.delete",
    .sql = "DELETE FROM quota WHERE account_id = $1::int8 AND name = $2::text",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt QUOTA_CHANGED = {
    .name = "quota.changed",
    .sql = "SELECT quota_changed($1::int8) IS NULL AS done",
    .expect = PG_ONE_ROW,
};

struct put {
    int64_t account_id;
    const struct quota *quota; /* NULL: delete */
    enum quota_kind kind;
    int64_t expected_revision;
    struct quota stored;
};

static int read_revision(const struct pg_row *row, void *ctx, struct err *err)
{
    (void)err;
    *(int64_t *)ctx = pg_get_i64(row, "revision");
    return 0;
}

static int read_put(const struct pg_row *row, void *ctx, struct err *err)
{
    struct quota *stored = ctx;
    (void)err;
    stored->revision = pg_get_i64(row, "revision");
    stored->updated_us = pg_get_time(row, "updated_at");
    return 0;
}

static void thresholds_text(const struct quota *quota, char text[128])
{
    size_t length = 0;
    text[length++] = '{';
    for (int i = 0; i < quota->threshold_count; i++) {
        length += (size_t)snprintf(text + length, 128 - length, "%s%d", i > 0 ? "," : "", quota->thresholds[i]);
    }
    (void)snprintf(text + length, 128 - length, "}");
}

static int check_revision(struct pg *pg, const struct put *put, struct err *err)
{
    int64_t revision = 0;
    const struct pg_param params[] = {PG_P_I64(put->account_id), PG_P_TEXT(quota_name(put->kind)), PG_P_END};
    if (pg_run(pg, &QUOTA_REVISION, params, read_revision, &revision, NULL, err) != 0) {
        return -1;
    }
    if (put->quota == NULL && revision == 0) {
        return err_set(err, ERR_NOT_FOUND, "the account has no quota %s of its own", quota_name(put->kind));
    }
    if (put->expected_revision >= 0 && put->expected_revision != revision) {
        (void)err_set(err, ERR_CONFLICT, "the quota %s was changed meanwhile: its revision is %lld, not %lld",
                      quota_name(put->kind), (long long)revision, (long long)put->expected_revision);
        return err_slug(err, "stale_version");
    }
    return 0;
}

static int put_body(struct pg *pg, void *ctx, struct err *err)
{
    struct put *put = ctx;
    char thresholds[128];
    if (check_revision(pg, put, err) != 0) {
        return -1;
    }
    if (put->quota != NULL) {
        put->stored = *put->quota;
        put->stored.set = true;
        put->stored.inherited = false;
        if (quota_limit_parse(put->kind, put->quota->limit_text, &put->stored.limit_units, put->stored.limit_text,
                              err) != 0) {
            return -1;
        }
        thresholds_text(put->quota, thresholds);
        const struct pg_param params[] = {
            PG_P_I64(put->account_id),
            PG_P_TEXT(quota_name(put->kind)),
            PG_P_TEXT(put->stored.limit_text),
            PG_P_I64(put->stored.limit_units),
            PG_P_TEXT(put->quota->action == QUOTA_BLOCK ? "block" : "notify"),
            PG_P_TEXT(thresholds),
            PG_P_END,
        };
        if (pg_run(pg, &QUOTA_PUT, params, read_put, &put->stored, NULL, err) != 0) {
            return -1;
        }
    } else {
        const struct pg_param params[] = {PG_P_I64(put->account_id), PG_P_TEXT(quota_name(put->kind)), PG_P_END};
        if (pg_run(pg, &QUOTA_DELETE, params, NULL, NULL, NULL, err) != 0) {
            return -1;
        }
    }
    const struct pg_param account[] = {PG_P_I64(put->account_id), PG_P_END};
    return pg_run(pg, &QUOTA_CHANGED, account, NULL, NULL, NULL, err);
}

static int check_thresholds(const struct quota *quota, struct err *err)
{
    if (quota->threshold_count < 0 || quota->threshold_count > QUOTA_THRESHOLDS_MAX) {
        return err_field(err, "/thresholds", "at most %d thresholds", QUOTA_THRESHOLDS_MAX);
    }
    for (int i = 0; i < quota->threshold_count; i++) {
        char field[32];
        (void)snprintf(field, sizeof field, "/thresholds/%d", i);
        if (quota->thresholds[i] < 1 || quota->thresholds[i] > 1000) {
            return err_field(err, field, "a threshold is 1 to 1000 per cent, not %d", quota->thresholds[i]);
        }
        if (i > 0 && quota->thresholds[i] <= quota->thresholds[i - 1]) {
            return err_field(err, field, "thresholds grow: %d does not come after %d", quota->thresholds[i],
                             quota->thresholds[i - 1]);
        }
    }
    return 0;
}

int quota_put(struct pg *pg, int64_t account_id, const struct quota *quota, int64_t expected_revision,
              struct quota *stored, struct err *err)
{
    struct put put = {
        .account_id = account_id, .quota = quota, .kind = quota->kind, .expected_revision = expected_revision};
    if (check_thresholds(quota, err) != 0) {
        return -1;
    }
    if (pg_tx(pg, put_body, &put, err) != 0) {
        return err_wrap(err, "set quota %s", quota_name(quota->kind));
    }
    *stored = put.stored;
    return 0;
}

int quota_delete(struct pg *pg, int64_t account_id, enum quota_kind kind, int64_t expected_revision, struct err *err)
{
    struct put put = {.account_id = account_id, .kind = kind, .expected_revision = expected_revision};
    if (pg_tx(pg, put_body, &put, err) != 0) {
        return err_wrap(err, "remove quota %s", quota_name(kind));
    }
    return 0;
}
