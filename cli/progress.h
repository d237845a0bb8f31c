/*
 * progress.h - a bar on stderr for long work, only on a terminal; silent otherwise.
 *
 *     replay  ████████░░░░░░░░  52 %  518,204 of 996,503  84,210/s  5 s left
 *
 * Threads: one at a time. Redraws at most ten times a second, however often it is told.
 */
#ifndef FARTHING_CLI_PROGRESS_H
#define FARTHING_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *label;
    int64_t total, first; /* first: what was done before (resumed work), not part of the rate */
    int64_t started_us, drawn_us;
    bool shown;
};

/* total 0: not known, only counts. */
void progress_start(struct progress *progress, const char *label, int64_t total, int64_t done_before);
void progress_update(struct progress *progress, int64_t done);
/* Draws the last state and ends the line. */
void progress_end(struct progress *progress, int64_t done);

#endif
