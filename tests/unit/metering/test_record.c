/*
 * Goal:   the record's layout, checksum, ranges and derived quantities.
 * Method: known vectors for CRC-32C (RFC 3720, B.4), tables for the rest.
 */
#include "common/err.h"
#include "metering/record.h"
#include "metering/record_internal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct usage_record sample(void)
{
    return (struct usage_record){.kind = USAGE_KIND_INVOCATION,
                                 .account_id = 100000000001,
                                 .function_id = 5,
                                 .started_us = INT64_C(1763856000000000),
                                 .duration_us = 1500,
                                 .billed_ms = 2,
                                 .memory_mib = 128,
                                 .billed_requests = 1,
                                 .attempt = 1};
}

START_TEST(test_crc_vectors)
{
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    ck_assert_uint_eq(crc32c(0, bytes, sizeof bytes), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    ck_assert_uint_eq(crc32c(0, bytes, sizeof bytes), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    ck_assert_uint_eq(crc32c(0, bytes, sizeof bytes), 0x46dd794e);
    ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
}
END_TEST

START_TEST(test_crc_portable_is_the_same)
{
    uint8_t bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t length = 0; length <= sizeof bytes; length++) {
        ck_assert_uint_eq(crc32c_portable(7, bytes, length), crc32c(7, bytes, length));
    }
}
END_TEST

START_TEST(test_every_flipped_bit_is_seen)
{
    struct usage_record record = sample();
    usage_record_seal(&record);
    ck_assert(usage_record_valid(&record));
    for (unsigned bit = 0; bit < 8 * USAGE_RECORD_BYTES; bit++) {
        struct usage_record flipped = record;
        ((uint8_t *)&flipped)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        ck_assert(!usage_record_valid(&flipped));
    }
}
END_TEST

struct bad {
    const char *field;
    size_t offset, size;
    uint64_t value;
};
#define BAD(f, v)                                                                                                      \
    {                                                                                                                  \
#f, offsetof(struct usage_record, f), sizeof(((struct usage_record *)0)->f), (uint64_t)(v)                     \
    }

static const struct bad BAD_FIELDS[] = {
    BAD(kind, 3),
    BAD(status, 6),
    BAD(account_id, 0),
    BAD(account_id, -1),
    BAD(function_id, -1),
    BAD(started_us, 0),
    BAD(started_us, INT64_C(4102444800000001)),
    BAD(duration_us, UINT64_C(1) << 47),
    BAD(init_us, UINT64_MAX),
    BAD(cpu_us, UINT64_C(1) << 47),
    BAD(response_bytes, UINT64_C(1) << 47),
    BAD(billed_ms, UINT32_MAX),
    BAD(memory_mib, 0),
    BAD(memory_mib, UINT32_MAX),
    BAD(peak_kib, UINT32_MAX),
    BAD(version, UINT32_MAX),
    BAD(ephemeral_mib, UINT32_MAX),
    BAD(billed_requests, UINT32_MAX),
    BAD(node_id, UINT32_MAX),
    BAD(attempt, 0),
    BAD(attempt, UINT16_MAX),
    BAD(flags, 0x8000),
    BAD(spare, 1),
};

START_TEST(test_bad_field)
{
    const struct bad *bad = &BAD_FIELDS[_i];
    struct usage_record record = sample();
    struct err err = {0};
    ck_assert(usage_record_fits(&record));
    ck_assert_int_eq(usage_record_check(&record, &err), 0);
    ck_assert_int_eq(err.code, ERR_NONE);
    memcpy((uint8_t *)&record + bad->offset, &bad->value, bad->size);
    ck_assert(!usage_record_fits(&record));
    ck_assert_int_eq(usage_record_check(&record, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_str_eq(err.field, bad->field);
}
END_TEST

START_TEST(test_product_out_of_range)
{
    struct usage_record record = sample();
    struct err err = {0};
    record.memory_mib = 1u << 20;
    record.billed_ms = 1u << 30;
    ck_assert(!usage_record_fits(&record));
    ck_assert_int_eq(usage_record_check(&record, &err), -1);
    record.memory_mib = 1;
    record.ephemeral_mib = 1u << 20;
    ck_assert(!usage_record_fits(&record));
    ck_assert_int_eq(usage_record_check(&record, &err), -1);
}
END_TEST

START_TEST(test_refusals)
{
    struct usage_record record = {.kind = USAGE_KIND_REFUSALS,
                                  .status = USAGE_REFUSED_RATE,
                                  .account_id = 1,
                                  .started_us = INT64_C(1763856000000000),
                                  .response_bytes = 12};
    ck_assert(usage_record_fits(&record));
    ck_assert_int_eq(usage_record_check(&record, NULL), 0);
    record.response_bytes = 0;
    ck_assert(!usage_record_fits(&record));
    ck_assert_int_eq(usage_record_check(&record, NULL), -1);
    record.response_bytes = 1;
    record.status = 0;
    ck_assert(!usage_record_fits(&record));
    record.status = USAGE_REFUSAL_REASON_COUNT;
    ck_assert(!usage_record_fits(&record));
}
END_TEST

struct billed {
    uint32_t grain;
    bool init;
    uint64_t duration_us, init_us;
    uint32_t ms;
};
static const struct billed BILLED[] = {
    {1, true, 0, 0, 0},
    {1, true, 1, 0, 1},
    {1, true, 1000, 0, 1},
    {1, true, 1001, 0, 2},
    {1, true, 999, 1, 1}, /* summed first, rounded once */
    {1, true, 999, 2, 2},
    {1, false, 999, 2, 1},
    {100, true, 1, 0, 100},
    {100, true, 100000, 1, 200},
    {1, true, UINT64_MAX, 1, UINT32_MAX},
    {1, false, UINT64_MAX, 0, UINT32_MAX},
    {UINT32_MAX, false, UINT64_MAX, 0, UINT32_MAX},
};

/* AWS: one request for the first 256 KB of an asynchronous event, one more for each 64 KB chunk beyond. */
START_TEST(test_billed_requests)
{
    static const struct {
        uint32_t async_kib;
        bool async;
        uint32_t event_bytes, requests;
    } rows[] = {{256, true, 0, 1},
                {256, true, 256 * 1024, 1},
                {256, true, 256 * 1024 + 1, 2},
                {256, true, 320 * 1024, 2},
                {256, true, 320 * 1024 + 1, 3},
                {256, true, 1024 * 1024, 13},
                {256, true, UINT32_MAX, 65533},
                {256, false, 1024 * 1024, 1},
                {0, true, 1024 * 1024, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct billing_policy policy = {.grain_ms = 1, .async_kib = rows[i].async_kib};
        ck_assert_uint_eq(billed_requests(&policy, rows[i].async, rows[i].event_bytes), rows[i].requests);
    }
}
END_TEST

START_TEST(test_billed_duration)
{
    const struct billed *row = &BILLED[_i];
    const struct billing_policy policy = {.grain_ms = row->grain, .bill_init = row->init};
    ck_assert_uint_eq(billed_duration_ms(&policy, row->duration_us, row->init_us), row->ms);
}
END_TEST

START_TEST(test_derived)
{
    struct usage_record record = sample();
    record.billed_ms = 1000;
    ck_assert_uint_eq(usage_mb_ms(&record), 128000);
    record.ephemeral_mib = 512;
    ck_assert_uint_eq(usage_storage_mb_ms(&record), 0);
    record.ephemeral_mib = 513;
    ck_assert_uint_eq(usage_storage_mb_ms(&record), 1000);
    record.response_bytes = (6u << 20) + 9;
    ck_assert_uint_eq(usage_streamed_bytes(&record), 0);
    record.flags = USAGE_FLAG_STREAMED;
    ck_assert_uint_eq(usage_streamed_bytes(&record), 9);
    record.response_bytes = 6u << 20;
    ck_assert_uint_eq(usage_streamed_bytes(&record), 0);
}
END_TEST

START_TEST(test_names)
{
    ck_assert_str_eq(usage_status_name(USAGE_OK), "ok");
    ck_assert_str_eq(usage_status_name(USAGE_KILLED), "killed");
    ck_assert_str_eq(usage_status_name((enum usage_status)6), "unknown");
    ck_assert_str_eq(usage_refusal_name(USAGE_REFUSED_CONCURRENCY), "concurrency");
    ck_assert_str_eq(usage_refusal_name((enum usage_refusal_reason)0), "unknown");
    ck_assert_str_eq(usage_refusal_name((enum usage_refusal_reason)10), "unknown");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("record");
    TCase *tc = tcase_create("record");
    tcase_add_test(tc, test_crc_vectors);
    tcase_add_test(tc, test_crc_portable_is_the_same);
    tcase_add_test(tc, test_every_flipped_bit_is_seen);
    tcase_add_loop_test(tc, test_bad_field, 0, sizeof BAD_FIELDS / sizeof BAD_FIELDS[0]);
    tcase_add_test(tc, test_product_out_of_range);
    tcase_add_test(tc, test_refusals);
    tcase_add_test(tc, test_billed_requests);
    tcase_add_loop_test(tc, test_billed_duration, 0, sizeof BILLED / sizeof BILLED[0]);
    tcase_add_test(tc, test_derived);
    tcase_add_test(tc, test_names);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
