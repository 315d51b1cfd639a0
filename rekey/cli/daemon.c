#include "rekey/cli/daemon.h"

int rk_cli_daemon_fail(rk_cli *cli, const char *what, const char *config, rk_status status,
                       rk_error *err)
{
    bool configuration = status == RK_INVALID || status == RK_NOT_FOUND || status == RK_CONFLICT;
    rk_error_context(err, status, "%s %s", what, config);
    return rk_cli_fail(cli, configuration ? RK_EXIT_BAD_SPEC : rk_cli_exit_of(status), err, NULL);
}

bool rk_cli_daemon_opened(rk_cli *cli, const char *what, const char *config, rk_status status,
                          rk_error *err, rk_findings *findings, int *code)
{
    if (status != RK_OK)
        *code = rk_cli_daemon_fail(cli, what, config, status, err);
    rk_cli_findings_note(cli, findings);
    rk_findings_fini(findings);
    return status == RK_OK;
}
