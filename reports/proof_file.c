/*
 * proof_file.c - the trees of metering/proof.h made from a records file: what its text says is what is hashed.
 */
#include "reports/proof.h"

#include "common/calendar.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/text.h"
#include "reports/csv_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Columns of the records layout in the order of the line. */
static const char *const COLUMNS[] = {
    "account", "function_id",    "version",         "started_at",    "request_id", "attempt",
    "status",  "duration_us",    "init_us",         "billed_ms",     "memory_mib", "peak_kib",
    "cpu_us",  "response_bytes", "billed_requests", "ephemeral_mib", "flags"};
#define COLUMN_COUNT (sizeof COLUMNS / sizeof COLUMNS[0])

static int line_of(const struct csv_reader *reader, char line[PROOF_TEXT_BYTES], struct err *err)
{
    size_t at = (size_t)snprintf(line, PROOF_TEXT_BYTES, "farthing-record-1");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        const char *field = NULL;
        if (csv_read_field(reader, COLUMNS[i], &field, err) != 0) {
            return -1;
        }
        size_t length = strlen(field);
        if (strchr(field, ',') != NULL || at + length + 2 > PROOF_TEXT_BYTES) {
            return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": %s is \"%.40s\", which no record has", reader->name,
                           reader->row, COLUMNS[i], field);
        }
        line[at] = ',';
        memcpy(line + at + 1, field, length + 1);
        at += length + 1;
    }
    return 0;
}

static int leaf_of(const struct csv_reader *reader, const char *line, struct proof_leaf *leaf, struct err *err)
{
    const char *started = NULL;
    const char *request = NULL;
    const char *attempt = NULL;
    int64_t number = 0;
    if (csv_read_field(reader, "started_at", &started, err) != 0 ||
        csv_read_field(reader, "request_id", &request, err) != 0 ||
        csv_read_field(reader, "attempt", &attempt, err) != 0 ||
        calendar_parse(started, "started_at", &leaf->started_us, err) != 0 ||
        text_i64(attempt, "attempt", 1, 65535, &number, err) != 0) {
        return err_wrap(err, "%s, row %" PRId64, reader->name, reader->row);
    }
    if (text_copy(leaf->request_id, sizeof leaf->request_id, request) != 0) {
        return err_set(err, ERR_INVALID, "%s, row %" PRId64 ": request_id is \"%.60s\", which is no UUID", reader->name,
                       reader->row, request);
    }
    leaf->attempt = (int)number;
    leaf->hash = merkle_leaf(line, strlen(line));
    return 0;
}

int proof_file_add(struct proof_file *file, const struct csv_reader *reader, struct err *err)
{
    char line[PROOF_TEXT_BYTES];
    const char *account = NULL;
    if (file->count == file->room) {
        int64_t room = file->room == 0 ? 1024 : file->room * 2;
        struct proof_leaf *more = realloc(file->leaves, (size_t)room * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "verify: out of memory");
        }
        file->leaves = more;
        file->room = room;
    }
    struct proof_leaf *leaf = &file->leaves[file->count];
    if (line_of(reader, line, err) != 0 || leaf_of(reader, line, leaf, err) != 0 ||
        csv_read_field(reader, "account", &account, err) != 0 ||
        id_parse("acct", account, "account", &file->account_id, err) != 0) {
        return -1;
    }
    if (file->wanted[0] != '\0' && strcmp(leaf->request_id, file->wanted) == 0 &&
        leaf->attempt > file->wanted_leaf.attempt) {
        file->wanted_leaf = *leaf;
        memcpy(file->record, line, sizeof line);
    }
    file->count++;
    return 0;
}

static int by_order(const void *a, const void *b)
{
    const struct proof_leaf *left = a;
    const struct proof_leaf *right = b;
    if (left->started_us != right->started_us) {
        return left->started_us < right->started_us ? -1 : 1;
    }
    int order = strcmp(left->request_id, right->request_id);
    return order != 0 ? order : left->attempt - right->attempt;
}

int proof_file_month(struct proof_file *file, struct seal_month *month, struct err *err)
{
    *month = (struct seal_month){.account_id = file->account_id};
    struct merkle tree = {0};
    if (file->count > 0) {
        qsort(file->leaves, (size_t)file->count, sizeof *file->leaves, by_order);
    }
    for (int64_t i = 0; i < file->count; i++) {
        int64_t day_us = calendar_day_start(file->leaves[i].started_us);
        if (month->days == 0 || month->day[month->days - 1].day_us != day_us) {
            if (month->days == SEAL_DAYS_MAX) {
                return err_set(err, ERR_INVALID, "the records are of more than %d days", SEAL_DAYS_MAX);
            }
            tree.count = 0;
            month->day[month->days++] = (struct seal_day){.day_us = day_us};
        }
        struct seal_day *day = &month->day[month->days - 1];
        merkle_add(&tree, &file->leaves[i].hash);
        day->records++;
        bool last = i + 1 == file->count || calendar_day_start(file->leaves[i + 1].started_us) != day_us;
        if (last) {
            day->root = merkle_root(&tree);
        }
    }
    seal_month_sum(month);
    return 0;
}

int proof_file_prove(const struct proof_file *file, const struct seal_month *month, struct proof *proof,
                     struct err *err)
{
    struct merkle_hash days[SEAL_DAYS_MAX];
    int64_t first = 0;
    int day = 0;
    int64_t day_us = calendar_day_start(file->wanted_leaf.started_us);
    if (file->wanted_leaf.attempt == 0) {
        return err_set(err, ERR_NOT_FOUND, "invocation %s is not among the %" PRId64 " records", file->wanted,
                       file->count);
    }
    for (int i = 0; i < month->days; i++) {
        char text[PROOF_TEXT_BYTES];
        size_t length =
            proof_day_text(month->account_id, month->day[i].day_us, month->day[i].records, &month->day[i].root, text);
        days[i] = merkle_leaf(text, length);
        if (month->day[i].day_us < day_us) {
            first += month->day[i].records;
            day++;
        }
    }
    *proof = (struct proof){.root = month->root};
    memcpy(proof->record, file->record, sizeof proof->record);
    (void)proof_day_text(month->account_id, day_us, month->day[day].records, &month->day[day].root, proof->day);
    uint64_t count = (uint64_t)month->day[day].records;
    struct merkle_hash *hashes = calloc(count, sizeof *hashes);
    if (hashes == NULL) {
        return err_set(err, ERR_SYSTEM, "verify: out of memory");
    }
    uint64_t index = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct proof_leaf *leaf = &file->leaves[first + (int64_t)i];
        hashes[i] = leaf->hash;
        index = by_order(leaf, &file->wanted_leaf) == 0 ? i : index;
    }
    merkle_path_of(hashes, count, index, &proof->in_day);
    merkle_path_of(days, (uint64_t)month->days, (uint64_t)day, &proof->in_month);
    free(hashes);
    return 0;
}

void proof_file_free(struct proof_file *file)
{
    free(file->leaves);
    *file = (struct proof_file){0};
}
