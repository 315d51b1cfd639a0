#include <inttypes.h>
#include <stdio.h>

#include "rekey/base/fault.h"
#include "rekey/engine/tasks.h"

/* --- jobs ------------------------------------------------------------------------------------- */

static rk_job job_kind(const rk_run *run)
{
    switch (run->task[run->current].kind) {
    case RKI_TASK_UNDO:
        return run->migration->spec->strategy == RK_STRATEGY_MOVE ? RK_JOB_RETURN : RK_JOB_DROP_NEW;
    case RKI_TASK_CLEAR:
        return RK_JOB_CONTRACT;
    default:
        return RK_JOB_BACKFILL;
    }
}

static rk_status load_state(rk_run *run, rk_view *view, rk_error *err)
{
    rk_table meta = run->migration->tables.meta;
    rk_status status = rk_state_load(view, meta, &run->state, err);
    if (status != RK_OK)
        return status;
    status = rk_active_plan_load(view, meta, &run->plan, err);
    run->has_plan = status == RK_OK;
    return status == RK_NOT_FOUND ? RK_OK : status;
}

static void fill_job(rk_run *run)
{
    rk_migration *migration = run->migration;
    rk_tier tier = rki_run_tier(run);
    rk_job kind = job_kind(run);
    run->job = (rki_job){
        .kind = kind,
        .store = migration->store,
        .spec = migration->spec,
        .tables = &migration->tables,
        .tier = tier,
        .epoch = run->state.epoch,
        .tier_epoch = run->state.tier[tier].epoch,
        .template_entity =
            kind == RK_JOB_BACKFILL && run->has_plan ? (int)run->plan.template_entity : -1,
        .accept_loss = run->options.accept_loss,
        .lender = run->options.lender,
    };
}

/* Loads state, plan and the evidence in one snapshot. */
static rk_status look(rk_run *run, rk_checkpoint *point, bool *has_point, rk_verdict *verdict,
                      bool *has_verdict, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_table meta = migration->tables.meta;
    rk_tier tier = rki_run_tier(run);
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = load_state(run, view, err);
    if (status == RK_OK)
        status = rk_evidence_load(view, meta, migration->spec, &run->evidence, err);
    if (status == RK_OK) {
        status = rk_checkpoint_load(view, meta, tier, point, err);
        *has_point = status == RK_OK;
        if (status == RK_OK || status == RK_NOT_FOUND)
            status = rk_verdict_load(view, meta, tier, verdict, err);
        *has_verdict = status == RK_OK;
        if (status == RK_NOT_FOUND)
            status = RK_OK;
    }
    rk_snapshot_close(view);
    return status;
}

/* A recorded verdict that is clean, of this tier's epoch and plan, with nothing changed since. */
static bool still_proven(const rk_run *run, const rk_verdict *verdict)
{
    return verdict->clean && verdict->epoch == run->state.tier[rki_run_tier(run)].epoch &&
           memcmp(&verdict->plan, &run->plan.digest, sizeof verdict->plan) == 0 &&
           rk_evidence_same(&verdict->evidence, &run->evidence);
}

/* Whether a backfill that stands at the beginning of stage 1 must verify the template entity first:
 * nothing else may start before. An only entity has nobody who waits for it; the verification of
 * the whole follows. */
static bool template_comes_first(const rk_run *run)
{
    return run->job.kind == RK_JOB_BACKFILL && run->migration->spec->entity_count > 1;
}

static rk_status start_job(rk_run *run, const rk_checkpoint *from, const rk_checkpoint *earlier,
                           rk_error *err)
{
    rk_status status = RK_OK;
    if (!from && run->job.kind == RK_JOB_BACKFILL)
        status = rki_sweep_quarantine(&run->job, err);
    if (status != RK_OK)
        return status;
    run->stage = from ? from->stage : 0;
    /* A crash may have come between the template's last batch and its verification. */
    run->verifying_template =
        template_comes_first(run) && run->stage == 1 && from->tenant_len == 0 && from->key_len == 0;
    uint64_t planned = run->has_plan ? run->plan.quarantined : UINT64_MAX;
    if (run->job.kind != RK_JOB_BACKFILL)
        planned = UINT64_MAX; /* what cannot be undone or cleared is reported at the end */
    return rki_runner_start(&run->runner, &run->job, &run->migration->actor, run->migration->clock,
                            from, earlier, run->options.workers, planned, err);
}

