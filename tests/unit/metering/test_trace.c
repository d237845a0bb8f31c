/*
 * Goal:   the trace's files are read strictly, each fault named by file and line; what is drawn from them stays within
 *         their percentiles and names its own number.
 * Method: small texts in memory: good ones, and each kind of fault once.
 */
#include "common/buf.h"
#include "common/err.h"
#include "common/fs.h"
#include "metering/record.h"
#include "metering/trace.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN_HEAD                                                                                                       \
    "HashOwner,HashApp,HashFunction,percentile_Average_0,percentile_Average_1,percentile_Average_25,"                  \
    "percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n"
#define MEM_HEAD                                                                                                       \
    "HashOwner,HashApp,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,AverageAllocatedMb_pct25,"                      \
    "AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,"             \
    "AverageAllocatedMb_pct100\n"

/* A header with all minutes, named with a suffix, and a line a function with `count` in its first minute. */
static void put_inv(struct buf *text, const char *suffix, const char *lines[], int line_count, const char *count)
{
    buf_puts(text, "HashOwner,HashApp,HashFunction,Trigger");
    for (int minute = 1; minute <= TRACE_MINUTES; minute++) {
        buf_printf(text, ",%d%s", minute, suffix);
    }
    buf_puts(text, "\n");
    for (int i = 0; i < line_count; i++) {
        buf_printf(text, "%s,http,%s", lines[i], count);
        for (int minute = 2; minute <= TRACE_MINUTES; minute++) {
            buf_puts(text, ",0");
        }
        buf_puts(text, "\r\n");
    }
}

static struct trace *trace_of(const char *suffix, const char *count, struct err *err)
{
    static const char *LINES[] = {"o,a,f", "o,a,g", "p,b,h"};
    struct buf text = {0};
    struct trace *trace = calloc(1, sizeof *trace);
    ck_assert_ptr_nonnull(trace);
    put_inv(&text, suffix, LINES, 3, count);
    if (trace_parse_inv(trace, buf_text(&text), text.length, err) != 0) {
        trace_free(&trace);
    }
    buf_free(&text);
    return trace;
}

START_TEST(invocations_are_numbered_through)
{
    static const char *const SUFFIXES[] = {"", "_minute"};
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        struct trace *trace = trace_of(SUFFIXES[i], "5", &err);
        ck_assert_msg(trace != NULL, "%s", err.text);
        ck_assert_int_eq((long)trace->count, 3);
        ck_assert_int_eq((long)trace->invocations, 15);
        ck_assert_int_eq((long)trace->functions[2].first, 10);
        ck_assert_str_eq(trace->functions[2].owner, "p");
        ck_assert_int_eq((long)trace->functions[0].run_us.value[0], (long)TRACE_DEFAULT_RUN_US);
        trace_free(&trace);
        trace_free(&trace);
    }
}
END_TEST

START_TEST(run_and_memory_are_joined_on)
{
    struct err err = {0};
    struct trace *trace = trace_of("", "1", &err);
    ck_assert_ptr_nonnull(trace);
    const char *run = RUN_HEAD "o,a,g,1,2,3,2.5,5,6,7.25\nx,y,z,1,1,1,1,1,1,1\n";
    const char *mem = MEM_HEAD "o,a,100,110,120,130,140,150,160,300\np,b,1,1,1,1,1,1,1,99999\n";
    ck_assert_msg(trace_parse_run(trace, run, strlen(run), &err) == 0, "%s", err.text);
    ck_assert_msg(trace_parse_mem(trace, mem, strlen(mem), &err) == 0, "%s", err.text);
    ck_assert_int_eq((long)trace->functions[0].run_us.value[0], (long)TRACE_DEFAULT_RUN_US);
    const struct trace_points *points = &trace->functions[1].run_us;
    ck_assert_int_eq((long)points->value[0], 1000);
    ck_assert_int_eq((long)points->value[3], 3000); /* lifted: percentiles rise */
    ck_assert_int_eq((long)points->value[6], 7250);
    ck_assert_int_eq((long)trace->functions[0].memory_mib, 512); /* both functions of the application */
    ck_assert_int_eq((long)trace->functions[1].memory_mib, 512);
    ck_assert_int_eq((long)trace->functions[2].memory_mib, 10240); /* no more than there is */
    for (uint64_t at = 0; at <= UINT32_MAX; at += UINT32_MAX / 64) {
        uint64_t value = trace_draw(points, (uint32_t)at);
        ck_assert(value >= 1000 && value <= 7250);
    }
    trace_free(&trace);
}
END_TEST

