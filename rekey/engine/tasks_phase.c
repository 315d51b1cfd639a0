#include <inttypes.h>
#include <stdio.h>

#include "rekey/audit/audit.h"
#include "rekey/engine/change.h"
#include "rekey/engine/tasks.h"

#define SWEEP_COUNT 1000

rk_status rki_move_tier(rk_migration *migration, rk_txn *txn, rk_state *state, rk_tier tier,
                        rk_move move, bool undoing, rk_error *err)
{
    rk_table meta = migration->tables.meta;
    rk_tier_state *entry = &state->tier[tier];
    rk_phase from = entry->phase;
    rk_phase to;
    if (!rk_phase_allows(migration->spec->strategy, from, move, &to))
        return rk_error_set(err, RK_CONFLICT, "tier %s is in phase %s, which does not allow it",
                            rk_tier_name(tier), rk_phase_name(from));
    entry->phase = to;
    entry->undoing = undoing;
    entry->epoch = ++state->epoch;
    state->stopped_by[0] = '\0';
    rk_status status = rk_state_save(txn, meta, state, err);
    if (status == RK_OK && undoing)
        status = rk_checkpoint_clear(txn, meta, tier, err);
    if (status == RK_OK && undoing)
        status = rk_verdict_clear(txn, meta, tier, err);
    if (status != RK_OK)
        return status;
    char detail[128];
    snprintf(detail, sizeof detail, "tier %s: %s -> %s%s", rk_tier_name(tier), rk_phase_name(from),
             rk_phase_name(to), undoing ? ", undoing" : "");
    return rki_log(migration, txn, state->epoch, "phase", detail, err);
}

