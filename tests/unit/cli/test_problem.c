/*
 * Goal:   a problem document becomes a sentence that says what, which field and what to do next; each status its code.
 * Method: answers as a node gives them, and as something that is no node does.
 */
#include "cli/problem.h"
#include "cli/rest.h"
#include "common/err.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int problem(long status, const char *body, const char *key_from, struct err *err)
{
    struct rest_answer answer = {.status = status};
    buf_puts(&answer.body, body);
    int rc = problem_err(&answer, key_from, err);
    buf_free(&answer.body);
    return rc;
}

static const struct {
    long status;
    enum err_code code;
} CODES[] = {
    {400, ERR_INVALID},  {401, ERR_NOT_FOUND}, {403, ERR_NOT_FOUND}, {404, ERR_NOT_FOUND}, {409, ERR_CONFLICT},
    {412, ERR_CONFLICT}, {413, ERR_LIMIT},     {415, ERR_INVALID},   {422, ERR_CONFLICT},  {429, ERR_LIMIT},
    {500, ERR_SYSTEM},   {502, ERR_RETRY},     {503, ERR_RETRY},     {504, ERR_RETRY},
};

START_TEST(each_status_has_its_code)
{
    struct err err = {0};
    ck_assert_int_eq(problem(CODES[_i].status, "{\"detail\":\"No.\"}", NULL, &err), -1);
    ck_assert_int_eq(err.code, CODES[_i].code);
    ck_assert_msg(strncmp(err.text, "No.", 3) == 0, "%s", err.text);
}
END_TEST

static const struct {
    long status;
    const char *body, *key_from, *text;
} SENTENCES[] = {
    {400, "{\"title\":\"The request breaks a rule\"}", NULL, "The request breaks a rule"},
    {400, "{\"message\":\"as Lambda says it\"}", NULL, "as Lambda says it"},
    {500, "<html>", NULL, "the node answered with status 500 and no explanation"},
    {502, "", NULL, "the node answered with status 502 and no explanation"},
    {400, "{\"detail\":\"memory is odd\",\"errors\":[{\"pointer\":\"#/memory_mb\",\"detail\":\"memory is odd\"}]}",
     NULL, "memory is odd (/memory_mb)"},
    {400,
     "{\"detail\":\"Two.\",\"errors\":[{\"pointer\":\"#/"
     "a\",\"detail\":\"one\"},{\"parameter\":\"to\",\"detail\":\"two\"}]}",
     NULL, "Two.\n  /a: one\n  to: two"},
    {401, "{\"detail\":\"A key is needed.\"}", NULL,
     "A key is needed.\n  no key was given: use --key, FARTHING_KEY, or --data-dir of a node on this machine"},
    {401, "{\"detail\":\"Unknown key.\"}", "--key", "Unknown key.\n  the key came from --key"},
    {403, "{\"detail\":\"this needs a key of scope admin\"}", "FARTHING_KEY",
     "this needs a key of scope admin\n  the key came from FARTHING_KEY; a node's own admin key is admin.key in its "
     "data "
     "directory"},
    {403, "{\"detail\":\"the account is suspended\"}", "FARTHING_KEY", "the account is suspended"},
    {429,
     "{\"detail\":\"The limit is 5; 4 is used.\",\"limit\":\"5\",\"used\":\"4\",\"held\":\"1\",\"resets_at\":\"T\"}",
     "--key", "The limit is 5; 4 is used.\n  the month's count starts again at T"},
    {429, "{\"detail\":\"No.\",\"limit\":\"5\",\"used\":\"4\",\"held\":\"1\"}", "--key",
     "No.\n  limit 5, used 4, held by running calls 1"},
};

START_TEST(sentences)
{
    struct err err = {0};
    ck_assert_int_eq(problem(SENTENCES[_i].status, SENTENCES[_i].body, SENTENCES[_i].key_from, &err), -1);
    ck_assert_str_eq(err.text, SENTENCES[_i].text);
}
END_TEST

/* What does not fit into one error is on stderr, a line each, and the sentence stays whole. */
START_TEST(many_mistakes_are_lines_of_their_own)
{
    struct buf body = {0};
    struct err err = {0};
    char path[] = "/tmp/farthing-problem-XXXXXX";
    char said[2000] = "";
    int file = mkstemp(path);
    int was = dup(STDERR_FILENO);
    ck_assert(file >= 0 && was >= 0 && dup2(file, STDERR_FILENO) >= 0);
    buf_puts(&body, "{\"detail\":\"Nine in all.\",\"errors\":[");
    for (int i = 1; i <= 9; i++) {
        buf_printf(&body, "%s{\"pointer\":\"#/m/%d\",\"detail\":\"%060d\"}", i > 1 ? "," : "", i, i);
    }
    buf_puts(&body, "]}");
    ck_assert_int_eq(problem(400, buf_text(&body), NULL, &err), -1);
    ck_assert(dup2(was, STDERR_FILENO) >= 0);
    ck_assert_str_eq(err.text, "Nine in all.");
    ck_assert_int_gt(pread(file, said, sizeof said - 1, 0), 0);
    for (int i = 1; i <= 9; i++) {
        char line[80];
        (void)snprintf(line, sizeof line, "/m/%d: %060d\n", i, i);
        ck_assert_ptr_nonnull(strstr(said, line));
    }
    (void)close(was);
    (void)close(file);
    (void)unlink(path);
    buf_free(&body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("problem");
    TCase *tcase = tcase_create("problem");
    tcase_add_loop_test(tcase, each_status_has_its_code, 0, sizeof CODES / sizeof CODES[0]);
    tcase_add_loop_test(tcase, sentences, 0, sizeof SENTENCES / sizeof SENTENCES[0]);
    tcase_add_test(tcase, many_mistakes_are_lines_of_their_own);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
