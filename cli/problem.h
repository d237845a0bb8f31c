/*
 * problem.h - RFC 9457 problem documents as sentences: what, which field, which rule, what to do next. Threads: any.
 */
#ifndef FARTHING_CLI_PROBLEM_H
#define FARTHING_CLI_PROBLEM_H

struct err;
struct rest_answer;

/* Fill err from an answer of 400 or more; key_from says where the key came from (NULL: there is none). Returns -1. */
int problem_err(const struct rest_answer *answer, const char *key_from, struct err *err);

#endif
