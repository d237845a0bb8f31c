/*
 * Goal:   cutting a function's part of a line into rows gives whole units that add up, whatever the numbers; products
 *         are written with the digits billing/money.h gives.
 * Method: random bills and rows (seeded), checked against plain sums; random products against exact_format.
 */
#include "common/err.h"
#include "reports/digits.h"
#include "reports/focus_split.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 40
#define LINES 5

static int64_t random_up_to(int64_t most)
{
    return (int64_t)(((uint64_t)random() << 31 ^ (uint64_t)random()) % (uint64_t)(most + 1));
}

/* Two bands of requests, one package line of storage, two bands of compute; two functions. */
struct world {
    struct rated_line lines[LINES];
    struct bill_share shares[2 * LINES];
    struct bill bill;
    int64_t usage[2][ROWS][METER_COUNT];
    int64_t totals[2][METER_COUNT];
};

static void make_usage(struct world *world, int64_t most)
{
    static const enum meter METERS[] = {METER_REQUESTS, METER_EPHEMERAL_STORAGE, METER_COMPUTE_X86};
    for (int f = 0; f < 2; f++) {
        for (int r = 0; r < ROWS; r++) {
            for (size_t m = 0; m < 3; m++) {
                int64_t used = random_up_to(5) == 0 ? 0 : random_up_to(most);
                world->usage[f][r][METERS[m]] = used;
                world->totals[f][METERS[m]] += used;
            }
        }
    }
}

static void make_world(struct world *world, int64_t most)
{
    static const enum meter METERS[LINES] = {METER_REQUESTS, METER_REQUESTS, METER_EPHEMERAL_STORAGE, METER_COMPUTE_X86,
                                             METER_COMPUTE_X86};
    memset(world, 0, sizeof *world);
    make_usage(world, most);
    for (int i = 0; i < LINES; i++) {
        world->lines[i] = (struct rated_line){.kind = LINE_USAGE, .meter = METERS[i], .packages = i == 2 ? 17 : 0};
        for (int f = 0; f < 2; f++) {
            int64_t all = world->totals[f][METERS[i]];
            int64_t first = all / 3;
            bool second = i == 1 || i == 4;
            bool only = i == 2;
            world->shares[2 * i + f] = (struct bill_share){.line = i,
                                                           .function_id = 7 - f,
                                                           .quantity = only     ? all
                                                                       : second ? all - first
                                                                                : first};
        }
    }
    world->bill =
        (struct bill){.line_count = LINES, .lines = world->lines, .share_count = 2 * LINES, .shares = world->shares};
}

static void run_function(struct focus_split *split, const struct world *world, int f, int64_t given[LINES],
                         int64_t *packages, int *adjusted)
{
    struct focus_piece pieces[LINES];
    ck_assert(focus_split_begin(split, 7 - f, world->totals[f]));
    for (int r = 0; r < ROWS; r++) {
        int64_t row[METER_COUNT] = {0};
        int count = focus_split_row(split, world->usage[f][r], pieces);
        for (int i = 0; i < count; i++) {
            ck_assert_int_gt(pieces[i].quantity, 0);
            ck_assert_int_ge(pieces[i].packages, 0);
            given[pieces[i].line] += pieces[i].quantity;
            row[world->lines[pieces[i].line].meter] += pieces[i].quantity;
            *packages += pieces[i].packages;
            adjusted[pieces[i].line] += pieces[i].adjusts;
        }
        ck_assert_mem_eq(row, world->usage[f][r], sizeof row);
    }
    ck_assert_int_eq(focus_split_rest(split, pieces), 0);
}