/* What all nodes of a cluster decide together, no command changes in the store of one. */
static rk_status check_alone(const rk_migration *migration, rk_view *view, rk_move move,
                             rk_error *err)
{
    rk_placement placement;
    if (move == RK_MOVE_BEGIN || move == RK_MOVE_FINISH)
        return RK_OK;
    rk_status status = rk_placement_load(view, migration->tables.meta, &placement, err);
    if (status == RK_OK)
        return rk_error_set(err, RK_CONFLICT,
                            "the store belongs to node %s of a cluster, whose nodes %s together: "
                            "use --cluster",
                            placement.node, rk_move_name(move));
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* The current task's tier, in a store of nobody else's that has promised nothing. */
static rk_status change_phase(rk_run *run, rk_txn *txn, rk_move move, bool undoing, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_view *view = rk_txn_view(txn);
    rk_status status = rki_check_promise(migration, view, err);
    if (status == RK_OK)
        status = check_alone(migration, view, move, err);
    if (status == RK_OK)
        status = rk_state_load(view, migration->tables.meta, &run->state, err);
    if (status != RK_OK)
        return status;
    return rki_move_tier(migration, txn, &run->state, rki_run_tier(run), move, undoing, err);
}

/* --- notes ------------------------------------------------------------------------------------ */

typedef struct note_sweep {
    rk_table meta;
    const char *prefix;
    bool more; /* out */
} note_sweep;

static rk_status do_sweep_notes(rk_txn *txn, void *context, bool *changed, rk_error *err)
{
    note_sweep *what = context;
    *changed = true;
    return rk_state_sweep(txn, what->meta, what->prefix, SWEEP_COUNT, &what->more, err);
}

static rk_status sweep_notes(const rk_migration *migration, const char *prefix, rk_error *err)
{
    note_sweep what = {migration->tables.meta, prefix, true};
    rk_status status = RK_OK;
    while (status == RK_OK && what.more)
        status = rki_change_store(migration->store, do_sweep_notes, &what, err);
    return status;
}

/* Once every tier is where `phase` says, what was noted on the way there means nothing any more,
 * and would mislead a later migration. */
static rk_status sweep_when_all(rk_run *run, rk_phase phase, rk_error *err)
{
    for (int tier = 0; tier < RK_TIER_COUNT; tier++)
        if ((tier == RK_TIER_PRODUCTION || run->state.has_canary) &&
            (run->state.tier[tier].phase != phase || run->state.tier[tier].undoing))
            return RK_OK;
    rk_status status = sweep_notes(run->migration, RK_PREFIX_SHADOW, err);
    if (status == RK_OK)
        status = sweep_notes(run->migration, RK_PREFIX_KEPT, err);
    return status;
}

/* --- begin, contract, finish ------------------------------------------------------------------ */

static rk_status do_begin(rk_run *run, rk_txn *txn, rk_error *err)
{
    return change_phase(run, txn, RK_MOVE_BEGIN, false, err);
}

/* A crash may have come between the end of an earlier migration and the sweep that follows it. */
rk_status rki_begin_phase(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    rk_status status = sweep_when_all(run, RK_PHASE_OLD, err);
    return status == RK_OK ? rki_run_change(run, do_begin, err) : status;
}

static rk_status do_contract(rk_run *run, rk_txn *txn, rk_error *err)
{
    return change_phase(run, txn, RK_MOVE_CONTRACT, false, err);
}

rk_status rki_begin_contract(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    return rki_run_change(run, do_contract, err);
}

static rk_status do_finish(rk_run *run, rk_txn *txn, rk_error *err)
{
    return change_phase(run, txn, RK_MOVE_FINISH, false, err);
}

rk_status rki_begin_finish(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    rk_status status = rki_run_change(run, do_finish, err);
    return status == RK_OK ? sweep_when_all(run, RK_PHASE_DONE, err) : status;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static rk_status do_verdict(rk_run *run, rk_txn *txn, bool clean, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_tier tier = rki_run_tier(run);
    rk_verdict verdict = {.clean = clean,
                          .epoch = run->state.tier[tier].epoch,
                          .plan = run->plan.digest,
                          .evidence = run->evidence,
                          .wall_ms = rk_clock_wall_ms(migration->clock)};
    char detail[160];
    snprintf(detail, sizeof detail, "tier %s: %s, %" PRIu64 " records, %" PRIu64 " differences",
             rk_tier_name(tier), clean ? "clean" : "not clean", run->report.records,
             run->report.differences);
    rk_status status = rk_verdict_save(txn, migration->tables.meta, tier, &verdict, err);
    if (status == RK_OK)
        status = rki_run_log(run, txn, "verify", detail, err);
    return status;
}

static rk_status do_clean(rk_run *run, rk_txn *txn, rk_error *err)
{
    return do_verdict(run, txn, true, err);
}

static rk_status do_not_clean(rk_run *run, rk_txn *txn, rk_error *err)
{
    return do_verdict(run, txn, false, err);
}

rk_status rki_record_verdict(rk_run *run, bool clean, rk_error *err)
{
    return rki_run_change(run, clean ? do_clean : do_not_clean, err);
}

/* --- flip ------------------------------------------------------------------------------------- */

/* The verdict must be of this tier's epoch and this plan, clean, and not overtaken. */
static rk_status judge_verdict(rk_run *run, rk_view *view, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_table meta = migration->tables.meta;
    rk_tier tier = rki_run_tier(run);
    const char *name = rk_tier_name(tier);
    rk_verdict verdict;
    rk_evidence now;
    const char *against;
    rk_status status = rk_verdict_load(view, meta, tier, &verdict, err);
    if (status == RK_NOT_FOUND) {
        rki_run_stop(run, RK_RUN_GATE, "tier %s has not been verified", name);
        return RK_OK;
    }
    if (status == RK_OK)
        status = rk_evidence_load(view, meta, migration->spec, &now, err);
    if (status != RK_OK)
        return status;
    if (!verdict.clean)
        rki_run_stop(run, RK_RUN_GATE, "the last verification of tier %s was not clean", name);
    else if (verdict.epoch != run->state.tier[tier].epoch ||
             memcmp(&verdict.plan, &run->plan.digest, sizeof verdict.plan) != 0)
        rki_run_stop(run, RK_RUN_GATE, "the verification of tier %s is of another plan or epoch",
                     name);
    else if ((against = rk_evidence_against(&verdict.evidence, &now)) != NULL)
        rki_run_stop(run, RK_RUN_GATE, "%s", against);
    return RK_OK;
}

static rk_status judge_quarantine(rk_run *run, rk_view *view, rk_error *err)
{
    rk_migration *migration = run->migration;
    uint64_t max = migration->spec->limits.quarantine_max;
    uint64_t count;
    rk_status status = rk_quarantine_count(view, migration->tables.meta, &count, err);
    if (status == RK_OK && count > max)
        rki_run_stop(run, RK_RUN_GATE,
                     "%" PRIu64 " records are in quarantine; limits.quarantine_max is %" PRIu64,
                     count, max);
    return status;
}

/* Sets the run's outcome when the gates of the flip say no. */
static rk_status judge_flip(rk_run *run, rk_view *view, rk_error *err)
{
    rk_table meta = run->migration->tables.meta;
    rk_status status = rk_state_load(view, meta, &run->state, err);
    if (status == RK_OK)
        status = rk_active_plan_load(view, meta, &run->plan, err);
    if (status == RK_NOT_FOUND) {
        rki_run_stop(run, RK_RUN_GATE, "no plan is active");
        return RK_OK;
    }
    if (status == RK_OK)
        status = judge_verdict(run, view, err);
    if (status == RK_OK && run->outcome == RK_RUN_GOING)
        status = judge_quarantine(run, view, err);
    return status;
}

static rk_status do_flip(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_status status = judge_flip(run, rk_txn_view(txn), err);
    if (status == RK_OK && run->outcome == RK_RUN_GOING)
        status = change_phase(run, txn, RK_MOVE_FLIP, false, err);
    return status;
}

rk_status rki_begin_flip(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    return rki_run_change(run, do_flip, err);
}

/* --- promises --------------------------------------------------------------------------------- */

static rk_move move_of(rk_goal goal)
{
    return goal == RK_GOAL_FLIP       ? RK_MOVE_FLIP
           : goal == RK_GOAL_ROLLBACK ? RK_MOVE_ROLLBACK
                                      : RK_MOVE_CONTRACT;
}

/* A run goes on for a while after its coordinator is gone: what it would promise then is nobody's.
 */
static rk_status check_leader(const rk_promise *promise, rk_view *view, rk_table meta,
                              rk_error *err)
{
    rk_leader leader;
    rk_status status = promise->epoch ? rk_leader_load(view, meta, &leader, err) : RK_NOT_FOUND;
    if (status == RK_OK && leader.epoch != promise->epoch)
        return rk_error_set(err, RK_CONFLICT,
                            "epoch %" PRIu64 " is over: %s holds the lease, in epoch %" PRIu64,
                            promise->epoch, leader.holder, leader.epoch);
    return status == RK_NOT_FOUND ? RK_OK : status;
}

/* The promise as it stands, or a new one. */
static rk_status find_promise(const rk_run *run, rk_view *view, rk_prepared *out, rk_error *err)
{
    const rk_promise *promise = run->options.promise;
    rk_table meta = run->migration->tables.meta;
    rk_status fenced = check_leader(promise, view, meta, err);
    if (fenced != RK_OK)
        return fenced;
    bool committed;
    rk_status status = rk_decided_load(view, meta, &promise->id, &committed, err);
    if (status == RK_OK)
        return rk_error_set(err, RK_CONFLICT, "this decision has been made already: %s",
                            committed ? "committed" : "aborted");
    if (status == RK_NOT_FOUND)
        status = rk_prepared_load(view, meta, out, err);
    if (status == RK_OK)
        return memcmp(&out->id, &promise->id, sizeof out->id) == 0
                   ? RK_OK
                   : rki_check_promise(run->migration, view, err);
    if (status != RK_NOT_FOUND)
        return status;
    *out = (rk_prepared){
        .id = promise->id, .move = move_of(run->options.goal), .epoch = run->state.epoch};
    snprintf(out->decider, sizeof out->decider, "%s", promise->decider);
    return RK_OK;
}

/* A tier that is there already is promised nothing: the change passes it by. */
static rk_status do_promise(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_view *view = rk_txn_view(txn);
    rk_table meta = run->migration->tables.meta;
    rk_tier tier = rki_run_tier(run);
    rk_prepared prepared;
    rk_phase to;
    rk_status status = rk_state_load(view, meta, &run->state, err);
    if (status == RK_OK)
        status = find_promise(run, view, &prepared, err);
    if (status != RK_OK)
        return status;
    const rk_tier_state *state = &run->state.tier[tier];
    bool moves = !state->undoing &&
                 rk_phase_allows(run->migration->spec->strategy, state->phase, prepared.move, &to);
    if (moves && prepared.move == RK_MOVE_FLIP)
        status = judge_flip(run, view, err);
    if (status != RK_OK || run->outcome != RK_RUN_GOING)
        return status;
    prepared.tier[tier] = moves;
    status = rk_prepared_save(txn, meta, &prepared, err);
    char detail[96];
    snprintf(detail, sizeof detail, "tier %s: %s", rk_tier_name(tier), rk_move_name(prepared.move));
    return status == RK_OK ? rki_run_log(run, txn, "promise", detail, err) : status;
}

rk_status rki_begin_promise(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    return rki_run_change(run, do_promise, err);
}

/* --- rollback --------------------------------------------------------------------------------- */

static rk_status do_rollback(rk_run *run, rk_txn *txn, rk_error *err)
{
    return change_phase(run, txn, RK_MOVE_ROLLBACK, true, err);
}

rk_status rki_begin_rollback(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    return rki_run_change(run, do_rollback, err);
}

/* When the last tier is back, the plan has been used up and the notes about it go. */
static rk_status retire_plan(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_table meta = run->migration->tables.meta;
    for (int tier = 0; tier < RK_TIER_COUNT; tier++)
        if (run->state.tier[tier].phase != RK_PHASE_OLD || run->state.tier[tier].undoing)
            return RK_OK;
    rk_active_plan plan;
    rk_status status = rk_active_plan_load(rk_txn_view(txn), meta, &plan, err);
    if (status == RK_NOT_FOUND)
        return RK_OK;
    char why[128];
    snprintf(why, sizeof why, "it was rolled back in epoch %" PRIu64, run->state.epoch);
    if (status == RK_OK)
        status = rk_used_plan_save(txn, meta, &plan.digest, why, err);
    if (status == RK_OK)
        status = rk_active_plan_clear(txn, meta, err);
    return status;
}

static rk_status do_undone(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_table meta = run->migration->tables.meta;
    rk_tier tier = rki_run_tier(run);
    rk_status status = rki_check_promise(run->migration, rk_txn_view(txn), err);
    if (status == RK_OK)
        status = rk_state_load(rk_txn_view(txn), meta, &run->state, err);
    if (status != RK_OK)
        return status;
    rk_tier_state *entry = &run->state.tier[tier];
    entry->phase = RK_PHASE_OLD;
    entry->undoing = false;
    entry->epoch = ++run->state.epoch;
    char detail[96];
    snprintf(detail, sizeof detail, "tier %s: rolled back", rk_tier_name(tier));
    status = rk_state_save(txn, meta, &run->state, err);
    if (status == RK_OK)
        status = rk_checkpoint_clear(txn, meta, tier, err);
    if (status == RK_OK)
        status = retire_plan(run, txn, err);
    if (status == RK_OK)
        status = rki_run_log(run, txn, "phase", detail, err);
    return status;
}

rk_status rki_begin_undone(rk_run *run, bool *done, rk_error *err)
{
    *done = true;
    rk_status status = rki_run_change(run, do_undone, err);
    return status == RK_OK ? sweep_when_all(run, RK_PHASE_OLD, err) : status;
}
