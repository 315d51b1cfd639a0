#include <inttypes.h>

#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"

typedef struct verify_options {
    const char *store;
    bool json;
    bool isolation;
} verify_options;

static const rk_opt opts[] = {
    RK_OPTION_STORE(verify_options, store),
    RK_OPTION_JSON(verify_options, json),
    {"isolation", 0, RK_OPT_FLAG, NULL, "also compare the tenant that a value names with its key's",
     false, offsetof(verify_options, isolation)},
};
static const rk_syntax syntax = {
    .name = "verify",
    .summary = "Compares old and new both ways, indexes and parents too. Changes nothing.",
    .examples = "rekey verify --store lmdb:data\n"
                "rekey verify --store lmdb:data --isolation --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "Each tenant is read in one snapshot. The verdict that a flip needs is recorded\n"
             "by `rekey run`, which verifies by itself; this command writes nothing.\n",
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static rk_status load_state(rk_migration *migration, rk_state *state, rk_error *err)
{
    rk_view *view = NULL;
    rk_status status = rk_snapshot_open(migration->store, &view, err);
    if (status == RK_OK)
        status = rk_state_load(view, migration->tables.meta, state, err);
    rk_snapshot_close(view);
    return status;
}

static int deliver(rk_cli *cli, const verify_options *options, const rk_spec *spec,
                   const rk_verify_report *report)
{
    int code = options->json ? rk_cli_print_json(cli, rk_cli_verify_json(spec, report))
                             : rk_cli_verify_print(cli, spec, report);
    if (code != RK_EXIT_DONE || rk_verify_is_clean(report, &spec->limits))
        return code;
    rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN, NULL, "verify %s: %" PRIu64 " differences",
                       options->store, report->differences);
    rk_cli_verify_samples(cli, spec, report);
    return RK_EXIT_NOT_CLEAN;
}

static int verify(rk_cli *cli, const verify_options *options, rk_migration *migration)
{
    rk_error err = {0};
    rk_state state;
    rk_verification *verification = NULL;
    rk_verify_options how = {.entity = -1, .tenant_in_value = options->isolation};
    rk_status status = load_state(migration, &state, &err);
    if (status == RK_OK)
        status = rk_verify_create(migration->store, migration->spec, &migration->tables, &state,
                                  &how, &verification, &err);
    bool finished = false;
    while (status == RK_OK && !finished && !rk_cli_interrupted(cli)) {
        status = rk_verify_step(verification, &finished, &err);
        rk_progress_view view = {.phase = "verify"};
        view.done = rk_verify_report_of(verification)->records;
        rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
    }
    rk_cli_progress_end(cli);
    int code;
    if (status != RK_OK) {
        rk_error_context(&err, status, "verify %s", options->store);
        code = rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    } else if (!finished) {
        code = rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL, "verify %s: interrupted",
                                  options->store);
    } else {
        code = deliver(cli, options, migration->spec, rk_verify_report_of(verification));
    }
    rk_verify_destroy(verification);
    return code;
}

int rk_cmd_verify(rk_cli *cli, int argc, char **argv)
{
    verify_options options = {0};
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_migration_open(cli, options.store, RK_LMDB_READ, "verify", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    code = verify(cli, &options, migration);
    rk_cli_migration_close(store, migration);
    return code;
}
