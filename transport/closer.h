/* closer.h: closes things in a thread of its own, later, and does not let the one that hangs hang
 * its owner.
 *
 * Invariants
 *   - Jobs run one after another, in the order in which they were added, none before its rest is
 *     over.
 *   - Whoever waits for them waits at most `patience_ms` for each to end. A job that takes longer
 *     makes the closer stuck: nobody waits for it any more, and what was added stays as it is until
 *     the process ends.
 *
 * Threading: all functions from any thread, but create and destroy.
 */
#ifndef REKEY_TRANSPORT_CLOSER_H
#define REKEY_TRANSPORT_CLOSER_H

#include <rekey/status.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct rk_closer rk_closer;

/* Part of what is to be closed, so that closing needs no memory. */
typedef struct rk_closer_job {
    void (*run)(struct rk_closer_job *); /* may free the job */
    struct rk_closer_job *next;          /* these two are the closer's */
    uint64_t not_before_ns;
} rk_closer_job;

/* Starts the thread. RK_NOMEM, RK_IO. */
rk_status rk_closer_create(uint32_t patience_ms, rk_closer **out, rk_error *err);

/* Waits for all jobs and ends the thread. Of a stuck closer, thread and memory are left behind. */
void rk_closer_destroy(rk_closer *closer);

/* Takes the job over, to be run after `rest_ms`. Does not block. */
void rk_closer_add(rk_closer *closer, rk_closer_job *job, uint32_t rest_ms);

/* Waits until all jobs have run; false when it is stuck. */
bool rk_closer_wait(rk_closer *closer);

/* Whether somebody waited in vain. */
bool rk_closer_stuck(rk_closer *closer);

#endif
