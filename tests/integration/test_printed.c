/*
 * Goal:   the printed invoice says the bill's own sums, names of any script and anything a person may put into them,
 *         and is the same file whenever it is made.
 * Method: a small month in a real PostgreSQL; the page is read as text, the paper through pdftotext and pdfinfo.
 */
#include "billing/bill.h"
#include "billing/price_book.h"
#include "common/buf.h"
#include "common/err.h"
#include "reports/party.h"
#include "reports/printed.h"
#include "reports/report.h"
#include "schema/pg.h"
#include "tests/support/pgtest.h"

#include <check.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACCOUNT INT64_C(100000000001)
#define FUNCTIONS 90

static const struct month OCTOBER = {2026, 10};

static const char BILLING[] =
    "{\"name\": \"<b>Acme</b> & \\\"S\xC3\xB8ns\\\" \xD8\xB4\xD8\xB1\xD9\x83\xD8\xA9 \xE6\x9D\xB1\xE4\xBA\xAC\", "
    "\"address\": [\"High Street 1\"], \"city\": \"K\xC3\xB6ln\", \"country\": \"DE\", \"tax_id\": \"DE123456789\", "
    "\"reference\": \"PO-77\", \"own\": [1, 2]}";

static struct pg *open_database(void)
{
    struct pg *pg = NULL;
    struct err err = {0};
    char sql[4096];
    ck_assert_int_eq(pg_open(pgtest_database(), &pg, &err), 0);
    ck_assert_int_eq(price_book_seed(pg, &err), 0);
    (void)snprintf(
        sql, sizeof sql,
        "INSERT INTO account (account_id, name, display_name, billing) VALUES (%lld, 'acme', 'Acme', '%s'),"
        "(100000000002, 'odd', 'Odd', '{\"name\": 7}');"
        "INSERT INTO function (account_id, function_id, name) SELECT %lld, n, 'f-' || n FROM generate_series(1, %d) n;"
        "INSERT INTO usage_hourly SELECT %lld, '2026-10-01 00:00+00'::timestamptz + (n %% 31) * interval '1 day', n, 1,"
        " 256, 0, 0, 70000, 70000 * n, 0, 0, 0, 0, 0, 0, 1, 1000, 10000000000 * n, 0, 0, 0, 0, 0, 0, 0, 0, 0 "
        "FROM generate_series(1, %d) n",
        (long long)ACCOUNT, BILLING, (long long)ACCOUNT, FUNCTIONS, (long long)ACCOUNT, FUNCTIONS);
    int rc = pg_script(pg, sql, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return pg;
}

static int collect(const void *bytes, size_t length, void *ctx, struct err *err)
{
    (void)err;
    buf_append(ctx, bytes, length);
    return 0;
}

static void write_report(struct pg *pg, int64_t account_id, const struct report_options *options, struct buf *out)
{
    struct err err = {0};
    int rc = report_bill(pg, account_id, OCTOBER, options, collect, out, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static void bill_total(struct pg *pg, char text[PRINTED_TEXT_BYTES])
{
    struct printed *printed = NULL;
    struct err err = {0};
    const struct report_options options = {.layout = REPORT_HTML};
    ck_assert_int_eq(printed_load(pg, ACCOUNT, OCTOBER, &options, &printed, &err), 0);
    printed_amount(printed, printed->bill->total_minor, text);
    int64_t functions = 0;
    int64_t usage = 0;
    for (int i = 0; i < printed->function_count; i++) {
        functions += printed->functions[i].total_minor;
    }
    for (int i = 0; i < printed->bill->line_count; i++) {
        usage += printed->bill->lines[i].kind == LINE_USAGE ? printed->bill->lines[i].amount_minor : 0;
    }
    ck_assert_int_gt(usage, 0);
    ck_assert_int_eq(functions, usage);
    ck_assert_int_eq(printed->all.total_minor, usage);
    printed_free(&printed);
}

START_TEST(page_has_sums_and_safe_names)
{
    struct pg *pg = open_database();
    const struct party issuer = {.name = "Rhenus <Cloud>", .city = "Basel", .country = "CH", .terms = "Two\nlines."};
    const struct report_options options = {.layout = REPORT_HTML, .issuer_party = &issuer};
    struct buf page = {0};
    char total[PRINTED_TEXT_BYTES];
    bill_total(pg, total);
    write_report(pg, ACCOUNT, &options, &page);
    const char *text = buf_text(&page);
    ck_assert_ptr_nonnull(strstr(text, total));
    ck_assert_ptr_nonnull(strstr(text, "&lt;b&gt;Acme&lt;/b&gt; &amp; &quot;S\xC3\xB8ns&quot;"));
    ck_assert_ptr_null(strstr(text, "<b>Acme"));
    ck_assert_ptr_nonnull(strstr(text, "Rhenus &lt;Cloud&gt;"));
    ck_assert_ptr_nonnull(strstr(text, "Two\nlines."));
    ck_assert_ptr_nonnull(strstr(text, "ESTIMATE"));
    ck_assert_ptr_nonnull(strstr(text, "PO-77"));
    ck_assert_ptr_null(strstr(text, "http:"));
    ck_assert_ptr_null(strstr(text, "https:"));
    ck_assert_ptr_null(strstr(text, "<script"));
    buf_free(&page);
    pg_close(&pg);
}
END_TEST

START_TEST(billing_that_cannot_be_read_does_not_stop_the_bill)
{
    struct pg *pg = open_database();
    const struct report_options options = {.layout = REPORT_HTML};
    struct buf page = {0};
    write_report(pg, INT64_C(100000000002), &options, &page);
    ck_assert_ptr_nonnull(strstr(buf_text(&page), "Odd"));
    ck_assert_ptr_nonnull(strstr(buf_text(&page), "No usage in this month."));
    buf_free(&page);
    pg_close(&pg);
}
END_TEST

/* What a tool of poppler says about the file; false (and a word) when the tool is not there. */
static bool ask(char *const argv[], const struct buf *pdf, struct buf *out)
{
    FILE *in = tmpfile();
    FILE *answer = tmpfile();
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = 0;
    char piece[4096];
    ck_assert_uint_eq(fwrite(pdf->data, 1, pdf->length, in), pdf->length);
    ck_assert_int_eq(fflush(in), 0);
    rewind(in);
    ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, fileno(in), 0), 0);
    ck_assert_int_eq(posix_spawn_file_actions_adddup2(&actions, fileno(answer), 1), 0);
    bool there = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0;
    if (there) {
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        rewind(answer);
        for (size_t got = fread(piece, 1, sizeof piece, answer); got > 0; got = fread(piece, 1, sizeof piece, answer)) {
            buf_append(out, piece, got);
        }
    } else {
        (void)fprintf(stderr, "%s is missing: the paper is not read back\n", argv[0]);
    }
    ck_assert_int_eq(posix_spawn_file_actions_destroy(&actions), 0);
    ck_assert_int_eq(fclose(in), 0);
    ck_assert_int_eq(fclose(answer), 0);
    return there;
}

START_TEST(paper_has_pages_and_is_the_same_twice)
{
    struct pg *pg = open_database();
    const struct report_options options = {.layout = REPORT_PDF, .letter = _i == 1};
    struct buf first = {0};
    struct buf second = {0};
    struct buf text = {0};
    char total[PRINTED_TEXT_BYTES];
    bill_total(pg, total);
    write_report(pg, ACCOUNT, &options, &first);
    write_report(pg, ACCOUNT, &options, &second);
    ck_assert_uint_eq(first.length, second.length);
    ck_assert_mem_eq(first.data, second.data, first.length);
    ck_assert_mem_eq(first.data, "%PDF-", 5);
    if (ask((char *[]){(char[]){"pdftotext"}, (char[]){"-layout"}, (char[]){"-"}, (char[]){"-"}, NULL}, &first,
            &text)) {
        ck_assert_ptr_nonnull(strstr(buf_text(&text), total));
        ck_assert_ptr_nonnull(strstr(buf_text(&text), "Page 1 of 4"));
        ck_assert_ptr_nonnull(strstr(buf_text(&text), "Page 4 of 4"));
        ck_assert_ptr_nonnull(strstr(buf_text(&text), "\xE6\x9D\xB1\xE4\xBA\xAC"));
        ck_assert_ptr_nonnull(strstr(buf_text(&text), "f-90"));
        /* The head of the table is on each of its pages. */
        ck_assert_ptr_nonnull(strstr(strstr(buf_text(&text), "Page 2 of 4"), "Function "));
        buf_clear(&text);
        ck_assert(ask((char *[]){(char[]){"pdfinfo"}, (char[]){"-"}, NULL}, &first, &text));
        ck_assert_ptr_nonnull(strstr(buf_text(&text), _i == 1 ? "612 x 792 pts (letter)" : "(A4)"));
    }
    buf_free(&first);
    buf_free(&second);
    buf_free(&text);
    pg_close(&pg);
}
END_TEST

static const struct {
    const char *text;
    bool strict;
    const char *field; /* NULL: fine */
} PARTIES[] = {
    {"{}", true, NULL},
    {"{\"name\": \"A\", \"address\": [\"1\", \"2\", \"3\", \"4\"], \"terms\": \"a\\n\\nb\"}", true, NULL},
    {"{\"other\": 1}", false, NULL},
    {"{\"other\": 1}", true, "/other"},
    {"{\"name\": 7}", false, "/name"},
    {"{\"name\": \"=A\"}", false, "/name"},
    {"{\"address\": [\"1\", \"2\", \"3\", \"4\", \"5\"]}", false, "/address/4"},
    {"{\"address\": [1]}", false, "/address/0"},
    {"{\"address\": \"1\"}", false, "/address"},
    {"{\"country\": \"de\"}", false, "/country"},
    {"{\"terms\": \"a\\u0001\"}", false, "/terms"},
    {"[]", false, ""},
};

START_TEST(party_is_checked)
{
    struct party party;
    struct err err = {0};
    int rc = party_parse(PARTIES[_i].text, strlen(PARTIES[_i].text), PARTIES[_i].strict, &party, &err);
    ck_assert_int_eq(rc, PARTIES[_i].field == NULL ? 0 : -1);
    ck_assert_str_eq(err.field, PARTIES[_i].field == NULL ? "" : PARTIES[_i].field);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("printed");
    TCase *tcase = tcase_create("printed");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, page_has_sums_and_safe_names);
    tcase_add_test(tcase, billing_that_cannot_be_read_does_not_stop_the_bill);
    tcase_add_loop_test(tcase, paper_has_pages_and_is_the_same_twice, 0, 2);
    tcase_add_loop_test(tcase, party_is_checked, 0, (int)(sizeof PARTIES / sizeof PARTIES[0]));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
