/*
 * Goal:   the rollup of a batch is the sum of its records by key, sorted; every status, flag and kind lands in its
 * column; memory is used again from batch to batch. Method: random records over few keys, each key summed again by a
 * plain loop over all records; single records for the columns.
 */
#include "common/calendar.h"
#include "common/err.h"
#include "metering/record.h"
#include "metering/rollup.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS 20000
#define START_US INT64_C(1763856000000000)

static uint64_t state = 88172645463325252u;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static struct usage_record plain(void)
{
    return (struct usage_record){.kind = USAGE_KIND_INVOCATION,
                                 .account_id = 100000000001,
                                 .function_id = 1,
                                 .started_us = START_US + 1,
                                 .duration_us = 1500,
                                 .billed_ms = 2,
                                 .memory_mib = 128,
                                 .ephemeral_mib = 512,
                                 .billed_requests = 1,
                                 .attempt = 1};
}

/* Many keys, so that the table grows and rows take more than one chunk. */
static struct usage_record any(uint64_t functions)
{
    struct usage_record record = plain();
    uint64_t r = next_random();
    record.account_id += (int64_t)(r % 3);
    record.function_id = (int64_t)(next_random() % functions);
    record.started_us += (int64_t)(next_random() % 3) * CALENDAR_HOUR_US;
    record.version = (uint32_t)(next_random() % 2);
    record.memory_mib = next_random() % 2 == 0 ? 128 : 256;
    record.flags = (uint16_t)(next_random() % 2 == 0 ? USAGE_FLAG_ARM64 : 0);
    record.flags |= (uint16_t)(next_random() % 2 == 0 ? USAGE_FLAG_PROVISIONED : 0);
    record.duration_us = next_random() % 1000000;
    record.billed_ms = (uint32_t)((record.duration_us + 999) / 1000);
    record.peak_kib = (uint32_t)(next_random() % 100000);
    return record;
}

static bool same_key(const struct rollup_key *key, const struct usage_record *record)
{
    return key->account_id == record->account_id && key->function_id == record->function_id &&
           key->hour_us == calendar_hour_start(record->started_us) && key->version == (int32_t)record->version &&
           key->memory_mib == (int32_t)record->memory_mib &&
           (key->arch != 0) == ((record->flags & USAGE_FLAG_ARM64) != 0) &&
           (key->provisioned != 0) == ((record->flags & USAGE_FLAG_PROVISIONED) != 0);
}

static void check_row(const struct rollup_row *row, const struct usage_record *records, size_t count)
{
    int64_t invocations = 0;
    int64_t mb_ms = 0;
    int64_t duration_us = 0;
    int64_t peak = 0;
    int64_t in_buckets = 0;
    for (size_t i = 0; i < count; i++) {
        if (same_key(&row->key, &records[i])) {
            invocations++;
            mb_ms += (int64_t)records[i].memory_mib * records[i].billed_ms;
            duration_us += (int64_t)records[i].duration_us;
            peak = records[i].peak_kib > peak ? records[i].peak_kib : peak;
            unsigned bucket = latency_bucket(records[i].duration_us);
            ck_assert(bucket >= row->latency_low && bucket <= row->latency_high);
        }
    }
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        in_buckets += row->latency[b];
    }
    ck_assert_int_gt(invocations, 0);
    ck_assert_int_eq(row->sums[ROLLUP_INVOCATIONS], invocations);
    ck_assert_int_eq(row->sums[ROLLUP_MB_MS], mb_ms);
    ck_assert_int_eq(row->sums[ROLLUP_DURATION_US], duration_us);
    ck_assert_int_eq(row->sums[ROLLUP_PEAK_KIB_MAX], peak);
    ck_assert_int_eq(in_buckets, invocations);
}

static bool in_order(const struct rollup_key *a, const struct rollup_key *b)
{
    const int64_t x[] = {a->account_id, a->hour_us, a->function_id, a->version, a->memory_mib, a->arch, a->provisioned};
    const int64_t y[] = {b->account_id, b->hour_us, b->function_id, b->version, b->memory_mib, b->arch, b->provisioned};
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i];
        }
    }
    return false;
}

