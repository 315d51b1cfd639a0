/* decision.h: what a node of a cluster keeps about changes that all nodes make, or none.
 *
 * A flip, a rollback and a contract are decided once for the whole cluster, in two steps
 * (rekey/engine/decision.h). These records are the node's part of it, in `__rekey`:
 *
 *   placement      of which cluster, under which name                    (rk_placement)
 *   coordinator    who leads, and in which epoch                         (rk_leader)
 *   prepared       the change this node has promised to make             (rk_prepared)
 *   decided/ID     how a decision ended                                  (its outcome)
 *
 * A store that belongs to no cluster has none of them.
 */
#ifndef REKEY_STATE_DECISION_H
#define REKEY_STATE_DECISION_H

#include "rekey/state/state.h"

#define RK_NODE_NAME_BYTES_MAX   64
#define RK_HOLDER_BYTES_MAX      96
#define RK_DECISION_ID_BYTES     16
#define RK_DECISION_ID_HEX_BYTES (2 * RK_DECISION_ID_BYTES + 1)

/* --- placement -------------------------------------------------------------------------------- */

typedef struct rk_placement {
    rk_digest cluster; /* of the cluster's name and its nodes' names (rk_cluster_digest) */
    char node[RK_NODE_NAME_BYTES_MAX + 1];
} rk_placement;

/* RK_NOT_FOUND, error untouched: the store belongs to no cluster. */
rk_status rk_placement_load(rk_view *view, rk_table meta, rk_placement *out, rk_error *err);
rk_status rk_placement_save(rk_txn *txn, rk_table meta, const rk_placement *placement,
                            rk_error *err);

/* --- the coordinator -------------------------------------------------------------------------- */

/* Epochs of coordinators only grow. One that has been overtaken changes nothing any more. */
typedef struct rk_leader {
    uint64_t epoch;
    uint8_t token[16]; /* random; zero: the epoch was given back */
    char holder[RK_HOLDER_BYTES_MAX + 1];
    int64_t renewed_ms; /* wall clock of this node */
} rk_leader;

rk_status rk_leader_load(rk_view *view, rk_table meta, rk_leader *out, rk_error *err);
rk_status rk_leader_save(rk_txn *txn, rk_table meta, const rk_leader *leader, rk_error *err);

/* --- decisions -------------------------------------------------------------------------------- */

typedef struct rk_decision_id {
    uint8_t bytes[RK_DECISION_ID_BYTES];
} rk_decision_id;

/* A promise: nothing else changes this node's phase until the decision is known. */
typedef struct rk_prepared {
    rk_decision_id id;
    rk_move move;                             /* FLIP, ROLLBACK or CONTRACT */
    bool tier[RK_TIER_COUNT];                 /* those that have passed their gates */
    uint64_t epoch;                           /* the migration's, when it was promised: the fence */
    char decider[RK_NODE_NAME_BYTES_MAX + 1]; /* the node whose word is the decision */
} rk_prepared;

rk_status rk_prepared_load(rk_view *view, rk_table meta, rk_prepared *out, rk_error *err);
rk_status rk_prepared_save(rk_txn *txn, rk_table meta, const rk_prepared *prepared, rk_error *err);
rk_status rk_prepared_clear(rk_txn *txn, rk_table meta, rk_error *err);

/* RK_NOT_FOUND, error untouched: not decided, as far as this node knows. */
rk_status rk_decided_load(rk_view *view, rk_table meta, const rk_decision_id *id, bool *committed,
                          rk_error *err);
/* `leader_epoch`: of who leads here as it ends. */
rk_status rk_decided_save(rk_txn *txn, rk_table meta, const rk_decision_id *id, bool committed,
                          uint64_t leader_epoch, rk_error *err);

/* Forgets outcomes of epochs before this one, up to RK_DECIDED_SWEEP_MAX of them. One that cannot
 * be read stays. */
#define RK_DECIDED_SWEEP_MAX 256
rk_status rk_decided_sweep(rk_txn *txn, rk_table meta, uint64_t leader_epoch, rk_error *err);

#endif
