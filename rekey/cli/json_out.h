/* json_out.h: one JSON object, one line on stdout. Apart from cli.h because of jansson's types. */
#ifndef REKEY_CLI_JSON_OUT_H
#define REKEY_CLI_JSON_OUT_H

#include <jansson.h>

#include "rekey/cli/cli.h"

/* Prints the object and a line break, members in the order in which they were set, and takes the
 * reference over (NULL allowed: building it had failed). RK_EXIT_DONE or RK_EXIT_FAILED; the latter
 * was reported, or will be by rk_cli_finish. */
int rk_cli_print_json(rk_cli *cli, json_t *object);

#endif
