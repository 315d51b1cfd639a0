/* refusals.h: how many lines about refused messages go into a node's log.
 *
 * Anybody who reaches the node can have messages refused, as many as the line carries. The first of
 * a minute are logged, and of the others their number.
 *
 * Threading: none here; the caller has a lock.
 */
#ifndef REKEY_NODE_REFUSALS_H
#define REKEY_NODE_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#define RK_REFUSALS_NS    UINT64_C(60000000000)
#define RK_REFUSALS_LINES 20 /* in that time */

/* Zeroed at the start. Times are those of the monotonic clock. */
typedef struct rk_refusals {
    uint64_t began_ns; /* with the first of `lines` */
    uint32_t lines;
    uint64_t untold_ns; /* when the first of `untold` came */
    uint64_t untold;
} rk_refusals;

/* Counts one, and says whether it is to be logged. */
bool rk_refusals_take(rk_refusals *refusals, uint64_t now_ns);

/* How many were not logged, once in the same time; else 0. */
uint64_t rk_refusals_untold(rk_refusals *refusals, uint64_t now_ns);

#endif
