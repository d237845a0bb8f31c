/*
 * fault_proxy.h - a process between libpq and the server that cuts connections around COMMIT.
 *
 * Threads: one process starts and ends it; `cut_next` may be set at any time.
 */
#ifndef FARTHING_TESTS_FAULT_PROXY_H
#define FARTHING_TESTS_FAULT_PROXY_H

#include <stdatomic.h>
#include <sys/types.h>

enum fault_cut { FAULT_CUT_NONE, FAULT_CUT_BEFORE_COMMIT, FAULT_CUT_AFTER_COMMIT_SENT, FAULT_CUT_NOW };

/* Listen in folder dir and forward to the socket named in `upstream`, which may change: both, and cut_next (an enum
 * fault_cut that is taken once), are in memory shared with the process that is made. */
pid_t fault_proxy_start(const char *dir, const char *upstream, _Atomic int *cut_next);

#endif
