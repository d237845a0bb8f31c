/*
 * Goal:   the map is a map.
 * Method: seeded random operations beside a plain array that is the truth.
 */
#include "common/map.h"

#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 500
#define STEPS 200000

static void add_up(const void *key, size_t key_length, void *value, void *ctx)
{
    ck_assert_uint_eq(strlen(key), key_length); /* keys are followed by a NUL */
    *(int64_t *)ctx += *(int64_t *)value;
}

START_TEST(agrees_with_an_array)
{
    static int64_t numbers[KEYS];
    static int64_t *truth[KEYS];
    struct map *map = map_new();
    unsigned seed = 7;
    size_t live = 0;
    ck_assert_ptr_nonnull(map);
    for (int step = 0; step < STEPS; step++) {
        char key[16];
        int k = rand_r(&seed) % KEYS;
        size_t length = (size_t)snprintf(key, sizeof key, "key%d", k);
        numbers[k] = k;
        bool same = map_get(map, key, length) == truth[k];
        if (rand_r(&seed) % 2 == 0) {
            live += truth[k] == NULL ? 1 : 0;
            truth[k] = &numbers[k];
            same = same && map_put(map, key, length, truth[k]) == 0;
        } else {
            live -= truth[k] != NULL ? 1 : 0;
            same = same && map_remove(map, key, length) == truth[k];
            truth[k] = NULL;
        }
        if (!same || map_count(map) != live) { /* an assertion of Check is a write each; here are very many */
            ck_abort_msg("step %d, key %d", step, k);
        }
    }
    int64_t sum = 0;
    int64_t wanted = 0;
    for (int k = 0; k < KEYS; k++) {
        wanted += truth[k] != NULL ? *truth[k] : 0;
    }
    map_each(map, add_up, &sum);
    ck_assert_int_eq(sum, wanted);
    map_free(&map);
    ck_assert_ptr_null(map);
    map_free(&map);
}
END_TEST

START_TEST(keys_are_bytes)
{
    struct map *map = map_new();
    char a = 0;
    char b = 0;
    ck_assert_int_eq(map_put(map, "x\0y", 3, &a), 0);
    ck_assert_int_eq(map_put(map, "x\0z", 3, &b), 0);
    ck_assert_int_eq(map_put(map, "", 0, &b), 0);
    ck_assert_ptr_eq(map_get(map, "x\0y", 3), &a);
    ck_assert_ptr_eq(map_get(map, "x\0z", 3), &b);
    ck_assert_ptr_null(map_get(map, "x", 1));
    ck_assert_ptr_eq(map_get(map, "", 0), &b);
    ck_assert_uint_eq(map_count(map), 3);
    map_free(&map);
}
END_TEST

START_TEST(null_values_are_a_defect)
{
    struct map *map = map_new();
    (void)map_put(map, "k", 1, NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("map");
    TCase *tc = tcase_create("map");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, agrees_with_an_array);
    tcase_add_test(tc, keys_are_bytes);
    tcase_add_test_raise_signal(tc, null_values_are_a_defect, SIGABRT);
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
