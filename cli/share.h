/*
 * share.h - files that come with the program: examples and the demo.
 *
 * Where:   FARTHING_SHARE, <prefix>/share/farthing beside an installed program, or the source tree a built one lies in.
 * Threads: any.
 */
#ifndef FARTHING_CLI_SHARE_H
#define FARTHING_CLI_SHARE_H

#include <limits.h>

struct err;

/* name: "examples", "scripts/demo.sh". ERR_NOT_FOUND. */
int share_find(const char *name, char path[PATH_MAX], struct err *err);
/* This program itself. */
int share_program(char path[PATH_MAX], struct err *err);

#endif
