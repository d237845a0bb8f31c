/*
 * clock.h - the only source of time in the program.
 *
 * Why:   tests replace these functions at link time (tests/support/fake_clock.c) and step the clock as they like.
 * Units: *_us microseconds, *_ns nanoseconds. Threads: any.
 */
#ifndef FARTHING_COMMON_CLOCK_H
#define FARTHING_COMMON_CLOCK_H

#include <stdint.h>

struct timespec;

/* Microseconds since 1970-01-01T00:00:00Z (CLOCK_REALTIME). May step. */
int64_t clock_wall_us(void);

/* CLOCK_MONOTONIC; durations are differences of this, never of the wall clock. */
int64_t clock_mono_us(void);
int64_t clock_mono_ns(void);

/* wait_ms from now on CLOCK_MONOTONIC: for pthread_cond_timedwait on conditions made with that clock. */
void clock_deadline(int64_t wait_ms, struct timespec *until);

#endif
