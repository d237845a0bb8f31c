/*
 * closer.h - the biller of a node: closes a month in the background, on request or by itself.
 *
 * Why:       a close takes from a second to a minute; a request starts it and others ask how far it is. What is done is
 *            in the database: after a crash the same request goes on where it was.
 * Threads:   one of its own; every function here may be called from any thread.
 */
#ifndef FARTHING_API_CLOSER_H
#define FARTHING_API_CLOSER_H

#include <stdbool.h>
#include <stdint.h>

#include "billing/close.h"
#include "common/err.h"

struct closer;

#define CLOSER_ACCOUNTS_BYTES_MAX 65536
#define CLOSER_AUTO_PERIOD_MS 600000
#define CLOSER_GRACE_HOURS_MAX 2000

struct closer_options {
    const char *conninfo;
    bool automatic;   /* close the month before this one by itself, once its grace is over */
    int64_t grace_us; /* of automatic closes */
    int workers;
};

struct closer_request {
    struct month month;
    bool dry_run;
    int workers; /* 0: as the options say */
    int64_t grace_us;
    const char *accounts; /* "{1,2}"; NULL: all */
    bool reissue;         /* as of close_options */
};

enum closer_state { CLOSER_IDLE, CLOSER_RUNNING, CLOSER_DONE, CLOSER_FAILED };

struct closer_status {
    enum closer_state state; /* of the last request */
    struct month month;
    bool dry_run;
    int64_t accounts, total, issued; /* how far it is */
    int64_t started_us, ended_us;
    struct close_result result; /* when done */
    struct err err;             /* when failed */
};

int closer_start(const struct closer_options *options, struct closer **closer, struct err *err);
/* Waits for the close in hand. NULL-safe. */
void closer_stop(struct closer **closer);
/* ERR_CONFLICT while another request runs. */
int closer_ask(struct closer *closer, const struct closer_request *request, struct err *err);
void closer_status(struct closer *closer, struct closer_status *status);

#endif
