/*
 * Goal:   names, control pages, segment headers and slots are told apart: ours and whole, damaged, of another version.
 * Method: each is made with the functions of the writer, then changed in one place.
 */
#include "common/err.h"
#include "metering/spool.h"

#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(names_are_read_as_they_are_written)
{
    static const char *const BAD[] = {
        "",
        "000000000000000",
        "0000000000000000",  /* no producer has number 0 */
        "8000000000000000",  /* not a bigint */
        "00000000000000a0x", /* longer */
        "00000000000000A0",  /* upper case */
        "00000000000000g0",
    };
    char name[SPOOL_NAME_BYTES];
    uint64_t id = 0;
    spool_producer_name(UINT64_C(0xa0), name);
    ck_assert_str_eq(name, "00000000000000a0");
    ck_assert(spool_producer_parse(name, &id));
    ck_assert(id == 0xa0);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_msg(!spool_producer_parse(BAD[i], &id), "%s", BAD[i]);
    }
    ck_assert(id == 0xa0);
}
END_TEST

START_TEST(segment_names_are_read_as_they_are_written)
{
    static const char *const BAD[] = {
        "",
        "00000001",
        "00000001-",
        "00000001_0000000000000400.seg",
        "00000001-0000000000000400.sex",
        "00000001-0000000000000400.segm",
        "00000001-000000000000040.seg",
        "00000000-0000000000000400.seg", /* epochs count from 1 */
        "80000000-0000000000000400.seg",
        "00000001-8000000000000000.seg",
        "0000000g-0000000000000400.seg",
        "00000001-000000000000040g.seg",
    };
    char name[SPOOL_NAME_BYTES];
    uint64_t epoch = 0;
    uint64_t first = 7;
    spool_segment_name(3, 0x400, name);
    ck_assert_str_eq(name, "00000003-0000000000000400.seg");
    ck_assert(spool_segment_parse(name, &epoch, &first));
    ck_assert(epoch == 3 && first == 0x400);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_msg(!spool_segment_parse(BAD[i], &epoch, &first), "%s", BAD[i]);
    }
    ck_assert(epoch == 3 && first == 0x400);
}
END_TEST

static void sign(struct spool_control *control)
{
    control->crc32c = crc32c(0, control, offsetof(struct spool_control, crc32c));
}

START_TEST(control_pages_are_checked)
{
    struct spool_control control;
    struct err err = {0};
    spool_control_init(&control, 10, 2, SPOOL_FLAG_RESERVED, 5);
    ck_assert_int_eq(spool_control_check(&control, 10, &err), 0);
    ck_assert_int_eq(err.code, ERR_NONE);
    ck_assert_int_eq(spool_control_check(&control, 11, &err), -1);
    ck_assert_msg(strstr(err.text, "producer 000000000000000a, its folder of 000000000000000b") != NULL, "%s",
                  err.text);
    control.version++;
    ck_assert_int_eq(spool_control_check(&control, 10, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "checksum"));
    sign(&control);
    ck_assert_int_eq(spool_control_check(&control, 10, &err), -1);
    ck_assert_ptr_nonnull(strstr(err.text, "version 2"));
    control.magic = 0;
    ck_assert_int_eq(spool_control_check(&control, 10, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
}
END_TEST

START_TEST(claims_are_known_for_the_last_epochs)
{
    struct spool_control control;
    uint64_t claimed = 99;
    spool_control_init(&control, 10, 0, 0, 5);
    ck_assert(!spool_control_claimed(&control, 0, &claimed));
    ck_assert(!spool_control_claimed(&control, 3, &claimed));
    for (uint64_t epoch = 1; epoch <= SPOOL_EPOCHS_KEPT + 1; epoch++) {
        struct spool_epoch *line = spool_control_line(&control, epoch);
        line->epoch = epoch;
        line->claimed = epoch * 10;
    }
    ck_assert(!spool_control_claimed(&control, 1, &claimed)); /* its line is another's now */
    ck_assert(claimed == 99);
    ck_assert(spool_control_claimed(&control, 2, &claimed));
    ck_assert(claimed == 20);
    ck_assert(spool_control_claimed(&control, SPOOL_EPOCHS_KEPT + 1, &claimed));
    ck_assert(claimed == (SPOOL_EPOCHS_KEPT + 1) * 10);
}
END_TEST

static struct segment_header header_with(uint32_t version, uint32_t slots)
{
    struct segment_header header;
    segment_header_init(&header, 10, 1, 64, slots, 5);
    header.version = version;
    header.crc32c = crc32c(0, &header, offsetof(struct segment_header, crc32c));
    return header;
}

START_TEST(headers_are_checked)
{
    struct segment_header header = header_with(SPOOL_VERSION, 64);
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 64), SEGMENT_GOOD);
    ck_assert_int_eq(segment_header_check(&header, 11, 1, 64), SEGMENT_DAMAGED);
    ck_assert_int_eq(segment_header_check(&header, 10, 2, 64), SEGMENT_DAMAGED);
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 65), SEGMENT_DAMAGED);
    header.created_us ^= 1;
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 64), SEGMENT_DAMAGED);
    header = header_with(SPOOL_VERSION + 1, 64);
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 64), SEGMENT_FOREIGN);
    header.magic ^= 1;
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 64), SEGMENT_DAMAGED);
    header = header_with(SPOOL_VERSION, 0);
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 64), SEGMENT_DAMAGED);
    header = header_with(SPOOL_VERSION, SPOOL_SLOTS_MAX + 1);
    ck_assert_int_eq(segment_header_check(&header, 10, 1, 64), SEGMENT_DAMAGED);
}
END_TEST