START_TEST(test_sums)
{
    static struct usage_record records[RECORDS];
    struct rollup *rollup = NULL;
    struct err err = {0};
    ck_assert_int_eq(rollup_new(&rollup, &err), 0);
    for (uint64_t round = 0; round < 2; round++) { /* the second one in the memory of the first */
        int64_t total = 0;
        size_t count;
        rollup_clear(rollup);
        for (size_t i = 0; i < RECORDS; i++) {
            records[i] = any(round == 0 ? 40 : 2);
            ck_assert_int_eq(rollup_add(rollup, &records[i], &err), 0);
        }
        const struct rollup_row *const *rows = rollup_rows(rollup, &count);
        for (size_t i = 0; i < count; i++) {
            total += rows[i]->sums[ROLLUP_INVOCATIONS];
            ck_assert(i == 0 || in_order(&rows[i - 1]->key, &rows[i]->key));
            if (i % 16 == 0) {
                check_row(rows[i], records, RECORDS);
            }
        }
        ck_assert_int_eq(total, RECORDS);
    }
    rollup_free(&rollup);
    ck_assert_ptr_null(rollup);
    rollup_free(&rollup); /* again is nothing */
}
END_TEST

START_TEST(test_statuses)
{
    static const int COLUMNS[USAGE_STATUS_COUNT] = {-1,           -1, ROLLUP_TIMEOUTS, ROLLUP_OOMS, ROLLUP_INIT_ERRORS,
                                                    ROLLUP_KILLED};
    struct rollup *rollup = NULL;
    struct err err = {0};
    size_t count;
    ck_assert_int_eq(rollup_new(&rollup, &err), 0);
    struct usage_record record = plain();
    record.status = (uint8_t)_i;
    record.flags = USAGE_FLAG_COLD;
    ck_assert_int_eq(rollup_add(rollup, &record, &err), 0);
    const struct rollup_row *row = rollup_rows(rollup, &count)[0];
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(row->sums[ROLLUP_ERRORS], _i != USAGE_OK);
    ck_assert_int_eq(row->sums[ROLLUP_COLD_STARTS], 1);
    for (int column = ROLLUP_TIMEOUTS; column <= ROLLUP_KILLED; column++) {
        ck_assert_int_eq(row->sums[column], column == COLUMNS[_i]);
    }
    rollup_free(&rollup);
}
END_TEST

/* Added in any order: sorted, summed, in no invocation column. */
START_TEST(test_refusals)
{
    struct rollup *rollup = NULL;
    struct err err = {0};
    size_t count;
    ck_assert_int_eq(rollup_new(&rollup, &err), 0);
    for (int i = 0; i < 300; i++) {
        struct usage_record record = plain();
        record.kind = USAGE_KIND_REFUSALS;
        record.function_id = (i * 7) % 100;
        record.status = USAGE_REFUSED_RATE;
        record.response_bytes = 5;
        ck_assert_int_eq(rollup_add(rollup, &record, &err), 0);
    }
    const struct rollup_refusal *refusals = rollup_refusals(rollup, &count);
    ck_assert_uint_eq(count, 100);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(refusals[i].key.function_id, (int64_t)i);
        ck_assert_int_eq(refusals[i].key.provisioned, USAGE_REFUSED_RATE);
        ck_assert_int_eq(refusals[i].refusals, 15);
    }
    const struct rollup_row *const *rows = rollup_rows(rollup, &count);
    ck_assert_uint_eq(count, 100);
    ck_assert_int_eq(rows[0]->sums[ROLLUP_THROTTLES], 15);
    ck_assert_int_eq(rows[0]->sums[ROLLUP_INVOCATIONS], 0);
    rollup_free(&rollup);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rollup");
    TCase *tc = tcase_create("rollup");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_sums);
    tcase_add_loop_test(tc, test_statuses, 0, USAGE_STATUS_COUNT);
    tcase_add_test(tc, test_refusals);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
