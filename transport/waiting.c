#include "transport/waiting.h"

#include "rekey/base/clock.h"

#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000u

uint64_t rk_now_ns(void)
{
    return rk_clock_monotonic_ns(rk_clock_system());
}

static int condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int failed = pthread_condattr_init(&attributes);
    if (failed)
        return failed;
    failed = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!failed)
        failed = pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
    return failed;
}

rk_status rk_lock_init(pthread_mutex_t *lock, pthread_cond_t *changed, rk_error *err)
{
    int failed = pthread_mutex_init(lock, NULL);
    if (!failed) {
        failed = condition_init(changed);
        if (failed)
            pthread_mutex_destroy(lock);
    }
    if (!failed)
        return RK_OK;
    return rk_error_set_native(err, RK_IO, RK_ORIGIN_ERRNO, failed, "make a lock: %s",
                               strerror(failed));
}

void rk_lock_fini(pthread_mutex_t *lock, pthread_cond_t *changed)
{
    pthread_cond_destroy(changed);
    pthread_mutex_destroy(lock);
}

bool rk_wait_until(pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                             .tv_nsec = (long)(until_ns % NS_PER_S)};
    return pthread_cond_timedwait(changed, lock, &until) == 0;
}
