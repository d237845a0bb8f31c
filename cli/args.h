/*
 * args.h - the words after a command: options from a table, the rest in order.
 *
 * Forms:     --name value, --name=value, --flag; "--" ends the options. Options and words may be mixed.
 * Ownership: values point into argv. Threads: one at a time.
 */
#ifndef FARTHING_CLI_ARGS_H
#define FARTHING_CLI_ARGS_H

#include <stdint.h>

struct err;

#define ARG_LIST_MAX 64

struct arg_list {
    const char *items[ARG_LIST_MAX];
    int count;
};

enum arg_kind { ARG_END, ARG_FLAG, ARG_TEXT, ARG_NUMBER, ARG_MANY };

struct arg {
    const char *name; /* without the dashes */
    enum arg_kind kind;
    void *value;      /* bool, const char *, int64_t, struct arg_list */
    int64_t min, max; /* of numbers */
};

#define A_FLAG(n, v)                                                                                                   \
    {                                                                                                                  \
        .name = (n), .kind = ARG_FLAG, .value = (v)                                                                    \
    }
#define A_TEXT(n, v)                                                                                                   \
    {                                                                                                                  \
        .name = (n), .kind = ARG_TEXT, .value = (v)                                                                    \
    }
#define A_NUMBER(n, v, lo, hi)                                                                                         \
    {                                                                                                                  \
        .name = (n), .kind = ARG_NUMBER, .value = (v), .min = (lo), .max = (hi)                                        \
    }
#define A_MANY(n, v)                                                                                                   \
    {                                                                                                                  \
        .name = (n), .kind = ARG_MANY, .value = (v)                                                                    \
    }
#define A_END                                                                                                          \
    {                                                                                                                  \
        .kind = ARG_END                                                                                                \
    }

/* tables: up to two, NULL-terminated by A_END rows; more may be NULL. argv[0] is skipped. words gets what is no option.
 */
int args_parse(int argc, char **argv, const struct arg *args, const struct arg *more, struct arg_list *words,
               struct err *err);

/* How many single-character changes make b of a; for "did you mean". Words longer than 31 bytes are far from
 * everything. */
int args_distance(const char *a, const char *b);

#endif
