/* daemon.h: what `rekey node` and `rekey worker` have in common. */
#ifndef REKEY_CLI_DAEMON_H
#define REKEY_CLI_DAEMON_H

#include "rekey/cli/commands.h"

/* Says why the `what` of the file `config` cannot go on; gives the exit code. What lies in the
 * files is a bad configuration. */
int rk_cli_daemon_fail(rk_cli *cli, const char *what, const char *config, rk_status status,
                       rk_error *err);

/* Whether it could be opened; tells, and finishes the findings. */
bool rk_cli_daemon_opened(rk_cli *cli, const char *what, const char *config, rk_status status,
                          rk_error *err, rk_findings *findings, int *code);

#endif
