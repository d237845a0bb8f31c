/*
 * Goal:   `farthing spool verify` says what is wrong with a spool and where, and never that something is wrong with a
 *         whole one.
 * Method: a spool of three segments is made with the hook; each row harms it in one way and names what is to be said.
 */
#include "common/err.h"
#include "common/fs.h"
#include "metering/hook.h"
#include "metering/record_internal.h"
#include "metering/spool.h"
#include "metering/spool_inspect.h"
#include "metering/spool_reader.h"

#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PRODUCER 10
#define SLOTS 1024
#define RECORDS 3000

static char dir[32];

static void path_of(const char *name, char path[120])
{
    (void)snprintf(path, 120, "%s/%016x/%s", dir, (unsigned)PRODUCER, name);
}

static struct farthing_hook *fill(void)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = dir, .segment_records = SLOTS, .producer_id = PRODUCER};
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_msg(farthing_hook_open(&options, &hook, &err) == 0, "%s", err.text);
    for (int i = 0; i < RECORDS; i++) {
        const struct usage_record record = {.kind = USAGE_KIND_INVOCATION,
                                            .account_id = 1,
                                            .function_id = 1,
                                            .started_us = INT64_C(1763856000000000),
                                            .memory_mib = 128,
                                            .billed_requests = 1,
                                            .attempt = 1};
        ck_assert_int_eq(farthing_hook_emit(hook, &record), FARTHING_HOOK_OK);
    }
    return hook;
}

static void keep(const struct spool_summary *summary, void *ctx)
{
    *(struct spool_summary *)ctx = *summary;
}

static struct spool_summary inspect(void)
{
    struct spool_summary summary = {0};
    struct err err = {0};
    ck_assert_int_eq(spool_inspect(dir, keep, &summary, &err), 0);
    ck_assert_int_eq((long)summary.producer_id, PRODUCER);
    return summary;
}

static void put(const char *name, off_t at, const void *bytes, size_t count)
{
    char path[120];
    path_of(name, path);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((long)pwrite(fd, bytes, count, at), (long)count);
    (void)close(fd);
}

static void cut(const char *name, off_t bytes)
{
    char path[120];
    path_of(name, path);
    ck_assert_int_eq(truncate(path, bytes), 0);
}

static void removed(const char *name)
{
    char path[120];
    path_of(name, path);
    ck_assert_int_eq(unlink(path), 0);
}

#define FIRST "00000001-0000000000000000.seg"
#define SECOND "00000001-0000000000000400.seg"
#define THIRD "00000001-0000000000000800.seg"

static void harm_nothing(void)
{
}

static void flip_record(void)
{
    put(SECOND, SPOOL_PAGE_BYTES + 7 * USAGE_RECORD_BYTES + 40, "\x55", 1);
}

static void cut_in_a_record(void)
{
    cut(SECOND, SPOOL_PAGE_BYTES + 100 * USAGE_RECORD_BYTES + 50);
}

static void cut_all_but_the_header(void)
{
    cut(SECOND, SPOOL_PAGE_BYTES);
}

static void cut_the_last(void)
{
    cut(THIRD, SPOOL_PAGE_BYTES + 10 * USAGE_RECORD_BYTES);
}

static void lose_one_between(void)
{
    removed(SECOND);
}

static void lose_the_stored(void)
{
    removed(FIRST);
}

static void flip_header(void)
{
    put(SECOND, offsetof(struct segment_header, created_us), "\x55", 1);
}

static void segment_of_tomorrow(void)
{
    struct segment_header header;
    segment_header_init(&header, PRODUCER, 1, SLOTS, SLOTS, 1);
    header.version = SPOOL_VERSION + 1;
    header.crc32c = crc32c(0, &header, offsetof(struct segment_header, crc32c));
    put(SECOND, 0, &header, sizeof header);
}

static void producer_of_tomorrow(void)
{
    struct spool_control control;
    spool_control_init(&control, PRODUCER, 0, 0, 1);
    control.version = SPOOL_VERSION + 1;
    control.crc32c = crc32c(0, &control, offsetof(struct spool_control, crc32c));
    put("producer", 0, &control, offsetof(struct spool_control, spare0));
}

static void flip_producer(void)
{
    put("producer", offsetof(struct spool_control, created_us), "\x55", 1);
}

static void other_file_as_producer(void)
{
    put("producer", 0, "something", 9);
}

static void cut_producer(void)
{
    cut("producer", 100);
}

