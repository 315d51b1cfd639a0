/* frame.h: what the frame's files share among themselves. Commands do not include it. */
#ifndef REKEY_CLI_FRAME_H
#define REKEY_CLI_FRAME_H

#include "rekey/cli/commands.h"

/* --- dispatch.c ------------------------------------------------------------------------------- */

typedef struct rki_program {
    const rk_command *commands;
    size_t command_count;
    const char *version;
} rki_program;

/* Reads the global options, finds the command, runs it. Returns the exit code. */
int rki_dispatch(rk_cli *cli, const rki_program *program, int argc, char **argv);

void rki_color_off(rk_cli *cli);

/* --- help.c ----------------------------------------------------------------------------------- */

void rki_help_program(rk_cli *cli, const rki_program *program);
void rki_help_command(rk_cli *cli, const rk_syntax *syntax);

/* "done, or nothing to do"; never NULL. */
const char *rki_exit_meaning(rk_exit code);

/* --- progress.c ------------------------------------------------------------------------------- */

/* Renders into `out`, without a line break; records_per_s below 0 is unknown. Live: as many pieces
 * as fit into `columns`. Returns the length. */
size_t rki_progress_live(const rk_progress_view *view, double records_per_s, unsigned columns,
                         bool color, char *out, size_t out_bytes);
size_t rki_progress_plain(const rk_progress_view *view, double records_per_s, char *out,
                          size_t out_bytes);

/* Erases the live line but goes on counting: what a message needs. */
void rki_progress_hide(rk_cli *cli);

/* --- interrupt.c ------------------------------------------------------------------------------ */

/* From now on the first SIGINT or SIGTERM sets the flag and says so on stderr, the second leaves at
 * once; SIGPIPE and SIGXFSZ make writes fail instead of killing. Once a process. */
const volatile sig_atomic_t *rki_interrupt_install(bool err_is_terminal);

#endif
