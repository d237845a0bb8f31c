/*
 * Goal:   what is sealed opens with the same key and place only; the key file is private.
 * Method: round trips; every byte flipped once; another aad; a key file others can read.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "engine/node_key.h"

START_TEST(round_trip_and_tampering)
{
    const uint8_t key[NODE_KEY_BYTES] = {1, 2, 3};
    struct buf sealed = {0};
    struct buf plain = {0};
    struct err err = {0};
    ck_assert_int_eq(node_key_seal(key, "row 1", "secret", 6, &sealed, &err), 0);
    ck_assert_ptr_null(memmem(sealed.data, sealed.length, "secret", 6));
    ck_assert_int_eq(node_key_open(key, "row 1", sealed.data, sealed.length, &plain, &err), 0);
    ck_assert_str_eq(buf_text(&plain), "secret");
    buf_clear(&plain);
    ck_assert_int_eq(node_key_open(key, "row 2", sealed.data, sealed.length, &plain, &err), -1);
    for (size_t i = 0; i < sealed.length; i++) {
        sealed.data[i] = (char)(sealed.data[i] ^ 1);
        ck_assert_int_eq(node_key_open(key, "row 1", sealed.data, sealed.length, &plain, &err), -1);
        ck_assert_uint_eq(plain.length, 0);
        sealed.data[i] = (char)(sealed.data[i] ^ 1);
    }
    ck_assert_int_eq(node_key_open(key, "row 1", sealed.data, 10, &plain, &err), -1);
    buf_free(&sealed);
    buf_free(&plain);
}
END_TEST

START_TEST(key_file)
{
    char dir[] = "/tmp/farthing-key-XXXXXX";
    char path[100];
    uint8_t first[NODE_KEY_BYTES];
    uint8_t second[NODE_KEY_BYTES];
    struct stat found;
    struct err err = {0};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/node.key", dir);
    ck_assert_int_eq(node_key_load(path, first, &err), 0);
    ck_assert_int_eq(node_key_load(path, second, &err), 0);
    ck_assert_mem_eq(first, second, sizeof first);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_uint_eq(found.st_mode & 0777, 0600);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(node_key_load(path, second, &err), -1);
    (void)fs_remove_tree(dir, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("node_key");
    TCase *tcase = tcase_create("key");
    tcase_add_test(tcase, round_trip_and_tampering);
    tcase_add_test(tcase, key_file);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
