/*
 * Goal:   hook and reader together: order, holes, damage, epochs, deletion, back-pressure.
 * Method: a spool in a temporary folder; killed writers are child processes; files are changed by hand.
 */
#include "common/err.h"
#include "common/fs.h"
#include "metering/hook.h"
#include "metering/spool.h"
#include "metering/spool_reader.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 1024u
#define BYTES_MAX (UINT64_C(2) << 20) /* 15 segments of 1,024 */

static char dir[64];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static struct usage_record record(uint64_t n)
{
    return (struct usage_record){.kind = USAGE_KIND_INVOCATION,
                                 .account_id = 1,
                                 .function_id = (int64_t)n,
                                 .started_us = INT64_C(1763856000000000),
                                 .memory_mib = 128,
                                 .attempt = 1};
}

static struct farthing_hook *open_hook(void)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = dir, .segment_records = SLOTS, .spool_bytes_max = BYTES_MAX};
    ck_assert_msg(farthing_hook_open(&options, &hook, &err) == 0, "%s", err.text);
    return hook;
}

static void emit(struct farthing_hook *hook, uint64_t from, uint64_t count)
{
    for (uint64_t i = from; i < from + count; i++) {
        struct usage_record r = record(i);
        ck_assert_int_eq(farthing_hook_emit(hook, &r), FARTHING_HOOK_OK);
    }
}

static struct spool_reader *open_reader(uint64_t producer)
{
    struct spool_reader *reader = NULL;
    struct err err = {0};
    ck_assert_msg(spool_reader_open(dir, producer, true, &reader, &err) == 0, "%s", err.text);
    spool_reader_seek(reader, 0, 0);
    return reader;
}

static uint64_t id_of(struct farthing_hook *hook)
{
    uint64_t id;
    uint64_t epoch;
    farthing_hook_identity(hook, &id, &epoch);
    return id;
}

static struct spool_batch next(struct spool_reader *reader, size_t max)
{
    struct spool_batch batch;
    struct err err = {0};
    ck_assert_msg(spool_reader_next(reader, max, &batch, &err) == 0, "%s", err.text);
    return batch;
}

static void path_of(uint64_t producer, uint64_t epoch, uint64_t first, char path[200])
{
    char folder[SPOOL_NAME_BYTES];
    char name[SPOOL_NAME_BYTES];
    spool_producer_name(producer, folder);
    spool_segment_name(epoch, first, name);
    (void)snprintf(path, 200, "%s/%s/%s", dir, folder, name);
}

