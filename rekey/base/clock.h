/* clock.h: time as an argument.
 *
 * Nothing in the engine asks the system for the time; it is handed an rk_clock. Tests hand in one
 * that they turn themselves.
 */
#ifndef REKEY_BASE_CLOCK_H
#define REKEY_BASE_CLOCK_H

#include <stdint.h>

typedef struct rk_clock {
    void *context;
    uint64_t (*monotonic_ns)(void *context); /* never goes back; for durations */
    int64_t (*wall_ms)(void *context);       /* since 1970-01-01 UTC; for people and leases */
    void (*pause_ns)(void *context, uint64_t duration_ns); /* gives others their turn */
} rk_clock;

/* The system's clock; valid for the program's life. */
const rk_clock *rk_clock_system(void);

static inline uint64_t rk_clock_monotonic_ns(const rk_clock *clock)
{
    return clock->monotonic_ns(clock->context);
}

static inline int64_t rk_clock_wall_ms(const rk_clock *clock)
{
    return clock->wall_ms(clock->context);
}

#endif
