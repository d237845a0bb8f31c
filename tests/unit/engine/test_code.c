/*
 * Goal:   no package leads out of its folder, lies about its size, or is unpacked by halves; packing is deterministic.
 * Method: zips made with libzip, one rule broken in each; the error names /code and the entry.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/function.h"

struct item {
    const char *name;
    unsigned mode; /* with its kind; 0: none */
};

static void make(const struct item *items, size_t count, struct buf *out)
{
    zip_error_t error;
    char chunk[4096];
    zip_int64_t got = 0;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *archive = zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error);
    for (size_t i = 0; i < count; i++) {
        zip_source_t *bytes = zip_source_buffer(archive, "hello", 5, 0);
        zip_int64_t at = zip_file_add(archive, items[i].name, bytes, ZIP_FL_ENC_UTF_8);
        ck_assert_int_ge(at, 0);
        if (items[i].mode != 0) {
            (void)zip_file_set_external_attributes(archive, (zip_uint64_t)at, 0, ZIP_OPSYS_UNIX, items[i].mode << 16);
        }
    }
    zip_source_keep(source);
    ck_assert_int_eq(zip_close(archive), 0);
    ck_assert_int_eq(zip_source_open(source), 0);
    while ((got = zip_source_read(source, chunk, sizeof chunk)) > 0) {
        buf_append(out, chunk, (size_t)got);
    }
    zip_source_free(source);
}

static const struct item BAD[][2] = {
    {{"../evil", 0}, {NULL, 0}},
    {{"a/../../evil", 0}, {NULL, 0}},
    {{"/etc/passwd", 0}, {NULL, 0}},
    {{"a\\b", 0}, {NULL, 0}},
    {{"a//b", 0}, {NULL, 0}},
    {{"./a", 0}, {NULL, 0}},
    {{"link", S_IFLNK | 0777}, {NULL, 0}},
    {{"dev", S_IFCHR | 0666}, {NULL, 0}},
    {{"a", 0}, {"a/b", 0}},
    {{"new\nline", 0}, {NULL, 0}},
};

