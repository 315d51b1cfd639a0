/* dedup.h: the results of finished operations, so that a request that comes twice is done once.
 *
 * Delivery is at least once, so every request that changes something carries an operation id, and
 * the server asks this table before it does anything:
 *
 *     switch (rk_dedup_begin(dedup, &id, &state, &result, &err) ...) {
 *     RK_DEDUP_NEW      do it; then rk_dedup_finish with the reply, or rk_dedup_forget
 *     RK_DEDUP_PENDING  another thread is at it: drop the exchange, the caller will ask again
 *     RK_DEDUP_DONE     answer with `result` and do nothing
 *     }
 *
 * Invariants
 *   - At most `entries_max` operations and `bytes_max` bytes of results, whatever arrives.
 *   - What is pending stays; what is done goes when room is needed, the one finished longest ago
 *     first.
 *
 * So the memory is finite: a duplicate that arrives after `entries_max` newer operations, or after
 * `bytes_max` bytes of newer results, is taken for a new one. Give it room for what can be under
 * way within the callers' longest retrying, and make operations conditional where doing one twice
 * would do harm. The table dies with its process; what must hold across a restart belongs into the
 * store, in the transaction of the operation itself.
 *
 * Threading: none here; one thread at a time, under the server's lock.
 */
#ifndef REKEY_TRANSPORT_DEDUP_H
#define REKEY_TRANSPORT_DEDUP_H

#include <rekey/slice.h>
#include <rekey/status.h>

#define RK_OPERATION_ID_BYTES    16
#define RK_DEDUP_ENTRIES_CEILING (1u << 20)

/* Chosen by whoever starts the operation, at random, and kept in all its repetitions. */
typedef struct rk_operation_id {
    uint8_t bytes[RK_OPERATION_ID_BYTES];
} rk_operation_id;

typedef enum rk_dedup_state { RK_DEDUP_NEW, RK_DEDUP_PENDING, RK_DEDUP_DONE } rk_dedup_state;

typedef struct rk_dedup rk_dedup;

/* RK_INVALID when entries_max is 0 or above its ceiling or bytes_max is 0; RK_NOMEM. */
rk_status rk_dedup_create(uint32_t entries_max, size_t bytes_max, rk_dedup **out, rk_error *err);
void rk_dedup_destroy(rk_dedup *dedup); /* NULL allowed */

/* Looks the operation up, and takes a new one in as pending. `result` is set for RK_DEDUP_DONE and
 * borrowed until the next change of the table. RK_BUSY when the operation is new and every entry is
 * pending: the server is full, drop the exchange. */
rk_status rk_dedup_begin(rk_dedup *dedup, const rk_operation_id *id, rk_dedup_state *state,
                         rk_slice *result, rk_error *err);

/* Stores the result of a pending operation, which is copied. RK_LIMIT when it is longer than
 * bytes_max, RK_NOMEM: the operation stays pending, so that it is not done again; finish it with a
 * shorter result. RK_NOT_FOUND when it is not pending. */
rk_status rk_dedup_finish(rk_dedup *dedup, const rk_operation_id *id, rk_slice result,
                          rk_error *err);

/* Forgets an operation that changed nothing, so that it can be tried again. One that is not there
 * is no error. */
void rk_dedup_forget(rk_dedup *dedup, const rk_operation_id *id);

/* Entries, pending ones included, and bytes of results held. */
uint32_t rk_dedup_entries(const rk_dedup *dedup);
size_t rk_dedup_bytes(const rk_dedup *dedup);

#endif