rk_status rki_begin_job(rk_run *run, bool *done, rk_error *err)
{
    rk_checkpoint point;
    rk_verdict verdict;
    bool has_point = false;
    bool has_verdict = false;
    rk_status status = look(run, &point, &has_point, &verdict, &has_verdict, err);
    if (status != RK_OK)
        return status;
    fill_job(run);
    bool resumes = has_point && point.job == run->job.kind &&
                   (point.epoch == run->job.tier_epoch || rk_fault("checkpoint_epoch"));
    run->total = 0;
    for (size_t i = 0; i < run->migration->spec->entity_count; i++)
        run->total += run->has_plan ? run->plan.total[i] : 0;
    const rk_checkpoint *earlier = NULL;
    if (resumes && point.finished) {
        *done = run->job.kind == RK_JOB_BACKFILL && has_verdict && still_proven(run, &verdict);
        if (*done)
            return RK_OK;
        resumes = false; /* look at everything once more: records may have come since */
        if (run->migration->spec->strategy == RK_STRATEGY_MOVE)
            earlier = &point;
    }
    return start_job(run, resumes ? &point : NULL, earlier, err);
}

static rk_status start_verification(rk_run *run, int entity, rk_error *err)
{
    rk_migration *migration = run->migration;
    rk_verify_options options = {.tier_only = true, .tier = rki_run_tier(run), .entity = entity};
    return rk_verify_create(migration->store, migration->spec, &migration->tables, &run->state,
                            &options, &run->verification, err);
}

static void finish_verification(rk_run *run)
{
    run->report = *rk_verify_report_of(run->verification);
    run->has_report = true;
    rk_verify_destroy(run->verification);
    run->verification = NULL;
}

/* Between the template entity and all others. */
static rk_status step_template(rk_run *run, rk_error *err)
{
    bool finished = false;
    rk_status status = RK_OK;
    if (!run->verification)
        status = start_verification(run, run->job.template_entity, err);
    if (status == RK_OK)
        status = rk_verify_step(run->verification, &finished, err);
    if (status != RK_OK || !finished)
        return status;
    finish_verification(run);
    run->verifying_template = false;
    if (!rk_verify_is_clean(&run->report, &run->migration->spec->limits))
        rki_run_stop(run, RK_RUN_NOT_CLEAN, "parity_mismatch");
    return RK_OK;
}

static rk_status save_signal(rk_run *run, rk_txn *txn, rk_error *err)
{
    rk_table meta = run->migration->tables.meta;
    char detail[96];
    rk_status status = rk_state_load(rk_txn_view(txn), meta, &run->state, err);
    if (status != RK_OK)
        return status;
    snprintf(run->state.stopped_by, sizeof run->state.stopped_by, "%.*s", RK_STOPPED_BY_BYTES_MAX,
             run->reason);
    snprintf(detail, sizeof detail, "stop signal %.32s", run->reason);
    status = rk_state_save(txn, meta, &run->state, err);
    if (status == RK_OK)
        status = rki_run_log(run, txn, "stop", detail, err);
    return status;
}

/* What a rollback cannot take back, and what differs when old copies are to go, stops the run. */
static void judge_leftovers(rk_run *run)
{
    /* In the way of a conflicting record stands one that never moved: that is as it was before. */
    uint64_t left = run->runner.writer.stuck;
    uint64_t diverged = run->runner.throttle.refused;
    if (run->job.kind == RK_JOB_RETURN && left > 0)
        rki_run_stop(run, RK_RUN_GATE,
                     "%" PRIu64 " records could not be taken back; see `rekey quarantine`", left);
    if (run->job.kind == RK_JOB_CONTRACT && diverged > 0)
        rki_run_stop(run, RK_RUN_GATE,
                     "%" PRIu64 " old records have no new record of the expected value and were "
                     "kept; see `rekey quarantine`",
                     diverged);
}

rk_status rki_step_job(rk_run *run, bool *done, rk_error *err)
{
    if (run->verifying_template)
        return step_template(run, err);
    uint32_t stage = run->stage;
    rk_status status = rki_runner_step(&run->runner, &stage, done, err);
    if (status != RK_OK)
        return status;
    run->verifying_template = template_comes_first(run) && run->stage == 0 && stage > 0;
    run->stage = stage;
    if (run->runner.signal) {
        rki_run_stop(run, RK_RUN_SIGNAL, "%s", run->runner.signal);
        return rki_run_change(run, save_signal, err);
    }
    if (*done)
        judge_leftovers(run);
    return RK_OK;
}