static void overwrite(const char *path, off_t at, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(pwrite(fd, bytes, length, at), (ssize_t)length);
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(test_reads_in_order)
{
    struct farthing_hook *hook = open_hook();
    uint64_t id = id_of(hook);
    struct spool_reader *reader = open_reader(id);
    ck_assert_uint_eq(next(reader, 100).record_count, 0);
    emit(hook, 0, 3 * SLOTS + 5);
    uint64_t seen = 0;
    for (;;) {
        struct spool_batch batch = next(reader, 100);
        if (batch.first == batch.end) {
            break;
        }
        ck_assert_uint_eq(batch.hole_count, 0);
        for (size_t i = 0; i < batch.record_count; i++) {
            ck_assert_uint_eq(batch.records[i]->sequence, seen);
            ck_assert_int_eq(batch.records[i]->function_id, (int64_t)seen);
            seen++;
        }
    }
    ck_assert_uint_eq(seen, 3 * SLOTS + 5);
    ck_assert_uint_eq(farthing_hook_emitted(hook), seen);
    struct spool_look look;
    ck_assert_int_eq(spool_reader_look(reader, &look, NULL), 0);
    ck_assert(look.alive);
    ck_assert_uint_eq(look.pending, 0);
    spool_reader_close(&reader);
    farthing_hook_close(&hook);
}
END_TEST

START_TEST(test_full_until_released)
{
    struct farthing_hook *hook = open_hook();
    struct spool_reader *reader = open_reader(id_of(hook));
    struct usage_record r = record(1);
    uint64_t count = 0;
    while (farthing_hook_emit(hook, &r) == FARTHING_HOOK_OK) {
        count++;
    }
    ck_assert_int_eq(farthing_hook_emit(hook, &r), FARTHING_HOOK_FULL);
    ck_assert_uint_eq(farthing_hook_emitted(hook), count);
    ck_assert_uint_ge(count, (BYTES_MAX / (SLOTS * 128 + 4096)) * SLOTS - HOOK_THREADS_MAX);
    ck_assert_int_eq(farthing_hook_fill(hook), 1000);
    struct spool_batch batch;
    do {
        batch = next(reader, 60000);
        spool_reader_release(reader, batch.epoch, batch.end, 0);
    } while (batch.first != batch.end);
    /* The background thread sees the deleted files at its next tick; nothing else is needed. */
    while (farthing_hook_emit(hook, &r) == FARTHING_HOOK_FULL) {
        (void)sched_yield();
    }
    ck_assert_int_lt(farthing_hook_fill(hook), 1000);
    spool_reader_close(&reader);
    farthing_hook_close(&hook);
}
END_TEST

START_TEST(test_epochs_follow_each_other)
{
    uint64_t id = 0;
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        uint64_t got_epoch;
        struct farthing_hook *hook = open_hook();
        farthing_hook_identity(hook, &id, &got_epoch);
        ck_assert_uint_eq(got_epoch, epoch);
        emit(hook, epoch * 100, 10);
        farthing_hook_close(&hook);
    }
    struct spool_reader *reader = open_reader(id);
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        struct spool_batch batch = next(reader, 100);
        ck_assert_uint_eq(batch.epoch, epoch);
        ck_assert_uint_eq(batch.record_count, 10);
        ck_assert_int_eq(batch.records[0]->function_id, (int64_t)epoch * 100);
    }
    ck_assert_uint_eq(next(reader, 100).record_count, 0);
    spool_reader_close(&reader);
}
END_TEST

START_TEST(test_flipped_bit_is_quarantined)
{
    char path[200];
    struct farthing_hook *hook = open_hook();
    uint64_t id = id_of(hook);
    emit(hook, 0, 100);
    farthing_hook_close(&hook);
    path_of(id, 1, 0, path);
    overwrite(path, SPOOL_PAGE_BYTES + 50 * USAGE_RECORD_BYTES + 100, "\xff\xff\xff", 3);
    struct spool_reader *reader = open_reader(id);
    struct spool_batch batch = next(reader, 1000);
    ck_assert_uint_eq(batch.record_count, 99);
    ck_assert_uint_eq(batch.hole_count, 1);
    ck_assert_uint_eq(batch.holes[0].sequence, 50);
    ck_assert_uint_eq(batch.holes[0].slots, 1);
    ck_assert_str_eq(spool_hole_name(batch.holes[0].reason), "damaged");
    spool_reader_close(&reader);
}
END_TEST

START_TEST(test_damaged_header_loses_nothing)
{
    char path[200];
    struct farthing_hook *hook = open_hook();
    uint64_t id = id_of(hook);
    emit(hook, 0, 100);
    farthing_hook_close(&hook);
    path_of(id, 1, 0, path);
    overwrite(path, 8, "garbage", 7);
    struct spool_reader *reader = open_reader(id);
    ck_assert_uint_eq(next(reader, 1000).record_count, 100);
    spool_reader_close(&reader);
}
END_TEST

