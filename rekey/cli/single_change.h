/* single_change.h: what flip, rollback and contract share: open, drive to the goal, show the phase.
 */
#ifndef REKEY_CLI_SINGLE_CHANGE_H
#define REKEY_CLI_SINGLE_CHANGE_H

#include "rekey/cli/migrate.h"

typedef struct rk_cli_single {
    const char *command;
    const char *store;   /* or */
    const char *cluster; /* one of them */
    const char *confirm; /* the migration's name must be this; NULL for no such check */
    bool json;
    rk_run_options run;
} rk_cli_single;

int rk_cli_single_change(rk_cli *cli, const rk_cli_single *change);

#endif
