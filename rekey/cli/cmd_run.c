#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"
#include "rekey/cli/plan_args.h"
#include "rekey/cli/text.h"
#include "rekey/engine/process.h"

#define WORKERS_MAX 64

typedef struct run_options {
    const char *plan;
    const char *store;
    const char *cluster;
    int until; /* an rk_goal: the words of the option are in its order */
    uint64_t workers;
    int tier;
    bool json;
} run_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(run_options, store, cluster),
    {"until", 0, RK_OPT_CHOICE, "backfilled|verified|flipped|done",
     "how far to go; verified when not given", false, offsetof(run_options, until)},
    {"workers", 0, RK_OPT_U64, "N", "scanner threads; one less than the processors by default",
     false, offsetof(run_options, workers)},
    RK_OPTION_TIER(run_options, tier),
    RK_OPTION_JSON(run_options, json),
};
static const rk_arg args[] = {
    {"PLAN", "a file that `rekey plan -o` wrote", false, offsetof(run_options, plan)},
};
static const rk_syntax syntax = {
    .name = "run",
    .summary = "Advances the migration. The same command resumes after a stop or a crash.",
    .examples = "rekey run plan.json --store lmdb:data\n"
                "rekey run plan.json --store lmdb:data --tier canary --until flipped\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes = "Canary tenants go first, then production. Press Ctrl-C once to stop at the\n"
             "next checkpoint.\n",
    .exits = {RK_EXIT_STALE_PLAN, RK_EXIT_NOT_APPROVED, RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED,
              RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static int check_plan(rk_cli *cli, const run_options *options, const rk_plan *plan)
{
    rk_error err = {0};
    uint32_t valid = 0;
    rk_status status = rk_plan_check_spec_file(plan, &err);
    if (status != RK_OK) {
        rk_error_context(&err, status, "run %s", options->plan);
        return rk_cli_fail(cli, RK_EXIT_STALE_PLAN, &err, "make a new one with `rekey plan`");
    }
    if (plan->spec->approvals == 0)
        return RK_EXIT_DONE;
    status = rk_approval_check(plan, options->plan, &valid, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "run %s", options->plan);
    return rk_cli_fail(cli, RK_EXIT_NOT_APPROVED, &err, "`rekey approve PLAN --key KEY` adds one");
}

static int activate(rk_cli *cli, const run_options *options, rk_store *store, const rk_plan *plan)
{
    rk_error err = {0};
    rk_actor actor;
    rk_actor_of_process("run", &actor);
    rk_status status = rk_migration_activate(store, cli->clock, &actor, plan, &err);
    if (status == RK_OK)
        return RK_EXIT_DONE;
    rk_error_context(&err, status, "run %s on %s", options->plan, options->store);
    if (status == RK_CONFLICT)
        return rk_cli_fail(cli, RK_EXIT_STALE_PLAN, &err, "make a new one with `rekey plan`");
    if (status == RK_FULL)
        return rk_cli_fail(cli, RK_EXIT_STOPPED, &err,
                           "make room, then run the same command again");
    int code =
        status == RK_INVALID || status == RK_NOT_FOUND ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status);
    return rk_cli_fail(cli, code, &err, NULL);
}

/* What the run came to, also when it stopped on its way. */
static int deliver(rk_cli *cli, const run_options *options, rk_migration *migration,
                   const rk_cli_driven *driven)
{
    rk_error err = {0};
    json_t *status = rk_report_status(migration, &err);
    if (!status)
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    if (options->json) {
        json_object_set_new(status, "changes", json_integer((json_int_t)driven->changes));
        json_object_set_new(status, "seconds", json_real(driven->seconds));
        return rk_cli_print_json(cli, status);
    }
    int code = rk_cli_status_print(cli, status);
    rk_cli_print(cli, "%s changes in %.1f s", rk_text_count(driven->changes).s, driven->seconds);
    json_decref(status);
    return code;
}

static rk_run_options goal_of(const run_options *options)
{
    return (rk_run_options){.goal = (rk_goal)options->until,
                            .one_tier = options->tier >= 0,
                            .tier = (rk_tier)(options->tier >= 0 ? options->tier : 0),
                            .workers = (uint32_t)options->workers};
}

static int advance(rk_cli *cli, const run_options *options, rk_store *store)
{
    rk_error err = {0};
    rk_actor actor;
    rk_migration *migration = NULL;
    rk_cli_driven driven;
    rk_actor_of_process("run", &actor);
    rk_status status = rk_migration_open(store, cli->clock, &actor, true, &migration, &err);
    if (status != RK_OK) {
        rk_error_context(&err, status, "run %s on %s", options->plan, options->store);
        return rk_cli_fail(cli, status == RK_FULL ? RK_EXIT_STOPPED : rk_cli_exit_of(status), &err,
                           NULL);
    }
    rk_run_options run = goal_of(options);
    int code = rk_cli_drive(cli, migration, &run, &driven);
    int delivered = RK_EXIT_DONE;
    if (code != RK_EXIT_USAGE && code != RK_EXIT_TRY_AGAIN && code != RK_EXIT_FAILED)
        delivered = deliver(cli, options, migration, &driven);
    rk_migration_close(migration);
    return code != RK_EXIT_DONE ? code : delivered;
}

static int run_store(rk_cli *cli, const run_options *options, const rk_plan *plan)
{
    rk_store *store = NULL;
    if (plan->shard_count > 0)
        return rk_cli_fail_format(cli, RK_EXIT_STALE_PLAN, "run it with --cluster FILE",
                                  "run %s: the plan is one of a cluster", options->plan);
    int code = rk_cli_store_open(cli, options->store, RK_LMDB_WRITE, &store);
    if (code == RK_EXIT_DONE)
        code = activate(cli, options, store, plan);
    if (code == RK_EXIT_DONE)
        code = advance(cli, options, store);
    rk_store_close(store);
    return code;
}

static int run_cluster(rk_cli *cli, const run_options *options, const rk_plan *plan)
{
    rk_cli_cluster_run run = {.command = "run",
                              .cluster = options->cluster,
                              .plan_path = options->plan,
                              .plan = plan,
                              .run = goal_of(options),
                              .json = options->json};
    if (plan->shard_count == 0)
        return rk_cli_fail_format(cli, RK_EXIT_STALE_PLAN, "make one with `rekey plan --cluster`",
                                  "run %s: the plan is one of a single store", options->plan);
    return rk_cli_cluster_drive(cli, &run);
}

int rk_cmd_run(rk_cli *cli, int argc, char **argv)
{
    run_options options = {.until = RK_GOAL_VERIFIED, .tier = -1, .workers = rk_process_workers()};
    rk_plan *plan = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    if (options.workers < 1 || options.workers > WORKERS_MAX)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, NULL, "run: --workers takes 1 to %d",
                                  WORKERS_MAX);
    code = rk_cli_one_place(cli, "run", options.store, options.cluster);
    if (code == RK_EXIT_DONE)
        code = rk_cli_plan_read(cli, options.plan, &plan);
    if (code == RK_EXIT_DONE)
        code = check_plan(cli, &options, plan);
    if (code == RK_EXIT_DONE)
        code = options.cluster ? run_cluster(cli, &options, plan) : run_store(cli, &options, plan);
    rk_plan_destroy(plan);
    return code;
}
