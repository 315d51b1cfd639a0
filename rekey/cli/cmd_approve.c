#include <inttypes.h>

#include "rekey/cli/commands.h"
#include "rekey/cli/plan_args.h"

typedef struct approve_options {
    const char *plan;
    const char *key;
} approve_options;

static const rk_opt opts[] = {
    {"key", 'k', RK_OPT_STRING, "KEY", "the secret key file to sign with", true,
     offsetof(approve_options, key)},
};
static const rk_arg args[] = {
    {"PLAN", "a file that `rekey plan -o` wrote", false, offsetof(approve_options, plan)},
};
static const rk_syntax syntax = {
    .name = "approve",
    .summary = "Signs a plan: adds a signature over its hash to PLAN.approvals.",
    .examples = "rekey approve plan.json --key alice.key\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .args = args,
    .arg_count = RK_COUNT(args),
    .exits = {RK_EXIT_STALE_PLAN, RK_EXIT_NOT_APPROVED},
};

static int sign(rk_cli *cli, const approve_options *options, const rk_plan *plan)
{
    rk_error err = {0};
    rk_secret_key key;
    bool added = false;
    rk_status status = rk_secret_key_read(options->key, &key, &err);
    if (status == RK_OK)
        status =
            rk_approval_add(plan, options->plan, &key, rk_clock_wall_ms(cli->clock), &added, &err);
    rk_secret_key_wipe(&key);
    if (status != RK_OK) {
        rk_error_context(&err, status, "approve %s", options->plan);
        int code = status == RK_CORRUPT ? RK_EXIT_NOT_APPROVED : rk_cli_exit_of(status);
        return rk_cli_fail(cli, code, &err, NULL);
    }
    rk_cli_print(cli, "%s", added ? "approved" : "approved already by this key; nothing was added");
    return RK_EXIT_DONE;
}

int rk_cmd_approve(rk_cli *cli, int argc, char **argv)
{
    approve_options options = {0};
    rk_plan *plan = NULL;
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;
    code = rk_cli_plan_read(cli, options.plan, &plan);
    if (code == RK_EXIT_DONE)
        code = sign(cli, &options, plan);
    rk_plan_destroy(plan);
    return code;
}
