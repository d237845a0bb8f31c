#include "tests/support/fake_clock.h"

#include "common/clock.h"

#include <stdatomic.h>
#include <time.h>

static _Atomic int frozen;
static _Atomic int64_t wall_now_us;
static _Atomic int64_t mono_now_ns;
static const _Atomic int64_t *followed_us;

static int64_t real_ns(clockid_t clock)
{
    struct timespec at = {0};
    (void)clock_gettime(clock, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

int64_t clock_wall_us(void)
{
    int64_t offset_us = followed_us != NULL ? atomic_load(followed_us) : 0;
    return frozen != 0 ? wall_now_us : real_ns(CLOCK_REALTIME) / 1000 + offset_us;
}

int64_t clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}

int64_t clock_mono_ns(void)
{
    return frozen != 0 ? mono_now_ns : real_ns(CLOCK_MONOTONIC);
}

void fake_clock_freeze(int64_t wall_us)
{
    mono_now_ns = real_ns(CLOCK_MONOTONIC);
    wall_now_us = wall_us;
    frozen = 1;
}

void fake_clock_advance_us(int64_t us)
{
    wall_now_us += us;
    mono_now_ns += us * 1000;
}

void fake_clock_step_us(int64_t us)
{
    wall_now_us += us;
}

void fake_clock_follow(const _Atomic int64_t *offset_us)
{
    followed_us = offset_us;
}

void fake_clock_release(void)
{
    frozen = 0;
    followed_us = NULL;
}

void clock_deadline(int64_t wait_ms, struct timespec *until)
{
    int64_t at_ns = clock_mono_ns() + wait_ms * 1000000;
    until->tv_sec = (time_t)(at_ns / 1000000000);
    until->tv_nsec = (long)(at_ns % 1000000000);
}
