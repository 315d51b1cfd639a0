/* work.h: what a node does besides answering: one run, plan, verification, search or inspection at
 * a time.
 *
 * Requests start it, look at it and cancel it from any thread; the node's main thread steps it. It
 * is a lease: work that nobody has asked about for RK_WORK_LEASE_MS is stopped at its next step, so
 * that a coordinator that is gone leaves nothing running.
 *
 * Invariants
 *   - Work has a name, chosen by whoever starts it; starting it again changes nothing, and starting
 *     other work of the same leader stops this one first.
 *   - A stop comes between two steps: at a checkpoint.
 *   - A run is its leader's, other work its key's: nobody else stops it or keeps it alive.
 *   - What it came to is kept until other work is started.
 *
 * Threading: rk_work_step belongs to one thread, the rest may be called from any.
 */
#ifndef REKEY_NODE_WORK_H
#define REKEY_NODE_WORK_H

#include <jansson.h>

#include "rekey/base/clock.h"
#include "rekey/cluster/cluster.h"
#include "rekey/crypto/crypto.h"
#include "rekey/engine/run.h"

#define RK_WORK_LEASE_MS       20000
#define RK_WORK_NAME_BYTES_MAX 64

typedef struct rk_work rk_work;

/* Who asks. */
typedef struct rk_work_asker {
    const char *name; /* for the audit log */
    const rk_public_key *key;
    uint64_t epoch; /* that it leads in, as was checked; 0: it leads nothing */
} rk_work_asker;

/* Everything is borrowed. */
rk_status rk_work_create(rk_store *store, const rk_clock *clock, uint32_t workers, rk_work **out,
                         rk_error *err);

/* The tenants that a plan may find: those that live on the cluster's node at `self`. Before any
 * work; the cluster is borrowed. */
void rk_work_place(rk_work *work, const rk_cluster *cluster, size_t self);

/* Who lends chunks of the runs to workers; before any work, borrowed. */
void rk_work_lend(rk_work *work, const rk_lender *lender);

/* Not while a step is under way. NULL allowed. */
void rk_work_destroy(rk_work *work);

/* Starts what `order` says: {"name", "kind": "run" | "plan" | "verify" | "search" | "inspect",
 * "epoch", ...}, see specs/protocol.md. RK_BUSY: other work is under way, and named. RK_INVALID: an
 * order that cannot be understood. */
rk_status rk_work_start(rk_work *work, const json_t *order, const rk_work_asker *asker,
                        rk_error *err);

/* How far it is: {"name", "state", "progress": {...}, "reason", "result"}; a new object. The state
 * is "going", "finished", "not_clean", "gate", "signal", "failed" or "stopped"; for a name that is
 * not known "gone". Renews the lease, if the work is the asker's. */
json_t *rk_work_poll(rk_work *work, const char *name, const rk_work_asker *asker);

/* Has it stopped at its next step; unknown names are no error. RK_AUTH: it is not the asker's. */
rk_status rk_work_cancel(rk_work *work, const char *name, const rk_work_asker *asker,
                         rk_error *err);

/* The same for a run that a leader of an earlier epoch has begun. */
void rk_work_supersede(rk_work *work, uint64_t epoch);

/* Does a little, or waits up to wait_ms for something to do. */
void rk_work_step(rk_work *work, uint32_t wait_ms);

/* Stops what is under way, and lets nothing begin any more; then steps end it. */
void rk_work_close(rk_work *work);

/* The name of what is under way; "" for nothing. */
void rk_work_current(rk_work *work, char out[RK_WORK_NAME_BYTES_MAX + 1]);

#endif
