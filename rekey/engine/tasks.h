/* tasks.h: the pieces that a run is made of.
 *
 * A run is a list of (task, tier). Each kind of task has a row in one table: its name, how it
 * begins, how it goes on, how it is cleaned up. Changes of phase are tasks that only begin: one
 * write transaction that checks the lease, judges the gates, changes the state, and writes the
 * audit entry.
 */
#ifndef REKEY_ENGINE_TASKS_H
#define REKEY_ENGINE_TASKS_H

#include "rekey/engine/collisions.h"
#include "rekey/engine/run.h"
#include "rekey/engine/runner.h"
#include "rekey/engine/sweep.h"

typedef enum rki_task_kind {
    RKI_TASK_BEGIN,      /* old -> dual_write */
    RKI_TASK_BACKFILL,   /* template entity, its verification, then the rest */
    RKI_TASK_VERIFY,     /* compare, and record the verdict */
    RKI_TASK_REVERIFY,   /* the same, only if something changed since the recorded verdict */
    RKI_TASK_FLIP,       /* dual_write -> flipped, through the gates */
    RKI_TASK_PROMISE,    /* the gates of a change that a cluster decides together */
    RKI_TASK_COLLISIONS, /* what would a rollback lose? */
    RKI_TASK_ROLLBACK,   /* back towards old; undoing begins */
    RKI_TASK_UNDO,       /* drop new copies, or return records */
    RKI_TASK_SWEEP_NEW,  /* leftover index entries of the new side */
    RKI_TASK_UNDONE,     /* undoing ends: phase old, plan used up */
    RKI_TASK_CONTRACT,   /* flipped -> contracted: the rollback boundary */
    RKI_TASK_CLEAR,      /* delete old copies */
    RKI_TASK_SWEEP_OLD,
    RKI_TASK_FINISH, /* contracted -> done */
    RKI_TASK_KINDS
} rki_task_kind;

typedef struct rki_task {
    rki_task_kind kind;
    rk_tier tier;
} rki_task;

#define RKI_TASKS_MAX 32

struct rk_run {
    rk_migration *migration;
    rk_run_options options;
    rki_task task[RKI_TASKS_MAX];
    size_t task_count;
    size_t current;
    bool begun; /* the current task */
    bool lease_taken;

    rk_state state; /* as of the current task's beginning */
    rk_active_plan plan;
    bool has_plan;

    rki_job job; /* of the current task */
    rki_runner runner;
    uint32_t stage;
    rk_verification *verification;
    bool verifying_template;
    rk_evidence evidence; /* when the verification began */
    rki_sweep *sweep;
    rki_collisions collisions;

    rk_verify_report report;
    bool has_report;
    rk_run_state outcome;
    char reason[RK_ERROR_MESSAGE_BYTES];
    uint64_t changes;
    uint64_t total;
};

typedef struct rki_task_rule {
    const char *name;
    /* Both may set run->outcome to stop the run. `done` of begin: nothing is left to step. */
    rk_status (*begin)(rk_run *run, bool *done, rk_error *err);
    rk_status (*step)(rk_run *run, bool *done, rk_error *err);
    void (*end)(rk_run *run); /* NULL: nothing to clean up */
} rki_task_rule;

const rki_task_rule *rki_task_rule_of(rki_task_kind kind);

/* The current task's tier. */
rk_tier rki_run_tier(const rk_run *run);

/* Runs `change` in a write transaction that holds the lease, and commits; grows the map as needed.
 */
typedef rk_status (*rki_change)(rk_run *run, rk_txn *txn, rk_error *err);
rk_status rki_run_change(rk_run *run, rki_change change, rk_error *err);

/* Moves a tier's phase as the table allows, raises the epoch and writes the audit entry; with
 * `undoing`, what was known of the way forward is forgotten. `state` is as the transaction sees it,
 * and changed. */
rk_status rki_move_tier(rk_migration *migration, rk_txn *txn, rk_state *state, rk_tier tier,
                        rk_move move, bool undoing, rk_error *err);

/* RK_CONFLICT while this node has promised a change and does not know whether it was decided. */
rk_status rki_check_promise(const rk_migration *migration, rk_view *view, rk_error *err);

/* Appends to the audit log. */
rk_status rki_log(const rk_migration *migration, rk_txn *txn, uint64_t epoch, const char *event,
                  const char *detail, rk_error *err);
rk_status rki_run_log(rk_run *run, rk_txn *txn, const char *event, const char *detail,
                      rk_error *err);

/* Stops the run with a reason, which is not an error. */
void rki_run_stop(rk_run *run, rk_run_state outcome, const char *format, ...) RK_PRINTF(3, 4);

/* The tasks with work to do (tasks_work.c), and those that change the phase (tasks_phase.c). */
rk_status rki_begin_phase(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_flip(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_promise(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_rollback(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_undone(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_contract(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_finish(rk_run *run, bool *done, rk_error *err);
rk_status rki_record_verdict(rk_run *run, bool clean, rk_error *err);

rk_status rki_begin_job(rk_run *run, bool *done, rk_error *err);
rk_status rki_step_job(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_verify(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_reverify(rk_run *run, bool *done, rk_error *err);
rk_status rki_step_verify(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_sweep(rk_run *run, bool *done, rk_error *err);
rk_status rki_step_sweep(rk_run *run, bool *done, rk_error *err);
rk_status rki_begin_collisions(rk_run *run, bool *done, rk_error *err);
rk_status rki_step_collisions(rk_run *run, bool *done, rk_error *err);
void rki_end_work(rk_run *run);

#endif
