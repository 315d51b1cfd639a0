#include "rekey/audit/audit.h"
#include "rekey/cli/cluster.h"
#include "rekey/cli/commands.h"
#include "rekey/cli/migrate.h"
#include "rekey/engine/process.h"

typedef struct register_options {
    const char *spec;
    const char *store;
    const char *cluster;
} register_options;

static const rk_opt opts[] = {RK_OPTIONS_PLACE(register_options, store, cluster)};
static const rk_arg args[] = {
    {"SPEC", "the migration's spec", false, offsetof(register_options, spec)},
};
static const rk_syntax syntax = {
    .name = "register",
    .summary =
        "Makes the store know a spec, in phase old, so that applications can use the client.",
    .examples = "rekey register specs/202611210900_capsule_isolation.yaml --store lmdb:data\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .exits = {RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

static int fail(rk_cli *cli, const register_options *options, rk_status status, rk_error *err)
{
    rk_error_context(err, status, "register %s in %s", options->spec, options->store);
    bool configuration = status == RK_CONFLICT || status == RK_NOT_FOUND || status == RK_INVALID;
    return rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), err, NULL);
}

static int register_in_store(rk_cli *cli, const register_options *options, const rk_spec *spec,
                             const rk_spec_source *source, bool *changed)
{
    rk_store *store = NULL;
    rk_actor actor;
    rk_error err = {0};
    int code = rk_cli_store_open(cli, options->store, RK_LMDB_WRITE, &store);
    if (code != RK_EXIT_DONE)
        return code;
    rk_actor_of_process("register", &actor);
    rk_status status =
        rk_migration_register(store, cli->clock, &actor, spec, source, changed, &err);
    if (status != RK_OK)
        code = fail(cli, options, status, &err);
    rk_store_close(store);
    return code;
}

int rk_cmd_register(rk_cli *cli, int argc, char **argv)
{
    register_options options = {0};
    rk_spec_source source = {0};
    rk_spec *spec = NULL;
    bool changed = false;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_one_place(cli, "register", options.store, options.cluster);
    if (code == RK_EXIT_DONE)
        code = rk_cli_spec_open(cli, options.spec, &source, &spec);
    if (code != RK_EXIT_DONE)
        return code;
    code = options.cluster ? rk_cli_cluster_register(cli, options.cluster, &source, &changed)
                           : register_in_store(cli, &options, spec, &source, &changed);
    if (code == RK_EXIT_DONE)
        rk_cli_print(cli, "%s %s", spec->migration,
                     changed ? "is registered, in phase old"
                             : "was registered already; nothing was changed");
    rk_spec_destroy(spec);
    rk_spec_source_fini(&source);
    return code;
}
