/*
 * embedded.h - the node's own PostgreSQL, in its data directory.
 *
 * Why:      one binary and a data directory are enough; the server is the real one, only started by us.
 * How:      finds the newest server >= 15 (FARTHING_PG_BINDIR, /usr/lib/postgresql/N/bin, PATH), or the one its data
 * was made by; initdb on first start (UTF-8, C collation, data checksums); unix socket only, in a folder nobody else
 *           may enter (a short one under /run or /tmp when the path would be too long, noted in <dir>/socket-dir);
 *           fsync=on, synchronous_commit=on, full_page_writes=on. Started as root it runs as the owner of its data, at
 *           first user `postgres` (or `nobody`); every folder above <dir> must then be enterable by that user.
 * Stops:    a keeper process between node and server stops the server (fast shutdown) when the node closes it or dies
 * in whatever way; a server left over nevertheless is stopped by the next start. One node a folder (a lock). Crash
 * recovery is PostgreSQL's own. Threads:  one at a time; embedded_alive from any thread while no other call runs.
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
/* After embedded_alive said false: start it again on the same data; conninfo stays the same. */
int embedded_restart(struct embedded *server, struct err *err);
void embedded_close(struct embedded **server);

/* Where the server programs are; "" and -1 when there is none (farthing doctor says what to install). */
int embedded_find(char *bindir, unsigned size, struct err *err);

#endif
