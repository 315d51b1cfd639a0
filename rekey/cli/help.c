#include "rekey/cli/cli.h"

#include <string.h>

#include "rekey/cli/frame.h"

#define USAGE_COLUMNS 80
#define USAGE_INDENT  6
#define LABEL_COLUMNS 28 /* of options; a longer label gets its own line */

static void heading(rk_cli *cli, const char *text)
{
    fprintf(cli->out, "%s%s%s\n", rk_cli_paint(cli->color_out, RK_PAINT_BOLD), text,
            rk_cli_paint(cli->color_out, RK_PAINT_NONE));
}

/* Each line of `text` behind two spaces. */
static void indented(rk_cli *cli, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        fprintf(cli->out, "%s%.*s\n", length > 0 ? "  " : "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void labelled(rk_cli *cli, const char *label, const char *text)
{
    if (strlen(label) >= LABEL_COLUMNS)
        fprintf(cli->out, "  %s\n  %-*s%s\n", label, LABEL_COLUMNS, "", text);
    else
        fprintf(cli->out, "  %-*s%s\n", LABEL_COLUMNS, label, text);
}

/* --- usage ------------------------------------------------------------------------------------ */

static void usage_piece(rk_cli *cli, size_t *column, const char *piece)
{
    size_t length = strlen(piece) + 1;
    if (*column + length > USAGE_COLUMNS) {
        fprintf(cli->out, "\n%*s", USAGE_INDENT - 1, "");
        *column = USAGE_INDENT - 1;
    }
    fprintf(cli->out, " %s", piece);
    *column += length;
}

static void usage_option(rk_cli *cli, size_t *column, const rk_opt *opt)
{
    char name[64];
    char piece[160];
    if (opt->letter != 0)
        snprintf(name, sizeof name, "-%c", opt->letter);
    else
        snprintf(name, sizeof name, "--%s", opt->name);
    const char *space = opt->value != NULL ? " " : "";
    const char *value = opt->value != NULL ? opt->value : "";
    snprintf(piece, sizeof piece, opt->required ? "%s%s%s%s" : "[%s%s%s%s]", name, space, value,
             opt->kind == RK_OPT_LIST ? " ..." : "");
    usage_piece(cli, column, piece);
}

/* What must be given comes first. */
static void usage(rk_cli *cli, const rk_syntax *syntax)
{
    size_t column = (size_t)fprintf(cli->out, "  rekey %s", syntax->name);
    for (int required = 1; required >= 0; required--)
        for (size_t i = 0; i < syntax->opt_count; i++)
            if (syntax->opts[i].required == (required == 1))
                usage_option(cli, &column, &syntax->opts[i]);
    for (size_t i = 0; i < syntax->arg_count; i++) {
        char piece[64];
        snprintf(piece, sizeof piece, syntax->args[i].optional ? "[%s]" : "%s",
                 syntax->args[i].name);
        usage_piece(cli, &column, piece);
    }
    fputc('\n', cli->out);
}

/* --- a command -------------------------------------------------------------------------------- */

static void options(rk_cli *cli, const rk_syntax *syntax)
{
    char label[160];
    for (size_t i = 0; i < syntax->arg_count; i++)
        labelled(cli, syntax->args[i].name, syntax->args[i].help);
    for (size_t i = 0; i < syntax->opt_count; i++) {
        const rk_opt *opt = &syntax->opts[i];
        char letter[8] = "    ";
        if (opt->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", opt->letter);
        snprintf(label, sizeof label, "%s--%s%s%s", letter, opt->name,
                 opt->value != NULL ? " " : "", opt->value != NULL ? opt->value : "");
        labelled(cli, label, opt->help);
    }
    labelled(cli, "    --no-color", "no colour, here or with NO_COLOR set");
    labelled(cli, "-h, --help", "this text");
}

const char *rki_exit_meaning(rk_exit code)
{
    switch (code) {
    case RK_EXIT_DONE:
        return "done, or nothing to do";
    case RK_EXIT_FAILED:
        return "failed";
    case RK_EXIT_CHANGES:
        return "with --detailed-exitcode: changes are present";
    case RK_EXIT_STALE_PLAN:
        return "the plan is stale, altered or already used";
    case RK_EXIT_NOT_APPROVED:
        return "signature or approval refused";
    case RK_EXIT_NOT_CLEAN:
        return "verification not clean, or a gate or stop signal said no";
    case RK_EXIT_STOPPED:
        return "stopped safely; the same command resumes";
    case RK_EXIT_USAGE:
        return "usage";
    case RK_EXIT_TRY_AGAIN:
        return "try again: another run holds the lease, the store is busy";
    case RK_EXIT_BAD_SPEC:
        return "bad spec or configuration";
    }
    return "";
}

static void exit_line(rk_cli *cli, rk_exit code)
{
    fprintf(cli->out, "  %3d  %s\n", (int)code, rki_exit_meaning(code));
}

static bool returns(const rk_syntax *syntax, rk_exit code)
{
    for (size_t i = 0; i < RK_COUNT(syntax->exits); i++)
        if (syntax->exits[i] == code)
            return true;
    return code == RK_EXIT_DONE || code == RK_EXIT_FAILED || code == RK_EXIT_USAGE;
}

static void exits(rk_cli *cli, const rk_syntax *syntax)
{
    static const rk_exit all[] = {
        RK_EXIT_DONE,         RK_EXIT_FAILED,    RK_EXIT_CHANGES, RK_EXIT_STALE_PLAN,
        RK_EXIT_NOT_APPROVED, RK_EXIT_NOT_CLEAN, RK_EXIT_STOPPED, RK_EXIT_USAGE,
        RK_EXIT_TRY_AGAIN,    RK_EXIT_BAD_SPEC,
    };
    for (size_t i = 0; i < RK_COUNT(all); i++)
        if (returns(syntax, all[i]))
            exit_line(cli, all[i]);
}

void rki_help_command(rk_cli *cli, const rk_syntax *syntax)
{
    heading(cli, "Examples");
    indented(cli, syntax->examples);
    fputc('\n', cli->out);
    heading(cli, "Usage");
    usage(cli, syntax);
    fprintf(cli->out, "\n%s\n\n", syntax->summary);
    heading(cli, "Options");
    options(cli, syntax);
    if (syntax->notes != NULL)
        fprintf(cli->out, "\n%s%s", syntax->notes,
                syntax->notes[strlen(syntax->notes) - 1] == '\n' ? "" : "\n");
    fputc('\n', cli->out);
    heading(cli, "Exit codes");
    exits(cli, syntax);
}

/* --- the program ------------------------------------------------------------------------------ */

static const char examples[] =
    "rekey demo                                  # the whole story\n"
    "rekey plan SPEC --store lmdb:DIR -o PLAN    # read-only\n"
    "rekey run PLAN --store lmdb:DIR             # migrate and verify\n"
    "rekey flip --store lmdb:DIR                 # reads use the new keys\n"
    "rekey COMMAND --help                        # more examples\n";

void rki_help_program(rk_cli *cli, const rki_program *program)
{
    heading(cli, "Examples");
    indented(cli, examples);
    fputc('\n', cli->out);
    heading(cli, "Usage");
    fputs("  rekey [--no-color] COMMAND ...\n"
          "  rekey --version\n\n"
          "Changes the keys of a key-value store while applications read and write it.\n",
          cli->out);
    const char *group = "";
    for (size_t i = 0; i < program->command_count; i++) {
        const rk_command *command = &program->commands[i];
        if (strcmp(group, command->group) != 0) {
            fputc('\n', cli->out);
            heading(cli, command->group);
            group = command->group;
        }
        fprintf(cli->out, "  %-12s%s\n", command->name, command->summary);
    }
}
