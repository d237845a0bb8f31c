/*
 * Goal:   files are read within limits, written whole, and removed without leaving the tree; log lines are one JSON
 * each. Method: a scratch folder with links that point out of it; stderr redirected into a file.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/log.h"
#include "tests/support/fake_clock.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static struct err err;

static void setup(void)
{
    err = (struct err){0};
    (void)snprintf(root, sizeof root, "/tmp/farthing-fs-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    ck_assert_int_eq(chdir(root), 0);
}

static void teardown(void)
{
    (void)fs_remove_tree(root, NULL);
}

START_TEST(written_whole_and_read_back)
{
    struct buf out = {0};
    struct stat info;
    ck_assert_int_eq(fs_write_atomic("f", "one", 3, 0640, &err), 0);
    ck_assert_int_eq(fs_write_atomic("f", "a\0b", 3, 0600, &err), 0);
    ck_assert_int_eq(stat("f", &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0600);
    buf_puts(&out, "x");
    ck_assert_int_eq(fs_read("f", 3, &out, &err), 0);
    ck_assert_uint_eq(out.length, 4);
    ck_assert_int_eq(memcmp(out.data, "xa\0b", 4), 0);
    ck_assert_int_eq(fs_read("f", 2, &out, &err), -1);
    ck_assert_int_eq(err.code, ERR_LIMIT);
    ck_assert_uint_eq(out.length, 4);
    ck_assert_int_eq(fs_read("absent", 2, &out, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.text, "absent"));
    ck_assert_int_eq(fs_read(".", 2, &out, &err), -1);
    ck_assert_int_eq(fs_write_atomic("no/such/f", "x", 1, 0600, &err), -1);
    buf_free(&out);
}
END_TEST

START_TEST(a_failed_write_keeps_the_old_file)
{
    struct buf out = {0};
    ck_assert_int_eq(mkdir("target", 0700), 0);
    ck_assert_int_eq(fs_write_atomic("target/x", "old", 3, 0600, &err), 0);
    ck_assert_int_eq(fs_write_atomic("target", "new", 3, 0600, &err), -1); /* a folder cannot be replaced */
    ck_assert_int_eq(fs_read("target/x", 10, &out, &err), 0);
    buf_free(&out);
    ck_assert_int_eq(fs_remove_tree("target", &err), 0);
    ck_assert_int_eq(rmdir(root), 0); /* and nothing lies beside it */
}
END_TEST

START_TEST(folders)
{
    ck_assert_int_eq(fs_make_dirs("a/b//c/", 0755, &err), 0);
    ck_assert_int_eq(fs_make_dirs("a/b/c", 0755, &err), 0);
    ck_assert_int_eq(access("a/b/c", X_OK), 0);
    ck_assert_int_eq(fs_write_atomic("a/f", "x", 1, 0600, &err), 0);
    ck_assert_int_eq(fs_make_dirs("a/f/g", 0755, &err), -1);
    ck_assert_int_eq(fs_make_dirs("", 0755, &err), -1);
}
END_TEST

START_TEST(removing_does_not_follow_links)
{
    ck_assert_int_eq(fs_make_dirs("out/keep", 0755, &err), 0);
    ck_assert_int_eq(fs_make_dirs("tree/x/y", 0755, &err), 0);
    ck_assert_int_eq(fs_write_atomic("tree/x/f", "x", 1, 0600, &err), 0);
    ck_assert_int_eq(symlink("../../out", "tree/x/link"), 0);
    ck_assert_int_eq(symlink("/nonexistent", "tree/dangling"), 0);
    ck_assert_int_eq(fs_remove_tree("tree", &err), 0);
    ck_assert_int_eq(access("tree", F_OK), -1);
    ck_assert_int_eq(access("out/keep", F_OK), 0);
    ck_assert_int_eq(fs_remove_tree("tree", &err), 0);
    ck_assert_int_eq(symlink("out", "link"), 0);
    ck_assert_int_eq(fs_remove_tree("link", &err), 0);
    ck_assert_int_eq(access("out/keep", F_OK), 0);
}
END_TEST

static void log_into(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    (void)close(fd);
}

START_TEST(log_lines_are_json)
{
    struct buf out = {0};
    fake_clock_freeze(INT64_C(1795430690000001));
    log_into("log");
    LOG(LOG_LEVEL_INFO, "batch.committed", LF_I64("records", 5), LF_STR("who", "a\"b\n"));
    LOG(LOG_LEVEL_DEBUG, "not.shown", LF_I64("n", 1));
    log_level_set(LOG_LEVEL_DEBUG);
    LOG(LOG_LEVEL_DEBUG, "shown", LF_STR("null", (const char *)NULL));
    ck_assert_int_eq(fs_read("log", 10000, &out, &err), 0);
    ck_assert_str_eq(
        buf_text(&out),
        "{\"ts\":\"2026-11-23T10:44:50.000001Z\",\"level\":\"info\",\"event\":\"batch.committed\","
        "\"records\":5,\"who\":\"a\\\"b\\n\"}\n"
        "{\"ts\":\"2026-11-23T10:44:50.000001Z\",\"level\":\"debug\",\"event\":\"shown\",\"null\":\"\"}\n");
    buf_free(&out);
}
END_TEST

START_TEST(long_log_lines_are_cut)
{
    struct buf out = {0};
    char *huge = calloc(1, LOG_LINE_BYTES_MAX + 1);
    cJSON *tree = NULL;
    bool cut = false;
    ck_assert_ptr_nonnull(huge);
    memset(huge, '"', LOG_LINE_BYTES_MAX);
    log_into("log");
    LOG(LOG_LEVEL_ERROR, "big", LF_I64("before", 1), LF_STR("huge", huge), LF_I64("after", 2));
    ck_assert_int_eq(fs_read("log", 10000, &out, &err), 0);
    ck_assert_uint_le(out.length, LOG_LINE_BYTES_MAX);
    ck_assert_int_eq(json_parse(out.data, out.length, &tree, &err), 0);
    ck_assert_int_eq(json_get_bool(tree, "", "cut", true, &cut, &err), 0);
    ck_assert(cut);
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(tree, "before"));
    ck_assert_ptr_null(cJSON_GetObjectItem(tree, "huge"));
    cJSON_Delete(tree);
    buf_free(&out);
    free(huge);
}
END_TEST

START_TEST(log_levels_have_names)
{
    enum log_level level = LOG_LEVEL_INFO;
    ck_assert_int_eq(log_level_parse("error", &level), 0);
    ck_assert_int_eq(level, LOG_LEVEL_ERROR);
    ck_assert_int_eq(log_level_parse("loud", &level), -1);
    ck_assert_int_eq(level, LOG_LEVEL_ERROR);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("fs");
    TCase *tc = tcase_create("fs");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, written_whole_and_read_back);
    tcase_add_test(tc, a_failed_write_keeps_the_old_file);
    tcase_add_test(tc, folders);
    tcase_add_test(tc, removing_does_not_follow_links);
    tcase_add_test(tc, log_lines_are_json);
    tcase_add_test(tc, long_log_lines_are_cut);
    tcase_add_test(tc, log_levels_have_names);
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
