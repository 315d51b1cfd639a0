/* waiting.h: a lock, a condition, and waits that end by the clock that nobody turns. */
#ifndef REKEY_TRANSPORT_WAITING_H
#define REKEY_TRANSPORT_WAITING_H

#include <rekey/status.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define RK_NS_PER_MS 1000000u

/* By the clock that nobody turns. */
uint64_t rk_now_ns(void);

static inline uint64_t rk_after_ms(uint64_t from_ns, uint32_t ms)
{
    return from_ns + (uint64_t)ms * RK_NS_PER_MS;
}

/* Both or, on failure (RK_IO), neither. */
rk_status rk_lock_init(pthread_mutex_t *lock, pthread_cond_t *changed, rk_error *err);
void rk_lock_fini(pthread_mutex_t *lock, pthread_cond_t *changed);

/* Waits with the lock held for a change; false when the moment came first. Both may happen for no
 * reason: look again. */
bool rk_wait_until(pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t until_ns);

#endif
