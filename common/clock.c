#include "common/clock.h"

#include "common/check.h"

#include <time.h>

static struct timespec now(clockid_t clock)
{
    struct timespec at;
    CHECK(clock_gettime(clock, &at) == 0);
    return at;
}

int64_t clock_wall_us(void)
{
    struct timespec at = now(CLOCK_REALTIME);
    return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return clock_mono_ns() / 1000;
}

int64_t clock_mono_ns(void)
{
    struct timespec at = now(CLOCK_MONOTONIC);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

void clock_deadline(int64_t wait_ms, struct timespec *until)
{
    int64_t at_ns = clock_mono_ns() + wait_ms * 1000000;
    until->tv_sec = (time_t)(at_ns / 1000000000);
    until->tv_nsec = (long)(at_ns % 1000000000);
}
