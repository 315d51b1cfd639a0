/* control.h: what a coordinator or an operator asks of a node about its migration.
 *
 * A request is a JSON object with an "op", the reply one with what was asked for. specs/protocol.md
 * lists them. Everything that changes something names the coordinator's epoch and token, and is
 * refused when somebody else leads by now.
 *
 * Who may: operators and coordinators everything here; a node may ask what became of a decision;
 * clients nothing.
 *
 * Threading: any number of threads.
 */
#ifndef REKEY_NODE_CONTROL_H
#define REKEY_NODE_CONTROL_H

#include "rekey/access/access.h"
#include "rekey/cluster/cluster.h"
#include "rekey/engine/decision.h"
#include "rekey/node/leases.h"
#include "rekey/node/work.h"

typedef struct rk_node_control rk_node_control;

typedef struct rk_node_control_config {
    rk_store *store; /* all is borrowed */
    const rk_clock *clock;
    const rk_cluster *cluster;
    size_t self; /* position in the cluster */
    rk_work *work;
    rk_leases *leases; /* NULL: there are no workers */
} rk_node_control_config;

/* Checks that the store belongs to this node of this cluster, or to nobody yet (RK_CONFLICT), and
 * looks whether a promise waits for its decision. */
rk_status rk_node_control_create(const rk_node_control_config *config, rk_node_control **out,
                                 rk_error *err);
void rk_node_control_destroy(rk_node_control *control); /* NULL allowed */

/* Appends the reply's JSON to `reply`. Any status but RK_OK: the error is the answer. */
rk_status rk_node_control_answer(rk_node_control *control, const rk_access_entry *peer,
                                 rk_slice request, rk_buf *reply, rk_error *err);

/* Whether the node has come back with a promise of which it does not know the decision: until it
 * does, it serves no records. `decider` is the node that knows. */
bool rk_node_control_in_doubt(rk_node_control *control, char decider[RK_NODE_NAME_BYTES_MAX + 1]);

/* The promise of which another node knows the decision; false when there is none. */
bool rk_node_control_promise(rk_node_control *control, rk_prepared *out, bool *in_doubt);

/* What the decider said: the same is done here, and there is no doubt any more. */
rk_status rk_node_control_learn(rk_node_control *control, const rk_decision_id *id,
                                rk_decided decided, rk_error *err);

#endif
