#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "rekey/audit/audit.h"
#include "rekey/engine/change.h"
#include "rekey/engine/tasks.h"

static const rki_task_rule task_rules[RKI_TASK_KINDS] = {
    [RKI_TASK_BEGIN] = {"begin", rki_begin_phase, NULL, NULL},
    [RKI_TASK_BACKFILL] = {"backfill", rki_begin_job, rki_step_job, rki_end_work},
    [RKI_TASK_VERIFY] = {"verify", rki_begin_verify, rki_step_verify, rki_end_work},
    [RKI_TASK_REVERIFY] = {"verify", rki_begin_reverify, rki_step_verify, rki_end_work},
    [RKI_TASK_FLIP] = {"flip", rki_begin_flip, NULL, NULL},
    [RKI_TASK_PROMISE] = {"promise", rki_begin_promise, NULL, NULL},
    [RKI_TASK_COLLISIONS] = {"look for losses", rki_begin_collisions, rki_step_collisions,
                             rki_end_work},
    [RKI_TASK_ROLLBACK] = {"rollback", rki_begin_rollback, NULL, NULL},
    [RKI_TASK_UNDO] = {"undo", rki_begin_job, rki_step_job, rki_end_work},
    [RKI_TASK_SWEEP_NEW] = {"sweep indexes", rki_begin_sweep, rki_step_sweep, rki_end_work},
    [RKI_TASK_UNDONE] = {"undone", rki_begin_undone, NULL, NULL},
    [RKI_TASK_CONTRACT] = {"contract", rki_begin_contract, NULL, NULL},
    [RKI_TASK_CLEAR] = {"delete old", rki_begin_job, rki_step_job, rki_end_work},
    [RKI_TASK_SWEEP_OLD] = {"sweep indexes", rki_begin_sweep, rki_step_sweep, rki_end_work},
    [RKI_TASK_FINISH] = {"finish", rki_begin_finish, NULL, NULL},
};

const rki_task_rule *rki_task_rule_of(rki_task_kind kind)
{
    return &task_rules[kind];
}

rk_tier rki_run_tier(const rk_run *run)
{
    return run->task[run->current].tier;
}

void rki_run_stop(rk_run *run, rk_run_state outcome, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(run->reason, sizeof run->reason, format, args);
    va_end(args);
    run->outcome = outcome;
}

/* --- write transactions ----------------------------------------------------------------------- */

/* A change of a run; `takes` is the one that takes the lease in the first place. */
typedef struct run_change {
    rk_run *run;
    rki_change change;
    bool takes;
} run_change;

static rk_status do_change(rk_txn *txn, void *context, bool *changed, rk_error *err)
{
    const run_change *what = context;
    rk_run *run = what->run;
    rk_migration *migration = run->migration;
    rk_run_state before = run->outcome;
    rk_status status = RK_OK;
    if (!what->takes)
        status = rki_lease_hold(txn, migration->tables.meta, &migration->actor,
                                rk_clock_wall_ms(migration->clock), err);
    if (status == RK_OK)
        status = what->change(run, txn, err);
    bool refused = run->outcome != before;
    *changed = !refused;
    return status;
}

rk_status rki_run_change(rk_run *run, rki_change change, rk_error *err)
{
    run_change what = {.run = run, .change = change};
    return rki_change_store(run->migration->store, do_change, &what, err);
}

rk_status rki_log(const rk_migration *migration, rk_txn *txn, uint64_t epoch, const char *event,
                  const char *detail, rk_error *err)
{
    rk_audit_entry entry = {.wall_ms = rk_clock_wall_ms(migration->clock), .epoch = epoch};
    snprintf(entry.actor, sizeof entry.actor, "%s", migration->actor.name);
    snprintf(entry.event, sizeof entry.event, "%s", event);
    snprintf(entry.detail, sizeof entry.detail, "%s", detail);
    return rk_audit_append(txn, migration->tables.meta, &entry, err);
}

