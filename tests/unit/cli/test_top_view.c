/*
 * Goal:   the picture of farthing top fits every terminal: no line is wider, there are not more lines than rows, the
 * name and the number of calls are always there, and numbers are never cut. Method: a full model, every width and many
 * heights.
 */
#include "cli/top_view.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct top_view model(int rows)
{
    struct top_view view = {.row_head = "FUNCTION",
                            .title = "an-account-with-a-long-name",
                            .url = "http://127.0.0.1:8080",
                            .clock = "18:20:29 UTC",
                            .complete = "18:20:28 UTC",
                            .cost = "1234.56 USD this month",
                            .forecast = "2345.67 expected at its end",
                            .hourly = "1.23 USD an hour now",
                            .invocations = 123456789,
                            .errors = 12,
                            .throttles = 3,
                            .late_pending = 17,
                            .rate = 12345,
                            .trend = {0, 1, 5, 9, 3},
                            .trend_count = 5,
                            .live = true,
                            .row_count = rows,
                            .quota_count = 2,
                            .node_count = 2};
    for (int i = 0; i < rows; i++) {
        struct top_row *row = &view.rows[i];
        (void)snprintf(row->name, sizeof row->name, "größe-%d-%s", i, i % 2 == 0 ? "x" : "of-a-picture-that-is-large");
        (void)snprintf(row->cost, sizeof row->cost, "%d.25", i * 100);
        row->amount = i * 100.25;
        row->invocations = 1000 + i;
        row->errors = i % 3;
        row->mb_ms = INT64_C(1024000) * i;
        row->p95_us = i * 1234;
        row->rate = 1000 - i;
    }
    for (int i = 0; i < 2; i++) {
        (void)snprintf(view.quotas[i].name, sizeof view.quotas[i].name, "gb_seconds_per_month");
        (void)snprintf(view.quotas[i].used, sizeof view.quotas[i].used, "9967.9054375");
        (void)snprintf(view.quotas[i].limit, sizeof view.quotas[i].limit, "60000");
        view.quotas[i].percent = 16 + 200 * i;
        view.quotas[i].held_percent = 3;
        (void)snprintf(view.nodes[i].name, sizeof view.nodes[i].name, "node-%d", i);
        view.nodes[i].silent_s = 77 * i;
    }
    return view;
}

static int characters(const char *line, size_t length)
{
    int count = 0;
    for (size_t i = 0; i < length; i++) {
        count += ((unsigned char)line[i] & 0xc0u) != 0x80u;
    }
    return count;
}

START_TEST(fits_every_size)
{
    int columns = 20 + _i;
    for (int rows = 0; rows <= 60; rows += 4) {
        struct top_view view = model(30);
        struct buf out = {0};
        int lines = 0;
        top_view_draw(&view, columns, rows > 0 && rows < 12 ? 12 : rows, &out);
        for (const char *line = buf_text(&out); *line != '\0'; line += strcspn(line, "\n") + 1) {
            size_t length = strcspn(line, "\n");
            ck_assert_msg(characters(line, length) <= columns, "%d columns: %.*s", columns, (int)length, line);
            lines++;
        }
        ck_assert_msg(rows == 0 || lines <= (rows < 12 ? 12 : rows), "%d rows: %d lines", rows, lines);
        ck_assert_ptr_nonnull(strstr(buf_text(&out), "CALLS"));
        ck_assert_ptr_nonnull(strstr(buf_text(&out), "1,02")); /* calls of the dearest, whole */
        buf_free(&out);
    }
}
END_TEST

START_TEST(order_is_what_was_asked)
{
    static const char *const FIRST[] = {"größe-29", "größe-29", "größe-29",
                                        "größe-0"}; /* cost, calls, failed, calls/s */
    struct top_view view = model(30);
    struct buf out = {0};
    view.sort = (enum top_sort)_i;
    top_view_draw(&view, 120, 0, &out);
    const char *table = strstr(buf_text(&out), "\nFUNCTION");
    ck_assert_ptr_nonnull(table);
    const char *row = strchr(table + 1, '\n') + 1;
    ck_assert_msg(strncmp(row, FIRST[_i], strlen(FIRST[_i])) == 0, "%.*s", (int)strcspn(row, "\n"), row);
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "9,967.905 of 60,000"));
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "silent for 77 s"));
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "▁▁▄█▃"));
    buf_free(&out);
}
END_TEST

START_TEST(nothing_ran)
{
    struct top_view view = model(0);
    struct buf out = {0};
    view.live = false;
    view.cost[0] = '\0';
    top_view_draw(&view, 80, 0, &out);
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "Nothing ran this month."));
    ck_assert_ptr_null(strstr(buf_text(&out), "CALLS/S")); /* one look knows no rate */
    ck_assert_ptr_null(strstr(buf_text(&out), "\033"));
    buf_clear(&out);
    view.colored = true;
    top_view_draw(&view, 80, 0, &out);
    ck_assert_ptr_nonnull(strstr(buf_text(&out), "\033[0m"));
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("top_view");
    TCase *tcase = tcase_create("picture");
    tcase_add_loop_test(tcase, fits_every_size, 0, 181);
    tcase_add_loop_test(tcase, order_is_what_was_asked, 0, 4);
    tcase_add_test(tcase, nothing_ran);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
