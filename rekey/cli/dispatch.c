#include "rekey/cli/cli.h"

#include <string.h>

#include "rekey/cli/frame.h"
#include "rekey/base/nearest.h"

static const char list_hint[] = "`rekey --help` lists the commands";

void rki_color_off(rk_cli *cli)
{
    cli->color_out = false;
    cli->color_err = false;
}

static const rk_command *find(const rki_program *program, const char *name)
{
    for (size_t i = 0; i < program->command_count; i++)
        if (strcmp(program->commands[i].name, name) == 0)
            return &program->commands[i];
    return NULL;
}

static int refuse_command(rk_cli *cli, const rki_program *program, const char *name)
{
    char hint[96];
    rk_nearest nearest = {.word = rk_slice_str(name)};
    for (size_t i = 0; i < program->command_count; i++)
        rk_nearest_try(&nearest, rk_slice_str(program->commands[i].name));
    if (nearest.best.len > 0)
        snprintf(hint, sizeof hint, "did you mean `rekey %s`?", (const char *)nearest.best.ptr);
    return rk_cli_fail_format(cli, RK_EXIT_USAGE, nearest.best.len > 0 ? hint : list_hint,
                              "unknown command \"%s\"", name);
}

static int refuse_option(rk_cli *cli, const char *word)
{
    static const char *const known[] = {"--help", "--version", "--no-color"};
    char hint[96];
    rk_nearest nearest = {.word = rk_slice_str(word)};
    for (size_t i = 0; i < RK_COUNT(known); i++)
        rk_nearest_try(&nearest, rk_slice_str(known[i]));
    if (nearest.best.len > 0)
        snprintf(hint, sizeof hint, "did you mean %s?", (const char *)nearest.best.ptr);
    return rk_cli_fail_format(cli, RK_EXIT_USAGE, nearest.best.len > 0 ? hint : list_hint,
                              "unknown option %s before the command", word);
}

static int run_command(rk_cli *cli, const rki_program *program, int argc, char **argv)
{
    const rk_command *command = find(program, argv[0]);
    if (command == NULL)
        return refuse_command(cli, program, argv[0]);
    return command->run(cli, argc, argv);
}

/* `rekey help` and `rekey help COMMAND`, which many hands type. */
static int run_help(rk_cli *cli, const rki_program *program, int argc, char **argv)
{
    if (argc < 2) {
        rki_help_program(cli, program);
        return RK_EXIT_DONE;
    }
    char ask[] = "--help";
    char *rest[] = {argv[1], ask, NULL};
    return run_command(cli, program, 2, rest);
}

int rki_dispatch(rk_cli *cli, const rki_program *program, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--no-color") == 0) {
            rki_color_off(cli);
        } else if (strcmp(word, "--version") == 0) {
            rk_cli_print(cli, "rekey %s", program->version);
            return RK_EXIT_DONE;
        } else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
            rki_help_program(cli, program);
            return RK_EXIT_DONE;
        } else if (word[0] == '-') {
            return refuse_option(cli, word);
        } else if (strcmp(word, "help") == 0) {
            return run_help(cli, program, argc - i, argv + i);
        } else {
            return run_command(cli, program, argc - i, argv + i);
        }
    }
    return rk_cli_fail_format(cli, RK_EXIT_USAGE, list_hint, "no command is given");
}
