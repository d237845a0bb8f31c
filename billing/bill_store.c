/*
 * bill_store.c - the usage of a month behind a bill, from the rollups.
 */
#include "billing/bill_internal.h"
#include "billing/bill_rows.h"

#include "common/err.h"
#include "common/text.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pg_stmt BILL_ACCOUNT = {
    .name = "bill.account",
    .sql = "SELECT name, display_name, price_book FROM account WHERE account_id = $1::int8",
    .expect = PG_MAYBE_ROW,
};
static const struct pg_stmt BILL_USAGE = {
    .name = "bill.usage",
    .sql =
        "SELECT u.function_id, coalesce(f.name, '') AS name, u.version, u.memory_mib, u.day, u.requests, u.x86, u.arm, "
        "u.provisioned_x86, u.provisioned_arm, u.capacity_x86, u.capacity_arm, u.storage, u.streamed FROM ("
        "SELECT function_id, CASE WHEN $4::bool THEN version ELSE -1 END AS version, "
        "CASE WHEN $4::bool THEN memory_mib ELSE 0 END AS memory_mib, "
        "CASE WHEN $5::bool THEN date_trunc('day', hour) ELSE 'epoch'::timestamptz END AS day, "
        "counted(sum(billed_requests)) AS requests, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 0), 0)) AS x86, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 0), 0)) AS arm, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 1), 0)) AS provisioned_x86, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 1), 0)) AS provisioned_arm, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 0 AND provisioned = 2), 0)) AS capacity_x86, "
        "counted(coalesce(sum(mb_ms) FILTER (WHERE arch = 1 AND provisioned = 2), 0)) AS capacity_arm, "
        "counted(sum(storage_mb_ms)) AS storage, counted(sum(streamed_bytes)) AS streamed "
        "FROM (SELECT * FROM " USAGE_OF_ACCOUNT(
            USAGE_COLUMNS) "n UNION ALL SELECT * FROM " CAPACITY ") m "
                           "GROUP BY 1, 2, 3, 4) u LEFT JOIN function f ON f.account_id = $1::int8 AND f.function_id = "
                           "u.function_id "
                           "ORDER BY name, u.function_id, u.version, u.memory_mib, u.day",
    .expect = PG_ANY_ROWS,
};

struct found_account {
    struct bill_account *account;
    bool found;
};

static int take_account(const struct pg_row *row, void *ctx, struct err *err)
{
    struct found_account *found = ctx;
    (void)err;
    found->found = true;
    (void)snprintf(found->account->name, sizeof found->account->name, "%s", pg_get_text(row, "name"));
    (void)snprintf(found->account->display_name, sizeof found->account->display_name, "%s",
                   pg_get_text(row, "display_name"));
    (void)snprintf(found->account->price_book, sizeof found->account->price_book, "%s", pg_get_text(row, "price_book"));
    return 0;
}

int bill_store_account(struct pg *pg, int64_t account_id, struct bill_account *account, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id), PG_P_END};
    struct found_account found = {.account = account};
    if (pg_run(pg, &BILL_ACCOUNT, params, take_account, &found, NULL, err) != 0) {
        return err_wrap(err, "bill");
    }
    if (!found.found) {
        return err_set(err, ERR_NOT_FOUND, "account acct_%" PRId64 " does not exist", account_id);
    }
    return 0;
}

int bill_take_usage(const struct pg_row *row, void *ctx, struct err *err)
{
    struct bill_usage_list *list = ctx;
    if (list->count == list->capacity) {
        int capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct bill_usage *items = realloc(list->items, (size_t)capacity * sizeof *items);
        if (items == NULL) {
            return err_set(err, ERR_SYSTEM, "bill: out of memory for %d rows of usage", capacity);
        }
        list->items = items;
        list->capacity = capacity;
    }
    struct bill_usage *item = &list->items[list->count++];
    *item = (struct bill_usage){
        .function_id = pg_get_i64(row, "function_id"),
        .version = (int)pg_get_i64(row, "version"),
        .memory_mib = (int)pg_get_i64(row, "memory_mib"),
        .day_us = pg_get_time(row, "day"),
        .quantity = {[METER_REQUESTS] = pg_get_i64(row, "requests"),
                     [METER_COMPUTE_X86] = pg_get_i64(row, "x86"),
                     [METER_COMPUTE_ARM] = pg_get_i64(row, "arm"),
                     [METER_PROVISIONED_COMPUTE_X86] = pg_get_i64(row, "provisioned_x86"),
                     [METER_PROVISIONED_COMPUTE_ARM] = pg_get_i64(row, "provisioned_arm"),
                     [METER_PROVISIONED_X86] = pg_get_i64(row, "capacity_x86"),
                     [METER_PROVISIONED_ARM] = pg_get_i64(row, "capacity_arm"),
                     [METER_EPHEMERAL_STORAGE] = pg_get_i64(row, "storage"),
                     [METER_STREAMED_BYTES] = pg_get_i64(row, "streamed")},
    };
    if (text_copy(item->function_name, sizeof item->function_name, pg_get_text(row, "name")) != 0 ||
        item->function_name[0] == '\0') {
        (void)snprintf(item->function_name, sizeof item->function_name, "fn_%" PRId64, item->function_id);
    }
    return 0;
}

int bill_store_usage(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, unsigned split,
                     struct bill_usage_list *list, struct err *err)
{
    const struct pg_param params[] = {PG_P_I64(account_id),
                                      PG_P_TIME(from_us),
                                      PG_P_TIME(to_us),
                                      PG_P_BOOL((split & BILL_SPLIT_VERSION) != 0),
                                      PG_P_BOOL((split & BILL_SPLIT_DAY) != 0),
                                      PG_P_END};
    if (pg_stream(pg, &BILL_USAGE, params, bill_take_usage, list, err) != 0) {
        return err_wrap(err, "usage behind the bill");
    }
    return 0;
}

static const char *const KINDS[] = {
    [LINE_USAGE] = "usage",   [LINE_CORRECTION] = "correction",   [LINE_DISCOUNT] = "discount",
    [LINE_CREDIT] = "credit", [LINE_MINIMUM_FEE] = "minimum_fee", [LINE_TAX] = "tax"};

const char *bill_line_kind_name(enum line_kind kind)
{
    return KINDS[kind];
}

int bill_line_kind_parse(const char *text, enum line_kind *kind, struct err *err)
{
    for (unsigned i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (strcmp(text, KINDS[i]) == 0) {
            *kind = (enum line_kind)i;
            return 0;
        }
    }
    return err_set(err, ERR_SYSTEM, "an invoice line is of kind \"%.40s\", which this program does not know", text);
}
