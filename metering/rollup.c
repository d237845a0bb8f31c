#include "metering/rollup.h"

#include "common/calendar.h"
#include "common/check.h"
#include "common/err.h"
#include "metering/record.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 1024u
#define CHUNK_ROWS 256u
#define CHUNKS_MAX 512u

struct rollup {
    struct rollup_row **table; /* open addressing, power of two, at most half full */
    size_t table_size;
    struct rollup_row *chunks[CHUNKS_MAX]; /* rows never move */
    struct rollup_row **sorted;
    size_t row_count;
    struct rollup_refusal *refusals; /* few: in order, inserted where they belong */
    size_t refusal_count, refusal_room;
};

int rollup_new(struct rollup **rollup, struct err *err)
{
    struct rollup *self = calloc(1, sizeof *self);
    if (self != NULL) {
        self->table_size = 2 * ROWS_FIRST;
        self->table = calloc(self->table_size, sizeof *self->table);
    }
    if (self == NULL || self->table == NULL) {
        free(self);
        return err_set(err, ERR_SYSTEM, "rollup: out of memory");
    }
    *rollup = self;
    return 0;
}

void rollup_free(struct rollup **rollup)
{
    struct rollup *self = *rollup;
    if (self == NULL) {
        return;
    }
    for (size_t i = 0; i < CHUNKS_MAX && self->chunks[i] != NULL; i++) {
        for (size_t k = 0; k < CHUNK_ROWS; k++) {
            free(self->chunks[i][k].latency);
        }
        free(self->chunks[i]);
    }
    free(self->table);
    free(self->sorted);
    free(self->refusals);
    free(self);
    *rollup = NULL;
}

void rollup_clear(struct rollup *rollup)
{
    memset(rollup->table, 0, rollup->table_size * sizeof *rollup->table);
    rollup->row_count = 0;
    rollup->refusal_count = 0;
}

static uint64_t hash(const struct rollup_key *key)
{
    uint64_t words[5];
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15);
    memcpy(words, key, sizeof words);
    for (size_t i = 0; i < 5; i++) {
        sum = (sum ^ words[i]) * UINT64_C(0xff51afd7ed558ccd);
        sum ^= sum >> 32;
    }
    return sum;
}

static struct rollup_row **find(struct rollup_row **table, size_t size, const struct rollup_key *key)
{
    size_t at = hash(key) & (size - 1);
    while (table[at] != NULL && memcmp(&table[at]->key, key, sizeof *key) != 0) {
        at = (at + 1) & (size - 1);
    }
    return &table[at];
}

static int grow(struct rollup *rollup, struct err *err)
{
    size_t size = rollup->table_size * 2;
    struct rollup_row **table = calloc(size, sizeof *table);
    if (table == NULL) {
        return err_set(err, ERR_SYSTEM, "rollup: out of memory");
    }
    for (size_t i = 0; i < rollup->table_size; i++) {
        if (rollup->table[i] != NULL) {
            *find(table, size, &rollup->table[i]->key) = rollup->table[i];
        }
    }
    free(rollup->table);
    rollup->table = table;
    rollup->table_size = size;
    return 0;
}

static struct rollup_row *new_row(struct rollup *rollup, const struct rollup_key *key, struct err *err)
{
    size_t chunk = rollup->row_count / CHUNK_ROWS;
    CHECK(chunk < CHUNKS_MAX); /* a batch has fewer records than this has rows */
    if (rollup->chunks[chunk] == NULL) {
        rollup->chunks[chunk] = calloc(CHUNK_ROWS, sizeof *rollup->chunks[chunk]);
    }
    if (rollup->chunks[chunk] == NULL) {
        (void)err_set(err, ERR_SYSTEM, "rollup: out of memory");
        return NULL;
    }
    struct rollup_row *row = &rollup->chunks[chunk][rollup->row_count % CHUNK_ROWS];
    if (row->latency == NULL) {
        row->latency = malloc(LATENCY_BUCKETS * sizeof *row->latency);
        if (row->latency == NULL) {
            (void)err_set(err, ERR_SYSTEM, "rollup: out of memory");
            return NULL;
        }
    }
    row->key = *key;
    memset(row->sums, 0, sizeof row->sums);
    memset(row->latency, 0, LATENCY_BUCKETS * sizeof *row->latency);
    row->latency_low = LATENCY_BUCKETS;
    row->latency_high = 0;
    rollup->row_count++;
    return row;
}

static struct rollup_row *row_of(struct rollup *rollup, const struct rollup_key *key, struct err *err)
{
    struct rollup_row **place = find(rollup->table, rollup->table_size, key);
    if (*place == NULL) {
        if (rollup->row_count * 2 >= rollup->table_size) {
            if (grow(rollup, err) != 0) {
                return NULL;
            }
            place = find(rollup->table, rollup->table_size, key);
        }
        *place = new_row(rollup, key, err);
    }
    return *place;
}

static void add_status(int64_t *sums, uint8_t status)
{
    static const enum rollup_sum COLUMN[USAGE_STATUS_COUNT] = {
        [USAGE_TIMEOUT] = ROLLUP_TIMEOUTS,
        [USAGE_OUT_OF_MEMORY] = ROLLUP_OOMS,
        [USAGE_INIT_ERROR] = ROLLUP_INIT_ERRORS,
        [USAGE_KILLED] = ROLLUP_KILLED,
    };
    if (status != USAGE_OK) {
        sums[ROLLUP_ERRORS]++;
    }
    if (status > USAGE_ERROR) {
        sums[COLUMN[status]]++;
    }
}