/* --- verification ----------------------------------------------------------------------------- */

rk_status rki_begin_verify(rk_run *run, bool *done, rk_error *err)
{
    rk_checkpoint point;
    rk_verdict verdict;
    bool has_point = false;
    bool has_verdict = false;
    *done = false;
    rk_status status = look(run, &point, &has_point, &verdict, &has_verdict, err);
    if (status == RK_OK && has_verdict && still_proven(run, &verdict))
        *done = true;
    else if (status == RK_OK)
        status = start_verification(run, -1, err);
    return status;
}

/* Without any recorded verdict the gate of the flip says no by itself. */
rk_status rki_begin_reverify(rk_run *run, bool *done, rk_error *err)
{
    rk_checkpoint point;
    rk_verdict verdict;
    bool has_point = false;
    bool has_verdict = false;
    rk_status status = look(run, &point, &has_point, &verdict, &has_verdict, err);
    *done = status == RK_OK && (!has_verdict || still_proven(run, &verdict));
    if (status == RK_OK && !*done)
        status = start_verification(run, -1, err);
    return status;
}

rk_status rki_step_verify(rk_run *run, bool *done, rk_error *err)
{
    rk_status status = rk_verify_step(run->verification, done, err);
    if (status != RK_OK || !*done)
        return status;
    finish_verification(run);
    bool clean = rk_verify_is_clean(&run->report, &run->migration->spec->limits);
    status = rki_record_verdict(run, clean, err);
    if (status == RK_OK && !clean) {
        rki_run_stop(run, RK_RUN_NOT_CLEAN, "parity_mismatch");
        status = rki_run_change(run, save_signal, err);
    }
    return status;
}

/* --- sweeps and collisions -------------------------------------------------------------------- */

rk_status rki_begin_sweep(rk_run *run, bool *done, rk_error *err)
{
    rk_checkpoint point;
    rk_verdict verdict;
    bool has_point;
    bool has_verdict;
    rki_side side =
        run->task[run->current].kind == RKI_TASK_SWEEP_NEW ? RKI_SIDE_NEW : RKI_SIDE_OLD;
    *done = false;
    rk_status status = look(run, &point, &has_point, &verdict, &has_verdict, err);
    if (status != RK_OK)
        return status;
    fill_job(run);
    return rki_sweep_create(&run->job, &run->migration->actor, run->migration->clock, side,
                            &run->sweep, err);
}

rk_status rki_step_sweep(rk_run *run, bool *done, rk_error *err)
{
    uint64_t removed = 0;
    rk_status status = rki_sweep_step(run->sweep, &removed, done, err);
    run->changes += removed;
    return status;
}

rk_status rki_begin_collisions(rk_run *run, bool *done, rk_error *err)
{
    rk_checkpoint point;
    rk_verdict verdict;
    bool has_point;
    bool has_verdict;
    *done = run->options.accept_loss;
    if (*done)
        return RK_OK;
    rk_status status = look(run, &point, &has_point, &verdict, &has_verdict, err);
    if (status != RK_OK)
        return status;
    fill_job(run);
    return rki_collisions_init(&run->collisions, &run->job, err);
}

rk_status rki_step_collisions(rk_run *run, bool *done, rk_error *err)
{
    rk_status status = rki_collisions_step(&run->collisions, done, err);
    if (status == RK_OK && *done && run->collisions.losses.count > 0)
        rki_run_stop(run, RK_RUN_GATE,
                     "%" PRIu64 " records share an old key with another capsule's record and "
                     "would be lost",
                     run->collisions.losses.count);
    return status;
}

void rki_end_work(rk_run *run)
{
    run->changes += run->runner.writer.point.changes - run->runner.changes_before;
    rki_runner_stop(&run->runner);
    run->runner = (rki_runner){0};
    rk_verify_destroy(run->verification);
    run->verification = NULL;
    rki_sweep_destroy(run->sweep);
    run->sweep = NULL;
    rki_collisions_fini(&run->collisions);
}
