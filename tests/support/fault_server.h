/*
 * fault_server.h - a PostgreSQL (fsync on) that may be killed at any time, also while it recovers from the last time.
 *
 * How:     a process of its own owns it, so that no other child holds its lock, and starts it again whenever it is gone
 *          or could not start. The struct lives in memory that all processes of the test share.
 * Threads: one process asks.
 */
#ifndef FARTHING_TESTS_FAULT_SERVER_H
#define FARTHING_TESTS_FAULT_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fault_server {
    char dir[120];
    char socket[108];   /* of the real server */
    char conninfo[256]; /* the same for libpq */
    _Atomic uint64_t starts, failed_starts;
    _Atomic bool stop;
    pid_t process;
};

/* dir is of the caller; returns when the server is there. */
void fault_server_start(struct fault_server *server, const char *dir);
/* kill -9 of the postmaster, and of each that comes up in its place within again_ms; false: there was none. */
bool fault_server_kill(const struct fault_server *server, unsigned again_ms);
/* Until it has come up once more than `starts`. */
void fault_server_await(const struct fault_server *server, uint64_t starts);
void fault_server_stop(struct fault_server *server);

/* fork, and the child dies with its parent. */
pid_t fault_fork(void);
void fault_nap_ms(uint64_t ms);

#endif