START_TEST(bad_packages)
{
    struct buf zip = {0};
    struct err err = {0};
    make(BAD[_i], BAD[_i][1].name != NULL ? 2 : 1, &zip);
    ck_assert_int_eq(code_check(zip.data, zip.length, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_str_eq(err.field, "/code");
    buf_free(&zip);
}
END_TEST

START_TEST(not_a_zip)
{
    struct err err = {0};
    ck_assert_int_eq(code_check("hello", 5, &err), -1);
    ck_assert_str_eq(err.field, "/code");
    ck_assert_int_eq(code_check("", 0, &err), -1);
}
END_TEST

struct package_list {
    const struct item *items;
    int fail_at;
};

static int fetch(void *ctx, int at, struct buf *zip, struct err *err)
{
    const struct package_list *list = ctx;
    if (at == list->fail_at) {
        return err_set(err, ERR_NOT_FOUND, "it is not there");
    }
    make(list->items + at, 1, zip);
    return 0;
}

static bool kind_is(const char *dir, const char *name, mode_t kind)
{
    char path[200];
    struct stat found;
    (void)snprintf(path, sizeof path, "%s/out/%s", dir, name);
    return lstat(path, &found) == 0 && (found.st_mode & S_IFMT) == kind;
}

/* A file over a file, a folder over a file, a file over a folder: the later one is there, the others stay. */
START_TEST(one_over_the_other)
{
    static const struct item ITEMS[] = {{"a", S_IFREG | 0644},         {"b/inner", S_IFREG | 0644},
                                        {"a/deep/er", S_IFREG | 0644}, {"b", S_IFREG | 0755},
                                        {"c", S_IFREG | 0644},         {"c", S_IFREG | 0755}};
    char dir[] = "/tmp/farthing-code-XXXXXX";
    char path[100];
    struct stat found;
    struct err err = {0};
    struct package_list list = {.items = ITEMS, .fail_at = 5};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/out", dir);
    ck_assert_int_eq(code_unpack_over(fetch, &list, 6, path, &err), -1);
    ck_assert_int_eq(err.code, ERR_NOT_FOUND);
    ck_assert_int_ne(stat(path, &found), 0); /* whole or not at all */
    ck_assert_int_eq(rmdir(dir), 0);         /* and nothing stays behind */
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    list.fail_at = -1;
    ck_assert_msg(code_unpack_over(fetch, &list, 6, path, &err) == 0, "%s", err.text);
    ck_assert(kind_is(dir, "a", S_IFDIR) && kind_is(dir, "a/deep/er", S_IFREG));
    ck_assert(kind_is(dir, "b", S_IFREG) && kind_is(dir, "c", S_IFREG));
    (void)snprintf(path, sizeof path, "%s/out/c", dir);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_uint_eq(found.st_mode & 0777, 0555);
    (void)fs_remove_tree(dir, NULL);
}
END_TEST

START_TEST(measures_what_comes_out)
{
    static const struct item ITEMS[] = {{"a", 0}, {"b", 0}};
    struct buf zip = {0};
    struct err err = {0};
    int64_t bytes = -1;
    make(ITEMS, 2, &zip);
    ck_assert_int_eq(code_measure(zip.data, zip.length, &bytes, &err), 0);
    ck_assert_int_eq(bytes, 10);
    bytes = -1;
    ck_assert_int_eq(code_measure(zip.data, zip.length / 2, &bytes, &err), -1);
    ck_assert_int_eq(bytes, -1);
    buf_free(&zip);
}
END_TEST

START_TEST(there_and_back)
{
    static const struct item ITEMS[] = {{"bootstrap", S_IFREG | 0755}, {"lib/data.txt", S_IFREG | 0644}};
    char dir[] = "/tmp/farthing-code-XXXXXX";
    char path[100];
    struct buf zip = {0};
    struct buf first = {0};
    struct buf second = {0};
    struct err err = {0};
    struct stat found;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    make(ITEMS, 2, &zip);
    (void)snprintf(path, sizeof path, "%s/out", dir);
    ck_assert_msg(code_unpack(zip.data, zip.length, path, &err) == 0, "%s", err.text);
    ck_assert_int_eq(code_pack_dir(path, &first, &err), 0);
    ck_assert_int_eq(code_pack_dir(path, &second, &err), 0);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_eq(first.data, second.data, first.length);
    (void)snprintf(path, sizeof path, "%s/out/bootstrap", dir);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_uint_eq(found.st_mode & 0777, 0555);
    (void)snprintf(path, sizeof path, "%s/out/lib/data.txt", dir);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_uint_eq(found.st_mode & 0777, 0444);
    (void)fs_remove_tree(dir, NULL);
    buf_free(&zip);
    buf_free(&first);
    buf_free(&second);
}
END_TEST

START_TEST(damaged_bytes_are_refused_or_the_same)
{
    static const struct item ITEMS[] = {{"bootstrap", S_IFREG | 0755}};
    struct buf zip = {0};
    struct err err = {0};
    make(ITEMS, 1, &zip);
    for (size_t i = 0; i < zip.length; i++) {
        zip.data[i] = (char)(zip.data[i] ^ 0x41);
        (void)code_check(zip.data, zip.length, &err); /* never crashes */
        zip.data[i] = (char)(zip.data[i] ^ 0x41);
    }
    buf_free(&zip);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("code");
    TCase *tcase = tcase_create("packages");
    tcase_add_loop_test(tcase, bad_packages, 0, (int)(sizeof BAD / sizeof BAD[0]));
    tcase_add_test(tcase, not_a_zip);
    tcase_add_test(tcase, there_and_back);
    tcase_add_test(tcase, one_over_the_other);
    tcase_add_test(tcase, measures_what_comes_out);
    tcase_add_test(tcase, damaged_bytes_are_refused_or_the_same);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