START_TEST(records_name_their_number)
{
    struct err err = {0};
    static const uint8_t DIGEST[32] = {1, 2, 3};
    struct usage_record record;
    struct usage_record again;
    struct trace *trace = trace_of("", "5", &err);
    ck_assert_ptr_nonnull(trace);
    struct trace_function *function = &trace->functions[1];
    function->account_id = 100000000001;
    function->function_id = 7;
    trace_record(function, 3, 0, INT64_C(1763856000000000), 42, DIGEST, &record);
    trace_record(function, 3, 0, INT64_C(1763856000000000), 42, DIGEST, &again);
    ck_assert_mem_eq(&record, &again, sizeof record);
    ck_assert_int_eq(usage_record_check(&record, &err), 0);
    ck_assert(record.started_us >= INT64_C(1763856000000000) && record.started_us < INT64_C(1763856060000000));
    ck_assert_int_eq((long)trace_number(record.request_id, 42, DIGEST), 8);
    ck_assert(trace_number(record.request_id, 43, DIGEST) == UINT64_MAX);
    trace_free(&trace);
}
END_TEST

static const struct {
    const char *text, *says;
} BAD_INV[] = {
    {"", "header"},
    {"HashOwner,HashApp\n", "the header lacks HashOwner, HashApp or HashFunction"},
    {"HashOwner,HashApp,HashFunction\n", "there are no columns 1 to 1440"},
    {"HashOwner,HashApp,HashFunction,1,2,3\n", "there are no columns 1 to 1440"},
};

