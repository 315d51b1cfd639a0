/* plan_args.h: plans as the commands see them. */
#ifndef REKEY_CLI_PLAN_ARGS_H
#define REKEY_CLI_PLAN_ARGS_H

#include "rekey/cli/cli.h"
#include "rekey/plan/plan.h"

/* Reads a plan file. RK_EXIT_DONE, or the code of what was reported: truncated or altered is
 * RK_EXIT_STALE_PLAN. */
int rk_cli_plan_read(rk_cli *cli, const char *path, rk_plan **out);

/* Prints the summary: one JSON object, or a table for people. */
int rk_cli_plan_print(rk_cli *cli, const rk_plan *plan, bool json);

#endif