START_TEST(test_foreign_version_is_refused)
{
    char path[200];
    struct segment_header header;
    struct spool_batch batch;
    struct err err = {0};
    struct farthing_hook *hook = open_hook();
    uint64_t id = id_of(hook);
    emit(hook, 0, 100);
    farthing_hook_close(&hook);
    path_of(id, 1, 0, path);
    segment_header_init(&header, id, 1, 0, SLOTS, 0);
    header.version = 2;
    header.crc32c = crc32c(0, &header, offsetof(struct segment_header, crc32c));
    overwrite(path, 0, &header, sizeof header);
    struct spool_reader *reader = open_reader(id);
    ck_assert_int_eq(spool_reader_next(reader, 1000, &batch, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    spool_reader_close(&reader);
}
END_TEST

START_TEST(test_truncated_and_missing_files_are_holes)
{
    char path[200];
    struct farthing_hook *hook = open_hook();
    uint64_t id = id_of(hook);
    emit(hook, 0, 3 * SLOTS);
    farthing_hook_close(&hook);
    path_of(id, 1, 0, path);
    ck_assert_int_eq(truncate(path, SPOOL_PAGE_BYTES + 10 * USAGE_RECORD_BYTES + 7), 0);
    path_of(id, 1, SLOTS, path);
    ck_assert_int_eq(unlink(path), 0);
    struct spool_reader *reader = open_reader(id);
    struct spool_batch batch = next(reader, 10000);
    ck_assert_uint_eq(batch.record_count, 10 + SLOTS);
    ck_assert_uint_eq(batch.hole_count, 1);
    ck_assert_uint_eq(batch.holes[0].sequence, 10);
    ck_assert_uint_eq(batch.holes[0].slots, 2 * SLOTS - 10);
    ck_assert_int_eq(batch.holes[0].reason, SPOOL_HOLE_MISSING);
    ck_assert_uint_eq(batch.end, 3 * SLOTS);
    spool_reader_close(&reader);
}
END_TEST

/* A writer that died between its claim and its publication: the counter says 11, ten slots are published. */
START_TEST(test_unpublished_slot_of_a_dead_writer)
{
    char path[200];
    const uint64_t zero = 0;
    struct farthing_hook *hook = open_hook();
    uint64_t id = id_of(hook);
    emit(hook, 0, 20);
    path_of(id, 1, 0, path);
    overwrite(path, SPOOL_PAGE_BYTES + 10 * USAGE_RECORD_BYTES, &zero, sizeof zero);
    overwrite(path, SPOOL_PAGE_BYTES + 19 * USAGE_RECORD_BYTES, &zero, sizeof zero);
    struct spool_reader *reader = open_reader(id);
    struct spool_batch batch = next(reader, 100);
    ck_assert_uint_eq(batch.record_count, 10); /* alive: it may still come */
    ck_assert_uint_eq(next(reader, 100).record_count, 0);
    farthing_hook_close(&hook);
    batch = next(reader, 100);
    ck_assert_uint_eq(batch.record_count, 8);
    ck_assert_uint_eq(batch.hole_count, 2);
    ck_assert_uint_eq(batch.holes[0].sequence, 10);
    ck_assert_uint_eq(batch.holes[1].sequence, 19);
    ck_assert_int_eq(batch.holes[1].reason, SPOOL_HOLE_UNWRITTEN);
    ck_assert_uint_eq(batch.end, 20);
    spool_reader_close(&reader);
}
END_TEST

START_TEST(test_one_reader_one_writer)
{
    struct spool_reader *second = NULL;
    struct farthing_hook *other = NULL;
    struct err err = {0};
    struct farthing_hook *hook = open_hook();
    struct spool_reader *reader = open_reader(id_of(hook));
    ck_assert_int_eq(spool_reader_open(dir, id_of(hook), true, &second, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    const struct farthing_hook_options same = {.dir = dir, .producer_id = id_of(hook)};
    ck_assert_int_eq(farthing_hook_open(&same, &other, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    other = open_hook();
    ck_assert_uint_ne(id_of(other), id_of(hook));
    farthing_hook_close(&other);
    spool_reader_close(&reader);
    farthing_hook_close(&hook);
}
END_TEST

START_TEST(test_reserved_producer_is_left_alone)
{
    struct farthing_hook *hook = NULL;
    const struct farthing_hook_options mine = {.dir = dir, .producer_id = 42, .segment_records = SLOTS};
    ck_assert_int_eq(farthing_hook_open(&mine, &hook, NULL), 0);
    ck_assert_uint_eq(id_of(hook), 42);
    farthing_hook_close(&hook);
    hook = open_hook();
    ck_assert_uint_ne(id_of(hook), 42);
    farthing_hook_close(&hook);
}
END_TEST

struct crowd {
    struct farthing_hook *hook;
    uint64_t base;
};

static void *crowd_main(void *arg)
{
    const struct crowd *self = arg;
    for (uint64_t i = 0; i < 500; i++) {
        struct usage_record r = record(self->base + i);
        if (farthing_hook_emit(self->hook, &r) != FARTHING_HOOK_OK) {
            abort();
        }
    }
    return NULL;
}

START_TEST(test_many_threads)
{
    pthread_t threads[8];
    struct crowd crowds[8];
    static uint8_t seen[8 * 500];
    struct farthing_hook *hook = open_hook();
    struct spool_reader *reader = open_reader(id_of(hook));
    for (unsigned t = 0; t < 8; t++) {
        crowds[t] = (struct crowd){hook, t * 500};
        ck_assert_int_eq(pthread_create(&threads[t], NULL, crowd_main, &crowds[t]), 0);
    }
    for (unsigned t = 0; t < 8; t++) {
        (void)pthread_join(threads[t], NULL);
    }
    ck_assert_int_eq(farthing_hook_sync(hook, NULL), 0);
    struct spool_batch batch = next(reader, 10000);
    ck_assert_uint_eq(batch.record_count, 4000);
    for (size_t i = 0; i < batch.record_count; i++) {
        ck_assert_uint_eq(seen[batch.records[i]->function_id], 0);
        seen[batch.records[i]->function_id] = 1;
    }
    spool_reader_close(&reader);
    farthing_hook_close(&hook);
}
END_TEST

START_TEST(test_killed_writer_keeps_what_was_emitted)
{
    pid_t child = fork();
    if (child == 0) {
        struct farthing_hook *hook = open_hook();
        emit(hook, 0, 777);
        (void)raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    struct farthing_hook *hook = open_hook(); /* takes the same folder over */
    struct spool_reader *reader = open_reader(id_of(hook));
    struct spool_batch batch = next(reader, 10000);
    ck_assert_uint_eq(batch.epoch, 1);
    ck_assert_uint_eq(batch.record_count, 777);
    ck_assert_uint_eq(batch.hole_count, 0);
    spool_reader_close(&reader);
    farthing_hook_close(&hook);
}
END_TEST

START_TEST(test_invalid_records_and_options)
{
    struct usage_record r = record(1);
    struct farthing_hook *none = NULL;
    struct err err = {0};
    struct farthing_hook *hook = open_hook();
    r.memory_mib = 0;
    ck_assert_int_eq(farthing_hook_emit(hook, &r), FARTHING_HOOK_INVALID);
    ck_assert_uint_eq(farthing_hook_emitted(hook), 0);
    farthing_hook_close(&hook);
    const struct farthing_hook_options tiny = {.dir = dir, .spool_bytes_max = 4096};
    ck_assert_int_eq(farthing_hook_open(&tiny, &none, &err), -1);
    ck_assert_str_eq(err.field, "spool_bytes_max");
    const struct farthing_hook_options big = {.dir = dir, .segment_records = UINT32_MAX};
    ck_assert_int_eq(farthing_hook_open(&big, &none, &err), -1);
    const struct farthing_hook_options id = {.dir = dir, .producer_id = UINT64_MAX};
    ck_assert_int_eq(farthing_hook_open(&id, &none, &err), -1);
    ck_assert_ptr_null(none);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spool_reader");
    TCase *tc = tcase_create("spool");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_reads_in_order);
    tcase_add_test(tc, test_full_until_released);
    tcase_add_test(tc, test_epochs_follow_each_other);
    tcase_add_test(tc, test_flipped_bit_is_quarantined);
    tcase_add_test(tc, test_damaged_header_loses_nothing);
    tcase_add_test(tc, test_foreign_version_is_refused);
    tcase_add_test(tc, test_truncated_and_missing_files_are_holes);
    tcase_add_test(tc, test_unpublished_slot_of_a_dead_writer);
    tcase_add_test(tc, test_one_reader_one_writer);
    tcase_add_test(tc, test_reserved_producer_is_left_alone);
    tcase_add_test(tc, test_many_threads);
    tcase_add_test(tc, test_killed_writer_keeps_what_was_emitted);
    tcase_add_test(tc, test_invalid_records_and_options);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
