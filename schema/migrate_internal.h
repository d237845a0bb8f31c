/*
 * migrate_internal.h - between migrate.c, split.c, the generated list of migrations and their tests.
 */
#ifndef FARTHING_SCHEMA_MIGRATE_INTERNAL_H
#define FARTHING_SCHEMA_MIGRATE_INTERNAL_H

#include <stddef.h>

struct err;
struct migrate_report;

struct migrate_file {
    int version;
    const char *name;         /* "0001_core" */
    const unsigned char *sql; /* followed by a NUL */
    size_t length;
};

/* schema/migrations in order, made by cmake/embed.cmake. */
extern const struct migrate_file MIGRATE_FILES[];
extern const size_t MIGRATE_FILES_COUNT;

/* migrate_run and migrate_check with a list of the caller's. */
int migrate_run_files(const char *conninfo, const struct migrate_file *files, size_t count,
                      struct migrate_report *report, struct err *err);
int migrate_check_files(const char *conninfo, const struct migrate_file *files, size_t count,
                        struct migrate_report *report, struct err *err);

struct split {
    const char *sql;
    size_t length;
    size_t at; /* where the next statement is looked for */
};

/*
 * The next statement of a script, without its semicolon and the comments and spaces around it. Knows quotes, E''
 * strings, quoted names, dollar quotes, line comments and nested block comments. 1: *start and *length are set, 0: no
 * more, -1: something opened is never closed (ERR_INVALID, with the byte offset).
 */
int split_next(struct split *split, const char **start, size_t *length, struct err *err);

#endif
