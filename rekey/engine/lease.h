/* lease.h: one run at a time.
 *
 * Whoever advances a migration holds the lease record in the store: a random token, with
 * the host, process and command for people. Every batch checks in its own transaction that the
 * token is still its own, so that a holder that was taken for dead changes nothing any more.
 *
 * A lease is free when there is none, when its process is known to be dead (same host), or when it
 * comes from another host and was not renewed for RKI_LEASE_MS.
 */
#ifndef REKEY_ENGINE_LEASE_H
#define REKEY_ENGINE_LEASE_H

#include "rekey/base/clock.h"
#include "rekey/state/state.h"

#define RKI_LEASE_MS       60000
#define RKI_LEASE_RENEW_MS 1000

/* Who acts, given by the program: the lease it would hold, its name for the audit log, and how to
 * tell whether a process of this host is alive. */
typedef struct rk_actor {
    rk_lease lease;
    char name[96];
    void *context;
    bool (*alive)(void *context, const rk_lease *lease);
} rk_actor;

/* Takes or renews the lease. RK_BUSY names the holder. */
rk_status rki_lease_take(rk_txn *txn, rk_table meta, const rk_actor *actor, int64_t now_ms,
                         rk_error *err);

/* RK_BUSY when the lease is no longer the actor's; renews it when it is a second old. */
rk_status rki_lease_hold(rk_txn *txn, rk_table meta, const rk_actor *actor, int64_t now_ms,
                         rk_error *err);

/* Gives it back if it is still the actor's. */
rk_status rki_lease_release(rk_txn *txn, rk_table meta, const rk_actor *actor, rk_error *err);

/* RK_BUSY, naming the holder, when the lease is somebody else's who is alive. */
rk_status rki_lease_free(const rk_lease *holder, const rk_actor *actor, int64_t now_ms,
                         rk_error *err);

/* Whether the lease's holder is alive. */
bool rki_lease_live(const rk_lease *lease, const rk_actor *actor, int64_t now_ms);

#endif