rk_status rki_run_log(rk_run *run, rk_txn *txn, const char *event, const char *detail,
                      rk_error *err)
{
    return rki_log(run->migration, txn, run->state.epoch, event, detail, err);
}

/* --- the list of tasks ------------------------------------------------------------------------ */

static void add_task(rk_run *run, rki_task_kind kind, rk_tier tier)
{
    run->task[run->task_count++] = (rki_task){kind, tier};
}

static void add_contract(rk_run *run, rk_tier tier, rk_phase phase)
{
    if (phase == RK_PHASE_FLIPPED)
        add_task(run, RKI_TASK_CONTRACT, tier);
    add_task(run, RKI_TASK_CLEAR, tier);
    add_task(run, RKI_TASK_SWEEP_OLD, tier);
    add_task(run, RKI_TASK_FINISH, tier);
}

/* Goals of `run`: as far forward as the goal says, from wherever the tier is. */
static rk_status list_forward(rk_run *run, rk_tier tier, rk_error *err)
{
    const rk_tier_state *state = &run->state.tier[tier];
    rk_goal goal = run->options.goal;
    if (state->undoing)
        return rk_error_set(err, RK_CONFLICT,
                            "a rollback of tier %s has begun and not ended: finish it with "
                            "`rekey rollback`",
                            rk_tier_name(tier));
    if (state->phase == RK_PHASE_OLD)
        add_task(run, RKI_TASK_BEGIN, tier);
    if (state->phase <= RK_PHASE_DUAL_WRITE) {
        add_task(run, RKI_TASK_BACKFILL, tier);
        if (goal >= RK_GOAL_VERIFIED)
            add_task(run, RKI_TASK_VERIFY, tier);
        if (goal >= RK_GOAL_FLIPPED)
            add_task(run, RKI_TASK_FLIP, tier);
    }
    if (goal == RK_GOAL_DONE && state->phase != RK_PHASE_DONE)
        add_contract(run, tier, state->phase <= RK_PHASE_FLIPPED ? RK_PHASE_FLIPPED : state->phase);
    return RK_OK;
}

static rk_status list_flip(rk_run *run, rk_tier tier, rk_error *err)
{
    const rk_tier_state *state = &run->state.tier[tier];
    if (state->undoing || state->phase == RK_PHASE_OLD)
        return rk_error_set(err, RK_CONFLICT,
                            "tier %s is in phase old: nothing has been migrated yet",
                            rk_tier_name(tier));
    if (state->phase == RK_PHASE_DUAL_WRITE)
        add_task(run, RKI_TASK_REVERIFY, tier);
    if (run->options.promise)
        add_task(run, RKI_TASK_PROMISE, tier);
    else if (state->phase == RK_PHASE_DUAL_WRITE)
        add_task(run, RKI_TASK_FLIP, tier);
    return RK_OK;
}

static rk_status list_rollback(rk_run *run, rk_tier tier, rk_error *err)
{
    const rk_tier_state *state = &run->state.tier[tier];
    if (state->phase >= RK_PHASE_CONTRACTED)
        return rk_error_set(err, RK_CONFLICT,
                            "tier %s is in phase %s, past the rollback boundary: the way back is a "
                            "reverse migration, a new plan",
                            rk_tier_name(tier), rk_phase_name(state->phase));
    bool is_back = state->phase == RK_PHASE_OLD && !state->undoing;
    if (!is_back && !state->undoing)
        add_task(run, RKI_TASK_COLLISIONS, tier);
    if (run->options.promise)
        add_task(run, RKI_TASK_PROMISE, tier);
    if (is_back || run->options.promise)
        return RK_OK;
    if (!state->undoing)
        add_task(run, RKI_TASK_ROLLBACK, tier);
    add_task(run, RKI_TASK_UNDO, tier);
    add_task(run, RKI_TASK_SWEEP_NEW, tier);
    add_task(run, RKI_TASK_UNDONE, tier);
    return RK_OK;
}

