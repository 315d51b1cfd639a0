#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/json_out.h"
#include "rekey/cli/migrate.h"

#define WATCH_NS 1000000000u

typedef struct status_options {
    const char *store;
    const char *cluster;
    bool json;
    bool watch;
} status_options;

static const rk_opt opts[] = {
    RK_OPTIONS_PLACE(status_options, store, cluster),
    RK_OPTION_JSON(status_options, json),
    {"watch", 'w', RK_OPT_FLAG, NULL, "print it every second, until Ctrl-C", false,
     offsetof(status_options, watch)},
};
static const rk_syntax syntax = {
    .name = "status",
    .summary = "Shows the migration's phase, epoch, progress and quarantine.",
    .examples = "rekey status --store lmdb:data\n"
                "rekey status --store lmdb:data --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .exits = {RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static int show_once(rk_cli *cli, const status_options *options, rk_migration *migration)
{
    rk_error err = {0};
    json_t *status = rk_report_status(migration, &err);
    if (!status) {
        rk_error_context(&err, RK_IO, "status of %s", options->store);
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    }
    if (options->json)
        return rk_cli_print_json(cli, status);
    if (options->watch && cli->out_is_terminal)
        fputs("\033[H\033[2J", cli->out);
    int code = rk_cli_status_print(cli, status);
    json_decref(status);
    return code;
}

int rk_cmd_status(rk_cli *cli, int argc, char **argv)
{
    status_options options = {0};
    rk_store *store = NULL;
    rk_migration *migration = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_one_place(cli, "status", options.store, options.cluster);
    if (code != RK_EXIT_DONE)
        return code;
    if (options.cluster)
        return rk_cli_cluster_show_status(cli, options.cluster, options.json, options.watch);
    code = rk_cli_migration_open(cli, options.store, RK_LMDB_READ, "status", &store, &migration);
    if (code != RK_EXIT_DONE)
        return code;
    code = show_once(cli, &options, migration);
    while (code == RK_EXIT_DONE && options.watch && !rk_cli_interrupted(cli)) {
        fflush(cli->out);
        cli->clock->pause_ns(cli->clock->context, WATCH_NS);
        code = show_once(cli, &options, migration);
    }
    rk_cli_migration_close(store, migration);
    return code;
}
