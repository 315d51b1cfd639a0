#include "rekey/cli/commands.h"
#include "rekey/cli/single_change.h"
#include "rekey/engine/process.h"

typedef struct flip_options {
    const char *store;
    const char *cluster;
    int tier;
    bool json;
} flip_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(flip_options, store, cluster),
    RK_OPTION_TIER(flip_options, tier),
    RK_OPTION_JSON(flip_options, json),
};
static const rk_syntax syntax = {
    .name = "flip",
    .summary = "Lets reads use the new keys, if everything is proven. `rollback` undoes it.",
    .examples = "rekey flip --store lmdb:data --tier canary\n"
                "rekey flip --store lmdb:data\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "Refuses unless the last verification is clean and of this plan, the quarantine\n"
             "is within limits.quarantine_max, and old keys are still being written. When the\n"
             "store changed since the verification, it verifies once more.\n",
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_flip(rk_cli *cli, int argc, char **argv)
{
    flip_options options = {.tier = -1};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    rk_cli_single change = {.command = "flip",
                            .store = options.store,
                            .cluster = options.cluster,
                            .json = options.json};
    change.run.goal = RK_GOAL_FLIP;
    change.run.one_tier = options.tier >= 0;
    change.run.tier = (rk_tier)(options.tier >= 0 ? options.tier : 0);
    change.run.workers = rk_process_workers();
    return rk_cli_single_change(cli, &change);
}
