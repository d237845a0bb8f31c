/*
 * embedded_internal.h - between embedded*.c only.
 */
#ifndef FARTHING_SCHEMA_EMBEDDED_INTERNAL_H
#define FARTHING_SCHEMA_EMBEDDED_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct buf;
struct err;

#define EMBEDDED_PATH_MAX PATH_MAX

/* Who runs the server, and where. */
struct embedded_place {
    uid_t uid;
    gid_t gid;
    bool drop; /* we are root: give up privileges first */
    char dir[EMBEDDED_PATH_MAX];
    char data[EMBEDDED_PATH_MAX];
    char log[EMBEDDED_PATH_MAX];
    char bindir[EMBEDDED_PATH_MAX];
};

/* A process between the node and its server: it stops the server when the node is gone, and ends when the server ends.
 */
struct embedded_keeper {
    pid_t pid;   /* 0: none */
    int pid_fd;  /* readable when the keeper has ended */
    int life_fd; /* closed: the keeper stops the server */
};

/* Run a program of bindir to its end as the place's user, output appended to the log; a failure says the log's last
 * line. */
int embedded_run(const struct embedded_place *place, const char *program, const char *const *args, struct err *err);

/* Start the server under a keeper. stop_signal is what the keeper sends when life_fd is closed (SIGINT: fast). */
int embedded_keep(const struct embedded_place *place, const char *const *args, int stop_signal,
                  struct embedded_keeper *keeper, struct err *err);
bool embedded_kept(const struct embedded_keeper *keeper);
/* Wait up to wait_ms for its end; true when it has ended. */
bool embedded_wait(const struct embedded_keeper *keeper, int wait_ms);
/* Close life_fd, wait for the end. */
void embedded_let_go(struct embedded_keeper *keeper);

/* Stop what an earlier node left behind in this data directory: a server, or backends whose server was killed. */
int embedded_clear(const struct embedded_place *place, struct err *err);

/* Append the last line of the log to the error's text. */
int embedded_fail(const struct embedded_place *place, struct err *err, const char *what);

/* The bindir for data of this major version; 0: the newest. */
int embedded_find_major(int major, char *bindir, size_t size, struct err *err);

#endif
