#include "metering/seal.h"

#include "common/calendar.h"
#include "common/err.h"
#include "common/log.h"
#include "metering/seal_store.h"
#include "metering/usage.h"
#include "metering/usage_store.h"
#include "schema/partition.h"
#include "schema/pg.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- sealing ---- */

struct pass {
    int64_t day_us;
    struct seal_row *rows;
    int64_t count, room;
    struct merkle tree; /* of the last row's account */
    int64_t records;
};

static void finish_row(struct pass *pass)
{
    if (pass->count > 0) {
        pass->rows[pass->count - 1].root = merkle_root(&pass->tree);
    }
    pass->tree.count = 0;
}

static struct seal_row *row_of(struct pass *pass, int64_t account_id, int64_t counted, struct err *err)
{
    if (pass->count > 0 && pass->rows[pass->count - 1].account_id == account_id) {
        return &pass->rows[pass->count - 1];
    }
    if (pass->count == pass->room) {
        int64_t room = pass->room == 0 ? 64 : pass->room * 2;
        struct seal_row *more = realloc(pass->rows, (size_t)room * sizeof *more);
        if (more == NULL) {
            (void)err_set(err, ERR_SYSTEM, "seal: out of memory");
            return NULL;
        }
        pass->rows = more;
        pass->room = room;
    }
    finish_row(pass);
    struct seal_row *row = &pass->rows[pass->count++];
    *row = (struct seal_row){.account_id = account_id, .counted = counted};
    return row;
}

static int on_record(const struct pg_row *row, void *ctx, struct err *err)
{
    struct pass *pass = ctx;
    struct usage_record record;
    struct seal_row *seal = row_of(pass, pg_get_i64(row, "due_account_id"), pg_get_i64(row, "counted"), err);
    if (seal == NULL) {
        return -1;
    }
    if (pg_is_null(row, "request_id")) {
        return 0; /* counted, but its raw records are gone */
    }
    if (usage_store_record_of(row, &record, err) != 0) {
        return -1;
    }
    struct merkle_hash leaf = proof_record_leaf(&record);
    merkle_add(&pass->tree, &leaf);
    seal->records++;
    pass->records++;
    return 0;
}

static int in_transaction(struct pg *pg, void *ctx, struct err *err)
{
    struct pass *pass = ctx;
    bool due = false;
    pass->count = 0;
    pass->records = 0;
    if (seal_store_due(pg, pass->day_us, &due, err) != 0) {
        return -1;
    }
    if (!due) {
        return 0;
    }
    if (seal_store_records(pg, pass->day_us, on_record, pass, err) != 0) {
        return -1;
    }
    finish_row(pass);
    return seal_store_add(pg, pass->day_us, pass->rows, pass->count, err);
}

/* The unique index of a complete day is the audit that finds what two producers reported. */
static void close_partition(struct pg *pg, int64_t day_us, struct seal_result *result)
{
    struct err err = {0};
    bool made = false;
    if (partition_close(pg, day_us, &made, &err) != 0) {
        char day[CALENDAR_TEXT_BYTES];
        calendar_format_day(day_us, day);
        LOG(err.code == ERR_CONFLICT ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "seal.day_not_indexed", LF_STR("day", day),
            LF_STR("reason", err.text));
        result->doubtful_days += err.code == ERR_CONFLICT;
    }
}

int seal_days(struct pg *pg, int64_t from_us, int64_t to_us, struct seal_result *result, struct err *err)
{
    struct usage_freshness freshness;
    struct pass pass = {0};
    int rc = 0;
    *result = (struct seal_result){0};
    if (usage_freshness_get(pg, &freshness, err) != 0) {
        return -1;
    }
    int64_t complete_us = calendar_day_start(freshness.complete_through_us);
    to_us = to_us < complete_us ? to_us : complete_us;
    for (int64_t day_us = calendar_day_start(from_us); day_us < to_us && rc == 0; day_us += CALENDAR_DAY_US) {
        close_partition(pg, day_us, result);
        pass.day_us = day_us;
        /* One snapshot: the cursors tell exactly which records were read. */
        rc = pg_tx_at(pg, PG_REPEATABLE_READ, in_transaction, &pass, err);
        result->days++;
        result->accounts += rc == 0 ? pass.count : 0;
        result->records += rc == 0 ? pass.records : 0;
    }
    free(pass.rows);
    return rc == 0 ? 0 : err_wrap(err, "seal a day");
}

static int on_activity(const struct pg_row *row, void *ctx, struct err *err)
{
    int64_t *counts = ctx;
    (void)err;
    counts[pg_get_i64(row, "n")] = pg_get_i64(row, "inserted");
    return 0;
}

int seal_activity(struct pg *pg, int64_t from_us, int days, int64_t *counts, struct err *err)
{
    return seal_store_activity(pg, from_us, from_us + days * CALENDAR_DAY_US, on_activity, counts, err);
}

/* ---- months ---- */

static struct merkle_hash day_leaf(int64_t account_id, const struct seal_day *day)
{
    char text[PROOF_TEXT_BYTES];
    size_t length = proof_day_text(account_id, day->day_us, day->records, &day->root, text);
    return merkle_leaf(text, length);
}

void seal_month_sum(struct seal_month *month)
{
    struct merkle tree = {0};
    month->records = 0;
    for (int i = 0; i < month->days; i++) {
        struct merkle_hash leaf = day_leaf(month->account_id, &month->day[i]);
        merkle_add(&tree, &leaf);
        month->records += month->day[i].records;
    }
    month->root = merkle_root(&tree);
}

