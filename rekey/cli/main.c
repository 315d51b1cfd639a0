/* main.c: the program's surroundings, once; everything else gets them as an rk_cli. */
#include "rekey/cli/frame.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rekey/crypto/crypto.h"

#define PROGRESS_MS_DEFAULT 5000

#define ROW(name, group, summary) {#name, group, summary, rk_cmd_##name},
static const rk_command commands[] = {RK_COMMANDS(ROW)};
#undef ROW

/* Were one of the three closed, the store's data file could get its number, and a message would be
 * written into the data. */
static void hold_standard_files(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            _exit(RK_EXIT_FAILED);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

static bool is_dumb_terminal(void)
{
    const char *term = getenv("TERM");
    return term == NULL || strcmp(term, "dumb") == 0;
}

/* REKEY_PROGRESS_MS shortens the wait for a line, for tests. */
static uint64_t progress_line_ns(void)
{
    const char *text = getenv("REKEY_PROGRESS_MS");
    char *end = NULL;
    unsigned long ms = text != NULL ? strtoul(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0' || ms > PROGRESS_MS_DEFAULT)
        ms = PROGRESS_MS_DEFAULT;
    return (uint64_t)ms * 1000000u;
}

int main(int argc, char **argv)
{
    hold_standard_files();
    bool dumb = is_dumb_terminal();
    bool color = !dumb && !is_set("NO_COLOR");
    rk_cli cli = {.out = stdout, .err = stderr, .in = stdin, .clock = rk_clock_system()};
    cli.out_is_terminal = isatty(STDOUT_FILENO) == 1;
    cli.err_is_terminal = isatty(STDERR_FILENO) == 1 && !dumb;
    cli.color_out = cli.out_is_terminal && color;
    cli.color_err = cli.err_is_terminal && color;
    cli.interrupted = rki_interrupt_install(cli.err_is_terminal);
    cli.progress_line_ns = progress_line_ns();

    rk_error err = {0};
    if (rk_crypto_init(&err) != RK_OK)
        return rk_cli_fail(&cli, RK_EXIT_FAILED, &err, NULL);
    const rki_program program = {commands, RK_COUNT(commands), REKEY_VERSION};
    return rk_cli_finish(&cli, rki_dispatch(&cli, &program, argc, argv));
}
