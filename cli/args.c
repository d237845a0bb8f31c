#include "cli/args.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/check.h"
#include "common/err.h"
#include "common/text.h"

#define DISTANCE_BYTES_MAX 31

int args_distance(const char *a, const char *b)
{
    int row[DISTANCE_BYTES_MAX + 1];
    size_t length_a = strlen(a), length_b = strlen(b);

    if (length_a > DISTANCE_BYTES_MAX || length_b > DISTANCE_BYTES_MAX) {
        return DISTANCE_BYTES_MAX + 1;
    }
    for (size_t j = 0; j <= length_b; j++) {
        row[j] = (int)j;
    }
    for (size_t i = 1; i <= length_a; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= length_b; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[length_b];
}

static const struct arg *find(const struct arg *args, const char *name, size_t length)
{
    for (; args != NULL && args->kind != ARG_END; args++) {
        if (strlen(args->name) == length && memcmp(args->name, name, length) == 0) {
            return args;
        }
    }
    return NULL;
}

static const char *nearest(const struct arg *args, const char *name, const char *best, int *distance)
{
    for (; args != NULL && args->kind != ARG_END; args++) {
        int d = args_distance(args->name, name);
        if (d < *distance) {
            *distance = d;
            best = args->name;
        }
    }
    return best;
}

static int unknown(const char *word, const char *name, const struct arg *args, const struct arg *more, struct err *err)
{
    int distance = 3;
    const char *best = nearest(args, name, NULL, &distance);

    best = nearest(more, name, best, &distance);
    if (best != NULL) {
        return err_field(err, word, "unknown option %s; did you mean --%s?", word, best);
    }
    return err_field(err, word, "unknown option %s", word);
}

static int store(const struct arg *arg, const char *value, struct err *err)
{
    switch (arg->kind) {
    case ARG_TEXT:
        *(const char **)arg->value = value;
        return 0;
    case ARG_NUMBER:
        return text_i64(value, arg->name, arg->min, arg->max, arg->value, err);
    case ARG_MANY: {
        struct arg_list *list = arg->value;
        if (list->count == ARG_LIST_MAX) {
            return err_field(err, arg->name, "--%s may be given %d times at most", arg->name, ARG_LIST_MAX);
        }
        list->items[list->count++] = value;
        return 0;
    }
    case ARG_FLAG:
    case ARG_END:
        break;
    }
    CHECK(false);
}

static int option(int argc, char **argv, int *at, const struct arg *args, const struct arg *more, struct err *err)
{
    const char *word = argv[*at];
    const char *name = word + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct arg *arg = find(args, name, length);

    if (arg == NULL) {
        arg = find(more, name, length);
    }
    if (arg == NULL) {
        return unknown(word, name, args, more, err);
    }
    if (arg->kind == ARG_FLAG) {
        if (equals != NULL) {
            return err_field(err, arg->name, "--%s takes no value", arg->name);
        }
        *(bool *)arg->value = true;
        return 0;
    }
    if (equals != NULL) {
        return store(arg, equals + 1, err);
    }
    if (*at + 1 >= argc) {
        return err_field(err, arg->name, "--%s needs a value", arg->name);
    }
    *at += 1;
    return store(arg, argv[*at], err);
}

int args_parse(int argc, char **argv, const struct arg *args, const struct arg *more, struct arg_list *words,
               struct err *err)
{
    bool options = true;

    words->count = 0;
    for (int at = 1; at < argc; at++) {
        if (options && strcmp(argv[at], "--") == 0) {
            options = false;
        } else if (options && argv[at][0] == '-' && argv[at][1] == '-') {
            if (option(argc, argv, &at, args, more, err) != 0) {
                return -1;
            }
        } else if (options && argv[at][0] == '-' && argv[at][1] != '\0') {
            return err_field(err, argv[at], "unknown option %s; options are written --name", argv[at]);
        } else if (words->count == ARG_LIST_MAX) {
            return err_set(err, ERR_INVALID, "more than %d words", ARG_LIST_MAX);
        } else {
            words->items[words->count++] = argv[at];
        }
    }
    return 0;
}