static int on_day(const struct pg_row *row, void *ctx, struct err *err)
{
    struct seal_month *month = ctx;
    size_t length = 0;
    const void *root = pg_get_bytes(row, "root", &length);
    if (root == NULL || length != SHA256_BYTES || month->days == SEAL_DAYS_MAX) {
        return err_set(err, ERR_SYSTEM, "a seal is not %d bytes, or there are more than %d days", SHA256_BYTES,
                       SEAL_DAYS_MAX);
    }
    if (pg_get_i64(row, "records") == 0) {
        return 0;
    }
    struct seal_day *day = &month->day[month->days++];
    *day = (struct seal_day){.day_us = pg_get_time(row, "at"), .records = pg_get_i64(row, "records")};
    memcpy(day->root.bytes, root, sizeof day->root.bytes);
    return 0;
}

int seal_month_get(struct pg *pg, int64_t account_id, int64_t from_us, int64_t to_us, int64_t as_of_us,
                   struct seal_month *month, struct err *err)
{
    *month = (struct seal_month){.account_id = account_id};
    if (seal_store_month(pg, account_id, from_us, to_us, as_of_us, on_day, month, err) != 0) {
        return err_wrap(err, "read the seals of a month");
    }
    seal_month_sum(month);
    return 0;
}

/* ---- proof of one record ---- */

struct found {
    struct usage_record *record;
    bool any;
};

static int on_found(const struct pg_row *row, void *ctx, struct err *err)
{
    struct found *found = ctx;
    found->any = true;
    return usage_store_record_of(row, found->record, err);
}

int seal_find(struct pg *pg, int64_t account_id, const uint8_t request_id[16], int64_t from_us, int64_t to_us,
              struct usage_record *record, struct err *err)
{
    struct found found = {.record = record};
    if (seal_store_find(pg, account_id, request_id, from_us, to_us, on_found, &found, err) != 0) {
        return -1;
    }
    return found.any ? 0 : err_set(err, ERR_NOT_FOUND, "there is no such invocation in this month");
}

struct leaves {
    struct merkle_hash *items;
    uint64_t count, room;
    const struct usage_record *wanted;
    uint64_t index;
    bool found;
};

static int on_leaf(const struct usage_record *record, const char *function_name, void *ctx, struct err *err)
{
    struct leaves *leaves = ctx;
    (void)function_name;
    if (leaves->count == leaves->room) {
        uint64_t room = leaves->room == 0 ? 1024 : leaves->room * 2;
        struct merkle_hash *more = realloc(leaves->items, room * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "seal: out of memory");
        }
        leaves->items = more;
        leaves->room = room;
    }
    if (proof_order(record, leaves->wanted) == 0) {
        leaves->index = leaves->count;
        leaves->found = true;
    }
    leaves->items[leaves->count++] = proof_record_leaf(record);
    return 0;
}

int seal_prove(struct pg *pg, const struct seal_month *month, const struct usage_record *record, int64_t as_of_us,
               struct seal_proof *proof, struct err *err)
{
    int64_t day_us = calendar_day_start(record->started_us);
    struct usage_record_query query = {
        .account_id = month->account_id, .from_us = day_us, .to_us = day_us + CALENDAR_DAY_US, .sealed_us = as_of_us};
    struct leaves leaves = {.wanted = record};
    struct merkle_hash days[SEAL_DAYS_MAX];
    int day = -1;
    for (int i = 0; i < month->days; i++) {
        days[i] = day_leaf(month->account_id, &month->day[i]);
        day = month->day[i].day_us == day_us ? i : day;
    }
    if (day < 0) {
        return err_set(err, ERR_NOT_FOUND,
                       "the day of this invocation is not sealed yet: that happens when it is over "
                       "and all its records are in");
    }
    int rc = usage_records_run(pg, &query, on_leaf, &leaves, err);
    if (rc == 0 && !leaves.found) {
        rc = err_set(err, ERR_NOT_FOUND, "this invocation arrived after its day was sealed");
    }
    if (rc == 0) {
        *proof = (struct seal_proof){.record = *record, .month = *month, .day = day};
        merkle_path_of(leaves.items, leaves.count, leaves.index, &proof->in_day);
        merkle_path_of(days, (uint64_t)month->days, (uint64_t)day, &proof->in_month);
        if (!seal_proof_holds(proof)) {
            rc = err_set(err, ERR_SYSTEM,
                         "the records of that day are no longer those that were sealed (%" PRIu64 " now, %" PRId64
                         " then)",
                         leaves.count, month->day[day].records);
        }
    }
    free(leaves.items);
    return rc;
}

bool seal_proof_holds(const struct seal_proof *proof)
{
    const struct seal_day *day = &proof->month.day[proof->day];
    struct merkle_hash leaf = proof_record_leaf(&proof->record);
    struct merkle_hash root;
    if (merkle_path_root(&proof->in_day, &leaf, &root) != 0 || memcmp(&root, &day->root, sizeof root) != 0 ||
        (int64_t)proof->in_day.count != day->records) {
        return false;
    }
    leaf = day_leaf(proof->month.account_id, day);
    return merkle_path_root(&proof->in_month, &leaf, &root) == 0 && memcmp(&root, &proof->month.root, sizeof root) == 0;
}
