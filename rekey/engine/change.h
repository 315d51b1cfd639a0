/* change.h: a change of the store in a transaction of its own, and more room when the map is full.
 *
 *     rk_status status = rki_change_store(store, put_lease, &lease, err);
 *
 * Threading: as the store; the caller holds no snapshot.
 */
#ifndef REKEY_ENGINE_CHANGE_H
#define REKEY_ENGINE_CHANGE_H

#include "store/store.h"

/* One try at something that begins and ends its own transaction. Whatever it keeps besides must be
 * as before when it fails. */
typedef rk_status (*rki_attempt)(void *context, rk_error *err);

/* Tries; on RK_FULL grows the map and tries again. The error is that of the last try. */
rk_status rki_with_room(rk_store *store, rki_attempt attempt, void *context, rk_error *err);

/* What is done in the transaction; commits only with *changed, false before the call. */
typedef rk_status (*rki_store_change)(rk_txn *txn, void *context, bool *changed, rk_error *err);

/* Once, as part of an attempt; and with room. */
rk_status rki_change_once(rk_store *store, rki_store_change change, void *context, rk_error *err);
rk_status rki_change_store(rk_store *store, rki_store_change change, void *context, rk_error *err);

#endif
