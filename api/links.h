/*
 * links.h - the database connections of a worker: as the program itself, for finding out who calls and for operators,
 * and as a tenant, which sees rows of one account only (schema/pg.h).
 *
 * Threads:   one worker's.
 */
#ifndef FARTHING_API_LINKS_H
#define FARTHING_API_LINKS_H

#include <stdint.h>

struct err;
struct pg;

struct links {
    struct pg *program, *tenant; /* NULL before they were needed */
};

/* Connected, as far as one can know without asking. ERR_RETRY with words for the client. Borrowed from links. */
int links_program(struct links *links, const char *conninfo, struct pg **pg, struct err *err);
int links_tenant(struct links *links, const char *conninfo, int64_t account_id, struct pg **pg, struct err *err);
void links_close(struct links *links);

#endif
