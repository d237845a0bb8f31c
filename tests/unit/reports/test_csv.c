/*
 * Goal:   what csv.h writes, csv_read.h and everybody else reads back: quotes, commas, line ends, emoji, formulas, long
 * names. Method: tables of values with the exact bytes expected; round trips over seeded random text; broken files with
 * the message.
 */
#include "reports/csv.h"
#include "reports/csv_read.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

static int refuse(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)bytes;
    (void)length;
    (void)ctx;
    return err_set(err, ERR_RETRY, "the reader went away");
}

static const struct {
    const char *value;
    const char *plain;
    const char *safe;
} CELLS[] = {
    {"", "", ""},
    {"plain", "plain", "plain"},
    {"a,b", "\"a,b\"", "\"a,b\""},
    {"say \"hi\"", "\"say \"\"hi\"\"\"", "\"say \"\"hi\"\"\""},
    {"two\nlines", "\"two\nlines\"", "\"two\nlines\""},
    {"two\r\nlines", "\"two\r\nlines\"", "\"two\r\nlines\""},
    {" space", "\" space\"", "\" space\""},
    {"=1+1", "=1+1", "\"'=1+1\""},
    {"+1", "+1", "\"'+1\""},
    {"-1", "-1", "\"'-1\""},
    {"@x", "@x", "\"'@x\""},
    {"\tx", "\tx", "\"'\tx\""},
    {"#hash", "\"#hash\"", "\"#hash\""},
    {"\xF0\x9F\xA6\x80 crab", "\xF0\x9F\xA6\x80 crab", "\xF0\x9F\xA6\x80 crab"},
    {"\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D", "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D"},
};

START_TEST(cells_have_these_bytes)
{
    for (int safe = 0; safe < 2; safe++) {
        struct report_options options = {.csv_safe = safe == 1};
        struct buf out = {0};
        struct buf want = {0};
        struct csv csv;
        struct err err = {0};
        csv_begin(&csv, &options, false, collect, &out);
        csv_text(&csv, CELLS[_i].value);
        csv_i64(&csv, -7);
        csv_row_end(&csv);
        ck_assert_int_eq(csv_end(&csv, &err), 0);
        buf_printf(&want, "%s,-7\r\n", safe ? CELLS[_i].safe : CELLS[_i].plain);
        ck_assert_str_eq(buf_text(&out), buf_text(&want));
        buf_free(&out);
        buf_free(&want);
    }
}
END_TEST

START_TEST(bom_comes_first_and_errors_stick)
{
    struct report_options options = {.bom = true};
    struct buf out = {0};
    struct csv csv;
    struct err err = {0};
    csv_begin(&csv, &options, true, collect, &out);
    csv_word(&csv, "a");
    csv_row_end(&csv);
    ck_assert_int_eq(csv_end(&csv, &err), 0);
    ck_assert_str_eq(buf_text(&out), "\xEF\xBB\xBF\"a\"\r\n");
    buf_free(&out);
    csv_begin(&csv, &options, false, refuse, NULL);
    for (int i = 0; i < 20000; i++) {
        csv_word(&csv, "0123456789");
        csv_row_end(&csv);
    }
    ck_assert_int_eq(csv_end(&csv, &err), -1);
    ck_assert_int_eq(err.code, ERR_RETRY);
}
END_TEST

START_TEST(what_is_written_is_read_back)
{
    static const char ALPHABET[] = "a,\"\r\n =\xC3\xA9;'|";
    unsigned seed = 11 + (unsigned)_i;
    char values[40][5][24];
    struct report_options options = {.bom = _i % 2 == 0};
    struct buf out = {0};
    struct csv csv;
    struct csv_reader reader;
    struct err err = {0};
    bool more = false;
    csv_begin(&csv, &options, false, collect, &out);
    for (int r = 0; r < 40; r++) {
        for (int f = 0; f < 5; f++) {
            int length = rand_r(&seed) % 20;
            for (int i = 0; i < length; i++) {
                values[r][f][i] = ALPHABET[(size_t)rand_r(&seed) % (sizeof ALPHABET - 1)];
            }
            values[r][f][length] = '\0';
            if (r == 0) {
                values[r][f][0] = (char)('A' + f);
                values[r][f][1] = '\0';
            }
            csv_text(&csv, values[r][f]);
        }
        csv_row_end(&csv);
    }
    ck_assert_int_eq(csv_end(&csv, &err), 0);
    FILE *file = fmemopen(out.data, out.length, "r");
    ck_assert_int_eq(csv_read_open(&reader, file, "x.csv", &err), 0);
    for (int r = 1; r < 40; r++) {
        ck_assert_msg(csv_read_row(&reader, &more, &err) == 0, "%s", err.text);
        ck_assert(more);
        for (int f = 0; f < 5; f++) {
            const char *field = NULL;
            char name[2] = {(char)('A' + f), '\0'};
            ck_assert_int_eq(csv_read_field(&reader, name, &field, &err), 0);
            ck_assert_str_eq(field, values[r][f]);
        }
    }
    ck_assert_int_eq(csv_read_row(&reader, &more, &err), 0);
    ck_assert(!more);
    csv_read_close(&reader);
    (void)fclose(file);
    buf_free(&out);
}
END_TEST

static const struct {
    const char *text;
    const char *message; /* NULL: fine */
} FILES[] = {
    {"a,b\n1,2\n", NULL},
    {"a,b\r\n1,2", NULL},
    {"a,b\n\"1\",\"2\"", NULL},
    {"", "x.csv is empty; a header row is needed"},
    {"a,b\n1\n", "x.csv, row 2: it has 1 fields, the header has 2"},
    {"a,b\n1,2,3\n", "x.csv, row 2: it has 3 fields, the header has 2"},
    {"a,b\n1,\"2\n", "x.csv, row 2: a quoted field is not closed"},
    {"a,b\n1,\"2\"x\n", "x.csv, row 2: text follows a closing quote"},
    {"a,b\n1,2\"\n", "x.csv, row 2: a quote stands inside a field that does not begin with one"},
    {"a,b\n1,2\rx\n", "x.csv, row 2: a carriage return stands alone"},
};

START_TEST(broken_files_are_told_by_row)
{
    struct csv_reader reader = {0};
    struct err err = {0};
    bool more = true;
    char empty = '\0';
    char *bytes = strdup(FILES[_i].text);
    FILE *file = FILES[_i].text[0] != '\0' ? fmemopen(bytes, strlen(bytes), "r") : fmemopen(&empty, 1, "w+");
    int rc = csv_read_open(&reader, file, "x.csv", &err);
    while (rc == 0 && more) {
        rc = csv_read_row(&reader, &more, &err);
    }
    ck_assert_int_eq(rc, FILES[_i].message == NULL ? 0 : -1);
    ck_assert_str_eq(err.text, FILES[_i].message == NULL ? "" : FILES[_i].message);
    csv_read_close(&reader);
    (void)fclose(file);
    free(bytes);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reports/csv");
    TCase *tcase = tcase_create("csv");
    tcase_add_loop_test(tcase, cells_have_these_bytes, 0, sizeof CELLS / sizeof CELLS[0]);
    tcase_add_test(tcase, bom_comes_first_and_errors_stick);
    tcase_add_loop_test(tcase, what_is_written_is_read_back, 0, 20);
    tcase_add_loop_test(tcase, broken_files_are_told_by_row, 0, sizeof FILES / sizeof FILES[0]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