static const struct row {
    const char *name;
    void (*harm)(void);
    long records, damaged, missing, headers;
    const char *fault, *error; /* part of the text; "" is none */
} ROWS[] = {
    {"whole", harm_nothing, RECORDS, 0, 0, 0, "", ""},
    {"bit", flip_record, RECORDS - 1, 1, 0, 0, "a damaged record at epoch 1, sequence 1031 (" SECOND ", byte 4992)",
     ""},
    {"short", cut_in_a_record, RECORDS - 924, 0, 924, 0, "missing records at epoch 1, sequence 1124 (" SECOND, ""},
    {"empty", cut_all_but_the_header, RECORDS - SLOTS, 0, SLOTS, 1, "nothing readable at epoch 1, sequence 1024", ""},
    {"end", cut_the_last, 2058, 0, 942, 0, "missing records at epoch 1, sequence 2058", ""},
    {"gap", lose_one_between, RECORDS - SLOTS, 0, SLOTS, 0, "missing records at epoch 1, sequence 1024", ""},
    {"stored", lose_the_stored, RECORDS - SLOTS, 0, 0, 0, "", ""},
    {"header", flip_header, RECORDS, 0, 0, 1, "a damaged header at epoch 1, sequence 1024", ""},
    {"foreign segment", segment_of_tomorrow, RECORDS - SLOTS, 0, 0, 0, "", SECOND " was written by another version"},
    {"foreign", producer_of_tomorrow, 0, 0, 0, 0, "", "has version 2; this program reads version 1"},
    {"control", flip_producer, 0, 0, 0, 0, "", "is damaged: its checksum is wrong"},
    {"stranger", other_file_as_producer, 0, 0, 0, 0, "", "is none of this program"},
    {"short control", cut_producer, 0, 0, 0, 0, "", "is cut short: 100 of 4096 bytes; its 3 segments wait"},
};

START_TEST(faults_are_told_with_their_place)
{
    const struct row *row = &ROWS[_i];
    struct farthing_hook *hook = fill();
    farthing_hook_close(&hook);
    row->harm();
    struct spool_summary summary = inspect();
    ck_assert_msg((long)summary.records == row->records, "%s: %ld records", row->name, (long)summary.records);
    ck_assert_msg((long)summary.damaged == row->damaged, "%s: %ld damaged", row->name, (long)summary.damaged);
    ck_assert_msg((long)summary.missing == row->missing, "%s: %ld missing", row->name, (long)summary.missing);
    ck_assert_msg((long)summary.damaged_headers == row->headers, "%s: headers", row->name);
    ck_assert_msg(strstr(summary.first_fault, row->fault) != NULL, "%s: %s", row->name, summary.first_fault);
    ck_assert_msg(strstr(summary.error, row->error) != NULL, "%s: %s", row->name, summary.error);
    ck_assert_int_eq(row->fault[0] == '\0', summary.first_fault[0] == '\0');
    ck_assert_int_eq(row->error[0] == '\0', summary.error[0] == '\0');
    (void)fs_remove_tree(dir, NULL);
}
END_TEST

START_TEST(a_live_spool_is_whole)
{
    struct farthing_hook *hook = fill();
    struct spool_summary summary = inspect();
    ck_assert(summary.alive);
    ck_assert_int_eq((long)summary.records, RECORDS);
    ck_assert_int_eq((long)(summary.damaged + summary.missing + summary.damaged_headers), 0);
    ck_assert_str_eq(summary.error, "");
    farthing_hook_close(&hook);
    (void)fs_remove_tree(dir, NULL);
}
END_TEST

START_TEST(a_segment_in_the_making_is_no_fault)
{
    struct farthing_hook *hook = fill();
    char path[120];
    path_of("00000001-0000000000010000.seg", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    struct spool_summary summary = inspect();
    ck_assert_int_eq((long)summary.damaged_headers, 0);
    ck_assert_str_eq(summary.error, "");
    farthing_hook_close(&hook);
    (void)fs_remove_tree(dir, NULL);
}
END_TEST

/* A producer whose maker died early holds nothing back; the aggregator must hear of one that was cut short. */
START_TEST(a_short_producer_is_loud_only_with_segments)
{
    struct spool_reader *reader = NULL;
    struct err err = {0};
    struct farthing_hook *hook = fill();
    farthing_hook_close(&hook);
    cut_producer();
    ck_assert_int_eq(spool_reader_open(dir, PRODUCER, true, &reader, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    removed(FIRST);
    removed(SECOND);
    removed(THIRD);
    err = (struct err){0};
    ck_assert_int_eq(spool_reader_open(dir, PRODUCER, true, &reader, &err), -1);
    ck_assert_int_eq(err.code, ERR_RETRY);
    ck_assert_ptr_null(reader);
    (void)fs_remove_tree(dir, NULL);
}
END_TEST

START_TEST(quarantined_files_are_counted_and_no_spool_is_an_error)
{
    char path[120];
    struct err err = {0};
    struct spool_summary summary;
    struct farthing_hook *hook = fill();
    farthing_hook_close(&hook);
    path_of("quarantine", path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    path_of("quarantine/" SECOND, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    ck_assert_int_eq((long)inspect().quarantined, 1);
    (void)fs_remove_tree(dir, NULL);
    ck_assert_int_eq(spool_inspect(dir, keep, &summary, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("spool_inspect");
    TCase *tc = tcase_create("spool_inspect");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, faults_are_told_with_their_place, 0, (int)(sizeof ROWS / sizeof ROWS[0]));
    tcase_add_test(tc, a_live_spool_is_whole);
    tcase_add_test(tc, a_segment_in_the_making_is_no_fault);
    tcase_add_test(tc, a_short_producer_is_loud_only_with_segments);
    tcase_add_test(tc, quarantined_files_are_counted_and_no_spool_is_an_error);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
