#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/plan_args.h"

typedef struct plan_options {
    const char *spec;
    const char *store;
    const char *cluster;
    const char *out;
    bool json;
    bool detailed;
} plan_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(plan_options, store, cluster),
    {"out", 'o', RK_OPT_STRING, "PLAN", "write the plan to this file, for approve and run", false,
     offsetof(plan_options, out)},
    RK_OPTION_JSON(plan_options, json),
    {"detailed-exitcode", 0, RK_OPT_FLAG, NULL, "exit 2 when a run would change something", false,
     offsetof(plan_options, detailed)},
};
static const rk_arg args[] = {
    {"SPEC", "the migration's spec", false, offsetof(plan_options, spec)},
};
static const rk_syntax syntax = {
    .name = "plan",
    .summary = "Scans the store, read-only, and writes down what a run would do.",
    .examples =
        "rekey plan specs/202611210900_capsule_isolation.yaml --store lmdb:data -o plan.json\n"
        "rekey plan spec.yaml --store lmdb:data --json --detailed-exitcode\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes = "The plan carries the spec, and a fingerprint of the store: `rekey run` takes\n"
             "it only while both are as they were.\n",
    .exits = {RK_EXIT_CHANGES, RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static int fail(rk_cli *cli, const plan_options *options, rk_status status, rk_error *err)
{
    rk_cli_progress_end(cli);
    rk_error_context(err, status, "plan %s on %s", options->spec, options->store);
    bool configuration = status == RK_CONFLICT || status == RK_NOT_FOUND || status == RK_INVALID;
    return rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), err, NULL);
}

/* Scans to the end. RK_EXIT_DONE with a plan, or the code of what was reported. */
static int scan_all(rk_cli *cli, const plan_options *options, rk_plan_scan *scan, rk_plan **out)
{
    rk_error err = {0};
    rk_status status = RK_OK;
    bool finished = false;
    while (status == RK_OK && !finished) {
        rk_progress_view view = {.phase = "scan"};
        status = rk_plan_scan_step(scan, &view.done, &view.total, &finished, &err);
        rk_cli_progress(cli, &view, rk_clock_monotonic_ns(cli->clock));
        if (status == RK_OK && !finished && rk_cli_interrupted(cli)) {
            rk_cli_progress_end(cli);
            return rk_cli_fail_format(cli, RK_EXIT_STOPPED, NULL,
                                      "plan %s: interrupted; nothing was written", options->spec);
        }
    }
    if (status == RK_OK)
        status = rk_plan_scan_finish(scan, rk_clock_wall_ms(cli->clock), out, &err);
    if (status != RK_OK)
        return fail(cli, options, status, &err);
    rk_cli_progress_end(cli);
    return RK_EXIT_DONE;
}

static int make_plan(rk_cli *cli, const plan_options *options, rk_store *store,
                     rk_spec_source *source, rk_spec **spec, rk_plan **out)
{
    rk_error err = {0};
    rk_plan_scan *scan = NULL;
    rk_status status = rk_plan_scan_start(store, source, *spec, options->spec, &scan, &err);
    if (status != RK_OK)
        return fail(cli, options, status, &err);
    *spec = NULL; /* the scan's now */
    int code = scan_all(cli, options, scan, out);
    rk_plan_scan_destroy(scan);
    return code;
}

static int plan_store(rk_cli *cli, const plan_options *options, rk_spec_source *source,
                      rk_spec **spec, rk_plan **out)
{
    rk_store *store = NULL;
    int code = rk_cli_store_open(cli, options->store, RK_LMDB_READ, &store);
    if (code == RK_EXIT_DONE)
        code = make_plan(cli, options, store, source, spec, out);
    rk_store_close(store);
    return code;
}

static int deliver(rk_cli *cli, const plan_options *options, const rk_plan *plan)
{
    rk_error err = {0};
    if (options->out) {
        rk_status status = rk_plan_write(plan, options->out, &err);
        if (status != RK_OK)
            return rk_cli_fail(cli, rk_cli_exit_of(status), &err, NULL);
    }
    int code = rk_cli_plan_print(cli, plan, options->json);
    if (code == RK_EXIT_DONE && options->detailed && plan->changes)
        code = RK_EXIT_CHANGES;
    return code;
}

int rk_cmd_plan(rk_cli *cli, int argc, char **argv)
{
    plan_options options = {0};
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    rk_plan *plan = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_one_place(cli, "plan", options.store, options.cluster);
    if (code == RK_EXIT_DONE)
        code = rk_cli_spec_open(cli, options.spec, &source, &spec);
    if (code != RK_EXIT_DONE)
        return code;
    if (options.cluster)
        code = rk_cli_cluster_plan(cli, options.cluster, options.spec, &source, &plan);
    else
        code = plan_store(cli, &options, &source, &spec, &plan);
    if (code == RK_EXIT_DONE)
        code = deliver(cli, &options, plan);
    rk_plan_destroy(plan);
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    return code;
}
