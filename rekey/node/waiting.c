#include "rekey/node/waiting.h"

#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

bool rki_waiting_init(pthread_mutex_t *lock, pthread_cond_t *changed)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(changed, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    if (ok && pthread_mutex_init(lock, NULL) != 0) {
        pthread_cond_destroy(changed);
        ok = false;
    }
    return ok;
}

void rki_waiting_fini(pthread_mutex_t *lock, pthread_cond_t *changed)
{
    pthread_mutex_destroy(lock);
    pthread_cond_destroy(changed);
}

void rki_waiting_for(pthread_mutex_t *lock, pthread_cond_t *changed, uint64_t wait_ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t end_ns = (uint64_t)until.tv_nsec + wait_ns;
    until.tv_sec += (time_t)(end_ns / NS_PER_S);
    until.tv_nsec = (long)(end_ns % NS_PER_S);
    pthread_cond_timedwait(changed, lock, &until);
}
