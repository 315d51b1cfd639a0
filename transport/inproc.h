/* inproc.h: a transport within one process, with faults on command.
 *
 * For tests and simulation. It keeps the whole contract of transport.h, resends included, and
 * loses, doubles and delays messages as a table says. There is no global state: callers find the
 * servers of the same rk_transport, by the name in "inproc://NAME" (1 to 64 characters of a-z A-Z
 * 0-9 . _
 * -).
 *
 * Deterministic: the faults of a caller's calls depend on the seed, on how many callers were
 * dialled before it and on how many calls it made, on nothing else. Which of two threads comes
 * first is the scheduler's business; with one thread a caller, each sees the same faults every
 * time.
 */
#ifndef REKEY_TRANSPORT_INPROC_H
#define REKEY_TRANSPORT_INPROC_H

#include "transport/transport.h"

typedef enum rk_inproc_what {
    RK_INPROC_DROP_REQUEST,   /* the request is lost, a double of it too */
    RK_INPROC_DOUBLE_REQUEST, /* it arrives twice */
    RK_INPROC_DELAY_REQUEST,  /* it arrives `delay_ms` later, perhaps after its deadline */
    RK_INPROC_DROP_REPLY,     /* the first reply is lost */
    RK_INPROC_DELAY_REPLY     /* the reply arrives `delay_ms` later */
} rk_inproc_what;

/* One line of the fault table. Faults hit the first sending of a call; what is sent again after
 * limits.resend_ms, or to a server that took another's place, goes through. */
typedef struct rk_inproc_fault {
    rk_inproc_what what;
    uint64_t first_call; /* of each caller, counted from 1 */
    uint64_t last_call;  /* this one included; 0: no end */
    uint32_t chance_ppm; /* how often, of a million calls; RK_INPROC_ALWAYS */
    uint32_t delay_ms;   /* for the delays */
} rk_inproc_fault;

#define RK_INPROC_ALWAYS     1000000u
#define RK_INPROC_FAULTS_MAX 32u

/* The table is copied. RK_INVALID for limits or faults out of range; RK_NOMEM. */
rk_status rk_inproc_open(const rk_transport_limits *limits, const rk_inproc_fault *faults,
                         size_t fault_count, uint64_t seed, rk_transport **out, rk_error *err);

#endif
