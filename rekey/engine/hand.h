/* hand.h: a worker's part: does what an offer of another process asks for (lend.h).
 *
 * Walks the chunk on snapshots of its own, prepares each record, and writes down what it found
 * (result.h). The store may be open read-only: nothing is changed. What is needed besides the offer
 * is in the store.
 *
 * Invariants
 *   - No snapshot is held between two offers.
 *   - An offer that does not fit the store as it is now (another epoch, other tables) gives a
 *     result without entries: whoever offered does the work itself.
 *
 * Threading: one thread.
 */
#ifndef REKEY_ENGINE_HAND_H
#define REKEY_ENGINE_HAND_H

#include "rekey/base/clock.h"
#include "rekey/engine/lend.h"

typedef struct rk_hand rk_hand;

/* Both are borrowed. */
rk_status rk_hand_create(rk_store *store, const rk_clock *clock, rk_hand **out, rk_error *err);
void rk_hand_destroy(rk_hand *hand); /* NULL allowed */

/* Replaces the contents of `result`, which ends with the record that fills it; *records says how
 * many it has. RK_CONFLICT: whoever offers is another version of this program. RK_CORRUPT: no
 * offer. */
rk_status rk_hand_do(rk_hand *hand, rk_slice offer, rk_buf *result, uint32_t *records,
                     rk_error *err);

#endif
