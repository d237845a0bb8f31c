/*
 * Goal:   what a hook cannot do is an error with a reason or a return code, and costs no record: bad options, producers
 *         in use, a full spool, a full disk.
 * Method: real folders; the full disk is a tmpfs of a few megabytes, where this user may mount one.
 */
#include "common/err.h"
#include "common/fs.h"
#include "metering/hook.h"
#include "metering/spool.h"
#include "metering/spool_reader.h"
#include "tests/support/fault_disk.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[32];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", "/tmp/farthing-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    ck_assert_int_eq(fs_remove_tree(dir, NULL), 0);
}

static struct usage_record record(uint32_t n)
{
    struct usage_record made = {.kind = USAGE_KIND_INVOCATION,
                                .account_id = 1,
                                .function_id = 1,
                                .started_us = INT64_C(1763856000000000),
                                .memory_mib = 128,
                                .billed_requests = 1,
                                .attempt = 1};
    memcpy(made.request_id, &n, sizeof n);
    return made;
}

static char long_path[1100];

static const struct {
    struct farthing_hook_options options;
    const char *field, *says;
} BAD[] = {
    {{.dir = dir, .segment_records = SPOOL_SLOTS_MAX + 1}, "segment_records", "at most 16777216"},
    {{.dir = dir, .spool_bytes_max = 1000}, "spool_bytes_max", "must hold 3 segments"},
    {{.dir = dir, .spool_bytes_max = 1 << 20, .segment_records = 65536}, "spool_bytes_max", "must hold 3 segments"},
    {{.dir = dir, .producer_id = UINT64_MAX}, "producer_id", "is above 9223372036854775807"},
    {{.dir = long_path}, "", ""},
    {{.dir = "/proc/nothing/here"}, "", "/proc/nothing"},
    {{.dir = "/dev/null"}, "", "/dev/null"},
};

START_TEST(bad_options_are_refused)
{
    struct err err = {0};
    struct farthing_hook *hook = NULL;
    memset(long_path, 'x', sizeof long_path - 1);
    memcpy(long_path, "/tmp/", 5);
    ck_assert_int_eq(farthing_hook_open(&BAD[_i].options, &hook, &err), -1);
    ck_assert_ptr_null(hook);
    ck_assert_int_ne(err.code, ERR_NONE);
    ck_assert_msg(strcmp(err.field, BAD[_i].field) == 0, "%s: %s", err.field, err.text);
    ck_assert_msg(strstr(err.text, BAD[_i].says) != NULL, "%s", err.text);
}
END_TEST

static struct farthing_hook *open_as(uint64_t producer_id, uint32_t node_id)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = dir,
                                                  .producer_id = producer_id,
                                                  .node_id = node_id,
                                                  .segment_records = 512,
                                                  .spool_bytes_max = UINT64_C(512) << 10};
    ck_assert_msg(farthing_hook_open(&options, &hook, &err) == 0, "%s", err.text);
    return hook;
}

START_TEST(a_producer_in_use_is_a_conflict)
{
    struct err err = {0};
    struct farthing_hook *second = NULL;
    struct farthing_hook *first = open_as(10, 0);
    const struct farthing_hook_options options = {.dir = dir, .producer_id = 10};
    ck_assert_int_eq(farthing_hook_open(&options, &second, &err), -1);
    ck_assert_int_eq(err.code, ERR_CONFLICT);
    ck_assert_msg(strstr(err.text, "000000000000000a is in use") != NULL, "%s", err.text);
    farthing_hook_close(&first);
    ck_assert_ptr_null(first);
    farthing_hook_close(&first);
    second = open_as(10, 0);
    farthing_hook_close(&second);
}
END_TEST

/* Free ones of the same node are taken over; of another node, reserved or unreadable ones are not. */
START_TEST(only_free_producers_of_the_node_are_taken_over)
{
    uint64_t ids[4];
    uint64_t epoch = 0;
    char path[80];
    struct farthing_hook *hook = open_as(0, 1);
    farthing_hook_identity(hook, &ids[0], &epoch);
    ck_assert_int_eq((long)epoch, 1);
    farthing_hook_close(&hook);
    hook = open_as(0, 2);
    farthing_hook_identity(hook, &ids[1], &epoch);
    ck_assert(ids[1] != ids[0]);
    farthing_hook_close(&hook);
    hook = open_as(0, 1);
    farthing_hook_identity(hook, &ids[2], &epoch);
    ck_assert(ids[2] == ids[0]);
    ck_assert_int_eq((long)epoch, 2);
    farthing_hook_close(&hook);
    (void)snprintf(path, sizeof path, "%s/%016llx/producer", dir, (unsigned long long)ids[0]);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((long)pwrite(fd, "damaged!", 8, 0), 8);
    (void)close(fd);
    hook = open_as(0, 1);
    farthing_hook_identity(hook, &ids[3], &epoch);
    ck_assert(ids[3] != ids[0] && ids[3] != ids[1]);
    farthing_hook_close(&hook);
}
END_TEST

