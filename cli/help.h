/*
 * help.h - the table of commands and everything that is made from it: help, manual, completions.
 *
 * Why:     one text a command; `farthing help --man`, `--markdown` and `farthing completion` read the same table, so
 * they cannot disagree with what the program does. Threads: any, all of it is const.
 */
#ifndef FARTHING_CLI_HELP_H
#define FARTHING_CLI_HELP_H

#include <stdio.h>

struct cmd;

const struct cmd *help_table(void); /* ended by a NULL name */
const struct cmd *help_find(const char *name);
void help_unknown(const char *name);
void help_print_all(FILE *out);
void help_print(const struct cmd *cmd, FILE *out);

#endif