static rk_status list_contract(rk_run *run, rk_tier tier, rk_error *err)
{
    const rk_tier_state *state = &run->state.tier[tier];
    if (state->phase < RK_PHASE_FLIPPED || state->undoing)
        return rk_error_set(err, RK_CONFLICT, "tier %s is in phase %s: flip it first",
                            rk_tier_name(tier), rk_phase_name(state->phase));
    if (run->options.promise)
        add_task(run, RKI_TASK_PROMISE, tier);
    else if (state->phase != RK_PHASE_DONE)
        add_contract(run, tier, state->phase);
    return RK_OK;
}

static rk_status list_tier(rk_run *run, rk_tier tier, rk_error *err)
{
    switch (run->options.goal) {
    case RK_GOAL_FLIP:
        return list_flip(run, tier, err);
    case RK_GOAL_ROLLBACK:
        return list_rollback(run, tier, err);
    case RK_GOAL_CONTRACT:
        return list_contract(run, tier, err);
    default:
        return list_forward(run, tier, err);
    }
}

/* Rollback looks for losses in every tier before it changes any. */
static void looks_first(rk_run *run)
{
    size_t front = 0;
    for (size_t i = 0; i < run->task_count; i++) {
        if (run->task[i].kind != RKI_TASK_COLLISIONS)
            continue;
        rki_task look = run->task[i];
        for (size_t j = i; j > front; j--)
            run->task[j] = run->task[j - 1];
        run->task[front++] = look;
    }
}

static rk_status list_tasks(rk_run *run, rk_error *err)
{
    const rk_run_options *options = &run->options;
    if (options->one_tier && options->tier == RK_TIER_CANARY && !run->state.has_canary)
        return rk_error_set(err, RK_INVALID, "the spec names no canary tenants");
    rk_status status = RK_OK;
    for (int tier = 0; status == RK_OK && tier < RK_TIER_COUNT; tier++) {
        bool skipped = options->one_tier && (rk_tier)tier != options->tier;
        if (tier == RK_TIER_CANARY && !run->state.has_canary)
            skipped = true;
        if (!skipped)
            status = list_tier(run, (rk_tier)tier, err);
    }
    looks_first(run);
    /* Production's backfill came after the canary verification: bring that up to date, so that one
     * verdict holds for the whole store. */
    bool both = run->state.has_canary && !options->one_tier;
    if (both && options->goal == RK_GOAL_VERIFIED &&
        run->state.tier[RK_TIER_CANARY].phase <= RK_PHASE_DUAL_WRITE)
        add_task(run, RKI_TASK_REVERIFY, RK_TIER_CANARY);
    return status;
}

/* --- life cycle ------------------------------------------------------------------------------- */

static rk_status do_take_lease(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_migration *migration = run->migration;
    char detail[64];
    rk_status status = rki_lease_take(txn, migration->tables.meta, &migration->actor,
                                      rk_clock_wall_ms(migration->clock), err);
    if (status == RK_OK)
        status = rk_state_load(rk_txn_view(txn), migration->tables.meta, &run->state, err);
    if (status == RK_OK && run->state.stopped_by[0]) {
        run->state.stopped_by[0] = '\0';
        status = rk_state_save(txn, migration->tables.meta, &run->state, err);
    }
    snprintf(detail, sizeof detail, "%s began", migration->actor.lease.command);
    if (status == RK_OK)
        status = rki_run_log(run, txn, "run", detail, err);
    return status;
}

/* A goal that cannot be reached from here must change nothing: look before taking the lease. */
static rk_status look_and_list(rk_run *run, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_table meta = migration->tables.meta;
    rk_lease holder;
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_state_load(view, meta, &run->state, err);
    if (status == RK_OK) {
        status = rk_lease_load(view, meta, &holder, err);
        if (status == RK_OK)
            status =
                rki_lease_free(&holder, &migration->actor, rk_clock_wall_ms(migration->clock), err);
        else if (status == RK_NOT_FOUND)
            status = RK_OK;
    }
    rk_snapshot_close(view);
    return status == RK_OK ? list_tasks(run, err) : status;
}

