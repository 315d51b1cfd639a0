#include "rekey/cli/commands.h"
#include "rekey/cli/plan_args.h"

typedef struct show_options {
    const char *plan;
    bool json;
} show_options;

static const rk_opt opts[] = {RK_OPTION_JSON(show_options, json)};
static const rk_arg args[] = {
    {"PLAN", "a file that `rekey plan -o` wrote", false, offsetof(show_options, plan)},
};
static const rk_syntax syntax = {
    .name = "show",
    .summary = "Reads a plan and checks that it is whole.",
    .examples = "rekey show plan.json\n"
                "rekey show plan.json --json\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .exits = {RK_EXIT_STALE_PLAN},
};

int rk_cmd_show(rk_cli *cli, int argc, char **argv)
{
    show_options options = {0};
    rk_plan *plan = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_plan_read(cli, options.plan, &plan);
    if (code == RK_EXIT_DONE)
        code = rk_cli_plan_print(cli, plan, options.json);
    rk_plan_destroy(plan);
    return code;
}
