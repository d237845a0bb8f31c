/*
 * embedded.h - the node's own PostgreSQL, in its data directory.
 *
 * Why:      one binary and a data directory are enough; the server is the real one, only started by us.
 * How:      finds the newest server >= 15 (FARTHING_PG_BINDIR, /usr/lib/postgresql/N/bin, PATH); initdb on first start
 *           (UTF-8, C collation, data checksums); unix socket only, in a private folder; fsync=on,
 *           synchronous_commit=on, full_page_writes=on. Started as root it runs as user `postgres` (or `nobody` when
 * there is none), which owns the folder. A server left over from a killed node is stopped, or adopted when it is
 * healthy. Stops:    embedded_close asks for a fast shutdown and waits; the server also dies with the node
 * (PR_SET_PDEATHSIG is not enough across setuid, so the next start cleans up). Crash recovery is PostgreSQL's own.
 */
#ifndef FARTHING_SCHEMA_EMBEDDED_H
#define FARTHING_SCHEMA_EMBEDDED_H

#include <stdbool.h>

struct embedded;
struct err;

struct embedded_options {
    const char *dir;     /* <data-dir>/postgresql, made when missing */
    bool throw_away;     /* tests only: fsync off, small buffers */
    int max_connections; /* 0: 100 */
};

int embedded_open(const struct embedded_options *options, struct embedded **server, struct err *err);
/* libpq connection string; lives as long as server. */
const char *embedded_conninfo(const struct embedded *server);
/* False once the server process is gone. */
bool embedded_alive(const struct embedded *server);
void embedded_close(struct embedded **server);

/* Where the server programs are; "" and -1 when there is none (farthing doctor says what to install). */
int embedded_find(char *bindir, unsigned size, struct err *err);

#endif
