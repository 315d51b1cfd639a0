/* rekey isolation: attacks a scratch store, or searches a given one. */
#include "rekey/cli/commands.h"
#include "rekey/cli/isolation_args.h"

static const rk_opt opts[] = {
    {"store", 0, RK_OPT_STRING, "lmdb:DIR", "search this store instead; changes nothing", false,
     offsetof(rk_cli_isolation, store)},
    {"cluster", 0, RK_OPT_STRING, "FILE", "the same on all nodes of a cluster file", false,
     offsetof(rk_cli_isolation, cluster)},
    {"junit", 0, RK_OPT_STRING, "FILE", "also write a JUnit report", false,
     offsetof(rk_cli_isolation, junit)},
    {"json", 0, RK_OPT_FLAG, NULL, "with --store or --cluster: print JSON on stdout", false,
     offsetof(rk_cli_isolation, json)},
};
static const rk_arg args[] = {
    {"SPEC", "the migration's spec", false, offsetof(rk_cli_isolation, spec)},
};
static const rk_syntax syntax = {
    .name = "isolation",
    .summary = "Attacks the isolation that a spec promises, for CI; or looks for contamination.",
    .examples = "rekey isolation specs/202611210900_capsule_isolation.yaml\n"
                "rekey isolation SPEC --junit isolation.xml\n"
                "rekey isolation SPEC --store lmdb:data\n"
                "rekey isolation SPEC --cluster cluster.yaml --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .notes = "Without --store, a scratch store in $TMPDIR is taken through every phase of the\n"
             "migration. In each, one capsule attacks another one's records, and tenant ...1\n"
             "those of ...10: through the library, through this program, and with forged\n"
             "records. One line a case (TAP), STAGE/ENTITY/CASE; behind a failure the lines with\n"
             "`#` say what was tried, on what, and why it failed.\n"
             "\n"
             "With --store, that store is searched, read-only, for records, index entries and\n"
             "children that are not in the scope they belong to. With --cluster, each node\n"
             "searches its own store, and the numbers add up.\n",
    .exits = {RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED, RK_EXIT_TRY_AGAIN, RK_EXIT_BAD_SPEC},
};

int rk_cmd_isolation(rk_cli *cli, int argc, char **argv)
{
    rk_cli_isolation options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    if (options.store || options.cluster)
        code = rk_cli_one_place(cli, "isolation", options.store, options.cluster);
    if (code != RK_EXIT_DONE)
        return code;
    if (options.store || options.cluster)
        return rk_cli_isolation_search(cli, &options);
    if (options.json)
        return rk_cli_fail_format(cli, RK_EXIT_USAGE, "the attack prints TAP; --junit writes XML",
                                  "isolation: --json is for --store and --cluster only");
    return rk_cli_isolation_attack(cli, &options);
}