static void add_invocation(struct rollup_row *row, const struct usage_record *record)
{
    int64_t *sums = row->sums;
    unsigned bucket = latency_bucket(record->duration_us);
    sums[ROLLUP_INVOCATIONS]++;
    sums[ROLLUP_BILLED_REQUESTS] += record->billed_requests;
    add_status(sums, record->status);
    sums[ROLLUP_COLD_STARTS] += (record->flags & USAGE_FLAG_COLD) != 0;
    sums[ROLLUP_BILLED_MS] += record->billed_ms;
    sums[ROLLUP_MB_MS] += (int64_t)usage_mb_ms(record);
    sums[ROLLUP_STORAGE_MB_MS] += (int64_t)usage_storage_mb_ms(record);
    sums[ROLLUP_STREAMED_BYTES] += (int64_t)usage_streamed_bytes(record);
    sums[ROLLUP_DURATION_US] += (int64_t)record->duration_us;
    sums[ROLLUP_INIT_US] += (int64_t)record->init_us;
    sums[ROLLUP_CPU_US] += (int64_t)record->cpu_us;
    sums[ROLLUP_RESPONSE_BYTES] += (int64_t)record->response_bytes;
    sums[ROLLUP_PEAK_KIB_SUM] += record->peak_kib;
    if (record->peak_kib > sums[ROLLUP_PEAK_KIB_MAX]) {
        sums[ROLLUP_PEAK_KIB_MAX] = record->peak_kib;
    }
    row->latency[bucket]++;
    row->latency_low = bucket < row->latency_low ? bucket : row->latency_low;
    row->latency_high = bucket > row->latency_high ? bucket : row->latency_high;
}

static int compare_keys(const struct rollup_key *a, const struct rollup_key *b)
{
#define BY(member)                                                                                                     \
    if (a->member != b->member) {                                                                                      \
        return a->member < b->member ? -1 : 1;                                                                         \
    }
    BY(account_id)
    BY(hour_us)
    BY(function_id)
    BY(version)
    BY(memory_mib)
    BY(arch)
    BY(provisioned)
#undef BY
    return 0;
}

static int add_refusal(struct rollup *rollup, const struct rollup_key *key, int64_t refusals, struct err *err)
{
    size_t at = 0;
    while (at < rollup->refusal_count && compare_keys(&rollup->refusals[at].key, key) < 0) {
        at++;
    }
    if (at < rollup->refusal_count && compare_keys(&rollup->refusals[at].key, key) == 0) {
        rollup->refusals[at].refusals += refusals;
        return 0;
    }
    if (rollup->refusal_count == rollup->refusal_room) {
        size_t room = rollup->refusal_room == 0 ? 64 : rollup->refusal_room * 2;
        struct rollup_refusal *more = realloc(rollup->refusals, room * sizeof *more);
        if (more == NULL) {
            return err_set(err, ERR_SYSTEM, "rollup: out of memory");
        }
        rollup->refusals = more;
        rollup->refusal_room = room;
    }
    memmove(&rollup->refusals[at + 1], &rollup->refusals[at], (rollup->refusal_count - at) * sizeof *rollup->refusals);
    rollup->refusals[at] = (struct rollup_refusal){.key = *key, .refusals = refusals};
    rollup->refusal_count++;
    return 0;
}

int rollup_add(struct rollup *rollup, const struct usage_record *record, struct err *err)
{
    struct rollup_key key = {
        .account_id = record->account_id,
        .hour_us = calendar_hour_start(record->started_us),
        .function_id = record->function_id,
        .version = (int32_t)record->version,
        .memory_mib = (int32_t)record->memory_mib,
        .arch = (record->flags & USAGE_FLAG_ARM64) != 0,
        .provisioned = (record->flags & USAGE_FLAG_PROVISIONED) != 0,
    };
    struct rollup_row *row = row_of(rollup, &key, err);
    if (row == NULL) {
        return -1;
    }
    if (record->kind == USAGE_KIND_INVOCATION) {
        add_invocation(row, record);
        return 0;
    }
    row->sums[ROLLUP_THROTTLES] += (int64_t)record->response_bytes;
    struct rollup_key reason = {
        .account_id = key.account_id,
        .hour_us = key.hour_us,
        .function_id = key.function_id,
        .provisioned = record->status,
    };
    return add_refusal(rollup, &reason, (int64_t)record->response_bytes, err);
}

static int compare_rows(const void *a, const void *b)
{
    const struct rollup_row *const *x = a;
    const struct rollup_row *const *y = b;
    return compare_keys(&(*x)->key, &(*y)->key);
}

const struct rollup_row *const *rollup_rows(struct rollup *rollup, size_t *count)
{
    struct rollup_row **more = realloc(rollup->sorted, (rollup->row_count + 1) * sizeof *more);
    CHECK(more != NULL);
    rollup->sorted = more;
    for (size_t i = 0; i < rollup->row_count; i++) {
        more[i] = &rollup->chunks[i / CHUNK_ROWS][i % CHUNK_ROWS];
    }
    qsort(more, rollup->row_count, sizeof *more, compare_rows);
    *count = rollup->row_count;
    return (const struct rollup_row *const *)more;
}

const struct rollup_refusal *rollup_refusals(struct rollup *rollup, size_t *count)
{
    *count = rollup->refusal_count;
    return rollup->refusals;
}