rk_status rk_run_create(rk_migration *migration, const rk_run_options *options, rk_run **out,
                        rk_error *err)
{
    rk_run *run = calloc(1, sizeof *run);
    if (!run)
        return rk_error_set(err, RK_NOMEM, "run: out of memory");
    run->migration = migration;
    run->options = *options;
    rk_status status = look_and_list(run, err);
    if (status != RK_OK) {
        free(run);
        return status;
    }
    *out = run;
    return RK_OK;
}

static void end_task(rk_run *run)
{
    if (!run->begun)
        return;
    const rki_task_rule *rule = &task_rules[run->task[run->current].kind];
    if (rule->end)
        rule->end(run);
    run->begun = false;
}

/* The search for losses only reads: a rollback that it refuses leaves no trace in the store. */
static rk_status take_lease(rk_run *run, rk_error *err)
{
    if (run->lease_taken || run->task[run->current].kind == RKI_TASK_COLLISIONS)
        return RK_OK;
    run_change what = {.run = run, .change = do_take_lease, .takes = true};
    rk_status status = rki_change_store(run->migration->store, do_change, &what, err);
    run->lease_taken = status == RK_OK;
    return status;
}

rk_status rk_run_step(rk_run *run, rk_run_state *state, rk_error *err)
{
    bool done = false;
    rk_status status = RK_OK;
    if (run->current == run->task_count) {
        run->outcome = RK_RUN_FINISHED;
    } else {
        const rki_task_rule *rule = &task_rules[run->task[run->current].kind];
        status = take_lease(run, err);
        if (status != RK_OK)
            return status;
        bool begins = !run->begun;
        run->begun = true;
        status = begins ? rule->begin(run, &done, err) : rule->step(run, &done, err);
        if (status != RK_OK)
            return rk_error_context(err, status, "%s, tier %s", rule->name,
                                    rk_tier_name(rki_run_tier(run)));
        if (done && run->outcome == RK_RUN_GOING) {
            end_task(run);
            run->current++;
        }
    }
    *state = run->outcome;
    return RK_OK;
}

void rk_run_progress_of(const rk_run *run, rk_run_progress *out)
{
    size_t current = run->current < run->task_count ? run->current : run->task_count;
    *out = (rk_run_progress){.task = "done", .tier = "", .changes = run->changes};
    if (current < run->task_count) {
        out->task = task_rules[run->task[current].kind].name;
        out->tier = rk_tier_name(run->task[current].tier);
    }
    if (!run->begun || !run->runner.pipeline) {
        if (run->verification)
            out->done = rk_verify_report_of(run->verification)->records;
        return;
    }
    const rk_checkpoint *point = &run->runner.writer.point;
    out->done = point->quarantined;
    for (size_t i = 0; i < run->migration->spec->entity_count; i++)
        out->done += point->done[i];
    out->total = run->total;
    out->batch_units = run->runner.throttle.batch_units;
    out->quarantined = point->quarantined;
    out->changes += point->changes - run->runner.changes_before;
}

const char *rk_run_reason(const rk_run *run)
{
    return run->reason;
}

const rk_verify_report *rk_run_report(const rk_run *run)
{
    return run->has_report ? &run->report : NULL;
}

const rki_losses *rk_run_losses(const rk_run *run)
{
    return &run->collisions.losses;
}

static rk_status do_release(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_status status = rki_run_log(run, txn, "run", run->reason, err);
    if (status == RK_OK)
        status = rki_lease_release(txn, migration->tables.meta, &migration->actor, err);
    return status;
}

rk_status rk_run_end(rk_run *run, const char *outcome, rk_error *err)
{
    if (!run)
        return RK_OK;
    rk_status status = RK_OK;
    end_task(run);
    if (run->lease_taken) {
        snprintf(run->reason, sizeof run->reason, "%s %.256s", run->migration->actor.lease.command,
                 outcome);
        status = rki_run_change(run, do_release, err);
    }
    free(run);
    return status;
}
