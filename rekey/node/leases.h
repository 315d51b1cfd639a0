/* leases.h: the chunks of a run that are lent to workers on this machine, for a while each.
 *
 * Between two sides that never meet: the scan pipeline of a run puts offers here (engine/lend.h),
 * and workers come with requests (protocol.h, LEASE), each of which may bring a result and ask for
 * the next offer. Whoever takes an offer holds a lease on it, with a name and a deadline.
 *
 *   an offer that nobody takes within RK_LEASE_TAKE_MS, and a lease without a result after
 *   RK_LEASE_MS, are over: the run does the work itself
 *
 * Invariants
 *   - A result counts once, for the lease that it names, while that lease lasts. The same result
 *     again is answered as before; one of a lease that is over is stale, and dropped.
 *   - A request that comes again under its operation's id is answered as before and takes no second
 *     lease.
 *   - Of a node's threads at most `waiting_max` wait for offers, so that others are answered.
 *   - What a worker that died, stopped or lies can cost is RK_LEASE_MS of waiting for its chunk; it
 *     gets no other before it comes back, and none for RK_LEASE_LATE_MS: one that is always late
 *     costs a run a tenth of its time.
 *
 * Time is the monotonic clock's. Threading: any number of threads.
 */
#ifndef REKEY_NODE_LEASES_H
#define REKEY_NODE_LEASES_H

#include "rekey/base/clock.h"
#include "rekey/engine/lend.h"
#include "rekey/protocol/protocol.h"

/* A chunk takes some 50 ms. Forty times that is a worker that is not coming back: in the worst case
 * the run waits so long once, for each worker that dies. */
#define RK_LEASE_MS      2000
#define RK_LEASE_TAKE_MS 250

/* A worker whose lease ran out is offered nothing for so long. */
#define RK_LEASE_LATE_MS 20000

/* A request without an offer is answered after so long at most. */
#define RK_LEASE_POLL_MS 500

/* Who has no thread to wait on comes again after so long. */
#define RK_LEASE_PAUSE_MS 100

#define RK_LEASE_WORKERS_MAX 32

typedef struct rk_leases rk_leases;

/* `result_bytes_max` bounds what is kept of a result. The clock is borrowed. */
rk_status rk_leases_create(const rk_clock *clock, uint32_t waiting_max, size_t result_bytes_max,
                           rk_leases **out, rk_error *err);
void rk_leases_destroy(rk_leases *leases); /* no call may be under way; NULL allowed */

/* For the runs; lives as long as the leases. */
const rk_lender *rk_leases_lender(rk_leases *leases);

/* Answers a worker's request: appends the reply to `reply` (an empty buffer). Blocks up to
 * RK_LEASE_POLL_MS. RK_BUSY: the same request is being answered on another thread; drop this one.
 * RK_FULL: more workers than RK_LEASE_WORKERS_MAX. RK_CORRUPT: no request. */
rk_status rk_leases_answer(rk_leases *leases, const rk_operation_name *operation, rk_slice request,
                           rk_buf *reply, rk_error *err);

/* Everybody who waits is answered at once, now and from now on; nothing is lent any more. */
void rk_leases_close(rk_leases *leases);

typedef struct rk_leases_counts {
    uint32_t workers; /* that wait, work, or asked a moment ago, and were not late */
    uint32_t working;
    uint64_t leases;  /* whose results came in time, since the node's start */
    uint64_t records; /* that were prepared as a worker said */
    uint64_t expired; /* leases without a result in time */
    uint64_t useless; /* results of which no record could be used */
} rk_leases_counts;

rk_leases_counts rk_leases_counts_of(rk_leases *leases);

#endif
