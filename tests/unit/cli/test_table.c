/*
 * Goal:   what people read: numbers with separators, memory, durations, bars, aligned tables; no colour but on a
 * terminal. Method: tables of value and text; tables and bars are printed into memory.
 */
#include "cli/table.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int64_t value;
    const char *text;
} NUMBERS[] = {
    {0, "0"},
    {7, "7"},
    {999, "999"},
    {1000, "1,000"},
    {-1, "-1"},
    {-999, "-999"},
    {-1000, "-1,000"},
    {1234567, "1,234,567"},
    {100000, "100,000"},
    {INT64_MAX, "9,223,372,036,854,775,807"},
    {INT64_MIN, "-9,223,372,036,854,775,808"},
};

START_TEST(numbers)
{
    char text[32];
    number_format(NUMBERS[_i].value, text);
    ck_assert_str_eq(text, NUMBERS[_i].text);
}
END_TEST

static const struct {
    const char *decimal;
    int places;
    const char *text;
} QUANTITIES[] = {
    {"20000", 3, "20,000"},
    {"9967.90543", 3, "9,967.905"},
    {"0.5", 3, "0.5"},
    {"1.999", 0, "1"},
    {"-5", 2, "-5"},
    {"no limit", 2, "no limit"},
    {"", 2, ""},
    {"12e3", 1, "12e3"},
    {"1234567.1", 2, "1,234,567.1"},
};

START_TEST(quantities)
{
    char text[64];
    quantity_format(QUANTITIES[_i].decimal, QUANTITIES[_i].places, text);
    ck_assert_str_eq(text, QUANTITIES[_i].text);
}
END_TEST

static const struct {
    int64_t value;
    const char *text;
} MEMORY[] = {{0, "0.0 MiB"},    {51, "0.0 MiB"},   {52, "0.1 MiB"},
              {1024, "1.0 MiB"}, {1536, "1.5 MiB"}, {10485760, "10240.0 MiB"}};

START_TEST(memory)
{
    char text[32];
    kib_format(MEMORY[_i].value, text);
    ck_assert_str_eq(text, MEMORY[_i].text);
}
END_TEST

static const struct {
    int64_t value;
    const char *text;
} DURATIONS[] = {{0, "0.00 ms"},        {9, "0.00 ms"},      {10, "0.01 ms"},     {1290, "1.29 ms"},
                 {999999, "999.99 ms"}, {1000000, "1.00 s"}, {2500000, "2.50 s"}, {900000000, "900.00 s"}};

START_TEST(durations)
{
    char text[32];
    duration_format(DURATIONS[_i].value, text);
    ck_assert_str_eq(text, DURATIONS[_i].text);
}
END_TEST

/* What print writes, as text the caller frees. */
static char *printed(const struct table *table)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    table_print(table, out);
    ck_assert_int_eq(fclose(out), 0);
    return text;
}

START_TEST(columns_are_aligned)
{
    static const char *const HEADS[] = {"NAME", ">CALLS", "STATE", NULL};
    struct table table;
    table_init(&table, HEADS);
    table_text(&table, "caf\xc3\xa9");
    table_i64(&table, 1234);
    table_text(&table, "active");
    table_text(&table, NULL);
    table_i64(&table, 5);
    table_text(&table, "");
    table_rule(&table);
    table_text(&table, "total");
    table_i64(&table, 1239);
    table_text(&table, "-");
    char *text = printed(&table);
    ck_assert_str_eq(text, "NAME   CALLS  STATE\n"
                           "caf\xc3\xa9   1,234  active\n"
                           "-          5  -\n"
                           "\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80  "
                           "\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80  "
                           "\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\n"
                           "total  1,239  -\n");
    free(text);
    table_free(&table);
}
END_TEST

START_TEST(a_table_without_rows_is_its_heads)
{
    static const char *const HEADS[] = {"A", ">B", NULL};
    struct table table;
    table_init(&table, HEADS);
    char *text = printed(&table);
    ck_assert_str_eq(text, "A  B\n");
    free(text);
    table_free(&table);
}
END_TEST

/* A file is no terminal: whole cells, whatever COLUMNS says, and marks of heads never print. */
START_TEST(a_file_gets_everything)
{
    static const char *const HEADS[] = {"NAME", "~WORDS", "?>EXTRA", NULL};
    struct table table;
    (void)setenv("COLUMNS", "40", 1);
    table_init(&table, HEADS);
    table_text(&table, "a");
    table_text(&table, "a sentence that is longer than any forty characters");
    table_text(&table, "1");
    char *text = printed(&table);
    ck_assert_ptr_nonnull(strstr(text, "forty characters"));
    ck_assert_ptr_nonnull(strstr(text, "EXTRA"));
    ck_assert_ptr_null(strpbrk(text, "~?>"));
    free(text);
    table_free(&table);
}
END_TEST

static const struct {
    const char *columns;
    int width;
} WIDTHS[] = {{"120", 120}, {"40", 40}, {"39", 80}, {"0", 80}, {"-5", 80}, {"many", 80}, {"100000", 80}};

START_TEST(width_of_a_line)
{
    FILE *out = tmpfile();
    ck_assert_ptr_nonnull(out);
    (void)setenv("COLUMNS", WIDTHS[_i].columns, 1);
    ck_assert_int_eq(table_columns(out), WIDTHS[_i].width);
    (void)fclose(out);
}
END_TEST

#define FULL "\xe2\x96\x88"
#define HELD "\xe2\x96\x92"
#define FREE "\xe2\x96\x91"

static const struct {
    int64_t used, held, limit;
    const char *text;
} BARS[] = {
    {0, 0, 100, FREE FREE FREE FREE},
    {1, 0, 100, FULL FREE FREE FREE}, /* anything used shows */
    {50, 0, 100, FULL FULL FREE FREE},
    {50, 25, 100, FULL FULL HELD FREE},
    {100, 0, 100, FULL FULL FULL FULL},
    {400, 0, 100, FULL FULL FULL FULL},
    {0, 0, 0, FREE FREE FREE FREE},
    {1, 0, 0, FULL FULL FULL FULL},
    {INT64_MAX / 2, 0, INT64_MAX, FULL FULL FREE FREE},
};

START_TEST(bars)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    ck_assert_ptr_nonnull(out);
    bar_print(out, BARS[_i].used, BARS[_i].held, BARS[_i].limit, 4);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, BARS[_i].text);
    free(text);
}
END_TEST

START_TEST(no_colour_in_a_file)
{
    FILE *out = tmpfile();
    ck_assert_ptr_nonnull(out);
    (void)unsetenv("NO_COLOR");
    ck_assert(!color_wanted(out));
    ck_assert_str_eq(color(out, COLOR_RED), "");
    (void)fclose(out);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof(table)[0]))

int main(void)
{
    Suite *suite = suite_create("table");
    TCase *tcase = tcase_create("table");
    tcase_add_loop_test(tcase, numbers, 0, ROWS(NUMBERS));
    tcase_add_loop_test(tcase, quantities, 0, ROWS(QUANTITIES));
    tcase_add_loop_test(tcase, memory, 0, ROWS(MEMORY));
    tcase_add_loop_test(tcase, durations, 0, ROWS(DURATIONS));
    tcase_add_test(tcase, columns_are_aligned);
    tcase_add_test(tcase, a_table_without_rows_is_its_heads);
    tcase_add_test(tcase, a_file_gets_everything);
    tcase_add_loop_test(tcase, width_of_a_line, 0, ROWS(WIDTHS));
    tcase_add_loop_test(tcase, bars, 0, ROWS(BARS));
    tcase_add_test(tcase, no_colour_in_a_file);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
