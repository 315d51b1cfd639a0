/* isolation_print.h: what a search for contamination found, for people and for programs. The report
 * is that of rekey/report, of one store or of a cluster's.
 */
#ifndef REKEY_CLI_ISOLATION_PRINT_H
#define REKEY_CLI_ISOLATION_PRINT_H

#include <jansson.h>

#include "rekey/base/buf.h"
#include "rekey/cli/cli.h"

/* One line a kind, ok or not ok, in the style of TAP, with what was found by tenant and entity
 * below it; last `N passed, N failed`. RK_EXIT_DONE, or the code of what was reported. */
int rk_cli_search_print(rk_cli *cli, const json_t *report);

/* The document of `--junit`: one testcase a kind. Appends. RK_LIMIT, RK_NOMEM. */
rk_status rk_cli_search_junit(const json_t *report, rk_buf *to, rk_error *err);

/* How many kinds were found, and how many findings that are. */
size_t rk_cli_search_failed(const json_t *report, uint64_t *found);

#endif