/* How many records fit; a full spool is FULL and stays FULL until files go. */
static uint32_t emit_until_full(struct farthing_hook *hook, uint32_t from)
{
    int code = FARTHING_HOOK_OK;
    uint32_t n = from;
    while (code == FARTHING_HOOK_OK) {
        struct usage_record made = record(n);
        code = farthing_hook_emit(hook, &made);
        n += code == FARTHING_HOOK_OK;
    }
    ck_assert_int_eq(code, FARTHING_HOOK_FULL);
    return n - from;
}

START_TEST(a_full_spool_is_a_return_code)
{
    struct err err = {0};
    struct farthing_hook *hook = open_as(10, 0);
    ck_assert_int_eq(farthing_hook_fill(hook), 0);
    uint32_t count = emit_until_full(hook, 0);
    ck_assert_int_ge(count, 512);
    ck_assert_int_ge(farthing_hook_fill(hook), 500);
    ck_assert(farthing_hook_emitted(hook) == count);
    farthing_hook_error(hook, &err);
    ck_assert_int_eq(err.code, ERR_NONE); /* full is no failure */
    ck_assert_int_eq(farthing_hook_sync(hook, &err), 0);
    struct usage_record bad = record(0);
    bad.account_id = 0;
    ck_assert_int_eq(farthing_hook_emit(hook, &bad), FARTHING_HOOK_INVALID);
    ck_assert(farthing_hook_emitted(hook) == count);
    farthing_hook_close(&hook);
}
END_TEST

/* In order and without a gap. */
static uint32_t read_all(void)
{
    struct spool_reader *reader = NULL;
    struct spool_batch batch;
    struct err err = {0};
    uint32_t count = 0;
    ck_assert_msg(spool_reader_open(dir, 10, false, &reader, &err) == 0, "%s", err.text);
    do {
        ck_assert_int_eq(spool_reader_next(reader, 100, &batch, &err), 0);
        ck_assert_int_eq((long)batch.hole_count, 0);
        for (size_t i = 0; i < batch.record_count; i++) {
            struct usage_record made = record(count);
            ck_assert_mem_eq(batch.records[i]->request_id, made.request_id, sizeof made.request_id);
            count++;
        }
    } while (batch.end > batch.first);
    spool_reader_close(&reader);
    return count;
}

/* The disk fills before the spool does: also only FULL; with room it goes on where it was. */
static void fill_the_disk(void)
{
    struct farthing_hook *hook = NULL;
    struct err err = {0};
    const struct farthing_hook_options options = {.dir = dir, .producer_id = 10, .segment_records = 512};
    fault_disk_mount(dir, 4);
    ck_assert_msg(farthing_hook_open(&options, &hook, &err) == 0, "%s", err.text);
    fault_disk_fill(dir, 100);
    uint32_t count = emit_until_full(hook, 0);
    fault_disk_grow(dir, 8);
    struct usage_record made = record(count);
    while (farthing_hook_emit(hook, &made) == FARTHING_HOOK_FULL) {
        (void)sched_yield(); /* the background thread looks again by itself */
    }
    count++;
    farthing_hook_close(&hook);
    ck_assert_int_eq((long)read_all(), (long)count);

    fault_disk_fill(dir, 0);
    const struct farthing_hook_options other = {.dir = dir, .producer_id = 11};
    /* Its page may still fit, its first segment does not: then it is open and full. */
    if (farthing_hook_open(&other, &hook, &err) == 0) {
        made = record(0);
        ck_assert_int_eq(farthing_hook_emit(hook, &made), FARTHING_HOOK_FULL);
        farthing_hook_close(&hook);
    } else {
        ck_assert_int_eq(err.code, ERR_SYSTEM);
    }
    ck_assert_ptr_null(hook);
    err = (struct err){0};
    fault_disk_grow(dir, 64);
    const struct farthing_hook_options again = {.dir = dir, .producer_id = 11, .segment_records = 512};
    ck_assert_msg(farthing_hook_open(&again, &hook, &err) == 0, "%s", err.text);
    farthing_hook_close(&hook);
    fault_disk_unmount(dir);
}

START_TEST(a_full_disk_is_a_return_code)
{
    const char *why = "";
    if (!fault_disk_prepare(&why)) {
        (void)printf("full disk is left out: no mounts for this user (%s)\n", why);
        return;
    }
    fill_the_disk();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hook");
    TCase *tc = tcase_create("hook");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, bad_options_are_refused, 0, (int)(sizeof BAD / sizeof BAD[0]));
    tcase_add_test(tc, a_producer_in_use_is_a_conflict);
    tcase_add_test(tc, only_free_producers_of_the_node_are_taken_over);
    tcase_add_test(tc, a_full_spool_is_a_return_code);
    tcase_add_test(tc, a_full_disk_is_a_return_code);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
