/* waiting.h: a lock and a condition whose waits end by the clock that does not jump. */
#ifndef REKEY_NODE_WAITING_H
#define REKEY_NODE_WAITING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* False, and nothing is initialised: out of memory. */
bool rki_waiting_init(pthread_mutex_t *lock, pthread_cond_t *changed);
void rki_waiting_fini(pthread_mutex_t *lock, pthread_cond_t *changed);

/* Waits for a signal, up to so long; the caller holds the lock. */
void rki_waiting_for(pthread_mutex_t *lock, pthread_cond_t *changed, uint64_t wait_ns);

#endif
