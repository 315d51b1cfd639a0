#include "rekey/cli/commands.h"
#include "rekey/cli/single_change.h"
#include "rekey/engine/process.h"

typedef struct rollback_options {
    const char *store;
    const char *cluster;
    bool accept_loss;
    bool json;
} rollback_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(rollback_options, store, cluster),
    {"accept-loss", 0, RK_OPT_FLAG, NULL,
     "go on although records of two capsules share one old key", false,
     offsetof(rollback_options, accept_loss)},
    RK_OPTION_JSON(rollback_options, json),
};
static const rk_syntax syntax = {
    .name = "rollback",
    .summary = "Goes back to the old keys, from any phase before contract.",
    .examples = "rekey rollback --store lmdb:data\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "dual-write: reads return to the old keys at once, then the new copies go.\n"
             "move: every record moves back; readers see each at one key or the other.\n"
             "Where two capsules' records share one old key it lists them and refuses;\n"
             "with --accept-loss one of each stays (move: that of the capsule which the spec\n"
             "names first).\n",
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_rollback(rk_cli *cli, int argc, char **argv)
{
    rollback_options options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    rk_cli_single change = {.command = "rollback",
                            .store = options.store,
                            .cluster = options.cluster,
                            .json = options.json};
    change.run.goal = RK_GOAL_ROLLBACK;
    change.run.accept_loss = options.accept_loss;
    change.run.workers = rk_process_workers();
    return rk_cli_single_change(cli, &change);
}
