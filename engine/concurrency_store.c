/* concurrency_store.c - reserved and provisioned concurrency (columns of function and function_version). */
#include "common/err.h"
#include "engine/function_row.h"
#include "engine/quota.h"
#include "schema/pg.h"

static const struct pg_stmt RESERVED_SET = {
    .name = "function.reserved_set",
    .sql = "UPDATE function SET reserved_concurrency = nullif($3::int4, -1) WHERE account_id = $1::int8 "
           "AND function_id = $2::int8",
    .expect = PG_NO_ROWS,
};

/* The function is locked before, by a statement of its own: this one must see the period that is in force. */
static const struct pg_stmt PROVISIONED_SET = {
    .name = "function.provisioned_set",
    .sql =
        "WITH changed AS (UPDATE function_version SET provisioned = $4::int4 WHERE account_id = $1::int8 "
        "AND function_id = $2::int8 AND version = $3::int4 AND provisioned <> $4::int4 "
        "RETURNING account_id, function_id, version, memory_mib, arch, provisioned, clock_timestamp() AS at), "
        "ended AS (UPDATE provisioned_period p SET ends_at = c.at FROM changed c WHERE p.account_id = c.account_id "
        "AND p.function_id = c.function_id AND p.version = c.version AND p.ends_at IS NULL) "
        "INSERT INTO provisioned_period (account_id, function_id, version, starts_at, memory_mib, arch, instances) "
        "SELECT account_id, function_id, version, at, memory_mib, arch, provisioned FROM changed WHERE provisioned > 0",
    .expect = PG_NO_ROWS,
};

static const struct pg_stmt PROVISIONED_ALL = {
    .name = "function.provisioned_all",
    .sql = "SELECT v.account_id, f.name, v.version FROM function_version v JOIN function f USING (account_id, "
           "function_id) "
           "WHERE v.provisioned > 0 AND f.deleted_at IS NULL ORDER BY v.account_id, f.name, v.version",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt PROVISIONED_LIST = {
    .name = "function.provisioned_list",
    .sql = "SELECT function_id, version, instances, starts_at FROM provisioned_period WHERE account_id = $1::int8 "
           "AND function_id = $2::int8 AND ($3::int4 < 0 OR version = $3::int4) AND ends_at IS NULL ORDER BY version",
    .expect = PG_ANY_ROWS,
};

static const struct pg_stmt ACCOUNT_LOCK = {
    .name = "function.reserved_lock",
    .sql = "SELECT account_id FROM account WHERE account_id = $1::int8 FOR UPDATE",
    .expect = PG_ONE_ROW,
};

struct reserving {
    int64_t account_id;
    const char *name;
    int reserved;
};

int function_row_account_lock(struct pg *pg, int64_t account_id, struct err *err)
{
    const struct pg_param account[] = {PG_P_I64(account_id), PG_P_END};
    return pg_run(pg, &ACCOUNT_LOCK, account, NULL, NULL, NULL, err);
}

int function_row_reserve(struct pg *pg, int64_t account_id, int64_t function_id, int reserved, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_I64(reserved), PG_P_END};
    if (quota_reserved_check(pg, account_id, function_id, reserved, 0, err) != 0 ||
        pg_run(pg, &RESERVED_SET, params, NULL, NULL, NULL, err) != 0) {
        return -1;
    }
    return quota_tell(pg, account_id, err);
}

static int reserve_body(struct pg *pg, void *ctx, struct err *err)
{
    const struct reserving *reserving = ctx;
    int64_t account_id = reserving->account_id;
    struct function function;
    if (function_row_account_lock(pg, account_id, err) != 0 ||
        function_row_lock(pg, account_id, reserving->name, &function, err) != 0) {
        return -1;
    }
    return function_row_reserve(pg, account_id, function.function_id, reserving->reserved, err);
}

int function_set_reserved(struct pg *pg, int64_t account_id, const char *name, int reserved, struct err *err)
{
    struct reserving reserving = {.account_id = account_id, .name = name, .reserved = reserved};
    if (reserved < -1) {
        return err_field(err, "/reserved_concurrency", "reserved concurrency %d is negative", reserved);
    }
    return pg_tx_at(pg, PG_READ_COMMITTED, reserve_body, &reserving, err);
}

struct provisioning {
    int64_t account_id;
    const char *name, *qualifier;
    int provisioned;
};

static int provision_body(struct pg *pg, void *ctx, struct err *err)
{
    const struct provisioning *self = ctx;
    struct function latest;
    struct function function;
    if (function_row_account_lock(pg, self->account_id, err) != 0 ||
        function_row_lock(pg, self->account_id, self->name, &latest, err) != 0 ||
        function_get(pg, self->account_id, self->name, self->qualifier, &function, err) != 0) {
        return -1;
    }
    if (function.version == FUNCTION_VERSION_LATEST) {
        return err_field(err, "qualifier",
                         "Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
    }
    if (self->provisioned > 0 && quota_provisioned_check(pg, &function, self->provisioned, err) != 0) {
        return -1;
    }
    const struct pg_param params[] = {PG_P_I64(self->account_id), PG_P_I64(function.function_id),
                                      PG_P_I64(function.version), PG_P_I64(self->provisioned), PG_P_END};
    return pg_run(pg, &PROVISIONED_SET, params, NULL, NULL, NULL, err);
}

int function_set_provisioned(struct pg *pg, int64_t account_id, const char *name, const char *qualifier,
                             int provisioned, struct err *err)
{
    struct provisioning self = {
        .account_id = account_id, .name = name, .qualifier = qualifier, .provisioned = provisioned};
    if (provisioned < 0) {
        return err_field(err, "/provisioned", "provisioned concurrency %d is negative", provisioned);
    }
    return pg_tx_at(pg, PG_READ_COMMITTED, provision_body, &self, err);
}

struct each {
    function_provisioned_fn *visit;
    void *ctx;
};

static int take_version(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct each *each = ctx;
    (void)err;
    return each->visit(pg_get_i64(row, "account_id"), pg_get_text(row, "name"), (int)pg_get_i64(row, "version"),
                       each->ctx);
}

int function_each_provisioned(struct pg *pg, function_provisioned_fn *visit, void *ctx, struct err *err)
{
    struct each each = {visit, ctx};
    const struct pg_param none[] = {PG_P_END};
    return pg_run(pg, &PROVISIONED_ALL, none, take_version, &each, NULL, err);
}

struct list {
    function_config_fn *visit;
    void *ctx;
};

static int take_config(const struct pg_row *row, void *ctx, struct err *err)
{
    const struct list *list = ctx;
    const struct function_provisioned config = {.function_id = pg_get_i64(row, "function_id"),
                                                .version = (int)pg_get_i64(row, "version"),
                                                .instances = (int)pg_get_i64(row, "instances"),
                                                .since_us = pg_get_time(row, "starts_at")};
    (void)err;
    return list->visit(&config, list->ctx);
}

int function_list_provisioned(struct pg *pg, int64_t account_id, int64_t function_id, int version,
                              function_config_fn *visit, void *ctx, struct err *err)
{
    struct list list = {visit, ctx};
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_I64(function_id), PG_P_I64(version), PG_P_END};
    return pg_run(pg, &PROVISIONED_LIST, params, take_config, &list, NULL, err);
}
