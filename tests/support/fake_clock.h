/*
 * fake_clock.h - a clock a test holds in its hand. A test that includes this header is linked with fake_clock.c in
 * place of common/clock.c (tests/CMakeLists.txt looks for the include). Until it is frozen the clock is the real one.
 */
#ifndef FARTHING_TESTS_FAKE_CLOCK_H
#define FARTHING_TESTS_FAKE_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>

/* Stop both clocks; wall time becomes wall_us. */
void fake_clock_freeze(int64_t wall_us);
/* Let time pass, on both clocks. */
void fake_clock_advance_us(int64_t us);
/* Step the wall clock alone, as NTP or a person may. */
void fake_clock_step_us(int64_t us);
/* Wall time is the real one plus *offset_us from now on, unless frozen; in shared memory many processes follow it. */
void fake_clock_follow(const _Atomic int64_t *offset_us);
/* The real clock again. */
void fake_clock_release(void);

#endif
