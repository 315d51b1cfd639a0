#include "rekey/cli/commands.h"
#include "rekey/cli/single_change.h"
#include "rekey/engine/process.h"

typedef struct contract_options {
    const char *store;
    const char *cluster;
    const char *confirm;
    bool json;
} contract_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(contract_options, store, cluster),
    {"confirm", 0, RK_OPT_STRING, "MIGRATION", "the migration's name: there is no way back", true,
     offsetof(contract_options, confirm)},
    RK_OPTION_JSON(contract_options, json),
};
static const rk_syntax syntax = {
    .name = "contract",
    .summary = "Deletes the old keys. This is the rollback boundary: there is no way back.",
    .examples = "rekey contract --store lmdb:data --confirm 202611210900_capsule_isolation\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "An old record goes only where its new record exists with the expected value.\n"
             "Those that differ are kept and listed by `rekey quarantine`.\n",
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_contract(rk_cli *cli, int argc, char **argv)
{
    contract_options options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    rk_cli_single change = {.command = "contract",
                            .store = options.store,
                            .cluster = options.cluster,
                            .confirm = options.confirm,
                            .json = options.json};
    change.run.goal = RK_GOAL_CONTRACT;
    change.run.workers = rk_process_workers();
    return rk_cli_single_change(cli, &change);
}
