#include <inttypes.h>

#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"

typedef struct verify_options {
    const char *store;
    const char *cluster;
    bool json;
    bool isolation;
} verify_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(verify_options, store, cluster),
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

static const char *place_of(const verify_options *options)
{
    return options->store ? options->store : options->cluster;
}

/* Takes the report over. */
static int deliver(rk_cli *cli, const verify_options *options, json_t *report)
{
    bool clean = json_is_true(json_object_get(report, "clean"));
    json_int_t differences = json_integer_value(json_object_get(report, "differences"));
    int code = options->json ? rk_cli_print_json(cli, json_incref(report))
                             : rk_cli_verify_print(cli, report);
    if (code == RK_EXIT_DONE && !clean) {
        code = rk_cli_fail_format(cli, RK_EXIT_NOT_CLEAN, NULL,
                                  "verify %s: %" JSON_INTEGER_FORMAT " differences",
                                  place_of(options), differences);
        rk_cli_verify_samples(cli, report);
    }
    json_decref(report);
    return code;
}

static int verify(rk_cli *cli, const verify_options *options, rk_migration *migration)
{
    rk_error err = {0};
    rk_state state;
    rk_verification *verification = NULL;
    rk_verify_options how = {.entity = -1, .tenant_in_value = options->isolation};
    rk_status status = rk_migration_state(migration, &state, &err);
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
        code = deliver(cli, options,
                       rk_report_verify(migration->spec, rk_verify_report_of(verification)));
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
    code = rk_cli_one_place(cli, "verify", options.store, options.cluster);
    if (code == RK_EXIT_DONE && options.cluster) {
        json_t *report = NULL;
        code = rk_cli_cluster_verify(cli, options.cluster, options.isolation, &report);
        return code == RK_EXIT_DONE ? deliver(cli, &options, report) : code;
    }
    if (code != RK_EXIT_DONE)
        return code;
    code = rk_cli_migration_open(cli, options.store, RK_LMDB_READ, "verify", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    code = verify(cli, &options, migration);
    rk_cli_migration_close(store, migration);
    return code;
}
