/*
 * pgtest.h - a fresh, migrated database for a test program.
 *
 * Why:   tests run on a real PostgreSQL. FARTHING_TEST_DATABASE (set by ./test: one server a run) is used when present;
 *        otherwise a throw-away embedded server is started and removed at exit. Each pgtest_database() is its own
 * database, made from a migrated template, so tests run side by side.
 */
#ifndef FARTHING_TESTS_PGTEST_H
#define FARTHING_TESTS_PGTEST_H

/* Connection string of a new migrated database; aborts with a message on failure. Valid until exit. */
const char *pgtest_database(void);
/* A new empty database, not migrated. */
const char *pgtest_database_empty(void);

#endif
