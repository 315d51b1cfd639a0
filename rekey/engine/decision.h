/* decision.h: one change of phase that all nodes of a cluster make, or none of them.
 *
 * Two steps. First every node promises: a run with options.promise passes the gates of the change
 * (for a flip: a clean and fresh verification, the quarantine's limit, old keys still written) and
 * writes down that it will make it; from then on nothing else moves the node's phase. When all have
 * promised, the change is committed on one of them, the decider, and this commit is the decision.
 * Then the others commit. A node that was away finds its own promise in its store and must learn
 * the outcome from the decider before it serves again.
 * Source: Gray, "Notes on Data Base Operating Systems", 1978, two-phase commit; the decider's log
 * is its own store, in the transaction that changes its phase.
 *
 * Invariants
 *   - A decision has one outcome. A node that has aborted one refuses to promise or commit it, one
 *     that has committed refuses to abort.
 *   - A promise is kept whatever has happened since: its gates are not judged again.
 *   - Both steps may be repeated; the second time changes nothing.
 *   - An outcome is known for as long as a node may wait for it: it is forgotten when a later
 *     coordinator's change is committed, which every node has promised by then.
 *
 * Leadership: coordinators have epochs. A node remembers the highest that claimed it, and every
 * request that changes something names its own: a lower one changes nothing.
 */
#ifndef REKEY_ENGINE_DECISION_H
#define REKEY_ENGINE_DECISION_H

#include "rekey/engine/run.h"

/* Makes the promised change: phase, epoch and outcome in one transaction. RK_NOT_FOUND: this node
 * has promised no such thing. RK_CONFLICT: it is aborted. */
rk_status rk_decision_commit(rk_migration *migration, const rk_decision_id *id, rk_error *err);

/* Takes the promise back, if there is one, and refuses the decision from now on. RK_CONFLICT: it is
 * committed. */
rk_status rk_decision_abort(rk_migration *migration, const rk_decision_id *id, rk_error *err);

typedef enum rk_decided {
    RK_DECIDED_NOT, /* nothing is known of it */
    RK_DECIDED_PROMISED,
    RK_DECIDED_ABORTED,
    RK_DECIDED_COMMITTED
} rk_decided;

/* What this node knows of a decision. */
rk_status rk_decision_look(rk_migration *migration, const rk_decision_id *id, rk_decided *out,
                           rk_error *err);

/* The promise that waits for its decision. RK_NOT_FOUND, error untouched: there is none. */
rk_status rk_decision_promised(rk_migration *migration, rk_prepared *out, rk_error *err);

/* --- placement -------------------------------------------------------------------------------- */

/* Writes down which node of which cluster the store belongs to; writes nothing where it is written
 * down so already. Works without a migration: makes `__rekey`. */
rk_status rk_placement_record(rk_store *store, const rk_placement *placement, rk_error *err);

/* --- leadership ------------------------------------------------------------------------------- */

#define RK_LEADER_LEASE_MS 15000

/* Epochs travel as JSON numbers, which some readers hold as doubles. */
#define RK_LEADER_EPOCH_MAX (UINT64_C(1) << 53)

/* Takes the lead with an epoch that must be higher than any before, or again with its own. RK_BUSY
 * names a holder who is alive (renewed within RK_LEADER_LEASE_MS); RK_CONFLICT an epoch that is not
 * higher; RK_INVALID none, or one past RK_LEADER_EPOCH_MAX. Works without a migration: makes
 * `__rekey`. */
rk_status rk_leader_claim(rk_store *store, const rk_leader *leader, rk_error *err);

/* RK_CONFLICT, naming who leads, unless (epoch, token) is the leader's; renews it when it is a
 * second old. */
rk_status rk_leader_hold(rk_store *store, const rk_leader *leader, rk_error *err);

/* Gives it back, if it is still the leader's. */
rk_status rk_leader_release(rk_store *store, const rk_leader *leader, rk_error *err);

/* Who leads. RK_NOT_FOUND, error untouched: nobody ever did. */
rk_status rk_leader_look(rk_store *store, rk_leader *out, rk_error *err);

/* Whether somebody leads now. */
bool rk_leader_live(const rk_leader *leader, int64_t now_ms);

#endif
