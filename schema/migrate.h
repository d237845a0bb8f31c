/*
 * migrate.h - brings a database to the schema of this program.
 *
 * Migrations are schema/migrations/NNNN_name.sql, compiled into the program, forward only, one transaction each, in
 * order. Applied ones are kept in table schema_migration with their SHA-256; a changed or unknown one is refused
 * (ERR_CONFLICT, naming it). Two nodes starting at once: one migrates, the other waits (a lock on schema_migration).
 * Runs as the role that connects (it owns the tables); the program then works as role farthing_app.
 */
#ifndef FARTHING_SCHEMA_MIGRATE_H
#define FARTHING_SCHEMA_MIGRATE_H

struct err;

struct migrate_report {
    int applied; /* by this call */
    int version; /* the newest applied number */
};

int migrate_run(const char *conninfo, struct migrate_report *report, struct err *err);
/* ERR_CONFLICT when the database is older or newer than this program, or an applied migration was edited. */
int migrate_check(const char *conninfo, struct migrate_report *report, struct err *err);

#endif
