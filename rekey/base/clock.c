#include "rekey/base/clock.h"

#include <stddef.h>
#include <time.h>

#define NS_PER_S 1000000000ull

static uint64_t monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t wall_ms(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ns(void *context, uint64_t duration_ns)
{
    (void)context;
    struct timespec duration = {.tv_sec = (time_t)(duration_ns / NS_PER_S),
                                .tv_nsec = (long)(duration_ns % NS_PER_S)};
    nanosleep(&duration, NULL);
}

const rk_clock *rk_clock_system(void)
{
    static const rk_clock system_clock = {
        .monotonic_ns = monotonic_ns, .wall_ms = wall_ms, .pause_ns = pause_ns};
    return &system_clock;
}