/* Every single bit: the slot is damaged, or empty when it was the last one of its first word. */
START_TEST(no_flipped_bit_passes)
{
    struct usage_record slot = {0};
    const struct usage_record record = {.kind = USAGE_KIND_INVOCATION,
                                        .account_id = 1,
                                        .function_id = 1,
                                        .started_us = INT64_C(1763856000000000),
                                        .memory_mib = 128,
                                        .billed_requests = 1,
                                        .attempt = 1};
    ck_assert_int_eq(slot_check(&slot, 7), SLOT_EMPTY);
    slot_publish(&slot, &record, 7);
    ck_assert_int_eq(slot_check(&slot, 7), SLOT_GOOD);
    ck_assert_int_eq(slot_check(&slot, 8), SLOT_DAMAGED);
    for (unsigned bit = 0; bit < 8 * USAGE_RECORD_BYTES; bit++) {
        uint8_t *byte = (uint8_t *)&slot + bit / 8;
        *byte ^= (uint8_t)(1u << (bit % 8));
        ck_assert_msg(slot_check(&slot, 7) == SLOT_DAMAGED, "bit %u", bit);
        *byte ^= (uint8_t)(1u << (bit % 8));
    }
    ck_assert_int_eq(slot_check(&slot, 7), SLOT_GOOD);
}
END_TEST

/* Well sealed, and still not a record that may be summed. */
START_TEST(a_sealed_slot_out_of_range_is_damaged)
{
    struct usage_record slot = {0};
    const struct usage_record record = {.kind = USAGE_KIND_INVOCATION, .account_id = -1, .memory_mib = 1, .attempt = 1};
    slot_publish(&slot, &record, 7);
    ck_assert_int_eq(slot_check(&slot, 7), SLOT_DAMAGED);
}
END_TEST

START_TEST(locks_are_of_the_open_file)
{
    char path[] = "/tmp/farthing-test-XXXXXX";
    int mine = mkstemp(path);
    int other = open(path, O_RDWR | O_CLOEXEC);
    ck_assert(mine >= 0 && other >= 0);
    ck_assert(spool_lock_take(mine, SPOOL_LOCK_WRITER));
    ck_assert(!spool_lock_held(mine, SPOOL_LOCK_WRITER)); /* not by somebody else */
    ck_assert(spool_lock_held(other, SPOOL_LOCK_WRITER));
    ck_assert(!spool_lock_take(other, SPOOL_LOCK_WRITER));
    ck_assert(spool_lock_take(other, SPOOL_LOCK_READER));
    (void)close(mine);
    ck_assert(!spool_lock_held(other, SPOOL_LOCK_WRITER));
    ck_assert(spool_lock_held(-1, SPOOL_LOCK_WRITER)); /* in doubt somebody lives */
    (void)close(other);
    (void)unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool");
    TCase *tc = tcase_create("spool");
    tcase_add_test(tc, names_are_read_as_they_are_written);
    tcase_add_test(tc, segment_names_are_read_as_they_are_written);
    tcase_add_test(tc, control_pages_are_checked);
    tcase_add_test(tc, claims_are_known_for_the_last_epochs);
    tcase_add_test(tc, headers_are_checked);
    tcase_add_test(tc, no_flipped_bit_passes);
    tcase_add_test(tc, a_sealed_slot_out_of_range_is_damaged);
    tcase_add_test(tc, locks_are_of_the_open_file);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
