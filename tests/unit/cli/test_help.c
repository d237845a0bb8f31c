/*
 * Goal:   every command has help, and what its help shows is what there is: options, subcommands, examples of itself.
 * Method: the table of commands is walked; texts are read as help, manual and completions read them.
 */
#include "cli/cmd.h"
#include "cli/help.h"

#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_COLUMNS_MAX 120

static const struct cmd *command(int i)
{
    return &help_table()[i];
}

static int command_count(void)
{
    int count = 0;
    while (help_table()[count].name != NULL) {
        count++;
    }
    return count;
}

START_TEST(it_is_found_by_its_name_alone)
{
    const struct cmd *cmd = command(_i);
    char longer[64];
    ck_assert_ptr_eq(help_find(cmd->name), cmd);
    (void)snprintf(longer, sizeof longer, "%sx", cmd->name);
    ck_assert_ptr_null(help_find(longer));
    ck_assert(cmd->run != NULL);
    ck_assert_msg(islower((unsigned char)cmd->summary[0]) || isupper((unsigned char)cmd->summary[0]), "%s", cmd->name);
    ck_assert_msg(strchr(cmd->summary, '\n') == NULL, "%s: the summary is one line", cmd->name);
}
END_TEST

START_TEST(it_begins_with_itself_and_ends_with_examples)
{
    const struct cmd *cmd = command(_i);
    char words[64];
    (void)snprintf(words, sizeof words, "farthing %s", cmd->name);
    ck_assert_msg(strncmp(cmd->help, words, strlen(words)) == 0, "%s: begins \"%.30s\"", cmd->name, cmd->help);
    const char *examples = strstr(cmd->help, "\nExamples:\n");
    ck_assert_msg(examples != NULL, "%s has no examples", cmd->name);
    ck_assert_msg(strstr(examples, words) != NULL, "%s: no example of it", cmd->name);
    ck_assert_msg(cmd->help[strlen(cmd->help) - 1] == '\n', "%s: no line end", cmd->name);
}
END_TEST

START_TEST(its_lines_fit_a_terminal)
{
    const struct cmd *cmd = command(_i);
    for (const char *line = cmd->help; *line != '\0'; line += strcspn(line, "\n") + 1) {
        size_t length = strcspn(line, "\n");
        ck_assert_msg(length <= LINE_COLUMNS_MAX, "%s: %zu columns: %.*s", cmd->name, length, (int)length, line);
        ck_assert_msg(length == 0 || line[length - 1] != ' ', "%s: blanks at the end: %.*s", cmd->name, (int)length,
                      line);
        ck_assert_msg(memchr(line, '\t', length) == NULL, "%s: a tab: %.*s", cmd->name, (int)length, line);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("help");
    TCase *tcase = tcase_create("help");
    tcase_add_loop_test(tcase, it_is_found_by_its_name_alone, 0, command_count());
    tcase_add_loop_test(tcase, it_begins_with_itself_and_ends_with_examples, 0, command_count());
    tcase_add_loop_test(tcase, its_lines_fit_a_terminal, 0, command_count());
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