START_TEST(bad_headers_are_refused)
{
    struct err err = {0};
    struct trace *trace = calloc(1, sizeof *trace);
    ck_assert_ptr_nonnull(trace);
    ck_assert_int_eq(trace_parse_inv(trace, BAD_INV[_i].text, strlen(BAD_INV[_i].text), &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_msg(strstr(err.text, BAD_INV[_i].says) != NULL, "%s", err.text);
    trace_free(&trace);
}
END_TEST

static const struct {
    const char *line, *count, *suffix, *says;
} BAD_LINES[] = {
    {"o,a,f", "-1", "", "a count is not a whole number"},
    {"o,a,f", "", "", "a count is not a whole number"},
    {"o,a,f", "1.", "", "a count is not a whole number"},
    {"o,a,f", "99999999999999999999", "", "a count is not a whole number"},
    {"o,a,f", "5000000000", "", "a count is not a whole number"},
    {"o,,f", "1", "", "a hash is empty or too long"},
    {"o,a,f/g", "1", "", "a hash has other characters"},
    {"o,a", "1", "", "it has not as many fields as the header"},
    {"o,a,f,x", "1", "", "it has not as many fields as the header"},
    {"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789,a,f", "1",
     "", "a hash is empty or too long"},
};

START_TEST(bad_lines_are_refused_by_number)
{
    struct err err = {0};
    struct buf text = {0};
    const char *lines[] = {BAD_LINES[_i].line};
    struct trace *trace = calloc(1, sizeof *trace);
    ck_assert_ptr_nonnull(trace);
    put_inv(&text, BAD_LINES[_i].suffix, lines, 1, BAD_LINES[_i].count);
    ck_assert_int_eq(trace_parse_inv(trace, buf_text(&text), text.length, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_msg(strstr(err.text, BAD_LINES[_i].says) != NULL, "%s", err.text);
    ck_assert_msg(strstr(err.text, "inv") != NULL && strstr(err.text, "2") != NULL, "%s", err.text);
    buf_free(&text);
    trace_free(&trace);
}
END_TEST

START_TEST(minutes_out_of_order_are_refused)
{
    struct err err = {0};
    struct buf text = {0};
    struct trace *trace = calloc(1, sizeof *trace);
    ck_assert_ptr_nonnull(trace);
    put_inv(&text, "", NULL, 0, "");
    char *seven = strstr((char *)text.data, ",7,");
    ck_assert_ptr_nonnull(seven);
    seven[1] = '8';
    ck_assert_int_eq(trace_parse_inv(trace, buf_text(&text), text.length, &err), -1);
    ck_assert_msg(strstr(err.text, "not in order") != NULL, "%s", err.text);
    buf_free(&text);
    trace_free(&trace);
}
END_TEST

static const struct {
    bool run;
    const char *text, *says;
} BAD_POINTS[] = {
    {true, "HashOwner,HashApp,HashFunction\n", "the header lacks a percentile"},
    {false, RUN_HEAD, "the header lacks a percentile"},
    {true, RUN_HEAD "o,a,f,1,1,1,x,1,1,1\n", "a percentile is not a number"},
    {true, RUN_HEAD "o,a,f,1,1,1,1.2.3,1,1,1\n", "a percentile is not a number"},
    {true, RUN_HEAD "o,a,f,1,1,1,.5,1,1,1\n", "a percentile is not a number"},
    {true, RUN_HEAD "o,a,f,1,1\n", "it has not as many fields as the header"},
    {true, RUN_HEAD "o,,f,1,1,1,1,1,1,1\n", "a hash is empty or too long"},
    {false, MEM_HEAD "o,a,1,1,1,1,1,1,1,\n", "a percentile is not a number"},
};

START_TEST(bad_percentiles_are_refused)
{
    struct err err = {0};
    struct trace *trace = trace_of("", "1", &err);
    ck_assert_ptr_nonnull(trace);
    const char *text = BAD_POINTS[_i].text;
    int rc = BAD_POINTS[_i].run ? trace_parse_run(trace, text, strlen(text), &err)
                                : trace_parse_mem(trace, text, strlen(text), &err);
    ck_assert_int_eq(rc, -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_msg(strstr(err.text, BAD_POINTS[_i].says) != NULL, "%s", err.text);
    trace_free(&trace);
}
END_TEST

START_TEST(owners_are_needed_with_percentiles)
{
    struct err err = {0};
    struct trace *trace = trace_of("", "1", &err);
    ck_assert_ptr_nonnull(trace);
    const char *text = strchr(MEM_HEAD, ',') + 1;
    ck_assert_int_eq(trace_parse_mem(trace, text, strlen(text), &err), -1);
    ck_assert_msg(strstr(err.text, "the header lacks HashOwner") != NULL, "%s", err.text);
    trace_free(&trace);
}
END_TEST

START_TEST(files_that_are_not_there_are_named)
{
    struct err err = {0};
    struct trace *trace = NULL;
    char prefix[5000];
    ck_assert_int_eq(trace_open("/nowhere/day", &trace, &err), -1);
    ck_assert_msg(strstr(err.text, "/nowhere/day_inv.csv") != NULL, "%s", err.text);
    err = (struct err){0};
    memset(prefix, 'x', sizeof prefix - 1);
    prefix[sizeof prefix - 1] = '\0';
    ck_assert_int_eq(trace_open(prefix, &trace, &err), -1);
    ck_assert_int_eq(err.code, ERR_INVALID);
    ck_assert_ptr_null(trace);
}
END_TEST

#define COUNT_OF(rows) (int)(sizeof(rows) / sizeof(rows)[0])

int main(void)
{
    Suite *suite = suite_create("trace");
    TCase *tc = tcase_create("trace");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, invocations_are_numbered_through);
    tcase_add_test(tc, run_and_memory_are_joined_on);
    tcase_add_test(tc, records_name_their_number);
    tcase_add_loop_test(tc, bad_headers_are_refused, 0, COUNT_OF(BAD_INV));
    tcase_add_loop_test(tc, bad_lines_are_refused_by_number, 0, COUNT_OF(BAD_LINES));
    tcase_add_test(tc, minutes_out_of_order_are_refused);
    tcase_add_loop_test(tc, bad_percentiles_are_refused, 0, COUNT_OF(BAD_POINTS));
    tcase_add_test(tc, owners_are_needed_with_percentiles);
    tcase_add_test(tc, files_that_are_not_there_are_named);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
