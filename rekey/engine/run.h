/* run.h: advancing one migration, step by step.
 *
 * A migration is a registered spec in a store. A run has a goal (backfilled, verified, flipped,
 * done; or one of the single changes: flip, rollback, contract) and turns it into a list of tasks,
 * given the tiers' phases: begin, backfill, verify, flip, contract, ... Each call of rk_run_step
 * does one short piece of the current task, a batch or a few thousand records, and says how far it
 * is. Nothing here sleeps, draws or reads a clock of its own; stopping between two steps is always
 * safe, and a run that is started again goes on where the checkpoint says.
 *
 * Order of a run (specs/phases.md): canary tenants first. In each tier the template entity is
 * backfilled alone and verified before any other starts.
 *
 *     rk_run *run = NULL;
 *     rk_status status = rk_run_create(migration, &options, &run, &err);
 *     rk_run_state state = RK_RUN_GOING;
 *     while (status == RK_OK && state == RK_RUN_GOING)
 *         status = rk_run_step(run, &state, &err);
 *     rk_run_end(run, ...);
 *
 * Threading: one thread; the scan pipeline below it has its own.
 */
#ifndef REKEY_ENGINE_RUN_H
#define REKEY_ENGINE_RUN_H

#include "rekey/base/clock.h"
#include "rekey/engine/lease.h"
#include "rekey/engine/lend.h"
#include "rekey/engine/verify.h"
#include "rekey/plan/plan.h"
#include "rekey/state/decision.h"

/* --- a migration in a store ------------------------------------------------------------------- */

typedef struct rk_migration {
    rk_store *store;
    const rk_clock *clock;
    rk_actor actor;
    rk_spec_source source;
    rk_spec *spec;
    rk_tables tables;
} rk_migration;

/* Opens the migration that is registered. `create` also makes index tables that are not there yet
 * (needs a writable store). RK_NOT_FOUND: none is registered. */
rk_status rk_migration_open(rk_store *store, const rk_clock *clock, const rk_actor *actor,
                            bool create, rk_migration **out, rk_error *err);
void rk_migration_close(rk_migration *migration);

/* Its state in a snapshot of its own. As rk_state_load. */
rk_status rk_migration_state(const rk_migration *migration, rk_state *out, rk_error *err);

/* Registers a spec, in phase old. *changed is false when exactly it is registered already. As
 * rk_state_register. */
rk_status rk_migration_register(rk_store *store, const rk_clock *clock, const rk_actor *actor,
                                const rk_spec *spec, const rk_spec_source *source, bool *changed,
                                rk_error *err);

/* Registers the plan's spec and makes the plan the active one. RK_CONFLICT when the plan is stale
 * or used, or another migration is registered; RK_BUSY when somebody holds the lease. */
rk_status rk_migration_activate(rk_store *store, const rk_clock *clock, const rk_actor *actor,
                                const rk_plan *plan, rk_error *err);

/* --- a run ------------------------------------------------------------------------------------ */

typedef enum rk_goal {
    RK_GOAL_BACKFILLED,
    RK_GOAL_VERIFIED,
    RK_GOAL_FLIPPED,
    RK_GOAL_DONE,
    RK_GOAL_FLIP, /* the single changes */
    RK_GOAL_ROLLBACK,
    RK_GOAL_CONTRACT
} rk_goal;

/* A single change that a whole cluster makes or does not make (decision.h): the run passes its
 * gates, promises it, and ends there. */
typedef struct rk_promise {
    rk_decision_id id;
    char decider[RK_NODE_NAME_BYTES_MAX + 1];
    uint64_t epoch; /* of the coordinator: one that is overtaken promises nothing; 0: none leads */
} rk_promise;

typedef struct rk_run_options {
    rk_goal goal;
    bool one_tier; /* only `tier` */
    rk_tier tier;
    uint32_t workers;          /* scanner threads, at least 1 */
    bool accept_loss;          /* ROLLBACK */
    const rk_promise *promise; /* FLIP, ROLLBACK, CONTRACT: do not change the phase; NULL: do */
    const rk_lender *lender;   /* of chunks to other processes; NULL: none */
} rk_run_options;

typedef enum rk_run_state {
    RK_RUN_GOING,
    RK_RUN_FINISHED,  /* the goal is reached */
    RK_RUN_NOT_CLEAN, /* a verification found differences: rk_run_report */
    RK_RUN_GATE,      /* a gate said no: rk_run_reason */
    RK_RUN_SIGNAL     /* a stop signal fired: rk_run_reason is its name */
} rk_run_state;

/* How far the current task is. */
typedef struct rk_run_progress {
    const char *task; /* "backfill", "verify", ... */
    const char *tier;
    uint64_t done;
    uint64_t total;
    uint32_t batch_units;
    uint64_t quarantined;
    uint64_t changes; /* units applied by this run */
} rk_run_progress;

typedef struct rk_run rk_run;

/* Lists the tasks; the first that changes anything takes the lease. RK_BUSY names the lease's
 * holder. RK_CONFLICT when the goal cannot be reached from here (a flip before anything was
 * backfilled, a rollback after contract), saying what can. */
rk_status rk_run_create(rk_migration *migration, const rk_run_options *options, rk_run **out,
                        rk_error *err);

/* Does a little more. A failure leaves the last checkpoint as the place to go on from. */
rk_status rk_run_step(rk_run *run, rk_run_state *state, rk_error *err);

void rk_run_progress_of(const rk_run *run, rk_run_progress *out);
const char *rk_run_reason(const rk_run *run);

/* The last verification's report; NULL when there was none. */
const rk_verify_report *rk_run_report(const rk_run *run);

/* What a rollback would lose, when its gate said so. Lives in engine/collisions.h. */
typedef struct rki_losses rk_losses;
const rk_losses *rk_run_losses(const rk_run *run);

/* Joins the threads, writes how it ended into the audit log, gives the lease back, and frees the
 * run. NULL allowed. `outcome` is a word for the log: "finished", "interrupted", "failed: ...". */
rk_status rk_run_end(rk_run *run, const char *outcome, rk_error *err);

#endif