START_TEST(pieces_add_up)
{
    struct world world;
    struct focus_split *split = NULL;
    struct err err = {0};
    int64_t given[2][LINES] = {{0}};
    int64_t packages = 0;
    int adjusted[LINES] = {0};
    srandom((unsigned)_i + 1);
    make_world(&world, _i % 2 == 0 ? 20 : INT64_C(9000000000000));
    ck_assert_int_eq(focus_split_new(&world.bill, &split, &err), 0);
    for (int f = 0; f < 2; f++) {
        run_function(split, &world, f, given[f], &packages, adjusted);
    }
    for (int i = 0; i < 2 * LINES; i++) {
        const struct bill_share *share = &world.shares[i];
        ck_assert_int_eq(given[7 - share->function_id][share->line], share->quantity);
    }
    for (int i = 0; i < LINES; i++) {
        ck_assert_int_eq(adjusted[i], 1);
    }
    ck_assert_int_eq(packages, 17);
    int64_t missed = 0;
    const char *name = NULL;
    ck_assert(!focus_split_begin_missed(split, &missed, &name));
    focus_split_free(&split);
}
END_TEST

START_TEST(what_rows_do_not_take_is_the_rest)
{
    struct world world;
    struct focus_split *split = NULL;
    struct focus_piece pieces[LINES];
    struct err err = {0};
    int64_t function_id = 0;
    const char *name = NULL;
    int64_t given = 0;
    srandom(3);
    make_world(&world, 1000);
    ck_assert_int_eq(focus_split_new(&world.bill, &split, &err), 0);
    /* Function 7 has fewer rows than it was billed for, function 6 none; 5 was not billed. */
    ck_assert(!focus_split_begin(split, 5, world.totals[0]));
    ck_assert(focus_split_begin(split, 7, world.totals[0]));
    int count = focus_split_row(split, world.usage[0][1], pieces);
    for (int i = 0; i < count; i++) {
        given += pieces[i].line == 0 ? pieces[i].quantity : 0;
    }
    count = focus_split_rest(split, pieces);
    ck_assert_int_eq(count, LINES);
    ck_assert_int_eq(pieces[0].quantity + given, world.shares[0].quantity);
    ck_assert(focus_split_begin_missed(split, &function_id, &name));
    ck_assert_int_eq(function_id, 6);
    ck_assert_int_eq(focus_split_rest(split, pieces), LINES);
    ck_assert(!focus_split_begin_missed(split, &function_id, &name));
    focus_split_free(&split);
}
END_TEST

START_TEST(digits_are_those_of_money)
{
    static const int64_t PER[] = {1, 1024000, INT64_C(1) << 30};
    static const int64_t MOST[] = {9, 1000000, INT64_C(4000000000000000)};
    struct err err = {0};
    srandom(11);
    for (int i = 0; i < 20000; i++) {
        char text[MONEY_TEXT_BYTES];
        char expected[MONEY_TEXT_BYTES];
        struct exact exact;
        struct decimal price = {.value = random_up_to(MOST[random() % 2]), .scale = (int)(random() % 15)};
        int64_t quantity = random_up_to(MOST[random() % 3]) * (random() % 5 == 0 ? -1 : 1);
        int64_t per = PER[random() % 3];
        if (exact_product(quantity, price, per, &exact, &err) != 0) {
            continue;
        }
        exact_format(exact, expected);
        int length = digits_product(quantity, price, per, text);
        ck_assert_str_eq(text, expected);
        ck_assert_int_eq(length, (int)strlen(expected));
    }
}
END_TEST

static const struct {
    int64_t value;
    const char *text;
} WHOLE[] = {{0, "0"}, {7, "7"}, {-1, "-1"}, {INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"}};

START_TEST(whole_numbers)
{
    char text[MONEY_TEXT_BYTES];
    ck_assert_int_eq(digits_i64(WHOLE[_i].value, text), (int)strlen(WHOLE[_i].text));
    ck_assert_str_eq(text, WHOLE[_i].text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("focus_split");
    TCase *tcase = tcase_create("focus_split");
    tcase_add_loop_test(tcase, pieces_add_up, 0, 60);
    tcase_add_test(tcase, what_rows_do_not_take_is_the_rest);
    tcase_add_test(tcase, digits_are_those_of_money);
    tcase_add_loop_test(tcase, whole_numbers, 0, (int)(sizeof WHOLE / sizeof WHOLE[0]));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
