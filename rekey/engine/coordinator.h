/* coordinator.h: one migration on many nodes, step by step.
 *
 * The coordinator turns a goal into stages (claim the lead, settle what earlier coordinators left
 * open, activate the plan, run, promise, decide, spread, release) and each stage into one ask for
 * every node. It sends nothing: rk_coordinator_next gives the asks that are due, whoever carries
 * them brings the answers back with rk_coordinator_take. There is no clock, no randomness and no
 * thread in it; the time comes with each call, ids come from the options.
 *
 *     while (rk_coordinator_state_of(coordinator) == RK_COORDINATOR_GOING) {
 *         while (rk_coordinator_next(coordinator, now_ms, &ask))
 *             rk_coordinator_take(coordinator, now_ms, &ask, &answer of carrying it out);
 *         wait a little;
 *     }
 *
 * Invariants
 *   - Every ask may be repeated: it carries the id of what it is about. One that nobody waits for
 *     any more may still reach the node; what it would change is refused by epoch or decision.
 *   - Promises are looked at when every node is claimed, so that no earlier coordinator changes
 *     them any more, and settled one decision after the other, as the decider says.
 *   - A stage begins when every node has done the one before. A tier is flipped, rolled back or
 *     contracted by one decision of all nodes (decision.h), never node by node.
 *   - A node that does not answer for patience_ms stops the run, before a decision: nothing is
 *     decided, the others are cancelled at a checkpoint. What earlier coordinators left open is
 *     settled first, among those who answer, if the decider does. After a decision, it stands and
 *     the run goes on: the node learns it when it is back, at the latest before its next run.
 *   - A promise is taken back from the others only if the decider was never asked to commit it, or
 *     has aborted it.
 *   - The decider is the first node, always: a promise that names another is not settled.
 *   - A node that has nothing to do is claimed again every few seconds, so that its lease lives.
 *
 * Threading: one thread.
 */
#ifndef REKEY_ENGINE_COORDINATOR_H
#define REKEY_ENGINE_COORDINATOR_H

#include "rekey/engine/decision.h"

#define RK_COORDINATOR_NODES_MAX   64
#define RK_COORDINATOR_DECISIONS   4 /* the most that one goal can need */
#define RK_COORDINATOR_PATIENCE_MS 30000u
#define RK_COORDINATOR_POLL_MS_MIN 5 /* between two questions how far a node is */

typedef enum rk_ask_kind {
    RK_ASK_LOOK,     /* who leads, what is promised */
    RK_ASK_CLAIM,    /* lead, in `epoch`, or go on leading */
    RK_ASK_DECISION, /* what became of `decision` */
    RK_ASK_COMMIT,
    RK_ASK_ABORT,
    RK_ASK_ACTIVATE, /* make the plan the active one */
    RK_ASK_START,    /* begin a run: `run`, named `work`, in the place of any earlier one */
    RK_ASK_POLL,     /* how far `work` is; renews the lead */
    RK_ASK_CANCEL,   /* stop `work` at a checkpoint */
    RK_ASK_RELEASE   /* give the lead back */
} rk_ask_kind;

/* One thing to ask of one node. */
typedef struct rk_ask {
    rk_ask_kind kind;
    size_t node;
    uint64_t epoch;          /* the coordinator's: part of every ask that changes something */
    rk_decision_id decision; /* DECISION, COMMIT, ABORT; START of a promise */
    uint64_t work;           /* START, POLL, CANCEL: numbered from 1 in each epoch */
    rk_run_options run;      /* START; `promise` is NULL or points to `promise` of this ask */
    rk_promise promise;
} rk_ask;

/* What the node said. Status RK_TIMEOUT and RK_UNCERTAIN: nothing is known, ask again. */
typedef struct rk_answer {
    rk_status status;
    rk_error error;
    /* LOOK */
    bool led;              /* somebody leads now */
    uint64_t leader_epoch; /* the highest so far, led or not */
    bool promised;
    rk_prepared prepared;
    bool has_canary; /* false while no migration is registered */
    /* DECISION */
    rk_decided decided;
    /* POLL */
    rk_run_state run_state;
    bool failed; /* the run ended by an error: status and error are its */
    bool gone;   /* the node was started anew, or stopped this work: it is to be started again */
    rk_run_progress progress; /* with static texts */
    char reason[RK_ERROR_MESSAGE_BYTES];
} rk_answer;

/* How far apart such questions lie when the work has taken so long: a part of that, so it is seen
 * to end so much late, within bounds. */
int64_t rk_coordinator_poll_ms(int64_t taken_ms);

typedef enum rk_coordinator_state {
    RK_COORDINATOR_GOING,
    RK_COORDINATOR_DONE,
    RK_COORDINATOR_NOT_CLEAN, /* as rk_run_state, of the node that said so first */
    RK_COORDINATOR_GATE,
    RK_COORDINATOR_SIGNAL,
    RK_COORDINATOR_FAILED,      /* rk_coordinator_end_of */
    RK_COORDINATOR_BUSY,        /* somebody else leads: rk_coordinator_end_of says who */
    RK_COORDINATOR_STALE,       /* a node's store is not the one that was planned for */
    RK_COORDINATOR_UNREACHABLE, /* a node did not answer for patience_ms */
    RK_COORDINATOR_INTERRUPTED
} rk_coordinator_state;

typedef struct rk_coordinator_options {
    size_t node_count;
    const char *decider; /* the first node's name; borrowed while the coordinator lives */
    rk_goal goal;
    bool one_tier;
    rk_tier tier;
    uint32_t workers;
    bool accept_loss;
    bool activates; /* a plan is to be activated first */
    uint32_t patience_ms;
    rk_decision_id decision[RK_COORDINATOR_DECISIONS]; /* random; used one after the other */
} rk_coordinator_options;

typedef struct rk_coordinator rk_coordinator;

rk_status rk_coordinator_create(const rk_coordinator_options *options, int64_t now_ms,
                                rk_coordinator **out, rk_error *err);
void rk_coordinator_destroy(rk_coordinator *coordinator); /* NULL allowed */

/* The next ask that is due; false when there is none until an answer or some time has come. An ask
 * that was given out is not given again before its answer. */
bool rk_coordinator_next(rk_coordinator *coordinator, int64_t now_ms, rk_ask *out);
void rk_coordinator_take(rk_coordinator *coordinator, int64_t now_ms, const rk_ask *ask,
                         const rk_answer *answer);

/* Ends soon, safely; what is decided is still spread. */
void rk_coordinator_interrupt(rk_coordinator *coordinator);

rk_coordinator_state rk_coordinator_state_of(const rk_coordinator *coordinator);

/* The node that ended it, and why, for people; `node` is node_count when it was none. */
typedef struct rk_coordinator_end {
    size_t node;
    rk_status status; /* what the node said; of FAILED */
    rk_error error;
    bool of_run; /* its run failed; else it refused what it was asked */
} rk_coordinator_end;
const rk_coordinator_end *rk_coordinator_end_of(const rk_coordinator *coordinator);

/* All nodes together: task and tier of the slowest, the rest added up. `waiting_for` (NULL allowed)
 * is a node that has not answered for a while, node_count for none. */
void rk_coordinator_progress(const rk_coordinator *coordinator, int64_t now_ms,
                             rk_run_progress *out, size_t *waiting_for);

/* Nodes to which the last decision could not be told; they learn it when they are back. */
size_t rk_coordinator_untold(const rk_coordinator *coordinator, size_t nodes[], size_t max);

#endif
