#include "rekey/cli/migrate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "rekey/cli/text.h"
#include "rekey/engine/collisions.h"
#include "rekey/engine/process.h"

/* --- opening ---------------------------------------------------------------------------------- */

int rk_cli_migration_open(rk_cli *cli, const char *store_name, rk_lmdb_mode mode,
                          const char *command, rk_store **store, rk_migration **out)
{
    rk_error err = {0};
    rk_actor actor;
    int code = rk_cli_store_open(cli, store_name, mode, store);
    if (code != RK_EXIT_DONE)
        return code;
    rk_actor_of_process(command, &actor);
    rk_status status =
        rk_migration_open(*store, cli->clock, &actor, mode != RK_LMDB_READ, out, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_store_close(*store);
    *store = NULL;
    rk_error_context(&err, status, "%s", store_name);
    code =
        status == RK_NOT_FOUND || status == RK_INVALID ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status);
    return rk_cli_fail(
        cli, code, &err,
        status == RK_NOT_FOUND ? "`rekey run PLAN` or `rekey register SPEC` makes it known" : NULL);
}

void rk_cli_migration_close(rk_store *store, rk_migration *migration)
{
    rk_migration_close(migration);
    rk_store_close(store);
}

/* --- driving ---------------------------------------------------------------------------------- */

void rk_cli_run_progress(rk_cli *cli, const rk_run_progress *progress, const char *waits)
{
    char phase[64];
    snprintf(phase, sizeof phase, "%s %s", progress->task, progress->tier);
    rk_progress_view view = {.phase = waits ? waits : phase,
                             .done = progress->done,
                             .total = progress->total,
                             .batch_units = progress->batch_units,
                             .quarantined = progress->quarantined};
    rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
}

static void draw(rk_cli *cli, const rk_run *run)
{
    rk_run_progress progress;
    rk_run_progress_of(run, &progress);
    rk_cli_run_progress(cli, &progress, NULL);
}

static void list_losses(rk_cli *cli, const rk_losses *losses)
{
    for (size_t i = 0; i < losses->shown; i++) {
        char text[4 * RK_STATE_KEY_BYTES_MAX + 1];
        rk_text_escape(rk_slice_of(losses->key[i], losses->key_len[i]), text, sizeof text);
        rk_cli_note(cli, "  %s", text);
    }
    if (losses->count > losses->shown)
        rk_cli_note(cli, "  and %" PRIu64 " more", losses->count - losses->shown);
}

/* The run's own no: not clean, a gate, or a stop signal. */
static int report_no(rk_cli *cli, const rk_migration *migration, const rk_run *run,
                     rk_run_state state)
{
    const char *command = migration->actor.lease.command;
    const char *name = migration->spec->migration;
    if (state == RK_RUN_NOT_CLEAN) {
        const rk_verify_report *report = rk_run_report(run);
        int code = rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN,
                                      "`rekey verify` shows them all; mend them, then run again",
                                      "%s %s: verification found %" PRIu64 " differences", command,
                                      name, report->differences);
        json_t *found = rk_report_verify(migration->spec, report);
        rk_cli_verify_samples(cli, found);
        json_decref(found);
        return code;
    }
    if (state == RK_RUN_SIGNAL)
        return rk_cli_fail_format(
            cli, RK_EXIT_NOT_CLEAN, "nothing is lost; when its cause is gone, run the same command",
            "%s %s: stopped safely by the signal %s", command, name, rk_run_reason(run));
    const rk_losses *losses = rk_run_losses(run);
    int code = rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN,
                                  losses->count
                                      ? "--accept-loss goes on without them"
                                      : "see `rekey status`, `rekey quarantine` and `rekey verify`",
                                  "%s %s refused: %s", command, name, rk_run_reason(run));
    list_losses(cli, losses);
    return code;
}

static int report_failure(rk_cli *cli, const rk_migration *migration, rk_status status,
                          rk_error *err)
{
    rk_error_context(err, status, "%s %s", migration->actor.lease.command,
                     migration->spec->migration);
    if (status == RK_FULL)
        return rk_cli_fail(cli, RK_EXIT_STOPPED, err,
                           "stopped safely at the last checkpoint; make room, then run the same "
                           "command again");
    if (status == RK_UNCERTAIN)
        return rk_cli_fail(cli, RK_EXIT_STOPPED, err,
                           "the checkpoint tells what landed: run the same command again");
    if (status == RK_BUSY || status == RK_CONFLICT)
        return rk_cli_fail(cli, RK_EXIT_TRY_AGAIN, err, NULL);
    return rk_cli_fail(cli, rk_cli_exit_of(status), err, NULL);
}

static int refuse_start(rk_cli *cli, const rk_migration *migration, rk_status status, rk_error *err)
{
    rk_error_context(err, status, "%s %s", migration->actor.lease.command,
                     migration->spec->migration);
    int code = status == RK_CONFLICT  ? RK_EXIT_NOT_CLEAN
               : status == RK_INVALID ? RK_EXIT_USAGE
               : status == RK_FULL    ? RK_EXIT_STOPPED
                                      : rk_cli_exit_of(status);
    return rk_cli_fail(cli, code, err, NULL);
}

int rk_cli_drive(rk_cli *cli, rk_migration *migration, const rk_run_options *options,
                 rk_cli_driven *out)
{
    rk_error err = {0};
    rk_run *run = NULL;
    rk_run_state state = RK_RUN_GOING;
    uint64_t began_ns = rk_clock_monotonic_ns(cli->clock);
    *out = (rk_cli_driven){0};
    rk_status status = rk_run_create(migration, options, &run, &err);
    if (status != RK_OK)
        return refuse_start(cli, migration, status, &err);
    bool interrupted = false;
    while (status == RK_OK && state == RK_RUN_GOING && !interrupted) {
        status = rk_run_step(run, &state, &err);
        draw(cli, run);
        interrupted = state == RK_RUN_GOING && rk_cli_interrupted(cli);
    }
    rk_cli_progress_end(cli);
    rk_run_progress progress;
    rk_run_progress_of(run, &progress);
    out->changes = progress.changes;
    out->seconds = (double)(rk_clock_monotonic_ns(cli->clock) - began_ns) / 1e9;
    int code = RK_EXIT_DONE;
    const char *outcome = "finished";
    if (status != RK_OK) {
        outcome = err.message;
        code = report_failure(cli, migration, status, &err);
    } else if (interrupted) {
        outcome = "interrupted";
        code = rk_cli_fail_format(cli, RK_EXIT_STOPPED, "the same command goes on from here",
                                  "%s %s: stopped at a checkpoint by an interrupt",
                                  migration->actor.lease.command, migration->spec->migration);
    } else if (state != RK_RUN_FINISHED) {
        outcome = state == RK_RUN_NOT_CLEAN ? "not clean" : rk_run_reason(run);
        code = report_no(cli, migration, run, state);
    }
    rk_error ending = {0};
    char words[256];
    snprintf(words, sizeof words, "%.200s", outcome);
    status = rk_run_end(run, words, &ending);
    if (status != RK_OK && code == RK_EXIT_DONE)
        code = report_failure(cli, migration, status, &ending);
    return code;
}
