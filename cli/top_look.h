/*
 * top_look.h - what farthing top asks a node, and what it remembers between two looks: rates come from differences.
 *
 * Ownership: plain values. Threads: one.
 */
#ifndef FARTHING_CLI_TOP_LOOK_H
#define FARTHING_CLI_TOP_LOOK_H

#include "cli/top_view.h"

struct cli;
struct err;

#define HOURLY_LOOKS 60

struct known {
    char name[72];
    int64_t invocations;
};

struct look {
    int64_t at_us;
    double cost;
};

struct top {
    const char *account; /* NULL: all */
    char own[80];        /* account of the key */
    int64_t interval_s;
    bool once;
    struct top_view view;
    struct known known[TOP_ROWS_MAX];
    int known_count;
    int64_t known_us, all_invocations;
    struct look looks[HOURLY_LOOKS];
    int look_count;
};

/* Fill top->view from the node: four calls at most. On -1 the view is partly new. */
int top_look(struct cli *cli, struct top *top, struct err *err);

#endif
